"""Recognition against fidelity: which head is more faithful where both recognise equally well?

Fidelity falls as a head trains on and recognises more, so that a gain in it may be a loss of the other.
Heads are held against each other over the configurations of a search (`book.runs.multiverse`), and along
training (`book.runs.frontier`).
"""

import numpy as np
import pandas as pd

from book.evidence import statistics
from book.evidence.summary import MARGINS

MEASURES = ["value", "fidelity_auc"]


def front(lines):
    """Of configurations, those that no other passes in one measure without loss in the other, by mAP."""
    points = lines[MEASURES].to_numpy(float)
    return lines[[not _passes(points, point, strictly=True).any() for point in points]].sort_values("value")


def matched(lines, ours, rivals, level=0.0):
    """The share of the configurations of `ours` that one of each rival equals or passes in both measures.

    lines: of `book.evidence.multiverse.readings`; rivals: methods, `ours` among them or not: a configuration
    is no rival of itself; level: only configurations that recognise as much count. Returns a Series.
    """
    points = {method: part[MEASURES].dropna().to_numpy() for method, part in lines.groupby("method")}
    mine = [point for point in points[ours] if point[0] >= level]
    return pd.Series({rival: np.mean([_passes(points[rival], point).sum() > (rival == ours)
                                      for point in mine]) if mine else np.nan
                      for rival in rivals}, name=ours)


def _passes(points, point, strictly=False):
    """Which of `points (N, 2)` lie at or above a point in both measures; strictly: above it in one."""
    over = (points >= point).all(1)
    return over & (points > point).any(1) if strictly else over


def at(curve, level):
    """`(AUC, epoch)` where a seed's curve first reaches a recognition, by straight lines; nan where never.

    curve: lines of one seed by epoch, a row of `book.runs.frontier` or one that goes on from another.
    """
    curve = curve.sort_values("epoch")
    reached = np.flatnonzero(curve.value >= level)
    if not len(reached):
        return np.nan, np.nan
    ends = curve.iloc[[max(reached[0] - 1, 0), reached[0]]]  # a curve that begins above: its first point
    return tuple(float(np.interp(level, ends.value, ends[name])) for name in ("fidelity_auc", "epoch"))


def compared(lines, ours, plain):
    """AUC at the end of the row `ours` minus that of a plain head at equal recognition, paired by seed.

    lines: of `book.runs.frontier`, of one split; plain: rows that go on from one another. Returns a dict:
    that of `statistics.paired_by_seed`, `seeds` in which the plain head reaches that recognition, `of`
    how many, and the mean `epoch` of that. Of no seed it holds `seeds` and `of` alone.
    """
    mine = lines[lines.row == ours].sort_values("epoch").groupby("seed").last()
    curves = lines[lines.row.isin(plain)].groupby("seed")
    found = pd.DataFrame({seed: at(curves.get_group(seed), line.value) for seed, line in mine.iterrows()},
                         index=["auc", "epoch"]).T
    told = statistics.paired_by_seed(mine.fidelity_auc, found.auc, margin=MARGINS["fidelity_auc"]) or {"seeds": 0}
    return {**told, "of": len(mine), "epoch": found.epoch.mean()}
