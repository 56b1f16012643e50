"""A fault at every write, fsync and rename: the command says so in a line, and the next mends it.

`paths.atomic` is the one door through which the stages write. Each passage syncs the file, renames it
and syncs the folder; every one of these calls is made to fail or to be the last, in turn.
"""

import errno
import os
import resource
import signal
from contextlib import ExitStack
from unittest.mock import patch

from reliability import Case, stages
from reliability.trials import clean, finish, prepared, run, said, start

from data.common import pool
from data.files import paths

KINDS = ("killed before", "killed half written", "disk full")


def suite(trials=None, seed=0, only=None):
    """Two cases a stage: every fault of the commit path, and limits that fill the disk early.

    `trials` bounds how many places are tried, evenly chosen; by default all of them.
    """
    for name in only or stages.STAGES:
        with one_run(), prepared(stages.STAGES[name]) as fresh:
            _, _, wanted = clean(stages.STAGES[name], fresh)
            yield everywhere(name, fresh, wanted, trials)
            yield full(name, fresh, wanted, trials)


def one_run():
    """A batch of one run, and its report: more would only repeat the same calls."""
    return patch.object(stages, "ROWS", stages.ROWS[:1])


def everywhere(name, fresh, wanted, trials):
    stage, folder = stages.STAGES[name], fresh()
    run(stage, folder, before=lambda: tallied(folder))
    calls = len((folder / "calls.log").read_bytes())
    places = [(at, kind) for at in range(calls) for kind in KINDS]
    if trials:
        places = places[::max(1, len(places) // trials)][:trials]
    failures = []
    for at, kind in places:
        folder = fresh()
        finish(start(stage, folder, before=lambda at=at, kind=kind: fault(at, kind)))
        failures += complaint(stage, folder, wanted, f"call {at} {kind}")
    return Case("faults", f"{name}: every write fsync and rename", len(places),
                len(places) - len(failures), calls, "calls of the commit path", tuple(failures))


def full(name, fresh, wanted, trials):
    """A file may grow to so many bytes and no further, as on a disk that fills up."""
    stage, failures = stages.STAGES[name], []
    limits = (0, 100, 1000, 10_000)[:trials]
    for most in limits:
        folder = fresh()
        finish(start(stage, folder, before=lambda most=most: resource.setrlimit(
            resource.RLIMIT_FSIZE, (most, most))))
        failures += complaint(stage, folder, wanted, f"at most {most} bytes")
    return Case("faults", f"{name}: disk full", len(limits), len(limits) - len(failures),
                max(limits), "bytes a file at most", tuple(failures))


def complaint(stage, folder, wanted, place):
    """What is wrong after a fault: a traceback, or a second run that does not mend it."""
    if "Traceback" in said(folder):
        return [f"{place}: a traceback: {said(folder)[-600:]}"]
    try:
        run(stage, folder)
    except (RuntimeError, TimeoutError) as error:
        return [f"{place}: the next run fails: {error}"]
    found = stages.artifacts(folder)
    found.pop("calls.log", None)
    other = sorted(key for key in {**found, **wanted} if found.get(key) != wanted.get(key))
    return [f"{place}: other bytes in {other[:3]}"] if other else []


def alone_in_process(function, items, what, unit, workers=None, initializer=None, initargs=(),
                     **_):
    """In `pool.over_cores`'s place: no workers, so that all of it is in this process."""
    if initializer:
        initializer(*initargs)
    for item in list(items):
        yield item, function(item)


def tallied(folder):
    """Count the calls of the commit path into `folder/calls.log`."""
    log = os.open(folder / "calls.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    doors(lambda real, *given: (os.write(log, b"."), real(*given))[1])


def fault(at, kind):
    """Let call number `at` of the commit path fail, once."""
    count = iter(range(10**6))

    def struck(real, *given):
        if next(count) != at:
            return real(*given)
        if kind == "disk full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if kind == "killed half written" and real is SYNC and paths.UNFINISHED in opened(given[0]):
            with open(opened(given[0]), "r+b") as file:
                file.truncate(os.path.getsize(file.name) // 2)
        os.kill(os.getpid(), signal.SIGKILL)

    doors(struck)


SYNC, RENAME = os.fsync, os.replace


def opened(descriptor):
    return os.readlink(f"/proc/self/fd/{descriptor}")


def doors(through):
    """Send the commit path's system calls of this process through a function."""
    stack = ExitStack()
    stack.enter_context(patch.object(pool, "over_cores", alone_in_process))
    for name, real in (("fsync", SYNC), ("replace", RENAME)):
        stack.enter_context(patch.object(
            paths.os, name, lambda *given, real=real: through(real, *given)))
