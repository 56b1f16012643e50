"""The game of Eq. (12): min over A of L_S + L_N, min over D of L_S - L_N, and bounded forms of it.

    phase 1, approximators:  grad(L_S + L_N)       phase 2, disentangler:  grad(L_S + w * U)

with U = -L_N in the paper's literal form. That U is unbounded below: D may make A_N confidently
wrong instead of uninformed. Two bounded forms stand beside it; with c the cross-entropy of the
prior (the loss of a critic that knows the class frequencies and nothing else),

    cap:    U = -min(L_N, c), video by video: no reward beyond an uninformed critic
    prior:  U = cross-entropy of A_N's answer to the prior: rewarded for ignorance, not for error

A fooled critic is not removed information in any of them; only a fresh probe of z_N tells.

The ablation of Table 3 takes one of the two minimisations out: D is then trained by Eq. (5) as A is,
or A by Eq. (4) as D is, or A by nothing.
"""

from dataclasses import dataclass, replace
from itertools import islice

import torch

from tfe.device import arithmetic
from tfe.errors import StudyError

CHOICES = {"adversary": ("literal", "cap", "prior"), "schedule": ("two-phase", "one-pass", "reversal"),
           "encoder": ("disentangler", "salient", "approximators", "none"),
           "disentangler": ("eq4", "eq5"), "approximators": ("eq5", "eq4", "frozen")}


@dataclass(frozen=True)
class Game:
    """How Eq. (12) is played, where the paper leaves room.

    adversary: U above. weight: w above. schedule: "two-phase" draws fresh noise for D, which then
    meets the updated A; "one-pass" takes both gradients from one forward pass, at 3/4 of the cost;
    "reversal" is one-pass with one backward pass as well, which turns L_N's gradient round at z_N,
    where the game allows it (literal, Eqs. (4) and (5), an encoder of D's or of nobody's).
    encoder: whose gradient the layers below D receive: D's, only that of L_S, A's, or none.
    disentangler, approximators: what each player minimises: "eq4" is L_S + w U, "eq5" is L_S + L_N,
    "frozen" nothing.
    """

    adversary: str = "literal"
    weight: float = 1.0
    schedule: str = "two-phase"
    encoder: str = "disentangler"
    disentangler: str = "eq4"
    approximators: str = "eq5"

    def __post_init__(self):
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise StudyError(f"{name} is {getattr(self, name)!r}: choose one of "
                                 f"{', '.join(choices)}")

    @property
    def reversible(self):
        """Whether both gradients are one but for a factor below A_N."""
        return (self.adversary == "literal" and self.encoder in ("disentangler", "none")
                and (self.disentangler, self.approximators) == ("eq4", "eq5"))

    def replace(self, **changes):
        return replace(self, **changes)


@dataclass
class Play:
    """One forward pass of the game: losses in nats, as tensors with gradients."""

    loss_s: torch.Tensor
    loss_n: torch.Tensor
    reward: torch.Tensor  # U above


class _Turned(torch.autograd.Function):
    """The identity, whose gradient is multiplied by a factor."""

    @staticmethod
    def forward(ctx, z, factor):
        ctx.factor = factor
        return z.view_as(z)

    @staticmethod
    def backward(ctx, gradient):
        return ctx.factor * gradient, None


def play(system, batch, generator=None, frozen=False, turn=None):
    """Run x -> D -> (A_S, A_N) and take the losses of Eq. (7).

    batch: `features (B, T, f)`, `targets (B, C)` and the training set's `prior (C,)`. `frozen`
    runs everything below A without gradient: all that phase 1 needs. `turn` multiplies the gradient
    that L_N sends below A_N.
    """
    target, prior = batch["targets"], batch["prior"]
    loss = system.backbone.loss
    with arithmetic(system.precision, target.device):
        with torch.set_grad_enabled(not frozen):
            x, context = system.encode(batch["features"])
            z_s, z_n, _ = system.disentangler(x, generator)
        if turn is not None:
            z_n = _Turned.apply(z_n, turn)
        # A_N first: where dropout draws, the order is part of a seed's result.
        logits_n, logits_s = system.non_salient(z_n, context)[0], system.salient(z_s, context)[0]
    # Losses are taken in the targets' arithmetic, whatever that of the products was.
    logits_s, logits_n = logits_s.to(target), logits_n.to(target)
    each_n = loss(logits_n, target, reduction="none")
    return Play(loss(logits_s, target), each_n.mean(),
                _reward(system, logits_n, each_n, prior))


def _reward(system, logits_n, each_n, prior):
    """U: what D minimises of A_N's answer."""
    adversary = system.game.adversary
    if adversary == "literal":
        return -each_n.mean()
    if adversary == "cap":
        return -each_n.clamp(max=prior_entropy(system.backbone, prior)).mean()
    return system.backbone.loss(logits_n, prior)


def prior_entropy(backbone, prior):
    """c: the loss in nats of answering the prior `(C,)` to every video drawn from it."""
    answer = prior.logit() if backbone.task == "multilabel" else prior.log()
    return backbone.loss(answer.unsqueeze(0), prior).item()


def objective(now, game, player):
    """What a player minimises: Eq. (4) or Eq. (5), in nats."""
    if getattr(game, player) == "eq5":
        return now.loss_s + now.loss_n
    return now.loss_s + game.weight * now.reward


def simultaneous_gradients(system, batch, generator=None):
    """Both players' gradients from one forward pass: `{player: [gradient of each parameter]}`.

    A receives grad(L_S + L_N) and D grad(L_S + w U), although they share the graph.
    """
    if system.game.schedule == "reversal" and system.game.reversible:
        now = play(system, batch, generator, turn=-system.game.weight)
        players = system.players()
        found = iter(_gradient(now.loss_s + now.loss_n, sum(players.values(), [])))
        return {player: list(islice(found, len(p))) for player, p in players.items()}, now
    now = play(system, batch, generator)
    return {player: _gradient_of(system, now, player, parameters)
            for player, parameters in system.players().items()}, now


def _gradient_of(system, now, player, parameters):
    """A player's gradient; D's encoder goes without U where it answers to L_S alone."""
    total = objective(now, system.game, player)
    if player == "approximators" or system.game.encoder != "salient":
        return _gradient(total, parameters)
    own = len(list(system.disentangler.parameters()))  # the encoder's parameters follow them
    return _gradient(total, parameters[:own]) + _gradient(now.loss_s, parameters[own:])


def _gradient(loss, parameters):
    return list(torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True))


def _apply(optimiser, parameters, gradients):
    for parameter, gradient in zip(parameters, gradients):
        # A fused optimiser on CPU reads memory in order: laid out otherwise, it would be scrambled.
        parameter.grad = None if gradient is None else gradient.contiguous()
    optimiser.step()


def adversarial_update(system, batch, optimisers, generator=None):
    """One step of both players; returns `{"loss_s", "loss_n"}`, detached."""
    players = system.players()
    if system.game.schedule != "two-phase":
        gradients, now = simultaneous_gradients(system, batch, generator)
        for player, parameters in players.items():
            _apply(optimisers[player], parameters, gradients[player])
        return _losses(now)
    # Literal: A moves first; D then plays a fresh hand against the A that has moved.
    if "approximators" in players:
        first = play(system, batch, generator, frozen=system.game.encoder != "approximators")
        _apply(optimisers["approximators"], players["approximators"],
               _gradient_of(system, first, "approximators", players["approximators"]))
    second = play(system, batch, generator)
    _apply(optimisers["disentangler"], players["disentangler"],
           _gradient_of(system, second, "disentangler", players["disentangler"]))
    return _losses(second)


def _losses(now):
    # Tensors, not floats: reading a number off a GPU at every step would stall it.
    return {"loss_s": now.loss_s.detach(), "loss_n": now.loss_n.detach()}


def supervised_update(system, batch, optimisers):
    """One step of a system that plays no game; returns `{"loss_s"}`, detached."""
    target = batch["targets"]
    with arithmetic(system.precision, target.device):
        logits, _, _ = system.classify(system.embed(batch["features"]))
    loss = system.backbone.loss(logits.to(target), target)
    for optimiser in optimisers.values():
        optimiser.zero_grad(set_to_none=True)
    loss.backward()
    for optimiser in optimisers.values():
        optimiser.step()
    return {"loss_s": loss.detach()}
