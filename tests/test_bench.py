"""The suite of `make bench`: what it writes, keeps and refuses. Nothing is timed here."""

import csv

import pytest
from bench import ITEMS, Case, Item, NotRun, Seconds, _measure, collect
from bench import __main__ as suite

from tfe import StudyError


@pytest.fixture
def toy(monkeypatch):
    """Register an item of our own; returns a function that does."""
    collect()

    def register(name, prepare, **settings):
        monkeypatch.setitem(ITEMS, name, Item(name, prepare, **settings))
    return register


def spin(turns):
    return lambda: sum(range(turns))


def test_every_item_has_one_limit_and_a_unit():
    for item in collect().values():
        assert item.limit is None or item.allowed is None
        assert item.unit in {*_measure.SECONDS, "M", "GFLOP"} and item.device in ("cpu", "cuda")


def test_a_ratio_is_ours_over_the_baseline(toy):
    toy("toy", lambda smoke: [Case(spin(200_000), spin(20_000)), Case(spin(200_000), spin(20_000))],
        limit=0.5)
    row = _measure.measure("toy", True)
    assert 0.02 < row["ratio"] < 0.5 and row["rounds"] >= 2
    assert row["ratio"] == pytest.approx(row["ours"] / row["baseline"])
    assert suite.verdict(row) == "met"


def test_what_a_call_returns_is_no_time_unless_it_says_so(toy):
    toy("toy", lambda smoke: Case(lambda: sum(range(10_000)) * 1.0, lambda: Seconds(2.0)), unit="s")
    row = _measure.measure("toy", True)
    assert 0 < row["baseline"] < 0.1 and row["ours"] == 2.0


def test_an_allowance_in_seconds_becomes_a_limit_on_the_ratio(toy):
    toy("toy", lambda smoke: Case(spin(1000), spin(1000)), allowed=0.0, unit="s")
    row = _measure.measure("toy", True)
    assert row["limit"] == 0 and suite.verdict(row) == "not met"


def test_what_is_not_run_has_no_number(toy):
    def prepare(smoke):
        raise NotRun("openvino is not installed")
    toy("toy", prepare, limit=0.5)
    row = _measure.measure("toy", True) | {"commit": "c"}
    assert row["device"] == "cpu: not run" and suite.verdict(row) == "not run"
    (written,) = suite.rows(row)
    assert written["baseline"] == written["ours"] == written["ratio"] == ""
    assert "openvino" in suite.note(row)["why"]


def test_memory_is_the_peak_of_the_call(toy):
    toy("toy", lambda smoke: Case(lambda: bytearray(b"x") * 50_000_000, lambda: None), limit=1)
    baseline, ours = _measure.measure("toy", True)["memory"]
    if baseline == baseline:  # nan where the system does not tell
        assert 45 < baseline < 60 and ours < 5


def test_rows_of_items_that_did_not_run_stay_and_others_go(tmp_path):
    path, columns = tmp_path / "bench.csv", ("item", "ours")
    suite.merge(path, columns, [{"item": "b", "ours": "1"}, {"item": "gone", "ours": "2"}])
    suite.merge(path, columns, [{"item": "a", "ours": "3"}, {"item": "a-memory", "ours": "4"}],
                keep=["a", "b"])
    with open(path, newline="") as file:
        assert [row["item"] + row["ours"] for row in csv.DictReader(file)] == [
            "a3", "a-memory4", "b1"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_ratio_worse_by_half_is_a_regression():
    committed = [{"item": "a", "ratio": "0.2"}, {"item": "b", "ratio": ""}]
    made = [{"item": "a", "ratio": 0.31}, {"item": "b", "ratio": 9.0}, {"item": "c", "ratio": 9.0}]
    assert suite.regressions(made, committed) == ["a: 0.31, committed 0.2"]
    assert suite.regressions([{"item": "a", "ratio": 0.29}], committed) == []


def test_an_unknown_item_is_refused_before_anything_runs():
    with pytest.raises(StudyError, match="item 'tea' is unknown: choose from .*map"):
        suite.main(["tea"])
