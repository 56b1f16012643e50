"""What a user would pick instead, on the same features: no attention is learnt over time."""

from einops import einsum
from torch import nn

from tfe.backbones import Backbone


class MeanPool(Backbone):
    """The mean over segments and one linear layer; its attention is class activation over time."""

    def __init__(self, num_classes, *, feature_dim, task="multilabel"):
        super().__init__(num_classes, feature_dim, task)
        self.embed = nn.LayerNorm(feature_dim)

    def temporal(self, x, positions=None):
        return x

    def context(self, x):
        return None

    def make_approximator(self):
        return ClassActivation(self.num_classes, self.dim)


class ClassActivation(nn.Module):
    """z `(B, T, d)` -> logits of the mean `(B, C)`, each segment's share of them `(B, C, T)`."""

    def __init__(self, num_classes, dim):
        super().__init__()
        self.linear = nn.Linear(dim, num_classes)

    def forward(self, z, context=None):
        activation = einsum(z, self.linear.weight, "b t d, c d -> b c t")
        return activation.mean(-1) + self.linear.bias, activation
