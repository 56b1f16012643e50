"""The phase study: its points, warm rows, paired differences, and resuming."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from book.evidence import phase
from tfe import StudyError

SHORT = {"backbone": "bike", "schedule": {"epochs": 1}}
ROWS = [{"row": "BIKE", "method": "vanilla", **SHORT},
        {"row": "BIKE+TFE", "method": "tfe", "from": "BIKE", "against": "BIKE", "depth": "last", **SHORT}]
SWEEP = phase.Sweep("toy", ROWS, [{"rho": [0.0, 0.5]}, {"k": [4, 2], "rho": [0.5]}], [0, 1], "smoke")
ONE = replace(SWEEP, sweep=[{"rho": [0.5]}])


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(phase, "TESTED", 24)
    monkeypatch.setitem(phase.KNOBS, "videos", 24)


@pytest.fixture
def in_process(monkeypatch):
    """Fits in this process, and how many there were."""
    fitted = []

    def over_cores(function, items, *_, **__):
        for item in items:
            fitted.append(item)
            yield item, function(item)

    monkeypatch.setattr(phase.pool, "over_cores", over_cores)
    return fitted


def test_points_are_the_grids_around_the_standard_setting_without_repeats():
    points = SWEEP.points()
    assert [(p["rho"], p["k"]) for p in points] == [(0.0, 4), (0.5, 4), (0.5, 2)]
    assert all(p["snr"] == phase.KNOBS["snr"] for p in points)


def test_an_unknown_knob_is_refused(tmp_path):
    (tmp_path / "toy.yaml").write_text("table: toy\nrows: [{row: a}]\nseeds: [0]\nsweep: [{colour: [1]}]\n")
    with pytest.raises(StudyError, match="toy.yaml: .*colour.*'rho', 'snr', 'share', 'k' or 'videos'"):
        phase.read(tmp_path / "toy.yaml")


def test_a_finished_study_is_not_fitted_again_and_an_interrupted_one_goes_on(tmp_path, in_process):
    lines = phase.run(SWEEP, folder=tmp_path)
    assert len(in_process) == 3 * 2
    whole = (tmp_path / "toy.csv").read_text()
    table = pd.read_csv(tmp_path / "toy.csv")
    assert len(table) == 3 * 2 * 2 * 2 and set(table.split) == {"test", "shifted"}
    assert len(lines) == 3 * 2 * 2 and (lines.seeds == 2).all()
    assert lines.difference.notna().sum() == 3 * 2
    receipt = json.loads((tmp_path / "toy.json").read_text())
    assert receipt["synthetic"] is True and receipt["standard"]["rho"] == 0.5

    phase.run(SWEEP, folder=tmp_path)
    assert len(in_process) == 6 and (tmp_path / "toy.csv").read_text() == whole

    table[~((table.seed == 1) & (table.method == "tfe"))].to_csv(tmp_path / "toy.csv", index=False)
    phase.run(SWEEP, folder=tmp_path)
    assert len(in_process) == 6 + 3
    again = pd.read_csv(tmp_path / "toy.csv")
    pd.testing.assert_frame_equal(again, table)


def test_a_warm_row_begins_where_its_head_ended(tmp_path, in_process):
    still = {**ROWS[1], "schedule": {"epochs": 1, "lr": 1e-12, "weight_decay": 0.0}, "game": {"weight": 0.0}}
    phase.run(replace(ONE, rows=[ROWS[0], still]), folder=tmp_path)
    wide = pd.read_csv(tmp_path / "toy.csv").pivot(index=["seed", "split"], columns="row", values="value")
    assert wide["BIKE+TFE"].to_numpy() == pytest.approx(wide["BIKE"].to_numpy(), abs=1e-3)


def test_the_budget_of_a_point_reaches_its_mask(tmp_path, in_process, monkeypatch):
    built, build = [], phase.batch.Settings.build
    monkeypatch.setattr(phase.batch.Settings, "build", lambda settings, *shape: built.append(
        (settings.method, settings.disentangler.get("k"))) or build(settings, *shape))
    phase.run(replace(ONE, sweep=[{"k": [2]}], seeds=[0]), folder=tmp_path)
    assert built == [("vanilla", None), ("tfe", 2)]


@pytest.mark.parametrize("name", ["versions", "device"])
def test_other_versions_or_another_processor_are_fitted_again(tmp_path, in_process, name):
    phase.run(ONE, folder=tmp_path)
    receipt = json.loads((tmp_path / "toy.json").read_text())
    (tmp_path / "toy.json").write_text(json.dumps(receipt | {name: "another"}))
    phase.run(ONE, folder=tmp_path)
    assert len(in_process) == 4


def test_points_that_the_file_no_longer_has_leave_the_table(tmp_path, in_process):
    phase.run(SWEEP, folder=tmp_path)
    phase.run(ONE, folder=tmp_path)
    assert len(in_process) == 6 and len(pd.read_csv(tmp_path / "toy.csv")) == 2 * 2 * 2


def test_a_row_that_begins_at_one_below_it_is_refused(tmp_path):
    (tmp_path / "toy.yaml").write_text(json.dumps(
        {"table": "toy", "rows": ROWS[::-1], "seeds": [0], "sweep": [{"rho": [0.5]}]}))
    with pytest.raises(StudyError, match="toy.yaml: row BIKE[+]TFE: `from` names a row below it"):
        phase.read(tmp_path / "toy.yaml")


def test_other_code_is_fitted_again(tmp_path, in_process):
    phase.run(ONE, folder=tmp_path)
    receipt = json.loads((tmp_path / "toy.json").read_text())
    receipt["code"]["book/evidence/phase.py"] = "another"
    (tmp_path / "toy.json").write_text(json.dumps(receipt))
    phase.run(ONE, folder=tmp_path)
    assert len(in_process) == 4


@pytest.mark.parametrize("other", [{"rows": ROWS[:1]}, {}])
def test_rows_of_another_plan_or_code_never_stand_beside_this_receipt(tmp_path, in_process, monkeypatch,
                                                                      other):
    phase.run(ONE, folder=tmp_path)
    if not other:
        monkeypatch.setattr(phase.provenance, "sources", lambda *_: {"book/evidence/phase.py": "another"})

    def stopped(function, items, *_, **__):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(phase.pool, "over_cores", stopped)
    before = (tmp_path / "toy.json").read_text()
    with pytest.raises(KeyboardInterrupt):
        phase.run(replace(ONE, **other), folder=tmp_path)
    assert (tmp_path / "toy.json").read_text() == before
    assert phase._done(tmp_path / "toy.csv", {**json.loads(before), **other} if other else {
        **json.loads(before), "code": "another"}) == {}


def test_differences_are_paired_by_seed_and_a_fit_that_diverged_is_counted():
    rows = [{**phase.KNOBS, "split": "test", "seed": seed, "row": row, "value": value,
             "fidelity_auc": 0.5 + value / 1000, "status": "finished"}
            for seed in range(3) for row, value in (("plain", 50 + 10 * seed), ("tfe", 52 + 10 * seed))]
    rows.append({**rows[-1], "seed": 3, "value": None, "fidelity_auc": None, "status": "diverged"})
    plain, line = phase.differences(pd.DataFrame(rows), {"plain": None, "tfe": "plain"}).to_dict("records")
    assert line["difference"] == pytest.approx(2) and line["auc_difference"] == pytest.approx(.002)
    assert line["seeds"] == 3 and line["row"] == "tfe" and (line["runaway"], line["diverged"]) == (0, 1)
    assert "difference" not in plain or pd.isna(plain["difference"])
