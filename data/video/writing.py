"""Frames to a video file."""

from fractions import Fraction

import av

from data.files.paths import atomic

X264 = {"crf": "26", "preset": "veryfast", "g": "48"}


def write_video(path, frames, rate, options=X264):
    """Write frames, uint8 `(H, W, 3)` RGB of one even size, to `path`, an mp4 of `rate` a second.

    Atomically: all of the file or none of it. The same frames give the same bytes on processors of one
    maker with the same PyAV. x264 takes 1 / x by `rcpps`, an approximation that each maker chooses.
    """
    with atomic(path) as temporary:
        with av.open(str(temporary), "w", options={"fflags": "+bitexact"}) as container:
            video = container.add_stream("libx264", rate=Fraction(rate), options=options)
            video.pix_fmt = "yuv420p"
            video.codec_context.thread_count = 1  # more threads give other bytes
            for number, image in enumerate(frames):
                if not number:
                    video.height, video.width = image.shape[:2]
                frame = av.VideoFrame.from_numpy_buffer(image, format="rgb24")
                container.mux(video.encode(frame))
            container.mux(video.encode())
