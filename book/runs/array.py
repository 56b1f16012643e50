"""The fits of a search as jobs of a cluster, where `pool` would give them to the cores of this machine."""

from contextlib import contextmanager
from functools import partial

from book.runs import cluster
from data.common import pool
from tfe.errors import StudyError


@contextmanager
def as_jobs(partition):
    """While it lasts, `pool.over_cores` submits to this Slurm partition, or "local"; None changes nothing.

    No parameter of the searches says so, for their modules are in the keys of their rows: hours of fits would
    run again, and no number of them would be another. Rows are written as jobs end, by this process alone.
    """
    usual = pool.over_cores
    if partition:
        pool.over_cores = partial(_over_jobs, partition)
    try:
        yield
    finally:
        pool.over_cores = usual


def _over_jobs(partition, function, items, what, unit, workers=None):
    """As `pool.over_cores`. Raises StudyError when all others have ended, for jobs that were lost."""
    items, lost = list(items), []
    if not items:
        return
    ended = cluster.run(partial(_tried, function), enumerate(items), what, partition=partition,
                        at_once=workers or pool.cores())
    for (_, item), told, reason in ended:
        if reason:
            lost.append(reason)
            continue
        result, refused = told
        if refused:
            raise StudyError(refused)
        yield item, result
    if lost:
        raise StudyError(f"{what}: {len(lost)} of {len(items)} jobs were lost ({lost[0]}): start again, and those "
                         "alone are run")


def _tried(function, numbered):
    """In a job: `(result, None)`, or `(None, why)` for what a user can mend, which no second try would."""
    try:
        return function(numbered[1]), None
    except StudyError as error:
        return None, str(error)
