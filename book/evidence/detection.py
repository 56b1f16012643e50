"""Localisation the ActivityNet way: mean average precision of intervals at several tIoU.

A found interval is right where it meets a true one of its video and label by a temporal
intersection over union (tIoU) of at least `at`; the surest chooses first, and each true one is met
once. Precision is interpolated: at each recall the best that any larger recall has.
"""

import numpy as np
import pandas as pd

from book.evidence import localisation
from tfe.errors import StudyError

TIOU = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of a saliency's largest value


def average_precision(found, truth, at):
    """Interpolated average precision in 0..1 of one class; 0 where nothing is found; of each of `at`, `(A,)`.

    found, truth: tables of `localisation`. Equal scores come in the order of the official code.
    """
    if not len(truth):
        return np.full(np.shape(at), np.nan)
    # Their sort: within a tie the later line comes first, of few lines at least.
    found = found.iloc[found.score.to_numpy(float).argsort()[::-1]]
    met = localisation.hits(found, truth, at)
    precision = met.cumsum(axis=-1) / np.arange(1, len(found) + 1)
    best = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
    return (best * met).sum(axis=-1) / len(truth)


def mean_average_precision(found, truth, tiou=TIOU):
    """The mean over classes that have a true interval, `{tIoU: 0..1}`; nan where none has.

    A class that is never found counts 0. What is found of a class without a true interval is not
    looked at, as there. Raises StudyError for a tIoU outside (0, 1].
    """
    if not all(0 < at <= 1 for at in tiou):
        raise StudyError(f"tIoU {tiou}: choose numbers above 0 and up to 1")
    by_class = [average_precision(found[found.label == label], true, np.array(tiou))
                for label, true in truth.groupby("label")]
    return {at: float(mean) for at, mean in zip(tiou, np.mean(by_class, axis=0))} if by_class else (
        dict.fromkeys(tiou, float("nan")))


def intervals(saliency, scores, edges, ids, labels, overlap=0.5):
    """Intervals out of saliency at all FRACTIONS, the overlapping ones suppressed class by class.

    One line a pair of a video and a class: saliency `(P, T)`, scores `(P,)`, edges `(P, T + 1)` in
    seconds, ids and labels `(P,)`. Arguments and table otherwise as `localisation.thresholded`.
    """
    pairs = np.arange(len(saliency))
    found = pd.concat([localisation.thresholded(saliency[:, None], scores[:, None], edges, pairs,
                                                [""], fraction) for fraction in FRACTIONS])
    # The same interval of two thresholds has one score: it is found once.
    found = found.drop_duplicates(["video_id", "start", "end"]).reset_index(drop=True)
    pair = found.video_id.to_numpy(int)
    found = found.assign(video_id=np.asarray(ids)[pair], label=np.asarray(labels)[pair])
    return localisation.suppressed(found, overlap)


def edges(dataset, ids, segments):
    """Where the segments of these videos begin and the last one ends, in seconds: `(N, T + 1)`."""
    videos = dataset.videos.set_index("video_id").loc[list(ids)]
    parts = np.linspace(0, 1, segments + 1)
    return videos.picture_start.to_numpy()[:, None] + videos.duration.to_numpy()[:, None] * parts
