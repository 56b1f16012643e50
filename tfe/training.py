"""`fit` trains a system: epochs, schedule, seeds, device, checkpoints; resumes bit for bit."""

import atexit
import math
import os
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import distributed
from tqdm import tqdm

from tfe.adversary import prior_entropy
from tfe.device import choose
from tfe.errors import StudyError


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: AdamW, linear warm-up, cosine decay to zero (section 4.2).

    precision: of the matrix products, "fp32" or "bf16"; all else stays in fp32. critic_rate: a factor
    on A's rate. accumulate: parts of a batch, one in memory at a time; their gradients are averaged.
    """

    epochs: int
    batch_size: int
    lr: float
    weight_decay: float
    warmup_epochs: int
    betas: tuple = (0.9, 0.999)
    precision: str = "fp32"
    critic_rate: float = 1.0
    accumulate: int = 1

    def rate(self, epoch):
        """The factor on the learning rate at a (fractional) epoch."""
        if epoch < self.warmup_epochs:
            return epoch / self.warmup_epochs
        rest = (epoch - self.warmup_epochs) / max(1, self.epochs - self.warmup_epochs)  # not 0 / 0
        return 0.5 * (1 + math.cos(math.pi * min(1, rest)))


# "paper" is section 4.2. Of "default" the epochs are such that Table 1 takes a quarter of an hour.
PROFILES = {"smoke": Schedule(epochs=2, batch_size=16, lr=1e-3, weight_decay=0.2, warmup_epochs=1),
            "default": Schedule(20, 32, lr=1e-3, weight_decay=0.2, warmup_epochs=2),
            "paper": Schedule(100, 256, lr=5e-5, weight_decay=0.2, warmup_epochs=5)}
RUNAWAY = 2.0  # the factor above the uninformed critic's loss at which A_N's is "runaway"


@dataclass
class History:
    """What happened: a row of mean losses (nats) per epoch, and how it ended (`status`).

    "runaway": A_N's loss ended above RUNAWAY times `prior_ce`, that of a critic that knows the
    class frequencies alone; "diverged": a loss was not finite; else "finished".
    """

    rows: list
    status: str = "finished"
    prior_ce: float = float("nan")


def seed_everything(*seed):
    """Seed torch, turn deterministic algorithms on for the process, return the 63-bit seed."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before the first CUDA call
    word = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> 1)
    torch.manual_seed(word)
    torch.use_deterministic_algorithms(True, warn_only=True)  # some GPU kernels have no such form
    torch.utils.deterministic.fill_uninitialized_memory = False  # it would write all results twice
    return word


def fit(system, features, targets, schedule, *, seed, device="cpu", checkpoint=None):
    """Train `system` in place on features `(N, T, f)` and targets `(N, C)`; return its `History`.

    In place of features, an object with `batches(chunks of rows, key)` gives frames (fine-tuning).

    Every epoch is a pure function of (seed, epoch, state at its start): a resumed run ends as an
    uninterrupted one does, bit for bit on one device and number of threads. Stops at a loss that is
    not finite and says so in the history. Raises StudyError where there is no training video.

    checkpoint: None, or an object with two methods. `save(state)` gets the state after every epoch,
    a dict (`_state`). `load(start)` gets the state that this run would begin with and returns the
    one to go on from, or None; it may raise StudyError where what it finds is of another run.

    Under `torchrun` each process computes its rows of every batch (`Processes`); process 0 saves.
    Noise apart, which every process draws for itself, the losses are those of one process.
    """
    processes = Processes(device)
    device = processes.device
    system.to(device).train()
    system.precision = schedule.precision  # read at each step by the updates of tfe.adversary
    if not hasattr(features, "batches"):
        features = torch.as_tensor(np.asarray(features), dtype=torch.float32, device=device)
    targets = torch.as_tensor(targets, dtype=torch.float32, device=device)
    if not len(features):
        raise StudyError("there is no training video: give videos.csv lines with split train")
    if processes.world * schedule.accumulate > 1 and not system.backbone.separable:
        raise StudyError("contrast within a batch needs all of the batch at once: train without "
                         "torchrun, at accumulate 1, or set contrast to classes")
    # Clamped: a class in no or every video has infinite logits; a clamped prior need not sum to 1.
    prior = targets.mean(0).clamp(1e-3, 1 - 1e-3)
    optimisers = {name: _optimiser(system, name, parameters, schedule)
                  for name, parameters in system.players().items()}
    game = getattr(system, "game", None)
    settings = {"seed": seed, "schedule": asdict(schedule), "game": game and asdict(game)}
    history = History([], prior_ce=prior_entropy(system.backbone, prior).item())
    if checkpoint and (state := checkpoint.load(_state(settings, history, system, optimisers))):
        _restore(state, history, system, optimisers)
    processes.join(system, optimisers, len(history.rows))
    progress = tqdm(range(schedule.epochs), initial=len(history.rows), unit="epoch",
                    disable=processes.rank > 0 or None)  # None: tqdm hides off a terminal
    for epoch in range(len(history.rows), schedule.epochs):
        order, noise = _epoch_generators(seed, epoch, len(features), device, processes.rank)
        losses = []
        steps, shares = zip(*map(processes.part, order.split(schedule.batch_size)))
        cut = [rows.chunk(schedule.accumulate) for rows in steps]
        inputs = _inputs(features, [part for rows in cut for part in rows], (seed, epoch))
        for step, rows in enumerate(steps):
            now = epoch + (step + 1) / len(steps)  # + 1: never at rate 0
            _set_rate(optimisers, schedule, now)
            for module in (one for one in system.modules() if hasattr(one, "progress")):
                module.progress = now / schedule.epochs
            processes.weight = shares[step]
            parts = [{"features": x, "targets": targets[part], "prior": prior,
                      "share": len(part) / len(rows)} for part, x in zip(cut[step], inputs)]
            losses.append(system.update(parts, optimisers, noise))
        row = {"epoch": epoch} | {name: processes.mean([step[name] for step in losses], shares)
                                  for name in losses[0]}
        history.rows.append(row)
        if not all(math.isfinite(value) for value in row.values()):
            history.status = "diverged"  # and unsaved: a resumed run would begin at nan
            break
        if checkpoint and processes.rank == 0:
            checkpoint.save(_state(settings, history, system, optimisers))
        progress.update()
        progress.set_postfix({name: f"{row[name]:.3f}" for name in losses[0]})
    progress.close()
    last = history.rows[-1].get("loss_n", 0.0)  # a system without a critic cannot run away
    if history.status == "finished" and last > RUNAWAY * history.prior_ce:
        history.status = "runaway"
    system.eval()
    return history


def _epoch_generators(seed, epoch, videos, device, rank):
    """The order of the videos, and the generator of the mask's noise, from (seed, epoch) alone."""
    word = seed_everything(seed, epoch)  # dropout draws from the global generator
    order = torch.randperm(videos, generator=torch.Generator().manual_seed(word)).to(device)
    if rank:  # or every process would draw the same noise for other videos
        word = seed_everything(seed, epoch, rank)
    return order, torch.Generator(device).manual_seed(word)


def _inputs(features, chunks, key):
    """What a system reads of each chunk of rows: features, or the frames of fresh clips, float32."""
    found = ((features[rows] for rows in chunks) if torch.is_tensor(features) else
             features.batches([rows.tolist() for rows in chunks], key))
    return (x.float() for x in found)


def _optimiser(system, player, parameters, schedule):
    """A player's AdamW, its parameters grouped by the factor that the backbone puts on their rate."""
    scale = {p: group["scale"] for group in system.backbone.param_groups()
             for p in group["params"]}
    factors = [scale.get(p, 1.0) for p in parameters]
    own = schedule.critic_rate if player == "approximators" else 1.0
    groups = [{"params": [p for p, f in zip(parameters, factors) if f == factor],
               "scale": factor * own} for factor in sorted(set(factors))]  # as in checkpoints
    return torch.optim.AdamW(groups, lr=schedule.lr, fused=True, betas=schedule.betas,
                             weight_decay=schedule.weight_decay)


def _state(settings, history, system, optimisers):
    """All that the next epoch depends on, and the settings that say which run it is."""
    return {"settings": settings, "rows": history.rows, "system": system.state_dict(),
            "optimisers": {name: o.state_dict()["state"] for name, o in optimisers.items()}}


def _restore(state, history, system, optimisers):
    history.rows = state["rows"]
    system.load_state_dict(state["system"])
    for name, optimiser in optimisers.items():
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state["optimisers"][name]})


def _set_rate(optimisers, schedule, epoch):
    for optimiser in optimisers.values():
        for group in optimiser.param_groups:
            group["lr"] = schedule.lr * schedule.rate(epoch) * group["scale"]


class Processes:
    """The processes that `torchrun` started for one run, or this one alone; with GPUs, one each.

    Each computes its rows of every batch. A loss is a mean over videos, so the batch's gradient is
    the mean of the parts' gradients, weighted by their numbers of videos (`weight`).
    DistributedDataParallel would not do: it listens to `backward`, and two players take their
    gradients of one graph by `autograd.grad`. StudyError where the processes cannot meet.
    """

    def __init__(self, device):
        self.device, self.rank, self.world, self.weight = choose(device), 0, 1, 1.0
        if os.environ.get("WORLD_SIZE", "1") == "1":
            return
        backend = "gloo"
        if self.device.type == "cuda":
            self.device, backend = choose(f"cuda:{os.environ.get('LOCAL_RANK', 0)}"), "nccl"
            torch.cuda.set_device(self.device)
        if not distributed.is_initialized():
            try:
                distributed.init_process_group(backend)
            except ValueError as error:
                raise StudyError(f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but the processes cannot "
                                 f"meet ({error}): unset it, or start with torchrun") from None
            atexit.register(distributed.destroy_process_group)
        self.rank, self.world = distributed.get_rank(), distributed.get_world_size()

    def join(self, system, optimisers, epochs):
        """Let every step of the optimisers begin with the gradients of the whole batch.

        Raises StudyError unless all processes begin at the same epoch and weights.
        """
        if self.world == 1:
            return
        weights = sum(p.detach().double().sum() for p in system.parameters())  # fp32 would round
        mine = torch.stack([weights, torch.full_like(weights, epochs)])
        every = [torch.empty_like(mine) for _ in range(self.world)]
        distributed.all_gather(every, mine)
        if not all(torch.allclose(mine, other, rtol=1e-9, equal_nan=True) for other in every):
            raise StudyError("the processes begin at different epochs or with different weights: let "
                             "all see one folder, with the same files in it")
        for optimiser in optimisers.values():
            optimiser.register_step_pre_hook(self._average)

    def part(self, rows):
        """This process's rows of a batch `(B,)`, and their weight in its mean."""
        start, stop = (len(rows) * rank // self.world for rank in (self.rank, self.rank + 1))
        # Of fewer videos than processes, some take another's at weight 0: all must join the sum.
        return rows[start:max(stop, start + 1)], (stop - start) / len(rows)

    def mean(self, losses, weights):
        """An epoch's mean loss, a float, from this process's loss and weight at each step."""
        losses = torch.stack(losses)
        if self.world > 1:
            distributed.all_reduce(losses.mul_(losses.new_tensor(weights)))  # weights add up to 1
        return losses.mean().item()

    def _average(self, optimiser, *_):
        held = [p for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
        flat = self.weight * torch.cat([p.grad.flatten() for p in held])  # one message for all
        distributed.all_reduce(flat)
        for p, summed in zip(held, flat.split([p.numel() for p in held])):
            p.grad = summed.view_as(p)
