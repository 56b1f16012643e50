"""What the caller's environment holds does not reach the work: each kind, and all of it together."""

import errno
import os
import socket
import subprocess
import sys
from multiprocessing import synchronize

import matplotlib
import pandas as pd
import pytest

from book import plots
from data.common import isolation, pool
from data.files.paths import ROOT, write_text
from data.common.ending import ended
from tfe.errors import StudyError

OPTIONS = {"DATA": "/nowhere", "DATASET": "ucf101", "SEEDS": "x", "PROFILE": "paper", "SPLIT": "9",
           "DEVICE": "cuda", "ENCODER": "none", "PROCESSES": "3", "FROM": "/nowhere", "PYTHON": "false"}
RAISES = "raise RuntimeError('of the caller')"
BATCH = """table: tiny
dataset: planted
encoder: planted
seeds: [0]
rows:
  - {row: TFE, method: tfe, backbone: bike}
profile: smoke
splits: [test]
"""
# `python -m book` with its results elsewhere.
BOOK = """import runpy, sys
from pathlib import Path
from data.files import paths
paths.LOCAL = Path(sys.argv.pop(1))
runpy.run_module("book", run_name="__main__", alter_sys=True)"""
CHAPTER = """# %%
import sys
import book, data, matplotlib, yaml
print(sys.executable, matplotlib.rcParams["text.usetex"], matplotlib.get_backend())
"""
EXECUTE = """import os, sys
from pathlib import Path
from data.common import isolation
isolation.isolate()
from book import execute
print(execute.run(Path(sys.argv[1])).cells[0].outputs[0].text)"""


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """An environment with everything in it that may mislead Python, Jupyter, matplotlib and make."""
    top = tmp_path_factory.mktemp("hostile")
    home, path = top / "home", top / "path"
    long = top / ("t" * (108 - len(str(top)) - 1))
    long.mkdir()
    kernel = '{"argv": ["false"], "display_name": "foreign", "language": "python"}'
    for name, text in {
            home / ".config/matplotlib/matplotlibrc": "text.usetex: True\nbackend: TkAgg\n",
            home / ".ipython/profile_default/startup/first.py": "import os; os._exit(3)",
            home / ".local/share/jupyter/kernels/python3/kernel.json": kernel,
            top / "jupyter/kernels/python3/kernel.json": kernel,
            path / "data/__init__.py": RAISES, path / "book/__init__.py": RAISES,
            path / "yaml.py": RAISES, path / "foreign.py": RAISES,
            path / "foreign-1.dist-info/METADATA": "Name: foreign\nVersion: 1\n",
            path / "foreign-1.dist-info/entry_points.txt": "[pytest11]\nforeign = foreign\n"}.items():
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_text(text)
    return clean() | OPTIONS | {
        "HOME": str(home), "PYTHONPATH": str(path), "PYTHONSTARTUP": str(path / "foreign.py"),
        "JUPYTER_PATH": str(top / "jupyter"), "JUPYTER_DATA_DIR": str(top / "jupyter"),
        "IPYTHONDIR": str(home / ".ipython"), "MPLBACKEND": "TkAgg", "TMPDIR": str(long),
        "MATPLOTLIBRC": str(home / ".config/matplotlib/matplotlibrc"),
        "PIP_USER": "1", "PIP_TARGET": str(path), "PYTEST_PLUGINS": "foreign"}


def clean():
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "OMP_NUM_THREADS")
            if name in os.environ}


def run(*command, env, **more):
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, **more)


def python(*arguments, env):
    done = run(sys.executable, *map(str, arguments), env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("door", [["-m", "data"], ["-m", "book"], ["-m", "book", "predict"],
                                  ["book/execute.py"]], ids=" ".join)
def test_packages_of_the_repository_come_first(door, hostile):
    assert "usage:" in python(*door, "--help", env=hostile)


def test_make_and_the_commands_clean_alike(hostile):
    made = run("make", "--eval", "shown: ; @env", "shown", env=hostile).stdout
    by_make = dict(line.split("=", 1) for line in made.splitlines() if "=" in line)
    code = ("import os\nfrom data.common.isolation import isolate\nisolate()\n"
            "print(*(f'{n}={v}' for n, v in os.environ.items()), sep='\\n')")
    by_code = dict(line.split("=", 1) for line in python("-c", code, env=hostile).splitlines())
    own = isolation.OWN | {"IPYTHONDIR": str(ROOT / ".venv/share/ipython")}
    for found, wanted in ((by_make, own), (by_code, isolation.OWN)):
        assert {name: found.get(name) for name in wanted} == wanted
        assert not {name for name in found if isolation.FOREIGN.fullmatch(name)} - set(wanted) - {
            "PYTHON"}
    assert "PYTEST_PLUGINS" not in by_make


def test_make_takes_no_option_from_the_environment_and_says_so(hostile):
    command = "make", "-n", "-o", ".venv/.ready", "reproduce-table1"
    given, usual = run(*command, env=hostile), run(*command, env=clean())
    assert given.stdout == usual.stdout and not usual.stderr
    assert all(f"{name} of the environment is not used" in given.stderr for name in OPTIONS)
    wished = run(*command, "DATA=/mine", "SEEDS=3", env=hostile).stdout
    assert '"/mine"' in wished and "--seeds 3" in wished


@pytest.fixture(scope="session")
def dataset(tmp_path_factory, hostile):
    folder = tmp_path_factory.mktemp("data") / "tiny"
    python("-m", "data", "planted", "--features-only", "--out", folder, "--train", 12, "--val", 4,
           "--test", 8, "--shifted", 4, env=hostile)
    return folder


def adopted(dataset, **streams):
    command = "make", "-o", ".venv/.ready", "data", f"DATA={dataset}"
    return subprocess.run(command, cwd=ROOT, env=clean(), **streams).returncode


def test_a_log_keeps_what_it_holds(dataset, tmp_path):
    with open(tmp_path / "log", "w") as log:
        print("what was there " * 100, file=log, flush=True)
        assert adopted(dataset, stdout=log, stderr=log) == 0
    text = (tmp_path / "log").read_text()
    assert text.startswith("what was there") and text.splitlines()[-1] == str(dataset)


def test_an_error_stream_that_cannot_be_opened_is_no_error(dataset):
    mine, theirs = socket.socketpair()
    with mine, theirs:  # /dev/stderr on a socket: "No such device or address"
        assert adopted(dataset, stdout=subprocess.DEVNULL, stderr=theirs) == 0


def test_a_kernel_is_this_python_with_the_defaults_of_matplotlib(hostile, tmp_path):
    (tmp_path / "chapter.py").write_text(CHAPTER)
    said = python("-c", EXECUTE, tmp_path / "chapter.py", env=hostile)
    assert said.split()[:2] == [sys.executable, "False"] and "inline" in said


def test_all_together_gives_the_exit_code_and_the_table_of_a_clean_one(hostile, dataset, tmp_path):
    (tmp_path / "tiny.yaml").write_text(BATCH)
    tables = []
    for env in (clean(), hostile):
        local = tmp_path / str(len(tables))
        python("-c", BOOK, local, "batch", tmp_path / "tiny.yaml", "--data", dataset, "--workers", 1,
               env=env)
        tables.append(pd.read_csv(next(local.rglob("tiny.csv"))))
    same = ["row", "split", "seed", "value"]
    pd.testing.assert_frame_equal(tables[0][same], tables[1][same])
    assert len(tables[0]) == 1


def test_no_home_is_needed(tmp_path):
    (tmp_path / "chapter.py").write_text(CHAPTER)
    env = {name: value for name, value in clean().items() if name != "HOME"}
    assert python("-c", EXECUTE, tmp_path / "chapter.py", env=env).startswith(sys.executable)


def test_sockets_have_short_paths(tmp_path, monkeypatch):
    long = tmp_path / ("t" * 100)
    long.mkdir()
    monkeypatch.setattr(isolation.tempfile, "tempdir", str(long))
    with isolation.sockets() as folder, socket.socket(socket.AF_UNIX) as one:
        one.bind(f"{folder}/kernel-5")
    assert not os.path.exists(folder)
    monkeypatch.setattr(isolation.os, "access", lambda *_: False)
    with pytest.raises(StudyError, match="TMPDIR"), isolation.sockets():
        pass


def test_figures_start_from_the_defaults_of_matplotlib():
    with matplotlib.rc_context({"text.usetex": True, "lines.linewidth": 9}):
        plots.style()
        assert not matplotlib.rcParams["text.usetex"] and matplotlib.rcParams["lines.linewidth"] < 2


def test_without_semaphores_one_process_does_the_work(monkeypatch, capsys):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(synchronize.SemLock, "__init__", refuse)
    assert sorted(pool.over_cores(abs, [-1, -2], "numbers", "number", 2)) == [(-2, 2), (-1, 1)]
    assert "/dev/shm: Read-only file system" in capsys.readouterr().err


def test_an_error_of_the_disk_names_its_file(tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    assert ended(full) == 2
    assert f"(in {__file__}, line " in capsys.readouterr().err
    monkeypatch.setattr("data.files.paths.os.fsync", full)
    assert ended(lambda _: write_text(tmp_path / "a.csv", "text")) == 2
    assert str(tmp_path / "a.csv") in capsys.readouterr().err
