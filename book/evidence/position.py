"""The position control: a prior that knows only where in the window actions tend to lie.

A read-out that beats chance may have learnt no more than that. The prior of a class is the share of
its videos that show it in segment t, drawn towards that of all classes by one video's worth. It never
looks at a video. It is told the classes, as the read-out by class is.
"""

import numpy as np
from einops import rearrange, reduce

from tfe import fidelity
from tfe.errors import StudyError

TRAIN, HELD_OUT = "train", "the split itself, each video left out"


def control(dataset, segments, split="test"):
    """Fidelity of the prior on a split, as `fidelity.score` gives it; and `learnt_on`.

    segments: T. The prior is that of the intervals of train; where train has none, of the split's
    other videos. `blind_auc` is that of the prior of all classes together. None where the dataset has
    no intervals. Raises StudyError where the split has none.
    """
    if dataset.segments is None:
        return None
    truth, positive = _true(dataset, segments, split)
    if not truth.any():
        raise StudyError(f"{dataset.folder / 'segments.csv'} has no interval of split {split}: "
                         "name another split")
    known, labelled = _true(dataset, segments, "train")
    prior = learnt(known, labelled) if known.any() else held_out(truth, positive)
    prior, blind = (np.broadcast_to(each, truth.shape) for each in prior)
    return {**fidelity.score(prior, truth, positive),
            "blind_auc": fidelity.score(blind, truth, positive)["auc"],
            "learnt_on": TRAIN if known.any() else HELD_OUT}


def learnt(truth, positive):
    """The priors of the classes `(C, T)` and of all `(1, T)`, of truth `(N, C, T)`, labels `(N, C)`."""
    shown = reduce(truth & positive[..., None], "n c t -> c t", "sum")
    return _prior(shown, reduce(positive, "n c -> c", "sum"))


def held_out(truth, positive):
    """As `learnt`, for each video of the others: `(N, C, T)` and `(N, 1, T)`."""
    own = truth & positive[..., None]
    return _prior(reduce(own, "n c t -> c t", "sum") - own,
                  reduce(positive, "n c -> c", "sum") - positive)


def _prior(shown, videos):
    """Shares of videos `(..., C, T)`, out of counts; of all classes `(..., 1, T)`."""
    every = shown.sum(axis=-2, keepdims=True) / np.maximum(videos.sum(-1), 1)[..., None, None]
    return (shown + every) / (rearrange(videos, "... c -> ... c 1") + 1), every


def _true(dataset, segments, split):
    ids = list(dataset.videos.video_id[dataset.videos.split == split])
    return dataset.truth(ids, segments), dataset.targets(ids) > 0
