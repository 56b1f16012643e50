"""How cost grows: a step over T, B, d, H and k, enumeration over points, encoding over frames at once."""

from functools import partial
from time import process_time

import numpy as np
import torch

BASE = {"T": 16, "B": 32, "d": 256, "H": 8, "k": 4}
AXES = {"T": (16, 32, 64, 128), "B": (16, 32, 64, 128), "d": (128, 256, 512, 1024),
        "H": (2, 4, 8, 16), "k": (1, 2, 4, 8)}
POINTS = (5, 6, 7, 8)
TOGETHER = (1, 2, 4, 8, 16, 32, 64)  # frames a call, of 64; a video has 16
COLUMNS = ("quantity", "axis", "value", "ms", "device", "threads", "commit")


def curves(smoke):
    """Rows `quantity, axis, value, ms`: the least of four timings in processor time."""
    torch.set_num_threads(1)
    calls = [("step", axis, value, _step({**BASE, axis: value}))
             for axis, values in AXES.items() for value in values]
    calls += [("enumerate", "points", n, _pairs(n)) for n in POINTS]
    calls += [("encode", "frames", n, call) for n, call in _frames()]
    times = [[] for _ in calls]
    for _ in range(1 if smoke else 4):
        for (*_, call), laps in zip(calls, times):
            start = process_time()
            call()
            laps.append(1e3 * (process_time() - start))
    return [{"quantity": q, "axis": axis, "value": value, "ms": f"{min(laps):.4g}"}
            for (q, axis, value, _), laps in zip(calls, times)]


def _step(size):
    """One step, forward and backward, of D with linear approximators; no optimiser."""
    from tfe import adversary, systems
    from tfe.backbones import pooling

    system = systems.TFE(pooling.MeanPool(20, feature_dim=size["d"]), heads=size["H"], k=size["k"],
                         game=adversary.Game(schedule="reversal")).train()
    targets = (torch.rand(size["B"], 20) < 0.1).float()
    batch = {"features": torch.randn(size["B"], size["T"], size["d"]), "targets": targets,
             "prior": targets.mean(0).clamp(1e-3)}
    return lambda: adversary.player_gradients(system, batch)


def _pairs(points):
    from book.theory import enumeration

    p_xy = np.random.default_rng(0).dirichlet(np.ones(2 * points)).reshape(points, 2)
    return lambda: enumeration.all_pairs(p_xy)


def _frames():
    """EfficientNet-Lite0 on 64 frames of 160 pixels, n at a time: what videos could share a batch for."""
    from bench.encode import NAME, frames

    from data.encoders import recipes

    encoder = recipes.load(NAME)
    x = recipes.prepare(np.concatenate([frames()] * 4), encoder.resolution)

    def encode(n):
        with torch.inference_mode():
            for at in range(0, len(x), n):
                encoder.network(x[at:at + n])
    return [(n, partial(encode, n)) for n in TOGETHER]
