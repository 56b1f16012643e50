"""Whole systems to train: a backbone with its own head, or with TFE in place of its last layers.

Every system answers the same four calls, so that training, measuring and drawing need not know
which one they hold: `embed`, `classify`, `players` and `update` (the last from `adversary.py`).
"""

import numpy as np
import torch
from torch import nn

from tfe import backbones
from tfe.adversary import Game, adversarial_update, supervised_update
from tfe.backbones.pooling import EmbeddedMeanPool, MeanPool, POOLINGS
from tfe.disentangler import Disentangler, PlainStreams
from tfe.errors import StudyError
from tfe.plus import ClasswiseDisentanglement, OwnRow

# method of a run -> how its game is played; other methods play no game. Table 3 names which of
# Eqs. (4) and (5) are used. Eq. (4) is a minimum over D alone: without Eq. (5) nobody trains A. The
# other reading, everybody minimises L_S - L_N, is `approximators: eq4`.
ONLY_4, ONLY_5 = Game(approximators="frozen"), Game(disentangler="eq5")
GAMES = {"tfe": Game(), "tfe-bounded": Game(adversary="prior"),
         "tfe-plus": Game(adversary="prior", encoder="salient"),
         "variant1": ONLY_5, "variant2": ONLY_4, "variant3": Game(),
         "variant4": ONLY_4, "variant5": ONLY_5}
WITHOUT_TD = ("variant1", "variant2", "variant3")
DEFAULT_K = 4  # a quarter of T = 16, and what the planted actions fill of a video
METHODS = ("vanilla", *GAMES, *POOLINGS, "oracle-mask")


def build(method, backbone, num_classes, feature_dim, task, *, game=None, disentangler=None,
          head=None):
    """The system of a row of the tables.

    method: one of METHODS; backbone: one of `backbones.NAMES`, or "none" for the poolings of
    `baselines`, and for TFE built into mean pooling. `game`, `disentangler` and `head` override options of `adversary.Game`, of
    `disentangler.Disentangler`, and of the backbone or pooling. "oracle-mask" is the vanilla system,
    or mean pooling: the oracle acts on what it is given (`oracle`).
    """
    if method not in METHODS:
        raise StudyError(f"method {method!r} is unknown: choose one of {', '.join(METHODS)}")
    shape = dict(feature_dim=feature_dim, task=task, **(head or {}))
    if method in POOLINGS and backbone != "none":
        raise StudyError(f"method {method} has no backbone: set backbone to none")
    if method == "tfe-plus":
        if backbone != "none":
            raise StudyError("method tfe-plus replaces the whole head: set backbone to none")
        return Plus(EmbeddedMeanPool(num_classes, **shape),
                    game=GAMES[method].replace(**(game or {})), **(disentangler or {}))
    if method in GAMES:
        below = (EmbeddedMeanPool(num_classes, **shape) if backbone == "none" else
                 backbones.build(backbone, num_classes, shallow=True, **shape))
        return TFE(below, game=GAMES[method].replace(**(game or {})),
                   plain=method in WITHOUT_TD, **(disentangler or {}))
    if backbone == "none":
        if method == "vanilla":
            raise StudyError("method vanilla needs a backbone: choose one of "
                             f"{', '.join(backbones.NAMES)}")
        return Vanilla(POOLINGS.get(method, MeanPool)(num_classes, **shape))
    return Vanilla(backbones.build(backbone, num_classes, **shape))


class Vanilla(nn.Module):
    """A backbone with its own head: x -> temporal layers -> one approximator."""

    precision = "fp32"  # of the matrix products of a training step: `training.Schedule` sets it

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.approximator = backbone.make_approximator()

    def embed(self, features):
        return self.backbone.embed(features)

    def classify(self, x, positions=None):
        """x `(B, T, d)` -> logits `(B, C)`, attention per class `(B, C, T)`, its read-out None.

        `positions`, `(T,)` or `(B, T)`, are the places of the segments in the video where some were
        left out.
        """
        logits, attention = self.approximator(self.backbone.temporal(x, positions),
                                              self.backbone.context(x))
        return logits, attention, None

    def players(self):
        """One player: every parameter, but for a frozen encoder's."""
        return {"all": trainable(self)}

    def update(self, batch, optimisers, generator=None):
        """One training step; returns the losses, detached."""
        return supervised_update(self, batch, optimisers)


class TFE(nn.Module):
    """A shallow backbone, the disentangler D, and approximators A_S and A_N of its own kind.

    `plain` puts two streams of ordinary attention in D's place (variants 1 to 3).
    """

    precision = "fp32"  # as in `Vanilla`

    def __init__(self, backbone, *, game=Game(), plain=False, heads=4, k=DEFAULT_K, **options):
        super().__init__()
        self.backbone, self.game = backbone, game
        self.disentangler = (PlainStreams(backbone.dim, heads, **options) if plain else
                             Disentangler(backbone.dim, heads, k, **options))
        self.salient = backbone.make_approximator()
        self.non_salient = backbone.make_approximator()

    def embed(self, features):
        return self.backbone.embed(features)

    def encode(self, features, positions=None):
        """What lies below D: segment embeddings over time `(B, T, d)`, and A's context."""
        x = self.embed(features)
        return self.backbone.temporal(x, positions), self.backbone.context(x)

    def classify(self, x, positions=None):
        """As `Vanilla.classify`: A_S judges z_S; third comes the mask's read-out `(B, T)`."""
        context = self.backbone.context(x)
        x = self.backbone.temporal(x, positions)
        z_s, _, _ = self.disentangler(x, both=False)
        return *self.salient(z_s, context), self.disentangler.saliency(x)

    def players(self):
        """The two players of Eq. (12); the encoder below D joins one of them, or neither.

        A frozen player is left out.
        """
        approximators = [*self.salient.parameters(), *self.non_salient.parameters()]
        disentangler, encoder = list(self.disentangler.parameters()), trainable(self.backbone)
        joins = self.game.encoder
        players = {"approximators": approximators + encoder * (joins == "approximators"),
                   "disentangler": disentangler + encoder * (joins in ("disentangler", "salient"))}
        if self.game.approximators == "frozen":
            del players["approximators"]
        return players

    def update(self, batch, optimisers, generator=None):
        """One step of Eq. (12); returns the losses, detached."""
        return adversarial_update(self, batch, optimisers, generator)


class Plus(TFE):
    """`tfe.plus` on mean-pooled embeddings: a mask a class, and A_S, A_N that read each its own."""

    def __init__(self, backbone, *, game, k=DEFAULT_K, **options):
        nn.Module.__init__(self)
        self.backbone, self.game = backbone, game
        classes, dim = backbone.num_classes, backbone.dim
        self.disentangler = ClasswiseDisentanglement(dim, classes, k, **options)
        self.salient, self.non_salient = OwnRow(classes, dim), OwnRow(classes, dim)

    def classify(self, x, positions=None):
        z_s, _, m = self.disentangler(x, both=False)
        return self.salient(z_s)[0], m.squeeze(2), self.disentangler.saliency(x)


def trainable(module):
    """The parameters that are not frozen."""
    return [p for p in module.parameters() if p.requires_grad]


def oracle(features, truth):
    """Keep the segments that show any action, repeated in order until T: what a true mask gives.

    Arrays: features `(N, T, d)`, truth `(N, C, T)` bool -> `(N, T, d)`. A video without any
    action keeps everything. Raises StudyError where there is no truth.
    """
    if truth is None:
        raise StudyError("method oracle-mask needs true intervals: add segments.csv to the "
                         "dataset folder, or leave the method out")
    shown = truth.any(axis=1)
    shown |= ~shown.any(axis=1, keepdims=True)
    order = np.stack([np.resize(np.flatnonzero(kept), len(kept)) for kept in shown])
    return np.take_along_axis(features, order[..., None], axis=1)


@torch.no_grad()
def leave_one_out(system, features):
    """How much each class's logit falls when a segment is left out: `(B, C, T)`.

    The headline read-out: it asks the model what it uses, not what it draws. Logits, because
    probabilities near 0 or 1 would hide the fall. Raises StudyError for a single segment.
    """
    return without_each(system, system.embed(features))


@torch.no_grad()
def without_each(system, x):
    """`leave_one_out` of what is embedded already, x `(B, T, d)`."""
    if x.shape[1] < 2:
        raise StudyError("T is 1: leaving a segment out needs features of 2 segments or more")
    everything = torch.arange(x.shape[1], device=x.device)
    whole = system.classify(x)[0]
    falls = []
    for t in everything:
        kept = everything[everything != t]
        falls.append(whole - system.classify(x[:, kept], kept)[0])
    return torch.stack(falls, dim=-1)
