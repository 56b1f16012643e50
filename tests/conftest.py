"""Fixtures that several test files share."""

import signal
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
def shared():
    """The development data beside the repository; the test skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the development data beside the repository (../shared/data) is absent")
    return SHARED
