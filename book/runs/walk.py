"""A video of any length, in windows that overlap by half: what heads see in it, and when.

A window lasts as long as the videos that the heads learnt from. The pictures and features of no
more than a few windows are held, however long the video is.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import pandas as pd
from tqdm import tqdm

from book.evidence import localisation
from book.plots import thinned
from book.runs import heads, sights, when
from data.encoders import engines, recipes
from data.video import decode
from tfe import evaluation
from tfe.device import choose
from tfe.errors import StudyError

WINDOWS = 16  # that a head is shown at a time
PICTURES = 48  # of the whole video, that are kept
MOST = 100_000  # segments: some twenty hours in the usual windows


@dataclass
class Walk:
    """What one head sees in a video of S segments.

    `scores` `(C,)` and `curves` `(C, S)` are the largest of all windows; a curve is the class's
    score times the share of its largest fall. `intervals`: a table as of `localisation`.
    """

    row: str
    classes: list
    scores: np.ndarray
    curves: np.ndarray = field(repr=False)
    intervals: pd.DataFrame = field(repr=False)


@dataclass
class Reel:
    """What was shown: how long it lasts and from when, in seconds as a player counts them, and
    pictures of some of its segments, `{segment: uint8 (H, W, 3)}`; `read` of S could be decoded."""

    seconds: float
    start: float
    segments: int
    pictures: dict = field(default_factory=dict, repr=False)
    read: int = 0

    @property
    def edges(self):
        """Where each segment begins and the last one ends, in seconds `(S + 1,)`."""
        return self.start + np.arange(self.segments + 1) * self.seconds / self.segments


def see(path, shown=(), readout="leave-one-out", window=None, device="cpu"):
    """Show a video to heads (default: those that ship); return the `Reel`, a `Walk` for each head,
    and for each how its thresholds did, as `when.tried` tells.

    window: in seconds (default: the median length of the videos that the first head learnt from).
    Raises StudyError where the video cannot be read, and as `when.of` and `sights.asked_by`.
    """
    shown = shown or heads.published(heads.SHIPPED)
    device, asked = choose(device), sights.asked_by(shown)
    encoder = sights.encoder_of(asked, str(device), engines.choose("auto", device.type))
    tried = [when.of(head, readout) for head in shown]
    cuts = [when.Thresholds(*(each[key] for key in ("readout", "fraction", "least")))
            for each in tried]
    return *walk(path, shown, cuts, encoder, asked["sampling"],
                 window or shown[0].card.get("seconds")), tried


def walk(path, shown, thresholds, encoder, sampling, window=None):
    """Show a video to heads; return the `Reel`, and a `Walk` for each head.

    thresholds: `when.Thresholds`, one a head; window: in seconds (default: all in one). Segments
    last a T-th of it, a little more or less, so that windows fill the video. Raises StudyError
    where not even one window can be decoded.
    """
    segments, per = sampling["segments"], sampling["frames_per_segment"]
    half, seconds = max(segments // 2, 1), decode.announced_seconds(path)
    more = max(0, round((seconds / window - 1) * segments / half)) if window else 0
    if more * half > MOST:
        raise StudyError(f"{path}: {seconds:.0f} seconds in windows of {window:g} are more than "
                         f"{MOST:,} segments: give a longer --window")
    reel = Reel(seconds, decode.declared_start(path), segments + half * more)
    walks = [Walk(head.row, head.card["classes"], *_empty(head, reel.segments)) for head in shown]
    source = decode.stream(path, reel.segments, per, sampling["where"])
    rows = tqdm(_features(encoder, source, reel), "segments", reel.segments, delay=2, unit="")
    for firsts, x in _chunks(_windows(rows, segments, half)):
        edges = reel.edges[np.add.outer(firsts, np.arange(segments + 1))]
        for head, each, cut in zip(shown, walks, thresholds):
            _look(head, each, cut, x, edges, firsts)
    if reel.read < segments:
        raise StudyError(f"{path} breaks off: {reel.read} of {reel.segments} segments can be "
                         "decoded; replace it")
    for each in walks:
        each.intervals = localisation.joined(each.intervals).sort_values("start", kind="stable")
    return reel, walks


def _empty(head, many):
    classes = len(head.card["classes"])
    return np.zeros(classes), np.zeros((classes, many), np.float32), pd.DataFrame(
        columns=[*localisation.KEY, *localisation.SPAN, "score", "class_score"])


def _look(head, each, cut, x, edges, firsts):
    """Add to a head's walk what it makes of windows `(W, T, d)`."""
    classes = head.card["classes"]
    seen = evaluation.predict(head.system, x, np.ones((len(x), len(classes))))
    each.scores = np.maximum(each.scores, seen["scores"].max(axis=0))
    share = localisation.shares(when.READOUTS[cut.readout](seen))
    curves = seen["scores"][..., None] * share
    for first, curve in zip(firsts, curves):
        place = each.curves[:, first:first + curve.shape[1]]
        np.maximum(place, curve, out=place)
    found = when.intervals(seen, edges, [""] * len(x), classes, cut)
    each.intervals = pd.concat([part for part in (each.intervals, found) if len(part)] or [found])


def _features(encoder, source, reel):
    """Yield the feature `(d,)` of each segment; the next are decoded while these are encoded."""
    kept = set(np.linspace(0, reel.segments - 1, PICTURES).astype(int).tolist())
    per = encoder.frames_per_segment
    step = recipes.BATCH * per
    with ThreadPoolExecutor(1) as ahead:
        waiting = ahead.submit(lambda: list(islice(source, step)))
        while whole := len(frames := waiting.result()) // per:
            waiting = ahead.submit(lambda: list(islice(source, step)))
            for n in kept & set(range(reel.read, reel.read + whole)):
                reel.pictures[n] = thinned(frames[(n - reel.read) * per + per // 2]).copy()
            reel.read += whole
            # Half precision, as the store keeps what heads are trained on.
            yield from encoder(np.stack(frames[:whole * per])).astype(np.float16)


def _windows(rows, segments, half):
    """Yield the windows of features, `(first segment, (T, d))`, each half a window after the last."""
    window = deque(maxlen=segments)
    for n, row in enumerate(rows, 1):
        window.append(row)
        if n >= segments and (n - segments) % half == 0:
            yield n - segments, np.stack(window)


def _chunks(windows):
    """Yield windows some at a time: `(W,)` first segments, `(W, T, d)`."""
    while chunk := list(islice(windows, WINDOWS)):
        firsts, x = zip(*chunk)
        yield np.array(firsts), np.stack(x)
