"""What a training step of a full-size system holds at its peak, counted on fake tensors.

They have a shape and no content, so that any size is counted in seconds and no memory. PyTorch's
own MemTracker gives the same for one step (tests/test_plan.py); over several it keeps graphs alive.
"""

import weakref

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.weak import WeakIdKeyDictionary

from book.evidence import shapes
from book.evidence.ledger import CLASSES, SEGMENTS
from tfe import systems

# The fair trial's reading, in the form that runs the encoder once a step.
GAME = {"schedule": "one-pass", "encoder": "salient"}
DEPTH = {"msqnet": "table4", "bike": "last", "text4vis": "last"}
SUMS = 1  # of all gradients is held beside one part's while those of several parts are averaged


class Held(TorchDispatchMode):
    """Bytes of all storages that live, `now` and at their `peak`."""

    def __init__(self):
        super().__init__()
        self.sizes, self.now, self.peak = WeakIdKeyDictionary(), 0, 0

    def hold(self, tensor):
        storage = tensor.untyped_storage()
        if storage not in self.sizes:
            self.sizes[storage] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self.release, storage.nbytes())

    def release(self, size):
        self.now -= size

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return tree_map_only(torch.Tensor, lambda made: self.hold(made) or made,
                             function(*args, **(kwargs or {})))


def built(method, backbone, segments=SEGMENTS, **head):
    """The system to train on frames, vanilla or with TFE."""
    tfe = {"game": GAME, "depth": DEPTH[backbone],
           "disentangler": {"k": min(systems.DEFAULT_K, segments)}} if method == "tfe" else {}
    return systems.build(method, backbone, CLASSES, None, "singlelabel", head=head, **tfe).train()


def step(system, clips=1, segments=SEGMENTS, device="cpu"):
    """A call that makes one training step of so many parts, each of so many clips."""
    side = shapes.resolution(system)
    batch = {"features": torch.zeros(clips, segments, 3, side, side, device=device),
             "targets": torch.eye(CLASSES, device=device)[[0] * clips],
             "prior": torch.full((CLASSES,), 1 / CLASSES, device=device)}
    optimisers = {player: torch.optim.AdamW(parameters, lr=1e-5, fused=True)
                  for player, parameters in system.players().items()}
    for player, parameters in system.players().items():  # what an earlier step leaves
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        optimisers[player].step()
    return lambda parts=1: system.update([batch | {"share": 1 / parts}] * parts, optimisers)


def peak(method, backbone, clips, segments=SEGMENTS, parts=1, **head):
    """Bytes at the peak of a step in parts of so many clips; `head` as of `systems.build`."""
    with torch.device("meta"):  # TimeSformer reads a number off a tensor while it is built
        system = built(method, backbone, segments, **head)
    with FakeTensorMode(allow_non_fake_inputs=True), Held() as held:
        step(system.to_empty(device="cpu"), clips, segments)(parts)
    return held.peak


def trained(method, backbone, **head):
    """How many parameters are trained."""
    with torch.device("meta"):
        system = built(method, backbone, **head)
    return sum(p.numel() for player in system.players().values() for p in player)


def line(method, backbone, **head):
    """The peak of one part as a line in the number of clips: `(fixed, a clip)` in bytes."""
    one, two = (peak(method, backbone, clips, **head) for clips in (1, 2))
    return 2 * one - two, two - one
