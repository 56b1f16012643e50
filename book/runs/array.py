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
    run again, and no number of them would be another. Rows are written as jobs end.
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
    lost = []
    for item, result, reason in cluster.run(function, items, what, partition=partition,
                                            at_once=workers or pool.cores()):
        if reason:
            lost.append(reason)
        else:
            yield item, result
    if lost:
        raise StudyError(f"{what}: {len(lost)} of {len(items)} jobs were lost ({lost[0]}): start again, and those "
                         "alone are run")
