"""One run trained by several processes, each on its part of every batch: started by `torchrun`.

All draw the order of the videos and the mask's noise for the whole batch, and each takes its rows. A
loss is a mean over videos, so that the batch's gradient is the sum of the parts', weighted by their
numbers of videos. DistributedDataParallel would not do: it listens to `backward`, and here two
players take their gradients of one graph by `autograd.grad`. One sum of all gradients does.
"""

import atexit
from dataclasses import dataclass

import torch
from torch import distributed

from data.encoders import shards
from tfe.device import choose
from tfe.errors import StudyError


@dataclass(frozen=True)
class Part:
    """Videos `start` to `stop` of a batch of `total`, and the weight of their mean in the batch's."""

    start: int
    stop: int
    total: int
    weight: float


class Noise(torch.Generator):
    """A generator of whose draws for a whole batch this process takes its `part`; None: all."""

    part = None


def join(device):
    """This process's `Shard` of the run, and its device; where there are several, they meet here.

    Raises StudyError where torchrun's variables are there in part.
    """
    here, device = shards.here(), choose(device)
    if here.world == 1:
        return here, device
    if device.type == "cuda":  # one each
        device = choose(f"cuda:{here.local_rank}")
        torch.cuda.set_device(device)
    if not distributed.is_initialized():
        try:
            distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        except ValueError as error:
            raise StudyError(f"WORLD_SIZE is {here.world}, but the processes cannot meet ({error}): "
                             "unset it, or start with torchrun") from None
        atexit.register(distributed.destroy_process_group)
    return here, device


def agree(epochs, system, here):
    """Raise StudyError unless all processes begin with the same weights after as many epochs."""
    if here.world == 1:
        return
    weights = sum(p.detach().double().sum() for p in system.parameters())
    mine = torch.stack([weights, torch.full_like(weights, epochs)])
    every = [torch.empty_like(mine) for _ in range(here.world)]
    distributed.all_gather(every, mine)
    if not all(torch.allclose(mine, other, rtol=1e-9, equal_nan=True) for other in every):
        raise StudyError("the processes begin at different epochs or with different weights: let all "
                         "see one folder, with the same files in it")


def cut(rows, here):
    """This process's rows of a batch's `(B,)`, and which `Part` they are; None where it has all.

    Where videos are fewer than processes, some do one that is another's, at weight 0, because all
    must be there for the sum.
    """
    if here.world == 1:
        return rows, None
    start, stop = (len(rows) * rank // here.world for rank in (here.rank, here.rank + 1))
    part = Part(start, max(stop, start + 1), len(rows), (stop - start) / len(rows))
    return rows[part.start:part.stop], part


def exponential(shape, generator, **like):
    """Standard exponential noise `(k, B, ...)`, of which the generator's part is B rows of a batch's."""
    part = getattr(generator, "part", None)
    if part is None:
        return torch.empty(shape, **like).exponential_(generator=generator)
    whole = torch.empty(shape[0], part.total, *shape[2:], **like).exponential_(generator=generator)
    return whole[:, part.start:part.stop]


def whole(gradients, part):
    """The batch's gradients, of tensors or None, from those of every process's part."""
    if part is None:
        return gradients
    here = [gradient for gradient in gradients if gradient is not None]
    flat = part.weight * torch.cat([gradient.flatten() for gradient in here])
    distributed.all_reduce(flat)
    summed = iter(flat.split([gradient.numel() for gradient in here]))
    return [None if gradient is None else next(summed).view_as(gradient).to(gradient.dtype)
            for gradient in gradients]


def mean(losses, parts):
    """The mean over steps of losses `(steps,)`, each that of the whole batch."""
    if parts[0] is not None:
        losses = losses * losses.new_tensor([part.weight for part in parts])
        distributed.all_reduce(losses)
    return losses.mean()
