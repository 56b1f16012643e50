"""Downloads from a server on loopback that cuts, lies, forgets and refuses: resumed, or one line."""

import errno
import hashlib
import shutil
import ssl
import subprocess
import threading
import time
from collections import namedtuple

import pytest
from archives import serving

from data.common.archives import download
from data.common.archives.download import Source, fetch
from tfe.errors import StudyError

CONTENT = bytes(range(256)) * 4096  # 1 MB
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "CHUNK", 65536)
    with serving({"a.zip": CONTENT}) as running:
        yield running


def source(server, *paths, **more):
    return Source("a.zip", tuple(map(server.url, paths or ["a.zip"])), **{"sha256": SHA} | more)


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def cutting(server, at):
    """A fault: the announced length is right, and the connection ends after `at` bytes."""
    return lambda handler: server.send(handler, CONTENT, cut=at) or True


def test_a_file_comes_whole_and_a_second_call_asks_nobody(server, tmp_path):
    path = fetch(source(server), tmp_path)
    assert path.read_bytes() == CONTENT and left(tmp_path) == ["a.zip"]
    fetch(source(server), tmp_path)
    assert server.asked == [("/a.zip", None)]


def test_a_cut_connection_is_taken_up_where_it_ended(server, tmp_path):
    server.faults = [cutting(server, 300_000)]
    assert fetch(source(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == [("/a.zip", None), ("/a.zip", "bytes=300000-")]


def test_what_a_killed_command_left_is_taken_up_by_the_next(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TRIES", 1)
    server.faults = [cutting(server, 300_000)]
    with pytest.raises(StudyError, match="cut after 300000 bytes.*run the same command again"):
        fetch(source(server), tmp_path)
    assert left(tmp_path) == ["a.zip.part", "a.zip.part.json"]
    assert fetch(source(server), tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == ("/a.zip", "bytes=300000-") and left(tmp_path) == ["a.zip"]


def test_a_whole_part_that_was_not_renamed_is_not_fetched_again(server, tmp_path):
    fetch(source(server), tmp_path).rename(tmp_path / "a.zip.part")
    (tmp_path / "a.zip.part.json").write_text(
        f'{{"url": "{server.url("a.zip")}", "version": "\\"1\\""}}')
    assert fetch(source(server), tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == ("/a.zip", f"bytes={len(CONTENT)}-")


@pytest.mark.parametrize("change", ["other version", "no ranges", "weak tag", "shorter"])
def test_what_cannot_be_taken_up_is_begun_anew(server, tmp_path, monkeypatch, change):
    monkeypatch.setattr(download, "TRIES", 1)
    old = b"old" * 200_000
    if change == "weak tag":
        server.version = 'W/"1"'
    server.faults = [lambda handler: server.send(handler, CONTENT + old, cut=len(CONTENT) + 9
                                                 if change == "shorter" else 300_000) or True]
    with pytest.raises(StudyError):
        fetch(source(server), tmp_path)
    monkeypatch.undo()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    if change == "other version":
        server.version = '"2"'
    server.ranges = change != "no ranges"
    assert fetch(source(server), tmp_path).read_bytes() == CONTENT
    assert left(tmp_path) == ["a.zip"]


def test_a_server_that_goes_on_with_another_version_is_not_believed(server, tmp_path):
    def mixed(handler):
        server.version = '"2"'
        server.send(handler, CONTENT[300_000:], 300_000, len(CONTENT))
        return True
    server.faults = [cutting(server, 300_000), mixed]
    assert fetch(source(server, sha256=None, md5=hashlib.md5(CONTENT).hexdigest()),
                 tmp_path).read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == [None, "bytes=300000-", None]


def test_the_next_mirror_is_asked(server, tmp_path):
    assert fetch(source(server, "gone.zip", "a.zip"), tmp_path).read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == ["/gone.zip", "/a.zip"]


def answering(server, body, **more):
    return lambda handler: server.send(handler, body, **more) or True


def redirecting(to):
    def fault(handler):
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.end_headers()
        return True
    return fault


@pytest.mark.parametrize("fault, more, words", [
    (lambda s: answering(s, b"x" * 999), {}, "what came has the sha256 .* and was removed"),
    (lambda s: answering(s, b"x" * 999), {"sha256": None, "md5": "0" * 32}, "has the md5"),
    (lambda s: answering(s, b"x" * 999), {"size": 1000}, "has 999 bytes, not 1000"),
    (lambda s: answering(s, b"<html>", kind="text/html"), {}, "sent a web page"),
    (lambda s: lambda h: h.send_error(404) or True, {}, "HTTP 404"),
    (lambda s: lambda h: h.send_error(403) or True, {}, "HTTP 403"),
    (lambda s: lambda h: h.send_error(503) or True, {}, "HTTP 503"),
    (lambda s: redirecting("/a.zip"), {}, "HTTP 302"),
    (lambda s: redirecting("file:///etc/hostname"), {}, "HTTP 302"),
    (lambda s: answering(s, CONTENT, cut=0), {}, "cut after 0 bytes"),
    (lambda s: lambda h: h.connection.close() or True, {}, "after 0 bytes"),
    (lambda s: lambda h: h.wfile.write(b"what?\r\n\r\n") or True, {}, "after 0 bytes"),
    (lambda s: answering(s, CONTENT), {"sha256": None}, "not over TLS, and no hash is known"),
])
def test_each_fault_ends_in_one_line_and_leaves_nothing(server, tmp_path, fault, more, words):
    server.faults = [fault(server)] * 20
    with pytest.raises(StudyError, match=words) as caught:
        fetch(source(server, **more), tmp_path)
    message = str(caught.value)
    assert "\n" not in message and "a.zip" in message and "--from" in message
    assert not any(path.stat().st_size for path in tmp_path.glob("a.zip*")
                   if path.suffix != ".json")


def test_other_schemes_are_refused(tmp_path):
    with pytest.raises(StudyError, match="file is not https"):
        fetch(Source("a.zip", ("file:///etc/hostname",), sha256=SHA), tmp_path)


def test_nobody_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(StudyError, match="refused"):
        fetch(Source("a.zip", ("http://127.0.0.1:9/a.zip",), sha256=SHA), tmp_path)


def test_a_silent_server_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    wait = threading.Event()
    server.faults = [lambda handler: wait.wait(5) or True] * 4
    with pytest.raises(StudyError, match="timed out after 0 bytes"):
        fetch(source(server), tmp_path)
    wait.set()


def test_a_damaged_file_that_lies_there_is_kept_and_named(server, tmp_path):
    (tmp_path / "a.zip").write_bytes(b"mine")
    with pytest.raises(StudyError, match="a.zip has the sha256 .*remove it and fetch it again"):
        fetch(source(server), tmp_path)
    assert (tmp_path / "a.zip").read_bytes() == b"mine" and server.asked == []


def test_a_full_disk_is_told_before_and_while(server, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, 5))
    with pytest.raises(StudyError, match="GB free, and a.zip needs .*make room"):
        fetch(source(server), tmp_path)
    assert left(tmp_path) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 0, 1e12))

    class Full:
        def __init__(self, *arguments):
            self.file = open(*arguments)

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *what):
            self.file.close()

        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(download, "open", Full, raising=False)
    with pytest.raises(StudyError, match="a.zip.part could not be written .No space.*make room"):
        fetch(source(server), tmp_path)


def test_of_two_commands_one_waits_and_finds_the_file(server, tmp_path, capfd):
    go = threading.Event()
    server.faults = [lambda handler: go.wait(5) and False]
    threads = [threading.Thread(target=fetch, args=(source(server), tmp_path)) for _ in range(2)]
    for thread in threads:
        thread.start()
    while "waiting" not in capfd.readouterr().err:
        time.sleep(0.01)
    go.set()
    for thread in threads:
        thread.join()
    assert left(tmp_path) == ["a.zip"] and server.asked == [("/a.zip", None)]


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl, which makes the certificate, is absent")
def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path, monkeypatch):
    """With a hash or without: TLS is never switched off."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key",
                    "-out", "cert", "-days", "1", "-subj", "/CN=127.0.0.1"], cwd=tmp_path,
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    with serving({"a.zip": CONTENT}, context) as server:
        with pytest.raises(StudyError, match="CERTIFICATE_VERIFY_FAILED"):
            fetch(Source("a.zip", (f"https://127.0.0.1:{server.port}/a.zip",), sha256=SHA),
                  tmp_path / "here")
    assert server.asked == []


@pytest.mark.parametrize("text", [None, "not toml", "[ucf101]\npage = 1\n", b"\xff",
                                  '[ucf101]\npage = ""\nlists = "a"\nany = []\n[ucf101.files.a]\n'
                                  'urls = []\ncolour = 1\n'])
def test_a_file_of_sources_that_says_nothing_usable(tmp_path, text):
    path = tmp_path / "own.toml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StudyError, match="own.toml says nothing usable of ucf101"):
        download.sources("ucf101", path)


@pytest.mark.parametrize("name", ["ucf101", "hmdb51", "charades"])
def test_the_committed_sources_use_tls_and_known_hashes(name):
    page, lists, videos = download.sources(name)
    for each in (lists, *videos):
        assert each.urls and all(url.startswith("https://") for url in each.urls)
        assert all(url.endswith(each.name) for url in each.urls) and each.large
    assert page.startswith("https://")
    assert bool(videos[0].hash and lists.hash) == (name != "charades")
