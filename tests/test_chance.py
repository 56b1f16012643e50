"""Chance is told of the metric that a table has, and a rise is marked only where both heads are near it."""

import numpy as np
import pandas as pd
import pytest

from book.evidence import chance


@pytest.mark.parametrize("receipt, level", [
    ({"settings": {"metric": "accuracy", "classes": list("abcd")}, "dataset_receipt": None}, 25),
    ({"settings": {"metric": "accuracy"}}, np.nan),  # the licence of a set may keep its classes back
    ({"settings": {"metric": "map", "classes": list("abcd")},
      "dataset_receipt": {"cuts": {"chance_map": .144}}}, 14.4),
    ({"settings": {"metric": "map", "classes": list("abcd")}, "dataset_receipt": {"seed": 0}}, np.nan)])
def test_chance_is_that_of_the_metric(receipt, level):
    assert chance.level(receipt) == pytest.approx(level, nan_ok=True)


@pytest.mark.parametrize("plain, ours, holm, level, said", [
    (16.5, 17.9, .01, 14.4, 1), (16.5, 17.9, .2, 14.4, 0), (16.5, 23, .01, 14.4, 0),
    (23, 17.9, .01, 14.4, 0), (16.5, 17.9, .01, np.nan, 0)])
def test_a_rise_near_chance_is_one_of_two_heads_near_chance(plain, ours, holm, level, said):
    lines = pd.DataFrame({"data": "toy", "row": ["A", "A+TFE"], "against": [None, "A"],
                          "method": ["vanilla", "tfe"], "value": [plain, ours],
                          "auc_difference": [np.nan, .04], "auc_holm": [np.nan, holm]})
    found = list(chance.rises(lines, {"toy": level}, little=5))
    assert len(found) == said
    assert not said or "(16.5 and 17.9, chance 14.4)" in found[0] and "A+TFE" in found[0]
