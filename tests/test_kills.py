"""What the study survives, small in `make test` and in full in `make test-all`; see `reliability`."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest
from reliability import COLUMNS, reports, stages

from data.files.paths import RESULTS, ROOT

TESTS = str(ROOT / "tests")


def suite(name, *arguments):
    """Run a suite in a process of its own; return its cases."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((TESTS, str(ROOT))),
                   "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([sys.executable, "-m", "reliability", name, *arguments], cwd=ROOT,
                           env=environment, capture_output=True, text=True)
    cases = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    short = any(case["passed"] < case["trials"] for case in cases)
    assert cases and ended.returncode == short, ended.stderr[-2000:]  # 1 is a traceback's code too
    return cases


def passed(cases):
    assert [case["failures"] for case in cases if case["passed"] < case["trials"]] == []


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Small trials leave the record of the full ones alone."""
    monkeypatch.setenv("RELIABILITY", str(tmp_path / "reliability.csv"))
    return tmp_path / "reliability.csv"


@pytest.mark.parametrize("name, arguments", [
    ("kills", ["--trials", "2"]),
    ("faults", ["--trials", "4", "--only", "training", "features"]),
    ("together", ["--trials", "1", "--only", "features"]),
    ("repeats", ["--trials", "2", "--only", "training", "features"]),
    ("videos", ["--trials", "8"]), ("adoption", ["--trials", "4"])])
def test_a_few(name, arguments, elsewhere):
    cases = suite(name, *arguments)
    passed(cases)
    table = pd.read_csv(elsewhere)
    assert tuple(table.columns) == COLUMNS
    assert set(table.case) == {case["case"] for case in cases}


# Three processes that take about as long as each other.
SHARES = (["render", "features"], ["training", "batch"], ["report"])


@pytest.mark.slow
@pytest.mark.parametrize("only", SHARES, ids="-".join)
@pytest.mark.parametrize("name", ["kills", "faults", "together", "repeats"])
def test_all(name, only):
    passed(suite(name, "--only", *only))


@pytest.mark.slow
@pytest.mark.parametrize("case", ["damaged", "odd"])
def test_all_videos(case):
    passed(suite("videos", "--only", case))


@pytest.mark.slow
def test_all_adoptions():
    passed(suite("adoption"))


@pytest.mark.slow
def test_all_reports():
    passed(suite("reports"))


@pytest.mark.slow
def test_real_kernels_are_killed_and_go_on(elsewhere, monkeypatch):
    """The light trials run the notebook as a script; here warm kernels are killed with their server."""
    monkeypatch.setenv("KERNELS", "real")
    passed(suite("kills", "--only", "batch", "--trials", "40"))


@pytest.mark.parametrize("kind", reports.KINDS)
def test_every_report_names_tests_that_are_there(kind):
    for file, names in reports.KINDS[kind].items():
        text = (ROOT / "tests" / f"test_{file}.py").read_text(encoding="utf-8")
        assert [name for name in names.split() if f"def test_{name}(" not in text] == []


def test_the_committed_figures_are_of_full_suites_in_which_all_passed():
    table = pd.read_csv(RESULTS / "reliability.csv")
    assert tuple(table.columns) == COLUMNS
    assert (table.passed == table.trials).all()
    kills = table[table.suite == "kills"].set_index("case")
    assert set(kills.index) == set(stages.STAGES) and (kills.trials >= 40).all()
    assert (kills.worst <= 1).all()  # units redone
    damaged = table[(table.suite == "videos") & (table.case == "damaged")].iloc[0]
    assert damaged.trials >= 200 and damaged.worst <= 20  # seconds a file
    assert (table[table.suite == "repeats"].trials >= 20).all()
    assert set(table.case[table.suite == "reports"]) == set(reports.KINDS)
