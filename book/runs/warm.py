"""Runs with warm kernels: papermill's own engine, its kernels forked by `warm_server`.

    papermill --engine warm book/run.ipynb out.ipynb --cwd book

A fresh kernel imports torch, pandas and the rest for seconds before its first line. Here a server
imports what the notebook imports, once, runs nothing, and is forked for every kernel, which finds
modules loaded and no trace of another kernel. Where no server can be had, plain kernels serve.

A module that asks while it is imported whether it is in a notebook is told no.
"""

import ast
import asyncio
import json
import os
import signal
import socket
import sys
import threading
import weakref
from multiprocessing import connection
from subprocess import DEVNULL, Popen

from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from traitlets import List, Unicode
from traitlets.config import Config

LAUNCHER = "ipykernel_launcher"
SERVER = "book.runs.warm_server"
# Variables that Jupyter sets for one kernel and pytest for one test; any other is one that an import
# may have read.
OF_ONE_KERNEL = ("JPY_", "JUPYTER_", "PYTEST_")
PATIENCE = 120  # seconds for a server's imports, on the coldest of disks
LONGEST = 1 << 16  # bytes of a message


class WarmEngine:
    """papermill's engine `warm`: its default engine, with kernels of `WarmProvisioner`."""

    def __getattr__(self, name):
        # papermill imports its engines while it is itself imported: not before it is asked.
        from papermill.engines import NBClientEngine

        return getattr(NBClientEngine, name)

    def execute_notebook(self, nb, kernel_name, config=None, **options):
        """Execute `nb` as papermill's default engine does, given the same options."""
        from papermill.engines import NBClientEngine

        wanted = Config({"WarmProvisioner": {"imports": imported(nb)}})
        wanted.merge(config or {})
        return NBClientEngine.execute_notebook(
            nb, kernel_name, config=wanted, kernel_manager_class=WarmManager, **options)


engine = WarmEngine()


class Warm:
    """What makes a kernel manager ask for warm kernels, whatever the kernel's specification says."""

    @property
    def kernel_spec(self):
        spec = super().kernel_spec
        spec.metadata["kernel_provisioner"] = {"provisioner_name": "warm"}
        return spec


class WarmManager(Warm, AsyncKernelManager):
    """papermill's kernel manager, warm."""


class WarmProvisioner(LocalProvisioner):
    """Kernels from a server's fork, or plain ones where that is not to be had."""

    imports = List(Unicode(), help="modules that the server imports").tag(config=True)

    async def launch_kernel(self, cmd, **kwargs):
        cwd = kwargs.get("cwd") or os.getcwd()
        kernel = await asyncio.to_thread(forked, cmd, self.imports, str(cwd), kwargs["env"])
        if not kernel:
            return await super().launch_kernel(cmd, **kwargs)
        self.process, self.pid, self.pgid, self.cwd = kernel, kernel.pid, kernel.pid, cwd
        return self.connection_info

    async def kill(self, restart=False):
        await super().kill(restart)
        if isinstance(self.process, Kernel):
            self.process.wait(1)  # sooner than jupyter_client would look again


class Kernel:
    """A forked kernel with the part of `subprocess.Popen` that a provisioner uses.

    It is a child of the server, so its exit code is not to be had: one that ended has code 0.
    """

    stdin = stdout = stderr = None

    def __init__(self, pid, handle):
        self.pid, self.handle = pid, handle
        weakref.finalize(self, os.close, handle)

    def poll(self):
        return self.wait(0)

    def wait(self, timeout=None):
        """Return 0 when it has ended, or None after `timeout` seconds."""
        return 0 if connection.wait([self.handle], timeout) else None

    def send_signal(self, number):
        if self.poll() is None:
            signal.pidfd_send_signal(self.handle, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


class Server:
    """The owner's end of a `warm_server`: started on creation, ended by `close` or with the owner.

    Raises OSError, with the reason, where it does not start or does not fork.
    """

    def __init__(self, command, cwd, env):
        self.wanted, self.kernels = (command, cwd, env), weakref.WeakSet()
        self.door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.door.settimeout(PATIENCE)
        with theirs:
            self.process = Popen([*command, str(theirs.fileno())], cwd=cwd, env=env, stdin=DEVNULL,
                                 pass_fds=[theirs.fileno()])
        said = self.door.recv(LONGEST)
        if not said.startswith(b"{"):
            self.close()
            raise OSError(said.decode() or "the server died")
        self.sources = json.loads(said)

    def fork(self, arguments, env):
        """A kernel with these arguments and these variables of its own; output as the owner's."""
        order = json.dumps({"arguments": arguments, "env": env}).encode()
        socket.send_fds(self.door, [order], [1, 2])
        try:
            said, handles, _, _ = socket.recv_fds(self.door, LONGEST, 1)
        except TimeoutError:
            self.close()  # or its answer would be taken for the next one's
            raise
        if not handles:
            raise OSError(said.decode() or "the server died")
        kernel = Kernel(int(said), *handles)
        self.kernels.add(kernel)
        return kernel

    def is_current(self):
        """It lives, and no module that it loaded has changed since: no kernel runs old code."""
        try:
            return self.process.poll() is None and all(
                os.stat(path).st_mtime_ns == time for path, time in self.sources.items())
        except OSError:
            return False

    def is_busy(self):
        return any(kernel.poll() is None for kernel in self.kernels)

    def close(self):
        self.door.close()
        self.process.kill()
        self.process.wait()


_servers, _refused = [], []
_turn = threading.Lock()


def forked(cmd, imports, cwd, env):
    """A kernel from a server with this folder and environment; None where a plain one must do."""
    if LAUNCHER not in cmd or sys.platform != "linux":
        return None
    at = cmd.index(LAUNCHER)
    own = {name: value for name, value in env.items() if name.startswith(OF_ONE_KERNEL)}
    shared = {name: value for name, value in env.items() if name not in own}
    wanted = (*cmd[:at], SERVER, *imports), cwd, shared
    with _turn:
        try:
            return None if wanted in _refused else _server(*wanted).fork(cmd[at + 1:], own)
        except (OSError, ValueError) as error:
            _refused.append(wanted)  # the next run would wait for the same
            print(f"no warm kernel, a plain one serves: {error}", file=sys.stderr)


def _server(*wanted):
    """A server for this, an old one or a new one; those without use and work are ended."""
    for server in list(_servers):
        if server.wanted == wanted and server.is_current():
            return server
        if not server.is_busy():
            _servers.remove(server)
            server.close()
    _servers.append(Server(*wanted))
    return _servers[-1]


def _forget():
    """In a fork of the owner: its servers are not the fork's, nor may it keep their doors open."""
    global _turn
    _turn = threading.Lock()
    for server in _servers:
        server.door.close()
    _servers.clear()


os.register_at_fork(after_in_child=_forget)


def imported(nb):
    """What a notebook's code imports anywhere; `a.b` for `from a import b`, a module or not."""
    found = set()
    for cell in nb.cells:
        try:
            nodes = list(ast.walk(ast.parse(cell.source))) if cell.cell_type == "code" else []
        except SyntaxError:  # a magic
            continue
        for node in nodes:
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return sorted(found)
