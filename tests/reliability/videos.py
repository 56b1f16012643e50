"""Damaged and odd videos: each is used or skipped with a reason, in time, and harms no other.

Damage is drawn with a seed, in real clips where the development data are at hand, else in rendered
ones. Success of the decoder proves nothing: of damaged files most decode, to another number of frames.
"""

import os
import random
import signal
import time
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import pandas as pd
from reliability import Case, stages
from reliability.trials import finish

from data.common.generators.render import write_video
from data.common.generators.storyboard import storyboard
from data.encoders import features
from data.files import store
from data.files.dataset import open_dataset, write_dataset
from data.video import decode
from tfe import StudyError

LONGEST = 20  # seconds a file
REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "videos"
SMALLEST = 6  # real clips to damage: damage does not depend on length, time does
GOOD = 2


def suite(trials=200, seed=0, only=None):
    """Two cases: damaged files, and odd forms."""
    with TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        good = [rendered(scratch / f"good_{n}.mp4", n) for n in range(GOOD)]
        for name, make in (("damaged", lambda folder: damaged(folder, trials, seed, good)),
                           ("odd", odd)):
            if only is None or name in only:
                folder = scratch / name
                folder.mkdir()
                yield judged(name, folder, make(folder), good)


def judged(name, folder, paths, good):
    """Decode each file in a child of its own, then all of them and the good ones as a dataset."""
    failures, slowest = [], 0.0
    for path in paths:
        begun = time.monotonic()
        code = finish(decoding(path))
        slowest = max(slowest, time.monotonic() - begun)
        if code not in (0, 2) or time.monotonic() - begun > LONGEST:
            failures.append(f"{path.name!r}: ended with {code}")
    failures += neighbours(folder, paths, good)
    return Case("videos", name, len(paths), len(paths) - len(failures), slowest, "s a file",
                tuple(failures))


def decoding(path):
    """Fork a child that samples a file: code 0 for frames, 2 for a reason in one line."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        signal.alarm(LONGEST)
        frames, lengths = decode.measured_sample(path, 4)
        code = 0 if frames.shape[0] == 4 and lengths.decoded else 71
    except StudyError as error:
        code = 2 if "\n" not in str(error).replace(str(path), "") else 72
    finally:
        os._exit(code)


def neighbours(folder, paths, good):
    """What is wrong with the store of all files together: features of the good ones, and reasons."""
    alone, amid = (stored(folder.with_name(f"{folder.name}-{n}"), files)
                   for n, files in enumerate((good, [*paths, *good])))
    wrong = []
    for path in good:
        if not np.array_equal(alone[0][path.stem], amid[0][path.stem]):
            wrong.append(f"{path.name}: other features beside damaged files")
    for number, path in enumerate(paths):
        used, reason = f"v{number}" in amid[0], amid[1].get(f"v{number}", "")
        if used == bool(reason):
            wrong.append(f"{path.name!r}: used {used}, reason {reason!r}")
    return wrong


def stored(folder, files):
    """Encode files as a dataset; return `{video_id: features}` and `{video_id: reason}`."""
    folder.mkdir()
    (folder / "videos").mkdir()
    ids = []
    for number, path in enumerate(files):
        ids.append(path.stem if path.stem.startswith("good") else f"v{number}")
        # The store reads names without their endings; the damaged keep their content alone.
        os.link(path, folder / "videos" / f"{ids[-1]}{path.suffix}")
    table = pd.DataFrame({"video_id": ids, "split": "train", "duration": 9.0, "labels": "a"})
    write_dataset(folder, {"task": "singlelabel", "classes": ["a"]}, table)
    dataset = open_dataset(folder)
    features.extract(dataset, stages.SETTINGS)
    made = store.open_features(dataset, "efficientnet-lite0")
    skipped = made.folder / "skipped.csv"
    reasons = {}
    if skipped.is_file():
        reasons = dict(pd.read_csv(skipped)[["video_id", "reason"]].to_numpy())
    return dict(zip(made.video_ids, np.array(made.x))), reasons


def rendered(path, number):
    write_video(storyboard("train", number), path)
    return path


def damaged(folder, trials, seed, good):
    """Write `trials` damaged copies, and yield their paths."""
    clips = sorted((p for p in REAL.glob("*.*")), key=lambda p: p.stat().st_size)[:SMALLEST] or good
    paths = []
    for trial in range(trials):
        draw = random.Random(f"{seed} {trial}")
        clip = clips[trial % len(clips)]
        content = bytearray(clip.read_bytes())
        for _ in range(draw.randint(1, 3)):
            content = draw.choice(DAMAGE)(content, draw)
        path = folder / f"{trial:03d}{clip.suffix}"
        path.write_bytes(content)
        paths.append(path)
    return paths


def flipped(content, draw):
    for _ in range(draw.choice((1, 10, 200))):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    return content


def block(content, draw):
    start = draw.randrange(len(content))
    return start, min(len(content), start + draw.randint(1, 20_000))


def zeroed(content, draw):
    start, end = block(content, draw)
    content[start:end] = bytes(end - start)
    return content


def cut_out(content, draw):
    start, end = block(content, draw)
    return content[:start] + content[end:] or bytearray(1)


def doubled(content, draw):
    start, end = block(content, draw)
    return content[:end] + content[start:]


def broken_off(content, draw):
    return content[:draw.randint(1, len(content))]


def noise(content, draw):
    start, end = block(content, draw)
    content[start:end] = draw.randbytes(end - start)
    return content


def header(content, draw):
    for _ in range(draw.randint(1, 16)):
        content[draw.randrange(min(512, len(content)))] = draw.randrange(256)
    return content


def index(content, draw):
    for _ in range(draw.randint(1, 64)):
        content[-1 - draw.randrange(min(2048, len(content)))] = draw.randrange(256)
    return content


DAMAGE = (flipped, zeroed, cut_out, doubled, broken_off, noise, header, index)


def encode(path, frames=6, size=(64, 48), codec="libx264", pixels="yuv420p", form="rgb24",
           options=None, orient=None):
    with av.open(os.fspath(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(12), options=options or {})
        (stream.width, stream.height), stream.pix_fmt = size, pixels
        if orient:
            orient(stream)
        for number in range(frames):
            channels = {"rgb24": 3, "rgba": 4}[form]
            picture = np.full((*size[::-1], channels), 40 * number % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format=form)))
        container.mux(stream.encode(None))


def sound(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux([*stream.encode(frame), *stream.encode(None)])


FORMS = {
    "zero.mp4": lambda path: path.write_bytes(b""),
    "sound.mkv": sound,
    "one frame.mp4": lambda path: encode(path, frames=1),
    "wide.mkv": lambda path: encode(path, size=(10_000, 10), codec="ffv1", frames=3),
    "alpha.mov": lambda path: encode(path, codec="qtrle", pixels="argb", form="rgba"),
    "ten bit.mp4": lambda path: encode(path, pixels="yuv420p10le"),
    "interlaced.mpg": lambda path: encode(path, codec="mpeg2video",
                                          options={"flags": "+ildct+ilme"}),
    "rotated.mp4": lambda path: encode(path, orient=lambda s: s.set_display_rotation(90)),
    "a 'quoted' \"name\" $x$.mp4": encode,
    "two\nlines.mp4": encode,
    os.fsdecode(b"not \xff utf-8.mp4"): lambda path: os.replace(encoded(path), path),
}


def encoded(path):
    plain = path.with_name("plain.mp4")
    encode(plain)
    return plain


def odd(folder):
    """Write the odd forms, and yield their paths."""
    for name, make in FORMS.items():
        make(folder / name)
    return [folder / name for name in FORMS]
