"""Joints to features that no label has touched.

Steps are lines of a recording. A segment's feature is the mean of its steps (`windows.cut`), so that
means of absolute motion say how much a segment moves.
"""

import numpy as np
from einops import rearrange

FASTER = 10  # ten times the motion between two lines is about as large as the places' spread


def posture(joints):
    """Joints `(F, J, 3)` to features `(F, 6 J)` that know neither place nor size of the body.

    Places about the first joint, in units of the body's size, and their absolute motion since the
    line before.
    """
    centred = joints - joints[:, :1]
    place = rearrange(centred / size(centred), "f j xyz -> f (j xyz)")
    moved = np.diff(place, axis=0, prepend=place[:1])
    return np.concatenate([place, FASTER * np.abs(moved)], axis=1)


def described(joints):
    """`posture`, and how the first joint moves: its steps and their size, `(F, 6 J + 6)`.

    A hand that swipes keeps its posture: only its way tells left from right.
    """
    way = np.diff(joints[:, 0], axis=0, prepend=joints[:1, 0]) / size(joints - joints[:, :1])
    return np.concatenate([posture(joints), FASTER * way, FASTER * np.abs(way)], axis=1)


def size(centred):
    """The mean distance of the joints from the first, at least a micrometre."""
    return max(np.sqrt((centred ** 2).sum(axis=2)).mean() if len(centred) else 0, 1e-6)
