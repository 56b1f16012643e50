"""EfficientNet-Lite0 with its real weights at 160 pixels on 16 frames, against one frame at a time."""

import numpy as np
from bench import Case, NotRun, Seconds, item

NAME = "efficientnet-lite0"


def frames():
    """The frames of one clip: the texture that the made clips show, whose features are no noise."""
    from bench.decode import clips

    from data.video import decode

    return decode.sample(clips(smoke=True)[-1], 16)


def plain():
    """The plain network's call, and the resolution."""
    from baselines import encode

    from data.encoders import recipes

    recipe = recipes.ENCODERS[NAME]
    network = encode.Plain(recipes.read_weights(recipe))
    return lambda shown: encode.frame_by_frame(network, shown, recipe.resolution)


def cosine(a, b):
    """Of every row of a with that of b, `(N, d), (N, d) -> (N,)`."""
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def case(precision):
    from data.encoders import recipes

    ours, theirs, shown = recipes.load(NAME, precision=precision), plain(), frames()
    return Case(lambda: theirs(shown), lambda: ours(shown), pieces=(16, 16))


@item("encode", limit=0.45, why="batch norms folded, channels-last, batches of 8, fp32; a frame; cosine "
      "of features above 0.999999 (make test), so that every metric is the same. Cutting and resizing "
      "480 lines to 160 costs both sides the same, and so lifts the ratio; single runs of one day lie from "
      ".45 to .52")
def fp32(smoke):
    return case("fp32")


@item("encode-bf16", why="the same with bf16 weights, without a verdict: features have a cosine of about .99 to "
      "those in fp32, below the .9999 that is asked, so that no store is made of them")
def bf16(smoke):
    return case("bf16")


@item("encode-openvino", peers=("torch", "openvino"), limit=0.25,
      why="the same network by OpenVINO, fp32 (its bf16 has a cosine of "
      ".998), the engine that encodes on a CPU where it is installed; cosine of features above 0.999999")
def openvino(smoke):
    from data.encoders import engines, recipes

    if engines.choose("auto", "cpu") != "openvino":
        raise NotRun("openvino is not installed, or does not start")
    encoder, theirs, shown = recipes.load(NAME, engine="openvino"), plain(), frames()
    assert cosine(encoder(shown), theirs(shown)).min() > 0.999999
    return Case(lambda: theirs(shown), lambda: encoder(shown), pieces=(16, 16))


@item("extract", peers=("torch", "av"), limit=1 / 0.9, clock="wall",
      why="one thread decodes, one encodes, no frame "
      "is copied: a video's time against the slower of the two alone, in steady state, on two free cores")
def extraction(smoke):
    """The real extraction of a folder of clips, from its first result on."""
    import shutil
    from pathlib import Path
    from tempfile import TemporaryDirectory
    from time import perf_counter

    import torch
    from bench.decode import clips

    from data.encoders import parts, recipes, store_key
    from data.video import decode
    from data.files.paths import LOCAL

    clip, settings = clips(smoke=True)[0], store_key.settings_of(NAME, resolution=224)
    encoder, count = recipes.load(NAME, 224), 4 if smoke else 8
    scratch = TemporaryDirectory(dir=LOCAL)
    jobs = [(clip, Path(scratch.name) / f"{n}.npy") for n in range(count)]
    shown = decode.sample(clip, 16)

    def ours(scratch=scratch):
        results = parts.by_threads("bench", jobs, settings, torch.device("cpu"), 1)
        next(results)
        begun = perf_counter()
        for _ in results:
            pass
        seconds = perf_counter() - begun
        shutil.rmtree(scratch.name)
        Path(scratch.name).mkdir()
        return Seconds(seconds * count / (count - 1))

    def alone(call):
        begun = perf_counter()
        for _ in range(count):
            call()
        return perf_counter() - begun

    def baseline():
        return Seconds(max(alone(lambda: decode.measured_sample(clip, 16)),
                           alone(lambda: encoder(shown))))
    return Case(baseline, ours, pieces=(count, count))
