"""Fidelity by hand, against scikit-learn, at chance by enumeration, and on bad input."""

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tfe import fidelity
from tfe.errors import StudyError

MEASURES = ("mass", "auc", "pointing")


def problem(seed, videos=40, segments=8, levels=None):
    """Random saliency of either sign, and a truth that is neither empty nor full."""
    draw = np.random.default_rng(seed)
    truth = draw.random((videos, segments)) < 0.3
    truth[:, 0], truth[:, 1] = True, False
    saliency = draw.normal(size=truth.shape) + truth
    return np.round(saliency * levels) / levels if levels else saliency, truth


def test_one_video_by_hand():
    result = fidelity.score([[0.1, 0.4, 0.3, 0.2]], [[0, 1, 0, 1]])
    assert result["mass"] == pytest.approx(0.6)
    assert result["auc"] == pytest.approx(3 / 4)  # .2 lies below .3, the rest is in order
    assert result["pointing"] == 1
    assert result["chance_mass"] == result["chance_pointing"] == result["chance_auc"] == 0.5
    assert (result["videos"], result["pairs"], result["flat"]) == (1, 1, 0)


@pytest.mark.parametrize("levels", [None, 1])
def test_auc_is_that_of_scikit_learn_within_each_video(levels):
    saliency, truth = problem(0, levels=levels)
    expected = [roc_auc_score(t, s) for s, t in zip(saliency, truth)]
    np.testing.assert_allclose(fidelity.per_video(saliency, truth)["auc"], expected)
    assert fidelity.score(saliency, truth)["auc"] == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("saliency", [[5, 2, 0.5, -1], [1, 1, 0, 0], [-4, -3, -2, -1],
                                      [2, 2, 2, 2]])
def test_over_all_orders_of_the_segments_every_measure_is_at_chance(saliency):
    orders = np.array(list(permutations(saliency)))
    truth = np.tile([True, False, False, False], (len(orders), 1))
    result = fidelity.score(orders, truth)
    for name in MEASURES:
        assert result[name] == pytest.approx(result[f"chance_{name}"])


def test_weights_stay_and_negative_drops_get_no_share():
    weights = np.random.default_rng(0).dirichlet(np.ones(6), size=5)
    np.testing.assert_allclose(fidelity.normalised(weights), weights)
    np.testing.assert_allclose(fidelity.normalised([3, -1, 1, 0]), [0.75, 0, 0.25, 0])
    np.testing.assert_allclose(fidelity.normalised([-3, -1, 0, -2]), [0.25] * 4)
    np.testing.assert_allclose(fidelity.normalised([1e308, 1e308]), [0.5, 0.5])


def test_flat_saliency_is_scored_at_chance_and_counted():
    truth = np.array([[1, 0, 0, 0], [1, 1, 1, 0]], dtype=bool)
    result = fidelity.score(np.full((2, 4), 0.25), truth)
    assert (result["flat"], result["videos"]) == (2, 2)
    for name in MEASURES:
        assert result[name] == pytest.approx(result[f"chance_{name}"]) == pytest.approx(0.5)
    # Nowhere above 0: no mass to share out, but the order still counts.
    result = fidelity.score([[-1, -2, -3, -4]], truth[:1])
    assert (result["flat"], result["mass"], result["auc"]) == (1, 0.25, 1)


def test_ties_for_the_first_place_are_a_fair_draw():
    result = fidelity.score([[2, 2, 2, 0]], [[1, 0, 0, 1]])
    assert result["pointing"] == pytest.approx(1 / 3)


def test_videos_without_or_with_nothing_but_truth_are_skipped_and_counted():
    saliency, truth = problem(1)
    alone = fidelity.score(saliency, truth)
    truth_more = np.vstack([truth, np.zeros((2, 8), bool), np.ones((3, 8), bool)])
    more = fidelity.score(np.vstack([saliency, np.ones((5, 8))]), truth_more)
    assert more == {**alone, "skipped_empty": 2, "skipped_full": 3}
    assert np.isnan(fidelity.per_video(np.ones((5, 8)), truth_more[-5:])["mass"]).all()


def test_with_nothing_to_score_the_means_are_nan():
    result = fidelity.score(np.ones((2, 4)), np.ones((2, 4), bool))
    assert (result["videos"], result["skipped_full"]) == (0, 2)
    assert all(np.isnan(result[name]) for name in (*MEASURES, "chance_mass"))


def test_mass_follows_the_scale_and_auc_any_increasing_map():
    saliency, truth = problem(2)
    values = fidelity.per_video(saliency, truth)
    scaled = fidelity.per_video(7 * saliency, truth)
    bent = fidelity.per_video(np.exp(saliency), truth)
    np.testing.assert_allclose(scaled["mass"], values["mass"])
    for name in ("auc", "pointing"):
        np.testing.assert_array_equal(bent[name], values[name])
    assert not np.allclose(bent["mass"], values["mass"])


def test_per_class_takes_each_positive_pair_once():
    saliency, truth = problem(3, videos=12)
    by_class = truth.reshape(4, 3, 8).copy()
    by_class[0, 1] = False  # a negative pair: its saliency is not read
    result = fidelity.score(saliency.reshape(4, 3, 8), by_class)
    kept = np.delete(np.arange(12), 1)
    expected = fidelity.score(saliency[kept], truth[kept])
    assert result == {**expected, "videos": 4, "pairs": 11}
    # A labelled class that no segment meets is skipped, and counted.
    labelled = np.ones((4, 3), bool)
    result = fidelity.score(saliency.reshape(4, 3, 8), by_class, positive=labelled)
    assert result == {**expected, "videos": 4, "pairs": 11, "skipped_empty": 1}


@pytest.mark.parametrize("saliency, truth, message", [
    (np.ones((2, 4)), np.ones((2, 5)), "does not fit"),
    (np.ones(4), np.ones(4), "does not fit"),
    (np.ones((2, 0)), np.ones((2, 0)), "does not fit"),
    ([[np.nan, 1]], [[0, 1]], "nan or infinite"),
    ([[np.inf, 1]], [[0, 1]], "nan or infinite"),
    ([[1, 2]], [[0, 0.5]], "only true and false"),
])
def test_bad_input_is_refused(saliency, truth, message):
    with pytest.raises(StudyError, match=message):
        fidelity.score(saliency, truth)


def test_shapes_that_belong_to_the_other_form_are_refused():
    with pytest.raises(StudyError, match="positive"):
        fidelity.score(np.ones((2, 3, 4)), np.ones((2, 3, 4)), positive=np.ones((2, 4)))
    with pytest.raises(StudyError, match="per_video"):
        fidelity.per_video(np.ones((2, 3, 4)), np.ones((2, 3, 4)))
