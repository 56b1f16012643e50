"""DSMIL (Li et al., CVPR 2021): each class's strongest segment asks which others resemble it.

Two streams. The first scores segments and keeps each class's largest score. The second weighs the
segments by their likeness to that one, and reads every class off all classes' weighted means.
"""

import torch
from einops import einsum, rearrange
from torch import nn

from tfe.backbones.pooling import EmbeddedMeanPool

QUERY = 128  # width of the published queries


class System(EmbeddedMeanPool):
    """DSMIL on embedded features. Its loss is the mean of the two streams' losses."""

    def make_approximator(self):
        return DualStream(self.num_classes, self.dim)

    def loss(self, logits, target, reduction="mean"):
        """As `Backbone.loss`; of the streams `(B, 2, C)` of training, their mean."""
        if logits.ndim == 2:
            return super().loss(logits, target, reduction)
        return sum(super(System, self).loss(stream, target, reduction)
                   for stream in logits.unbind(1)) / 2


class DualStream(nn.Module):
    """z `(B, T, d)` -> the streams' mean `(B, C)`, in training both `(B, 2, C)`; `(B, C, T)`."""

    def __init__(self, num_classes, dim):
        super().__init__()
        self.score = nn.Linear(dim, num_classes)
        self.query = nn.Sequential(nn.Linear(dim, QUERY), nn.ReLU(), nn.Linear(QUERY, QUERY),
                                   nn.Tanh())
        self.read = nn.Linear(num_classes * dim, num_classes)

    def forward(self, z, context=None):
        scores = self.score(z)
        strongest, which = scores.max(dim=1)
        queries = self.query(z)
        asked = queries.gather(1, which.unsqueeze(-1).expand(-1, -1, QUERY))  # (B, C, QUERY)
        likeness = einsum(asked, queries, "b c q, b t q -> b c t") / QUERY**0.5
        attention = likeness.softmax(dim=-1)
        means = einsum(attention, z, "b c t, b t d -> b c d")
        streams = torch.stack((strongest, self.read(rearrange(means, "b c d -> b (c d)"))), dim=1)
        return streams if self.training else streams.mean(1), attention
