"""Localisation mAP: by hand and as the official code has it; intervals of several thresholds."""

import numpy as np
import pandas as pd
import pytest
from test_localisation import TRUTH, table

from book.evidence import detection
from tfe import StudyError

# Of ANETdetection in activitynet/ActivityNet at 82304fa9f4, on `sample`: tests/parity_measures.py.
OFFICIAL = [0.7501574815736851, 0.7049842916585116, 0.6306878247747837, 0.5551966377875597,
            0.4102109279882426, 0.2624694703724741, 0.15898765307913285]


def sample(seed=0):
    """True intervals of three classes in 40 videos, and found ones about them, scores tied."""
    draw = np.random.default_rng(seed)
    start, length = draw.random(120) * 60, 1 + draw.random(120) * 10
    truth = pd.DataFrame({"video_id": [f"v{n}" for n in draw.integers(40, size=120)],
                          "label": [f"c{n}" for n in draw.integers(3, size=120)],
                          "start": start, "end": start + length})
    found = pd.concat([truth[draw.random(120) < 0.8] for _ in range(3)], ignore_index=True)
    at = found.start + draw.normal(0, 2, len(found))
    width = (found.end - found.start) * np.exp(draw.normal(0, 0.4, len(found)))
    return found.assign(start=at, end=at + width, score=draw.random(len(found)).round(1)), truth


def test_on_a_sample_it_is_the_official_codes_number():
    found = detection.mean_average_precision(*sample())
    np.testing.assert_allclose(list(found.values()), OFFICIAL, rtol=0, atol=1e-9)


def test_average_precision_by_hand():
    found = table(("a", "go", 0, 4, 0.9), ("a", "go", 20, 24, 0.8), ("b", "go", 0, 4, 0.7))
    # Right, wrong, right of three true ones: precision 1 at recall 1/3, 2/3 at recall 2/3.
    assert detection.average_precision(found, TRUTH, 0.5) == pytest.approx((1 + 2 / 3) / 3)
    assert detection.average_precision(found.iloc[:0], TRUTH, 0.5) == 0
    assert np.isnan(detection.average_precision(found, TRUTH.iloc[:0], 0.5))


def test_a_class_without_truth_is_left_out_and_one_never_found_counts_nothing():
    perfect = TRUTH.assign(score=0.5)
    other = pd.concat([TRUTH, table(("b", "stop", 1, 2, 1))])
    assert set(detection.mean_average_precision(perfect, TRUTH).values()) == {1.0}
    assert set(detection.mean_average_precision(perfect, other).values()) == {0.5}
    strange = pd.concat([perfect, table(("a", "wait", 0, 1, 1))])
    assert set(detection.mean_average_precision(strange, TRUTH).values()) == {1.0}
    assert all(np.isnan(v) for v in detection.mean_average_precision(perfect, TRUTH[:0]).values())
    with pytest.raises(StudyError, match="tIoU"):
        detection.mean_average_precision(perfect, TRUTH, (0, 0.5))


def test_intervals_of_all_thresholds_are_suppressed_class_by_class():
    saliency = np.array([[0, 0.2, 1, 0.9, 0], [0, 0.2, 1, 0.9, 0.0]])
    edges = np.arange(6.0)[None].repeat(2, axis=0)
    found = detection.intervals(saliency, np.array([0.5, 0.4]), edges, ["a", "a"], ["go", "stop"])
    assert found[["video_id", "label", "start", "end"]].values.tolist() == [
        ["a", "go", 2, 4], ["a", "stop", 2, 4]]  # [1, 4) overlaps the surer [2, 4)
    assert found.score.tolist() == pytest.approx([0.5 * 0.95, 0.4 * 0.95])
    assert detection.intervals(0 * saliency, np.ones(2), edges, ["a"] * 2, ["go"] * 2).empty
