"""How a trained system is tried on videos, by name: the class scores of so many clips, averaged.

| name        | clips | as in                                        |
|-------------|-------|----------------------------------------------|
| single-view | 1     | MSQNet; BIKE and Text4Vis on UCF101, HMDB-51 |
| multi-clip  | 4     | BIKE on Charades                             |

Training is another matter: on Charades, MSQNet learns whole videos with all of their labels, and BIKE
one interval with its one label at a time. Whatever was learnt, a test is of whole videos, all of them,
those without a label included; and macro mAP stands first, with the peers' own numbers beside it.
"""

import numpy as np
from einops import rearrange

from tfe import evaluation
from tfe.errors import StudyError

CLIPS = {"single-view": 1, "multi-clip": 4}


def views(x, protocol):
    """The clips of each video out of its features, `(N, T * clips, d)` to `(clips, N, T, d)`.

    Clip c takes the c-th of every `clips` consecutive segments, so that each sees the whole video;
    extract T * clips segments for it. Raises StudyError for an unknown name, or for a number of
    segments that does not divide.
    """
    if protocol not in CLIPS:
        raise StudyError(f"protocol {protocol!r} is unknown: use one of {', '.join(CLIPS)}")
    clips = CLIPS[protocol]
    if x.shape[1] % clips:
        raise StudyError(f"protocol {protocol}: {x.shape[1]} segments are not {clips} clips: make "
                         f"features with `--segments {16 * clips}`")
    return rearrange(x, "n (t clips) d -> clips n t d", clips=clips)


def averaged(system, clips, targets, **options):
    """What `evaluation.predict` gives, averaged over the clips `(clips, N, T, d)`: class scores, and
    the read-outs along the T segments."""
    parts = [evaluation.predict(system, clip, targets, **options) for clip in clips]
    return {name: np.mean([part[name] for part in parts], axis=0) for name in parts[0]}


def oracle(features, truth):
    """Keep the segments that show any action, repeated in order until T: what a true mask gives.

    Arrays: features `(N, T, d)`, truth `(N, C, T)` bool -> `(N, T, d)`. A video without any
    action keeps everything. Raises StudyError where there is no truth.
    """
    if truth is None:
        raise StudyError("method oracle-mask needs true intervals: add segments.csv to the "
                         "dataset folder, or leave the method out")
    shown = truth.any(axis=1)
    shown |= ~shown.any(axis=1, keepdims=True)
    order = np.stack([np.resize(np.flatnonzero(kept), len(kept)) for kept in shown])
    return np.take_along_axis(features, order[..., None], axis=1)
