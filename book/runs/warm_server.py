"""The process that warm kernels are forks of: `python -m book.runs.warm_server MODULE ... DOOR`.

It imports what it is told, and then only waits at its door, a socket, for orders to fork. It ends
with the owner of the other end, however that ends, and its kernels end with it.
"""

import builtins
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
from importlib import import_module, util
from types import SimpleNamespace

# What a kernel imports when it starts, and others only when they are used.
KERNEL = ("ipykernel.kernelapp", "ipykernel.debugger", "tornado.platform.asyncio", "psutil",
          "IPython.core.debugger", "IPython.core.completerlib", "IPython.extensions.storemagic")
LATE = {"torch": ("torch._dynamo", "torch.profiler"), "einops": ("einops._torch_specific",),
        "matplotlib": ("matplotlib.backends.backend_agg", "PIL.PngImagePlugin")}
INLINE = "module://matplotlib_inline.backend_inline"
PR_SET_PDEATHSIG = 1  # of Linux's prctl
LONGEST = 1 << 16  # bytes of an order


def main(modules, door):
    if sys.path[0] in ("", os.getcwd()):
        del sys.path[0]  # as ipykernel_launcher does
    # A kernel names matplotlib's backend before anything imports it.
    os.environ["MPLBACKEND"] = os.environ.get("MPLBACKEND") or INLINE
    # By this name pandas asks, when it is imported, whether it prints to a terminal or in a notebook.
    builtins.get_ipython = lambda: SimpleNamespace(kernel=None)
    load(door, (*KERNEL, *modules))
    load(door, (late for early, some in LATE.items() if early in sys.modules for late in some))
    del builtins.get_ipython
    reason = unfit()
    if reason:
        door.send(reason.encode())
    else:
        door.send(json.dumps(sources()).encode())
        serve(door)


def load(door, modules):
    for module in modules:
        if select.select([door], [], [], 0)[0]:  # its owner has ended
            os._exit(0)
        try:
            import_module(module)
        except Exception:  # it fails again in the notebook, and is explained there
            pass


def unfit():
    """Why this process must not be forked, or None: a fork has no thread or GPU of its parent's."""
    threads = len(os.listdir("/proc/self/task")) - 1
    if threads:
        return f"what the notebook imports starts {threads} threads (set OMP_NUM_THREADS=1)"
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_initialized():
        return "what the notebook imports starts CUDA"


def sources():
    """`{path: time of change}` of the loaded modules that are no installed ones."""
    paths = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
    return {path: os.stat(path).st_mtime_ns for path in paths
            if os.path.isfile(path) and not path.startswith((sys.prefix, sys.base_prefix))
            and "-packages" not in path}


def serve(door):
    """Fork a kernel for each order; it answers for itself, with its id and a handle on it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for kernels
    gc.freeze()  # so that collecting in a kernel copies no page of this process
    server = os.getpid()
    while True:
        order, outputs, _, _ = socket.recv_fds(door, LONGEST, 2)
        if not order:
            os._exit(0)
        try:
            child = os.fork()
        except OSError as error:
            door.send(str(error).encode())
            continue
        if not child:
            return become_kernel(server, door, outputs, **json.loads(order))
        for output in outputs:
            os.close(output)


def become_kernel(server, door, outputs, arguments, env):
    """Be what `python -m ipykernel_launcher` would be."""
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, output in enumerate(outputs, 1):
        os.dup2(output, number)
        os.close(output)
    os.environ.update(env, JPY_PARENT_PID=str(server))
    sys.argv = [util.find_spec("ipykernel_launcher").origin, *arguments,
                f"--IPKernelApp.parent_handle={server}"]
    # These seed themselves when they are imported, and unlike `random` not again in a fork.
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].seed()
    with door:
        handle = os.pidfd_open(os.getpid())
        socket.send_fds(door, [str(os.getpid()).encode()], [handle])
        os.close(handle)
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()


if __name__ == "__main__":
    main(sys.argv[1:-1], socket.socket(fileno=int(sys.argv[-1])))
