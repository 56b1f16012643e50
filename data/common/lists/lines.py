"""Lines out of somebody's text files: found, read with care, and refused by file and line."""

from pathlib import Path, PurePosixPath

from tfe.errors import StudyError

REMEDY = "take the file of the official archive"


def file(folder, name, source):
    """`name` in `folder` or in a folder of it; `source` says where it can be had."""
    for path in (Path(folder) / name, *sorted(Path(folder).glob(f"*/{name}"))):
        if path.is_file():
            return path
    raise StudyError(f"{Path(folder) / name} is missing: unpack {source} there")


def lines(path):
    """Yield `(where, line)` of the lines that are not blank, with or without a final newline."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path} cannot be read as text ({error}): {REMEDY}") from None
    if not text.strip():
        raise StudyError(f"{path} is empty: {REMEDY}")
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield f"{path} line {number}", line.strip()


def member(where, path):
    """The folder and the stem of `CLASS/NAME` or `CLASS/NAME.avi`.

    A stem becomes the name of a file, so it must be one name and lead nowhere else.
    """
    home, _, name = path.partition("/")
    stem = name.removesuffix(".avi")
    if home in ("", ".", "..") or stem in ("", "..") or stem != PurePosixPath(stem).name:
        raise StudyError(f"{where}: {path!r} is not CLASS/NAME: {REMEDY}")
    return home, stem


def seconds(where, text, least=0.0):
    """A finite number of seconds, at least `least`."""
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number < 1e6:
        raise StudyError(f"{where}: {text!r} is no number of seconds: {REMEDY}")
    return number
