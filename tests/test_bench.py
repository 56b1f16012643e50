"""The suite of `make bench`: what it writes, keeps and refuses. Nothing is timed here."""

import csv

import pytest
from bench import ITEMS, Case, Item, Known, NotRun, Seconds, _measure, collect
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
    assert 0.02 < row["ratio"] < 0.5 and row["rounds"] >= 1
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
    toy("known", lambda smoke: Known(4.0, 50.0), allowed=60.0, unit="s")
    row = _measure.measure("known", True)
    assert row["limit"] == 15 and suite.verdict(row) == "met"


def test_what_is_not_run_has_no_number(toy):
    def prepare(smoke):
        raise NotRun("openvino is not installed")
    toy("toy", prepare, limit=0.5)
    row = _measure.measure("toy", True) | {"commit": "c"}
    assert row["device"] == "cpu: not run" and suite.verdict(row) == "not run"
    (written,) = suite.rows(row)
    assert written["baseline"] == written["ours"] == written["ratio"] == ""
    assert "openvino" in suite.note(row)["why"]


@pytest.fixture
def committed(monkeypatch, tmp_path):
    """A folder of results with a row of `toy` as measured before."""
    monkeypatch.setattr(suite, "RESULTS", tmp_path)
    monkeypatch.setattr(suite, "alone", _measure.measure)
    row = dict.fromkeys(suite.COLUMNS, "") | {"item": "toy", "ratio": "0.2", "commit": "before"}
    suite.merge(tmp_path / "bench.csv", suite.COLUMNS, [row])
    return tmp_path / "bench.csv"


def absent(smoke):
    raise NotRun("decord is not installed")


def test_a_measured_row_outlives_a_machine_that_lacks_a_package(toy, committed, capsys):
    toy("toy", absent)
    toy("other", absent)
    assert suite.main(["toy", "other"]) == 0
    table = {row["item"]: row for row in suite.read(committed)}
    assert table["toy"]["commit"] == "before" and table["toy"]["ratio"] == "0.2"
    assert table["other"]["ratio"] == "" and table["other"]["device"] == "cpu: not run"
    assert "kept as it was measured elsewhere: not run: decord is not installed" in capsys.readouterr().out


def test_a_complete_run_leaves_out_what_takes_minutes_and_keeps_its_row(toy, committed, monkeypatch):
    for name in list(ITEMS):
        monkeypatch.delitem(ITEMS, name)
    monkeypatch.setattr(suite, "grow", lambda path, smoke: path.touch())
    toy("toy", lambda smoke: pytest.fail("was run"), asked=True)
    toy("other", lambda smoke: Known(2.0, 1.0), unit="M")
    assert suite.main([]) == 0
    assert [(row["item"], row["ratio"]) for row in suite.read(committed)] == [("toy", "0.2"),
                                                                             ("other", "0.5")]


@pytest.mark.parametrize("ratios, code", [([0.31, 0.9], 1), ([0.9, 0.29], 0), ([0.29], 0)])
def test_the_guard_fails_where_a_ratio_is_worse_by_half_twice(toy, committed, capsys, tmp_path,
                                                              monkeypatch, ratios, code):
    monkeypatch.setattr(suite, "LOCAL", tmp_path / "local")
    left, before = iter(ratios), committed.read_bytes()
    toy("toy", lambda smoke: Known(1.0, next(left)), unit="M")
    assert suite.main(["toy", "--profile", "smoke"]) == code
    assert ("worse: toy: 0.31, committed 0.2" in capsys.readouterr().err) == bool(code)
    assert list(left) == [] and committed.read_bytes() == before


def test_what_turned_out_in_preparation_stands_in_the_why(toy):
    toy("toy", lambda smoke: [Case(spin(9), spin(9), note="left out: a"), Case(spin(9), spin(9))],
        why="loops", peers=("pytest", "absent"))
    assert _measure.measure("toy", True)["why"] == f"loops; pytest {pytest.__version__}; left out: a"


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


@pytest.mark.parametrize("method", ["mean-pool", "gated-mil"])
def test_seeds_in_one_fit_are_what_single_fits_find(method):
    import torch
    from bench import gpu

    from tfe import systems, training

    x = torch.randn(20, 4, 8, generator=torch.Generator().manual_seed(0))
    targets, schedule = (x[:, 0, :3] > 0).float(), training.PROFILES["smoke"]

    def made():
        training.seed_everything(7)
        return [systems.build(method, "none", 3, 8, "multilabel") for _ in range(2)]

    singly, together = made(), made()
    for seed, system in enumerate(singly):
        training.fit(system, x, targets, schedule, seed=seed)
    gpu.stacked(together, x, targets, schedule)
    for one, other in zip(singly, together):
        # Not the weights: the bias before a softmax has no gradient but rounding, which Adam scales up.
        torch.testing.assert_close(gpu.Whole(one)(x), gpu.Whole(other)(x), rtol=0, atol=1e-6)
