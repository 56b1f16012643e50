"""BIKE (Wu et al. 2023): a temporal Transformer, and concept spotting by class embeddings."""

from math import log

import torch
from einops import einsum
from torch import nn
from torch.nn import functional as F

from tfe.backbones import Backbone, FeatureEmbedding, towers
from tfe.errors import StudyError, one_of

PRESETS = {"small": dict(feature_dim=1280, dim=128, heads=4, blocks=2),
           "paper": dict(tower="clip-l14-336", dim=768, heads=12, blocks=6),
           "narrow": dict(tower="clip-narrow", dim=128, heads=2, blocks=6)}
# Below TFE no block stays: the disentangler and the approximator, which gets a layer of its own,
# are the 2 layers of Table 4.
SHALLOW = {preset: dict(blocks=0, adapter=True) for preset in PRESETS}
WORDS = 77  # text positions of CLIP, padding included


class System(Backbone):
    """BIKE: position embedding, pre-norm blocks, outer residual; video concept spotting.

    In the small preset the class embeddings are learnt, one token per class. With a `tower` they
    are those of CLIP's frozen text encoder (`set_text`; random until then). What comes in is frames
    `(B, T, 3, R, R)`, 0 to 255, or, where `feature_dim` is given, the tower's stored features.

    adapter: each approximator gets a linear layer of its own, where the original has no weights to
    train; with a tower it begins as the identity. spotting: "words" weighs segments by each word of
    a class, "mean" takes the mean segment (the original's "DP"). contrast: "classes" is the
    cross-entropy over all classes, "batch" the original's contrast within a batch.
    """

    prompt = "This is a video about {}"

    def __init__(self, num_classes, *, feature_dim=None, dim, heads, blocks, adapter=False,
                 task="multilabel", tower=None, spotting="words", contrast="classes", **encoder):
        super().__init__(num_classes, dim, task)
        one_of("spotting", spotting, ("words", "mean"))
        one_of("contrast", contrast, ("classes", "batch"))
        self.embed = (towers.clip(tower, feature_dim, **encoder) if tower else
                      FeatureEmbedding(feature_dim, dim, **encoder))  # it takes none: typos raise
        self.position = nn.Parameter(0.02 * torch.randn(77, dim))  # as in the original: T <= 77
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(blocks))
        self.adapter, self.tower = adapter, tower
        self.spotting, self.contrast = spotting, contrast
        self.separable = contrast == "classes"  # a contrast needs the whole batch at hand
        if tower:
            self.blocks.apply(_published_start)
            self.register_buffer("class_text", torch.randn(num_classes, dim))  # saved, not trained
            self.register_buffer("word_text", torch.randn(num_classes, WORDS, dim))

    def make_approximator(self):
        if not self.tower:
            return ConceptSpotting(self.num_classes, self.dim, self.adapter)
        return self._reading_text(MeanCosine if self.spotting == "mean" else WordSpotting)

    def _reading_text(self, kind):
        """An approximator that reads the class embeddings from the context."""
        # A softmax over the classes needs no offset.
        head = kind(self.num_classes, self.dim, self.adapter, learnt=False,
                    offset=self.task == "multilabel")
        if self.adapter:
            nn.init.eye_(head.adapter.weight)
            nn.init.zeros_(head.adapter.bias)  # so it starts as the original, which has none
        return head

    def temporal(self, x, positions=None):
        place = self.position[:x.shape[1]] if positions is None else self.position[positions]
        h = x + place
        for block in self.blocks:
            h = block(h)
        return h + x if self.blocks else h  # the outer residual: without blocks it would double x

    def context(self, x):
        return (self.class_text, self.word_text) if self.tower else None

    def set_text(self, text):
        """Take the class and word embeddings of a `weights.Text`."""
        for held, given in ((self.class_text, text.classes), (self.word_text, text.words)):
            held.copy_(given)  # in place: device and precision stay

    def loss(self, logits, target, reduction="mean"):
        # Against a prior `(C,)` there is no batch: an uninformed critic answers over classes.
        if self.contrast == "classes" or target.ndim == 1:
            return super().loss(logits, target, reduction)
        each = in_batch(logits, target)
        return each.mean() if reduction == "mean" else each


def in_batch(logits, target):
    """BIKE's loss: each video against the texts of its batch, and each text against the videos.

    logits `(B, C)`, target one-hot `(B, C)` -> `(B,)` nats. With p the softmax of 10 [same label]
    over the batch, it is the mean of KL(p || q) over both directions. Text is frozen, so that the
    texts of a batch are columns of the logits over classes. Raises StudyError unless one-hot.
    """
    if ((target != 0).sum(1) != 1).any():
        raise StudyError("contrast within a batch needs one label an instance: train on the "
                         "intervals (data.video.clips.instances), or set contrast to classes")
    pairs = logits[:, target.argmax(1)]  # video i against the text of video j: `(B, B)`
    p = (10 * (target @ target.T)).softmax(dim=1)
    both = [F.kl_div(each.log_softmax(dim=1), p, reduction="none").sum(1)
            for each in (pairs, pairs.T)]
    return (both[0] + both[1]) / 2


class Block(nn.Module):
    """A pre-norm Transformer block with the sigmoid-weighted GELU of CLIP."""

    def __init__(self, dim, heads):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(dim, eps=1e-12), nn.LayerNorm(dim, eps=1e-12)
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.c_fc, self.c_proj = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x):
        h = self.ln_1(x)
        x = x + self.attn(h, h, h, need_weights=False)[0]  # weights would cost the fused kernel
        h = self.c_fc(self.ln_2(x))
        return x + self.c_proj(h * (1.702 * h).sigmoid())


def _published_start(module):
    """How the original draws its head's linear maps."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


class ClassHead(nn.Module):
    """What every head that compares segments with class embeddings has; subclasses compare.

    adapter: a linear layer before. learnt: the class embeddings are parameters, else they come in
    the context as text: classes `(C, d)` and their words `(C, W, d)`. offset: a number per class on
    top, which is ours: a cosine cannot say "absent" of most of many labels.
    """

    TEMPERATURE = 0.01  # of the attention; fixed in the original

    def __init__(self, num_classes, dim, adapter, *, learnt=True, offset=True):
        super().__init__()
        self.adapter = nn.Linear(dim, dim) if adapter else nn.Identity()
        if learnt:
            self.classes = nn.Parameter(0.02 * torch.randn(num_classes, dim))
        self.logit_scale = nn.Parameter(torch.tensor(log(1 / 0.07)))  # CLIP's start; exp: above 0
        self.bias = nn.Parameter(torch.zeros(num_classes)) if offset else 0.0


class ConceptSpotting(ClassHead):
    """Each class weighs the segments by their cosines to it, and scores the weighted mean.

    z `(B, T, d)` -> logits `(B, C)`, attention `(B, C, T)`.
    """

    def forward(self, z, context=None):
        segments, classes = F.normalize(self.adapter(z), dim=-1), F.normalize(self.classes, dim=-1)
        likeness = einsum(classes, segments, "c d, b t d -> b c t")
        attention = (likeness / self.TEMPERATURE).softmax(dim=-1)
        # The weighted sum of unit segment vectors, dotted with the class, is the weighted likeness.
        spotted = einsum(attention, likeness, "b c t, b c t -> b c")
        return self.logit_scale.exp() * spotted + self.bias, attention


class WordSpotting(ClassHead):
    """As `ConceptSpotting`, but each word of a class's text weighs the segments.

    z `(B, T, d)`, context (classes, words) -> logits `(B, C)`, attention `(B, C, T)`, the mean over
    the words.
    """

    def forward(self, z, context):
        classes, words = (F.normalize(text, dim=-1) for text in context)
        segments = F.normalize(self.adapter(z), dim=-1)
        likeness = einsum(words, segments, "c w d, b t d -> b c w t")
        attention = (likeness / self.TEMPERATURE).softmax(dim=-1).mean(dim=2)
        spotted = einsum(attention, segments, "b c t, b t d -> b c d")
        spotted = einsum(spotted, classes, "b c d, c d -> b c")
        return self.logit_scale.exp() * spotted + self.bias, attention


class MeanCosine(ClassHead):
    """Cosine of the mean segment to each class embedding: Text4Vis's head.

    z `(B, T, d)` -> logits `(B, C)`, and, as nothing attends, each segment's share `(B, C, T)`.
    """

    def forward(self, z, context=None):
        z = self.adapter(z)
        length = z.mean(dim=1).norm(dim=-1).clamp_min(1e-12)  # a mean of 0 gives cosine 0, not nan
        classes = F.normalize(self.classes if context is None else context[0], dim=-1)
        # The mean commutes with the dot product: shares of the cosine, whose mean is the cosine.
        share = einsum(classes, z, 1 / length, "c d, b t d, b -> b c t")
        return self.logit_scale.exp() * share.mean(-1) + self.bias, share
