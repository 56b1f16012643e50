"""Run a stage in a forked child: to its end, until it is killed, or with the disk failing."""

import os
import shutil
import signal
import sys
import time
import traceback
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from reliability import stages

from data.common.ending import ended

LONGEST = 300  # seconds after which a child counts as hanging, on the busiest of machines


@contextmanager
def prepared(stage):
    """A folder with the stage's inputs; `fresh()` gives copies of it, gone when the test ends."""
    with TemporaryDirectory() as scratch:
        template, count = Path(scratch) / "template", 0
        template.mkdir()
        run(stage, template, prepare=True)

        def fresh():
            # The same path each time: a run's key and a notebook's parameters hold it.
            place = Path(scratch) / "trial"
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(template, place)
            return place

        yield fresh


def start(stage, folder, prepare=False, before=None):
    """Fork a child, leader of a group of its own, that does the stage's work; return its pid."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setsid()
        log = os.open(folder / "kernel.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        stages.begin_log(folder, stage.unit)
        if before:
            before()
        code = ended(lambda _: (stage.prepare if prepare else stage.work)(folder))
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stderr.flush()
        finally:  # a full disk fails that too, and a usual exit would clean up the parent's folder
            os._exit(code)


def finish(child):
    """Wait for a child; return its exit code, or minus the signal that ended it."""
    until = time.monotonic() + LONGEST
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise TimeoutError(f"a child did not end in {LONGEST} s")


def run(stage, folder, **options):
    """Do the stage's work to its end; raise with what it said where it fails."""
    code = finish(start(stage, folder, **options))
    if code:
        raise RuntimeError(f"ended with {code}: {said(folder)[-2000:]}")


def said(folder):
    """What the children printed."""
    return (folder / "kernel.log").read_text(errors="replace")


def clean(stage, fresh):
    """The stage undisturbed: `(seconds, units, artifacts)`."""
    folder, begun = fresh(), time.monotonic()
    before = stages.units(folder)
    run(stage, folder)
    return time.monotonic() - begun, stages.units(folder) - before, stages.artifacts(folder)
