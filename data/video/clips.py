"""Videos as augmented clips, for fine-tuning: one frame in each of T segments, one crop for all.

A clip is a function of (seed, epoch, row) alone, so that neither workers nor neighbours change it.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from einops import rearrange

from data.common.pool import cores
from data.video import decode
from data.video.augment import RECIPES, Recipe, augmented, centre, resized
from tfe.errors import StudyError


@dataclass(frozen=True)
class Clips:
    """Clips of videos, decoded when they are asked for: `clips[a:b]` is uint8 `(N, T, 3, R, R)`.

    By index a clip is as at test: the middle of each segment, the centre square. `batches` gives
    training's clips by the recipe. `spans` are fractions of the video, `(0, 1)` for the whole. At
    test, `view` (c, n) takes the c-th of n times as many segments and of every n after it.
    """

    files: list = field(repr=False)
    spans: list = field(repr=False)
    resolution: int
    segments: int = 16
    recipe: Recipe | None = None
    workers: int = 1
    view: tuple = (0, 1)

    def __len__(self):
        return len(self.files)

    def __getitem__(self, rows):
        with ThreadPoolExecutor(self.workers) as pool:
            return torch.stack(list(pool.map(self.at_test, range(len(self))[rows])))

    def batches(self, chunks, key):
        """Yield each chunk of rows as clips, uint8 `(B, T, 3, R, R)`, decoded two chunks ahead."""
        with ThreadPoolExecutor(self.workers) as pool:
            waiting, chunks = deque(), iter(chunks)
            try:
                while True:
                    while len(waiting) < 3 and (rows := next(chunks, None)) is not None:
                        waiting.append([pool.submit(self.in_training, row, key) for row in rows])
                    if not waiting:
                        return
                    yield torch.stack([clip.result() for clip in waiting.popleft()])
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def at_test(self, row):
        """Clip `row` without chance. At 224 pixels the square is 224/256 of the short side."""
        first, views = self.view
        frames = self._frames(row, "middle", None, views)[first::views]
        box = centre(*frames.shape[-2:], share=224 / 256 if self.resolution == 224 else 1)
        return resized(frames, box, self.resolution, "bicubic")

    def in_training(self, row, key):
        """Clip `row` by the recipe; `key`, e.g. (seed, epoch), seeds what is drawn."""
        draw = np.random.default_rng([*key, row])
        frames = self._frames(row, self.recipe.where, int(draw.integers(2**32)))
        return augmented(draw, frames, self.recipe, self.resolution)

    def _frames(self, row, where, seed, times=1):
        frames = decode.sample(self.files[row], times * self.segments, where=where, seed=seed,
                              span=self.spans[row])
        return rearrange(torch.from_numpy(np.ascontiguousarray(frames)), "t h w c -> t c h w")


def of(dataset, split, resolution, *, recipe=None, intervals=False, segments=16, workers=None):
    """The clips of a split of a dataset and their targets: `(Clips, (N, C) float32, video ids)`.

    recipe: a name of RECIPES, where they are to train on. intervals: one single-label instance a
    labelled interval (`instances`). Raises StudyError where videos or intervals are missing.
    """
    if recipe not in (None, *RECIPES):
        raise StudyError(f"recipe {recipe!r} is unknown: choose one of {', '.join(RECIPES)}")
    if intervals:
        ids, spans, targets = instances(dataset, split)
    else:
        ids = list(dataset.videos.video_id[dataset.videos.split == split])
        spans, targets = [(0.0, 1.0)] * len(ids), dataset.targets(ids)
    absent = sorted(set(ids) - set(dataset.files))
    if absent:
        raise StudyError(f"{dataset.folder}: {len(absent)} videos of {split} are missing, the "
                         f"first is {absent[0]}: add them to its videos, or take them out of videos.csv")
    clips = Clips([dataset.files[i] for i in ids], spans, resolution, segments,
                  RECIPES.get(recipe), workers or cores())
    return clips, targets, ids


def instances(dataset, split="train"):
    """BIKE's way to train on videos of many actions: an instance an interval, with its one label.

    Returns video ids, spans as fractions of the video, and one-hot targets `(N, C)`. Raises
    StudyError where the dataset has no intervals.
    """
    if dataset.segments is None:
        raise StudyError(f"{dataset.folder}: instances are cut by segments.csv, which is absent: "
                         "add it, or train on whole videos")
    videos = dataset.videos[["video_id", "split", "duration", "picture_start"]]
    chosen = dataset.segments[["video_id", "label", "start", "end"]].merge(videos, on="video_id")
    chosen = chosen[chosen.split == split]
    bounds = [((chosen[at] - chosen.picture_start) / chosen.duration).clip(0, 1)
              for at in ("start", "end")]
    seen = bounds[0] < bounds[1]  # what ends before the picture begins has no frame
    chosen, spans = chosen[seen], list(zip(*(bound[seen] for bound in bounds)))
    column = {name: c for c, name in enumerate(dataset.classes)}
    targets = np.eye(len(column), dtype=np.float32)[[column[label] for label in chosen.label]]
    return list(chosen.video_id), spans, targets
