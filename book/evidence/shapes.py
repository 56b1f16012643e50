"""The systems of Table 4 at full size, on the meta device, so that their operations can be counted."""

from functools import partial

import torch
from torch.utils.flop_counter import FlopCounterMode

from book.evidence.ledger import CLASSES, SEGMENTS
from tfe import backbones, systems
from tfe.errors import StudyError

HEADS = {"bike": 12, "msqnet": 8, "text4vis": 12}  # of D; no cost depends on them


def count(module, *inputs, forward=None):
    """`(parameters, FLOPs)` of a module and of one `forward` (its own), 2 a multiply-accumulate.

    Module and inputs lie on the meta device, so that any size costs nothing; StudyError elsewhere.
    Only matrix products and convolutions are counted. On CPU the counter would return 0 for an
    encoder layer under no_grad (one fused kernel, unknown to it), and with gradient it would miss
    the products of fused attention. On meta neither kernel exists.
    """
    if any(not p.is_meta for p in module.parameters()):
        raise StudyError('module: not on the meta device: build it under torch.device("meta")')
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module.eval()
        (forward or module)(*inputs)
    return sum(p.numel() for p in module.parameters()), counter.get_total_flops()


def measure(row):
    """`(parameters, FLOPs)` of a row of Table 4 from frames to logits, operation by operation."""
    name = next(key for key, printed in backbones.NAMES.items() if row.startswith(printed))
    tfe = row.endswith("+TFE")
    with torch.device("meta"):
        system = build(name, tfe)
        frames = torch.empty(1, SEGMENTS, 3, *2 * [resolution(system)])
        return count(system, frames, forward=partial(both if tfe else whole, system))


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


def whole(system, frames):
    """From frames to the logits of a system's own head."""
    return system.classify(system.embed(frames))


def both(system, frames):
    """From frames to the logits of both approximators of TFE."""
    x, context = system.encode(frames)
    z_s, z_n, _ = system.disentangler(x)
    return system.salient(z_s, context), system.non_salient(z_n, context)
