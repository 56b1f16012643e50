"""The systems that TFE is built into: one file per system, one small contract.

A backbone turns what comes in into segment embeddings (`embed`), refines them over time
(`temporal`), and makes approximators that read labels off them (`make_approximator`). It knows
nothing of TFE: a *shallow* backbone only keeps fewer layers.
"""

from importlib import import_module
from importlib.util import find_spec

from torch import nn
from torch.nn import functional as F

from tfe.errors import StudyError

NAMES = {"msqnet": "MSQNet", "bike": "BIKE", "text4vis": "Text4Vis"}


def build(name, num_classes, *, shallow=False, preset="small", **options):
    """The backbone of that name, e.g. `build("bike", 12, feature_dim=1280)`.

    `shallow` keeps the layers that stay below TFE. preset: "small", for stored features of any
    encoder; "paper", the published size; "narrow", the same system tiny, for tests. The last two
    begin at random weights, without a file (`weights.initialise`). `options` replace the preset's
    own, see the class. Raises StudyError for an unknown name or preset.
    """
    # Names lead to files, so that a new backbone is one file more; see book/extend.md.
    known = name in NAMES or name.isidentifier() and find_spec(f"{__name__}.{name}")
    module = import_module(f"{__name__}.{name}") if known else None
    if not hasattr(module, "PRESETS"):
        raise StudyError(f"backbone {name!r} is unknown: choose one of {', '.join(NAMES)}")
    presets = module.PRESETS
    if preset not in presets:
        raise StudyError(f"{name} has no preset {preset!r}: choose one of {', '.join(presets)}")
    below = module.SHALLOW[preset] if shallow else {}
    return module.System(num_classes, **presets[preset] | below | options)  # the last one wins


class Backbone(nn.Module):
    """The contract. Subclasses give `embed`, `temporal`, `context` and `make_approximator`.

    embed(batch) -> x `(B, T, d)`: segment embeddings before any temporal layer. It may append
        columns for `context`; `temporal` drops them.
    temporal(x, positions=None) -> `(B, T, d)`: refined over time; `positions`, `(T,)` or `(B, T)`,
        are the segments' places in the video, 0..T-1 unless some were left out.
    context(x): what an approximator needs beside the embeddings.
    make_approximator() -> a fresh module with its own weights,
        `(z, context) -> logits (B, C), attention (B, C, T)`; attention may be None in training.
    With a tower: `prompt`, a class's sentence, and `set_text(weights.Text)`.
    """

    tower = None  # the name of the published encoder, where there is one
    separable = True  # whether a batch's loss is the mean of losses that its videos have alone

    def __init__(self, num_classes, dim, task):
        super().__init__()
        self.num_classes, self.dim, self.task = num_classes, dim, task

    def loss(self, logits, target, reduction="mean"):
        """The loss of Eq. (7) in nats, against targets `(B, C)`: multi-hot, one-hot or soft.

        Multi-label: binary cross-entropy, mean over classes. Single-label: cross-entropy.
        Returns a scalar, or `(B,)` for `reduction="none"`.
        """
        target = target.expand_as(logits)  # a prior `(C,)` answers for every video
        if self.task == "multilabel":
            each = F.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(1)
        else:
            each = F.cross_entropy(logits, target, reduction="none")
        return each.mean() if reduction == "mean" else each

    def scores(self, logits):
        """Logits to probabilities of the classes, `(B, C)`."""
        return logits.sigmoid() if self.task == "multilabel" else logits.softmax(dim=-1)

    def saliency(self, attention, target):
        """A weight per segment `(B, T)`: attention `(B, C, T)`, mean over true classes, or all."""
        weight = target + (target.sum(1, keepdim=True) == 0)  # no true class: all, instead of 0 / 0
        return (attention * weight.unsqueeze(-1)).sum(1) / weight.sum(1, keepdim=True)

    def param_groups(self, factor=0.1):
        """Parameters by the factor on their learning rate, `[{"params", "scale"}]`."""
        # `part` marks a tower (towers.Tower): published weights learn at a tenth.
        slow = {id(p) for module in self.modules() if getattr(module, "part", None)
                for p in module.parameters()}
        split = {scale: [p for p in self.parameters() if p.requires_grad
                         and (id(p) in slow) == (scale != 1.0)] for scale in (1.0, factor)}
        return [{"params": params, "scale": scale} for scale, params in split.items() if params]

    @property
    def spec(self):
        """What the backbone is, as a flat dict: written into the receipts."""
        return {"backbone": type(self).__module__.rsplit(".", 1)[1], "dim": self.dim,
                "classes": self.num_classes, "task": self.task,
                **({"tower": self.tower} if self.tower else {})}


class FeatureEmbedding(nn.Sequential):
    """Stored features `(B, T, feature_dim)` to segment embeddings `(B, T, d)`, for small presets.

    The normalisation lets the features of any encoder arrive at any scale.
    """

    def __init__(self, feature_dim, dim):
        super().__init__(nn.LayerNorm(feature_dim), nn.Linear(feature_dim, dim), nn.ReLU())
