"""How far the peers' metrics lie from the macro mAP: simulated scores on real and planted labels.

A score is the log-odds of its class (or 0), plus `strength` where the label is true, plus N(0, 1).
What comes out are aggregates: no label and no video's name leaves the lists.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import logit, softmax

from book.evidence.printed_map import PEERS
from data.common.generators.features import planted_features
from tfe import metrics
from tfe.errors import StudyError

STRENGTHS = (1.6, 1.8, 2.0)
SEEDS = 5
CLASSES = 157
COSINE = 0.1  # makes the scores as small as cosines between images and texts are
# (name, batch, what it makes of targets and scores). BIKE's code scores Charades by a softmax over
# the classes, twice, of cosines; MSQNet's leaves out the videos without a label.
MEASURES = (
    ("macro", 0, PEERS["macro"]),
    *(("msqnet", batch, PEERS["msqnet"]) for batch in (8, 16, 32, 64)),
    *(("bike", batch, PEERS["bike"]) for batch in (64, 256)),
    ("macro of class softmax", 0, lambda targets, scores: metrics.mean_average_precision(
        targets, softmax(softmax(COSINE * scores, axis=1), axis=1))),
    ("macro without empty videos", 0, lambda targets, scores: metrics.mean_average_precision(
        targets[targets.any(axis=1)], scores[targets.any(axis=1)])),
)


def charades(folder):
    """Labels of the official test list: `(videos, 157)` bool."""
    path = Path(folder) / "Charades_v1_test.csv"
    try:
        actions = pd.read_csv(path).actions.fillna("")
        targets = np.zeros((len(actions), CLASSES), bool)
        for video, text in enumerate(actions):
            # "c092 11.90 21.20;c147 0.00 12.60": a class, its beginning and its end in seconds
            targets[video, [int(part.split()[0][1:]) for part in text.split(";") if part]] = True
    except (OSError, AttributeError, ValueError, IndexError) as error:
        raise StudyError(f"{path}: not Charades' official test list ({error!r}): give the folder "
                         "of the unpacked annotations to --lists") from error
    return targets


def planted(videos=400):
    """Labels of the planted test split: `(videos, 12)` bool. Synthetic."""
    _, targets, _ = planted_features(videos, split="test")
    return targets.astype(bool)


def simulate(labels, targets, strengths=STRENGTHS, seeds=SEEDS):
    """Every measure of simulated scores, in per cent: one row a prior, strength and measure.

    `difference` is measure minus macro mAP on the same scores, mean over seeds, and `low`, `high`
    are its extremes. The videos come in another order with each seed.
    """
    rows = []
    for prior in (True, False):
        for strength in strengths:
            values = np.array([_measured(targets, strength, prior, seed) for seed in range(seeds)])
            apart = 100 * (values - values[:, :1])
            rows += [(labels, *targets.shape, prior, strength, name, batch, seeds,
                      100 * values[:, n].mean(), apart[:, n].mean(), apart[:, n].min(),
                      apart[:, n].max()) for n, (name, batch, _) in enumerate(MEASURES)]
    return pd.DataFrame(rows, columns=[
        "labels", "videos", "classes", "prior", "strength", "measure", "batch", "seeds", "value",
        "difference", "low", "high"])


def scored(targets, strength, prior, seed):
    """The videos in a random order, `(targets, scores)`; `prior`: scores know the frequencies."""
    draw = np.random.default_rng(seed)
    targets = targets[draw.permutation(len(targets))]
    frequency = logit(targets.mean(axis=0)) if prior else 0
    return targets, frequency + strength * targets + draw.standard_normal(targets.shape)


def _measured(targets, strength, prior, seed):
    targets, scores = scored(targets, strength, prior, seed)
    return [measure(targets, scores, *([batch] if batch else []))
            for _, batch, measure in MEASURES]


def padded(videos, replicas):
    """Indices of the videos that PyTorch's DistributedSampler counts on so many devices.

    The first videos fill up the next multiple of `replicas`, and so count twice. Raises StudyError
    unless both numbers are 1 or more.
    """
    if min(videos, replicas) < 1:
        raise StudyError(f"padded: {videos} videos on {replicas} devices; give 1 or more of each")
    return np.resize(np.arange(videos), -(-videos // replicas) * replicas)


def unpadded_range(hits, counted, videos):
    """Lowest and highest accuracy over `videos` that fits `hits` among `counted`, with repeats.

    Which of the counted were repeats is not recorded. Raises StudyError where that cannot be.
    """
    repeats = counted - videos
    if not 0 <= hits <= counted or not 0 <= repeats <= videos:
        raise StudyError(f"unpadded_range: {hits} hits among {counted} counts of {videos} videos "
                         "cannot be; give hits <= counts, and counts from once to twice the videos")
    # A miss counted twice is at most half of the misses; a hit likewise of the hits.
    lowest = hits - min(repeats, hits // 2)
    highest = videos - (counted - hits) + min(repeats, (counted - hits) // 2)
    return lowest / videos, min(highest, hits) / videos
