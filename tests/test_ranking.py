"""Measures of a ranking: by hand, and equal to scikit-learn's and quantus' where they agree."""

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score
from test_fidelity import problem

from book.evidence import ranking


@pytest.mark.parametrize("levels", [None, 1])
def test_all_are_scikit_learns_within_each_video_ties_too(levels):
    saliency, truth = problem(0, levels=levels)
    found = ranking.per_pair(saliency, truth)
    for n, (s, t) in enumerate(zip(saliency, truth)):
        assert found["auprc"][n] == pytest.approx(average_precision_score(t, s))
        assert found["ndcg"][n] == pytest.approx(ndcg_score([t], [s], k=t.sum()))
        assert found["auc"][n] == pytest.approx(roc_auc_score(t, s))


def test_they_are_those_of_quantus():
    quantus = pytest.importorskip("quantus", reason="the package quantus is not installed")
    draw = np.random.default_rng(0)
    saliency, truth = draw.random((20, 1, 1, 9)), draw.random((20, 1, 1, 9)) < 0.4
    truth[..., 0], truth[..., 1] = True, False
    found = ranking.per_pair(saliency[:, 0, 0], truth[:, 0, 0])
    for name, theirs in {"auc": quantus.AUC, "pointing": quantus.PointingGame,
                         "mass": quantus.RelevanceMassAccuracy,
                         "rank_accuracy": quantus.RelevanceRankAccuracy}.items():
        metric = theirs(disable_warnings=True, abs=False, normalise=False)
        expected = metric(model=None, x_batch=saliency, y_batch=np.zeros(20), a_batch=saliency,
                          s_batch=truth)
        np.testing.assert_allclose(found[name], np.asarray(expected, float).ravel(), rtol=1e-9)


def test_one_video_by_hand():
    found = ranking.per_pair([[0.1, 0.4, 0.3, 0.2]], [[0, 1, 0, 1]])
    assert found["rank_accuracy"][0] == 1 / 2
    assert found["ndcg"][0] == pytest.approx(1 / (1 + 1 / np.log2(3)))
    assert found["auprc"][0] == pytest.approx((1 + 2 / 3) / 2)


def test_a_tie_is_a_fair_draw_among_the_tied():
    saliency, truth = np.array([2.0, 1, 1, 0]), np.array([0, 1, 0, 1])
    tied = ranking.per_pair(saliency[None], truth[None])
    split = [saliency + 0.1 * np.array([0, a, b, 0]) for a, b in ((1, 0), (0, 1))]
    untied = ranking.per_pair(np.stack(split), np.stack([truth] * 2))
    for name in ("ndcg", "rank_accuracy", "auc"):
        assert tied[name][0] == pytest.approx(untied[name].mean())


def test_an_uninformed_order_has_the_share_of_true_segments():
    orders = np.array(list(permutations([4.0, 3, 2, 1])))
    truth = np.tile([1, 0, 0, 0], (len(orders), 1))
    found = ranking.score(orders, truth)
    assert found["rank_accuracy"] == found["ndcg"] == pytest.approx(1 / 4)


def test_empty_and_full_truth_is_counted():
    saliency, truth = problem(1)
    more = np.vstack([truth, np.zeros((2, 8), bool), np.ones((3, 8), bool)])
    found = ranking.score(np.vstack([saliency, np.ones((5, 8))]), more)
    assert found == ranking.score(saliency, truth) | {"skipped_empty": 2, "skipped_full": 3}
    assert np.isnan(ranking.score(np.ones((1, 1)), [[1]])["ndcg"])  # T = 1
