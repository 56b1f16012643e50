"""Every path, from the repository's root; and the one way in which files are written."""

import fcntl
import hashlib
import json
import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from shutil import rmtree

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
BOOK = ROOT / "book"
RESULTS = ROOT / "results"
LOCAL = RESULTS / "local"
UNFINISHED = ".unfinished-"
DRAWN = "made.json"  # in the folder of a dataset that is drawn here: with which settings
_swept = set()


@contextmanager
def atomic(path):
    """Give a temporary path beside `path`; on success fsync it and rename it onto `path`.

    A reader sees the old file or the new one, never a part; a failure leaves the old one. What a
    killed process left half written is removed by the next one that writes into the folder.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent)
    # A folder, because some writers, such as safetensors, write beside the path that they are given;
    # in it the file's own name, because some choose the format by it.
    room, descriptor = _room(path.parent)
    with _locked(descriptor):
        try:
            yield room / path.name
            with open(room / path.name, "rb") as written:
                os.fsync(written.fileno())
            os.replace(room / path.name, path)
            _sync_folder(path.parent)
        except Exception as error:
            if isinstance(error, OSError) and error.errno and not error.filename:
                raise OSError(error.errno, error.strerror, str(path)) from None
            # Writers in Rust, such as safetensors, have their own word for a disk that is full.
            if "(os error" in str(error) and not isinstance(error, OSError):
                raise OSError(f"{path}: {error}") from None
            raise
        finally:
            rmtree(room, ignore_errors=True)


def _room(folder):
    """A new folder in `folder`, and the descriptor that locks it."""
    while True:
        room = folder / f"{UNFINISHED}{token_hex(8)}"
        room.mkdir()
        try:
            descriptor = os.open(room, os.O_RDONLY)
        except FileNotFoundError:  # swept away before it was locked: take another
            continue
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if room.is_dir():
            return room, descriptor
        os.close(descriptor)


@contextmanager
def alone(folder):
    """Be the only command at work in `folder`: wait, and say so, while another one is."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"waiting: another command is at work in {folder}", file=sys.stderr)
    except OSError:  # a file system that locks no folders, such as NFS
        pass
    with _locked(descriptor):
        yield


@contextmanager
def _locked(descriptor):
    """Hold the lock of an open file, and close it; the lock ends with its process in any case."""
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sweep(folder):
    """Remove, once a process, unfinished files of writers that are gone: nobody locks them."""
    if folder in _swept:
        return
    _swept.add(folder)
    for left in folder.glob(f"{UNFINISHED}*"):
        with suppress(OSError):
            descriptor = os.open(left, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                rmtree(left, ignore_errors=True)
            finally:
                os.close(descriptor)


def write_text(path, text):
    """Write `text` to `path` atomically, as UTF-8."""
    with atomic(path) as temporary:
        # A file name that is no UTF-8, in a message about it, shows its odd bytes as \\udcXX.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path, value):
    """Write `value` to `path` as JSON, atomically and in one order."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def write_csv(path, table, **form):
    """Write a table to `path` as csv, atomically and without its index; `form`: see `to_csv`."""
    write_text(path, table.to_csv(index=False, lineterminator="\n", **form))


def write_rows(path, table):
    """As `write_csv`, for a file that exists only while the table has rows; the same is not rewritten."""
    text = table.to_csv(index=False, lineterminator="\n")
    if table.empty:
        path.unlink(missing_ok=True)
    elif not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


def _sync_folder(folder):
    """Make the rename itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path, algorithm="sha256"):
    """The SHA-256 of a file, in hexadecimal, or another hash of it."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def digest(hashes):
    """A short hash of many."""
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]
