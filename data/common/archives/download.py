"""Files from the network: resumed where they stopped, checked before they are called there.

A download grows in `NAME.part`, with what the server calls this version of the file in
`NAME.part.json` beside it. It goes on only where the server says that the version is the same, and it
takes its own name when size and hash are right. TLS certificates are always checked, and without TLS
a file is taken only if its hash is known.
"""

import json
import os
import shutil
import sys
import tomllib
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from tqdm import tqdm

from tfe.errors import StudyError
from data.files.paths import alone, sha256, write_text

SOURCES = Path(__file__).with_name("sources.toml")
CHUNK = 2**20
TIMEOUT = 60.0  # seconds of silence after which a connection is given up
TRIES = 4  # times that one address is asked in a row, each from where the last stopped
AGAIN = "run the same command again to go on from there"


@dataclass(frozen=True)
class Source:
    """A file of a dataset: its name, addresses, and size in bytes and hashes where they are known."""

    name: str
    urls: tuple
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    about: str = ""  # the size in words, where it is not known to the byte

    @property
    def hash(self):
        """`(algorithm, digest)`, or None where none is known."""
        return next(((name, getattr(self, name)) for name in ("sha256", "md5")
                     if getattr(self, name)), None)

    @property
    def large(self):
        """How large the file is, for people."""
        return f"{self.size / 1e9:.2f} GB" if self.size and self.size > 1e7 else (
            f"{self.size / 1e6:.1f} MB" if self.size else self.about or "size unknown")


def sources(dataset, path=None):
    """What `sources.toml`, or the file `path` in its form, says of a dataset.

    Returns `(page, lists, videos)`: the dataset's page, the `Source` of its lists, and those of its
    videos, of which any one will do. Raises StudyError where the file is not in that form.
    """
    path = Path(path or SOURCES)
    try:
        own = tomllib.loads(path.read_text(encoding="utf-8"))[dataset]
        files = {name: Source(name, **{**entry, "urls": tuple(entry["urls"])})
                 for name, entry in own["files"].items()}
        return own["page"], files[own["lists"]], [files[name] for name in own["any"]]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise StudyError(f"{path} says nothing usable of {dataset} ({type(error).__name__}: {error}"
                         f"): write it as {SOURCES.name} is written") from None


def fetch(source, folder):
    """Download `source` into `folder`, or find it there; return its path, checked.

    Raises StudyError, in one line with the file and the remedy. What a later call can go on from
    stays as `.part`; what proved wrong is removed.
    """
    target, reasons = Path(folder) / source.name, []
    part = target.with_name(f"{source.name}.part")
    with alone(target.parent):  # two commands must not write one `.part`
        if target.is_file():
            check(target, source)
            return target
        for url in source.urls:
            try:
                _download(url, part, source)
                if fault := _fault(part, source):
                    part.unlink()
                    raise _Refused(f"what came {fault}, and was removed")
                os.replace(part, target)
                return target
            except _Refused as reason:
                reasons.append(f"{url}: {reason}")
            finally:
                if not part.is_file():
                    _note(part).unlink(missing_ok=True)
    raise StudyError(f"{target} could not be had ({'; '.join(reasons)}): {AGAIN}, or fetch the file "
                     "by other means and give its folder with --from")


def check(path, source):
    """Raise StudyError unless size and hash of `path` are the expected."""
    if fault := _fault(path, source):
        raise StudyError(f"{path} {fault}: remove it and fetch it again")


def _fault(path, source):
    """What is wrong with the file, in words; empty where nothing is."""
    if source.size is not None and path.stat().st_size != source.size:
        return f"has {path.stat().st_size} bytes, not {source.size}"
    if source.hash and (found := sha256(path, source.hash[0])) != source.hash[1]:
        return f"has the {source.hash[0]} {found[:12]}..., not {source.hash[1][:12]}..."
    return ""


class _Refused(Exception):
    """Why this address does not give the file; another may."""


class _Other(Exception):
    """What is here is no beginning of what is there: to be begun anew."""


def _download(url, part, source):
    """Fill `part` from `url`, asking again while each answer brings it further."""
    scheme = url.partition(":")[0]
    if scheme not in ("https", "http"):
        raise _Refused(f"{scheme} is not https")
    for _ in range(TRIES):
        before = _size(part)
        try:
            if _answer(url, part, source):
                return
            reason = "the connection was cut"
        except _Other as error:
            part.unlink(missing_ok=True)
            reason, before = str(error), -1
        except (urllib.error.URLError, ConnectionError, TimeoutError, HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        if _size(part) <= before:
            break
    raise _Refused(f"{' '.join(reason.split())} after {_size(part)} bytes")


def _answer(url, part, source):
    """Ask once, append what comes; whether the file is whole then."""
    have, version = _begun(url, part)
    asked = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})
    if have:
        asked.add_header("Range", f"bytes={have}-")
        asked.add_header("If-Range", version)
    with _opened(asked) as answer:
        span = answer.headers.get("Content-Range", "")
        if answer.status == 416:  # it has no byte beyond those
            if span.endswith(f"/{have}"):
                return True
            raise _Other("the server's file is shorter than what is here")
        if answer.status >= 300:
            raise _Refused(" ".join(f"HTTP {answer.status} {answer.reason}".split()))
        if not answer.url.startswith("https:") and not source.hash:
            raise _Refused("not over TLS, and no hash is known to tell whether it is the file")
        if answer.headers.get_content_type() == "text/html":
            raise _Refused("the server sent a web page instead of the file")
        # A weak ETag may stand for other bytes.
        tag = answer.headers.get("ETag", "")
        now = tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")
        if answer.status != 206:
            have = 0
        elif not span.startswith(f"bytes {have}-") or now not in ("", version):
            raise _Other("the server went on with something else")
        rest = answer.headers.get("Content-Length")
        total = have + int(rest) if rest and rest.isdigit() else None
        if source.size is not None and total not in (None, source.size):
            raise _Refused(f"the server's file has {total} bytes, not {source.size}")
        _room(part, (total or 0) - have)
        write_text(_note(part), json.dumps({"url": url, "version": now or version}))
        bar = tqdm(total=total, initial=have, desc=source.name, unit="B", unit_scale=True,
                   disable=None, file=sys.stderr)
        with open(part, "r+b" if have else "wb") as file, bar:
            file.seek(have)
            while chunk := answer.read(CHUNK):
                _write(file, chunk, part)
                bar.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())
            return total is None or file.tell() == total


def _opened(asked):
    """The server's answer, whatever its status."""
    try:
        return urllib.request.urlopen(asked, timeout=TIMEOUT)
    except urllib.error.HTTPError as answer:
        return answer


def _size(part):
    return part.stat().st_size if part.is_file() else 0


def _begun(url, part):
    """`(bytes here, their version)` if they can be continued from `url`, else `(0, "")`."""
    try:
        note = json.loads(_note(part).read_text(encoding="utf-8"))
        if note["url"] == url and note["version"]:
            return part.stat().st_size, note["version"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return 0, ""


def _write(file, chunk, part):
    """Write, so that a full disk is not taken for a bad connection."""
    try:
        file.write(chunk)
    except OSError as error:
        raise StudyError(f"{part} could not be written ({error.strerror}): make room") from None


def _room(part, needed):
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise StudyError(f"{part.parent} has {free / 1e9:.1f} GB free, and {part.stem} needs "
                         f"{needed / 1e9:.1f} GB more: make room, then {AGAIN}")


def _note(part):
    return part.with_name(f"{part.name}.json")
