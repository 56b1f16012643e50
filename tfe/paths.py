"""Every path, from the repository's root; and the one way in which files are written."""

import os
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"
BOOK = ROOT / "book"
RESULTS = ROOT / "results"
LOCAL = RESULTS / "local"


@contextmanager
def atomic(path):
    """Give a temporary path beside `path`; on success fsync it and rename it onto `path`.

    A reader sees the old file or the new one, never a part; a failure leaves the old one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays, because writers such as numpy and PyAV choose the format by it.
    temporary = path.with_name(f".{path.stem}-{token_hex(4)}{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path, text):
    """Write `text` to `path` atomically, as UTF-8."""
    with atomic(path) as temporary:
        # A file name that is no UTF-8, in a message about it, shows its odd bytes as \\udcXX.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def _sync_folder(folder):
    """Make the rename itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
