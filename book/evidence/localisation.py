"""When, in seconds: intervals out of saliency, and how well they meet the true ones.

A table of intervals has a line each, `video_id, label, start, end`, in seconds; found ones have a
`score` as well, larger is surer.
"""

import numpy as np
import pandas as pd
from einops import repeat

KEY = ["video_id", "label"]
SPAN = ["start", "end"]


def iou(a, b):
    """Intersection over union of starts and ends in seconds: `(N, 2)`, `(M, 2)` -> `(N, M)`."""
    a, b = np.asarray(a, float)[:, None], np.asarray(b, float)[None]
    shared = np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0])
    spanned = np.maximum(a[..., 1], b[..., 1]) - np.minimum(a[..., 0], b[..., 0])
    # Where they meet, what both span is their union.
    return np.maximum(shared, 0) / np.where(spanned > 0, spanned, 1)


def shares(saliency):
    """Saliency `(..., T)` as a share of its largest value along time; 0 where none is above 0."""
    largest = saliency.max(axis=-1, keepdims=True)
    return np.maximum(saliency, 0) / np.where(largest > 0, largest, np.inf)


def rescaled(saliency):
    """Saliency `(..., T)` with 0 at its least value along time and 1 at its largest; 0 where all are equal.

    What is added to a read-out, or multiplies it, moves none of its intervals: read-outs differ in both.
    """
    least = saliency.min(axis=-1, keepdims=True)
    span = saliency.max(axis=-1, keepdims=True) - least
    return (saliency - least) / np.where(span > 0, span, np.inf)


def thresholded(saliency, scores, edges, ids, classes, fraction):
    """The intervals in which saliency reaches a fraction of its largest value, a table.

    saliency `(N, C, T)`; scores of the classes `(N, C)`; edges `(N, T + 1)`: where each segment
    begins and the last one ends, in seconds; fraction above 0. A saliency that is nowhere above 0
    has no interval. `score` is the class's, `class_score`, times the mean of `shares` inside.
    """
    share = shares(saliency)
    shown = np.pad(share >= fraction, ((0, 0), (0, 0), (1, 1))).astype(int)
    steps = np.diff(shown, axis=2)
    videos, labels, first = np.nonzero(steps == 1)
    last = np.nonzero(steps == -1)[2]  # in the same order: an end follows each beginning
    sums = np.pad(np.cumsum(share, axis=2), ((0, 0), (0, 0), (1, 0)))
    inside = (sums[videos, labels, last] - sums[videos, labels, first]) / (last - first)
    return pd.DataFrame({
        "video_id": np.asarray(ids)[videos], "label": np.asarray(classes)[labels],
        "start": edges[videos, first], "end": edges[videos, last],
        "score": scores[videos, labels] * inside, "class_score": scores[videos, labels]})


def suppressed(found, overlap=0.5):
    """Class-wise non-maximum suppression of a table of intervals.

    Of those of one video and label that overlap by an IoU above `overlap` the best scored stays.
    """
    spans, kept = found[SPAN].to_numpy(), []
    for rows in _best_first(found).values():
        mutual, stay = iou(spans[rows], spans[rows]), []
        for n in range(len(rows)):
            if (mutual[n, stay] <= overlap).all():
                stay.append(n)
        kept += rows[stay].tolist()
    return found.iloc[sorted(kept)]


def joined(found):
    """What overlaps or touches in a video and label, as the pieces of one action in neighbouring
    windows do, becomes one interval, with the scores of the surest."""
    found = found.sort_values([*KEY, "start"])
    reached = found.groupby(KEY).end.cummax()
    before = reached.groupby([found[name] for name in KEY]).shift()
    piece = (~(found.start <= before)).cumsum().rename("piece")  # of the first, `before` is nan
    how = {"start": "min", "end": "max", **{n: "max" for n in found if n.endswith("score")}}
    return found.groupby([*KEY, piece]).agg(how).reset_index()[list(found)]


def hits(found, truth, at=0.5):
    """Which found intervals meet a true one of their video and label by an IoU of `at`: `(R,)` bool.

    The best scored chooses first, and takes what it overlaps most; each true one is met once. Of several
    `at`, `(A,)`, each by itself: `(A, R)`.
    """
    spans, true_spans, least = found[SPAN].to_numpy(), truth[SPAN].to_numpy(), np.atleast_1d(at)
    true, hit = truth.groupby(KEY).indices, np.zeros((len(least), len(found)), bool)
    for key, rows in _best_first(found).items():
        if key not in true:
            continue
        left = repeat(iou(spans[rows], true_spans[true[key]]), "found true -> found at true", at=len(least))
        for row, each in zip(rows, left):
            met = each.max(axis=1) >= least
            hit[met, row] = True
            left[:, met, each.argmax(axis=1)[met]] = 0
    return hit.reshape(*np.shape(at), len(found))


def scored(found, truth, at=0.5):
    """Recall, precision and F1 in 0..1 of found intervals at an IoU of `at`; nan without any."""
    met = hits(found, truth, at).sum()
    recall, precision, both = (met / many if many else np.nan for many in (
        len(truth), len(found), (len(found) + len(truth)) / 2))
    return {"recall": float(recall), "precision": float(precision), "f1": float(both)}


def guessed(found, durations, seed=0):
    """A uniform guess: each interval keeps video, label and length, and lies anywhere in its video.

    durations: seconds by video_id, a Series or dict.
    """
    length = (found.end - found.start).to_numpy()
    room = np.maximum(found.video_id.map(durations).to_numpy(float) - length, 0)
    start = np.random.default_rng(seed).random(len(found)) * room
    return found.assign(start=start, end=start + length)


def _best_first(found):
    """Positions of the intervals of each video and label, `{(video_id, label): (R,)}`, by score."""
    score = found.score.to_numpy()
    return {key: rows[np.argsort(-score[rows], kind="stable")]
            for key, rows in found.groupby(KEY).indices.items()}
