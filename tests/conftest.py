"""Fixtures that several test files share."""

import signal
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

# A shell that starts the tests in the background makes them ignore Ctrl-C, and the processes that
# they interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
# The files that take a minute or more, longest first: one begun last would keep one core at the end.
LONG = ["test_kills", "test_site", "test_warm", "test_verify", "test_cluster", "test_isolation",
        "test_benchmarks", "test_processes", "test_batch", "test_provenance", "test_shards"]


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))
    for cell in items:
        if cell.path.name == "run.ipynb":
            cell.options["check"] = False  # it prints seconds, which no two executions share
    if notebooks := {cell.parent.path: cell.parent.nb for cell in items if hasattr(cell.parent, "nb")}:
        fork_kernels(notebooks.values())


def fork_kernels(notebooks):
    """Let nbval's kernels, as those of runs, be forks of a process that imports for all notebooks."""
    from jupyter_client.manager import KernelManager
    from nbval import kernel
    from traitlets.config import Config

    from book.runs import warm

    class Manager(warm.Warm, KernelManager):
        pass

    wanted = {"imports": sorted({name for each in notebooks for name in warm.imported(each)})}
    kernel.KernelManager = partial(Manager, config=Config({"WarmProvisioner": wanted}))


@pytest.fixture(autouse=True)
def at_home(monkeypatch):
    """Every test begins at the repository's root: papermill changes the folder of a whole process."""
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def in_this_process():
    """Runs of a batch start from this process, one by one, whose warm kernels import once for all."""
    from book.runs import batch  # not above: the benchmark reads this file, and so does xdist's head
    from data.common import pool

    def each(function, items, what, unit, workers=None):
        return pool.over_cores(function, items, what, unit, 1, threads=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "pool", SimpleNamespace(over_cores=each, cores=pool.cores))
        patch.setenv("OMP_NUM_THREADS", "1")  # a run sets both
        patch.setenv("JUPYTER_RUNTIME_DIR", "")
        yield


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """A dataset of planted features alone: 16 videos of train, 8 of val, 12 of test and of shifted."""
    from data import planted

    folder = tmp_path_factory.mktemp("planted") / "toy"
    planted.main(["--features-only", "--out", str(folder), "--train", "16", "--val", "8",
                  "--test", "12", "--shifted", "12"])
    return folder


@pytest.fixture(scope="module")
def fits_apart(toy, tmp_path_factory):
    """`fits_apart(module)`: a command of fits finds `toy`, writes below the folder that is returned, and
    fits in this process alone."""
    from book.runs import fits
    from data.common import pool

    folder = tmp_path_factory.mktemp("fits")
    places = {"DATA": toy.parent, "LOCAL": folder / "local", "RESULTS": folder / "results"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fits, "STARTS", folder / "starts")
        patch.setattr(pool, "over_cores", lambda function, items, *_: (
            (item, function(item)) for item in items))

        def settle(module):
            for name, place in places.items():
                patch.setattr(module, name, place, raising=False)
            return folder
        yield settle


@pytest.fixture(scope="session")
def shared():
    """The development data beside the repository; the test skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the development data beside the repository (../shared/data) is absent")
    return SHARED
