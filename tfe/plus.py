"""TFE with one k-hot mask per class over the T segments, instead of a T x T mask per head.

The mask *is* an attention over time (one query), z_S holds the masked segments alone (no residual),
each label is read from its own mask, and the adversary is bounded. Else it is Eqs. (7), (8), (12).
"""

import torch
from einops import einsum, rearrange
from torch import nn

from tfe.errors import StudyError
from tfe.khot import fixed_khot, relaxed_khot


class ClasswiseDisentanglement(nn.Module):
    """x `(B, T, d)` -> z_S, z_N `(B, C, d)`, means of the segments in and out of each class's mask.

    The mask m `(B, C, 1, T)` is Eq. (8) with the scores of gated attention (Ilse et al. 2018) in place of
    Eq. (9): one row per class. At test (`test_mask`) it is "expected", the inclusion probability of the
    sampler, which a hard mask would only round, or "hard". `repeats`: a segment counts in z_S as often as
    the mask's k draws pick it; at test that is, on average, gated attention itself, whatever k.
    """

    def __init__(self, dim, classes, k, tau=0.5, *, test_mask="expected", repeats=False):
        super().__init__()
        if repeats and k not in range(1, 4097):
            raise StudyError(f"k is {k}: repeats are of whole draws, 1 or more")
        self.k, self.tau, self.test_mask, self.repeats = k, tau, test_mask, repeats
        self.value, self.gate = nn.Linear(dim, dim // 2), nn.Linear(dim, dim // 2)
        self.score = nn.Linear(dim // 2, classes)

    def logits(self, x):
        """Scores of the segments for each class: `(B, T, d)` -> `(B, C, T)`."""
        return rearrange(self.score(torch.tanh(self.value(x)) * self.gate(x).sigmoid()), "b t c -> b c t")

    def mask(self, logits, generator=None):
        """The mask, and the weights of the segments in z_S, `(B, C, T)` each."""
        if self.training and self.repeats:
            draws = relaxed_khot(logits.expand(self.k, *logits.shape), 1, self.tau, generator)
            return draws.amax(dim=0), draws.mean(dim=0)
        m = (relaxed_khot(logits, self.k, self.tau, generator) if self.training else
             fixed_khot(logits, self.k, self.test_mask))
        return m, logits.softmax(dim=-1) if self.repeats else m

    def forward(self, x, generator=None, both=True):
        m, weights = self.mask(self.logits(x), generator)
        return self._mean(weights, x), self._mean(1 - m, x) if both else None, m.unsqueeze(2)

    def _mean(self, m, x):
        weights = m / m.sum(-1, keepdim=True).clamp_min(1e-6)  # k = T leaves no complement
        return einsum(weights, x, "b c t, b t d -> b c d")

    def saliency(self, x):
        """The read-out of the masks, `(B, T)`: softmax of the scores, mean over the classes."""
        return self.logits(x).softmax(dim=-1).mean(dim=1)  # before the mask: k-hot rows are ties


class OwnRow(nn.Module):
    """Each class read from its own row: z `(B, C, d)` -> logits `(B, C)`; it attends to nothing."""

    def __init__(self, classes, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, dim) / dim**0.5)  # logits as large as z
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, z, context=None):
        return einsum(z, self.weight, "b c d, c d -> b c") + self.bias, None
