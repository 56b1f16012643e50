"""The game of Eq. (12) as one would first write it: a loop over heads, a loop over draws, two phases."""

import torch
from torch import nn
from torch.nn import functional as F


class Head(nn.Module):
    """One head of Eqs. (8)-(11): three narrow projections and k draws, one after the other."""

    def __init__(self, dim, width):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(dim, width, bias=False) for _ in range(3))

    def forward(self, x, own, draws, tau):
        logits = self.q(x) @ self.k(x).transpose(1, 2) / self.v.out_features**0.5
        m = torch.zeros_like(logits)
        for draw in draws(logits):
            m = torch.maximum(m, torch.softmax((logits + draw) / tau, dim=-1))
        v = self.v(x)
        return m @ v + own, (1 - m) @ v + own


class Literal(nn.Module):
    """x `(B, T, d)` -> D of Eq. (6) -> mean over segments -> linear A_S, A_N; a norm below D."""

    def __init__(self, dim, heads, k, classes, tau=0.5):
        super().__init__()
        self.k, self.tau, self.width = k, tau, dim // heads
        self.norm = nn.LayerNorm(dim)
        self.heads = nn.ModuleList(Head(dim, self.width) for _ in range(heads))
        self.f_ds, self.f_dn = (nn.Sequential(nn.Linear(dim, 4 * dim), nn.ReLU(),
                                              nn.Linear(4 * dim, dim)) for _ in range(2))
        self.a_s, self.a_n = nn.Linear(dim, classes), nn.Linear(dim, classes)

    def disentangle(self, features, gumbel=None):
        """z_S and z_N; `gumbel (k, B, H, T, T)` instead of noise of its own, for comparisons."""
        x = self.norm(features)
        salient, rest = [], []
        for h, head in enumerate(self.heads):
            def draws(logits, h=h):
                return ([-torch.empty_like(logits).exponential_().log() for _ in range(self.k)]
                        if gumbel is None else gumbel[:, :, h])
            z_s, z_n = head(x, x[..., h * self.width:(h + 1) * self.width], draws, self.tau)
            salient.append(z_s)
            rest.append(z_n)
        return self.f_ds(torch.cat(salient, -1)) + x, self.f_dn(torch.cat(rest, -1)) + x

    def losses(self, z_s, z_n, targets):
        return (F.binary_cross_entropy_with_logits(self.a_s(z_s.mean(1)), targets),
                F.binary_cross_entropy_with_logits(self.a_n(z_n.mean(1)), targets))

    def players(self):
        """The parameters of A, and those of D with the norm below it."""
        approximators = [*self.a_s.parameters(), *self.a_n.parameters()]
        mine = {id(p) for p in approximators}
        return approximators, [p for p in self.parameters() if id(p) not in mine]


def two_phases(literal, features, targets, optimisers, gumbel=(None, None)):
    """One step: A along grad(L_S + L_N), then D along grad(L_S - L_N) of a fresh forward pass."""
    (of_a, of_d), (a, d) = optimisers, literal.players()
    with torch.no_grad():
        z = literal.disentangle(features, gumbel[0])
    loss_s, loss_n = literal.losses(*z, targets)
    of_a.zero_grad()
    (loss_s + loss_n).backward()
    of_a.step()
    for p in a:
        p.requires_grad_(False)
    loss_s, loss_n = literal.losses(*literal.disentangle(features, gumbel[1]), targets)
    of_d.zero_grad()
    (loss_s - loss_n).backward()
    of_d.step()
    for p in a:
        p.requires_grad_(True)


@torch.no_grad()
def copy(system, literal):
    """Give `literal` the weights of a `systems.TFE` on mean pooling, head by head."""
    split, width = system.disentangler.split, literal.width
    for ours, theirs in ((system.backbone.embed, literal.norm),
                         (system.disentangler.f_ds, literal.f_ds),
                         (system.disentangler.f_dn, literal.f_dn),
                         (system.salient.linear, literal.a_s),
                         (system.non_salient.linear, literal.a_n)):
        theirs.load_state_dict(ours.state_dict())
    for h, head in enumerate(literal.heads):
        rows = slice(h * width, (h + 1) * width)
        for ours, theirs in ((split.to_q, head.q), (split.to_k, head.k), (split.to_v, head.v)):
            theirs.weight.copy_(ours.weight[rows])
