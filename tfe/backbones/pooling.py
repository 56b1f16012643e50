"""What a user would pick instead: no temporal layers, no adversary, one pooling of segments."""

from functools import partial

from einops import einsum
from torch import nn

from tfe.backbones import Backbone, FeatureEmbedding


class MeanPool(Backbone):
    """The mean over segments and one linear layer; its attention is class activation over time.

    k: the mean over each class's `k` strongest segments in place of all: top-k MIL.
    """

    def __init__(self, num_classes, *, feature_dim, k=None, task="multilabel"):
        super().__init__(num_classes, feature_dim, task)
        self.embed, self.k = nn.LayerNorm(feature_dim), k  # features of any scale learn alike

    def temporal(self, x, positions=None):
        return x  # no temporal layer: positions do not matter

    def context(self, x):
        return None

    def make_approximator(self):
        return ClassActivation(self.num_classes, self.dim, self.k)


class EmbeddedMeanPool(MeanPool):
    """Mean pooling of embeddings of a width of its own: the plainest place to build TFE into."""

    def __init__(self, num_classes, *, feature_dim, dim=128, task="multilabel"):
        super().__init__(num_classes, feature_dim=dim, task=task)
        self.embed = FeatureEmbedding(feature_dim, dim)


class ClassActivation(nn.Module):
    """z `(B, T, d)` -> logits of the mean `(B, C)`, each segment's share of them `(B, C, T)`."""

    def __init__(self, num_classes, dim, k=None):
        super().__init__()
        self.linear, self.k = nn.Linear(dim, num_classes), k

    def forward(self, z, context=None):
        activation = einsum(z, self.linear.weight, "b t d, c d -> b c t")
        read = activation
        if self.k:  # at test a segment may have been left out: fewer than k are all there is
            read = activation.topk(min(self.k, activation.shape[-1]), dim=-1).values
        return read.mean(-1) + self.linear.bias, activation  # the read-out: not the top k alone


POOLINGS = {"mean-pool": MeanPool, "topk-mil": partial(MeanPool, k=4)}
