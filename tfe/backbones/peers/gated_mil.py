"""Gated attention MIL (Ilse et al. 2018): a learnt weight for each segment."""

import torch
from einops import einsum
from torch import nn

from tfe.backbones.pooling import EmbeddedMeanPool
from tfe.errors import one_of


class System(EmbeddedMeanPool):
    """A weight per segment, the weighted mean, then one linear layer.

    attention: "shared", one weight per segment, as printed there; "class", one per segment and
    class, which several labels in a video may need.
    """

    def __init__(self, num_classes, *, attention="shared", **options):
        super().__init__(num_classes, **options)
        one_of("attention", attention, ("shared", "class"))
        self.queries = num_classes if attention == "class" else 1

    def make_approximator(self):
        return GatedAttention(self.num_classes, self.dim, self.queries)


class GatedAttention(nn.Module):
    """a = softmax over t of w (tanh(V z_t) * sigmoid(U z_t)); the logits are those of sum a_t z_t.

    z `(B, T, d)` -> logits `(B, C)`, attention `(B, C, T)`. `queries` is 1 or C.
    """

    def __init__(self, num_classes, dim, queries):
        super().__init__()
        self.value, self.gate = nn.Linear(dim, dim // 2), nn.Linear(dim, dim // 2)
        self.score = nn.Linear(dim // 2, queries)
        self.linear = nn.Linear(dim, num_classes)

    def forward(self, z, context=None):
        scores = self.score(torch.tanh(self.value(z)) * self.gate(z).sigmoid())
        attention = scores.softmax(dim=1).mT.expand(-1, len(self.linear.weight), -1)
        activation = einsum(z, self.linear.weight, "b t d, c d -> b c t")
        return (attention * activation).sum(-1) + self.linear.bias, attention
