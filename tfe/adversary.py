"""The game of Eq. (12): the losses of one forward pass, and one update of both players.

The approximators A_S and A_N learn to read the labels off z_S and z_N: they minimise L_S + L_N,
Eq. (5). The disentangler D minimises L_S - L_N, Eq. (4): z_S is to show the labels, z_N to hide
them. What each player minimises is put together in `_gradient_of`.

-L_N has no lower bound: D may make A_N confidently wrong instead of uninformed. `Game` has two
bounded rewards beside it. A fooled critic never proves that information is gone: ask a fresh one.
"""

from dataclasses import dataclass
from itertools import islice

import torch

from tfe.device import arithmetic
from tfe.errors import StudyError, one_of

CHOICES = {"adversary": ("literal", "cap", "prior"), "schedule": ("two-phase", "one-pass", "reversal"),
           "encoder": ("disentangler", "salient", "approximators", "none"),
           "disentangler": ("eq4", "eq5"), "approximators": ("eq5", "eq4", "frozen")}


@dataclass(frozen=True)
class Game:
    """How Eq. (12) is played, where the paper leaves room. D minimises L_S + w U.

    adversary: what U is. "literal": -L_N. "cap": -min(L_N, c) for each video: no reward beyond c,
        the loss of a critic that knows the class frequencies alone (`prior_entropy`). "prior": the
        cross-entropy between A_N's answer and the class frequencies: a reward for an ignorant A_N,
        not for a wrong one.
    weight: w; over the first `ramp` of training, a part in 0..1, it rises from 0.
    updates: steps of A for each of D, "two-phase" alone.
    schedule: "two-phase": A steps, then D, on fresh noise, against the A that has moved.
        "one-pass": both gradients from one forward pass, at 3/4 of the cost. "reversal": from one
        backward pass too, where the game is `reversible`, else as "one-pass".
    encoder: whose gradient trains the layers below D: "disentangler" (D's own), "salient" (that of
        L_S alone), "approximators" (A's), or "none" (nobody's: they stay as they are).
    disentangler, approximators: what each player minimises. "eq4": L_S + w U; "eq5": L_S + L_N;
        "frozen": nothing. Rows of Table 3 differ in this.

    Raises StudyError for a choice that is none.
    """

    adversary: str = "literal"
    weight: float = 1.0  # Eq. (12) prints none
    ramp: float = 0.0
    updates: int = 1
    schedule: str = "two-phase"
    encoder: str = "disentangler"
    disentangler: str = "eq4"
    approximators: str = "eq5"

    def __post_init__(self):
        for name, choices in CHOICES.items():
            one_of(name, getattr(self, name), choices)
        if not 0 <= self.ramp <= 1 or self.updates not in range(1, 1000):
            raise StudyError(f"ramp is {self.ramp} and updates {self.updates}: choose a ramp in "
                             "0..1 and 1 to 999 updates")

    def weight_at(self, progress):
        """w at a part of training, 0..1."""
        return self.weight * (min(1.0, progress / self.ramp) if self.ramp else 1.0)

    @property
    def reversible(self):
        """Whether D's gradient through A_N is A's times -w: one backward pass then serves both."""
        return (self.adversary == "literal" and self.encoder in ("disentangler", "none")
                and (self.disentangler, self.approximators) == ("eq4", "eq5"))


@dataclass
class Losses:
    """The losses of one forward pass in nats, scalars with gradients; `reward` is U of `Game`."""

    loss_s: torch.Tensor
    loss_n: torch.Tensor = None  # without a critic there is none, and no reward
    reward: torch.Tensor = None


def losses(system, batch, generator=None, frozen=False, turn=None):
    """Run x -> D -> (A_S, A_N) on a batch and return its `Losses`, Eq. (7).

    batch: `features (B, T, f)`, `targets (B, C)`, the training set's class frequencies `prior (C,)`
    and, of one of several parts of a batch, its `share` of the videos. generator: draws the mask's
    noise. frozen: no gradient below A, all that phase 1 needs. turn: a factor on the gradient that
    L_N sends below A_N, for "reversal".
    """
    target = batch["targets"]
    with arithmetic(system.precision, target.device):
        with torch.set_grad_enabled(not frozen):
            x, context = system.encode(batch["features"].to(target))
            z_s, z_n, _ = system.disentangler(x, generator)
        context_n = context
        if turn is not None:  # all that A_N is given, or a part of L_N's gradient would go unturned
            z_n, context_n = _turned(z_n, turn), _turned(context, turn)
        # A_N first: where dropout draws, the order is part of a seed's result.
        logits_n, logits_s = system.non_salient(z_n, context_n)[0], system.salient(z_s, context)[0]
    # bf16 is for the products alone: losses are taken in the precision of the targets.
    logits_s, logits_n = logits_s.to(target), logits_n.to(target)
    videos_n = system.backbone.loss(logits_n, target, reduction="none")
    return Losses(system.backbone.loss(logits_s, target), videos_n.mean(),
                  _reward(system, logits_n, videos_n, batch["prior"]))


def _turned(x, factor):
    """x itself, whose gradient is multiplied by `factor`; what has no gradient stays as it is."""
    if torch.is_tensor(x) and x.requires_grad:
        x = x.view_as(x)  # a tensor of its own: the hook is to touch nothing else
        x.register_hook(lambda gradient: factor * gradient)
    return x


def _reward(system, logits_n, videos_n, prior):
    """U, from A_N's logits `(B, C)` and its loss on each video `(B,)`."""
    if system.game.adversary == "prior":
        return system.backbone.loss(logits_n, prior)
    if system.game.adversary == "cap":  # above c the clamp leaves D no gradient
        videos_n = videos_n.clamp(max=prior_entropy(system.backbone, prior))
    return -videos_n.mean()


def prior_entropy(backbone, prior):
    """The loss in nats of answering the class frequencies `(C,)` to every video."""
    answer = prior.logit() if backbone.task == "multilabel" else prior.log()  # inverts `scores`
    return backbone.loss(answer.unsqueeze(0), prior)  # a constant: nobody learns from it


def player_gradients(system, batch, generator=None, only=None):
    """The players' gradients from one forward pass, each of its own objective.

    Returns `{player: [gradient or None of each of its parameters]}`, of all players or of `only`
    one, and the `Losses`.
    """
    players = {only: system.players()[only]} if only else system.players()
    if system.game.schedule == "reversal" and system.game.reversible:
        # Of L_S + L_N with L_N turned at z_N, A receives Eq. (5)'s gradient and D Eq. (4)'s.
        now = losses(system, batch, generator, turn=-system.game.weight_at(system.progress))
        both = iter(_gradient(now.loss_s + now.loss_n, sum(players.values(), [])))
        return {player: list(islice(both, len(p))) for player, p in players.items()}, now
    # A step of A alone needs no gradient below A, where the encoder is not A's.
    frozen = only == "approximators" and system.game.encoder != "approximators"
    now = losses(system, batch, generator, frozen)
    return {player: _gradient_of(system, now, player, p) for player, p in players.items()}, now


def _gradient_of(system, now, player, parameters):
    """The gradient of what a player minimises, for its parameters: here stands D's loss."""
    if getattr(system.game, player) == "eq5":
        objective = now.loss_s + now.loss_n  # Eq. (5)
    else:
        weight = system.game.weight_at(system.progress)
        objective = now.loss_s + weight * now.reward  # Eq. (4) where U = -L_N, w = 1
    if player == "approximators" or system.game.encoder != "salient":
        return _gradient(objective, parameters)
    # The encoder's parameters come after D's own, and answer to L_S alone.
    own = len(list(system.disentangler.parameters()))
    return _gradient(objective, parameters[:own]) + _gradient(now.loss_s, parameters[own:])


def _gradient(loss, parameters):
    # The graph is kept for the other player; an approximator has no part in the other's loss.
    return list(torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True))


def _apply(optimiser, parameters, gradients):
    for parameter, gradient in zip(parameters, gradients):
        # A fused optimiser on CPU reads memory in order: laid out otherwise, it would be scrambled.
        parameter.grad = None if gradient is None else gradient.contiguous()
    optimiser.step()


def adversarial_update(system, parts, optimisers, generator=None):
    """One step of both players, `{player: optimiser}`; returns `{"loss_s", "loss_n"}`, detached.

    parts: a batch of `losses`, or the parts of one, whose gradients are averaged by their shares.
    """
    game, turns = system.game, [None]  # None: both at once
    if game.schedule == "two-phase":  # A first, if it is not frozen; fresh noise for each
        turns = [player for player in system.players()
                 for _ in range(game.updates if player == "approximators" else 1)]
    for only in turns:
        found, seen = _averaged((*player_gradients(system, part, generator, only), part) for part in parts)
        for player, own in found.items():
            _apply(optimisers[player], system.players()[player], own)
    return seen


def supervised_update(system, parts, optimisers, generator=None):
    """One step of a system that plays no game; returns `{"loss_s"}`, detached."""
    (player, parameters), = system.players().items()

    def gradient(part):
        target = part["targets"]
        with arithmetic(system.precision, target.device):
            logits, _, _ = system.classify(system.embed(part["features"].to(target)))
        loss = system.backbone.loss(logits.to(target), target)  # out of bf16 first
        return {player: _gradient(loss, parameters)}, Losses(loss), part

    found, seen = _averaged(map(gradient, parts))
    _apply(optimisers[player], parameters, found[player])
    return seen


def _averaged(parts):
    """The mean by their shares of `({player: gradients}, Losses, part)`; a gradient None stays."""
    total, seen = {}, {}
    for found, now, batch in parts:
        share = batch.get("share", 1.0)
        for player, own in found.items():  # added in place: one sum of all gradients is held
            sums = total.setdefault(player, [None] * len(own))
            for at, g in ((at, g) for at, g in enumerate(own) if g is not None):
                sums[at] = (sums[at].add_(g, alpha=share) if sums[at] is not None else
                            g if share == 1 else share * g)
        for name in ("loss_s", "loss_n"):
            if (loss := getattr(now, name)) is not None:
                # A tensor, not a float: reading a number off a GPU at every step would stall it.
                seen[name] = seen.get(name, 0) + share * loss.detach()
        found = own = g = now = loss = None  # lets this part's graph go before the next one's is built
    return total, seen
