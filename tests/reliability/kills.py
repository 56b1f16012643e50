"""SIGKILL at random moments: the same command again must give the same bytes, and redo one unit."""

import os
import random
import signal
import time

from reliability import Case, stages
from reliability.trials import clean, finish, prepared, run, start


def suite(trials=40, seed=0, only=None):
    """One case a stage."""
    for name in only or stages.STAGES:
        yield interrupted(name, trials, random.Random(f"{seed} {name}"))


def interrupted(name, trials, draw):
    """Kill a stage `trials` times, at moments spread over its time; go on; compare.

    Half of the kills take the command alone, whose workers must then end by themselves; half take all
    of its processes at once, as a power cut does. What was redone is what was begun in both runs together
    above what an undisturbed run begins.
    """
    stage, failures, worst = stages.STAGES[name], [], 0
    with prepared(stage) as fresh:
        clean(stage, fresh)  # the first time is slower than the others
        seconds, whole, wanted = clean(stage, fresh)
        for trial in range(trials):
            folder, moment = fresh(), seconds * draw.random()
            before = stages.units(folder)
            child = start(stage, folder)
            time.sleep(moment)
            (os.kill if draw.random() < 0.5 else os.killpg)(child, signal.SIGKILL)
            finish(child)
            try:
                orphans_end(child)
                run(stage, folder)
            except (RuntimeError, TimeoutError) as error:
                failures.append(f"trial {trial}: {error}")
                continue
            redone = stages.units(folder) - before - whole
            worst = max(worst, redone)
            found = stages.artifacts(folder)
            if redone > 1 or found != wanted:
                other = sorted(key for key in {**found, **wanted} if found.get(key) != wanted.get(key))
                failures.append(f"trial {trial}, at {moment:.3f} s: {redone} redone, {other[:3]}")
    return Case("kills", name, trials, trials - len(failures), worst,
                f"{stage.unit}s redone", tuple(failures))


def orphans_end(child, patience=10):
    """Wait, as a user would, until no process of the killed command is left."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            os.killpg(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    raise TimeoutError(f"workers outlived their command by {patience} s")
