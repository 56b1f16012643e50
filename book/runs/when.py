"""When a head sees its classes, in seconds: thresholds on a read-out, chosen on val.

A segment belongs to an interval where its read-out reaches `fraction` of the class's largest in the
video, and a class has intervals where its score reaches `least`.
"""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from book.evidence import localisation
from book.evidence.detection import FRACTIONS, edges as edges_of
from data.files import store
from data.files.dataset import open_dataset
from tfe import evaluation
from tfe.errors import StudyError

# `(N, C, T)` out of what `evaluation.predict` gives, by name.
READOUTS = {"leave-one-out": lambda predictions: predictions["leave_one_out"]}
USUAL = 0.5  # the fraction where no true interval tells a better one
AT = 0.5  # the IoU from which an interval counts as found
GUESSES = 20  # draws of the uniform guess: their mean is known to a hundredth


@dataclass(frozen=True)
class Thresholds:
    """How a read-out becomes intervals."""

    readout: str
    fraction: float
    least: float


def intervals(predictions, edges, ids, classes, thresholds):
    """The intervals of videos, a table as of `localisation`.

    predictions: as `evaluation.predict` gives them; edges `(N, T + 1)` of the segments, in seconds.
    """
    found = localisation.thresholded(READOUTS[thresholds.readout](predictions),
                                     predictions["scores"], edges, ids, classes,
                                     thresholds.fraction)
    return found[found.class_score >= thresholds.least]


def of(head, readout="leave-one-out"):
    """A head's thresholds and how they did, as `tried` tells: by its card, or by its dataset."""
    known = head.card.get("when", {})
    if known.get("readout") == readout:
        return known
    if head.source is None:
        raise StudyError(f"the head {head.row} ships without thresholds for {readout}: name a run "
                         "of results/local/ with --run or --row")
    dataset = open_dataset(head.source[0])
    return tried(head, dataset, store.open_features(dataset, head.source[1]), readout)


def tried(head, dataset, features, readout="leave-one-out"):
    """Choose a head's thresholds on val, and try them on test; a flat dict, for the head's card.

    The thresholds are those of the best F1 at an IoU of `AT`; where the dataset has no intervals,
    `fraction` is `USUAL`, `least` the best for the labels, and nothing is tried. `guess` is the
    recall of the same intervals at uniform places, `oracle` that of the true segments and classes.
    Raises StudyError for a head of the oracle, which knows no time, and for a dataset without val.
    """
    if head.card["method"] == "oracle-mask":
        raise StudyError(f"{head.row} is shown the true segments alone, in a row: no time can be "
                         "read from it; name another head")
    videos = {split: _Videos.of(dataset, features, split) for split in ("val", "test")}
    if not videos["val"].targets.any():
        raise StudyError(f"{dataset.folder / 'videos.csv'}: no video of split val has a label and "
                         "features, so that no threshold can be chosen: add some")
    thresholds = chosen(videos["val"].predictions(head), videos["val"], readout)
    told = {**asdict(thresholds), "iou": AT}
    if dataset.segments is None or not len(videos["test"].truth):
        return told
    test = videos["test"]
    found = intervals(test.predictions(head), test.edges, test.ids, dataset.classes, thresholds)
    guesses = [localisation.guessed(found, test.durations, seed) for seed in range(GUESSES)]

    def recall(intervals):
        return localisation.scored(intervals, test.truth, AT)["recall"]

    return {**told, **localisation.scored(found, test.truth, AT),
            "guess": float(np.mean([recall(guess) for guess in guesses])),
            "oracle": recall(test.oracle())}


def chosen(predictions, videos, readout):
    """The `Thresholds` of the best F1 on these videos, of their intervals or else their labels."""
    if videos.truth is None:
        scores, targets = predictions["scores"].ravel(), videos.targets.ravel() > 0
        _, least = _best(scores, targets, targets.sum())
        return Thresholds(readout, USUAL, least)
    tried = []
    for fraction in FRACTIONS:
        found = intervals(predictions, videos.edges, videos.ids, videos.classes,
                          Thresholds(readout, fraction, -np.inf))
        hit = localisation.hits(found, videos.truth, AT)
        tried.append((*_best(found.class_score.to_numpy(), hit, len(videos.truth)), fraction))
    _, least, fraction = max(tried)
    return Thresholds(readout, fraction, least)


def _best(scores, hit, true):
    """The best F1 over thresholds on scores `(R,)`, and its threshold; `true`: how many there are."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    f1 = 2 * np.cumsum(hit[order]) / (np.arange(1, len(hit) + 1) + true)
    f1[:-1][ranked[:-1] == ranked[1:]] = -1  # within a tie no threshold lies
    return float(f1.max(initial=0)), float(ranked[f1.argmax()]) if len(f1) else np.inf


@dataclass(frozen=True)
class _Videos:
    """The videos of a split that have features."""

    x: np.ndarray
    ids: np.ndarray
    targets: np.ndarray
    edges: np.ndarray
    durations: pd.Series
    truth: pd.DataFrame | None
    classes: list
    shown: np.ndarray | None

    @classmethod
    def of(cls, dataset, features, split):
        rows = dataset.rows(features.video_ids)[split]
        ids, segments = np.array(features.video_ids)[rows], features.x.shape[1]
        table, truth = dataset.videos.set_index("video_id"), dataset.segments
        return cls(features.x[rows], ids, dataset.targets(ids), edges_of(dataset, ids, segments),
                   table.duration + table.picture_start,
                   None if truth is None else truth[truth.video_id.isin(ids)], dataset.classes,
                   dataset.truth(ids, segments))

    def predictions(self, head):
        return evaluation.predict(head.system, self.x, self.targets)

    def oracle(self):
        """The intervals of the true segments of the true classes: what T segments allow."""
        return localisation.thresholded(self.shown.astype(float), self.targets, self.edges,
                                        self.ids, self.classes, 1.0)
