"""EfficientNet-Lite0 for inference, its batch norms folded into the convolutions."""

import torch
import torch.nn.functional as F
from einops import reduce
from torch import nn

EPSILON = 1e-3  # of every batch norm
STRIDE_TWO = {1, 3, 5, 11}  # blocks that halve the picture; all else is read off the weights


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding, where an odd pixel goes right and below."""

    def forward(self, x):
        pads = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size, self.stride):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        if pads[0] == pads[1] and pads[2] == pads[3]:  # the kernel pads faster than a copy does
            return F.conv2d(x, self.weight, self.bias, self.stride, (pads[2], pads[0]),
                            self.dilation, self.groups)
        return super().forward(F.pad(x, pads))


def folded(state, convolution, norm, stride=1):
    """A convolution and the batch norm behind it as one convolution with a bias."""
    weight, groups = state[f"{convolution}.weight"], 1
    if "depthwise" in convolution:
        groups = len(weight)
    outputs, inputs, kernel, _ = weight.shape
    gain = state[f"{norm}.weight"] * (state[f"{norm}.running_var"] + EPSILON).rsqrt()
    layer = SameConv(inputs * groups, outputs, kernel, stride, groups=groups)
    layer.weight.data = weight * gain[:, None, None, None]
    layer.bias.data = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain
    return layer


class Block(nn.Module):
    """Expand, filter each channel, project; with a shortcut where the shapes agree."""

    def __init__(self, state, number):
        super().__init__()
        name, stride = f"_blocks.{number}", 2 if number in STRIDE_TWO else 1
        layers = []
        if f"{name}._expand_conv.weight" in state:
            layers += [folded(state, f"{name}._expand_conv", f"{name}._bn0"), nn.ReLU6(True)]
        layers += [folded(state, f"{name}._depthwise_conv", f"{name}._bn1", stride),
                   nn.ReLU6(True), folded(state, f"{name}._project_conv", f"{name}._bn2")]
        self.layers = nn.Sequential(*layers)
        self.shortcut = stride == 1 and layers[0].in_channels == layers[-1].out_channels

    def forward(self, x):
        return x + self.layers(x) if self.shortcut else self.layers(x)


class EfficientNetLite0(nn.Module):
    """Frames `(N, 3, R, R)`, float, 0 to 255 -> the pooled features `(N, 1280)`.

    `state` is the state dictionary of the published checkpoint, with its batch norms.
    """

    def __init__(self, state):
        super().__init__()
        self.layers = nn.Sequential(
            folded(state, "_conv_stem", "_bn0", stride=2), nn.ReLU6(True),
            *(Block(state, number) for number in range(16)),
            folded(state, "_conv_head", "_bn1"), nn.ReLU6(True))
        self.to(memory_format=torch.channels_last).eval().requires_grad_(False)

    def forward(self, frames):
        return reduce(self.layers(frames / 127.5 - 1), "n c h w -> n c", "mean")
