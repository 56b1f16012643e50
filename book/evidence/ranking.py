"""Measures of a ranking of segments, beside those of `tfe.fidelity`: the field's other three.

- auprc: average precision of a video's segments, as `tfe.metrics.average_precision`.
- ndcg: discounted gain of the n first segments over that of n true ones (NDCG@n of MILLET).
- rank_accuracy: the share of true segments among the n first.

n is how many true segments there are. Tied segments share their places, as in `fidelity`.
"""

import numpy as np

from tfe import fidelity, metrics

NAMES = ("auprc", "ndcg", "rank_accuracy")


def per_pair(saliency, truth):
    """All six measures of each pair of a video and a class, `{name: (P,)}`.

    saliency, truth: `(P, T)`. nan where the truth is empty or full: nothing can be ranked wrongly.
    Errors as for `fidelity.score`.
    """
    values = fidelity.per_video(saliency, truth)
    truth = np.asarray(truth).astype(bool)
    first, gains = _true_at(np.asarray(saliency, float), truth), _discounts(truth.shape[1])
    many = truth.sum(axis=1, keepdims=True)
    counted = np.arange(truth.shape[1]) < many
    gained, best = (first * gains * counted).sum(1), (gains * counted).sum(1)
    ours = {"auprc": metrics.average_precision(truth.T, np.asarray(saliency).T),
            "ndcg": gained / np.maximum(best, 1e-12),
            "rank_accuracy": (first * counted).sum(1) / np.maximum(many[:, 0], 1)}
    unanswerable = np.isnan(values["auc"])
    return values | {name: np.where(unanswerable, np.nan, each) for name, each in ours.items()}


def score(saliency, truth):
    """The means of `per_pair`; counts of pairs scored, and of those with no or only true segments."""
    values, truth = per_pair(saliency, truth), np.asarray(truth).astype(bool)
    scored = ~np.isnan(values["auc"])
    return {**{name: float(each[scored].mean()) if scored.any() else float("nan")
               for name, each in values.items()},
            "pairs": int(scored.sum()), "skipped_empty": int((~truth.any(1)).sum()),
            "skipped_full": int(truth.all(1).sum())}


def _discounts(length):
    return 1 / np.log2(np.arange(length) + 2)


def _true_at(saliency, truth):
    """How likely the segment in each place of the ranking is a true one: `(P, T)`.

    A segment that ties with others is equally likely in each of the places that they share.
    """
    above = (saliency[:, None] > saliency[:, :, None]).sum(2)  # (P, T): places before it
    tied = (saliency[:, None] == saliency[:, :, None]).sum(2)
    place = np.arange(saliency.shape[1])
    shares = (place >= above[..., None]) & (place < (above + tied)[..., None])  # (P, T, places)
    return (shares * (truth / tied)[..., None]).sum(1)
