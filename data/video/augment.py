"""What training does to a clip by chance: a crop, a mirror, colours; each from one generator."""

from dataclasses import dataclass
from math import pi, sqrt

import torch
from einops import einsum, reduce
from torch.nn import functional as F

LUMA = (0.299, 0.587, 0.114)
# Brightness and two axes of colour; hue turns the latter.
YIQ = torch.tensor([LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])


@dataclass(frozen=True)
class Recipe:
    """What training does to a clip: where in a segment the frame is taken, and the augmentations.

    crop: "sized" (8 to 100% of the area, sides 3:4 to 4:3) or "scaled" (a square of 1, .875, .75
    or .66 of the short side, or two neighbours of these, at one of 13 places). jitter: probability
    that brightness and contrast change by up to 40%, saturation by 20% and hue by a tenth of a
    turn, frame by frame. grey: probability that the clip loses its colour. Half are mirrored.
    """

    where: str
    crop: str
    jitter: float
    grey: float


RECIPES = {"bike": Recipe("random", "sized", 0.0, 0.2),
           "text4vis": Recipe("random", "sized", 0.0, 0.2),
           "msqnet": Recipe("middle", "scaled", 0.8, 0.2)}


def augmented(draw, frames, recipe, resolution):
    """Frames, uint8 `(T, 3, H, W)`, by the recipe and numpy's generator `draw`: `(T, 3, R, R)`.

    All frames of a clip share crop, mirror and loss of colour.
    """
    crop = sized_crop if recipe.crop == "sized" else scaled_crop
    clip = resized(frames, crop(draw, *frames.shape[-2:]), resolution, "bilinear")
    if draw.random() < 0.5:
        clip = clip.flip(-1)
    if draw.random() < recipe.jitter:
        clip = jittered(draw, clip)
    if draw.random() < recipe.grey:
        clip = grey(clip.float()).round().byte().expand_as(clip)
    return clip.contiguous()


def resized(frames, box, resolution, mode):
    """The box `(top, left, height, width)` of frames `(T, 3, H, W)`, as uint8 `(T, 3, R, R)`."""
    top, left, height, width = box
    frames = frames[..., top:top + height, left:left + width].float()
    frames = F.interpolate(frames, (resolution, resolution), mode=mode, antialias=True)
    return frames.clamp(0, 255).round().byte()


def centre(height, width, share=1):
    """The box of the centre square, whose side is that share of the short side."""
    side = round(min(height, width) * share)
    return (height - side) // 2, (width - side) // 2, side, side


def sized_crop(draw, height, width):
    """A box of random area and shape, `(top, left, height, width)`; the centre square at need."""
    for _ in range(10):
        area, shape = draw.uniform(0.08, 1) * height * width, draw.uniform(3 / 4, 4 / 3)
        sides = round(sqrt(area * shape)), round(sqrt(area / shape))
        h, w = sides if draw.random() < 0.5 else sides[::-1]
        if 0 < h <= height and 0 < w <= width:
            return int(draw.integers(height - h + 1)), int(draw.integers(width - w + 1)), h, w
    return centre(height, width)


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
    def even(clip):
        return reduce(grey(clip), "t c h w -> t c 1 1", "mean")

    for most, towards in ((0.4, even), (0.2, grey)):
        pale = towards(clip)
        clip = (pale + factor(most) * (clip - pale)).clamp(0, 255)
    turns = torch.eye(3).repeat(len(clip), 1, 1)
    angle = torch.as_tensor(2 * pi * draw.uniform(-0.1, 0.1, len(clip))).float()
    turns[:, 1, 1] = turns[:, 2, 2] = angle.cos()
    turns[:, 2, 1] = angle.sin()
    turns[:, 1, 2] = -angle.sin()
    matrix = torch.linalg.inv(YIQ) @ turns @ YIQ
    return einsum(matrix, clip, "t o c, t c h w -> t o h w").clamp(0, 255).round().byte()
