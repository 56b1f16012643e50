"""Our systems against stored answers of the official modules, to equal weights (tests/parity.py)."""

import csv
import json

import parity
import pytest

from data.files.paths import RESULTS

pytest.importorskip("transformers", reason="the full-size systems need the package transformers")


@pytest.mark.parametrize("name", parity.COMMITS)
def test_ours_answers_as_the_official_modules_do(name):
    stored = json.loads(parity.STORED.read_text(encoding="utf-8"))[name]
    found = parity.answers(name, parity.drawn(stored["shapes"]), parity.NARROW)
    gaps = parity.gaps(stored["answers"], found)
    assert all(gap <= parity.WANTED for gap in gaps.values()), gaps


def test_another_weight_gives_another_answer():
    stored = json.loads(parity.STORED.read_text(encoding="utf-8"))["bike"]
    weights = parity.drawn(stored["shapes"])
    weights["head.transformer.resblocks.5.mlp.c_proj.weight"] *= 1.01
    found = parity.answers("bike", weights, parity.NARROW)
    assert parity.gaps(stored["answers"], found)["temporal Transformer"] > parity.WANTED


def test_the_recorded_figures_are_within_the_bound_at_both_sizes():
    with open(RESULTS / "parity.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["size"] in parity.SIZES]  # no peers
    assert {(row["system"], row["size"]) for row in rows} == {
        (name, size) for name in parity.COMMITS for size in parity.SIZES}
    assert all(float(row["relative_error"]) <= parity.WANTED for row in rows)
    assert all(parity.COMMITS[row["system"]].startswith(row["official_commit"]) for row in rows)
