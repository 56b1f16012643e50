"""The metrics against scikit-learn, against counts by hand, and on bad input."""

import warnings
from itertools import product

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from book.evidence import comparability, printed_map
from tfe import metrics
from tfe.errors import StudyError


def problem(seed, videos=60, classes=7, levels=None):
    """Random multi-label targets, every class present; scores tie where `levels` is small."""
    draw = np.random.default_rng(seed)
    targets = draw.random((videos, classes)) < 0.2
    targets[np.arange(classes), np.arange(classes)] = True
    scores = draw.normal(size=targets.shape) + targets
    return targets, np.round(scores * levels) / levels if levels else scores


@pytest.mark.parametrize("levels", [None, 4, 1])
@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_that_of_scikit_learn(seed, levels):
    targets, scores = problem(seed, levels=levels)
    theirs = average_precision_score(targets, scores, average=None)
    np.testing.assert_allclose(metrics.average_precision(targets, scores), theirs, atol=1e-14)
    ours = metrics.mean_average_precision(targets, scores)
    assert ours == pytest.approx(theirs.mean(), abs=1e-14)


def test_half_precision_scores_tie_and_still_agree():
    targets, scores = problem(0, videos=2000, classes=3)
    scores = (scores / 50 + 0.5).astype(np.float16)
    assert len(np.unique(scores[:, 0])) < len(scores)
    ours = metrics.mean_average_precision(targets, scores)
    assert ours == pytest.approx(average_precision_score(targets, scores), abs=1e-14)


def test_average_precision_by_hand():
    # Positives at ranks 1 and 3: (1/1 + 2/3) / 2.
    assert metrics.average_precision([1, 0, 1, 0], [4, 3, 2, 1]) == pytest.approx([5 / 6])
    # All tied: the prevalence.
    assert metrics.average_precision([1, 0, 0, 0], [7, 7, 7, 7]) == pytest.approx([1 / 4])
    assert metrics.average_precision([1, 0], [np.inf, -np.inf]) == pytest.approx([1])


@pytest.mark.parametrize("metric", [metrics.mean_average_precision, metrics.accuracy])
def test_the_order_of_the_videos_does_not_matter(metric):
    draw = np.random.default_rng(1)
    targets, scores = problem(1, levels=1)
    if metric is metrics.accuracy:
        targets = draw.integers(targets.shape[1], size=len(targets))
    turned = draw.permutation(len(scores))
    assert metric(targets, scores) == pytest.approx(metric(targets[turned], scores[turned]))


def test_a_class_without_a_positive_is_left_out():
    targets, scores = problem(2)
    targets[:, [1, 4]] = False
    kept = [0, 2, 3, 5, 6]
    assert list(np.isnan(metrics.average_precision(targets, scores)).nonzero()[0]) == [1, 4]
    assert metrics.mean_average_precision(targets, scores) == pytest.approx(
        average_precision_score(targets[:, kept], scores[:, kept]))
    with pytest.raises(StudyError, match="no class has a positive"):
        metrics.mean_average_precision(np.zeros_like(targets), scores)


def test_accuracy_of_indices_and_one_hot_and_ties():
    scores = np.array([[3, 1, 0], [0, 2, 5], [1, 1, 0], [2, 2, 2]])
    # Right, wrong, one of two tied, one of three tied.
    targets = np.array([0, 1, 1, 2])
    expected = (1 + 0 + 1 / 2 + 1 / 3) / 4
    assert metrics.accuracy(targets, scores) == pytest.approx(expected)
    assert metrics.accuracy(np.eye(3)[targets], scores) == pytest.approx(expected)


def test_micro_per_batch_pools_classes_within_each_batch():
    targets, scores = problem(3, videos=70)
    parts = [slice(0, 32), slice(32, 64), slice(64, 70)]
    expected = np.average([average_precision_score(targets[p].ravel(), scores[p].ravel())
                           for p in parts], weights=[32, 32, 6])
    assert printed_map.micro_per_batch(targets, scores) == pytest.approx(expected)
    targets[64:] = False
    assert printed_map.micro_per_batch(targets, scores) < expected


def test_running_map_averages_the_map_of_the_growing_set():
    targets, scores = problem(4, videos=70)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn gives an absent class 0 and warns
        grown = [average_precision_score(targets[:n], scores[:n]) for n in (32, 64, 70)]
    expected = np.average(grown, weights=[32, 32, 6])
    assert printed_map.running_map(targets, scores, batch=32) == pytest.approx(expected)
    assert printed_map.running_map(targets, scores, batch=70) == pytest.approx(
        metrics.mean_average_precision(targets, scores))


def test_the_peers_variants_lie_above_the_macro_map_where_classes_differ_in_frequency():
    draw = np.random.default_rng(0)
    prior = np.geomspace(0.01, 0.4, 40)
    targets = draw.random((600, 40)) < prior
    targets[np.arange(40), np.arange(40)] = True
    scores = np.log(prior / (1 - prior)) + 1.6 * targets + draw.normal(size=targets.shape)
    macro = metrics.mean_average_precision(targets, scores)
    assert printed_map.micro_per_batch(targets, scores) > macro + 0.05
    assert printed_map.running_map(targets, scores, batch=64) > macro


@pytest.mark.parametrize("targets, scores, message", [
    ([[1, 0]], [[np.nan, 1]], "1 of 2 are nan"),
    ([[1, 0]], [[1, 2, 3]], "does not fit"),
    ([1, 0], [[1, 2], [3, 4]], "does not fit"),
    ([[2, 0]], [[1, 2]], "only 0 and 1"),
    (np.zeros((0, 3)), np.zeros((0, 3)), "empty"),
])
@pytest.mark.parametrize("metric", [metrics.average_precision, metrics.mean_average_precision,
                                    printed_map.micro_per_batch, printed_map.running_map])
def test_bad_input_is_refused(metric, targets, scores, message):
    with pytest.raises(StudyError, match=message):
        metric(targets, scores)


@pytest.mark.parametrize("targets, scores, message", [
    ([0], [[np.nan, 1]], "nan"),
    ([0, 1], [[1, 2]], "does not fit"),
    ([2], [[1, 2]], r"0\.\.1"),
    ([-1], [[1, 2]], r"0\.\.1"),
    ([0.5], [[1, 2]], r"0\.\.1"),
    ([[1, 1]], [[1, 2]], "exactly one"),
])
def test_accuracy_refuses_bad_input(targets, scores, message):
    with pytest.raises(StudyError, match=message):
        metrics.accuracy(targets, scores)


@pytest.mark.parametrize("variant", [printed_map.micro_per_batch, printed_map.running_map])
def test_a_batch_holds_a_video(variant):
    with pytest.raises(StudyError, match="batch"):
        variant([[1]], [[1]], batch=0)


def test_the_peers_metrics_have_names():
    targets, scores = problem(5)
    named = {name: metric(targets, scores) for name, metric in printed_map.PEERS.items()}
    assert named == {"macro": metrics.mean_average_precision(targets, scores),
                     "msqnet": printed_map.micro_per_batch(targets, scores, batch=32),
                     "bike": printed_map.running_map(targets, scores, batch=256)}


@pytest.mark.parametrize("videos, replicas", [(1530, 32), (10, 4), (3, 8), (8, 8), (1, 5)])
def test_padding_is_that_of_the_distributed_sampler(videos, replicas):
    from torch.utils.data import DistributedSampler

    parts = [list(DistributedSampler(range(videos), replicas, rank, shuffle=False))
             for rank in range(replicas)]
    assert sorted(np.concatenate(parts)) == sorted(comparability.padded(videos, replicas))


@pytest.mark.parametrize("videos, replicas", [(5, 2), (5, 4), (7, 3), (6, 3)])
def test_the_range_without_padding_holds_every_possible_accuracy(videos, replicas):
    order = comparability.padded(videos, replicas)
    for hits in range(len(order) + 1):
        possible = [np.mean(right) for right in product((0, 1), repeat=videos)
                    if np.array(right)[order].sum() == hits]
        assert not possible or comparability.unpadded_range(hits, len(order), videos) == pytest.approx(
            (min(possible), max(possible)))


@pytest.mark.parametrize("call", [
    lambda: comparability.padded(0, 2), lambda: comparability.padded(3, 0),
    lambda: comparability.unpadded_range(9, 8, 8), lambda: comparability.unpadded_range(1, 7, 8),
    lambda: comparability.unpadded_range(1, 17, 8)])
def test_padding_refuses_numbers_that_cannot_be(call):
    with pytest.raises(StudyError, match="padded"):
        call()
