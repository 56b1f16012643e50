"""Relaxed and hard k-hot masks: the Gumbel-softmax of Eq. (8).

The relaxation is that of L2X (Chen et al. 2018) and AIL (Liang et al. 2020), which the paper
cites: the element-wise maximum over k Gumbel-softmax draws, that is, k draws *with replacement*.
The mask's sampling noise is drawn here alone, from the caller's generator. Throughout, `k` is one
integer, or one integer per head for logits `(B, H, Q, T)`.
"""

import torch

from tfe.errors import StudyError


def relaxed_khot(logits, k, tau, generator=None):
    """Draw a relaxed k-hot mask over the last axis, Eq. (8).

        m = max_{j=1..k} softmax((logits + g_j) / tau),    g_j ~ Gumbel(0, 1)

    logits `(..., T)` -> m `(..., T)` in [0, 1], differentiable in the logits. The row sum lies
    between 1 and k: draws repeat, and a soft draw spreads. Raises StudyError unless 0 < k <= T
    and tau > 0.
    """
    counts = _counts(logits, k)
    if not tau > 0:
        raise StudyError(f"tau is {tau}: choose a temperature above 0")
    draws = int(counts.max())  # all heads draw the most, in one call
    # Half precision would round the noise, and the top of a softmax with it.
    dtype = torch.promote_types(logits.dtype, torch.float32)
    # -log of a standard exponential is a standard Gumbel variable.
    noise = torch.empty(draws, *logits.shape, dtype=dtype, device=logits.device)
    gumbel = -noise.exponential_(generator=generator).log()
    masks = ((logits + gumbel) / tau).softmax(dim=-1)
    if counts.numel() > 1:  # a head with fewer draws ignores the rest
        spare = torch.arange(draws, device=logits.device).view(-1, 1, 1, 1) >= counts
        masks = masks.masked_fill(spare.unsqueeze(1), 0)  # 0 never wins the maximum
    return masks.amax(dim=0)  # the max over j; the gradient goes to the draw that won


def hard_khot(logits, k):
    """The k largest logits of each row as ones: exactly k, ties to the earlier segment.

    logits `(..., T)` -> mask `(..., T)` of zeros and ones; no gradient. The mask that L2X and AIL
    use at test time. Raises StudyError unless 0 < k <= T.
    """
    counts = _counts(logits, k)
    order = logits.argsort(dim=-1, descending=True, stable=True)  # else ties differ by device
    first = torch.arange(logits.shape[-1], device=logits.device) < counts
    return torch.zeros_like(logits).scatter_(-1, order, first.expand_as(logits).to(logits.dtype))


def fixed_khot(logits, k, kind):
    """The mask at test: "hard" (`hard_khot`) or "expected" (`inclusion`)."""
    # A segment may have been left out: a k above what is left keeps all of it.
    k = torch.as_tensor(k).clamp(max=logits.shape[-1])
    return hard_khot(logits, k) if kind == "hard" else inclusion(logits, k)


def inclusion(logits, k):
    """The probability that k draws with replacement pick a segment: 1 - (1 - p)^k, p = softmax.

    The mean of the mask as tau -> 0. logits `(..., T)` -> `(..., T)`.
    """
    return 1 - (1 - logits.softmax(dim=-1)).pow(_counts(logits, k))


def _counts(logits, k):
    """k as a tensor that broadcasts against logits: one number, or `(H, 1, 1)`."""
    counts = torch.as_tensor(k, device=logits.device)
    segments = logits.shape[-1]
    if counts.is_floating_point() or counts.min() < 1 or counts.max() > segments:
        raise StudyError(f"k is {k} for T = {segments} segments: choose whole numbers 1 <= k <= T")
    if counts.ndim and (logits.ndim < 3 or len(counts) != logits.shape[-3]):
        raise StudyError(f"k has {len(counts)} entries: give one, or one a head")
    return counts.view(-1, 1, 1) if counts.ndim else counts
