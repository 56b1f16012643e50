"""Which clip is shown when in a composed video: random integers, no pixel.

A video is a row of pieces: a piece is some frames of a clip about the clip's middle, or a rest.
Lengths of pieces and the joins between them are drawn alike for all, whatever they show, so that the
cuts tell neither label nor boundary (`cuts.control` tries). A join comes between two pieces and takes
nothing of either: black frames, a fade from the last picture to the next first one, or none.
"""

from dataclasses import dataclass

import numpy as np

from tfe.errors import StudyError

JOINS = ("gap", "fade", "none")
JOIN_FRAMES = (3, 9)  # from, below: a tenth to a third of a second
REST, REST_FRAMES = "rest", 8  # the first of an unlabelled clip, played to and fro
SECONDS = (8, 60)
SEGMENTS = 16  # an event is longer than one of so many segments, and holds the middle of one
LONGER = 1.2


@dataclass(frozen=True)
class Law:
    """What every video of a set obeys: pieces of `least` to `most` frames, and what is given."""

    fps: float
    least: int
    most: int
    share: float = 0.25
    actions: int = 3
    distractors: int = 3
    joins: tuple = JOINS

    @property
    def mean(self):
        """Frames of a piece with its join, on average."""
        join = sum(JOIN_FRAMES) / 2 - 0.5
        return (self.least + self.most) / 2 + join * np.mean([j != "none" for j in self.joins])


@dataclass(frozen=True)
class Piece:
    """A stretch of a composed video: `frames` frames, the first of which is the video's frame `first`.

    They are those of the clip `clip` from its frame `clip_first` on; -1 there means a rest. Just before
    the piece lie `join_frames` frames of the join `join`. `shows` is the clip's class, or `REST`;
    `labelled` says whether that is a class that the set labels.
    """

    first: int
    frames: int
    clip: str
    clip_first: int
    shows: str
    labelled: bool
    join: str
    join_frames: int


def compose(rng, labelled, others, law):
    """The pieces of one video, drawn until it lasts as `SECONDS` say and every action can be seen.

    labelled, others: `{class: [(clip, frames)]}` of one person or group.
    """
    for _ in range(1000):
        pieces = laid(rng, drawn(rng, labelled, others, law), law)
        frames = pieces[-1].first + pieces[-1].frames
        if SECONDS[0] <= frames / law.fps <= SECONDS[1] and all(
                seen(first, last, frames) for _, first, last in intervals(pieces)):
            return pieces
    raise StudyError(f"no video fits --share {law.share} --actions {law.actions} --distractors "
                     f"{law.distractors}: change them")


def drawn(rng, labelled, others, law):
    """Events in random order: `(what it shows, labelled, number of pieces, clips to take)`."""
    seconds = np.exp(rng.uniform(*np.log(SECONDS)))
    count = max(3, round(seconds * law.fps / law.mean))
    least = int(np.ceil(LONGER * count / SEGMENTS))
    shown = max(least, round(law.share * rng.uniform(0.9, 1.1) * count))
    actions = int(rng.integers(1, min(law.actions, shown // least, len(labelled)) + 1))
    kinds = [sorted(labelled)[c] for c in rng.permutation(len(labelled))[:actions]]
    more = shown - actions * least
    extra = np.diff(np.sort(rng.integers(0, more + 1, actions - 1)), prepend=0, append=more)
    events = [(kind, True, least + n, labelled[kind]) for kind, n in zip(kinds, extra)]
    left = count - shown
    for kind in rng.choice(sorted(others), law.distractors):
        size = int(rng.integers(least, 2 * least + 1))
        if size <= left:
            events.append((str(kind), False, size, others[kind]))
            left -= size
    events += [(REST, False, 1, [clip for kind in sorted(others) for clip in others[kind]])] * left
    return [events[n] for n in rng.permutation(len(events))]


def laid(rng, events, law):
    """Events as pieces, one after the other; a class's clips in random order, again if need be."""
    pieces, at = [], 0
    for shows, labelled, size, clips in events:
        order = rng.permutation(len(clips))
        for n in range(size):
            clip, length = clips[order[n % len(clips)]]
            frames = int(rng.integers(law.least, law.most + 1))
            join = law.joins[rng.integers(len(law.joins))]
            gap = int(rng.integers(*JOIN_FRAMES)) * (join != "none")
            middle = length // 2
            begin = int(rng.integers(max(0, middle - frames + 1), min(middle, length - frames) + 1))
            join, gap = (join, gap) if pieces else ("none", 0)
            pieces.append(Piece(at + gap, frames, clip, -1 if shows == REST else begin, shows,
                                labelled, join, gap))
            at += gap + frames
    return pieces


def intervals(pieces):
    """The labelled events, `[(class, first frame, frame after the last)]`, with joins inside."""
    found = []
    for piece, before in zip(pieces, [None, *pieces]):
        if piece.labelled:
            begins = before is None or not before.labelled or before.shows != piece.shows
            start = piece.first if begins else found.pop()[1]
            found.append((piece.shows, start, piece.first + piece.frames))
    return found


def seen(first, last, frames):
    """Whether frames `first` to below `last` hold the middle of one of the segments."""
    middles = (np.arange(SEGMENTS) + 0.5) * frames / SEGMENTS
    return bool(((middles >= first) & (middles < last)).any())
