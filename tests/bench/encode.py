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


@item("encode-openvino", limit=0.25, why="the same network converted by OpenVINO, fp32 (its bf16 has a "
      "cosine of .998); cosine of features above 0.999999; an extra that is not installed by default")
def openvino(smoke):
    try:
        import openvino
    except ImportError:
        raise NotRun("openvino is not installed (pip install -e .[openvino])") from None
    import torch

    from data.encoders import recipes

    encoder, theirs, shown = recipes.load(NAME), plain(), frames()
    example = recipes.prepare(shown[:8], encoder.resolution)
    compiled = openvino.compile_model(openvino.convert_model(
        encoder.network, example_input=torch.zeros_like(example), input=list(example.shape)), "CPU",
        {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY",
         "INFERENCE_PRECISION_HINT": "f32"})

    def ours():
        parts = [recipes.prepare(shown[at:at + 8], encoder.resolution).contiguous().numpy()
                 for at in (0, 8)]
        return np.concatenate([compiled(part)[0] for part in parts])

    assert cosine(ours(), theirs(shown)).min() > 0.999999
    return Case(lambda: theirs(shown), ours, pieces=(16, 16))


@item("extract", limit=1 / 0.9, clock="wall", why="one process decodes, one thread encodes: a "
      "video's time against the slower of the two alone, in steady state, on two free cores. 20 MB of frames "
      "a video go from process to process, which takes about 70 ms; side by side each is 5 to 10% slower")
def extraction(smoke):
    """The real extraction of a folder of clips, from its first result on."""
    import shutil
    from pathlib import Path
    from tempfile import TemporaryDirectory
    from time import perf_counter

    import torch
    from bench.decode import clips

    from data.encoders import features, parts, recipes
    from data.video import decode
    from data.files.paths import LOCAL

    clip, settings = clips(smoke=True)[0], features.settings_of(NAME, resolution=224)
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
