"""What an interval says, and the bar: both by hand on a few runs."""

import numpy as np
import pandas as pd
import pytest

from book.evidence.verdicts import bar, interval, verdict
from book.evidence import statistics


def runs(auc, value):
    """Runs of `ours`, which gains what is given on `rival`, a seed each; rival's differ by seed."""
    base = np.arange(len(auc))
    return pd.concat([pd.DataFrame({"row": row, "seed": base, "fidelity_auc": 0.7 + base / 100 + a,
                                    "value": 60 + base + v})
                      for row, a, v in (("rival", 0, 0), ("ours", auc, value))])


def test_without_a_difference_there_is_no_verdict_and_without_margins_none_is_equal():
    line = {"difference": np.nan, "auc_difference": -.1, "auc_holm": .01}
    assert verdict(line) == "" and verdict(line, "auc_") == "lower"
    assert verdict(line | {"auc_difference": .1}, "auc_") == "higher"
    assert verdict(line | {"auc_holm": .06}, "auc_") == "no clear difference"


@pytest.mark.parametrize("auc, value, met", [
    ([.05, .06, .07], [-.5, -.4, -.6], True),     # more faithful, hardly worse
    ([.05, .06, .07], [-2.5, -1.9, -1.4], False),  # worse than the margin allows, or may be
    ([.05, -.06, .07], [3, 3.1, 3.2], False),      # not told apart in fidelity
    ([-.05, -.06, -.07], [3, 3.1, 3.2], False)])
def test_the_bar_asks_for_fidelity_and_for_no_loss_beyond_the_margin(auc, value, met):
    line = bar(runs(np.array(auc), np.array(value)), "ours", ["rival"], margin=2).iloc[0]
    assert line.met == met
    expected = statistics.mean_interval(auc)
    assert np.allclose(line[["auc_difference", "auc_difference_low", "auc_difference_high"]].astype(float), expected)
    assert line.difference == pytest.approx(np.mean(value))
    assert (line.auc_difference_low < 0) == ("[-" in interval(line, "auc_difference", "+", 3))  # no measure's end


def test_a_rival_that_was_not_run_has_no_line_and_seeds_are_paired():
    table = runs(np.array([.01, .02, .03]), np.zeros(3))
    shuffled = table.sample(frac=1, random_state=0)
    lines = bar(shuffled, "ours", ["nobody", "rival"], margin=2)
    assert list(lines.against) == ["rival"] and lines.auc_difference.item() == pytest.approx(0.02)


@pytest.mark.parametrize("line, name, said", [
    ({"seeds": 5, "value": 99.3, "low": 97.3, "high": 101.3}, "value", "99.3 [97.3, 100.0]"),
    ({"seeds": 3, "auc": .59, "auc_low": -.065, "auc_high": 1.116}, "auc", "0.6 [0.0, 1.0]"),
    ({"seeds": 2, "value": 60.9, "low": -38.4, "high": 160.2}, "value", "60.9"),
    ({"seeds": 5, "difference": -1, "difference_low": -3, "difference_high": 1}, "difference",
     "-1.0 [-3.0, 1.0]")])
def test_an_interval_ends_where_its_measure_does_and_two_seeds_have_none(line, name, said):
    assert interval(line, name) == said
