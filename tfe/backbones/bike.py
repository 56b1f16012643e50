"""BIKE (Wu et al. 2023): a temporal Transformer, and concept spotting by class embeddings."""

from math import log

import torch
from einops import einsum
from torch import nn
from torch.nn import functional as F

from tfe.backbones import Backbone, FeatureEmbedding

PRESETS = {"small": dict(feature_dim=1280, dim=128, heads=4, blocks=2)}
# Below TFE no block stays: the disentangler and the approximator are the 2 layers of Table 4.
SHALLOW = {"small": dict(blocks=0, adapter=True)}


class System(Backbone):
    """BIKE-style: position embedding, pre-norm blocks, outer residual; video concept spotting.

    In the small preset the class embeddings are learnt, one token a class. `adapter` gives each
    approximator a linear layer of its own, where the original has no weights to train.
    """

    def __init__(self, num_classes, *, feature_dim, dim, heads, blocks, adapter=False,
                 task="multilabel"):
        super().__init__(num_classes, dim, task)
        self.embed = FeatureEmbedding(feature_dim, dim)
        self.position = nn.Parameter(0.02 * torch.randn(77, dim))
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(blocks))
        self.adapter = adapter

    def make_approximator(self):
        return ConceptSpotting(self.num_classes, self.dim, self.adapter)

    def temporal(self, x, positions=None):
        place = self.position[:x.shape[1]] if positions is None else self.position[positions]
        h = x + place
        for block in self.blocks:
            h = block(h)
        return h + x if self.blocks else h

    def context(self, x):
        return None


class Block(nn.Module):
    """A pre-norm Transformer block with the sigmoid-weighted GELU of CLIP."""

    def __init__(self, dim, heads):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(dim, eps=1e-12), nn.LayerNorm(dim, eps=1e-12)
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.c_fc, self.c_proj = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x):
        h = self.ln_1(x)
        x = x + self.attn(h, h, h, need_weights=False)[0]
        h = self.c_fc(self.ln_2(x))
        return x + self.c_proj(h * (1.702 * h).sigmoid())


class ConceptSpotting(nn.Module):
    """Each class weighs the segments by likeness at a fixed temperature, and scores their sum.

    z `(B, T, d)` -> logits `(B, C)`, attention `(B, C, T)`. The offset is ours: a cosine cannot
    say "absent" of most of many labels.
    """

    TEMPERATURE = 0.01

    def __init__(self, num_classes, dim, adapter):
        super().__init__()
        self.adapter = nn.Linear(dim, dim) if adapter else nn.Identity()
        self.classes = nn.Parameter(0.02 * torch.randn(num_classes, dim))
        self.logit_scale = nn.Parameter(torch.tensor(log(1 / 0.07)))
        self.bias = nn.Parameter(torch.zeros(num_classes))

    def forward(self, z, context=None):
        segments, classes = F.normalize(self.adapter(z), dim=-1), F.normalize(self.classes, dim=-1)
        likeness = einsum(classes, segments, "c d, b t d -> b c t")
        attention = (likeness / self.TEMPERATURE).softmax(dim=-1)
        # The weighted sum of unit segment vectors, dotted with the class, is the weighted likeness.
        spotted = einsum(attention, likeness, "b c t, b c t -> b c")
        return self.logit_scale.exp() * spotted + self.bias, attention
