"""What `tests/test_ranks.py` starts by torchrun: fits in several processes; process 0 tells the losses."""

import json
import sys
from pathlib import Path

import numpy as np
import torch

from data.files import store
from data.video import clips
from tfe import StudyError, ranks, systems
from tfe.training import Schedule, fit, seed_everything

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


def stored(case, folder=None, dropout=0.0):
    """Rows of the history of a fit on stored features."""
    return fit(*made(case, dropout), PLAN, seed=0, folder=folder).rows


def exact(case, here):
    """The weights, flat, after three updates in float64, where rounding cannot hide an error."""
    system, x, targets = made(case)
    system.double().train()
    x, targets = torch.from_numpy(x), torch.from_numpy(targets)
    optimisers = {n: torch.optim.AdamW(p, 1e-3) for n, p in system.players().items()}
    noise = ranks.Noise().manual_seed(0)
    for batch in torch.arange(11).split(5):
        rows, noise.part = ranks.cut(batch, here)
        system.update({"features": x[rows], "targets": targets[rows], "prior": targets.mean(0),
                       "part": noise.part}, optimisers, noise)
    return torch.cat([p.detach().flatten() for p in system.parameters()]).tolist()


def tuned(videos, **head):
    """Rows of the history of a narrow BIKE with TFE, fine-tuned on clips."""
    dataset = store.open_dataset(videos)
    of, targets, _ = clips.of(dataset, "train", 32, recipe="bike", intervals=bool(head), workers=1)
    seed_everything(0)
    system = systems.build("tfe", "bike", len(dataset.classes), None,
                           "singlelabel" if head else dataset.task, game={"schedule": "one-pass"},
                           head={"preset": "narrow", **head})
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
        fit(system, x, targets, PLAN, seed=0, folder=folder)
    except KeyboardInterrupt:
        return stored("msqnet", folder, 0.1)


def refused(call):
    try:
        call()
    except StudyError as error:
        return str(error)


def main(out, videos=None):
    out, (here, _) = Path(out), ranks.join("cpu")
    told = {case: stored(case, out.parent / f"of{here.rank}" / case) for case in CASES}
    told["exact"] = {case: exact(case, here) for case in CASES}
    if videos:
        told["clips"] = tuned(videos)
        told["dropout"], told["resumed"] = stored("msqnet", None, 0.1), interrupted(out.parent / "run")
        told["contrast"] = refused(lambda: tuned(videos, contrast="batch"))
        others, x, targets = made("vanilla")
        with torch.no_grad():
            next(others.parameters()).add_(here.rank)
        told["others"] = refused(lambda: fit(others, x, targets, PLAN, seed=0))
    if here.rank == 0:
        out.write_text(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
