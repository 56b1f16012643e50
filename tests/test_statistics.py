"""Intervals by closed form, by scipy, by enumeration and by simulated coverage; cited rows."""

import csv
from collections import Counter
from itertools import product

import numpy as np
import pytest
from scipy import integrate, stats

from book.evidence import statistics
from data.files import paths
from tfe import metrics
from tfe.errors import StudyError

A = [0.61, 0.58, 0.64, 0.60, 0.66]
B = [0.57, 0.59, 0.60, 0.58, 0.61]


def test_mean_interval_is_students():
    mean, low, high = statistics.mean_interval(A)
    assert mean == pytest.approx(np.mean(A))
    expected = stats.t.interval(0.95, 4, loc=np.mean(A), scale=stats.sem(A))
    assert (low, high) == pytest.approx(expected)
    # By the printed table: t(.975, 2) = 4.303, and 1, 2, 3 has standard error 1 / sqrt 3.
    assert statistics.mean_interval([1, 2, 3])[1] == pytest.approx(2 - 4.3027 / 3**0.5, abs=1e-4)


def test_mean_interval_covers_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(size=(3000, 5))
    low, high = np.array([statistics.mean_interval(d)[1:] for d in draws]).T
    # Four standard errors of a share of .95 in 3,000.
    assert np.mean((low < 0) & (0 < high)) == pytest.approx(0.95, abs=0.016)


def test_paired_is_the_paired_t_test():
    result = statistics.paired(A, B)
    theirs = stats.ttest_rel(A, B)
    interval = theirs.confidence_interval(0.95)
    assert result["p"] == pytest.approx(theirs.pvalue)
    assert (result["low"], result["high"]) == pytest.approx((interval.low, interval.high))
    assert result["difference"] == pytest.approx(np.mean(A) - np.mean(B))
    mirrored = statistics.paired(B, A)
    assert mirrored["difference"] == pytest.approx(-result["difference"])
    assert mirrored["p"] == pytest.approx(result["p"])


def test_improvement_is_the_share_of_pairs_won():
    assert statistics.paired([1, 2], [0, 3])["improvement"] == 0.5
    assert statistics.paired([1, 2], [1, 0])["improvement"] == (2 + 1 + 0.5) / 4
    expected = stats.mannwhitneyu(A, B).statistic / 25
    assert statistics.paired(A, B)["improvement"] == pytest.approx(expected)


@pytest.mark.parametrize("runs", [2, 3, 5, 20])
def test_detectable_effect_has_the_power_it_names(runs):
    critical = stats.t.ppf(0.975, runs - 1)
    shift = statistics.detectable(runs)

    def detected(spread):  # P(detected | sample spread / true spread)
        density = 2 * spread * (runs - 1) * stats.chi2.pdf((runs - 1) * spread**2, runs - 1)
        return stats.norm.sf(critical * spread - shift) * density

    power = integrate.quad(detected, 0, 8, points=[0.1, 1], limit=200)[0]
    assert power == pytest.approx(0.8, abs=1e-6)


def test_smallest_effect_is_in_the_units_of_the_values():
    result = statistics.paired(A, B)
    spread = np.std(np.subtract(A, B), ddof=1)
    # Five pairs detect 1.68 standard deviations, as tables of power say.
    assert result["smallest_effect"] == pytest.approx(1.682 * spread, rel=1e-3)
    scaled = statistics.paired(np.multiply(A, 100), np.multiply(B, 100))
    assert scaled["smallest_effect"] == pytest.approx(100 * result["smallest_effect"])


def test_one_seed_says_nothing_about_spread():
    result = statistics.paired([0.6], [0.5])
    assert (result["difference"], result["improvement"]) == (pytest.approx(0.1), 1)
    assert all(np.isnan(result[name]) for name in ("low", "high", "p", "smallest_effect"))
    assert np.isnan(statistics.mean_interval([0.6])[1:]).all()


def test_differences_without_spread_have_no_p_value():
    for ours in ([1, 2, 3], [2, 3, 4]):
        result = statistics.paired(ours, [1, 2, 3])
        assert np.isnan(result["p"]) and result["low"] == result["high"] == ours[0] - 1


def product_metric(targets, scores):
    """Linear in the scores; wrong where targets and scores fall out of step."""
    return (targets * scores).mean()


@pytest.mark.parametrize("level", [0.3, 0.55, 0.9])
@pytest.mark.parametrize("other", [False, True])
def test_bootstrap_has_the_quantiles_of_all_resamples(other, level):
    draw = np.random.default_rng(3)
    targets = np.array([1, -1, 2])
    scores, baseline = draw.normal(size=(2, 3, 3)) + [[0], [1], [3]]
    effect = targets * (scores - baseline if other else scores)
    resamples = [effect[np.ix_(seeds, videos)].mean() for seeds in product(range(3), repeat=3)
                 for videos in product(range(3), repeat=3)]
    result = statistics.bootstrap(product_metric, targets, scores, baseline if other else None,
                                  repeats=4000, level=level)
    assert result["estimate"] == pytest.approx(effect.mean())
    # The share of all 729 resamples at or below each end brackets the share asked for.
    for end, share in ((result["low"], (1 - level) / 2), (result["high"], (1 + level) / 2)):
        assert np.mean(np.less(resamples, end - 1e-9)) <= share + 0.02
        assert np.mean(np.less_equal(resamples, end + 1e-9)) >= share - 0.02


def test_bootstrap_covers_a_true_difference_over_new_seeds_and_videos():
    draw = np.random.default_rng(4)
    hits = 0
    for trial in range(150):
        seeds, videos = draw.normal(size=(12, 1)), draw.normal(size=(1, 40))
        ours = 0.3 + 0.3 * seeds + videos + 0.1 * draw.normal(size=(12, 40))
        result = statistics.bootstrap(product_metric, np.ones(40), ours, np.zeros((12, 40)),
                                      repeats=150, seed=trial)
        hits += result["low"] < 0.3 < result["high"]
    assert 0.88 < hits / 150 < 0.995


def test_bootstrap_of_a_metric_repeats_by_its_seed_and_pairs_the_systems():
    draw = np.random.default_rng(5)
    targets = draw.random((80, 3)) < 0.4
    scores = draw.normal(size=(4, 80, 3)) + targets
    call = [metrics.mean_average_precision, targets, scores]
    first, again, else_ = (statistics.bootstrap(*call, repeats=50, seed=s) for s in (1, 1, 2))
    assert first == again != else_
    assert first["low"] < first["estimate"] < first["high"]
    same = statistics.bootstrap(*call, scores, repeats=20)
    assert same == {"estimate": 0, "low": 0, "high": 0, "sd": 0, "undefined": 0}


def test_a_bootstrap_of_the_videos_alone_has_the_standard_error_of_their_mean():
    draw = np.random.default_rng(6)
    targets, scores = np.ones(400), draw.normal(size=(3, 400))
    found = statistics.bootstrap(product_metric, targets, scores, repeats=2000,
                                 resample_seeds=False)
    assert found["sd"] == pytest.approx(scores.mean(0).std() / 20, rel=0.06)


def test_a_draw_without_a_positive_is_left_out_and_counted():
    targets = np.zeros((4, 1), bool)
    targets[0] = True
    found = statistics.bootstrap(metrics.mean_average_precision, targets,
                                 np.arange(4.0)[None, :, None], repeats=100)
    assert 10 < found["undefined"] < 60  # (3/4)^4 = .32 of the draws


def test_an_interval_over_videos_too_adds_the_errors_as_squares():
    low, high = statistics.over_videos_too(10, 7, 13, 4 / 1.959964)
    assert (low, high) == pytest.approx((5, 15))


def test_holm_by_hand_and_its_order():
    # 4 x .01; 3 x .013 = .039 raised to .04; 2 x .03; 1 x .04 raised to .06.
    np.testing.assert_allclose(statistics.holm([0.03, 0.01, 0.04, 0.013]),
                               [0.06, 0.04, 0.06, 0.04])
    np.testing.assert_allclose(statistics.holm([0.7, 0.8]), [1, 1])
    np.testing.assert_allclose(statistics.holm([0.02, np.nan, 0.03]), [0.04, np.nan, 0.04])
    assert statistics.holm([]).shape == (0,)


def test_holm_rejects_what_the_step_down_procedure_rejects():
    for pvalues in np.random.default_rng(6).beta(0.3, 2, size=(200, 6)):
        order, rejected = np.argsort(pvalues), np.zeros(6, bool)
        for step, index in enumerate(order):
            if pvalues[index] > 0.05 / (6 - step):
                break
            rejected[index] = True
        np.testing.assert_array_equal(statistics.holm(pvalues) <= 0.05, rejected)


@pytest.mark.parametrize("call, message", [
    (lambda: statistics.mean_interval([]), "values"),
    (lambda: statistics.mean_interval([1, np.nan]), "values"),
    (lambda: statistics.paired([1, 2], [1]), "cannot be paired"),
    (lambda: statistics.bootstrap(product_metric, np.zeros(3), np.zeros((2, 4))), "does not fit"),
    (lambda: statistics.bootstrap(product_metric, np.zeros(3), np.zeros((2, 3)), np.zeros((1, 3))),
     "does not fit"),
])
def test_bad_input_is_refused(call, message):
    with pytest.raises(StudyError, match=message):
        call()


def cited():
    with open(paths.RESULTS / "cited.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_cited_rows_are_all_there_with_the_papers_own_apart():
    rows = cited()
    assert list(rows[0]) == ["table", "method", "dataset", "metric", "value", "source"]
    own = [row for row in rows if row["source"] == "the paper, own row"]
    assert {row["method"] for row in own} == {"MSQNet+TFE", "BIKE+TFE", "Text4Vis+TFE"}
    assert rows[-len(own):] == own
    cells = Counter((row["table"], row["dataset"], row["metric"], row in own) for row in rows)
    assert cells == {("1", "charades", "map", False): 18, ("1", "charades", "map", True): 2,
                     ("2", "ucf101", "accuracy", False): 22, ("2", "ucf101", "accuracy", True): 3,
                     ("2", "hmdb51", "accuracy", False): 22, ("2", "hmdb51", "accuracy", True): 3}
    assert len({(row["table"], row["method"], row["dataset"]) for row in rows}) == len(rows)


def test_the_cited_values_are_percentages_as_printed():
    rows = {(row["method"], row["dataset"]): row for row in cited()}
    assert all(20 < float(row["value"]) < 100 for row in rows.values())
    assert all(row["value"] == f"{float(row['value']):.1f}" for row in rows.values())
    gains = {key: round(float(rows[f"{key[0]}+TFE", key[1]]["value"]) - float(row["value"]), 1)
             for key, row in rows.items() if (f"{key[0]}+TFE", key[1]) in rows}
    assert gains == {("MSQNet", "charades"): 1.0, ("BIKE", "charades"): 0.7,
                     ("MSQNet", "ucf101"): 0.5, ("MSQNet", "hmdb51"): 0.5,
                     ("Text4Vis", "ucf101"): 0.2, ("Text4Vis", "hmdb51"): 0.1,
                     ("BIKE", "ucf101"): 0.2, ("BIKE", "hmdb51"): 1.2}


def test_fewer_than_three_seeds_have_no_interval():
    assert np.isnan(statistics.mean_interval([60, 61.8])[1:]).all()
    assert np.isfinite(statistics.mean_interval([60, 61.8, 61])).all()
    pair = statistics.paired([2, 4], [1, 2], margin=9)
    assert pair["difference"] == 1.5 and not pair["equal"]
    assert all(np.isnan(pair[name]) for name in ("low", "high", "p", "smallest_effect"))
