"""How sure a table may be: intervals over seeds, and over seeds and test videos together.

Two populations, and a caption says which. The t intervals (`mean_interval`, `paired`) speak
of new seeds on these test videos. `bootstrap` speaks of new seeds and new test videos of the
same kind. Neither speaks of new datasets. With five seeds take t: resampling so few values
gives intervals that are too short.
"""

import warnings
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import optimize, stats

from tfe.errors import StudyError

# Values of an interval: of two, 95% t intervals span twelve standard errors, and more than there is.
FEWEST = 3


def mean_interval(values, level=0.95):
    """Mean of independent runs and its Student t interval: (mean, low, high).

    values: (S,), one a seed. Assumes normal spread. Fewer than `FEWEST` values do not tell it: the
    ends are nan. Raises StudyError on no value or nan.
    """
    values = _runs(values, "values")
    if len(values) < FEWEST:
        return float(values.mean()), float("nan"), float("nan")
    interval = _t_test(values).confidence_interval(level)
    return float(values.mean()), float(interval.low), float(interval.high)


def paired(a, b, level=0.95, power=0.8, margin=None):
    """Paired t comparison of `a` minus `b`, two (S,) lists of values by the same seeds.

    Returns a dict: `difference` (mean of a - b), `low`, `high` (t interval), `p` (two-sided),
    `smallest_effect` (the true difference that S seeds of this spread would detect with
    probability `power` at 1 - `level`) and `improvement`, P(a run of a > a run of b), ties
    half, over all S x S pairs of runs. With a `margin` also `equal`: whether two one-sided t tests
    at 1 - level say that the true difference lies within it. Fewer than `FEWEST` seeds leave all but
    `difference` and `improvement` nan. Raises StudyError where the lengths differ.
    """
    a, b = _runs(a, "a"), _runs(b, "b")
    if len(a) != len(b):
        raise StudyError(f"a, b: {len(a)} and {len(b)} runs cannot be paired: give the same seeds")
    mean, low, high = mean_interval(a - b, level)
    # Both tests reject where the interval at 1 - 2 (1 - level) lies within the margin.
    inner = mean_interval(a - b, 2 * level - 1)[1:]
    equal = {} if margin is None else {"equal": bool(-margin < inner[0] and inner[1] < margin)}
    return {"difference": mean, "low": low, "high": high, **equal,
            # Without spread there is no p: equal runs say nothing of other seeds.
            "p": float(_t_test(a - b).pvalue) if low < high else float("nan"),
            "smallest_effect": (float(_standard_error(a - b) * detectable(len(a), level, power))
                                if len(a) >= FEWEST else float("nan")),
            "improvement": float((np.sign(a[:, None] - b[None, :]).mean() + 1) / 2)}


def paired_by_seed(a, b, margin=None):
    """`paired` over the seeds that both have; None where there is none.

    a, b: Series of a row's values, by seed; NaN is a run without a value.
    """
    both = pd.concat([a, b], axis=1, keys=("a", "b")).dropna()
    return None if both.empty else {**paired(both.a, both.b, margin=margin), "seeds": len(both),
                                    "means": (both.a.mean(), both.b.mean())}


@lru_cache
def detectable(runs, level=0.95, power=0.8):
    """The true mean, in standard errors, that a t test on `runs` values finds with `power`.

    Solves P(t' > t_crit) = power for the non-centrality of t' with runs - 1 degrees of freedom,
    t_crit two-sided at 1 - level (the wrong tail adds nothing here); nan for one run.
    """
    if runs < 2:
        return float("nan")
    critical = stats.t.ppf((1 + level) / 2, runs - 1)

    def excess(noncentrality):
        return stats.nct.sf(critical, runs - 1, noncentrality) - power

    return float(optimize.brentq(excess, 0, 5 * critical + 5))


def bootstrap(metric, targets, scores_by_seed, other_by_seed=None, repeats=1000, seed=0,
              level=0.95, resample_seeds=True):
    """Percentile interval of a metric when seeds and test videos are drawn anew, together.

    metric(targets, scores) -> float; targets: (N, ...); scores_by_seed: (S, N, ...). Each
    repeat draws S seeds and N videos with replacement, and averages the metric over the
    drawn seeds. With `other_by_seed`, of the same shape, the interval is of the paired
    difference: the same draws serve both. `resample_seeds=False` draws the videos alone.
    Returns `estimate` (nothing resampled), `low`, `high`, `sd` (of the repeats) and `undefined`,
    the draws left out because the metric was not defined on them (no class with a positive).
    Raises StudyError on shapes that differ, and where no draw is defined.
    """
    targets = np.asarray(targets)
    systems = [np.asarray(scores_by_seed)]
    if other_by_seed is not None:
        systems.append(np.asarray(other_by_seed))
    for scores in systems:
        if scores.ndim < 2 or scores.shape[:2] != (len(systems[0]), len(targets)) or (
                not scores.size):
            raise StudyError(f"scores: shape {scores.shape} does not fit; give (seeds, videos, "
                             f"...) with the {len(targets)} videos of targets, and the same "
                             "seeds in both systems")
    seeds, videos = systems[0].shape[:2]

    def estimate(counts, rows):
        drawn = np.flatnonzero(counts)
        means = [np.average([metric(targets[rows], scores[s][rows]) for s in drawn],
                            weights=counts[drawn]) for scores in systems]
        return means[0] - means[1] if len(means) == 2 else means[0]

    draw = np.random.default_rng(seed)
    whole = estimate(np.ones(seeds, int), np.arange(videos))
    values = []
    for _ in range(repeats):
        counts = np.bincount(draw.integers(seeds, size=seeds), minlength=seeds)
        rows = draw.integers(videos, size=videos)
        try:
            values.append(estimate(counts if resample_seeds else np.ones(seeds, int), rows))
        except StudyError:  # a draw without any positive
            continue
    if not values:
        raise StudyError("targets: no draw of test videos has a positive; use more test videos")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return {"estimate": float(whole), "low": float(low), "high": float(high),
            "sd": float(np.std(values)), "undefined": repeats - len(values)}


def over_videos_too(mean, low, high, sd):
    """An interval over seeds, widened by the chance of drawing the test videos: (low, high).

    `low`, `high` is the t interval over seeds on the given videos, `sd` the bootstrap's standard
    deviation over videos alone; independent errors add as squares. A bootstrap of five seeds and
    the videos in one draw would be narrower than t over the seeds: resampling so few understates
    their spread, and drawing a video twice raises its average precision.
    """
    reach = np.hypot(high - mean, stats.norm.ppf(0.975) * sd)
    return float(mean - reach), float(mean + reach)


def holm(pvalues):
    """Holm's adjusted p values, in the order given: compare each with the level of the family.

    They hold the chance of any false finding among the tests under the level, whatever their
    dependence. nan marks a test that was not made; it stays nan and does not count.
    """
    pvalues = np.asarray(pvalues, dtype=float)
    made = np.flatnonzero(~np.isnan(pvalues))
    made = made[np.argsort(pvalues[made])]
    adjusted = np.full(pvalues.shape, np.nan)
    steps = np.arange(len(made), 0, -1) * pvalues[made]
    adjusted[made] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def _t_test(values):
    """Student's t test of mean 0, without scipy's warnings where values are one or all the same."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return stats.ttest_1samp(values, 0)


def _standard_error(values):
    return values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan


def _runs(values, name):
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise StudyError(f"{name}: give finite values, one a seed: leave out runs that diverged")
    return values
