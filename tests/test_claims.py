"""The ledger's rules: each verdict is reached by a file that says so, and by no other."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest

from book.evidence import claims, rules
from book.theory import theorems
from data.files.paths import BOOK, RESULTS


def lines(tmp_path, name="toy", **rows):
    """A summary with the given (low, high) of each row's difference, sure where 0 is left out."""
    pd.DataFrame([{"row": row, "split": "test", "against": "vanilla", "difference": (a + b) / 2,
                   "difference_low": a, "difference_high": b, "holm": 0.01 if a * b > 0 else 0.5}
                  for row, (a, b) in rows.items()]
                 ).to_csv(tmp_path / f"{name}_summary.csv", index=False)
    return tmp_path


@pytest.mark.parametrize("rows, verdict", [
    ({"a": (1, 2), "b": (.1, 3)}, "confirmed"), ({"a": (1, 2), "b": (-1, 3)}, "narrowed"),
    ({"a": (1, 2), "b": (-3, -1)}, "narrowed"), ({"a": (-1, 2), "b": (-3, -1)}, "refuted"),
    ({"a": (-1, 2), "b": (-3, 1)}, "not reproduced here")])
def test_a_claim_on_several_rows(tmp_path, rows, verdict):
    assert rules.raises(lines(tmp_path, **rows), "toy", list(rows))[0] == verdict


@pytest.mark.parametrize("warm, below, cold, verdict", [
    ((1, 2), (1, 3), (2, 3), "confirmed"), ((1, 2), (-1, 1), (-3, -2), "depends on the reading"),
    ((-2, -1), (-4, -2), (-9, -1), "refuted"), ((-1, 1), (-4, -2), (-9, -1), "not reproduced here"),
    ((-1, 1), (-1, 2), (-2, 1), "not reproduced here")])
def test_a_claim_falls_only_where_every_reading_contradicts(tmp_path, warm, below, cold, verdict):
    folder = lines(tmp_path, **dict(zip((row.format("BIKE") for row in rules.READINGS.values()),
                                        (warm, below, cold))))
    found, words = rules.in_readings(folder, "raises", ["BIKE"], name="toy")
    assert found == verdict and all(reading in words for reading in rules.READINGS)


def test_a_difference_within_the_margin_tells_nothing_apart(tmp_path):
    folder = lines(tmp_path, a=(-0.8, -0.1))
    path = tmp_path / "toy_summary.csv"
    assert rules.raises(folder, "toy", ["a"])[0] == "refuted"
    pd.read_csv(path).assign(equal=True).to_csv(path, index=False)
    assert rules.raises(folder, "toy", ["a"])[0] == "not reproduced here"


@pytest.mark.parametrize("value, auc, diverged, verdict", [
    ((1, 2), (.1, .2), 0, "confirmed"), ((-2, -1), (.1, .2), 0, "not reproduced here"),
    ((-2, 1), (.1, .2), 0, "not reproduced here"), ((-2, -1), (-.2, -.1), 0, "refuted"),
    ((1, 2), (.1, .2), 1, "not reproduced here")])
def test_a_rise_may_be_asked_for_at_equal_recognition(tmp_path, value, auc, diverged, verdict):
    path = lines(tmp_path, a=value) / "toy_summary.csv"
    own = pd.read_csv(lines(tmp_path, "auc", a=auc) / "auc_summary.csv").filter(regex="difference|holm")
    pd.read_csv(path).assign(diverged=diverged).join(own.add_prefix("auc_")).to_csv(path, index=False)
    found, words = rules.raises(tmp_path, "toy", ["a"], prefix="auc_", level=True)
    assert found == verdict
    assert ("where recognition is not equal" in words) == (auc[0] > 0 > value[0])


def test_a_reading_may_stand_in_a_table_of_its_own(tmp_path):
    lines(tmp_path, **{row.format("BIKE"): (-2, -1) for row in rules.READINGS.values()})
    lines(tmp_path, "own", a=(-1, 1))
    assert rules.in_readings(tmp_path, "raises", ["BIKE"], name="toy")[0] == "refuted"
    found, words = rules.in_readings(tmp_path, "raises", ["BIKE"], name="toy",
                                     more={"at one rate": {"name": "own", "rows": ["a"]}})
    assert found == "not reproduced here" and "at one rate" in words


def test_the_claimed_direction_counts(tmp_path):
    line = pd.read_csv(lines(tmp_path, a=(-3, -1)) / "toy_summary.csv").iloc[0]
    assert rules.judged(line, wanted=-1) == "confirmed"
    assert rules.judged(line) == "refuted"


def test_a_pair_of_rows(tmp_path):
    runs = [{"row": row, "seed": seed, "split": "test", "value": value + 0.1 * seed * (row == "x")}
            for row, value in (("x", 3), ("y", 1)) for seed in range(5)]
    pd.DataFrame(runs).to_csv(tmp_path / "toy.csv", index=False)
    assert rules.paired(tmp_path, "toy", "x", "y")[0] == "confirmed"
    assert rules.paired(tmp_path, "toy", "y", "x")[0] == "refuted"
    pd.DataFrame(runs).assign(value=lambda t: t.value / 4).to_csv(tmp_path / "toy.csv", index=False)
    verdict, words = rules.paired(tmp_path, "toy", "x", "y")
    assert verdict == "not reproduced here" and "], equal, 5 seeds" in words


def test_what_outlives_no_correction_over_its_claim_is_not_reproduced(tmp_path):
    runs = [{"row": row, "seed": seed, "split": "test", "value": 50 + gain * (row == "x"), "fidelity_mass": gain}
            for row in "xy" for seed, gain in enumerate((1, 2, 3, 4, 1.5))]
    pd.DataFrame(runs).to_csv(tmp_path / "toy.csv", index=False)
    assert rules.paired(tmp_path, "toy", "x", "y")[0] == "confirmed"  # p = .013
    pair = {"name": "toy", "ours": "x", "other": "y"}
    for many, verdict in ((3, "confirmed"), (4, "not reproduced here")):
        found, words = rules.in_readings(tmp_path, "paired", more=dict.fromkeys("abcd"[:many], {}), **pair)
        assert found == verdict and "+2.30 [0.80, 3.80]" in words
        assert ("not after correction for 4 tests" in words) == (many == 4)
    cosine = pd.DataFrame({"probes_cosine": [.08, .09, .08, .09, .085]})
    assert rules.orthogonal(cosine)[0] == "confirmed" != rules.orthogonal(cosine, tests=1000)[0]


def test_the_fall_under_a_shift_is_test_minus_shifted():
    table = pd.DataFrame([{"row": "x", "seed": 0, "split": "test", "value": 70.0},
                          {"row": "x", "seed": 0, "split": "shifted", "value": 60.0}])
    assert rules.fall(table).value.tolist() == [10.0]


def table(tmp_path, name="toy", **rows):
    """Runs by row, a seed each on test and 10 less on shifted; all but V are held against V."""
    pd.DataFrame([{"row": row, "seed": seed, "split": split, "value": value - 10 * (split == "shifted"),
                   "fidelity_mass": value / 100}
                  for row, values in rows.items() for seed, value in enumerate(values)
                  for split in ("test", "shifted")]).to_csv(tmp_path / f"{name}.csv", index=False)
    pd.DataFrame([{"row": row, "split": split, "against": None if row == "V" else "V"}
                  for row in rows for split in ("test", "shifted")]).to_csv(
        tmp_path / f"{name}_summary.csv", index=False)
    return tmp_path


def test_a_difference_is_to_the_row_of_its_seed_that_the_summary_names(tmp_path):
    folder = table(tmp_path, V=[50, 60, 70], T=[47, 61, 70])
    assert rules.differences(folder, "toy", "T").tolist() == [-3, 1, 0]
    assert rules.differences(folder, "toy", "T", "fidelity_mass").tolist() == pytest.approx([-.03, .01, 0])
    pd.DataFrame([{"row": row, "split": "test", "seed": 1, "measure": "seen", "value": value}
                  for row, value in (("V", .5), ("T", .75))]).to_csv(tmp_path / "toy_measures.csv")
    assert rules.differences(folder, "toy", "T", "seen").to_dict() == {1: .25}
    with pytest.raises(LookupError, match="holds 'V' against nothing"):
        rules.differences(folder, "toy", "V")


def test_a_measure_exceeds_that_of_the_baseline(tmp_path):
    folder = table(tmp_path, V=[50, 60, 70], T=[53, 64, 75], U=[48, 57.5, 67], W=[50, 62, 69])
    for rows, verdict in ((["T"], "confirmed"), (["U"], "refuted"), (["W"], "not reproduced here"),
                          (["T", "U"], "narrowed"), (["U", "W"], "refuted")):
        assert rules.exceed(folder, "toy", rows, "fidelity_mass")[0] == verdict


def test_one_row_gains_more_than_another(tmp_path):
    folder = table(tmp_path, V=[50, 60, 70], T=[53, 64, 75], U=[49, 57, 68], W=[50.1, 59.9, 70])
    assert rules.gains_more(folder, "toy", ["T", "U"])[0] == "confirmed"
    assert rules.gains_more(folder, "toy", ["U", "T"])[0] == "refuted"
    assert rules.gains_more(folder, "toy", ["W", "W"])[0] == "not reproduced here"


def test_a_smaller_loss_is_no_larger_gain(tmp_path):
    folder = table(tmp_path, V=[50, 60, 70], T=[43, 54, 65], U=[29, 37, 48], Z=[50, 60.1, 70])
    for first in "TZ":  # a loss, and a row that equals its baseline
        verdict, words = rules.gains_more(folder, "toy", [first, "U"])
        assert verdict == "not reproduced here" and "where the first is no gain: " in words
    assert rules.gains_more(folder, "toy", ["U", "T"])[0] == "refuted"
    table(tmp_path, "cut", V=[50, 60, 70], T=[29, 37, 48])
    assert rules.coarser(folder, ["T"], "toy", "cut")[0] == "not reproduced here"


def test_a_row_falls_less_where_it_loses_less_than_its_baseline(tmp_path):
    folder = table(tmp_path, V=[50, 60, 70], T=[53, 64, 75])
    runs = pd.read_csv(folder / "toy.csv")
    lost = (runs.row == "T") & (runs.split == "shifted")
    for more, verdict in ((5, "confirmed"), (-5, "refuted"), (0, "not reproduced here")):
        runs.assign(value=runs.value + more * lost + .1 * runs.seed * lost).to_csv(
            folder / "toy.csv", index=False)
        assert rules.falls_less(folder, "toy", ["T"])[0] == verdict


@pytest.mark.parametrize("cosines, verdict", [
    ([.01, -.02, .02, 0, .01], "confirmed"), ([.7, .71, .69, .7, .72], "refuted"),
    ([-.3, .4, 0, .2, -.2], "not reproduced here")])
def test_orthogonality(cosines, verdict):
    assert rules.orthogonal(pd.DataFrame({"probes_cosine": cosines}))[0] == verdict


def test_the_best_row(tmp_path):
    def judged(**rows):
        lines(tmp_path, **rows)
        path = tmp_path / "toy_summary.csv"
        pd.read_csv(path).assign(against="TFE").to_csv(path, index=False)
        return rules.largest(tmp_path, "toy", "TFE", list(rows))[0]

    assert judged(a=(-3, -1), b=(-2, -1)) == "confirmed"
    assert judged(a=(-3, -1), b=(-2, 1)) == "narrowed"
    assert judged(a=(-3, 1), b=(-2, 1)) == "not reproduced here"
    assert judged(a=(-3, -1), b=(1, 2)) == "refuted"
    pd.read_csv(tmp_path / "toy_summary.csv").assign(equal=[False, True]).to_csv(
        tmp_path / "toy_summary.csv", index=False)
    found, words = rules.largest(tmp_path, "toy", "TFE", ["a", "b"])
    assert found == "narrowed" and "below: a" in words and "equal or no clear difference: b" in words
    with pytest.raises(LookupError, match="does not compare all of a, c"):
        rules.largest(tmp_path, "toy", "TFE", ["a", "c"])


def test_a_claim_of_several_readings_without_a_head_is_judged_in_those_alone(tmp_path):
    lines(tmp_path, a=(1, 2), b=(-1, 1))
    found, words = rules.in_readings(tmp_path, "raises", name="toy",
                                     more={"one": {"rows": ["a"]}, "other": {"rows": ["b"]}})
    assert found == "depends on the reading" and words.startswith("one (confirmed)")


@pytest.mark.parametrize("given, said", [
    ({"rows": ["X+TFE"]}, "warm, L_S below D: "), ({"row": "X+TFE, below"}, "warm, -L_N below D: "),
    ({"ours": "X cold", "other": "X"}, "from scratch, -L_N below D: "),
    ({}, "warm, L_S below D; warm, -L_N below D; from scratch, -L_N below D: "), ({"ours": "X"}, ""),
    ({"rows": ["X+TFE"], "heads": ["X"]}, "")])
def test_the_evidence_names_the_reading_of_its_rows(tmp_path, given, said):
    path = tmp_path / "toy.csv"
    pd.DataFrame([("X", "cold", None), ("X+TFE", "warm", "L_S"), ("X+TFE, below", "warm", "D"),
                  ("X cold", "cold", "D")], columns=["row", "start", "below"]).to_csv(path, index=False)
    assert claims.reading(tmp_path, {"name": "toy"} | given) == said
    assert claims.reading(tmp_path, {"name": "none"}) == claims.reading(tmp_path, {}) == ""


def test_without_results_nothing_is_claimed_and_the_command_is_named(tmp_path):
    for name in ("cited.csv", "reported.csv"):
        shutil.copy(RESULTS / name, tmp_path)
    of_no_run = {"eq8", "ablation-datasets"}  # a closed form, and the paper's own table
    rows = claims.ledger(tmp_path)
    waiting = [row for row in rows if row["id"] not in of_no_run]
    assert {row["verdict"] for row in waiting} == {"not testable here"}
    assert all("not run: " in row["evidence"] for row in waiting)
    assert len({row["id"] for row in rows}) == len(rows)


def table4(tmp_path, **rows):
    pd.DataFrame([{"row": row, "quantity": "parameters", "unit": "M", "printed": 100,
                   "rebuilt": rebuilt, "true": true} for row, (rebuilt, true) in rows.items()]
                 ).to_csv(tmp_path / "table4.csv", index=False)
    return tmp_path


def test_a_printed_cost_is_the_true_one_or_that_of_some_modules_or_neither(tmp_path):
    folder = table4(tmp_path, A=(100, 100.4), B=(100.01, 140), C=(120, 140))
    assert [row["verdict"] for row in claims.costs(folder)] == ["confirmed", "narrowed", "refuted"]


@pytest.mark.parametrize("true, verdict", [(90, "confirmed"), (110, "refuted")])
def test_tfe_costs_no_more_only_where_it_does_not(tmp_path, true, verdict):
    found, words = rules.cheaper(table4(tmp_path, A=(1, 100), **{"A+TFE": (1, true)}))
    assert found == verdict and f"A parameters {100 - true:.2f}" in words


def test_the_stored_ledger_is_what_the_rules_say_now():
    stored = pd.read_csv(RESULTS / "claims.csv").set_index("id")
    rows = theorems.claims() + claims.ledger()
    assert {row["id"] for row in rows} == set(stored.index) and len(rows) == len(stored)
    for row in rows:
        assert stored.loc[row["id"]].to_dict() == {name: row[name] for name in stored}, row["id"]


@pytest.mark.parametrize("whole, verdict", [
    ([53, 54, 55], "confirmed"), ([43, 44, 45], "refuted"), ([43, 54, 52], "not reproduced here")])
def test_a_gain_is_coarser_where_it_is_larger_on_whole_videos(tmp_path, whole, verdict):
    table(tmp_path, "cut", V=[50, 50, 50], T=[50, 51, 52.5])
    folder = table(tmp_path, "whole", V=[50, 50, 50], T=whole)
    found, words = rules.coarser(folder, ["T"], "whole", "cut")
    assert found == verdict and "on clips" in words and "3 seeds" in words


@pytest.mark.parametrize("excess, verdict", [(0.3, "refuted"), (0.0, "not reproduced here")])
def test_dependence_above_that_of_permuted_pairs_refutes_independence(excess, verdict):
    noise = np.random.default_rng(0).normal(0, 0.02, (5, 2))
    runs = pd.DataFrame(noise + [excess, 0], columns=rules.DEPENDENCE)
    assert rules.independent(runs)[0] == verdict


@pytest.mark.parametrize("stated, verdict", [("holds", "refuted"), ("fails", "not reproduced here")])
def test_a_statement_contradicts_a_claim_only_where_it_holds(tmp_path, stated, verdict):
    pd.DataFrame([{"statement": "B.x: all is kept", "verdict": stated}]).to_csv(
        tmp_path / "theorems.csv", index=False)
    assert rules.contradicted(tmp_path, "B.x")[0] == verdict
    with pytest.raises(LookupError, match="not run"):
        rules.contradicted(tmp_path, "B")


@pytest.mark.parametrize("found, verdict", [((101, 13320), "confirmed"), ((101, 9), "narrowed"),
                                            ((1, 9), "refuted")])
def test_printed_facts_against_the_lists(tmp_path, found, verdict):
    pd.DataFrame({"dataset": "toy", "quantity": ["classes", "clips"], "value": found,
                  "paper": [101, 13320]}).to_csv(tmp_path / "annotations.csv", index=False)
    assert rules.facts(tmp_path, "toy")[0] == verdict


def test_printed_seconds_may_be_cut_off(tmp_path):
    pd.DataFrame({"dataset": "toy", "quantity": "mean length (s)", "value": [29.66], "paper": [29]}
                 ).to_csv(tmp_path / "annotations.csv", index=False)
    assert rules.facts(tmp_path, "toy")[0] == "confirmed"


@pytest.mark.parametrize("shortest, longest, verdict, said", [
    (4.2, 7.9, "confirmed", "3 of 3"), (5.5, 6.0, "confirmed", "3 of 3"),  # a part may fill less of the range
    (1.28, 6.0, "narrowed", "2 of 3 agree; not: part, shortest (s) 1.28, printed 4"),
    (4.2, 36.0, "narrowed", "2 of 3 agree; not: part, longest (s) 36, printed 7")])
def test_lengths_of_a_part_bound_the_printed_range_and_not_the_mean(
        tmp_path, shortest, longest, verdict, said):
    pd.DataFrame({"dataset": ["toy", *["part"] * 3], "value": [101, shortest, longest, 6.95],
                  "quantity": ["classes", "shortest (s)", "longest (s)", "mean length (s)"],
                  "paper": [101, 4, 7, 5]}).to_csv(tmp_path / "annotations.csv", index=False)
    found = rules.facts(tmp_path, "toy", sample="part")
    assert found[0] == verdict and found[1].startswith(said)


def test_draws_with_replacement_leave_fewer_than_k_ones():
    verdict, words = rules.khot(None)
    assert verdict == "refuted" and f"k = 4: {16 * (1 - (15 / 16) ** 4):.1f}" in words


def test_every_evidence_names_a_chapter_and_a_section_that_are_there():
    for row in pd.read_csv(RESULTS / "claims.csv").itertuples():
        named = re.match(r"(\d\d_\w+), (.+)", row.evidence)
        assert named, f"{row.id}: {row.evidence}"
        text = (BOOK / f"{named[1]}.py").read_text(encoding="utf-8")
        headings = re.findall(r"^# #+ (?:\d+\. )?(.+)$", text, re.M)
        exercise = re.match(r"exercise (\d)", named[2])
        assert (exercise and f"\n# {exercise[1]}. " in text) or any(
            named[2].startswith(heading.replace("$", "")) for heading in headings), row.evidence


def test_one_reading_refutes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "listed", lambda: {"one": {
        "rule": "raises", "where": "w", "claim": "c", "shown": "s", "given": {"name": "t", "rows": ["A+TFE"]}}})
    for name in ("cited.csv", "reported.csv"):
        shutil.copy(RESULTS / name, tmp_path)
    pd.DataFrame([{"row": "A+TFE", "start": "warm", "below": "L_S"}]).to_csv(tmp_path / "t.csv")
    pd.DataFrame([{"row": "A+TFE", "split": "test", "difference": -9, "difference_low": -10, "difference_high": -8,
                   "holm": .001, "equal": False}]).to_csv(tmp_path / "t_summary.csv")
    assert rules.raises(tmp_path, "t", ["A+TFE"])[0] == "refuted"
    found = claims.ledger(tmp_path)[0]
    assert found["verdict"] == "not reproduced here" and "warm, L_S below D: A+TFE -9" in found["evidence"]
