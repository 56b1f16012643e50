"""A video file, opened with care: which of its streams is the film, its packets and its frames."""

from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import av

from tfe.errors import StudyError

# Containers of moving pictures. FFmpeg reads more: with a text file it would draw the text, with
# a playlist it would open the files that the playlist names.
FORMATS = "avi,mp4,matroska,mpeg,mpegvideo,mpegts,gif,asf,flv,ogg,h264,hevc,m4v,ivf,obu"
MAX_PIXELS = 2**27
RATES = (1, 240)  # frames a second that a header may claim and be believed
SHAPES = (1 / 4, 4)  # widths of a pixel, its height being 1, that are believed


@contextmanager
def opened(path):
    """Open a file; give the container and the stream of its film, set to decode in this thread.

    Every failure, also of what is done with them, is a StudyError that names the file.
    """
    try:
        if not Path(path).stat().st_size:
            raise StudyError("it is empty")
        with _container(path) as container:
            yield container, _film(container, path)
    except av.error.ArgumentError:  # what FFmpeg says of a format outside the list
        raise StudyError(f"{path} is no usable video: not one of the formats that are read; "
                         "convert it to mp4 or leave it out") from None
    except (av.error.FFmpegError, OSError, StudyError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise StudyError(f"{path} is no usable video: {reason}; replace or leave it out") from None


def _container(path):
    # The prefix keeps a name such as "a:b.mp4" from being read as a network address.
    return av.open(f"file:{path}", metadata_errors="ignore",
                   options={"format_whitelist": FORMATS, "protocol_whitelist": "file"})


def _film(container, path):
    streams = [s for s in container.streams.video
               if not s.disposition & av.stream.Disposition.attached_pic]
    if not streams:
        raise StudyError("it has no video stream")
    film = streams[0] if len(streams) == 1 else _longest(streams, path)
    context = film.codec_context
    if context is None:
        raise StudyError("no decoder is known for its video stream")
    if context.width * context.height > MAX_PIXELS:
        raise StudyError(f"its size {context.width}x{context.height} is absurd")
    context.options = {"max_pixels": str(MAX_PIXELS)}
    context.thread_type, context.thread_count = "NONE", 1
    return film


def _longest(streams, path):
    """The stream of most packets, of equals the first: a cover may not say that it is one."""
    with _container(path) as container:
        found = Counter(packet.stream_index for packet in packets(
            container, [container.streams[s.index] for s in streams]) if packet)
    return max(streams, key=lambda s: found[s.index])


def packets(container, stream):
    """Yield the packets of the stream, and None, at which the decoder gives its last frames."""
    try:
        for packet in container.demux(stream):
            if packet.size:  # an empty packet would end decoding
                yield packet
    except av.error.InvalidDataError:  # damaged or cut off from here on
        pass
    yield None


def frames(container, stream):
    """Yield every frame in display order.

    A packet that cannot be decoded is passed over, as players do. Raises StudyError if no frame
    comes out at all.
    """
    reason, decoded = "it holds no frame", False
    for packet in packets(container, stream):
        try:
            found = stream.codec_context.decode(packet)
        except av.error.FFmpegError as error:
            reason, found = error.strerror, []
        for frame in found:
            decoded = True
            yield frame
    if not decoded:
        raise StudyError(f"nothing can be decoded ({reason})")


def seconds(container, stream):
    """The duration that the header claims, in seconds; None where it is silent."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / av.time_base


def rate(stream):
    """The frame rate of the header in frames a second, for clips without usable timestamps."""
    rates = [stream.guessed_rate, stream.average_rate]
    return float(next((r for r in rates if r and RATES[0] <= r <= RATES[1]), 25))


def pixel_shape(stream):
    """The width of a pixel, its height being 1; 1 where the file is silent or absurd."""
    shape = stream.sample_aspect_ratio
    return shape if shape and SHAPES[0] <= shape <= SHAPES[1] else 1
