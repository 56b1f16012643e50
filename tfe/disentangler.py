"""The disentangler D: segment embeddings x to salient z_S and non-salient z_N, Eqs. (6)-(11).

At the end stands what is left of it in Table 3, variants 1 to 3: two plain streams.
"""

from math import sqrt

import torch
from einops import einsum, rearrange, repeat
from torch import nn

from tfe.errors import StudyError, one_of
from tfe.khot import fixed_khot, relaxed_khot


class TemporalDisentanglement(nn.Module):
    """Split the segments by a k-hot temporal attention mask: Eqs. (8)-(11), all H heads at once.

    x `(B, T, d)` -> z_S, z_N `(B, H, T, c)` and the mask m `(B, H, Q, T)`, where a head is c = d/H
    wide ("narrow") or c = d ("full"), and Q = T query rows, or 1 where the query is shared.
    """

    def __init__(self, dim, heads, k, tau=0.5, *, tau_end=None, query="per_row", residual=True,
                 head_width="narrow", head_ratio=0, normalise="none", test_mask="hard"):
        super().__init__()
        one_of("query", query, ("per_row", "shared"))
        one_of("head_width", head_width, ("narrow", "full"))
        one_of("normalise", normalise, ("none", "count", "sum"))
        one_of("test_mask", test_mask, ("hard", "soft", "expected"))
        if head_width == "narrow" and dim % heads:
            raise StudyError(f"dim {dim} is no multiple of heads {heads}: choose one that is")
        self.heads, self.k = heads, k
        self.tau, self.tau_end = tau, tau if tau_end is None else tau_end
        if not min(self.tau, self.tau_end) > 0:
            raise StudyError(f"tau is {tau}, at the end {self.tau_end}: choose temperatures above 0")
        self.progress = 0.0  # the part of training that is over, as `training.fit` sets it
        self.query, self.residual = query, residual
        self.normalise, self.test_mask = normalise, test_mask
        self.width = dim // heads if head_width == "narrow" else dim
        inner = heads * self.width
        if query == "shared":
            self.shared_query = nn.Parameter(torch.randn(heads, 1, self.width))
        else:
            self.to_q = nn.Linear(dim, inner, bias=False)
        self.to_k = nn.Linear(dim, inner, bias=False)  # W_Q, W_K, W_V: matrices alone in the paper
        self.to_v = nn.Linear(dim, inner, bias=False)
        self.f_s = HeadwiseFeedForward(heads, self.width, head_ratio)
        self.f_n = HeadwiseFeedForward(heads, self.width, head_ratio)

    def logits(self, x):
        """Scaled scores of queries against segments, Eq. (9): `(B, T, d)` -> `(B, H, Q, T)`."""
        k = self._heads(self.to_k(x))
        if self.query == "shared":
            q = repeat(self.shared_query, "h q c -> b h q c", b=len(x))
        else:
            q = self._heads(self.to_q(x))
        return einsum(q, k, "b h q c, b h t c -> b h q t") / sqrt(self.width)

    def mask(self, logits, generator=None):
        """The k-hot mask of Eq. (8): relaxed and random in training, fixed at test."""
        if self.training:
            tau = self.tau * (self.tau_end / self.tau)**self.progress
            return relaxed_khot(logits, self.k, tau, generator)
        if self.test_mask == "soft":
            return (logits / self.tau_end).softmax(dim=-1)
        return fixed_khot(logits, self.k, self.test_mask)

    def forward(self, x, generator=None, both=True):
        m = self.mask(self.logits(x), generator)
        v = self._heads(self.to_v(x))
        rows = self._heads(x) if self.width * self.heads == x.shape[-1] else x.unsqueeze(1)
        chosen = torch.as_tensor(self.k, device=x.device).view(-1, 1, 1)  # per head, broadcasts
        z_s = self.f_s(self._attend(m, v, rows, chosen))  # Eq. (10)
        if not both:
            return z_s, None, m  # f_N would cost as much again
        return z_s, self.f_n(self._attend(1 - m, v, rows, x.shape[1] - chosen)), m  # Eq. (11)

    def _attend(self, m, v, rows, count):
        """m x W_V + x, the argument of f_S and f_N; a shared query's row serves all T rows.

        `count` is how many segments the mask stands for: k, or T - k for its complement.
        """
        if self.normalise == "sum":
            m = m / m.sum(-1, keepdim=True).clamp_min(1e-6)  # 1 - m may be 0 throughout
        elif self.normalise == "count":
            m = m / count.clamp_min(1)  # T - k may be 0, or less where one is left out
        attended = einsum(m, v, "b h q t, b h t c -> b h q c").expand_as(v)
        return attended + rows if self.residual else attended  # the + x of Eqs. (10), (11)

    def _heads(self, x):
        return rearrange(x, "b t (h c) -> b h t c", h=self.heads)


class HeadwiseFeedForward(nn.Module):
    """A feed-forward network of its own for every head, hidden width `ratio * width`.

    `(B, H, T, c)` -> the same shape. Ratio 0 is the identity.
    """

    def __init__(self, heads, width, ratio):
        super().__init__()
        self.ratio = ratio
        if ratio:
            self.w_in = nn.Parameter(torch.randn(heads, width, ratio * width) / sqrt(width))
            self.w_out = nn.Parameter(
                torch.randn(heads, ratio * width, width) / sqrt(ratio * width))

    def forward(self, z):
        if not self.ratio:
            return z
        hidden = einsum(z, self.w_in, "b h t c, h c e -> b h t e").relu()
        return einsum(hidden, self.w_out, "b h t e, h e c -> b h t c")


class Disentangler(nn.Module):
    """D of Eq. (6): z'_S = f_DS([z_S^1 .. z_S^H]) + x, and z'_N likewise.

    x `(B, T, d)` -> z_s, z_n `(B, T, d)`, mask `(B, H, Q, T)` with Q = T (`query="per_row"`,
    Eq. (8)) or 1 (`"shared"`).

    What the paper leaves open, with the defaults' reasons in `results/choices.csv`:
    `k` (an integer, or one per head), `tau` (and `tau_end`, to which it falls by a constant factor
    a step), `query`, `residual` (the `+ x` of Eqs. (6), (10), (11)), `head_width` ("narrow": d/H;
    "full": d), `head_ratio` (hidden width of f_S, f_N; 0: the identity), `ratio` (that of f_DS,
    f_DN in multiples of d), `normalise` (of the mask's rows: "none"; "count": m/k and
    (1-m)/(T-k); "sum": by the row's own sum), `test_mask` ("hard": the k largest; "soft": one
    noiseless draw, sums to 1; "expected": the sampler's mean as tau -> 0). Raises StudyError for k
    outside 1..T, at the first forward pass in training.
    """

    def __init__(self, dim, heads, k, tau=0.5, *, ratio=4, residual=True, **options):
        super().__init__()
        self.residual = residual
        self.split = TemporalDisentanglement(dim, heads, k, tau, residual=residual, **options)
        inner = heads * self.split.width
        self.f_ds = feed_forward(inner, ratio * dim, dim)
        self.f_dn = feed_forward(inner, ratio * dim, dim)

    def forward(self, x, generator=None, both=True):
        """z_S, z_N and the mask; without `both` z_N is None: no prediction reads it."""
        z_s, z_n, mask = self.split(x, generator, both)
        return self._join(self.f_ds, z_s, x), self._join(self.f_dn, z_n, x) if both else None, mask

    def _join(self, network, z, x):
        z = network(rearrange(z, "b h t c -> b t (h c)"))
        return z + x if self.residual else z  # the + x of Eq. (6)

    def saliency(self, x):
        """The mask's read-out `(B, T)`: softmax of Eq. (9)'s logits, mean over heads and rows."""
        # Of logits, not of the mask: a hard mask is all ties, and AUC reads order.
        return self.split.logits(x).softmax(dim=-1).mean(dim=(1, 2))


class PlainStreams(nn.Module):
    """Table 3 without D: two streams of ordinary self-attention in place of mask and complement.

    x `(B, T, d)` -> z_s, z_n `(B, T, d)` and the salient stream's attention `(B, 1, T, T)`. The
    streams share nothing. The feed-forward networks and both residuals of Eqs. (6), (10), (11)
    stay. Of these variants the paper says only that they have two streams.
    """

    def __init__(self, dim, heads, k=None, *, ratio=4):  # no mask: k has no meaning
        super().__init__()
        self.salient = nn.MultiheadAttention(dim, heads, bias=False, batch_first=True)
        self.non_salient = nn.MultiheadAttention(dim, heads, bias=False, batch_first=True)
        self.f_ds = feed_forward(dim, ratio * dim, dim)
        self.f_dn = feed_forward(dim, ratio * dim, dim)

    def forward(self, x, generator=None, both=True):
        # Both attend first: gradients add up in x in the order of the streams, to the last bit.
        attended_s, attention = self.salient(x, x, x)
        attended_n = self.non_salient(x, x, x, need_weights=False)[0] if both else None
        z_s, z_n = self.f_ds(attended_s + x) + x, self.f_dn(attended_n + x) + x if both else None
        return z_s, z_n, attention.unsqueeze(1)  # as a mask of one head, `(B, 1, T, T)`

    def saliency(self, x):
        """The read-out `(B, T)`: the salient stream's attention, mean over heads and query rows."""
        return self.salient(x, x, x)[1].mean(dim=1)


def feed_forward(inputs, hidden, outputs):
    """The feed-forward network of the Transformer: linear, ReLU, linear."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, outputs))
