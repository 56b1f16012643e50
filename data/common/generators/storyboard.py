"""What happens in a planted video, and when: pure arithmetic on random integers, no pixel.

A storyboard says how many frames a video has, which actions it shows in which frames, which
events only distract, and in which scene all of it plays. Videos and planted features are two
ways to show the same storyboards, so both have the same labels and the same intervals.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from data.common.generators import scene
from tfe.errors import StudyError

ACTIONS = ("horizontal", "vertical", "diagonal", "checks", "dots", "rings",
           "spokes", "zigzag", "grid", "bricks", "triangles", "spiral")
DISTRACTORS = 6

FPS = 12
# Odd, so that no middle of an even number of segments falls on the edge between two frames.
FRAMES = range(109, 180, 2)
SEGMENTS = 16  # the study samples the middle of 16 segments
# An interval longer than one segment holds a middle, whatever its place; .2 more is for safety.
SHORTEST = 1.2
# Events without a label fill about half of the time, in frames without an action: what finds any
# object does not find the action, and a mean over all segments is diluted (see `render.py`).
DISTRACTIONS = range(5, 8)
LONGEST_DISTRACTION = 4.0  # segments

SPLITS = {"train": 0, "val": 1, "test": 2, "shifted": 3}
# Each part of a video has a random stream of its own: a change in one leaves the others alone.
STREAMS = {"events": 1, "scene": 2, "pixels": 3, "features": 4}


@dataclass(frozen=True)
class Event:
    """`kind` is shown in the frames `first <= f < last`: an action's index or a distractor's."""

    kind: int
    first: int
    last: int


@dataclass(frozen=True)
class Storyboard:
    """One video: its number of frames, its scene, its actions in time order, its distractors.

    `only` is the number of the one action that a clip of the video shows.
    """

    video_id: str
    split: str
    number: int
    seed: int = field(repr=False)
    frames: int
    scene: int
    actions: tuple
    distractors: tuple
    only: int | None = None

    def clip(self, number):
        """The video cut to one of its actions."""
        return replace(self, video_id=f"{self.video_id}_{number}", only=number)

    @property
    def labelled(self):
        """The actions that the video, or the clip, is labelled by."""
        return self.actions if self.only is None else self.actions[self.only:self.only + 1]

    @property
    def shown(self):
        """The first of the frames that are shown, and the one after the last."""
        if self.only is None:
            return 0, self.frames
        return self.actions[self.only].first, self.actions[self.only].last

    @property
    def duration(self):
        """Seconds."""
        return (self.shown[1] - self.shown[0]) / FPS

    def stream(self, name):
        """The generator of one part of this video; see `stream`."""
        return stream(self.seed, self.split, self.number, name)


def stream(seed, split, number, name):
    """The random generator of one part of one video: a function of its four arguments alone.

    A video of `shifted` is the video of `test` with the same number, event for event and object
    for object, in another scene: what differs between the two scores, the scene did.
    """
    part = "test" if split == "shifted" and name != "scene" else split
    entropy = [seed, SPLITS[part], number, STREAMS[name]]
    return np.random.default_rng(np.random.SeedSequence(entropy))


def check(seed, rho, share, actions):
    """Refuse settings that no storyboard can follow."""
    if seed < 0:
        raise StudyError(f"--seed is {seed}: give 0 or more")
    if not 0 <= rho <= 1:
        raise StudyError(f"--rho is {rho}: give a probability, 0 to 1")
    if not SHORTEST / SEGMENTS <= share <= 0.8:
        raise StudyError(f"--share is {share}: give {SHORTEST / SEGMENTS} (one action) to 0.8")
    if not 1 <= actions <= len(ACTIONS):
        raise StudyError(f"--actions is {actions}: give 1 to {len(ACTIONS)} actions a video")


def storyboard(split, number, seed=0, rho=0.5, share=0.25, actions=3):
    """Draw the storyboard of video `number` of `split`.

    `share` is the part of the video that its 1 to `actions` actions fill together (+-10%, in
    disjoint intervals of at least 1.2 segments each); where they do not fit, there are fewer.
    With probability `rho` the scene is that of the first action, else it is uniform over all;
    in the split `shifted` it is always uniform.
    """
    rng = stream(seed, split, number, "events")
    frames = int(rng.choice(FRAMES))
    shortest = int(np.ceil(SHORTEST * frames / SEGMENTS))
    shown = max(shortest, round(share * rng.uniform(0.9, 1.1) * frames))
    count = int(rng.integers(1, min(actions, shown // shortest) + 1))
    kinds = rng.permutation(len(ACTIONS))[:count]
    lengths = shortest + _parts(rng, shown - count * shortest, count)
    starts = np.cumsum(_parts(rng, frames - shown, count + 1)[:-1]) + np.cumsum(lengths) - lengths
    events = tuple(Event(int(k), int(s), int(s + n)) for k, s, n in zip(kinds, starts, lengths))
    return Storyboard(f"{split}_{number:04d}", split, number, seed, frames,
                      scene.drawn(stream(seed, split, number, "scene"), events[0].kind,
                                  0.0 if split == "shifted" else rho),
                      events, _distractors(rng, frames, shortest, events))


def _distractors(rng, frames, shortest, actions):
    """Events in the frames without an action; they may overlap one another."""
    busy = np.zeros(frames + 1, int)  # number of action frames before each frame
    for event in actions:
        busy[event.first + 1:event.last + 1] = 1
    busy = np.cumsum(busy)
    longest = int(LONGEST_DISTRACTION * frames / SEGMENTS)
    events = []
    for _ in range(rng.choice(DISTRACTIONS)):
        kind, length = int(rng.integers(DISTRACTORS)), int(rng.integers(shortest, longest + 1))
        free = np.flatnonzero(busy[length:] == busy[:-length])
        if len(free):
            first = int(rng.choice(free))
            events.append(Event(kind, first, first + length))
    return tuple(events)


def _parts(rng, total, count):
    """`total` cut at random into `count` integers from 0 on."""
    cuts = np.sort(rng.integers(0, total + 1, count - 1))
    return np.diff(cuts, prepend=0, append=total)


def shown_at(story, events, segments):
    """Which of `segments` middle frames each event covers: `(E, T)` bool.

    The frame of segment t is `floor((t + 1/2) frames / T)`: the one that `data.video.decode` decodes.
    """
    frame = (2 * np.arange(segments) + 1) * story.frames // (2 * segments)
    return np.array([(frame >= e.first) & (frame < e.last) for e in events],
                    bool).reshape(len(events), segments)
