"""Small archives in the forms of the official ones, and a server on loopback that gives or withholds.

Compressed rar files have no free writer. The container of RAR 5 is documented by its makers, and
members may be stored in it as they are, which is what `rar` does.
"""

import io
import tarfile
import threading
import zipfile
import zlib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def zipped(path, members):
    """Write a zip of `{name: bytes}`; return its path."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tarred(path, members, links=()):
    """Write a tar of `{name: bytes}` and of symbolic `links`, `(name, target)`; return its path."""
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return path


def _vint(number):
    """A whole number in the archive's form: seven bits a byte, the lowest first."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def _header(*fields, data=b"", flags=0):
    kind, *rest = fields
    body = _vint(kind) + _vint(flags | 2 * bool(data)) + b"".join(rest)
    body = _vint(len(body)) + body
    return zlib.crc32(body).to_bytes(4, "little") + body + data


def rarred(path, members, links=(), crc=None, size=None):
    """Write a rar of `{name: bytes}` and of symbolic `links`, members stored; return its path.

    `crc` and `size` let every member declare another checksum or length than its own.
    """
    out = b"Rar!\x1a\x07\x01\x00" + _header(1, _vint(0))
    for name, content in [*members.items(), *((name, None) for name, _ in links)]:
        raw, redirect = name.encode(), b""
        if content is None:
            target = dict(links)[name].encode()
            record = _vint(5) + _vint(1) + _vint(0) + _vint(len(target)) + target
            redirect, content = _vint(len(record)) + record, b""
        checksum = zlib.crc32(content) if crc is None else crc
        mode = 0o120777 if redirect else 0o100644
        fields = (_vint(4), _vint(len(content) if size is None else size), _vint(mode),
                  checksum.to_bytes(4, "little"), _vint(0), _vint(1), _vint(len(raw)), raw)
        if redirect:
            out += _header(2, _vint(len(redirect)), _vint(0), *fields, redirect, flags=3)
        else:
            out += _header(2, _vint(len(content)) if content else b"", *fields, data=content)
    path.write_bytes(out + _header(5, _vint(0)))
    return path


class Server:
    """Files by HTTP on 127.0.0.1, with Range and If-Range; `faults` makes it misbehave.

    `files` maps paths to bytes. A fault is a function of the handler that answers in its own way
    and returns True, or returns False to let the usual answer follow; `asked` lists the requests
    as `(path, Range or None)`.
    """

    def __init__(self, files):
        self.files, self.faults, self.asked, self.version = dict(files), [], [], '"1"'
        self.ranges = True

    def url(self, name):
        return f"http://127.0.0.1:{self.port}/{name}"

    def answer(self, handler):
        self.asked.append((handler.path, handler.headers.get("Range")))
        if self.faults and self.faults.pop(0)(handler):
            return
        content = self.files.get(handler.path[1:])
        if content is None:
            handler.send_error(404)
            return
        start = 0
        asked = handler.headers.get("Range")
        if asked and self.ranges and handler.headers.get("If-Range") == self.version:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{len(content)}")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
        self.send(handler, content[start:], start, len(content))

    def send(self, handler, body, start=0, total=None, kind="application/octet-stream", cut=None):
        """The usual headers and `body`, of which only `cut` bytes go out where it is given."""
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        handler.send_header("Content-Type", kind)
        handler.send_header("ETag", self.version)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            handler.wfile.flush()
            handler.connection.close()


@contextmanager
def serving(files, tls=None):
    """Start a `Server`, under an SSL context where one is given; stop it at the end."""
    server = Server(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.answer(self)

        def log_message(self, *arguments):
            pass

    loopback = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    loopback.handle_error = lambda *arguments: None  # connections that were cut on purpose
    server.port = loopback.server_port
    if tls:
        loopback.socket = tls.wrap_socket(loopback.socket, server_side=True)
    thread = threading.Thread(target=loopback.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        loopback.shutdown()
        loopback.server_close()
        thread.join()
