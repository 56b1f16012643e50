"""Members out of archives, one by one, to places that we choose.

No name out of an archive becomes a path: the caller says for each member where it goes, if anywhere.
Regular files alone are taken, whole and with the right checksum, or not at all; an archive that holds
a link, a name that leads out of it, or more bytes than it declares is refused.
"""

import lzma
import re
import shutil
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from data.common.archives import rar
from data.files.paths import atomic
from tfe.errors import StudyError

LARGEST = 2**31  # bytes of one member: the longest video of the three datasets has a tenth of it
RATIO = 200  # bytes of text out of one byte, at most; videos hardly shrink at all
CHUNK = 2**20
REMEDY = "remove it and fetch it again from the official place"
KINDS = (".zip", ".rar", ".tar", ".tar.gz", ".tgz")


@dataclass(frozen=True)
class Entry:
    """A member as its archive declares it; `copy(file)` writes its bytes, during iteration."""

    name: str
    size: int
    packed: int  # bytes in the archive; `size` where it is not told
    kind: str  # "file", "folder", or what else it is
    copy: Callable


def unpack(archive, place):
    """Write each member for which `place(name)` gives a path there; yield these paths, one by one.

    `name` is the member's name with "/" between folders. What lies there already with the declared
    size is left alone, so that an interrupted call goes on. Raises StudyError, naming the archive
    and the member, for whatever is refused; no part of a member stays.
    """
    taken = {}
    with entries(archive) as members:
        for entry in members:
            _check(archive, entry)
            path = place(entry.name) if entry.kind == "file" else None
            if path is None:
                continue
            if str(path).casefold() in taken:
                raise StudyError(f"{archive}: {entry.name!r} and {taken[str(path).casefold()]!r} "
                                 f"would be one file: {REMEDY}")
            taken[str(path).casefold()] = entry.name
            if not path.is_file() or path.stat().st_size != entry.size:
                _write(archive, entry, path)
            yield path


@contextmanager
def entries(archive):
    """Open an archive of whatever kind; give an iterator over its `Entry`s.

    Whatever the libraries raise comes out as a StudyError that names the archive.
    """
    name = Path(archive).name.lower()
    if not name.endswith(KINDS):
        raise StudyError(f"{archive} is not one of {', '.join(KINDS)}: unpack it yourself")
    try:
        if name.endswith(".zip"):
            with zipfile.ZipFile(archive) as opened:
                yield _of_zip(archive, opened)
        elif name.endswith(".rar"):
            yield (Entry(*member) for member in rar.members(archive))
        else:
            with tarfile.open(archive) as opened:
                yield _of_tar(opened)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError,
            NotImplementedError, RuntimeError, UnicodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # a disk's; bz2's and gzip's have no number
            raise
        raise StudyError(f"{archive} is damaged ({error}): {REMEDY}") from None


def _of_zip(archive, opened):
    for info in opened.infolist():
        if not info.filename.isascii() and not info.flag_bits & 0x800:
            raise StudyError(f"{archive}: {info.filename!r} is in an unknown encoding: {REMEDY}")
        unix = info.external_attr >> 28  # the file's type, where the archive was made on Unix
        kind = "folder" if info.is_dir() else "file" if unix in (0, 8) else "link or device"
        kind = "encrypted file" if info.flag_bits & 1 else kind

        def copy(file, info=info):
            with opened.open(info) as member:
                shutil.copyfileobj(member, file, CHUNK)
        yield Entry(info.filename, info.file_size, info.compress_size, kind, copy)


def _of_tar(opened):
    # A tar has no checksums of its members; that of a compressed stream stands at its end.
    begin = opened.fileobj.tell()
    while opened.fileobj.read(CHUNK):
        pass
    opened.fileobj.seek(begin)
    for info in opened:
        kind = "folder" if info.isdir() else "file" if info.isreg() else "link or device"

        def copy(file, info=info):
            shutil.copyfileobj(opened.extractfile(info), file, CHUNK)
        yield Entry(info.name, info.size, info.size, kind, copy)


def _check(archive, entry):
    """Refuse an archive with a member that no official archive has."""
    parts = PurePosixPath(entry.name).parts
    reason = ""
    if (".." in parts or entry.name.startswith("/") or "\\" in entry.name
            or re.match(r"[A-Za-z]:", entry.name)):
        reason = "leads out of it"
    elif re.search(r"[\x00-\x1f\x7f\ufffd\ud800-\udfff]", entry.name):
        reason = "has a name that is no text"
    elif entry.kind not in ("file", "folder"):
        reason = f"is a {entry.kind}"
    elif entry.size > LARGEST or entry.size > max(RATIO * entry.packed, CHUNK):
        reason = f"would be {entry.size} bytes out of {entry.packed}"
    if reason:
        raise StudyError(f"{archive}: the member {entry.name!r} {reason}: {REMEDY}")


def _write(archive, entry, path):
    """One member to `path`: all of it, or nothing."""
    free = shutil.disk_usage(_there(path)).free
    if entry.size > free:
        raise StudyError(f"{path.parent} has {free / 1e6:.0f} MB free and {entry.name!r} needs "
                         f"{entry.size / 1e6:.0f} MB: make room and run the same command again")
    with atomic(path) as temporary:
        with open(temporary, "wb") as file:
            entry.copy(_Bounded(file, archive, entry))
            written = file.tell()
        if written != entry.size:
            raise StudyError(f"{archive} is damaged ({entry.name!r} has {written} of {entry.size} "
                             f"bytes): {REMEDY}")


class _Bounded:
    """A file that takes no more bytes than its member declares."""

    def __init__(self, file, archive, entry):
        self.file, self.archive, self.entry, self.left = file, archive, entry, entry.size

    def write(self, data):
        self.left -= len(data)
        if self.left < 0:
            raise StudyError(f"{self.archive}: {self.entry.name!r} holds more than the "
                             f"{self.entry.size} bytes that it declares: {REMEDY}")
        return self.file.write(data)


def _there(path):
    """The nearest folder above `path` that exists."""
    return next(folder for folder in path.parents if folder.is_dir())


def plain(stem):
    """A name without its ending, as names are compared.

    Archives and lists spell HandStandPushups and accents differently.
    """
    return unicodedata.normalize("NFC", stem).casefold()
