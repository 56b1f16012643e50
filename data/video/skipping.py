"""A few frames of a well-formed mp4 (H.264), without decoding those that none of them is built on.

To the last bit they are the pictures that decoding everything gives; in doubt there are none.
"""

import av

from data.video import film
from data.video.picture import look


class Doubtful(Exception):
    """A frame that is damaged, interlaced, or built on those of the group before it."""


def pictures(path, announced, wanted):
    """The wanted pictures, `{index: (H, W, 3)}`; None where the file does not agree with itself.

    Frames that no other is built on are left to the decoder to pass over, and what follows the last
    wanted frame of a group is not even sent.
    """
    index = {announced.starts[n]: n for n in {0, *wanted}} if announced.clock else {}
    with film.opened(path) as (container, stream):
        if not (index and stream.codec_context.name == "h264" and "mp4" in container.format.name
                and stream.frames == len(announced.starts)):
            return None
        try:
            frames = {index[f.pts]: f for f in _sound_frames(container, stream, index)}
        except (av.error.FFmpegError, Doubtful):
            return None
        if len(frames) < len(index):
            return None
        shown = look(frames[0], stream)
        return {n: shown.picture(frames[n]) for n in set(wanted)}


def _sound_frames(container, stream, wanted):
    context = stream.codec_context
    for packet in needed(container, stream, wanted):
        wants = packet is None or packet.pts in wanted
        context.skip_frame = "DEFAULT" if wants else "NONREF"
        for frame in context.decode(packet):
            if frame.is_corrupt or frame.interlaced_frame:
                raise Doubtful
            if frame.pts in wanted:
                yield frame


def needed(container, stream, wanted):
    """Yield of every group its packets up to the last one of a wanted timestamp; then None."""
    def upto_wanted():
        return group[:max((n for n, p in enumerate(group, 1) if p.pts in wanted), default=0)]

    group, left = [], len(wanted)
    for packet in film.packets(container, stream):
        if packet is None or packet.is_keyframe:
            yield from upto_wanted()
            left -= sum(p.pts in wanted for p in group)
            group = []
            if not left:
                break
        if packet is not None:
            group.append(packet)
            if packet.pts < group[0].pts:
                raise Doubtful
    yield None
