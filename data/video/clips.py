"""Videos as augmented clips, for fine-tuning: one frame in each of T segments, one crop for all.

A clip is a function of (seed, epoch, row) alone, so that neither workers nor neighbours change it.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import pi, sqrt

import numpy as np
import torch
from einops import einsum, rearrange, reduce
from torch.nn import functional as F

from data.video import decode
from tfe.errors import StudyError
from data.common.pool import cores

LUMA = (0.299, 0.587, 0.114)
# Brightness and two axes of colour; hue turns the latter.
YIQ = torch.tensor([LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])


@dataclass(frozen=True)
class Recipe:
    """What training does to a clip: where in a segment the frame is taken, and the augmentations.

    crop: "sized" (8 to 100% of the area, sides 3:4 to 4:3) or "scaled" (a square of 1, .875, .75 or
    .66 of the short side, or two neighbours of these, at one of 13 places). jitter: probability that
    brightness and contrast change by up to 40%, saturation by 20% and hue by a tenth of a turn,
    frame by frame. grey: probability that the clip loses its colour. Half of the clips are mirrored.
    """

    where: str
    crop: str
    jitter: float
    grey: float


RECIPES = {"bike": Recipe("random", "sized", 0.0, 0.2), "text4vis": Recipe("random", "sized", 0.0, 0.2),
           "msqnet": Recipe("middle", "scaled", 0.8, 0.2)}


@dataclass(frozen=True)
class Clips:
    """Clips of videos, decoded when they are asked for: `clips[a:b]` is uint8 `(N, T, 3, R, R)`.

    By index a clip is as at test: the middle of each segment, the centre square. `batches` gives
    training's clips by the recipe. `spans` are fractions of the video, `(0, 1)` for the whole.
    """

    files: list = field(repr=False)
    spans: list = field(repr=False)
    resolution: int
    segments: int = 16
    recipe: Recipe | None = None
    workers: int = 1

    def __len__(self):
        return len(self.files)

    def __getitem__(self, rows):
        with ThreadPoolExecutor(self.workers) as pool:
            return torch.stack(list(pool.map(self.at_test, range(len(self))[rows])))

    def batches(self, chunks, key):
        """Yield the clips of each chunk of rows, uint8 `(B, T, 3, R, R)`, decoded two chunks ahead."""
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
        frames = self._frames(row, "middle", None)
        height, width = frames.shape[-2:]
        side = min(height, width)
        side = round(side * 224 / 256) if self.resolution == 224 else side
        top, left = (height - side) // 2, (width - side) // 2
        return self._resized(frames[..., top:top + side, left:left + side], "bicubic")

    def in_training(self, row, key):
        """Clip `row` by the recipe; `key`, e.g. (seed, epoch), seeds what is drawn."""
        draw = np.random.default_rng([*key, row])
        frames = self._frames(row, self.recipe.where, int(draw.integers(2**32)))
        crop = sized_crop if self.recipe.crop == "sized" else scaled_crop
        top, left, height, width = crop(draw, *frames.shape[-2:])
        clip = self._resized(frames[..., top:top + height, left:left + width], "bilinear")
        if draw.random() < 0.5:
            clip = clip.flip(-1)
        if draw.random() < self.recipe.jitter:
            clip = jittered(draw, clip)
        if draw.random() < self.recipe.grey:
            clip = grey(clip.float()).round().byte().expand_as(clip)
        return clip.contiguous()

    def _frames(self, row, where, seed):
        frames = decode.sample(self.files[row], self.segments, where=where, seed=seed,
                              span=self.spans[row])
        return rearrange(torch.from_numpy(np.ascontiguousarray(frames)), "t h w c -> t c h w")

    def _resized(self, frames, mode):
        frames = F.interpolate(frames.float(), (self.resolution, self.resolution), mode=mode,
                               antialias=True)
        return frames.clamp(0, 255).round().byte()


def sized_crop(draw, height, width):
    """A box of random area and shape, `(top, left, height, width)`; the centre square at need."""
    for _ in range(10):
        area, shape = draw.uniform(0.08, 1) * height * width, draw.uniform(3 / 4, 4 / 3)
        sides = round(sqrt(area * shape)), round(sqrt(area / shape))
        h, w = sides if draw.random() < 0.5 else sides[::-1]
        if 0 < h <= height and 0 < w <= width:
            return int(draw.integers(height - h + 1)), int(draw.integers(width - w + 1)), h, w
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side


def scaled_crop(draw, height, width):
    """A box of near-square shape at a corner, a side's middle, the centre or between."""
    scales, side = (1, 0.875, 0.75, 0.66), min(height, width)
    pairs = [(int(side * a), int(side * b)) for i, a in enumerate(scales)
             for j, b in enumerate(scales) if abs(i - j) <= 1]
    h, w = pairs[draw.integers(len(pairs))]
    places = [(a, b) for a in range(5) for b in range(5) if (a % 2, b % 2) in ((0, 0), (1, 1))]
    down, across = places[draw.integers(len(places))]
    return down * ((height - h) // 4), across * ((width - w) // 4), h, w


def grey(clip):
    """Brightness, `(..., 3, H, W)` -> `(..., 1, H, W)`."""
    return einsum(clip, clip.new_tensor(LUMA), "... c h w, c -> ... h w").unsqueeze(-3)


def jittered(draw, clip):
    """Brightness, contrast, saturation and hue changed, frame by frame, in that order."""
    def factor(most):
        return torch.as_tensor(draw.uniform(1 - most, 1 + most, (len(clip), 1, 1, 1))).float()

    clip = (clip.float() * factor(0.4)).clamp(0, 255)
    for most, towards in ((0.4, lambda c: reduce(grey(c), "t c h w -> t c 1 1", "mean")), (0.2, grey)):
        centre = towards(clip)
        clip = (centre + factor(most) * (clip - centre)).clamp(0, 255)
    turns = torch.eye(3).repeat(len(clip), 1, 1)
    angle = torch.as_tensor(2 * pi * draw.uniform(-0.1, 0.1, len(clip))).float()
    turns[:, 1, 1] = turns[:, 2, 2] = angle.cos()
    turns[:, 2, 1] = angle.sin()
    turns[:, 1, 2] = -angle.sin()
    matrix = torch.linalg.inv(YIQ) @ turns @ YIQ
    return einsum(matrix, clip, "t o c, t c h w -> t o h w").clamp(0, 255).round().byte()


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
        raise StudyError(f"{dataset.folder}: {len(absent)} videos of {split} are missing, the first "
                         f"is {absent[0]}: add them to its videos, or take them out of videos.csv")
    clips = Clips([dataset.files[i] for i in ids], spans, resolution, segments,
                  RECIPES.get(recipe), workers or cores())
    return clips, targets, ids


def instances(dataset, split="train"):
    """BIKE's way to train on videos of many actions: an instance an interval, with its one label.

    Returns video ids, spans as fractions of the video, and one-hot targets `(N, C)`. Raises
    StudyError where the dataset has no intervals.
    """
    if dataset.segments is None:
        raise StudyError(f"{dataset.folder}: instances are cut by segments.csv, which is absent: add "
                         "it, or train on whole videos")
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
