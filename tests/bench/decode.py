"""Sixteen frames of an H.264 clip on one thread, against decoding and converting all of it."""

from functools import partial
from importlib import import_module, metadata

import av
import numpy as np
from baselines import decode
from bench import Case, NotRun, item
from conftest import SHARED

from data.video import decode as video
from data.files.paths import LOCAL, atomic

WHAT = ("16 frames a clip, geometric mean over mp4 clips: two made ones of 30 s, 854x480, 24 fps, key "
        "frames every 10 s and every 2 s, and the real ones where the development data is")


def clips(smoke):
    """The clips; those made here are kept in results/local/bench."""
    made = [_made(LOCAL / "bench" / f"gop{gop}.mp4", gop) for gop in (240, 48)]
    real = sorted((SHARED / "videos").glob("*.mp4"))
    return made[1:] + real[:2] if smoke else made + real


def _made(path, gop):
    """Write a clip of a drifting, flickering texture once."""
    if not path.is_file():
        draw = np.random.default_rng(0)
        texture = draw.integers(0, 256, (60, 107, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
        with atomic(path) as temporary, av.open(str(temporary), "w") as container:
            stream = container.add_stream("libx264", rate=24, options={
                "crf": "26", "preset": "veryfast", "g": str(gop), "bf": "3"})
            stream.width, stream.height, stream.pix_fmt = 854, 480, "yuv420p"
            for n in range(720):
                moved = np.roll(texture, (n, 3 * n), (0, 1))[:480, :854]
                noise = draw.integers(0, 12, (480, 854, 1), dtype=np.uint8)
                frame = av.VideoFrame.from_ndarray(moved // 2 + noise, format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def cases(smoke, plain):
    return [Case(partial(plain, path, 16), partial(video.sample, path, 16)) for path in clips(smoke)]


@item("decode", peers=("av",), limit=0.55, why=f"{WHAT}; against converting every frame; equal to the bit")
def against_converting(smoke):
    return cases(smoke, decode.convert_everything)


@item("decode-select", peers=("av",), limit=1.0,
      why=f"{WHAT}; against decoding every frame and converting the wanted")
def against_selecting(smoke):
    return cases(smoke, decode.decode_everything)


def peer(smoke, module, plain, package=None):
    """Cases on the clips of which another library gives the pictures that we give, to the bit.

    `package` is the distribution wanted where several bring a module of that name.
    """
    try:
        import_module(module)
        if package:
            metadata.version(package)
    except (ImportError, OSError, RuntimeError) as error:
        said = str(error).strip().splitlines()[0]
        raise NotRun(f"{module} does not load ({said})") from None
    known = [path for path in clips(smoke) if _same(plain, path)]
    others = sorted({path.name for path in clips(smoke)} - {path.name for path in known})
    note = f"left out, as it gives others or none, or not each time the same: {', '.join(others)}" * bool(others)
    return [Case(partial(plain, path, 16), partial(video.sample, path, 16), note=note * (n == 0))
            for n, path in enumerate(known)]


def _same(plain, path):
    """Whether it gives our pictures every time: decord has its moods with broken timestamps."""
    try:
        return all(np.array_equal(plain(path, 16), video.sample(path, 16)) for _ in range(4))
    except Exception:  # whatever a library raises of a clip that it cannot read
        return False


PEER = f"{WHAT}; the same pictures to the bit; against"


@item("decode-opencv", peers=("cv2",), limit=1.0,
      why=f"{PEER} OpenCV on one thread, all grabbed, the wanted retrieved")
def against_opencv(smoke):
    return peer(smoke, "cv2", decode.by_opencv)


@item("decode-decord", peers=("decord",), limit=1.0, why=f"{PEER} decord's random access on one thread")
def against_decord(smoke):
    return peer(smoke, "decord", decode.by_decord, "decord")


@item("decode-decord2", peers=("decord",), limit=1.0,
      why=f"{PEER} decord2, decord's maintained successor, on one thread")
def against_decord2(smoke):
    return peer(smoke, "decord", decode.by_decord, "decord2")


@item("decode-threads", peers=("av",), clock="wall", threads=2,
      why="the clips of `decode`, two threads on both "
      "sides, a clip a thread; against decoding every frame and converting the wanted")
def by_two_threads(smoke):
    from concurrent.futures import ThreadPoolExecutor

    def all_by(one):
        with ThreadPoolExecutor(2) as threads:
            return list(threads.map(lambda path: one(path, 16), clips(smoke)))
    return Case(lambda: all_by(decode.decode_everything), lambda: all_by(video.sample))


@item("decode-torchcodec", peers=("torchcodec",), limit=1.0,
      why=f"{PEER} torchcodec's frames by index, exact mode, one thread")
def against_torchcodec(smoke):
    return peer(smoke, "torchcodec.decoders", decode.by_torchcodec)
