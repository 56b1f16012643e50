"""Untrimmed recordings to a dataset of short windows, one folder a fold.

A long recording shows almost every action somewhere, and then its labels say nothing. A window is
short enough that a label is neither always nor never there; all windows of a recording, and of
all recordings of its group, stay in one split.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from einops import rearrange
from scipy import stats

from tfe.errors import StudyError
from data.files.dataset import write_dataset
from data.files.store import write_features

SEGMENTS = 16
# Fixed before any head was trained on these sets. A label that nearly all windows bear, or nearly
# none, leaves nothing to tell apart; half of what separates the plain heads of `planted` in
# fidelity AUC (.18) is the least that is worth measuring.
DENSITY = (0.05, 0.6)
EFFECT = 0.09


@dataclass(frozen=True)
class Recording:
    """One untrimmed recording: `steps` (F, d) in order of time, `labels` (F,), -1 for none."""

    name: str
    fold: int
    steps: np.ndarray
    labels: np.ndarray


def cut(recording, length, stride):
    """The windows of a recording: `(start, x (16, d), runs)`; x is the mean of each segment's steps."""
    for start in range(0, len(recording.labels) - length + 1, stride):
        steps = recording.steps[start:start + length]
        segments = rearrange(steps, "(t n) d -> t n d", t=SEGMENTS)
        yield start, segments.mean(axis=1), runs(recording.labels[start:start + length])


def runs(labels):
    """Stretches of one label: `[(label, start, end)]` in steps, those of -1 left out."""
    edges = np.flatnonzero(np.diff(labels)) + 1
    bounds = [0, *edges.tolist(), len(labels)]
    return [(int(labels[a]), a, b) for a, b in zip(bounds, bounds[1:]) if labels[a] >= 0]


def write(out, settings, recordings, length, force=False):
    """Write `out/fold1`, `out/fold2`, ... and return what `described` says of their test windows.

    In fold n the recordings of fold n are tested, those of the next one are `val`, and the rest
    train, with windows that overlap by half. Raises StudyError, unless `force`, where a rule above
    is broken: nothing is written then.
    """
    if length % SEGMENTS or length < SEGMENTS:
        raise StudyError(f"--window {length}: give a multiple of {SEGMENTS} steps")
    folds = sorted({recording.fold for recording in recordings})
    tested = [window for r in recordings for window in cut(r, length, length)]
    found = described(tested, len(settings["classes"]), length)
    if not force and not (DENSITY[0] <= found["density"] <= DENSITY[1]
                          and found["smallest effect"] <= EFFECT):
        raise StudyError(f"windows of {length} steps: a label is there in {found['density']:.2f} of "
                         f"them (rule: {DENSITY[0]} to {DENSITY[1]}), the smallest effect to be seen "
                         f"is {found['smallest effect']:.3f} (rule: {EFFECT} at most): give another "
                         "--window, or --force")
    for place, fold in enumerate(folds):
        val = folds[(place + 1) % len(folds)]
        split = {fold: "test", val: "val"}
        _write_fold(out / f"fold{place + 1}", settings, length, [
            (r, split.get(r.fold, "train")) for r in recordings])
    return found


def described(windows, classes, length):
    """How many windows; labels a window; the share of (window, class) pairs that hold it; and the
    smallest difference in within-video AUC that so many can show.

    Under chance the AUC of m true segments among T has variance (T + 1) / (12 m (T - m))
    (Mann and Whitney 1947). The difference of two independent read-outs has twice that; a z test
    over n videos finds 1.96 + 0.84 standard errors four times in five.
    """
    labels, variances = [], []
    for _, _, found in windows:
        labels.append(len({label for label, _, _ in found}))
        shown = _shown(found, length)
        variances += [(SEGMENTS + 1) / (12 * m * (SEGMENTS - m)) for m in shown if 0 < m < SEGMENTS]
    error = np.sqrt(2 * np.mean(variances) / len(variances)) if variances else np.inf
    return {"windows": len(labels), "labels a window": float(np.mean(labels or [0])),
            "density": float(np.mean(labels or [0]) / classes), "pairs": len(variances),
            "smallest effect": float((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * error)}


def _shown(found, length):
    """For each label of a window, how many segments' middles it covers."""
    middles = (np.arange(SEGMENTS) + 0.5) * length / SEGMENTS
    counts = {}
    for label, start, end in found:
        counts[label] = counts.get(label, 0) + int(((middles >= start) & (middles < end)).sum())
    return counts.values()


def _write_fold(folder, settings, length, recordings):
    videos, segments, x = [], [], []
    classes = settings["classes"]
    for recording, split in recordings:
        stride = length // 2 if split == "train" else length
        for start, features, found in cut(recording, length, stride):
            video_id = f"{recording.name}-{start:05d}"
            shown = sorted({label for label, _, _ in found})
            videos.append((video_id, split, length, ";".join(classes[c] for c in shown)))
            segments += [(video_id, classes[c], a, b) for c, a, b in found]
            x.append(features)
    videos = pd.DataFrame(videos, columns=["video_id", "split", "duration", "labels"])
    segments = pd.DataFrame(segments, columns=["video_id", "label", "start", "end"])
    encoder = settings["encoder"]
    write_dataset(folder, {"task": "multilabel", "metric": "map", "synthetic": False,
                           "window": length, **settings}, videos, segments)
    write_features(folder / "features" / encoder, list(videos.video_id), np.stack(x), {
        "encoder": encoder, "origin": settings["source"], "T": SEGMENTS, "d": x[0].shape[1],
        "sampling": f"means of {length // SEGMENTS} steps", "window": length})
