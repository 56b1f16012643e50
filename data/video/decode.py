"""Frames out of video files: exactly those that decoding everything would give.

Headers lie about lengths, timestamps are broken or absent, and seeking lands on wrong frames. So
every frame is decoded, and only the wanted ones are converted, which is where most time goes; where
a file is sound enough to tell, frames that no wanted one is built on are skipped (`skipping`).
"""

from collections import Counter
from dataclasses import dataclass

import av
import numpy as np

from data.video import film, skipping
from data.video.picture import look
from data.video.timeline import Timeline, moments


@dataclass(frozen=True)
class Probe:
    """What a file declares and what decoding it gives; None where nothing is declared."""

    declared_frames: int | None
    decoded_frames: int
    declared_duration: float | None  # seconds
    duration: float  # seconds, from the timestamps if they can be used, else frames / fps
    fps: float  # decoded frames a second of `duration`
    height: int  # as displayed, like the frames of `sample`
    width: int
    rotation: int  # degrees counter-clockwise that the metadata asks for; `sample` applies it
    start: float  # seconds that a player has played, of sound alone, when the first frame appears


@dataclass(frozen=True)
class Lengths:
    """Frames that a file declares (None: it does not say), that its packets announce, that decoding
    it gives, and of these the ones that the decoder knows to be damaged. Decoding succeeds anyhow.
    """

    declared: int | None
    indexed: int
    decoded: int
    damaged: int = 0

    @property
    def doubt(self):
        """What is wrong with the file, in words; empty where nothing is."""
        said = [f"decoding gives {self.decoded} of {announced} announced frames" for announced in
                sorted({self.declared, self.indexed} - {None, self.decoded})[-1:]]
        if self.damaged:
            said.append(f"{self.damaged} of {self.decoded} frames are damaged")
        return " and ".join(said)


def sample(path, segments, frames_per_segment=1, where="middle", seed=None, span=(0, 1)):
    """Decode a few frames, evenly spread: uint8 `(segments * frames_per_segment, H, W, 3)` RGB.

    The clip is cut into `segments * frames_per_segment` equal parts; `where` says which moment
    of each part is taken: its "first", its "middle", or a "random" one drawn with `seed`. At a
    constant frame rate, or where timestamps cannot be used, part m of M of n frames gives the
    frame of index floor((m + moment) n / M); at a variable rate the parts are equal in time, and
    the frame displayed at the moment is taken. A clip of fewer frames repeats them. Frames are as
    displayed: turned and mirrored as the metadata asks, with square pixels, in the size of the
    first. `span` takes a part of the clip for the whole: where it starts and ends, as fractions.

    Raises StudyError, naming the file and the reason, where nothing can be decoded.
    """
    wishes = _wishes(segments, frames_per_segment, where, seed, span)
    announced, _ = _announced(path)
    wanted = announced.indices(wishes)
    pictures = skipping.pictures(path, announced, wanted)
    if pictures is None:
        pictures, wanted, _, _ = _decode_whole(path, announced, wishes)
    return np.stack([pictures[index] for index in wanted])


def pictures(path):
    """Yield every frame as displayed, uint8 `(H, W, 3)` RGB; errors as for `sample`."""
    with film.opened(path) as (container, stream):
        shown = None
        for frame in film.frames(container, stream):
            shown = shown or look(frame, stream)
            yield shown.picture(frame)


def measured_sample(path, segments, frames_per_segment=1, where="middle", seed=None, span=(0, 1)):
    """As `sample`, and the `Lengths` that were seen on the way: every frame is decoded."""
    wishes = _wishes(segments, frames_per_segment, where, seed, span)
    announced, declared = _announced(path)
    pictures, wanted, timeline, damaged = _decode_whole(path, announced, wishes)
    lengths = Lengths(declared, len(announced.starts), len(timeline.starts), damaged)
    return np.stack([pictures[index] for index in wanted]), lengths


def stream(path, segments, frames_per_segment=1, where="middle", seed=None):
    """Yield the frames of `sample` one after another, as they are decoded: no two need be held.

    A file that gives fewer frames than it announces ends early. Errors as for `sample`.
    """
    announced, _ = _announced(path)
    wanted = Counter(announced.indices(_wishes(segments, frames_per_segment, where, seed, (0, 1))))
    last = max(wanted)
    with film.opened(path) as (container, stream):
        for index, frame in enumerate(film.frames(container, stream)):
            if not index:
                shown = look(frame, stream)
            if index in wanted:
                yield from [shown.picture(frame)] * wanted[index]
            if index == last:
                return


def _wishes(segments, frames_per_segment, where, seed, span):
    """The moments to sample, as fractions of the whole clip."""
    wishes = moments(segments, frames_per_segment, where, seed)
    if span == (0, 1):
        return wishes
    # Rounding must not reach the end, where there is no frame.
    return [min(span[0] + float(m) * (span[1] - span[0]), 1 - 1e-9) for m in wishes]


def probe(path):
    """Decode a whole file, converting nothing; return a `Probe`.

    Raises StudyError, naming the file and the reason, where nothing can be decoded.
    """
    with film.opened(path) as (container, stream):
        stamps = []
        for frame in film.frames(container, stream):
            if not stamps:
                rotation, shape = frame.rotation, look(frame, stream).shape
            stamps.append((frame.pts, frame.duration))
        timeline = _timeline(stamps, stream)
        duration = timeline.duration or len(stamps) / film.rate(stream)
        return Probe(stream.frames or None, len(stamps), film.seconds(container, stream), duration,
                     len(stamps) / duration, *shape, rotation, _start(timeline, container))


def _start(timeline, container):
    """Seconds from the start of the file, as players count them, to the first frame."""
    if timeline.clock is None or container.start_time is None:
        return 0.0
    return max(0.0, float(timeline.clock[0] * timeline.tick) - container.start_time / av.time_base)


def declared_start(path):
    """As `Probe.start`, but by the header's word; nothing is decoded."""
    with film.opened(path) as (container, stream):
        if None in (stream.start_time, container.start_time):
            return 0.0
        return float(stream.start_time * stream.time_base) - container.start_time / av.time_base


def announced_seconds(path):
    """How long the picture lasts by the packets of a file; nothing is decoded."""
    announced, _ = _announced(path)
    if announced.duration is not None:
        return announced.duration
    with film.opened(path) as (_, stream):
        return len(announced.starts) / film.rate(stream)


def glance(path):
    """Decode the first frame alone; return the seconds that the file declares, or None.

    Raises StudyError, naming the file and the reason, where no frame can be decoded.
    """
    with film.opened(path) as (container, stream):
        next(film.frames(container, stream))
        return film.seconds(container, stream)


def _timeline(stamps, stream):
    """The `Timeline` of a list of `(pts, duration)`."""
    return Timeline(tuple(pts for pts, _ in stamps), stamps[-1][1] if stamps else None,
                    stream.time_base)


def _announced(path):
    """The timeline that the packets announce, undecoded, and the frame count of the header."""
    with film.opened(path) as (container, stream):
        stamps = [(packet.pts, packet.duration) for packet in film.packets(container, stream)
                  if packet is not None and not packet.is_discard]
        if not any(pts is None for pts, _ in stamps):
            stamps.sort()  # packets come in decoding order
        return _timeline(stamps, stream), stream.frames or None


def _decode_whole(path, announced, wishes):
    """Decode everything: pictures by index, the indices of the wishes, timeline, damaged frames."""
    expected = announced.indices(wishes)
    # The packets foretell the frames. Where the decoder disagrees it is right, so once more.
    pictures, timeline, damaged = _decode(path, expected)
    wanted = timeline.indices(wishes)
    if wanted != expected:
        pictures, _, _ = _decode(path, wanted)
    return pictures, wanted, timeline, damaged


def _decode(path, wanted):
    """Decode everything: pictures `{index: (H, W, 3)}` of the wanted, timeline, damaged frames."""
    pictures, stamps, wanted, damaged = {}, [], set(wanted), 0
    with film.opened(path) as (container, stream):
        for index, frame in enumerate(film.frames(container, stream)):
            if not index:
                shown = look(frame, stream)
            if index in wanted:
                pictures[index] = shown.picture(frame)
            stamps.append((frame.pts, frame.duration))
            damaged += bool(frame.is_corrupt)
        return pictures, _timeline(stamps, stream), damaged
