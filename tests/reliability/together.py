"""Several commands at once on one store, and folders in which nothing may be written."""

import errno
import os
from unittest.mock import patch

from reliability import Case, stages
from reliability.trials import clean, finish, prepared, said, start

from data.files import paths


def suite(trials=10, seed=0, only=None):
    """Two cases a stage."""
    for name in only or stages.STAGES:
        with prepared(stages.STAGES[name]) as fresh:
            _, _, wanted = clean(stages.STAGES[name], fresh)
            yield at_once(name, fresh, wanted, trials)
            yield read_only(name, fresh)


def at_once(name, fresh, wanted, trials, commands=2):
    """The same command several times at once: each ends well, and the bytes are those of one."""
    stage, failures = stages.STAGES[name], []
    for trial in range(trials):
        folder = fresh()
        codes = [finish(child) for child in [start(stage, folder) for _ in range(commands)]]
        if any(codes) or stages.artifacts(folder) != wanted:
            failures.append(f"trial {trial}: ended with {codes}: {said(folder)[-600:]}")
    return Case("together", f"{name}: {commands} commands at once", trials, trials - len(failures),
                commands, "commands", tuple(failures))


def read_only(name, fresh):
    """No file may be made: one line and code 2 (1 where runs report their own failures)."""
    stage, folder = stages.STAGES[name], fresh()
    before = stages.artifacts(folder)
    code = finish(start(stage, folder, before=forbid))
    text = said(folder)
    good = (code in (1, 2) and "Traceback" not in text and "Read-only" in text
            and stages.artifacts(folder) == before)
    return Case("together", f"{name}: read-only folder", 1, int(good), code, "exit code",
                () if good else (f"{code}: {text[-600:]}",))


def forbid():
    """Refuse new files, as a read-only disk does; permissions would not stop an administrator."""
    real = os.open

    def refuse(path, flags, *mode, **options):
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return real(path, flags, *mode, **options)

    def no_folder(path, *_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    patch.object(paths.os, "open", refuse).start()
    patch.object(paths.os, "mkdir", no_folder).start()
