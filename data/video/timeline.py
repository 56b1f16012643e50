"""Which frame of a clip is shown when: moments as exact fractions, timestamps that may lie."""

import math
import statistics
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

import numpy as np

from tfe.errors import StudyError

MAX_LASTING = 600  # seconds; a frame said to last longer has a broken timestamp
WHERE = {"first": Fraction(0), "middle": Fraction(1, 2)}


@dataclass(frozen=True)
class Timeline:
    """The timestamps of a clip's frames in display order, as the file tells them.

    `starts` are in ticks, None where the file is silent; `last` is how many ticks the last frame
    lasts, 0 or None where that is unknown; `tick` is in seconds.
    """

    starts: tuple
    last: int | None
    tick: Fraction

    @cached_property
    def clock(self):
        """When each frame begins and, at the end, when the last one ends: exact, in ticks.

        None where timestamps are missing, do not increase, or are absurd.
        """
        if None in self.starts or not self.starts:
            return None
        steps = [b - a for a, b in pairwise(self.starts)]
        steps.append(self.last or (statistics.median(steps) if steps else 0))
        if min(steps) <= 0 or max(steps) * self.tick > MAX_LASTING:
            return None
        return [*self.starts, self.starts[-1] + Fraction(steps[-1])]

    @cached_property
    def constant(self):
        """Whether the frame rate is constant but for rounding; True where it cannot be told."""
        if self.clock is None:
            return True
        steps, length = len(self.starts) - 1, self.starts[-1] - self.starts[0]
        slack = max(steps, length / 20)  # a tick, or a twentieth of a frame; all times `steps`
        return all(abs((start - self.starts[0]) * steps - n * length) <= slack
                   for n, start in enumerate(self.starts))

    @property
    def duration(self):
        """How long the clip lasts by its timestamps, in seconds; None where they are unusable."""
        return float((self.clock[-1] - self.clock[0]) * self.tick) if self.clock else None

    def indices(self, moments):
        """The indices of the frames shown at `moments`, fractions of the clip in [0, 1).

        At a constant rate, floor(moment n) of n frames; else by time.
        """
        if self.constant:
            return [math.floor(moment * len(self.starts)) for moment in moments]
        start, length = self.clock[0], self.clock[-1] - self.clock[0]
        return [bisect_right(self.starts, start + moment * length) - 1 for moment in moments]


def moments(segments, frames_per_segment=1, where="middle", seed=None):
    """The moments to sample, in order, as fractions of the clip.

    Part m of M = segments * frames_per_segment equal parts gives (m + u) / M; u is 0 for "first",
    1/2 for "middle", and drawn for each part with `seed` for "random". Exact, so that a moment
    on the edge between two frames falls on the same one everywhere.
    """
    for name, value in (("segments", segments), ("frames_per_segment", frames_per_segment)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise StudyError(f"{name} is {value!r}: give a whole number, 1 or more")
    parts = segments * frames_per_segment
    if where in WHERE:
        return [(part + WHERE[where]) / parts for part in range(parts)]
    if where != "random":
        raise StudyError(f"where is {where!r}: use middle, first or random")
    if seed is None:
        raise StudyError("where is 'random' without a seed: give one, so that it can be repeated")
    draws = np.random.default_rng(seed).random(parts).tolist()
    return [(part + Fraction(draw)) / parts for part, draw in enumerate(draws)]
