"""The systems of Table 4 at full size, on the meta device, so that their operations can be counted."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from book.evidence.ledger import CLASSES, SEGMENTS
from tfe import backbones, systems
from tfe.errors import StudyError

HEADS = {"bike": 12, "msqnet": 8}  # of D; what it costs does not depend on them


def count(module, *inputs, **named):
    """`(parameters, FLOPs)` of a module and of one forward pass of it, 2 a multiply-accumulate.

    Module and inputs lie on the meta device, so that any size costs nothing; StudyError elsewhere.
    Only matrix products and convolutions are counted. On CPU the counter would return 0 for an
    encoder layer under no_grad (one fused kernel, unknown to it), and with gradient it would miss
    the products of fused attention. On meta neither kernel exists.
    """
    if any(not p.is_meta for p in module.parameters()):
        raise StudyError('module: not on the meta device: build it under torch.device("meta")')
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module.eval()(*inputs, **named)
    return sum(p.numel() for p in module.parameters()), counter.get_total_flops()


def measure(row):
    """`(parameters, FLOPs)` of a row of Table 4, counted operation by operation."""
    name = next(key for key, printed in backbones.NAMES.items() if row.startswith(printed))
    tfe = row.endswith("+TFE")
    with torch.device("meta"):
        system = build(name, tfe)
        frames = torch.empty(1, SEGMENTS, 3, *2 * [resolution(system)])
        return count(Both(system) if tfe else Whole(system), frames)


def build(name, tfe):
    """The system `name` as the rows of Table 4 have it, on the device that is set.

    BIKE's approximators have no layer of their own there: its 16 d^2 are D's. D's mask is soft,
    because a hard one looks at values, which meta tensors have not; ranking is no matrix product.
    """
    head = {"preset": "paper"} | ({"adapter": False} if name == "bike" else {})
    options = {"disentangler": {"heads": HEADS[name], "test_mask": "soft"}} if tfe else {}
    return systems.build("tfe" if tfe else "vanilla", name, CLASSES, None, "singlelabel",
                         head=head, **options)


def resolution(system):
    """The side in pixels of the frames that a system's encoder takes."""
    return next(m.resolution for m in system.modules() if hasattr(m, "resolution"))


class Whole(nn.Module):
    """A system with its own head, from frames to logits."""

    def __init__(self, system):
        super().__init__()
        self.system = system

    def forward(self, frames):
        return self.system.classify(self.system.embed(frames))[0]


class Both(Whole):
    """A system with TFE from frames to the logits of both approximators."""

    def forward(self, frames):
        x, context = self.system.encode(frames)
        z_s, z_n, _ = self.system.disentangler(x)
        return self.system.salient(z_s, context)[0], self.system.non_salient(z_n, context)[0]
