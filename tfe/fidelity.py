"""Temporal fidelity: does the saliency of a video's segments fall where the action is?

Three measures, for attention weights and for leave-one-out falls alike:

- auc, the primary one: the chance that a true segment is more salient than another segment of the
  same video, ties half. It reads the order alone, so it compares any two read-outs.
- mass: the share of the saliency on true segments, after `normalised`.
- pointing: whether the most salient segment is true; a tie is a fair draw among the tied.

A video whose truth is empty or full cannot be answered wrongly: it is left out and counted.
"""

import numpy as np
from einops import einsum, rearrange, reduce

from tfe.errors import StudyError


def score(saliency, truth, positive=None):
    """Fidelity of a read-out, averaged over the scored videos; a flat dict.

    saliency `(N, T)`: finite, larger is more salient; truth `(N, T)`, bool or 0/1: where the action
    is. Or both `(N, C, T)`: then each (video, class) pair counts once, of those that `positive`
    `(N, C)` names, by default those with a true segment.

    Keys: `mass`, `auc`, `pointing` in 0..1, nan where no pair is scored; `chance_mass`,
    `chance_auc`, `chance_pointing`: an uninformed saliency's values; counts of what is scored,
    `videos` and `pairs`, of what is not, `skipped_empty` and `skipped_full`, and `flat`: scored
    pairs whose saliency is all equal or nowhere above 0, so that their mass is the chance level.
    Raises StudyError on shapes that do not fit, on nan or inf, on truth other than 0/1.
    """
    saliency, truth, positive = _checked(saliency, truth, positive)
    saliency, truth, rows = saliency[positive], truth[positive], np.nonzero(positive)[0]
    values = per_video(saliency, truth)
    scored = ~np.isnan(values["auc"])
    share = _mean(truth[scored].mean(axis=1))  # chance level of mass and of pointing alike
    return {**{name: _mean(each[scored]) for name, each in values.items()},
            "chance_mass": share, "chance_auc": 0.5, "chance_pointing": share,
            "videos": len(np.unique(rows[scored])), "pairs": int(scored.sum()),  # videos: once each
            "skipped_empty": int((~truth.any(axis=1)).sum()),
            "skipped_full": int(truth.all(axis=1).sum()),
            "flat": int(_flat(saliency[scored]).sum())}


def per_video(saliency, truth):
    """The three measures of each video, `{name: (N,)}`, nan where the truth is empty or full.

    saliency, truth: `(N, T)`. Errors as for `score`.
    """
    saliency, truth, _ = _checked(saliency, truth, None)
    if truth.ndim != 2:
        raise StudyError("saliency: per_video takes (N, T); select the (video, class) pairs")
    best = saliency == saliency.max(axis=1, keepdims=True)  # all of a tie, for the fair draw
    values = {"mass": (normalised(saliency) * truth).sum(axis=1),
              "auc": _auc(saliency, truth),
              "pointing": (best & truth).sum(axis=1) / best.sum(axis=1)}
    unanswerable = ~truth.any(axis=1) | truth.all(axis=1)
    return {name: np.where(unanswerable, np.nan, each) for name, each in values.items()}


def normalised(saliency):
    """Saliency `(..., T)` as shares that sum to 1: negative values become 0, then the ratio.

    A negative leave-one-out fall says that the segment spoke against the label: no share. With
    nothing above 0 every segment gets 1/T. No shift to minimum 0: that would sharpen attention.
    """
    kept = np.maximum(np.asarray(saliency, dtype=float), 0)
    # Dividing by the largest first keeps the sum finite.
    kept = np.where(kept.max(axis=-1, keepdims=True) > 0, kept, 1)
    kept = kept / kept.max(axis=-1, keepdims=True)
    return kept / kept.sum(axis=-1, keepdims=True)


def _flat(saliency):
    """Whether each saliency `(..., T)` is all equal, or nowhere above 0."""
    return (saliency == saliency[..., :1]).all(axis=-1) | (saliency <= 0).all(axis=-1)


def _auc(saliency, truth):
    """P(s_i > s_j) + P(s_i = s_j) / 2 over true i and other j, for each video."""
    here, there = rearrange(saliency, "n i -> n i 1"), rearrange(saliency, "n j -> n 1 j")
    wins = (here > there) + 0.5 * (here == there)  # all T x T pairs: T is small
    pairs = truth.sum(axis=1) * (~truth).sum(axis=1)
    total = einsum(wins, truth, ~truth, "n i j, n i, n j -> n")
    return total / np.maximum(pairs, 1)  # no pairs: `per_video` makes it nan


def _mean(values):
    return float(values.mean()) if values.size else float("nan")


def _checked(saliency, truth, positive):
    """As arrays; `positive` is `(N,)`, or `(N, C)` where there are classes."""
    saliency, truth = np.asarray(saliency, dtype=float), np.asarray(truth)
    if saliency.shape != truth.shape or saliency.ndim not in (2, 3) or not saliency.shape[-1]:
        raise StudyError(f"saliency: shape {saliency.shape} does not fit truth {truth.shape}; "
                         "give both as (videos, segments) or (videos, classes, segments)")
    if not np.isfinite(saliency).all():
        raise StudyError("saliency: nan or infinite; look for a run that diverged")
    if not np.isin(truth, (0, 1)).all():
        raise StudyError("truth: only true and false are allowed; say where the action is")
    truth = truth.astype(bool)
    if positive is None:
        positive = np.ones(len(truth)) if truth.ndim == 2 else reduce(truth, "n c t -> n c", "max")
    positive = np.asarray(positive).astype(bool)
    if positive.shape != truth.shape[:-1]:
        raise StudyError(f"positive: shape {positive.shape} does not fit truth {truth.shape}; "
                         "give one flag a (video, class) pair")
    return saliency, truth, positive
