"""What the public code of MSQNet and of BIKE prints as mAP: neither is the macro mAP."""

import numpy as np

from tfe import metrics
from tfe.errors import StudyError


def micro_per_batch(targets, scores, batch=32):
    """MSQNet's number: in each batch AP over all (video, class) pairs pooled; then the mean.

    A batch without a positive counts 0, as it does there. The number depends on the order of the
    videos and on `batch`, and it ranks classes against each other: no macro mAP compares with it.
    """
    targets, scores = metrics.multilabel(targets, scores)
    return _over_batches(len(scores), batch, lambda part: np.nan_to_num(
        metrics.average_precision(targets[part].ravel(), scores[part].ravel())[0]))


def running_map(targets, scores, batch=256):
    """BIKE's number: after each batch, macro mAP of all videos so far; then the mean of these.

    A class not seen yet counts 0. Unlike that code, ties are shared here. The early values stem
    from few videos, where AP is biased upwards: the mean lies off the mAP of the whole set.
    """
    targets, scores = metrics.multilabel(targets, scores)
    return _over_batches(len(scores), batch, lambda part: np.nan_to_num(
        metrics.average_precision(targets[:part.stop], scores[:part.stop])).mean())  # all videos so far


def _over_batches(videos, size, value):
    """The mean of `value(slice)` over batches of consecutive videos, weighted by their size."""
    if size < 1:
        raise StudyError(f"batch: {size} is not a number of videos; give 1 or more")
    batches = [slice(start, min(start + size, videos)) for start in range(0, videos, size)]
    return float(np.average([value(part) for part in batches],
                            weights=[part.stop - part.start for part in batches]))


# What is called mAP: here, in MSQNet's public code (a340f6e), and in BIKE's (e8f6a8b).
PEERS = {"macro": metrics.mean_average_precision, "msqnet": micro_per_batch, "bike": running_map}


def peers(targets, scores):
    """The number that each peer's code would print of targets and scores `(N, C)`, by its name."""
    return {peer: PEERS[peer](targets, scores) for peer in ("msqnet", "bike")}
