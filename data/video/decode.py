"""Frames out of video files: exactly those that decoding everything would give.

Headers lie about lengths, timestamps are broken or absent, and seeking lands on wrong frames. So
every frame is decoded, and only the wanted ones are converted, which is where most time goes. Where
header, packets and timestamps of an mp4 agree (H.264), frames that no wanted one is built on are not
decoded either; to the last bit it is the same picture.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import av.sidedata.sidedata
import numpy as np

from tfe.errors import StudyError
from data.video.timeline import Timeline, moments

# Containers of moving pictures. FFmpeg reads more: with a text file it would draw the text, with
# a playlist it would open the files that the playlist names.
FORMATS = "avi,mp4,matroska,mpeg,mpegvideo,mpegts,gif,asf,flv,ogg,h264,hevc,m4v,ivf,obu"
MAX_PIXELS = 2**27
DISPLAY_MATRIX = av.sidedata.sidedata.Type.DISPLAYMATRIX
RATES = (1, 240)  # frames a second that a header may claim and be believed


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


@dataclass(frozen=True)
class Lengths:
    """Frames that a file declares (None: it does not say), that its packets announce, and that
    decoding it gives. They differ in damaged files, and decoding succeeds all the same."""

    declared: int | None
    indexed: int
    decoded: int

    @property
    def agree(self):
        return self.declared in (None, self.decoded) and self.indexed == self.decoded


def sample(path, segments, frames_per_segment=1, where="middle", seed=None, span=(0, 1)):
    """Decode a few frames, evenly spread: uint8 `(segments * frames_per_segment, H, W, 3)` RGB.

    The clip is cut into `segments * frames_per_segment` equal parts; `where` says which moment
    of each part is taken: its "first", its "middle", or a "random" one drawn with `seed`. At a
    constant frame rate, or where timestamps cannot be used, part m of M of n frames gives the
    frame of index floor((m + moment) n / M); at a variable rate the parts are equal in time, and
    the frame displayed at the moment is taken. A clip of fewer frames repeats them. Rotation
    and mirror metadata are applied; all frames have the size of the first. `span` takes a part of
    the clip for the whole: where it starts and ends, as fractions.

    Raises StudyError, naming the file and the reason, where nothing can be decoded.
    """
    wishes = _wishes(segments, frames_per_segment, where, seed, span)
    announced = _announced(path)
    wanted = announced.indices(wishes)
    pictures = _decode_few(path, announced, wanted)
    if pictures is None:
        pictures, wanted, _ = _decode_whole(path, announced, wishes)
    return np.stack([pictures[index] for index in wanted])


def measured_sample(path, segments, frames_per_segment=1, where="middle", seed=None, span=(0, 1)):
    """As `sample`, and the `Lengths` that were seen on the way: every frame is decoded."""
    wishes = _wishes(segments, frames_per_segment, where, seed, span)
    announced = _announced(path)
    pictures, wanted, timeline = _decode_whole(path, announced, wishes)
    lengths = Lengths(declared_frames(path), len(announced.starts), len(timeline.starts))
    return np.stack([pictures[index] for index in wanted]), lengths


def _wishes(segments, frames_per_segment, where, seed, span):
    """The moments to sample, as fractions of the whole clip."""
    wishes = moments(segments, frames_per_segment, where, seed)
    if span == (0, 1):
        return wishes
    # Rounding must not reach the end, where there is no frame.
    return [min(span[0] + float(m) * (span[1] - span[0]), 1 - 1e-9) for m in wishes]


def declared_frames(path):
    """How many frames the header declares; None where it is silent."""
    with _opened(path) as (_, stream):
        return stream.frames or None


def probe(path):
    """Decode a whole file, converting nothing; return a `Probe`.

    Raises StudyError, naming the file and the reason, where nothing can be decoded.
    """
    with _opened(path) as (container, stream):
        stamps = []
        for frame in _frames(container, stream):
            if not stamps:
                rotation, shape = frame.rotation, (frame.height, frame.width)
                height, width = shape[::-1] if _orientation(frame)[0] else shape
            stamps.append((frame.pts, frame.duration))
        duration = _timeline(stamps, stream).duration or len(stamps) / _rate(stream)
        return Probe(stream.frames or None, len(stamps), _declared(container, stream), duration,
                     len(stamps) / duration, height, width, rotation)


def glance(path):
    """Decode the first frame alone; return the seconds that the file declares, or None.

    Raises StudyError, naming the file and the reason, where no frame can be decoded.
    """
    with _opened(path) as (container, stream):
        next(_frames(container, stream))
        return _declared(container, stream)


def _declared(container, stream):
    """The duration that the header claims, in seconds; None where it is silent."""
    declared = stream.duration and float(stream.duration * stream.time_base)
    if declared is None and container.duration is not None:
        declared = container.duration / av.time_base
    return declared


def _timeline(stamps, stream):
    """The `Timeline` of a list of `(pts, duration)`."""
    return Timeline(tuple(pts for pts, _ in stamps), stamps[-1][1] if stamps else None,
                    stream.time_base)


def _announced(path):
    """The timeline that the packets announce; none of them is decoded."""
    with _opened(path) as (container, stream):
        stamps = [(packet.pts, packet.duration) for packet in _packets(container, stream)
                  if packet is not None and not packet.is_discard]
        if not any(pts is None for pts, _ in stamps):
            stamps.sort()  # packets come in decoding order
        return _timeline(stamps, stream)


def _decode_whole(path, announced, wishes):
    """Decode everything: pictures by index, the indices that the wishes are, and the timeline."""
    expected = announced.indices(wishes)
    # The packets foretell the frames. Where the decoder disagrees it is right, so once more.
    pictures, timeline = _decode(path, expected)
    wanted = timeline.indices(wishes)
    if wanted != expected:
        pictures, _ = _decode(path, wanted)
    return pictures, wanted, timeline


def _decode(path, wanted):
    """Decode everything: pictures `{index: (H, W, 3)}` of the wanted indices, and the timeline."""
    pictures, stamps, wanted = {}, [], set(wanted)
    with _opened(path) as (container, stream):
        for index, frame in enumerate(_frames(container, stream)):
            if not index:
                look = _look(frame)
            if index in wanted:
                pictures[index] = _picture(frame, look)
            stamps.append((frame.pts, frame.duration))
        return pictures, _timeline(stamps, stream)


def _decode_few(path, announced, wanted):
    """The wanted pictures as by `_decode`, decoding what they are built on; None where in doubt.

    Frames that no other is built on are left to the decoder to pass over, and what follows the last
    wanted frame of a group is not even sent.
    """
    index = {announced.starts[n]: n for n in {0, *wanted}} if announced.clock else {}
    frames = {}
    with _opened(path) as (container, stream):
        context = stream.codec_context
        if not (index and context.name == "h264" and "mp4" in container.format.name
                and stream.frames == len(announced.starts)):
            return None
        try:
            for packet in _needed(container, stream, index):
                wants = packet is None or packet.pts in index
                context.skip_frame = "DEFAULT" if wants else "NONREF"
                for frame in context.decode(packet):
                    if frame.is_corrupt or frame.interlaced_frame:
                        return None
                    if frame.pts in index:
                        frames[index[frame.pts]] = frame
        except (av.error.FFmpegError, _OpenGroup):
            return None
        if len(frames) < len(index):
            return None
        look = _look(frames[0])
        return {n: _picture(frames[n], look) for n in set(wanted)}


class _OpenGroup(Exception):
    """A group of pictures that leans on the one before it."""


def _needed(container, stream, wanted):
    """Yield of every group its packets up to the last one of a wanted timestamp; at the end None."""
    def upto_wanted():
        return group[:max((n for n, p in enumerate(group, 1) if p.pts in wanted), default=0)]

    group, left = [], len(wanted)
    for packet in _packets(container, stream):
        if packet is None or packet.is_keyframe:
            yield from upto_wanted()
            left -= sum(p.pts in wanted for p in group)
            group = []
            if not left:
                break
        if packet is not None:
            group.append(packet)
            if packet.pts < group[0].pts:
                raise _OpenGroup
    yield None


def _look(frame):
    """How the first frame looks: its size, and its orientation as by `_orientation`."""
    return {"width": frame.width, "height": frame.height}, _orientation(frame)


def _picture(frame, look):
    """A frame as RGB `(H, W, 3)`, in the size and orientation of the first."""
    size, (transposed, down, across) = look
    picture = frame.to_ndarray(format="rgb24", **size)
    return (picture.swapaxes(0, 1) if transposed else picture)[::down, ::across]


def _frames(container, stream):
    """Yield every frame in display order.

    A packet that cannot be decoded is passed over, as players do. Raises StudyError if no frame
    comes out at all.
    """
    reason, decoded = "it holds no frame", False
    for packet in _packets(container, stream):
        try:
            frames = stream.codec_context.decode(packet)
        except av.error.FFmpegError as error:
            reason, frames = error.strerror, []
        for frame in frames:
            decoded = True
            yield frame
    if not decoded:
        raise StudyError(f"nothing can be decoded ({reason})")


def _packets(container, stream):
    """Yield the packets of the stream, and None, at which the decoder gives its last frames."""
    try:
        for packet in container.demux(stream):
            if packet.size:  # an empty packet would end decoding
                yield packet
    except av.error.InvalidDataError:  # damaged or cut off from here on
        pass
    yield None


@contextmanager
def _opened(path):
    """Open a file; give the container and its video stream. Every failure is a StudyError."""
    try:
        if not Path(path).stat().st_size:
            raise StudyError("it is empty")
        # The prefix keeps a name such as "a:b.mp4" from being read as a network address.
        with av.open(f"file:{path}", metadata_errors="ignore",
                     options={"format_whitelist": FORMATS, "protocol_whitelist": "file"}) as opened:
            yield opened, _stream(opened)
    except av.error.ArgumentError:  # what FFmpeg says of a format outside the list
        raise StudyError(f"{path} is no usable video: not one of the formats that are read; "
                         "convert it to mp4 or leave it out") from None
    except (av.error.FFmpegError, OSError, StudyError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise StudyError(f"{path} is no usable video: {reason}; replace it or leave it out"
                         ) from None


def _stream(container):
    """The first video stream that is not a cover picture, set to decode in this thread alone."""
    streams = [s for s in container.streams.video
               if not s.disposition & av.stream.Disposition.attached_pic]
    if not streams:
        raise StudyError("it has no video stream")
    context = streams[0].codec_context
    if context is None:
        raise StudyError("no decoder is known for its video stream")
    if context.width * context.height > MAX_PIXELS:
        raise StudyError(f"its size {context.width}x{context.height} is absurd")
    context.options = {"max_pixels": str(MAX_PIXELS)}
    context.thread_type, context.thread_count = "NONE", 1
    return streams[0]


def _orientation(frame):
    """How a frame is to be shown: whether to swap its axes, then the steps, 1 or -1, of each.

    The display matrix maps the point (x, y), y down, to (a x + c y, b x + d y); here it is
    rounded to quarter turns and mirrors.
    """
    matrix = frame.side_data.get(DISPLAY_MATRIX)
    if matrix is None:
        return False, 1, 1
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    swapped = abs(b) > abs(a)
    across, down = (c, b) if swapped else (a, d)
    return swapped, -1 if down < 0 else 1, -1 if across < 0 else 1


def _rate(stream):
    """The frame rate of the header in frames a second, for clips without usable timestamps."""
    rates = [stream.guessed_rate, stream.average_rate]
    return float(next((rate for rate in rates if rate and RATES[0] <= rate <= RATES[1]), 25))
