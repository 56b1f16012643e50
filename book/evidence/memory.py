"""What a training step of a full-size system holds at its peak, counted by PyTorch's own tracker.

Fake tensors have a shape and no content, so that any size is counted in seconds and no memory.
"""

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from book.evidence import shapes
from book.evidence.ledger import CLASSES, SEGMENTS
from tfe import systems

GAME = {"schedule": "one-pass", "encoder": "salient"}  # the encoder runs once a step
DEPTH = {"msqnet": {}, "bike": {"blocks": 6}, "text4vis": {"blocks": 6}}  # the classifier goes alone


class Tracker(MemTracker):
    """PyTorch's, without its notes on every module: they refuse a frozen one, or a second call."""

    _pre_fw_hook = _post_fw_hook = _pre_bw_hook = _post_bw_hook = lambda self, *_: None


def built(method, backbone, segments=SEGMENTS, **head):
    """The system to train on frames: TFE with all temporal layers below it, L_S training these."""
    tfe = {"game": GAME, "disentangler": {"k": min(systems.DEFAULT_K, segments)},
           "head": DEPTH[backbone] | head} if method == "tfe" else {"head": head}
    return systems.build(method, backbone, CLASSES, None, "singlelabel", **tfe).train()


def step(system, clips=1, segments=SEGMENTS, device="cpu"):
    """A call that makes one training step on random clips; and the tensors that it begins with."""
    side = shapes.resolution(system)
    batch = {"features": torch.zeros(clips, segments, 3, side, side, device=device),
             "targets": torch.eye(CLASSES, device=device)[[0] * clips],
             "prior": torch.full((CLASSES,), 1 / CLASSES, device=device)}
    optimisers = {player: torch.optim.AdamW(parameters, lr=1e-5, fused=True)
                  for player, parameters in system.players().items()}
    return lambda: system.update(batch, optimisers), [system, *optimisers.values(), *batch.values()]


def peak(method, backbone, clips, segments=SEGMENTS, **head):
    """Bytes at the peak of two steps on so many clips; `head` as in `systems.build`."""
    with torch.device("meta"):  # TimeSformer reads a number off a tensor while it is built
        system = built(method, backbone, segments, **head)
    with FakeTensorMode(allow_non_fake_inputs=True):
        call, held = step(system.to_empty(device="cpu"), clips, segments)
        with Tracker() as tracker:
            tracker.track_external(*held)
            for _ in range(2):  # the first makes the optimiser's moments
                call()
    return sum(found["Total"] for found in tracker.get_tracker_snapshot("peak").values())


def line(method, backbone, **head):
    """The peak as a line in the number of clips: `(fixed, a clip)` in bytes."""
    two, four = (peak(method, backbone, clips, **head) for clips in (2, 4))
    return 2 * two - four, (four - two) / 2
