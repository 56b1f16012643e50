"""Whole systems to train: a backbone with its own head, or with TFE in place of its last layers.

Every system answers four calls, so that whatever trains, measures or draws one need not know which:
`embed` (features to x), `classify` (x to logits, attention, read-out), `players` (who trains which
parameters) and `update` (one training step; of a batch in parts, see `tfe.adversary`).
"""

from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec

import torch
from torch import nn

from tfe import backbones
from tfe.adversary import Game, adversarial_update, supervised_update
from tfe.backbones.pooling import POOLINGS, EmbeddedMeanPool, MeanPool
from tfe.disentangler import Disentangler, PlainStreams
from tfe.errors import StudyError, one_of
from tfe.plus import ClasswiseDisentanglement, OwnRow

# The methods that play a game, and which. Of Table 3's variants some train by Eq. (4) alone, some
# by Eq. (5) alone. As Eq. (4) is a minimum over D, without Eq. (5) nobody trains A.
GAMES = {"tfe": Game(),
         "tfe-bounded": Game(adversary="prior"),
         "tfe-plus": Game(adversary="prior", encoder="salient"),
         "variant1": Game(disentangler="eq5"),  # two plain streams, Eq. (5)
         "variant2": Game(approximators="frozen"),  # two plain streams, Eq. (4)
         "variant3": Game(),  # two plain streams, both equations
         "variant4": Game(approximators="frozen"),  # the mask, Eq. (4)
         "variant5": Game(disentangler="eq5")}  # the mask, Eq. (5)
WITHOUT_TD = ("variant1", "variant2", "variant3")  # temporal disentanglement, that is, the mask
METHODS = ("vanilla", *GAMES, *POOLINGS, "oracle-mask")
DEFAULT_K = 4  # a quarter of T = 16, and what the planted actions fill of a video


def build(method, backbone, num_classes, feature_dim, task, *, game=None, disentangler=None,
          head=None, depth="table4"):
    """The system that a row of the tables names. StudyError for what cannot be combined.

    method: one of METHODS or a peer's; backbone: one of `backbones.NAMES`, or "none" for poolings,
    peers, TFE built into mean pooling, and tfe-plus. "oracle-mask" is the vanilla system, or mean
    pooling: the oracle acts on the features. feature_dim: of stored features, None where frames
    come in; task: "multilabel" or "singlelabel". `game`, `disentangler` and `head`: options other
    than the defaults of `Game`, `Disentangler`, backbone or pooling. depth: what stays below D:
    "table4", what the printed layer counts leave; "last", every temporal layer (section 4.2).
    """
    _check(method, backbone)
    one_of("depth", depth, ("table4", "last"))
    options = dict(feature_dim=feature_dim, task=task, **(head or {}))
    plain = EmbeddedMeanPool if method in GAMES else MeanPool
    below = ((_peer(method) or POOLINGS.get(method, plain))(num_classes, **options) if backbone == "none" else
             backbones.build(backbone, num_classes, shallow=method in GAMES and depth == "table4", **options))
    if method not in GAMES:
        return Vanilla(below)
    kind = Plus if method == "tfe-plus" else PlainTFE if method in WITHOUT_TD else TFE
    return kind(below, game=replace(GAMES[method], **(game or {})), **(disentangler or {}))


def _check(method, backbone):
    """Raise StudyError for an unknown method, or one that the backbone does not go with."""
    if method not in METHODS and not _peer(method):
        raise StudyError(f"method {method!r} is unknown: choose one of {', '.join(METHODS)}, or a "
                         "file of tfe/backbones/peers")
    if (method in (*POOLINGS, "tfe-plus") or _peer(method)) and backbone != "none":
        raise StudyError(f"method {method} has no backbone: set backbone to none")
    if (method, backbone) == ("vanilla", "none"):
        raise StudyError(f"method vanilla needs a backbone: one of {', '.join(backbones.NAMES)}")


def _peer(method):
    """The backbone class of a file in `backbones/peers/` that a method names, or None."""
    name = f"tfe.backbones.peers.{method.replace('-', '_')}"
    there = method.replace("-", "").isalnum() and method[0] != "-" and find_spec(name)
    return import_module(name).System if there else None


def warm_start(system, weights):
    """Begin `system` where a vanilla head, of which `weights` is the state, ended its training.

    A vanilla system goes on as it is. TFE keeps the layers below D, and the head as A_S and as A_N alike;
    D, and adapters, which that head has none of, begin as the identity. At first the system thus answers as
    that head without the layers that D replaces. tfe-plus begins at gated MIL with a weight a class, D at its
    scores: with `repeats`, or k 1, it answers as that head. StudyError where the head is of another shape.
    """
    plus, own, given = isinstance(system, Plus), system.state_dict(), {}
    roles = {"backbone": {"backbone"}, "approximator": {*dict(system.named_children())} - {"backbone"}}
    for name, value in weights.items():
        role, _, rest = name.partition(".")
        rest = rest.removeprefix("linear." * plus)  # of gated attention this layer is A's, all else D's
        given |= {name: value for to in roles.get(role, ()) if (name := f"{to}.{rest}") in own}
    odd = [name for name in own if ".adapter." not in name and (plus or "disentangler." not in name) and (
        name not in given or given[name].shape != own[name].shape)]
    if odd:
        raise StudyError(f"the system cannot begin at that head, which has no {odd[0]} of shape "
                         f"{tuple(own[odd[0]].shape)}: start from a vanilla run of the same backbone"
                         + ", gated-mil with attention: class" * plus)
    system.load_state_dict(given, strict=False)
    if not getattr(getattr(system, "disentangler", None), "residual", True):
        raise StudyError("a warm start needs D's residual: without it D cannot begin as the identity: set "
                         "residual to true, or start cold")
    for name, parameter in system.named_parameters():
        if ".adapter." in name and name not in given:
            (nn.init.eye_ if parameter.ndim == 2 else nn.init.zeros_)(parameter)
        elif name.startswith(("disentangler.f_ds.2.", "disentangler.f_dn.2.")):  # 0 at first: z = x
            nn.init.zeros_(parameter)


class System(nn.Module):
    """What every system has: a backbone, which embeds features or frames as x `(B, T, d)`."""

    precision = "fp32"  # of a training step's matrix products; `training.fit` sets it
    progress = 1.0  # the part of training that is over; `fit` sets it here and in D

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def embed(self, features):
        return self.backbone.embed(features)


class Vanilla(System):
    """A backbone with its own head: x -> temporal layers -> one approximator."""

    def __init__(self, backbone):
        super().__init__(backbone)
        self.approximator = backbone.make_approximator()

    def classify(self, x, positions=None):
        """x `(B, T, d)` -> logits `(B, C)`, attention per class `(B, C, T)`, and None: no mask.

        positions: `(T,)` or `(B, T)`, the segments' places in the video where some are left out.
        """
        return *self.approximator(self.backbone.temporal(x, positions), self.backbone.context(x)), None

    def players(self):
        return {"all": trainable(self)}

    update = supervised_update


class TFE(System):
    """A shallow backbone, the disentangler D, and two approximators of the backbone's own kind.

    `salient` is A_S and reads z_S: it is the classifier. `non_salient` is A_N, the adversary, and
    reads z_N; no prediction depends on it.
    """

    make_disentangler = Disentangler  # a class, not a module: subclasses swap it

    def __init__(self, backbone, *, game=Game(), heads=4, k=DEFAULT_K, **options):
        super().__init__(backbone)
        self.game = game
        self.disentangler = self.make_disentangler(backbone.dim, heads, k, **options)
        self.salient = backbone.make_approximator()
        self.non_salient = backbone.make_approximator()

    def encode(self, features, positions=None):
        """What D and A read: embeddings after the temporal layers `(B, T, d)`, and A's context."""
        x = self.embed(features)
        return self.backbone.temporal(x, positions), self.backbone.context(x)

    def classify(self, x, positions=None):
        """As `Vanilla.classify`, by A_S on z_S; third, of whole videos, the mask's `(B, T)`."""
        context = self.backbone.context(x)  # before `temporal`, which drops a guide
        x = self.backbone.temporal(x, positions)
        z_s, _, _ = self.disentangler(x, both=False)  # no prediction reads z_N
        readout = self.disentangler.saliency(x) if positions is None else None  # of parts: unread
        return *self.salient(z_s, context), readout

    def players(self):
        """Who trains which parameters, `{player: [parameter]}`, A first; frozen ones are no player.

        The backbone below D belongs to one of the two, or to neither (`Game.encoder`).
        """
        players = {"approximators": [*self.salient.parameters(), *self.non_salient.parameters()],
                   "disentangler": list(self.disentangler.parameters())}
        owner = "disentangler" if self.game.encoder == "salient" else self.game.encoder
        if owner in players:
            players[owner] += trainable(self.backbone)  # last: `_gradient_of` splits there
        return {player: own for player, own in players.items() if getattr(self.game, player) != "frozen"}

    update = adversarial_update  # one step of Eq. (12)


class PlainTFE(TFE):
    """Table 3's variants 1 to 3: two streams of ordinary attention in D's place."""

    make_disentangler = PlainStreams


class Plus(TFE):
    """`tfe.plus` on mean-pooled embeddings: one mask per class, and A_S, A_N that read it alone."""

    def __init__(self, backbone, *, game, k=DEFAULT_K, **options):
        System.__init__(self, backbone)  # not TFE's, which would make the other D and A
        self.game = game
        classes, dim = backbone.num_classes, backbone.dim
        self.disentangler = ClasswiseDisentanglement(dim, classes, k, **options)
        self.salient, self.non_salient = OwnRow(classes, dim), OwnRow(classes, dim)

    def classify(self, x, positions=None):
        z_s, _, m = self.disentangler(x, both=False)
        return self.salient(z_s)[0], m.squeeze(2), self.disentangler.saliency(x)


def trainable(module):
    """The parameters that are not frozen."""
    return [p for p in module.parameters() if p.requires_grad]


@torch.no_grad()
def leave_one_out(system, x, whole=None):
    """How much each class's logit falls when a segment is left out, x `(B, T, d)` -> `(B, C, T)`.

    The headline read-out. It asks what the prediction depends on, not what attention shows.
    Single-label logits are centred first: softmax does not see a number added to all of them. x
    is what `embed` gives, whole its logits, if known. Raises StudyError for a single segment.
    """
    def centred(logits):
        return logits - logits.mean(1, keepdim=True) * (system.backbone.task == "singlelabel")

    if x.shape[1] < 2:
        raise StudyError("T is 1: leaving a segment out needs features of 2 segments or more")
    everything = torch.arange(x.shape[1], device=x.device)
    whole, falls = centred(system.classify(x)[0] if whole is None else whole), []
    for t in everything:
        kept = everything[everything != t]
        # Of logits: probabilities near 0 or 1 hide the fall. `kept` twice: places in time stay.
        falls.append(whole - centred(system.classify(x[:, kept], kept)[0]))
    return torch.stack(falls, dim=-1)
