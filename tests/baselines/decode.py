"""Frames by decoding and converting the whole clip, then picking: the plain way."""

import av
import numpy as np


def middles(frames, parts):
    """The index in the middle of each part, of `frames` at a constant rate."""
    return [(2 * part + 1) * frames // (2 * parts) for part in range(parts)]


def convert_everything(path, segments):
    """Every frame to RGB, then the wanted: uint8 `(segments, H, W, 3)`."""
    with _opened(path) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return np.stack([frames[index] for index in middles(len(frames), segments)])


def decode_everything(path, segments):
    """Every frame decoded; only the wanted are converted. Two passes, as the length is unknown."""
    with _opened(path) as container:
        count = sum(packet.size > 0 for packet in container.demux(video=0))
    wanted, pictures = set(middles(count, segments)), {}
    with _opened(path) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index in wanted:
                pictures[index] = frame.to_ndarray(format="rgb24")
    return np.stack([pictures[index] for index in middles(count, segments)])


def _opened(path):
    container = av.open(str(path), metadata_errors="ignore")
    container.streams.video[0].thread_type = "NONE"
    return container
