"""Text4Vis (Wu et al. 2024): BIKE's temporal Transformer, then the mean and a cosine to each class."""

from math import log

import torch
from einops import einsum
from torch import nn
from torch.nn import functional as F

from tfe.backbones import bike

PRESETS = bike.PRESETS
SHALLOW = bike.SHALLOW  # as for BIKE: below TFE no block stays
PROMPT = "a video of a person {}."


class System(bike.System):
    """Text4Vis: as BIKE below the approximator, which does not attend over time.

    Its loss is the cross-entropy over all classes; the text of a class is one embedding.
    """

    prompt = PROMPT

    def make_approximator(self):
        if not self.tower:
            return MeanCosine(self.num_classes, self.dim, self.adapter)
        return self._with_text(TextCosine)


class MeanCosine(nn.Module):
    """Cosine of the mean segment to each class embedding, at a learnt scale.

    z `(B, T, d)` -> logits `(B, C)`, attention `(B, C, T)`: what each segment adds to the cosine, as
    there is no attention. In the small preset the class embeddings are learnt. The offset is ours: a
    cosine cannot say "absent" of most of many labels.
    """

    def __init__(self, num_classes, dim, adapter, *, learnt=True, offset=True):
        super().__init__()
        self.adapter = nn.Linear(dim, dim) if adapter else nn.Identity()
        if learnt:
            self.classes = nn.Parameter(0.02 * torch.randn(num_classes, dim))
        self.logit_scale = nn.Parameter(torch.tensor(log(1 / 0.07)))
        self.bias = nn.Parameter(torch.zeros(num_classes)) if offset else 0.0

    def forward(self, z, context=None):
        z = self.adapter(z)
        length = z.mean(dim=1).norm(dim=-1).clamp_min(1e-12)
        classes = F.normalize(self.classes if context is None else context[0], dim=-1)
        # The mean commutes with the dot product: shares of the cosine, whose mean is the cosine.
        share = einsum(classes, z, 1 / length, "c d, b t d, b -> b c t")
        return self.logit_scale.exp() * share.mean(-1) + self.bias, share


class TextCosine(MeanCosine):
    """The same with the class embeddings of the context."""

    def __init__(self, num_classes, dim, adapter, *, offset):
        super().__init__(num_classes, dim, adapter, learnt=False, offset=offset)
