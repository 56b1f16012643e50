"""The adversarial game, Eqs. (4), (5) and (12), on finite tables. Losses are in nats.

The disentangler D is a pair of tables p(z_S|x), p(z_N|x); each approximator is a table q(y|z).
Many games are played side by side: `b` is the game in every pattern below.
"""

from typing import NamedTuple

import torch
from einops import einsum

from tfe.errors import StudyError


class Play(NamedTuple):
    """Where the games stand at the end, and the losses of every round."""

    salient: torch.Tensor  # p(z_S|x), (b, x, z)
    nonsalient: torch.Tensor  # p(z_N|x), (b, x, z)
    losses: torch.Tensor  # L_S, L_N and a fresh probe's L_N, (rounds, b, 3), nats


def cross_entropy(joint, encoder, approximator):
    """`E[-log q(y|z)]` in nats, Eq. (7): `(x, y), (b, x, z), (b, z, y) -> (b,)`."""
    return 0 - torch.xlogy(_seen(joint, encoder), approximator).sum((1, 2))  # never -0


def best_response(joint, encoder):
    """The approximator that minimises the cross-entropy, Eq. (5): `q(y|z) = p(y|z)`.

    `(x, y), (b, x, z) -> (b, z, y)`. It is the fresh probe too: no table reads more of z.
    """
    seen = _seen(joint, encoder)
    return seen / seen.sum(2, keepdim=True).clamp_min(1e-300)


def literal(joint, encoder, critic):
    """D's share of z_N in Eqs. (4) and (12), `-L_N`: unbounded below."""
    return -cross_entropy(joint, encoder, critic)


def cap(joint, encoder, critic):
    """`-E min(-log q_N, H(y))`: no reward beyond the loss of a critic that knows the prior."""
    reward = critic.log().clamp_min(-_prior_entropy(joint))
    return einsum(_seen(joint, encoder), reward, "b z y, b z y -> b")


def prior(joint, encoder, critic):
    """`E KL(p(y) || q_N(y|z_N))`: the critic is to answer with the prior. Never below 0."""
    independent = joint.sum(1)[:, None] * joint.sum(0)
    return cross_entropy(independent, encoder, critic) - _prior_entropy(joint)


def flipped(joint, encoder, critic):
    """The critic is to fit a wrong label, uniform over those that are not y. Never below 0.

    AIL (Liang et al. 2020) trains its selector so, and never by `-L_N`.
    """
    wrong = joint.sum(1, keepdim=True) - joint
    return cross_entropy(wrong / (joint.shape[1] - 1), encoder, critic)


FORMS = {form.__name__: form for form in (literal, cap, prior, flipped)}


def play(joint, form="literal", games=100, rounds=500, rate=1.0, critic_rate=1.0,
         critic_steps=1, generator=None):
    """Alternate the two phases of Eq. (12) by gradient descent on softmax tables.

    A round is `critic_steps` steps of A_S and A_N on `L_S + L_N` at `critic_rate`, then one step
    of D on `L_S + form` at `rate`. joint: `p(x,y)`, `(x, y)`; z_S and z_N have as many values
    as x. All logits start as standard Gaussians from `generator`.
    Returns a `Play`. Raises StudyError for an unknown form.
    """
    if form not in FORMS:
        raise StudyError(f"form is {form!r}: choose one of {', '.join(FORMS)}")
    joint = torch.as_tensor(joint, dtype=torch.float64)
    points, labels = joint.shape

    def logits(columns):
        start = torch.randn(2, games, points, columns, dtype=torch.float64, generator=generator)
        return start.requires_grad_()

    split, reading = logits(points), logits(labels)  # of D, and of A; S comes first, then N
    losses = []
    for _ in range(rounds):
        encoders = split.detach().softmax(-1)
        for _ in range(critic_steps):
            tables = reading.softmax(-1)
            _descend(sum(cross_entropy(joint, *pair) for pair in zip(encoders, tables)),
                     reading, critic_rate)
        critics = reading.detach().softmax(-1)
        salient, nonsalient = split.softmax(-1)
        loss_s = cross_entropy(joint, salient, critics[0])
        _descend(loss_s + FORMS[form](joint, nonsalient, critics[1]), split, rate)
        probe = best_response(joint, encoders[1])
        losses.append(torch.stack([loss_s.detach(), cross_entropy(joint, encoders[1], critics[1]),
                                   cross_entropy(joint, encoders[1], probe)], -1))
    return Play(*split.detach().softmax(-1), torch.stack(losses))


def _descend(objectives, parameter, rate):
    """One plain gradient step of every game; they share nothing, so the sum may be used."""
    gradient, = torch.autograd.grad(objectives.sum(), parameter)
    with torch.no_grad():
        parameter -= rate * gradient


def _seen(joint, encoder):
    """What an approximator sees: p(z,y)."""
    return einsum(joint, encoder, "x y, b x z -> b z y")


def _prior_entropy(joint):
    """H(y) in nats: the cross-entropy of a critic that knows the prior alone."""
    return -torch.xlogy(joint.sum(0), joint.sum(0)).sum()
