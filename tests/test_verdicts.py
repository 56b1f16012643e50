"""What an interval says, and the bar: both by hand on a few runs."""

import numpy as np
import pandas as pd
import pytest

from book.evidence.verdicts import bar, direction
from book.evidence import statistics


def runs(auc, value):
    """Runs of `ours`, which gains what is given on `rival`, a seed each; rival's differ by seed."""
    base = np.arange(len(auc))
    return pd.concat([pd.DataFrame({"row": row, "seed": base, "fidelity_auc": 0.7 + base / 100 + a,
                                    "value": 60 + base + v})
                      for row, a, v in (("rival", 0, 0), ("ours", auc, value))])


def test_direction_is_where_the_interval_lies():
    line = {"difference_low": 0.1, "difference_high": 2, "auc_difference_low": -1,
            "auc_difference_high": 1}
    assert direction(line) == "higher" and direction(line, "auc_") == "not told apart"
    assert direction(line | {"difference_low": -3, "difference_high": -1}) == "lower"
    assert direction(line | {"difference_low": np.nan}) == "-"


@pytest.mark.parametrize("auc, value, met", [
    ([.05, .06, .07], [-.5, -.4, -.6], True),     # more faithful, hardly worse
    ([.05, .06, .07], [-2.5, -1.9, -1.4], False),  # worse than the margin allows, or may be
    ([.05, -.06, .07], [3, 3.1, 3.2], False),      # not told apart in fidelity
    ([-.05, -.06, -.07], [3, 3.1, 3.2], False)])
def test_the_bar_asks_for_fidelity_and_for_no_loss_beyond_the_margin(auc, value, met):
    line = bar(runs(np.array(auc), np.array(value)), "ours", ["rival"], margin=2).iloc[0]
    assert line.met == met
    expected = statistics.mean_interval(auc)
    assert np.allclose(line[["auc", "auc_low", "auc_high"]].astype(float), expected)
    assert line.value == pytest.approx(np.mean(value))


def test_a_rival_that_was_not_run_has_no_line_and_seeds_are_paired():
    table = runs(np.array([.01, .02, .03]), np.zeros(3))
    shuffled = table.sample(frac=1, random_state=0)
    lines = bar(shuffled, "ours", ["nobody", "rival"], margin=2)
    assert list(lines.against) == ["rival"] and lines.auc.item() == pytest.approx(0.02)
