"""Reading features: the store's memory map against one file a video, and the wait of a training step."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from bench import Case, item

from data.files import store
from data.files.dataset import open_dataset, write_dataset
from data.files.paths import LOCAL


def planted(folder, videos, shape):
    """A dataset folder with a store of random features; the opened features."""
    import pandas as pd

    ids = [f"v{n}" for n in range(videos)]
    write_dataset(folder, {"name": "bench", "task": "multilabel", "classes": ["a"]}, pd.DataFrame(
        {"video_id": ids, "split": "train", "duration": 1.0, "labels": "a"}))
    x = np.random.default_rng(0).normal(size=(videos, *shape)).astype(np.float16)
    store.write_features(folder / "features" / "bench", ids, x, {"origin": "user"})
    return store.open_features(open_dataset(folder), "bench")


@item("store", limit=1 / 40, why="shuffled batches of 64 of 16 x 768 float16 out of 2,000 videos, warm: the "
      "memory map against one .pt a video; a batch")
def reading(smoke):
    from baselines import store as plain

    LOCAL.mkdir(parents=True, exist_ok=True)
    scratch = TemporaryDirectory(dir=LOCAL)
    folder = Path(scratch.name)
    features = planted(folder, 2000, (16, 768))
    (folder / "plain").mkdir()
    plain.write(folder / "plain", features.x)
    draw, batches = np.random.default_rng(1), 8

    def ours(scratch=scratch):  # which lives as long as this function
        for _ in range(batches):
            torch.from_numpy(features.x[draw.permutation(2000)[:64]])

    def baseline():
        for _ in range(batches):
            plain.read(folder / "plain", draw.permutation(2000)[:64])
    return Case(baseline, ours, pieces=(batches, batches))


@item("train-wait", limit=0.02, why="the batch that `fit` takes out of its features, against the step on it "
      "(64, 16, 768; one pass, fp32)")
def waiting(smoke):
    from bench.step import ours as step

    features, draw = torch.randn(1000, 16, 768), torch.Generator().manual_seed(0)
    return Case(step("one-pass")[0],
                lambda: features[torch.randperm(1000, generator=draw)[:64]])
