"""I3D (Carreira and Zisserman 2017) for inference: Inception-v1 inflated to three dimensions.

The published checkpoint is a pickle of arrays; its batch norms are folded into the convolutions.
"""

import io

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from torch import nn

from data.files.pickles import ArrayUnpickler
from tfe.errors import StudyError

FRAMES = 8  # frames that the strides merge into one step of time
EPSILON = 1e-3  # of every batch norm
STEM = ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3")
POOLS = {"4b": (3, 2), "5b": (2, 2)}  # before a module: window and stride of a cubic max pool
MIXED = ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c")


def read_checkpoint(content):
    """The arrays in the bytes of a pickle, nested in dicts as they were.

    Raises StudyError where the pickle holds anything but arrays, or is none.
    """
    try:
        tree = ArrayUnpickler(io.BytesIO(content)).load()
    except Exception as error:  # a damaged pickle can fail in any way
        raise StudyError(f"the checkpoint is no pickle of arrays ({type(error).__name__}: {error}): "
                         "do not use this file, install it again") from None
    _check_arrays(tree)
    return tree


def _check_arrays(tree):
    for value in tree.values() if isinstance(tree, dict) else [tree]:
        if isinstance(value, dict):
            _check_arrays(value)
        elif not isinstance(value, np.ndarray) or value.dtype.kind != "f":
            raise StudyError(f"the checkpoint holds a {type(value).__name__} where an array of "
                             "floats should be: do not use this file")


def same(x, window, stride):
    """Pad `(B, C, T, H, W)` as TensorFlow's "same" does: the odd one goes behind."""
    pads = []
    for size, w, s in zip(x.shape[:1:-1], window[::-1], stride[::-1]):
        total = max((-(-size // s) - 1) * s + w - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads) if any(pads) else x


class Unit(nn.Module):
    """Convolution, batch norm without gain, ReLU; the first two as one convolution."""

    def __init__(self, convolution, norm, statistics, stride=1):
        super().__init__()
        gain = 1 / np.sqrt(statistics["var"].reshape(-1) + EPSILON)
        bias = norm["bias"] - statistics["mean"].reshape(-1) * gain
        kernel = rearrange(convolution["kernel"] * gain, "t h w i o -> o i t h w")
        self.weight = nn.Parameter(torch.tensor(kernel).contiguous(), requires_grad=False)
        self.bias = nn.Parameter(torch.tensor(bias), requires_grad=False)
        self.stride = (stride,) * 3

    def forward(self, x):
        x = same(x, self.weight.shape[2:], self.stride)
        return F.conv3d(x, self.weight, self.bias, self.stride).relu_()


class Mixed(nn.Module):
    """Four branches side by side: 1; 1 and 3; 1 and 3; a pool and 1."""

    def __init__(self, unit):
        super().__init__()
        self.one = unit("Branch_0/Conv3d_0a_1x1")
        self.threes = nn.ModuleList(
            nn.Sequential(unit(f"Branch_{n}/Conv3d_0a_1x1"), unit(f"Branch_{n}/Conv3d_0b_3x3"))
            for n in (1, 2))
        self.pooled = unit("Branch_3/Conv3d_0b_1x1")

    def forward(self, x):
        around = pool(x, (3, 3, 3), (1, 1, 1))
        return torch.cat([self.one(x), *(branch(x) for branch in self.threes),
                          self.pooled(around)], dim=1)


def pool(x, window, stride):
    """Max pooling with "same" padding; what is padded is 0, which no maximum after ReLU notices."""
    return F.max_pool3d(same(x, window, stride), window, stride)


class I3D(nn.Module):
    """Frames `(B * 8, 3, R, R)`, float, 0 to 255 -> one feature a segment of 8 frames, `(B, 1024)`.

    `tree` is the checkpoint as `read_checkpoint` gives it. Segments do not see each other.
    """

    def __init__(self, tree):
        super().__init__()
        parameters, statistics = tree["params"], tree["batch_stats"]

        def unit(name, inside=None, **options):
            p, s = ((parameters[inside], statistics[inside]) if inside else
                    (parameters, statistics))
            return Unit(p[name]["Conv_0"], p[name]["BatchNorm_0"], s[name]["BatchNorm_0"],
                        **options)

        self.stem = nn.ModuleList(unit(name, stride=1 + (name == STEM[0])) for name in STEM)
        self.mixed = nn.ModuleDict({
            name: Mixed(lambda branch, name=name: unit(branch, f"Mixed_{name}"))
            for name in MIXED})
        self.eval().requires_grad_(False)

    def forward(self, frames):
        clips = rearrange(frames, "(b f) c h w -> b c f h w", f=FRAMES)
        return reduce(self.maps(clips), "b c t h w -> b c", "mean")

    def maps(self, clips):
        """`(B, 3, F, R, R)`, 0 to 255 -> the last feature maps `(B, 1024, F/8, R/32, R/32)`."""
        first, reduced, wide = self.stem
        x = pool(first(clips / 127.5 - 1), (1, 3, 3), (1, 2, 2))
        x = pool(wide(reduced(x)), (1, 3, 3), (1, 2, 2))
        for name, module in self.mixed.items():
            if name in POOLS:
                window, stride = POOLS[name]
                x = pool(x, (window,) * 3, (stride,) * 3)
            x = module(x)
        return x
