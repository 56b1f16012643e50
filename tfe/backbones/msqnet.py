"""MSQNet (Mondal et al. 2023): class queries, guided by the video, read a Transformer encoder."""

from math import log

import torch
from einops import einsum, rearrange, repeat
from torch import nn

from tfe.backbones import Backbone, FeatureEmbedding

PRESETS = {"small": dict(feature_dim=1280, dim=128, heads=4, encoder_layers=2, decoder_layers=2)}
# Below TFE all encoder layers but the last stay, and one decoder layer serves each approximator:
# at full size this is the reading that gives the printed 12 -> 7 layers (5 + 1 + 1).
SHALLOW = {"small": dict(encoder_layers=1, decoder_layers=1)}


class System(Backbone):
    """MSQNet-style: encoder over segments, decoder from class queries, group-wise linear head.

    In the small preset the class queries are learnt and the guide is the mean of x; the guide
    carries no gradient, as the frozen guide of the original carries none.
    """

    def __init__(self, num_classes, *, feature_dim, dim, heads, encoder_layers, decoder_layers,
                 task="multilabel", dropout=0.1):
        super().__init__(num_classes, dim, task)
        self.embed = FeatureEmbedding(feature_dim, dim)
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(dim, heads, 4 * dim, dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, encoder_layers, nn.LayerNorm(dim),
                                             enable_nested_tensor=False)
        self.decoder = dict(heads=heads, layers=decoder_layers, dropout=dropout)

    def make_approximator(self):
        return QueryDecoder(self.num_classes, self.dim, **self.decoder)

    def temporal(self, x, positions=None):
        if positions is None:
            positions = torch.arange(x.shape[1], device=x.device)
        return self.encoder(self.dropout(x + sinusoids(positions, self.dim).to(x)))

    def context(self, x):
        return x.mean(dim=1).detach()


class QueryDecoder(nn.Module):
    """Class queries joined with the guide, decoded against the segments, one weight vector a class.

    z `(B, T, d)`, guide `(B, d)` -> logits `(B, C)`, last cross-attention `(B, C, T)`.
    """

    def __init__(self, num_classes, dim, heads, layers, dropout):
        super().__init__()
        self.queries = nn.Parameter(torch.randn(num_classes, dim))
        self.join = nn.Linear(2 * dim, dim, bias=False)
        layer = AttendingDecoderLayer(dim, heads, 4 * dim, dropout, batch_first=True)
        self.decoder = nn.TransformerDecoder(layer, layers, nn.LayerNorm(dim))
        self.weight = nn.Parameter(torch.randn(num_classes, dim) / dim**0.5)
        self.bias = nn.Parameter(torch.zeros(num_classes))

    def forward(self, z, guide):
        queries = torch.cat([repeat(self.queries, "c d -> b c d", b=len(z)),
                             repeat(guide, "b d -> b c d", c=len(self.queries))], dim=-1)
        decoded = self.decoder(self.join(queries), z)
        logits = einsum(decoded, self.weight, "b c d, c d -> b c") + self.bias
        return logits, self.decoder.layers[-1].attention


class AttendingDecoderLayer(nn.TransformerDecoderLayer):
    """PyTorch's decoder layer, which also keeps its last cross-attention `(B, C, T)` at test."""

    attention = None

    def _mha_block(self, x, mem, attn_mask, key_padding_mask, is_causal=False):
        # Weights are asked for only at test, because asking switches the fused kernel off.
        x, self.attention = self.multihead_attn(x, mem, mem, need_weights=not self.training)
        return self.dropout2(x)


def sinusoids(positions, dim):
    """The position signal of the Transformer: positions `(..., T)` -> `(..., T, d)`."""
    rates = torch.exp(torch.arange(0, dim, 2, device=positions.device) * (-log(1e4) / dim))
    angles = einsum(positions.float(), rates, "... t, r -> ... t r")
    return rearrange([angles.sin(), angles.cos()], "two ... t r -> ... t (r two)")
