"""Average precision and accuracy over a test set.

All values are shares in 0..1. Equal scores share their places: a metric must not depend on the
order of the videos, and half-precision scores do tie.
"""

import numpy as np

from tfe.errors import StudyError


def average_precision(targets, scores):
    """Average precision of every class, `(C,)`: sum over thresholds of recall gained x precision.

    targets `(N, C)`, 0/1 or bool; scores `(N, C)`, larger is likelier; `(N,)` is one class. Equal
    scores are one threshold. A class without a positive has no recall: nan. Raises StudyError on
    nan scores or shapes that differ.
    """
    targets, scores = multilabel(targets, scores)
    order = np.argsort(-scores, axis=0)  # any order within a tie: it is one threshold
    ranked = np.take_along_axis(scores, order, axis=0)
    hits = np.take_along_axis(targets, order, axis=0)
    number = np.arange(1, len(scores) + 1)[:, None]
    precision = np.cumsum(hits, axis=0) / number
    # Every member of a group of equal scores takes the precision at the group's end.
    ends = np.ones(scores.shape, bool)
    ends[:-1] = ranked[:-1] != ranked[1:]
    group_end = np.where(ends, number - 1, len(scores))
    group_end = np.minimum.accumulate(group_end[::-1], axis=0)[::-1]
    gained = hits * np.take_along_axis(precision, group_end, axis=0)
    with np.errstate(invalid="ignore"):  # 0 / 0 is the nan that we promise
        return gained.sum(axis=0) / hits.sum(axis=0)


def mean_average_precision(targets, scores):
    """Macro mAP: the mean of `average_precision` over the classes that have a positive.

    Raises StudyError where none has, and as `average_precision`.
    """
    present = average_precision(targets, scores)
    present = present[~np.isnan(present)]
    if not present.size:
        raise StudyError("targets: no class has a positive; choose a split that has labels")
    return float(present.mean())


def accuracy(targets, scores):
    """Top-1 accuracy; a tie for the first place counts as a fair draw among the tied.

    targets: class indices `(N,)`, or one-hot `(N, C)`; scores `(N, C)`. Raises StudyError on nan
    scores, shapes that differ, or an index outside 0..C-1.
    """
    scores = _checked(scores)
    targets = np.asarray(targets)
    if scores.ndim != 2 or targets.shape not in (scores.shape, scores.shape[:1]):
        raise StudyError(f"scores: shape {scores.shape} does not fit targets {targets.shape}; "
                         "give (N, C) scores, and (N,) indices or (N, C) one-hot targets")
    if targets.ndim == 2:
        if not (np.isin(targets, (0, 1)).all() and (targets.sum(axis=1) == 1).all()):
            raise StudyError("targets: every row must hold exactly one 1; "
                             "use mean_average_precision for several labels a video")
        targets = targets.argmax(axis=1)
    if not np.isin(targets, np.arange(scores.shape[1])).all():
        raise StudyError(f"targets: class indices must be whole numbers in "
                         f"0..{scores.shape[1] - 1}, the columns of scores")
    best = scores == scores.max(axis=1, keepdims=True)  # argmax would favour low indices
    drawn = np.take_along_axis(best, targets.astype(int)[:, None], axis=1)[:, 0]
    return float((drawn / best.sum(axis=1)).mean())


def _checked(scores):
    scores = np.asarray(scores, dtype=float)
    if not scores.size:
        raise StudyError("scores: empty; give at least one video and one class")
    if np.isnan(scores).any():
        raise StudyError(f"scores: {np.isnan(scores).sum()} of {scores.size} are nan; "
                         "look for a run that diverged")
    return scores


def multilabel(targets, scores):
    """Targets and scores as `(N, C)`, targets as bool. Raises StudyError where they do not fit."""
    scores, targets = _checked(scores), np.asarray(targets)
    if targets.shape != scores.shape or scores.ndim not in (1, 2):
        raise StudyError(f"scores: shape {scores.shape} does not fit targets {targets.shape}; "
                         "give both as (videos, classes)")
    if not np.isin(targets, (0, 1)).all():
        raise StudyError("targets: only 0 and 1 are allowed; encode the labels as multi-hot")
    return targets.astype(bool).reshape(len(scores), -1), scores.reshape(len(scores), -1)
