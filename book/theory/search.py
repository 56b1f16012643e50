"""Gradient descent over stochastic encoders: counterexamples that enumeration cannot see.

An encoder is a table of logits; its softmax is the channel p(z|x). Many starts descend at once.
"""

from dataclasses import dataclass
from math import log

import torch
from einops import einsum, rearrange

from tfe.errors import StudyError
from book.theory.information import Terms, distribution


def stochastic_terms(p_xy, z_S, z_N):
    """The `Terms` of a batch of stochastic pairs, as (B,) float64 tensors with gradients, in bits.

    `p_xy` is (|x|, |y|), `z_S` the channels p(z_S|x) as (B, |x|, |z_S|), `z_N` likewise.
    """
    p_xy = torch.as_tensor(p_xy, dtype=torch.float64)
    p_x, h_y = p_xy.sum(1), _entropy(p_xy.sum(0)[None])
    h_S, h_N = (_entropy(einsum(p_x, z, "x, b x z -> b z")) for z in (z_S, z_N))
    h_Sy, h_Ny = (_entropy(einsum(p_xy, z, "x y, b x z -> b z y")) for z in (z_S, z_N))
    h_SN = _entropy(einsum(p_x, z_S, z_N, "x, b x s, b x n -> b s n"))
    h_xS = _entropy(einsum(p_x, z_S, "x, b x z -> b x z"))
    h_xNy = _entropy(einsum(p_xy, z_N, "x y, b x z -> b x y z"))
    return Terms(h_y, _entropy(p_x[None]) + h_S - h_xS, h_S + h_y - h_Sy, h_N + h_y - h_Ny,
                 h_S + h_N - h_SN, h_xNy - h_Ny)


@dataclass(frozen=True)
class Found:
    """The best start of a search: its value, `Terms` (floats) and channels (|x|, |z|)."""

    value: float
    terms: Terms
    z_S: torch.Tensor
    z_N: torch.Tensor


def search(p_xy, objective, codes=(4, 4), starts=64, steps=600, rate=0.1, seed=0):
    """Minimise `objective(terms)` over stochastic encoders of `p_xy`; return the best `Found`.

    `objective` takes batched `Terms` and gives a (B,) tensor; `codes` are |z_S| and |z_N|.
    A descent proves nothing about what it did not find. Raises StudyError for a bad table, or
    where the objective does not stay finite.
    """
    p_xy = distribution(p_xy, "p_xy")
    generator = torch.Generator().manual_seed(seed)
    logits = [torch.randn(starts, len(p_xy), size, dtype=torch.float64, generator=generator)
              .mul_(2).requires_grad_() for size in codes]
    adam = torch.optim.Adam(logits, lr=rate)
    for _ in range(steps):
        adam.zero_grad()
        objective(stochastic_terms(p_xy, *(t.softmax(-1) for t in logits))).sum().backward()
        adam.step()
    with torch.no_grad():
        z_S, z_N = (t.softmax(-1) for t in logits)
        terms = stochastic_terms(p_xy, z_S, z_N)
        values = objective(terms)
    if not values.isfinite().all():
        raise StudyError("objective is not finite along the search: bound it, or lower rate")
    best = int(values.argmin())
    picked = {name: float(t.expand(starts)[best]) for name, t in vars(terms).items()}
    return Found(float(values[best]), Terms(**picked), z_S[best], z_N[best])


def random_encoders(points, codes, count, seed=0, sharpness=(0.3, 6.0)):
    """`count` random channels as (count, points, codes): logits from soft to nearly hard."""
    generator = torch.Generator().manual_seed(seed)
    low, high = sharpness
    scale = low + (high - low) * torch.rand(count, 1, 1, dtype=torch.float64, generator=generator)
    noise = torch.randn(count, points, codes, dtype=torch.float64, generator=generator)
    return (scale * noise).softmax(-1)


def _entropy(p):
    """Entropy in bits of tables (B, ...): (B,). Softmax keeps p above 0 up to underflow."""
    p = rearrange(p, "b ... -> b (...)")
    return -torch.special.xlogy(p, p.clamp_min(1e-300)).sum(-1) / log(2)
