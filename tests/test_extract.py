"""Archives that lead out, lie, explode or are damaged: one line each, and no part of a file stays."""

import io
import os
import random
import shutil
import stat
import struct
import tarfile
import zipfile
from collections import namedtuple

import pytest
from archives import rarred, tarred, zipped

from data.common.archives import extract, rar
from data.common.archives.extract import unpack
from tfe.errors import StudyError

GOOD = {"videos/": b"", "videos/a (1).avi": b"one" * 999, "videos/B&#.avi": b"two", "notes.txt": b"-"}
LIBRARY = pytest.mark.skipif(rar.importlib.util.find_spec("unrar") is None,
                             reason="unrar2-cffi, the optional reader of rar, is not installed")
WRITERS = {"zip": zipped, "tar": tarred, "tgz": tarred, "tar.gz": tarred,
           "rar": lambda path, members: rarred(path, {n: c for n, c in members.items() if n[-1] != "/"})}


def videos(folder):
    """A `place` that takes .avi files by their last names."""
    return lambda name: folder / name.rpartition("/")[2] if name.endswith(".avi") else None


def written(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("kind", ["zip", "tar", "tgz", "tar.gz", pytest.param("rar", marks=LIBRARY)])
def test_wanted_members_come_out_whole_and_once(tmp_path, kind):
    members = {name: content for name, content in GOOD.items() if kind == "zip" or name[-1] != "/"}
    archive, out = WRITERS[kind](tmp_path / f"x.{kind}", members), tmp_path / "out"
    assert sorted(path.name for path in unpack(archive, videos(out))) == ["B&#.avi", "a (1).avi"]
    assert (out / "a (1).avi").read_bytes() == b"one" * 999 and len(written(out)) == 2
    before = (out / "B&#.avi").stat().st_mtime_ns
    (out / "a (1).avi").write_bytes(b"on")  # of another size: not whole
    list(unpack(archive, videos(out)))
    assert (out / "a (1).avi").read_bytes() == b"one" * 999
    assert (out / "B&#.avi").stat().st_mtime_ns == before


def lying_zip(path, **changes):
    """A zip whose directory declares another size or checksum than the member has."""
    zipped(path, {"a.avi": b"x" * 5000})
    raw = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
        at = raw.index(signature) + offset
        crc, packed, size = struct.unpack_from("<3I", raw, at)
        values = {"crc": crc, "packed": packed, "size": size} | changes
        struct.pack_into("<3I", raw, at, *(values[k] for k in ("crc", "packed", "size")))
    path.write_bytes(raw)
    return path


def special_zip(path, mode=0, flag=0, name="a.avi", content=b"x"):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, content)
    raw = path.read_bytes()
    if flag:
        for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            at = raw.index(signature) + offset
            raw = raw[:at] + bytes([raw[at] | flag]) + raw[at + 1:]
        path.write_bytes(raw)
    return path


def bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.avi", bytes(5_000_000))
    return path


def truncated(path, at=-200):
    path.write_bytes(path.read_bytes()[:at])
    return path


def broken(path):
    raw = path.read_bytes()
    at = raw.index(b"a.avi")
    path.write_bytes(raw[:at] + b"b" + raw[at + 1:])
    return path


def mojibake(path):
    path = zipped(path, {"aé.avi": b"x"})
    raw = path.read_bytes()
    for signature, offset in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        at = raw.index(signature) + offset
        raw = raw[:at] + bytes([raw[at] & ~8]) + raw[at + 1:]
    path.write_bytes(raw)
    return path


BAD = {
    "zip: up and out": (lambda d: zipped(d / "x.zip", {"../../a.avi": b"x"}), "leads out"),
    "zip: absolute": (lambda d: zipped(d / "x.zip", {"/etc/a.avi": b"x"}), "leads out"),
    "zip: backslashes": (lambda d: zipped(d / "x.zip", {"..\\a.avi": b"x"}), "leads out"),
    "zip: a drive": (lambda d: zipped(d / "x.zip", {"c:a.avi": b"x"}), "leads out"),
    "zip: newline": (lambda d: zipped(d / "x.zip", {"a\nb.avi": b"x"}), "name that is no text"),
    "zip: encoding": (lambda d: mojibake(d / "x.zip"), "unknown encoding"),
    "zip: link": (lambda d: special_zip(d / "x.zip", stat.S_IFLNK | 0o777, content=b"/etc/passwd"),
                  "is a link or device"),
    "zip: device": (lambda d: special_zip(d / "x.zip", stat.S_IFCHR), "is a link or device"),
    "zip: encrypted": (lambda d: special_zip(d / "x.zip", flag=1), "is a encrypted file"),
    "zip: bomb": (lambda d: bomb(d / "x.zip"), "would be 5000000 bytes out of"),
    "zip: wrong crc": (lambda d: lying_zip(d / "x.zip", crc=7), "damaged .Bad CRC-32"),
    "zip: longer than declared": (lambda d: lying_zip(d / "x.zip", size=10), "x.zip"),
    "zip: shorter than declared": (lambda d: lying_zip(d / "x.zip", size=9000), "x.zip"),
    "zip: huge": (lambda d: lying_zip(d / "x.zip", size=2**31 + 1, packed=2**31 + 1), "would be"),
    "zip: two of one name": (lambda d: zipped(d / "x.zip", {"1/a.avi": b"1", "2/a.avi": b"2"}),
                             "'2/a.avi' and '1/a.avi' would be one file"),
    "zip: differing in capitals": (lambda d: zipped(d / "x.zip", {"A.avi": b"1", "a.avi": b"2"}),
                                   "would be one file"),
    "zip: truncated": (lambda d: truncated(zipped(d / "x.zip", GOOD)), "x.zip is damaged"),
    "zip: empty": (lambda d: truncated(zipped(d / "x.zip", GOOD), 0), "x.zip is damaged"),
    "zip: a web page": (lambda d: (d / "x.zip").write_text("<html>") and d / "x.zip", "is damaged"),
    "tar: up and out": (lambda d: tarred(d / "x.tar", {"../a.avi": b"x"}), "leads out"),
    "tar: link": (lambda d: tarred(d / "x.tar", {}, [("a.avi", "/etc/passwd")]), "is a link"),
    "tar: truncated": (lambda d: truncated(tarred(d / "x.tar", {"a.avi": b"x" * 20000}), 9000),
                       "x.tar is damaged"),
    "tgz: truncated": (lambda d: truncated(tarred(d / "x.tgz", {"a.avi": os.urandom(9999)}), 5000),
                       "x.tgz is damaged"),
    "tar: not UTF-8": (lambda d: tarred(d / "x.tar", {"\udcff.avi": b"x"}), "no text"),
    "other": (lambda d: (d / "x.7z").write_bytes(b"7z") and d / "x.7z", "is not one of .zip"),
    "rar: a web page": (lambda d: (d / "x.rar").write_text("<html>") and d / "x.rar", "no rar"),
}
BAD_RAR = {
    "rar: up and out": (lambda d: rarred(d / "x.rar", {"../../a.avi": b"x"}), "leads out"),
    "rar: absolute": (lambda d: rarred(d / "x.rar", {"/etc/a.avi": b"x"}), "leads out"),
    "rar: link": (lambda d: rarred(d / "x.rar", {}, [("a.avi", "/etc/passwd")]), "is a link"),
    "rar: wrong crc": (lambda d: rarred(d / "x.rar", {"a.avi": b"x" * 99}, crc=7), "x.rar is damaged"),
    "rar: wrong size": (lambda d: rarred(d / "x.rar", {"a.avi": b"x" * 99}, size=500), "x.rar"),
    "rar: huge": (lambda d: rarred(d / "x.rar", {"a.avi": b"x"}, size=2**40), "would be"),
    "rar: two of one name": (lambda d: rarred(d / "x.rar", {"1/a.avi": b"1", "2/a.avi": b"2"}),
                             "would be one file"),
    "rar: truncated": (lambda d: truncated(rarred(d / "x.rar", {"a.avi": b"x" * 9000}), 5000),
                       "x.rar is damaged"),
    "rar: broken header": (lambda d: broken(rarred(d / "x.rar", {"b.txt": b"x" * 50, "a.avi": b"x"})),
                           "x.rar is damaged .unrar's code"),
}


@pytest.mark.parametrize("name", [*BAD, *(pytest.param(n, marks=LIBRARY) for n in BAD_RAR)])
def test_each_bad_archive_is_refused_in_one_line(tmp_path, name):
    make, words = (BAD | BAD_RAR)[name]
    archive, out = make(tmp_path), tmp_path / "out"
    with pytest.raises(StudyError, match=words) as caught:
        list(unpack(archive, videos(out)))
    message = str(caught.value)
    assert "\n" not in message and archive.name in message
    # Of two members of one name the first is whole; nothing else may be there, hidden or not.
    first = {"out/a.avi", "out/A.avi"} if "one file" in message else set()
    assert set(written(tmp_path)) - first == {archive.name}


def test_more_bytes_than_declared_never_reach_the_disk(tmp_path):
    entry = extract.Entry("a.avi", 10, 10, "file", lambda file: [file.write(b"x" * 6) for _ in "ab"])
    with pytest.raises(StudyError, match="holds more than the 10 bytes that it declares"):
        extract._write("x.zip", entry, tmp_path / "a.avi")
    assert written(tmp_path) == []


def test_a_full_disk_is_told_before_a_byte_is_written(tmp_path, monkeypatch):
    archive = zipped(tmp_path / "x.zip", GOOD)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, 5))
    with pytest.raises(StudyError, match="MB free and 'videos/a .1..avi' needs"):
        list(unpack(archive, videos(tmp_path / "out")))
    assert written(tmp_path) == ["x.zip"]


@LIBRARY
def test_a_disk_that_fills_within_the_librarys_callback_is_heard_of(tmp_path, monkeypatch):
    archive = rarred(tmp_path / "x.rar", {"a.avi": b"x" * 99})

    def full(self, data):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(extract._Bounded, "write", full)
    with pytest.raises(OSError, match="No space left"):
        list(unpack(archive, videos(tmp_path / "out")))
    assert written(tmp_path) == ["x.rar"]


def test_without_a_reader_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(rar.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StudyError, match="pip install unrar2-cffi"):
        rar.reader()


def flipped(path, begin, end):
    """The same file with the bits of some bytes turned."""
    raw = bytearray(path.read_bytes())
    raw[begin:end] = bytes(byte ^ 0xFF for byte in raw[begin:end])
    path.write_bytes(raw)


CONTENT = random.Random(0).randbytes(5000) + b"".join(b"%d " % n for n in range(9000))


@pytest.mark.parametrize("method", ["STORED", "DEFLATED", "BZIP2", "LZMA"])
def test_a_zip_damaged_in_any_compression_is_named(tmp_path, method):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", getattr(zipfile, f"ZIP_{method}")) as opened:
        opened.writestr("a.avi", CONTENT)
    for begin in range(35, 9000, 450):
        flipped(path, begin, begin + 20)
        with pytest.raises(StudyError, match="x.zip"):
            list(unpack(path, videos(tmp_path / "out")))
        flipped(path, begin, begin + 20)
    assert not (tmp_path / "out" / "a.avi").exists()


@pytest.mark.parametrize("method", ["gz", "bz2", "xz"])
def test_a_tar_damaged_in_any_compression_is_named(tmp_path, method):
    path = tmp_path / "x.tar"
    with tarfile.open(path, f"w:{method}") as opened:
        info = tarfile.TarInfo("a.avi")
        info.size = len(CONTENT)
        opened.addfile(info, io.BytesIO(CONTENT))
    for begin in range(450, 9000, 450):
        flipped(path, begin, begin + 20)
        with pytest.raises(StudyError, match="x.tar"):
            list(unpack(path, videos(tmp_path / "out")))
        flipped(path, begin, begin + 20)
    assert not (tmp_path / "out" / "a.avi").exists()
