"""The systems of Table 4 as modules without weights, so that their operations can be counted."""

import torch
from einops import einsum
from torch import nn

from tfe import cost
from tfe.backbones.bike import Block
from tfe.disentangler import Disentangler
from tfe.ledger import CLASSES, SEGMENTS, WORDS

MODELS = {
    "clip-b16": dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
                     num_attention_heads=12, patch_size=16, image_size=224),
    "clip-l14": dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24,
                     num_attention_heads=16, patch_size=14, image_size=336, projection_dim=768),
}


def measure(row):
    """`(parameters, FLOPs)` of a row of Table 4, counted part by part on the meta device."""
    name, _, tfe = row.partition("+")
    with torch.device("meta"):
        counts = [cost.count(module, *inputs) for module, *inputs in PARTS[name](bool(tfe))]
    return tuple(map(sum, zip(*counts)))


def bike(tfe):
    """Yield `(module, inputs)` of BIKE at full size."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    x = torch.empty(1, SEGMENTS, 768)
    yield CLIPVisionModelWithProjection(CLIPVisionConfig(**MODELS["clip-l14"])), frames(336)
    yield Held(WORDS, 768), x
    yield (disentangler(768, 12) if tfe else stack(6)), x
    for _ in range(2 if tfe else 1):
        yield ConceptSpotting(), x, torch.empty(CLASSES, WORDS, 768), torch.empty(CLASSES, 768)


def msqnet(tfe):
    """Yield `(module, inputs)` of MSQNet at full size."""
    from transformers import (CLIPVisionConfig, CLIPVisionModel, TimesformerConfig,
                              TimesformerModel)

    x, queries = torch.empty(1, SEGMENTS, 512), torch.empty(1, CLASSES, 512)
    yield TimesformerModel(TimesformerConfig(num_frames=SEGMENTS)), frames(224).unsqueeze(0)
    yield CLIPVisionModel(CLIPVisionConfig(**MODELS["clip-b16"])), frames(224)
    yield nn.Linear(768, 512, bias=False), torch.empty(1, SEGMENTS, 768)
    yield nn.Linear(512 + 768, 512, bias=False), torch.empty(1, CLASSES, 512 + 768)
    yield Held(CLASSES, 512), queries
    whole = nn.Transformer(512, batch_first=True, num_encoder_layers=5 if tfe else 6,
                           num_decoder_layers=1 if tfe else 6)
    yield whole.encoder, x
    if tfe:
        yield disentangler(512, 8), x
    for _ in range(2 if tfe else 1):
        yield whole.decoder, queries, x
        yield Held(CLASSES, 512 + 1), queries  # one weight vector and offset a class


PARTS = {"BIKE": bike, "MSQNet": msqnet}


def frames(side):
    """The 16 frames of one video."""
    return torch.empty(SEGMENTS, 3, side, side)


def stack(blocks):
    """BIKE's temporal blocks, one after the other."""
    return nn.Sequential(*(Block(768, 12) for _ in range(blocks)))


def disentangler(dim, heads):
    """D at its defaults, but for the mask: a hard one looks at values, and meta tensors have none.

    Ranking the segments is no matrix product, so that the count is the same.
    """
    return Disentangler(dim, heads, k=4, test_mask="soft")


class Held(nn.Module):
    """Parameters without a matrix product: they are added, or multiplied element by element."""

    def __init__(self, *shape):
        super().__init__()
        self.values = nn.Parameter(torch.empty(*shape))

    def forward(self, x):
        return x


class ConceptSpotting(nn.Module):
    """BIKE's approximator at full size: 77 words a class weigh the segments."""

    def forward(self, segments, words, classes):
        likeness = einsum(words, segments, "c w d, b t d -> b c w t")
        attention = likeness.softmax(dim=-1).mean(dim=2)
        spotted = einsum(attention, segments, "b c t, b t d -> b c d")
        return einsum(spotted, classes, "b c d, c d -> b c")
