"""EfficientNet-Lite0 as published: batch norms of their own, one frame at a time, plain layout."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from data.encoders import recipes
from data.encoders.efficientnet import EPSILON, STRIDE_TWO


class Same(nn.Module):
    """A convolution with TensorFlow's padding, and the batch norm behind it."""

    def __init__(self, state, convolution, norm, stride=1):
        super().__init__()
        self.weight, self.stride = state[f"{convolution}.weight"], stride
        self.groups = len(self.weight) if "depthwise" in convolution else 1
        self.norm = nn.BatchNorm2d(len(self.weight), eps=EPSILON)
        self.norm.load_state_dict({name.rsplit(".", 1)[1]: value for name, value in state.items()
                                   if name.startswith(f"{norm}.")})

    def forward(self, x):
        kernel, pads = self.weight.shape[-1], []
        for size in x.shape[:1:-1]:
            total = max((-(-size // self.stride) - 1) * self.stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return self.norm(F.conv2d(F.pad(x, pads), self.weight, None, self.stride, 0, 1, self.groups))


class Plain(nn.Module):
    """Frames `(N, 3, R, R)`, 0 to 255 -> pooled features `(N, 1280)`."""

    def __init__(self, state):
        super().__init__()
        self.stem, self.blocks = Same(state, "_conv_stem", "_bn0", 2), nn.ModuleList()
        for n in range(16):
            name, stride = f"_blocks.{n}", 2 if n in STRIDE_TWO else 1
            layers = []
            if f"{name}._expand_conv.weight" in state:
                layers += [Same(state, f"{name}._expand_conv", f"{name}._bn0"), nn.ReLU6()]
            layers += [Same(state, f"{name}._depthwise_conv", f"{name}._bn1", stride), nn.ReLU6(),
                       Same(state, f"{name}._project_conv", f"{name}._bn2")]
            self.blocks.append(nn.Sequential(*layers))
        self.head = Same(state, "_conv_head", "_bn1")
        self.eval().requires_grad_(False)

    def forward(self, frames):
        x = F.relu6(self.stem(frames / 127.5 - 1))
        for block in self.blocks:
            y = block(x)
            x = x + y if y.shape == x.shape else y
        return F.relu6(self.head(x)).mean((2, 3))


def frame_by_frame(network, frames, resolution):
    """Features `(N, 1280)` of uint8 frames `(N, H, W, 3)`."""
    with torch.inference_mode():
        return np.concatenate([network(recipes.prepare(frame[None], resolution).contiguous()).numpy()
                               for frame in frames])
