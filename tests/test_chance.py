"""Chance is what guessing gets on average; a rise is doubted near it, or where recognition paid for it."""

import numpy as np
import pandas as pd
import pytest

from book.evidence import chance
from tfe import metrics


def test_chance_is_the_mean_over_random_orders():
    draw = np.random.default_rng(0)
    targets = (draw.random((40, 5)) < (0, .05, .2, .5, 1)).astype(np.float32)
    guesses = [100 * metrics.mean_average_precision(targets, draw.random((40, 5))) for _ in range(1000)]
    assert abs(chance.level(targets, "map") - np.mean(guesses)) < 4 * np.std(guesses) / 1000 ** .5
    assert chance.level(np.eye(4), "accuracy") == 25
    assert chance.level(np.ones((1, 3)), "map") == 100


@pytest.mark.parametrize("plain, ours, holm, level, said", [
    (16.5, 17.9, .01, 14.4, "little more than chance: 16.5 and 17.9, chance 14.4"), (16.5, 17.9, .2, 14.4, ""),
    (16.5, 23, .01, 14.4, ""), (23, 17.9, .01, 14.4, "recognises 5.1 points less"), (23, 22, .2, 14.4, "")])
def test_a_rise_is_doubted_near_chance_or_where_recognition_fell(plain, ours, holm, level, said):
    lines = pd.DataFrame({"data": "toy", "row": ["A", "A+TFE"], "against": [None, "A"],
                          "method": ["vanilla", "tfe"], "value": [plain, ours],
                          "difference": [np.nan, ours - plain], "difference_high": [np.nan, ours - plain + 1],
                          "auc_difference": [np.nan, .04], "auc_holm": [np.nan, holm]})
    found = list(chance.doubts(lines, {"toy": level}, little=5))
    assert len(found) == bool(said)
    assert not said or said in found[0] and "A+TFE" in found[0]
