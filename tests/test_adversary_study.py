"""What the adversary changes: paired by seed, corrected over rows, and explained by a rule."""

import numpy as np
import pandas as pd
import pytest

from book.evidence import adversary

READ = ["auc_bare", "joint", "joint_ratio", "singly", "auc_single", "auc_new_reader", "auc_past_d",
        "auc_flat_mask", "value_new_reader", "value_past_d", "value_flat_mask"]


def tables(**moved):
    """A baseline and a row of ten seeds, all measures .5 (of 1), but for what `moved` adds to the row."""
    draw = np.random.default_rng(0)
    runs, measures, read = [], [], []
    for row in ("weight 0", "weight 1"):
        for seed in range(10):
            at = {"row": row, "seed": seed, "split": "test"}

            def value(name):
                return .5 + draw.normal(scale=.002) + (row == "weight 1") * moved.get(name, 0)
            runs.append({**at, "value": 100 * value("value"), **{
                f"fidelity_{name}": value(name) for name in ("auc", "mass", "pointing")}})
            measures += [{**at, "measure": name, "value": value(short)}
                         for short, name in adversary.OF_RUN.items()]
            read.append({**at, "auc": 0.1, "pairs": 400, **{name: value(name) for name in READ}})
    found = adversary.gathered(*map(pd.DataFrame, (runs, measures, read)))
    return adversary.changes(found, {"weight 1": "weight 0"})


@pytest.mark.parametrize("moved, fits", [
    ({}, {"recognition stays"}),
    ({"auc": .1, "auc_bare": .1, "auc_flat_mask": .1},
     {"it rises", "recognition stays", "the head relies more on the action"}),
    ({"auc": .1, "joint_ratio": -.1, "auc_flat_mask": .1, "value": -.05},
     {"it rises", "the head relies more on the action"}),
    ({"auc": .1, "singly": .1, "auc_flat_mask": .1, "auc_new_reader": .1, "probe_z_n": -.3},
     {"it rises", "recognition stays", "leave one out favours it", "a new reader of z_S has it",
      "the label leaves z_N"}),
    ({"auc": .1, "mask": .1}, {"it rises", "recognition stays", "the mask sharpens"}),
    ({"auc_bare": .1, "mask": .1, "singly": .1}, {"recognition stays"})])
def test_each_explanation_is_told_by_what_was_foretold_of_it(moved, fits):
    found = adversary.explained(tables(**moved), "weight 1")
    assert {name for name, holds in found.items() if holds} == fits


def test_changes_are_paired_in_the_units_of_their_measures():
    lines = tables(value=.03, auc=.04, mass=.01).set_index("measure")
    assert lines.difference["value"] == pytest.approx(3, abs=.3)
    assert lines.difference["auc"] == pytest.approx(.04, abs=.003) and lines.seeds["auc"] == 10
    assert lines.verdict["value_past_d"] == "equal" and "pairs" not in lines.index
    assert lines.verdict["mass"] == "higher"  # no margin was fixed for it
    said = adversary.words(lines.reset_index()).loc["weight 1"]
    assert said.value == "+3.0 [+2.8, +3.1] *" and said.auc.endswith("] *") and said.value_past_d.endswith("] =")


def test_a_rise_is_told_at_each_share_and_between_the_ends():
    """Where segments are many the AUC rises by .1 more than where they are few; there it is equal."""
    draw = np.random.default_rng(0)
    runs = pd.DataFrame([
        {"share": share, "seed": seed, "row": row, "value": 50. + 2 * (row == "on"),
         "fidelity_auc": .7 + rise * (row == "on") + .002 * draw.normal()}
        for share, rise in ((.75, .1), (.25, .05), (.1, 0)) for seed in range(10) for row in ("on", "off")])
    found = adversary.by_share(runs, "on", "off")
    assert found.index.tolist() == ["0.1", "0.25", "0.75", "0.75 minus 0.1"]
    assert found.AUC["0.1"].endswith("] =") and found.mAP.tolist() == ["+2.0", "+2.0", "+2.0", "+0.0"]
    assert [round(float(words.split()[0]), 2) for words in found.AUC[1:]] == [.05, .1, .1]
    assert float(found["p, corrected"]["0.75"]) < 1e-6


def test_leave_one_out_is_a_share_of_the_best_other_read_out_of_its_run():
    """Random and true orders have no AOPCR; another split is not asked."""
    names = ["leave_one_out", "single", "gradients", "oracle"]
    asked = pd.DataFrame([{"row": "A", "seed": seed, "split": split, "readout": name, "aopcr": aopcr, "auc": .9}
                          for seed, split, areas in ((0, "test", (1, 2, .5)), (1, "test", (3, 2, 4)),
                                                     (0, "shifted", (9, 9, 9)))
                          for name, aopcr in zip(names, (*areas, np.nan))])
    found = adversary.ordered(asked)
    assert found.share.tolist() == [.5, .75] and found.other.tolist() == [2, 4]
    assert found.index.tolist() == [("A", 0), ("A", 1)] and found.alone.tolist() == [.9, .9]
