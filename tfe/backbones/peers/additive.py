"""Additive pooling of MILLET (Early et al., ICLR 2024): attention scales a segment, then it votes.

Its attention is a sigmoid, one number a segment, so that segments do not compete; logits are means
over segments, so that each segment's share of a class is read off without an approximation.
"""

import torch
from torch import nn

from tfe.backbones.pooling import EmbeddedMeanPool

BASE = 10_000.0  # of the wave lengths of the sinusoidal places


class System(EmbeddedMeanPool):
    """MILLET's pooling on embedded features; sinusoidal places are added before it, then dropout.

    hidden: width of the attention's hidden layer, 8 as published.
    """

    def __init__(self, num_classes, *, hidden=8, dropout=0.1, **options):
        super().__init__(num_classes, **options)
        self.hidden, self.dropout = hidden, nn.Dropout(dropout)

    def temporal(self, x, positions=None):
        places = torch.arange(x.shape[1], device=x.device) if positions is None else positions
        return self.dropout(x + sinusoids(places, x.shape[-1]).to(x))

    def make_approximator(self):
        return Additive(self.num_classes, self.dim, self.hidden)


class Additive(nn.Module):
    """z `(B, T, d)` -> the mean over segments of W (a_t z_t) + b, `(B, C)`, and each one's share.

    The share is multiplied by a_t once more, as the published read-out does.
    """

    def __init__(self, num_classes, dim, hidden):
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(dim, hidden), nn.Tanh(), nn.Linear(hidden, 1),
                                  nn.Sigmoid())
        self.linear = nn.Linear(dim, num_classes)

    def mask(self, z):
        """a of each segment: `(B, T, d)` -> `(B, 1, T)` in 0..1."""
        return self.gate(z).mT

    def forward(self, z, context=None):
        attention = self.gate(z)
        votes = self.linear(attention * z).mT
        return votes.mean(-1), attention.mT * votes


def sinusoids(places, dim):
    """Places `(..., T)` -> sines and cosines in turn `(..., T, dim)`, as in the Transformer."""
    wave = BASE ** (-torch.arange(0, dim, 2, device=places.device) / dim)
    angle = places.unsqueeze(-1) * wave
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2)[..., :dim]
