"""Warm kernels: as clean as plain ones, each on its own, gone with their owner, the same bits."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import nbformat
import papermill
import pytest
from jupyter_client.provisioning import KernelProvisionerFactory
from nbclient.exceptions import DeadKernelError
from papermill.engines import papermill_engines

from book.runs import batch, warm
from data.files.paths import BOOK, ROOT

linux = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux alone")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module", autouse=True)
def end_servers():
    yield
    while warm._servers:
        warm._servers.pop().close()


def run(folder, *cells, engine="warm"):
    """Execute code cells in `folder`; return what they printed."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "language": "python", "display_name": "p"}})
    path = folder / f"{time.monotonic_ns()}.ipynb"
    nbformat.write(notebook, path)
    done = papermill.execute_notebook(path, path, engine_name=engine, cwd=folder,
                                      progress_bar=False, shutdown_kernel="immediate")
    return "".join(output["text"] for cell in done.cells for output in cell.outputs).strip()


PLANT = """
import builtins, gc, os, random, sys, warnings
import matplotlib, numpy, torch
planted = builtins.planted = numpy.planted = 1
os.environ["PLANTED"] = "1"
os.environ.pop("HOME", None)
os.chdir("/")
sys.path.insert(0, "/planted")
sys.modules["planted"] = numpy
random.seed(1), numpy.random.seed(1), torch.manual_seed(1)
torch.set_default_dtype(torch.float64)
torch.set_num_threads(2)
torch.use_deterministic_algorithms(True)
torch.set_grad_enabled(False)
matplotlib.rcParams["lines.linewidth"] = 77
warnings.simplefilter("error")
gc.disable()
os.umask(0)
"""
STATE = """
import builtins, gc, os, random, signal, sys, threading, warnings
import json, matplotlib, numpy, pandas, torch, torch._dynamo
from matplotlib import pyplot
changing = ("JPY_", "JUPYTER_")
print(json.dumps({
    "names": [name for name in dir() if not name.startswith("_")], "builtins": dir(builtins),
    "environment": {n: v for n, v in os.environ.items() if not n.startswith(changing)},
    "cwd": os.getcwd(), "path": sys.path, "argv0": sys.argv[0], "main": __name__,
    "planted": hasattr(numpy, "planted") or "planted" in sys.modules,
    "torch": [str(torch.get_default_dtype()), torch.get_num_threads(),
              torch.are_deterministic_algorithms_enabled(), torch.is_grad_enabled()],
    "figures": [matplotlib.rcParams["lines.linewidth"], pyplot.get_backend()],
    "columns": pandas.get_option("display.max_columns"),
    "filters": sorted(map(str, warnings.filters)), "gc": gc.isenabled(), "umask": os.umask(0o22),
    "signals": [str(signal.getsignal(n)) for n in (signal.SIGCHLD, signal.SIGTERM)],
    "leader": os.getsid(0) == os.getpid(), "input": sys.stdin.read()}))
"""


# Never executed, but read for what a server imports: cells that begin so share one.
SAME = "if 0:\n    " + "\n    ".join(STATE.splitlines()[1:4]) + "\n"


@linux
def test_a_run_sees_nothing_of_the_one_before_it_and_what_a_plain_kernel_sees(tmp_path):
    run(tmp_path, PLANT + SAME)
    server = warm._servers[-1]
    after = json.loads(run(tmp_path, STATE))
    assert warm._servers[-1] is server
    assert after == json.loads(run(tmp_path, STATE, engine=None))


@linux
def test_generators_without_a_seed_draw_otherwise_in_every_kernel(tmp_path):
    cell = SAME + ("import random, numpy, torch\n"
                   "print(random.random(), numpy.random.rand(), torch.rand(1).item())")
    one, two = (run(tmp_path, cell).split() for _ in range(2))
    assert all(a != b for a, b in zip(one, two, strict=True))


@linux
def test_figures_come_as_from_a_plain_kernel(tmp_path):
    def image(engine):
        cell = nbformat.v4.new_code_cell(SAME + "from matplotlib import pyplot\npyplot.plot([1, 2]);")
        notebook = nbformat.v4.new_notebook(cells=[cell])
        done = papermill.execute_notebook(notebook, None, engine_name=engine, kernel_name="python3",
                                          cwd=tmp_path, progress_bar=False)
        return [output.data["image/png"] for output in done.cells[0].outputs]
    assert image("warm") == image(None) != []


@linux
def test_kernels_come_from_one_server_by_fork(tmp_path):
    parents = {run(tmp_path, "import os\nprint(os.getppid())") for _ in range(2)}
    assert parents == {str(warm._servers[-1].process.pid)}


@linux
def test_a_killed_kernel_takes_no_other_with_it(tmp_path, monkeypatch):
    # papermill changes the folder of the whole process: of two threads, one may find the other's.
    monkeypatch.chdir(tmp_path)
    run(tmp_path, "import os, time, signal")
    server = warm._servers[-1]
    with ThreadPoolExecutor() as threads:
        cell = "import os, time, signal\ntime.sleep(3)\nprint('whole')"
        lasting = threads.submit(run, tmp_path, cell)
        with pytest.raises(DeadKernelError):
            run(tmp_path, "import os, time, signal\nos.kill(os.getpid(), signal.SIGKILL)")
        assert not lasting.done() and lasting.result() == "whole"
    assert run(tmp_path, "import os, time, signal\nprint('next')") == "next"
    assert server.process.poll() is None


@linux
def test_after_a_killed_server_another_serves(tmp_path):
    cell = "import os, signal\nprint(os.getppid())"
    first = run(tmp_path, cell)
    with pytest.raises(DeadKernelError):
        run(tmp_path, cell + "\nos.kill(os.getppid(), signal.SIGKILL)\nsignal.pause()")
    assert run(tmp_path, cell) not in (first, str(os.getpid()))


@linux
def test_changed_code_and_another_environment_are_seen(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    module = tmp_path / "its_own.py"
    module.write_text("import os\nvalue = os.environ.get('GIVEN'), 1\n")
    cell = "import its_own\nprint(its_own.value)"
    assert run(tmp_path, cell) == "(None, 1)"
    monkeypatch.setenv("GIVEN", "so")
    assert run(tmp_path, cell) == "('so', 1)"
    module.write_text("import os\nvalue = os.environ.get('GIVEN'), 22\n")
    assert run(tmp_path, cell) == "('so', 22)"


@linux
@pytest.mark.parametrize("code, reason", [
    ("import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
     "starts 1 threads"), ("raise SystemExit", "the server died")])
def test_where_a_server_cannot_be_had_a_plain_kernel_serves_and_a_line_says_why(
        code, reason, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "odd.py").write_text(code)
    for _ in range(2):
        cell = "if 0:\n    import odd\nimport os\nprint(os.getppid())"
        assert run(tmp_path, cell) == str(os.getpid())
    said = [line for line in capfd.readouterr().err.splitlines() if "warm" in line]
    assert len(said) == 1 and reason in said[0]


def test_where_there_is_no_fork_a_plain_kernel_serves_silently(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(warm.sys, "platform", "darwin")
    assert run(tmp_path, "import os\nprint(os.getppid())") == str(os.getpid())
    assert "warm" not in capfd.readouterr().err


def test_a_batch_asks_for_warm_kernels_on_the_cpu_alone(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(papermill, "execute_notebook",
                        lambda *_, engine_name, **__: asked.append(engine_name) or 1 / 0)
    monkeypatch.setattr(batch.os, "dup2", lambda *_: None)
    for device in ("cpu", "cuda"):
        assert "ZeroDivisionError" in batch._papermill(
            (tmp_path, {"device": device, "threads": 1}))
    assert asked == ["warm", "warm", None, None]  # twice at most


def test_the_engine_and_the_provisioner_are_found_by_name():
    assert papermill_engines.get_engine("warm").nb_kernel_name
    provisioners = KernelProvisionerFactory.instance().get_provisioner_entries()
    assert provisioners["warm"] == "book.runs.warm:WarmProvisioner"
    for first in ("import book.runs.warm", "import papermill"):  # in either order
        subprocess.run([sys.executable, "-c", f"{first}\nfrom papermill.engines import "
                        "papermill_engines as all\nall.get_engine('warm')"], check=True, cwd=ROOT)


def test_what_a_notebook_imports_is_read_off_its_code():
    cells = [nbformat.v4.new_markdown_cell("import no"), nbformat.v4.new_code_cell("%magic"),
             nbformat.v4.new_code_cell("import a.b as c\nif c:\n    from d import e"),
             nbformat.v4.new_code_cell("from . import f")]
    assert warm.imported(nbformat.v4.new_notebook(cells=cells)) == ["a.b", "d", "d.e"]


@linux
def test_server_and_kernels_end_with_a_killed_owner(tmp_path):
    cell = ("import os, signal\nopen('pids', 'w').write(f'{os.getpid()} {os.getppid()}')\n"
            "signal.pause()")
    work = ("import pathlib, sys; sys.path.insert(0, 'tests'); from test_warm import run; "
            "run(pathlib.Path(sys.argv[1]), sys.argv[2])")
    owner = subprocess.Popen([sys.executable, "-c", work, str(tmp_path), cell], cwd=ROOT)
    pids, until = tmp_path / "pids", time.monotonic() + 60
    while not (pids.exists() and pids.read_text().count(" ")) and time.monotonic() < until:
        time.sleep(0.05)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    processes = [f"/proc/{pid}" for pid in pids.read_text().split()]
    while any(map(os.path.exists, processes)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(os.path.exists, processes))


@linux
def test_a_run_has_the_bits_of_a_plain_kernels(toy, tmp_path):
    def products(engine):
        out = tmp_path / str(engine)
        out.mkdir()
        papermill.execute_notebook(
            BOOK / "run.ipynb", out / "run.ipynb", {"data": str(toy), "out": str(out)},
            engine_name=engine, cwd=BOOK, progress_bar=False)
        metrics = json.loads((out / "metrics.json").read_text())
        # How printed lines are packed into messages is a matter of timing: a cell's are one text.
        shown = [("".join(one.get("text", "") for one in cell.get("outputs", [])),
                  [one for one in cell.get("outputs", []) if one["output_type"] != "stream"])
                 for cell in nbformat.read(out / "run.ipynb", 4).cells]
        arrays = [(out / name).read_bytes()
                  for name in ("predictions.npz", "checkpoint.safetensors")]
        return {**metrics, "seconds": 0}, shown, arrays
    assert products("warm") == products(None)
