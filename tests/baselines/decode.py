"""Frames by decoding and converting the whole clip, then picking: the plain way."""

import av
import numpy as np


def middles(frames, parts):
    """The index in the middle of each part, of `frames` at a constant rate."""
    return [(2 * part + 1) * frames // (2 * parts) for part in range(parts)]


def convert_everything(path, segments):
    """Every frame to RGB, of which the wanted are kept: uint8 `(segments, H, W, 3)`."""
    wanted, pictures = middles(_count(path), segments), {}
    with _opened(path) as container:
        for index, frame in enumerate(container.decode(video=0)):
            picture = _picture(frame, container)
            if index in wanted:
                pictures[index] = picture
    return np.stack([pictures[index] for index in wanted])


def decode_everything(path, segments):
    """Every frame decoded; only the wanted are converted."""
    wanted, pictures = middles(_count(path), segments), {}
    with _opened(path) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index in wanted:
                pictures[index] = _picture(frame, container)
    return np.stack([pictures[index] for index in wanted])


def by_opencv(path, segments):
    """OpenCV: grab every frame, retrieve the wanted."""
    import cv2

    cv2.setNumThreads(1)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    wanted = middles(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), segments)
    pictures = {}
    for index in range(wanted[-1] + 1):
        capture.grab()
        if index in wanted:
            pictures[index] = cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB)
    return np.stack([pictures[index] for index in wanted])


def by_decord(path, segments):
    """decord: random access to the wanted frames."""
    import decord

    reader = decord.VideoReader(str(path), num_threads=1)
    return reader.get_batch(middles(len(reader), segments)).asnumpy()


def by_torchcodec(path, segments):
    """torchcodec: the wanted frames by their index."""
    from torchcodec.decoders import VideoDecoder

    reader = VideoDecoder(str(path), num_ffmpeg_threads=1, dimension_order="NHWC")
    return reader.get_frames_at(middles(len(reader), segments)).data.numpy()


def _picture(frame, container):
    """A frame as RGB, its pixels made square in width."""
    shape = container.streams.video[0].sample_aspect_ratio or 1
    return frame.to_ndarray(format="rgb24", width=round(frame.width * shape))


def _count(path):
    """The number of packets, which is that of frames in a sound file."""
    with _opened(path) as container:
        return sum(packet.size > 0 for packet in container.demux(video=0))


def _opened(path):
    container = av.open(str(path), metadata_errors="ignore")
    container.streams.video[0].thread_type = "NONE"
    return container
