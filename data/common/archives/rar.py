"""Rar archives, by whichever reader is here: unrar2-cffi, bsdtar, or unar.

The format has no free writer and few readers. unrar2-cffi (`pip install unrar2-cffi`) hands out the
bytes of each member and read every form that was tried; bsdtar is asked for the archive as a stream
of tar, and failed on solid archives and on those in parts; unar unpacks into a folder of its own.
"""

import importlib.util
import os
import shutil
import subprocess
import tarfile
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from data.common.archives.extract import CHUNK, Entry, REMEDY, of_tar
from tfe.errors import StudyError

READERS = ("unrar2-cffi", "bsdtar", "unar")


def reader():
    """The name of the reader that is here; raises StudyError, with the remedy, where none is."""
    if importlib.util.find_spec("unrar"):
        return "unrar2-cffi"
    for command in READERS[1:]:
        if shutil.which(command):
            return command
    raise StudyError("no reader of .rar archives is here: `pip install unrar2-cffi`, or install "
                     "bsdtar (libarchive-tools) or unar, and run the same command again")


@contextmanager
def entries(archive):
    """Open a rar archive; give an iterator over its `Entry`s."""
    with open(archive, "rb") as file:
        if not file.read(7).startswith(b"Rar!\x1a\x07"):
            raise StudyError(f"{archive} is no rar archive: {REMEDY}")
    way = {"unrar2-cffi": _by_library, "bsdtar": _by_bsdtar, "unar": _by_unar}[reader()]
    with way(archive) as members:
        yield members


@contextmanager
def _by_library(archive):
    from unrar.cffi import unrarlib

    try:
        with unrarlib.RarArchive.open_for_processing(str(archive)) as opened:
            yield _of_library(archive, opened)
    except unrarlib.BadRarFile as error:
        raise StudyError(f"{archive} is damaged ({error}): {REMEDY}") from None


END = 10  # how unrar says that no member follows; the package's own loop takes damage for that, too


def _of_library(archive, opened):
    from unrar.cffi import unrarlib

    raw = unrarlib.RARHeaderDataEx()
    while not (code := unrarlib.RARReadHeaderEx(opened.handle, raw)):
        header, taken = unrarlib.RarHeader(opened, raw), []
        kind = "folder" if header.Flags & 0x20 else "encrypted file" if header.Flags & 4 else "file"
        if raw.RedirType or (raw.FileAttr >> 12 == 0o12 and header.HostOS == 3):
            kind = "link or device"
        size, packed = (low + (high << 32) for low, high in (
            (header.UnpSize, header.UnpSizeHigh), (header.PackSize, header.PackSizeHigh)))

        def copy(file, header=header, taken=taken):
            taken.append(file)
            trouble = []

            def write(chunk):  # within a C callback an exception would be printed and lost
                try:
                    trouble or file.write(chunk)
                except Exception as error:
                    trouble.append(error)
            header.test(write)
            if trouble:
                raise trouble[0]
        # In a solid archive a member may be packed into next to nothing.
        yield Entry(header.FileNameW.replace("\\", "/"), size, size if header.Flags & 0x10 else packed,
                    kind, copy)
        if not taken:
            header.skip()
        raw = unrarlib.RARHeaderDataEx()
    if code != END:
        raise StudyError(f"{archive} is damaged (unrar's code {code}): {REMEDY}")


@contextmanager
def _by_bsdtar(archive):
    command = ["bsdtar", "-c", "-f", "-", "--format", "pax", f"@{Path(archive).resolve()}"]
    with TemporaryDirectory() as nowhere, subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=nowhere) as process:
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|", bufsize=CHUNK) as opened:
                yield of_tar(opened)
            process.stdout.read()  # what fills up the last block
        except tarfile.TarError as error:
            raise _unreadable(archive, "bsdtar", str(error)) from None
        finally:
            if process.poll() is None:
                process.stdout.close()
                process.terminate()
        said = process.stderr.read().decode(errors="replace")
        if process.wait():
            raise _unreadable(archive, "bsdtar", said)


def _unreadable(archive, command, said):
    said = (said.strip().splitlines() or ["no reason given"])[0]
    return StudyError(f"{archive} cannot be read by {command} ({said}): it is damaged, or of a form "
                      "that `pip install unrar2-cffi` reads")


@contextmanager
def _by_unar(archive):
    with TemporaryDirectory(dir=Path(archive).parent, prefix=".unar-") as folder:
        done = subprocess.run(["unar", "-quiet", "-no-directory", "-output-directory", folder,
                               str(Path(archive).resolve())], capture_output=True, text=True,
                              errors="replace")
        if done.returncode:
            raise _unreadable(archive, "unar", done.stderr or done.stdout)
        yield _of_folder(Path(folder))


def _of_folder(folder):
    for path in sorted(folder.rglob("*")):
        link = path.is_symlink() or not (path.is_dir() or path.is_file())
        size = os.lstat(path).st_size

        def copy(file, path=path):
            with open(path, "rb") as member:
                shutil.copyfileobj(member, file, CHUNK)
        yield Entry(str(path.relative_to(folder)), size, size,
                    "link or device" if link else "folder" if path.is_dir() else "file", copy)
