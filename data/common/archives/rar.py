"""Rar archives, by the package unrar2-cffi: the format has no free writer, and few readers.

bsdtar failed on solid archives and on those in parts, unar has no interface but its own folder; what
either unpacked by hand is taken from the folder of --from.
"""

import importlib.util

from tfe.errors import StudyError

END = 10  # how unrar says that no member follows; the package's own loop takes damage for that, too


def reader():
    """Raise StudyError, with the remedy, where the optional package is not installed."""
    if not importlib.util.find_spec("unrar"):
        raise StudyError("no reader of .rar archives is here: `.venv/bin/python -m pip install "
                         "unrar2-cffi` and run the same command again, or unpack by hand and give that "
                         "folder with --from")


def members(archive):
    """Yield `(name, size, packed, kind, copy)` a member, as `extract.Entry` has them.

    Raises EOFError where the archive is damaged.
    """
    with open(archive, "rb") as file:
        if not file.read(7).startswith(b"Rar!\x1a\x07"):
            raise EOFError("it is no rar archive")
    reader()
    from unrar.cffi import unrarlib

    try:
        with unrarlib.RarArchive.open_for_processing(str(archive)) as opened:
            yield from _members(unrarlib, opened)
    except unrarlib.BadRarFile as error:
        raise EOFError(str(error)) from None


def _members(unrarlib, opened):
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
            try:
                header.test(write)
            except unrarlib.BadRarFile as error:
                raise EOFError(str(error)) from None
            if trouble:
                raise trouble[0]
        # In a solid archive a member may be packed into next to nothing.
        yield (header.FileNameW.replace("\\", "/"), size, size if header.Flags & 0x10 else packed,
               kind, copy)
        if not taken:
            header.skip()
        raw = unrarlib.RARHeaderDataEx()
    if code != END:
        raise EOFError(f"unrar's code {code}")
