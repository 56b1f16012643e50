"""Every deterministic pair of encoders of a small x, and every fixed mask over T segments.

An encoder without noise is a set partition of the points of x: the names of the codes do not
matter, so renamings count once. `book.theory.search` looks among the stochastic encoders.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from tfe.errors import StudyError
from book.theory.information import Terms, distribution, surprise

POINTS = 9       # 21,147 partitions, 447 million pairs
SEGMENTS = 12    # 4,096 masks
PAIRS_AT_ONCE = 18_000_000  # all pairs on 8 points, 140 MB in float64


def partitions(points):
    """All partitions of `points` points: int8 (B, points), each row names the block of a point.

    A new block takes the next free name, so that every partition stands exactly once; row 0 is
    the constant, the last row is x itself. Raises StudyError above 9 points.
    """
    if not 1 <= points <= POINTS:
        raise StudyError(f"points = {points}: enumeration takes 1 to {POINTS} (9 points have 447 "
                         "million pairs, 10 have 13 thousand million): use book.theory.search.search")
    rows = np.zeros((1, 1), np.int8)
    for _ in range(points - 1):
        free = rows.max(1) + 2
        name = np.concatenate([np.arange(f, dtype=np.int8) for f in free])
        rows = np.column_stack([rows.repeat(free, 0), name])
    return rows


@dataclass(frozen=True)
class Pairs:
    """A block of pairs: partition `first + i` as z_S, with partition j as z_N.

    The `terms` broadcast to (rows, B): those of z_S alone are (rows, 1), of z_N alone (1, B).
    """

    first: int
    terms: Terms

    def where(self, condition):
        """The pairs (i, j), as rows of `partitions`, at which the (rows, B) condition holds."""
        i, j = np.nonzero(condition)
        return np.column_stack([i + self.first, j])


def pairs(p_xy):
    """Yield all pairs of deterministic encoders of `p_xy` (|x|, |y|), as `Pairs`.

    Up to 8 points everything is one block; 9 points come in chunks. Raises StudyError as
    `distribution` and `partitions` do.
    """
    p_xy = distribution(p_xy, "p_xy")
    codes, points = partitions(len(p_xy)), np.arange(len(p_xy))
    # A set of points is a bit mask, and a code is the list of the sets that it merges.
    blocks = ((codes[:, :, None] == points) << points[:, None]).sum(1)            # (B, |x|)
    owner, slot = np.nonzero(blocks)
    members = csr_array((np.ones(len(owner)), (owner, blocks[owner, slot])),
                        (len(codes), 2 ** len(p_xy)))
    sets = np.arange(2 ** len(p_xy))
    p_set = (sets[:, None] >> points & 1) @ p_xy                                  # (2^|x|, |y|)
    h, h_zy = members @ surprise(p_set.sum(1)), members @ surprise(p_set).sum(1)
    h_y = surprise(p_xy.sum(0)).sum()
    i_zy, lost = h + h_y - h_zy, surprise(p_xy).sum() - h_zy
    # H(z_S, z_N) sums -p log p over the meets of blocks: M E M', with E over pairs of sets.
    meets = surprise(p_set.sum(1))[sets[:, None] & sets] @ members.T              # (2^|x|, B)
    step = max(1, PAIRS_AT_ONCE // len(codes))
    for first in range(0, len(codes), step):
        rows = slice(first, first + step)
        i_sn = h[rows, None] + h
        i_sn -= members[rows] @ meets
        yield Pairs(first, Terms(h_y, h[rows, None], i_zy[rows, None], i_zy[None], i_sn,
                                 lost[None]))


def all_pairs(p_xy):
    """All pairs of at most 8 points as one `Pairs` block. Raises StudyError above that."""
    if len(p_xy) > 8:
        raise StudyError(f"p_xy has {len(p_xy)} points and more pairs than one block holds: go "
                         "through pairs(p_xy) in chunks, or use book.theory.search.search")
    return next(pairs(p_xy))


def masks(joint, segments, label="y"):
    """All masks over the named segments: bool (2^T, T), and their `Terms` as (2^T,) arrays.

    z_S is the segments in the mask, z_N the others; the mask is fixed, not computed from x.
    `masks(joint, "x1 x2 x3")` takes a `Joint` with these axes and the label's. Raises StudyError
    above 12 segments.
    """
    names = segments.replace(",", " ").split()
    if len(names) > SEGMENTS:
        raise StudyError(f"segments: {len(names)} have {2 ** len(names)} masks, {SEGMENTS} are the "
                         "limit here: merge segments, or search over relaxed masks")
    chosen = np.arange(2 ** len(names))[:, None] >> np.arange(len(names)) & 1 == 1
    of = [" ".join(n for n, m in zip(names, mask) if m) for mask in chosen]
    h = np.array([joint.H(part) if part else 0.0 for part in of])  # also I(x; z)
    h_zy = np.array([joint.H(f"{part} {label}") for part in of])
    h_y, i_zy = joint.H(label), h + joint.H(label) - h_zy
    rest = slice(None, None, -1)  # the complement of mask i is mask 2^T - 1 - i
    return chosen, Terms(h_y, h, i_zy, i_zy[rest], h + h[rest] - h[-1], h_zy[-1] - h_zy[rest])
