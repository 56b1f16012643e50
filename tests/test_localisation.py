"""Intervals: overlap by hand, thresholds, suppression, matching, and what a guess keeps."""

import numpy as np
import pandas as pd
import pytest

from book.evidence import localisation


def table(*lines):
    return pd.DataFrame(lines, columns=["video_id", "label", "start", "end", "score"])


TRUTH = table(("a", "go", 0, 4, 1), ("a", "go", 6, 8, 1), ("b", "go", 0, 4, 1))


@pytest.mark.parametrize("a, b, expected", [
    ((0, 4), (0, 4), 1), ((0, 4), (2, 6), 1 / 3), ((0, 4), (4, 6), 0), ((0, 1), (5, 6), 0),
    ((0, 4), (1, 2), 1 / 4), ((2, 2), (2, 2), 0)])
def test_overlap_by_hand(a, b, expected):
    assert localisation.iou([a], [b])[0, 0] == localisation.iou([b], [a])[0, 0]
    assert localisation.iou([a], [b])[0, 0] == pytest.approx(expected)


def test_intervals_lie_where_saliency_reaches_the_fraction():
    saliency = np.array([[[0, 2, 4, 0, 3, 1.0], [-1, -2, -1, 0, 0, -1]]])
    edges = np.arange(7.0)[None] * 2
    found = localisation.thresholded(saliency, np.array([[0.8, 0.9]]), edges, ["a"],
                                     ["go", "stop"], 0.5)
    assert found.label.tolist() == ["go", "go"]  # nothing speaks for "stop"
    assert found[["start", "end"]].to_numpy().tolist() == [[2, 6], [8, 10]]
    assert found.score.tolist() == pytest.approx([0.8 * 0.75, 0.8 * 0.75])
    assert found.class_score.tolist() == [0.8, 0.8]


def test_a_saliency_that_is_all_above_is_one_interval():
    found = localisation.thresholded(np.ones((1, 1, 4)), np.ones((1, 1)), np.arange(5.0)[None],
                                     ["a"], ["go"], 0.9)
    assert found[["start", "end"]].to_numpy().tolist() == [[0, 4]]


def test_what_is_added_to_a_read_out_or_multiplies_it_moves_no_interval():
    saliency, edges = np.array([[[0, 2, 4, 0, 3, 1.0], [1, 1, 1, 1, 1, 1]]]), np.arange(7.0)[None]
    tables = [localisation.thresholded(localisation.rescaled(each), np.ones((1, 2)), edges, ["a"],
                                       ["go", "stop"], 0.5)
              for each in (saliency, saliency - 9, 5 * saliency + 2)]
    assert tables[0][["start", "end"]].values.tolist() == [[1, 3], [4, 5]]  # none where all are equal
    for other in tables[1:]:
        pd.testing.assert_frame_equal(other, tables[0])
    unknown = localisation.rescaled(np.full((1, 1, 6), np.nan))  # gradients that were not taken
    assert localisation.thresholded(unknown, np.ones((1, 1)), edges, ["a"], ["go"], 0.5).empty


def test_suppression_keeps_the_best_of_a_class():
    found = table(("a", "go", 0, 4, 0.5), ("a", "go", 0, 5, 0.9), ("a", "go", 8, 9, 0.1),
                  ("a", "stop", 0, 4, 0.2), ("b", "go", 0, 4, 0.2))
    assert localisation.suppressed(found).index.tolist() == [1, 2, 3, 4]
    assert localisation.suppressed(found, overlap=0.9).index.tolist() == [0, 1, 2, 3, 4]
    assert localisation.suppressed(found.iloc[:0]).empty


def test_pieces_that_touch_become_one():
    found = table(("a", "go", 4, 6, 0.5), ("a", "go", 0, 5, 0.9), ("a", "go", 1, 2, 0.1),
                  ("a", "go", 6, 7, 0.3), ("a", "go", 8, 9, 0.2), ("a", "stop", 0, 9, 0.4),
                  ("b", "go", 1, 2, 0.6))
    assert localisation.joined(found).to_numpy().tolist() == [
        ["a", "go", 0, 7, 0.9], ["a", "go", 8, 9, 0.2], ["a", "stop", 0, 9, 0.4],
        ["b", "go", 1, 2, 0.6]]
    assert localisation.joined(found.iloc[:0]).empty


def test_each_true_interval_is_met_once_and_by_the_surest():
    found = table(("a", "go", 0, 3, 0.5), ("a", "go", 0, 4, 0.9), ("a", "stop", 6, 8, 0.9),
                  ("b", "go", 3, 9, 0.9))
    assert localisation.hits(found, TRUTH).tolist() == [False, True, False, False]
    assert localisation.scored(found, TRUTH) == pytest.approx(
        {"recall": 1 / 3, "precision": 1 / 4, "f1": 2 / 7})
    assert localisation.hits(found, TRUTH, at=0.1).tolist() == [False, True, False, True]


def test_nothing_found_or_nothing_true_is_no_error():
    assert localisation.scored(TRUTH.iloc[:0], TRUTH)["recall"] == 0
    assert np.isnan(localisation.scored(TRUTH, TRUTH.iloc[:0])["recall"])


def test_a_guess_keeps_all_but_the_place():
    lasts = {"a": 10.0, "b": 4.0}
    guess = localisation.guessed(TRUTH, lasts)
    assert (guess.end - guess.start).tolist() == pytest.approx([4, 2, 4])
    assert (guess.start >= 0).all() and (guess.end <= guess.video_id.map(lasts) + 1e-9).all()
    assert guess.start[0] != TRUTH.start[0] and guess.start[2] == 0  # it fills its video
