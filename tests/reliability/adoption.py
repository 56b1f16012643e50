"""SIGKILL at every write of an adoption: the same command again ends with 0 and gives the same bytes."""

import os
import signal
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from reliability import Case
from reliability.trials import finish
from reliability.videos import encode

from data import folder
from data.common.ending import ended

CALLS = ("fsync", "replace", "symlink", "mkdir", "unlink")
FOREVER = 10**6  # no call has this number


def suite(trials=None, seed=0, only=None):
    """One case a form: videos that stay where they lie, and videos that are linked to.

    `trials` bounds how many places are tried, evenly chosen; by default all of them.
    """
    for name, links in (("adoption: of a flat folder", False), ("adoption: by links", True)):
        if not only or name in only:
            with TemporaryDirectory() as scratch:
                places, failures = stopped_everywhere(Path(scratch), links, trials)
            yield Case("adoption", f"{name}: killed at every write", places, places - len(failures),
                       places, "places", tuple(failures))


def stopped_everywhere(scratch, links, trials=None):
    """How many places were tried, and what was wrong after a kill there."""
    home, failures = scratch / "clips", []
    for number, split in enumerate(("train", "test")):
        path = home / split / "run" / "a.mp4" if links else home / f"{split}__run_1.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        encode(path, frames=6 + number)
    wanted, calls = adopted(home, scratch / "whole", FOREVER)
    places = range(0, calls, max(1, calls // trials) if trials else 1)
    for at in places:
        adopted(home, scratch / str(at), at)
        code, found = adopted(home, scratch / str(at), FOREVER)[0]
        if code or found != wanted[1]:
            failures.append(f"call {at}: ended with {code}, {sorted(found)}")
    return len(places), failures


def adopted(home, out, at):
    """Adopt `home` in a child that is killed before call `at`: `((code, files), calls)`."""
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        code = 70
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(1, 2)
            struck(at, tell)
            code = ended(folder.main, [str(home), "--out", str(out), "--name", "clips"])
        finally:
            os._exit(code)
    os.close(tell)
    code = finish(child)
    with open(told, "rb") as file:
        calls = len(file.read())
    files = {str(p.relative_to(out)): os.readlink(p) if p.is_symlink() else p.read_bytes()
             for p in sorted(out.rglob("*")) if p.is_symlink() or p.is_file()}
    return (code, files), calls


def struck(at, tell):
    """Count the calls that write into the pipe, and end this process before number `at`."""
    count = iter(range(FOREVER))

    def through(real, *given, **more):
        if next(count) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(tell, b".")
        return real(*given, **more)

    for name in CALLS:
        real = getattr(os, name)
        patch.object(os, name, lambda *given, real=real, **more: through(real, *given, **more)).start()
