"""The published systems as lists of layers: what each costs, and what a counter by hooks sees.

Closed forms for one video of T = 16 segments, without the text tower. `cost.py` checks them against
a count of the operations themselves, and rebuilds Table 4 from the part that is seen.

A counter by hooks asks each module that it has a rule for what it did. It is blind to what does not
run as a module: parameters held directly, products of attention, `nn.MultiheadAttention`'s
projections, and subclasses it has no rule for. Which layers those are differs from code to code.
"""

from typing import NamedTuple

SEGMENTS = 16
CLASSES = 157  # of Charades
WORDS = 77  # text positions of CLIP, padding included


class Piece(NamedTuple):
    """Layers of one kind at one place: parameters and multiply-accumulates, in all and seen."""

    place: str  # "image encoder", "guide", "temporal head" or "TFE"
    kind: str  # "layers", "projections" (of attention) or "products" (of attention)
    params: int
    macs: int
    seen_params: int = 0
    seen_macs: int = 0

    def times(self, number):
        """The same piece `number` times."""
        return Piece(self.place, self.kind, *(number * value for value in self[2:]))


def linear(place, inputs, outputs, tokens, *, bias=True, seen=True, kind="layers"):
    """A linear map, or a convolution without overlap, of `tokens` vectors."""
    params, macs = inputs * outputs + bias * outputs, tokens * inputs * outputs
    return Piece(place, kind, params, macs, seen * params, seen * macs)


def norm(place, dim, tokens, *, seen=True):
    """LayerNorm: no matrix product; the counter's rule charges 4 an element."""
    return Piece(place, "layers", 2 * dim, 0, seen * 2 * dim, seen * 4 * tokens * dim)


def held(place, params):
    """Parameters that no module holds: positions, class tokens, queries."""
    return Piece(place, "layers", params, 0)


def products(place, dim, queries, keys, sequences=1, times=2):
    """Scores of queries against keys, and weighted sums of values."""
    return Piece(place, "products", 0, times * sequences * queries * keys * dim)


def attention(place, dim, queries, keys, sequences=1, *, seen):
    """Multi-head attention: four d x d projections and two products.

    The keys of each sequence are projected twice, its queries and outputs once each.
    """
    one = [linear(place, dim, dim, sequences * tokens, seen=seen, kind="projections")
           for tokens in (queries, keys, keys, queries)]
    return [*one, products(place, dim, queries, keys, sequences)]


def feed_forward(place, dim, tokens, *, seen=True):
    """The d-4d-d network of a Transformer layer."""
    return [linear(place, dim, 4 * dim, tokens, seen=seen),
            linear(place, 4 * dim, dim, tokens, seen=seen)]


def clip_tower(place, dim, layers, patch, side, *, seen):
    """CLIP's image tower over T frames; `seen`: attention and norms are seen beside the MLPs.

    OpenAI's code has `nn.MultiheadAttention` and a LayerNorm of its own (not seen); `transformers`
    has a linear module for each projection and the plain LayerNorm (seen).
    """
    patches = (side // patch) ** 2
    tokens = SEGMENTS * (patches + 1)
    layer = [*attention(place, dim, patches + 1, patches + 1, SEGMENTS, seen=seen),
             *feed_forward(place, dim, tokens), *[norm(place, dim, tokens, seen=seen)] * 2]
    return [linear(place, 3 * patch**2, dim, SEGMENTS * patches, bias=False),
            held(place, dim * (patches + 2)),  # positions, and the class token
            norm(place, dim, tokens, seen=seen), norm(place, dim, SEGMENTS, seen=seen),
            *(piece.times(layers) for piece in layer)]


def timesformer():
    """TimeSformer-B of `transformers`: attention over time, then over space, in each block."""
    place, dim, layers, patches, patch = "image encoder", 768, 12, 14**2, 16
    tokens, framed = SEGMENTS * patches, SEGMENTS * (patches + 1)  # without and with class tokens
    block = [*attention(place, dim, SEGMENTS, SEGMENTS, patches, seen=True),
             linear(place, dim, dim, tokens), norm(place, dim, tokens),
             *attention(place, dim, patches + 1, patches + 1, SEGMENTS, seen=True),
             norm(place, dim, framed),
             *feed_forward(place, dim, tokens + 1), norm(place, dim, tokens + 1)]
    return [linear(place, 3 * patch**2, dim, tokens),
            held(place, dim * (patches + 2 + SEGMENTS)),  # positions, class token, times
            *(piece.times(layers) for piece in block), norm(place, dim, tokens + 1)]


def disentangler(dim):
    """D of Eqs. (6)-(11): d/H heads, f_S and f_N the identity, f_DS and f_DN networks d-4d-d.

    Independent of H. The projections are taken as not seen; the networks have 16 d^2 weights.
    """
    project = linear("TFE", dim, dim, SEGMENTS, bias=False, seen=False, kind="projections")
    return [project.times(3), products("TFE", dim, SEGMENTS, SEGMENTS, times=3),
            *(piece.times(2) for piece in feed_forward("TFE", dim, SEGMENTS))]


def concept_spotting(place, dim):
    """BIKE's approximator: each word of each class against each segment; one weight, the scale.

    Then each class sums the segments by its weights, and takes a dot product with the sum.
    """
    return [products(place, dim, CLASSES * WORDS, SEGMENTS, times=1),
            products(place, dim, CLASSES, SEGMENTS + 1, times=1), held(place, 1)]


def group_linear(place, dim):
    """MSQNet's head: one weight vector and offset a class, held directly."""
    return Piece(place, "layers", CLASSES * (dim + 1), CLASSES * dim)


def bike(tfe=False):
    """BIKE, ViT-L/14 at 336 px: 6 temporal blocks; with TFE none of them, and D instead."""
    dim, place = 768, "temporal head"
    tower = [*clip_tower("image encoder", 1024, 24, 14, 336, seen=False),
             linear("image encoder", 1024, dim, SEGMENTS, bias=False, seen=False),
             held(place, WORDS * dim)]  # positions of segments: as many as CLIP has of words
    spot = concept_spotting(place, dim)
    if tfe:
        return [*tower, *disentangler(dim), *(piece.times(2) for piece in spot)]
    block = [*attention(place, dim, SEGMENTS, SEGMENTS, seen=False),
             *feed_forward(place, dim, SEGMENTS), *[norm(place, dim, SEGMENTS, seen=False)] * 2]
    return [*tower, *(piece.times(6) for piece in block), *spot]


def msqnet(tfe=False):
    """MSQNet: TimeSformer-B, CLIP-B/16 as guide, `nn.Transformer` of 6 + 6 layers, width 512.

    With TFE: 5 encoder layers, D, and one decoder layer for each of A_S and A_N, which share the
    queries; 5 rests on the printed 7 layers alone. No hook fires in the encoder: in evaluation it
    runs as one fused kernel.
    """
    dim, place = 512, "temporal head"
    encode = [*attention(place, dim, SEGMENTS, SEGMENTS, seen=False),
              *feed_forward(place, dim, SEGMENTS, seen=False),
              *[norm(place, dim, SEGMENTS, seen=False)] * 2]
    decode = [*attention(place, dim, CLASSES, CLASSES, seen=False),
              *attention(place, dim, CLASSES, SEGMENTS, seen=False),
              *feed_forward(place, dim, CLASSES), *[norm(place, dim, CLASSES)] * 3]
    heads, decoders = (2, 2) if tfe else (1, 6)
    pieces = [*timesformer(), *clip_tower("guide", 768, 12, 16, 224, seen=True),
              linear(place, 768, dim, SEGMENTS, bias=False),
              linear(place, dim + 768, dim, CLASSES, bias=False), held(place, CLASSES * dim),
              *(piece.times(5 if tfe else 6) for piece in encode),
              norm(place, dim, SEGMENTS, seen=False),
              *(piece.times(decoders) for piece in decode),
              norm(place, dim, CLASSES).times(heads),
              group_linear(place, dim).times(heads)]
    return pieces + (disentangler(dim) if tfe else [])
