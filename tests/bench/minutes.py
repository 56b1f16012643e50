"""A video of minutes through `python -m book predict --intervals`, a process of its own: wall and peak.

The films show a minute of planted test videos, SYNTHETIC, again and again, in the middle of 854 x 480
pixels with grain, 24 pictures a second; they are kept in results/local/bench.
"""

import os
import subprocess
import sys
from functools import partial
from itertools import count, islice
from time import perf_counter

import av
import numpy as np
from bench import Known, item

from data.files.paths import LOCAL, ROOT, atomic

FPS, HIGH, WIDE = 24, 480, 854
GRAIN = 8  # grey levels: without it x264 would skip what does not move


def film(minutes):
    """The film of so many minutes, written once: a minute of planted videos, again and again."""
    from data.video.writing import write_video

    path = LOCAL / "bench" / f"planted_{minutes}_minutes.mp4"
    if path.is_file():
        return path
    if minutes == 1:
        write_video(path, islice(pictures(), 60 * FPS), FPS)
    else:
        with atomic(path) as temporary:
            repeat(film(1), temporary, minutes)
    return path


def repeat(path, out, times):
    """Write the packets of a film so many times, one after the other, without encoding again."""
    with av.open(str(path)) as source, av.open(str(out), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for n in range(times):
            source.seek(0)
            for packet in source.demux(stream):
                if packet.size:
                    packet.pts, packet.dts = (at + n * stream.duration for at in (packet.pts, packet.dts))
                    packet.stream = copy
                    target.mux(packet)


def pictures():
    """Yield the pictures of planted test videos, each twice, as those have 12 a second."""
    from data.common.generators import render
    from data.common.generators.storyboard import storyboard

    draw, side = np.random.default_rng(0), (WIDE - HIGH) // 2
    for number in count():
        for picture in render.frames(storyboard("test", number)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            square = frame.reformat(HIGH, HIGH).to_ndarray(format="rgb24")
            whole = np.minimum(np.pad(square, ((0, 0), (side, side), (0, 0))), 255 - GRAIN)
            for _ in range(2):
                yield whole + draw.integers(0, GRAIN + 1, (HIGH, WIDE, 1), np.uint8)


def shown(minutes):
    """Seconds by the clock and peak of resident memory in MB of the command, start included."""
    path, out = film(minutes), LOCAL / "bench" / "minutes.png"
    begun = perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "book", "predict", str(path), "--intervals",
                                "--out", str(out)], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"predict {path.name} ended with {process.returncode}")
    return perf_counter() - begun, used.ru_maxrss * 1024 / 1e6


def beside_one(minutes, smoke):
    (one, held_by_one), (ours, held) = shown(1), shown(1 if smoke else minutes)
    return Known(one, ours, (held_by_one, held))


for minutes, allowed in ((5, None), (10, 60.0)):
    item(f"predict-{minutes}-minutes", allowed=allowed, unit="s", threads=2, clock="wall", asked=True,
         peers=("torch", "openvino", "av"), why=f"{minutes} minutes of 854x480 pixels, 24 a second, all heads that "
         "ship, two cores; beside the same command on one minute. Memory must not grow with length"
         + ", and ten minutes may take 60 s" * bool(allowed))(partial(beside_one, minutes))
