"""What `tests/test_processes.py` starts by torchrun: fits in several processes; process 0 tells the losses."""

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from book.runs.checkpoint import Checkpoint
from data.files.dataset import open_dataset
from data.video import clips
from tfe import StudyError, systems
from tfe.training import Processes, Schedule, fit, seed_everything

# 11 videos in batches of 5: parts differ in size, and the last batch is one video for all.
PLAN = Schedule(epochs=2, batch_size=5, lr=5e-5, weight_decay=0.2, warmup_epochs=1)
CASES = {"two-phase": ("tfe", "bike", {}), "reversal": ("tfe", "bike", {"schedule": "reversal"}),
         "cap": ("tfe-bounded", "bike", {"adversary": "cap", "encoder": "salient"}),
         "msqnet": ("tfe", "msqnet", {}), "vanilla": ("vanilla", "msqnet", {}),
         "plus": ("tfe-plus", "none", {"schedule": "one-pass"})}


def made(case, dropout=0.0):
    """A system of CASES, and features and targets for it."""
    method, backbone, game = CASES[case]
    draw = np.random.default_rng(0)
    x, targets = draw.normal(size=(11, 6, 10)), (draw.random((11, 3)) < 0.4) + 0.0
    seed_everything(0)
    options = {"game": game} if method != "vanilla" else {}
    head = {"dropout": dropout} if backbone == "msqnet" else {}
    return systems.build(method, backbone, 3, 10, "multilabel", head=head, **options), x, targets


def noiseless():
    """A context in which the mask in training is the mean of what it draws."""
    return patch("torch.Tensor.exponential_", lambda noise, generator=None: noise.fill_(1.0))


def stored(case, folder=None, noise=0.0, plan=PLAN, device="cpu"):
    """Rows of the history of a fit on stored features; `noise` is MSQNet's dropout, 0: none at all."""
    with nullcontext() if noise else noiseless():
        return fit(*made(case, noise), plan, seed=0, device=device,
                   checkpoint=folder and Checkpoint(folder)).rows


def exact(case, processes, parts=1):
    """The weights, flat, after an epoch in float64, where rounding cannot hide an error.

    parts: into how many each batch is cut.
    """
    system, x, targets = made(case)
    system.double().train()
    x, targets = torch.from_numpy(x), torch.from_numpy(targets)
    optimisers = {n: torch.optim.AdamW(p, 1e-3) for n, p in system.players().items()}
    processes.join(system, optimisers, 0)
    with noiseless():
        for batch in torch.arange(11).split(5):
            rows, processes.weight = processes.part(batch)
            system.update([{"features": x[part], "targets": targets[part], "prior": targets.mean(0),
                            "share": len(part) / len(rows)} for part in rows.chunk(parts)], optimisers)
    return flat(system)


def flat(system):
    """All weights of a system, one after another."""
    return torch.cat([p.detach().flatten() for p in system.parameters()]).tolist()


def tuned(videos, **head):
    """Rows of the history of a narrow BIKE with TFE, fine-tuned on clips."""
    dataset = open_dataset(videos)
    of, targets, _ = clips.of(dataset, "train", 32, recipe="bike", intervals=bool(head), workers=1)
    seed_everything(0)
    system = systems.build("tfe", "bike", len(dataset.classes), None,
                           "singlelabel" if head else dataset.task, game={"schedule": "one-pass"},
                           head={"preset": "narrow", **head})
    with noiseless():
        return fit(system, of, targets, PLAN, seed=0).rows


def interrupted(folder):
    """As `stored`, stopped in the second epoch and started again."""
    system, x, targets = made("msqnet", 0.1)
    update, steps = system.update, []

    def unplugged(*arguments):
        steps.append(1)
        if len(steps) > 4:
            raise KeyboardInterrupt
        return update(*arguments)

    system.update = unplugged
    try:
        fit(system, x, targets, PLAN, seed=0, checkpoint=folder and Checkpoint(folder))
    except KeyboardInterrupt:
        return stored("msqnet", folder, 0.1)


def refused(call):
    try:
        call()
    except StudyError as error:
        return str(error)


def main(out, videos=None):
    out, processes = Path(out), Processes("cpu")
    told = {case: stored(case, out.parent / f"of{processes.rank}" / case) for case in CASES}
    told["exact"] = {case: exact(case, processes) for case in CASES}
    if videos:
        told["clips"] = tuned(videos)
        told["noisy"], told["resumed"] = stored("msqnet", None, 0.1), interrupted(out.parent / "run")
        told["contrast"] = refused(lambda: tuned(videos, contrast="batch"))
        others, x, targets = made("vanilla")
        with torch.no_grad():
            next(others.parameters()).add_(processes.rank)
        told["others"] = refused(lambda: fit(others, x, targets, PLAN, seed=0))
    if processes.rank == 0:
        out.write_text(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
