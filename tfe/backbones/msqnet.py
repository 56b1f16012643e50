"""MSQNet (Mondal et al. 2023): class queries, guided by the video, read a Transformer encoder."""

from math import log

import torch
from einops import einsum, rearrange, repeat
from torch import nn
from torch.nn import functional as F

from tfe.backbones import Backbone, FeatureEmbedding, towers

PRESETS = {"small": dict(feature_dim=1280, dim=128, heads=4, encoder_layers=2, decoder_layers=2),
           "paper": dict(tower="timesformer-b16", guide="clip-b16", dim=512, heads=8,
                         encoder_layers=6, decoder_layers=6),
           "narrow": dict(tower="timesformer-narrow", guide="clip-narrow", dim=64, heads=8,
                          encoder_layers=6, decoder_layers=6)}
# Below TFE all encoder layers but the last stay, and one decoder layer serves each approximator:
# at full size this is the reading that gives the printed 12 -> 7 layers (5 + 1 + 1).
SHALLOW = {"small": dict(encoder_layers=1, decoder_layers=1),
           **{preset: dict(encoder_layers=5, decoder_layers=1) for preset in ("paper", "narrow")}}


class System(Backbone):
    """MSQNet: encoder over segments, decoder from class queries, group-wise linear head.

    x is `(B, T, d + g)`: the embeddings, and behind them the guide, which nobody trains. In the
    small preset the class queries are learnt, and the guide is the stored features, normalised.
    With a `tower` what comes in is frames `(B, T, 3, R, R)`, 0 to 255, or, where `feature_dim` is
    given, what the tower and the frozen CLIP guide make of them, side by side; one set of queries,
    random until `set_text` makes it CLIP's text, serves every approximator.
    """

    prompt = "{}"  # the class name alone

    def __init__(self, num_classes, *, feature_dim=None, dim, heads, encoder_layers, decoder_layers,
                 task="multilabel", dropout=0.1, tower=None, guide=None, **encoder):
        super().__init__(num_classes, dim, task)
        self.embed = (GuidedEmbedding(dim, tower, guide, feature_dim, **encoder) if tower else
                      GuidedFeatures(feature_dim, dim, **encoder))  # it has none: refused
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(dim, heads, 4 * dim, dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, encoder_layers, nn.LayerNorm(dim),
                                             enable_nested_tensor=False)  # nothing is padded
        self.decoder = dict(heads=heads, layers=decoder_layers, dropout=dropout)
        self.tower = tower
        if tower:
            self.queries = nn.Parameter(torch.randn(num_classes, dim))
            self.join = nn.Linear(dim + self.embed.guide_dim, dim, bias=False)

    def make_approximator(self):
        guide_dim = 0 if self.tower else self.embed.guide_dim  # a tower's queries are joined here
        return QueryDecoder(self.num_classes, self.dim, guide_dim=guide_dim, **self.decoder)

    def temporal(self, x, positions=None):
        x = x[..., :self.dim]  # what lies behind is the guide, for `context`
        positions = torch.arange(x.shape[1], device=x.device) if positions is None else positions
        return self.encoder(self.dropout(x + sinusoids(positions, self.dim).to(x)))

    def context(self, x):
        guide = x[..., self.dim:].mean(dim=1)
        if not self.tower:
            return guide
        queries = repeat(self.queries, "c d -> b c d", b=len(guide))
        guide = repeat(guide, "b g -> b c g", c=self.num_classes)
        return self.join(torch.cat([queries, guide], dim=-1))

    def set_text(self, text):
        """Begin the queries at the pooled class embeddings of a `weights.Text`."""
        self.queries.data.copy_(text.pooled)  # a start, not a training step: outside the graph


class GuidedFeatures(FeatureEmbedding):
    """Stored features `(B, T, g)` to `(B, T, d + g)`: segments, and behind them the guide."""

    def __init__(self, feature_dim, dim):
        super().__init__(feature_dim, dim)
        self.guide_dim = feature_dim

    def forward(self, features):
        guide = F.layer_norm(features, features.shape[-1:])
        return torch.cat([super().forward(features), guide], dim=-1)


class GuidedEmbedding(nn.Module):
    """Frames, or stored `(B, T, w + g)`, to `(B, T, d + g)`: segments, and the guide behind.

    The guide, CLIP's image encoder before its projection, is never trained.
    """

    def __init__(self, dim, tower, guide, feature_dim, *, precision="fp32", **options):
        super().__init__()
        width, self.guide_dim = (size["hidden_size"] for size in (
            {"hidden_size": 768} | towers.TIMESFORMER[tower], towers.CLIP[guide]))  # 768: default
        if feature_dim is None:
            self.video = towers.TimesformerTower(tower, precision=precision, **options)
            self.guide = towers.ClipTower(guide, projected=False, tune="head", precision=precision)
        else:
            self.video = towers.Stored(feature_dim, width + self.guide_dim)
            self.guide = None
        self.linear = nn.Linear(width, dim, bias=False)

    def forward(self, frames):
        both = self.video(frames)
        if self.guide is not None:
            both = torch.cat([both, self.guide(frames)], dim=-1)
        width = self.linear.in_features
        return torch.cat([self.linear(both[..., :width]), both[..., width:]], dim=-1)


class QueryDecoder(nn.Module):
    """Class queries joined with the guide, decoded against segments; one weight vector per class.

    z `(B, T, d)`, guide `(B, g)` (or, at `guide_dim` 0, the joined queries `(B, C, d)`) -> logits
    `(B, C)`, last cross-attention `(B, C, T)`.
    """

    def __init__(self, num_classes, dim, heads, layers, dropout, guide_dim):
        super().__init__()
        self.guide_dim = guide_dim
        if guide_dim:
            self.queries = nn.Parameter(torch.randn(num_classes, dim))
            self.join = nn.Linear(dim + guide_dim, dim, bias=False)
        layer = AttendingDecoderLayer(dim, heads, 4 * dim, dropout, batch_first=True)
        self.decoder = nn.TransformerDecoder(layer, layers, nn.LayerNorm(dim))
        self.weight = nn.Parameter(torch.randn(num_classes, dim) / dim**0.5)  # logits of size 1
        self.bias = nn.Parameter(torch.zeros(num_classes))

    def forward(self, z, context):
        if self.guide_dim:  # joined in two summands: a guide of 1,280 numbers once a video
            of_query, of_guide = self.join.weight.split([z.shape[2], self.guide_dim], dim=1)
            of_guide = rearrange(F.linear(context, of_guide), "b d -> b 1 d")
            context = F.linear(self.queries, of_query) + of_guide
        decoded = self.decoder(context, z)
        logits = einsum(decoded, self.weight, "b c d, c d -> b c") + self.bias
        return logits, self.decoder.layers[-1].attention


class AttendingDecoderLayer(nn.TransformerDecoderLayer):
    """PyTorch's decoder layer, which also keeps its last cross-attention `(B, C, T)` at test."""

    attention = None

    def _mha_block(self, x, mem, attn_mask, key_padding_mask, is_causal=False):
        # Private in torch, but its one place to reach the weights; if it is renamed, attention
        # stays None. They are asked for only at test: asking switches the fused kernel off.
        x, self.attention = self.multihead_attn(x, mem, mem, need_weights=not self.training)
        return self.dropout2(x)


def sinusoids(positions, dim):
    """The position signal of the Transformer: positions `(..., T)` -> `(..., T, d)`."""
    rates = torch.exp(torch.arange(0, dim, 2, device=positions.device) * (-log(1e4) / dim))
    angles = einsum(positions.float(), rates, "... t, r -> ... t r")
    return rearrange([angles.sin(), angles.cos()], "two ... t r -> ... t (r two)")
