"""TransMIL (Shao et al., NeurIPS 2021): Nystrom attention to a class token, places by convolution.

The attention is that of the package `nystrom-attention`, which the authors' code takes as well. Its
pseudo-inverse begins at the batch's largest sum: an answer moves by 1e-5 with the other videos.
"""

from importlib import import_module
from math import ceil, sqrt

import torch
from einops import rearrange
from torch import nn

from tfe.backbones.pooling import EmbeddedMeanPool
from tfe.errors import StudyError

HEADS = 8


class System(EmbeddedMeanPool):
    """TransMIL on embedded features. Segments are laid out as a square there, and so here.

    Raises StudyError where the package is not installed, or `dim` is no multiple of 8.
    """

    def make_approximator(self):
        return Transformer(self.num_classes, self.dim)


class Transformer(nn.Module):
    """z `(B, T, d)` -> logits `(B, C)`, the class token's last attention, all classes' alike."""

    def __init__(self, num_classes, dim):
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, dim))
        self.first, self.last = _attention(dim), _attention(dim)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3))
        self.places = nn.ModuleList(nn.Conv2d(dim, dim, size, padding=size // 2, groups=dim)
                                    for size in (7, 5, 3))
        self.linear = nn.Linear(dim, num_classes)

    def forward(self, z, context=None):
        length, side = z.shape[1], ceil(sqrt(z.shape[1]))
        square = torch.cat((z, z[:, :side**2 - length]), dim=1)  # the first ones fill it
        x = torch.cat((self.token.expand(len(z), -1, -1), square), dim=1)
        x = x + self.first(self.norms[0](x))
        grid = rearrange(x[:, 1:], "b (h w) d -> b d h w", h=side)
        grid = grid + sum(place(grid) for place in self.places)
        x = torch.cat((x[:, :1], rearrange(grid, "b d h w -> b (h w) d")), dim=1)
        more, attention = self.last(self.norms[1](x), return_attn=True)
        logits = self.linear(self.norms[2](x + more)[:, 0])
        tokens = attention.mean(1)[:, -x.shape[1]:, -x.shape[1]:]  # the package pads in front
        weights = tokens[:, 0, 1:length + 1]
        return logits, weights.unsqueeze(1).expand(-1, logits.shape[1], -1)


def _attention(dim):
    if dim % HEADS:
        raise StudyError(f"dim {dim} is no multiple of TransMIL's {HEADS} heads: choose one that is")
    try:
        package = import_module("nystrom_attention")
    except ImportError:
        raise StudyError("TransMIL takes the package nystrom-attention: `pip install "
                         "nystrom-attention`, or leave the method out") from None
    return package.NystromAttention(dim=dim, dim_head=dim // HEADS, heads=HEADS, dropout=0.1,
                                    num_landmarks=dim // 2, pinv_iterations=6, residual=True)
