"""Our systems against stored answers of the official modules, to equal weights (tests/parity.py)."""

import csv
import json

import parity
import pytest
import torch

from data.files.paths import RESULTS

pytest.importorskip("transformers", reason="the full-size systems need the package transformers")
WANTED = 1e-5


@pytest.mark.parametrize("name", parity.COMMITS)
def test_ours_answers_as_the_official_modules_do(name):
    stored = json.loads(parity.STORED.read_text(encoding="utf-8"))[name]
    found = parity.answers(name, parity.drawn(stored["shapes"]), parity.NARROW)
    assert stored["answers"].keys() <= found.keys()
    for part, (*numbers, largest) in stored["answers"].items():
        ours = found[part].flatten()[:8].double()
        gap = (ours - torch.tensor(numbers, dtype=torch.float64)).abs().max().item() / largest
        assert gap <= WANTED, part


def test_another_weight_gives_another_answer():
    stored = json.loads(parity.STORED.read_text(encoding="utf-8"))["bike"]
    weights = parity.drawn(stored["shapes"])
    weights["head.transformer.resblocks.5.mlp.c_proj.weight"] *= 1.01
    found = parity.answers("bike", weights, parity.NARROW)["temporal Transformer"].flatten()[:8]
    *numbers, largest = stored["answers"]["temporal Transformer"]
    assert (found - torch.tensor(numbers)).abs().max() / largest > WANTED


def test_the_recorded_figures_are_within_the_bound_at_both_sizes():
    with open(RESULTS / "parity.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["size"] in parity.SIZES]  # no peers
    assert {(row["system"], row["size"]) for row in rows} == {
        (name, size) for name in parity.COMMITS for size in parity.SIZES}
    assert all(float(row["relative_error"]) <= WANTED for row in rows)
    assert all(parity.COMMITS[row["system"]].startswith(row["official_commit"]) for row in rows)
