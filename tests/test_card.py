"""What wants a card, in its small form on the CPU; `make gpu` runs it on a card (tests/gpu.py)."""

import gc
import json
import os
import subprocess
import sys
from dataclasses import replace
from time import perf_counter

import bench
import fitted
import numpy as np
import pandas as pd
import pytest
import torch
from bench import _measure
from bench.charades_sim import lists

from book.__main__ import main as book
from book.evidence import memory, plan
from book.runs import batch as batches
from book.runs.checkpoint import Checkpoint
from data import charades_sim
from data.common import pool
from data.files.dataset import open_dataset
from data.files.paths import BOOK, LOCAL, ROOT
from data.files.store import open_features
from tfe import evaluation, systems, training

pytest.importorskip("transformers", reason="the full-size systems need the package transformers")
DEVICE = os.environ.get("DEVICE", "cpu")
CARD = DEVICE == "cuda"
C, T = 5, 16
HEADS = [(method, name) for name in ("msqnet", "bike", "text4vis")
         for method in ("vanilla", "tfe", "tfe-bounded")]
PLAN = replace(training.PROFILES["smoke"], epochs=3, batch_size=8)


def batch(device="cpu", frames=False):
    draw = torch.Generator().manual_seed(0)
    x = (torch.randint(0, 256, (4, T, 3, 32, 32), generator=draw).float() if frames else
         torch.randn(4, T, 24, generator=draw))
    return {"features": x.to(device), "targets": torch.eye(C)[[0, 1, 2, 1]].to(device),
            "prior": torch.full((C,), 1 / C, device=device)}


def made(method, name, device="cpu", frames=False):
    torch.manual_seed(0)
    head = {"preset": "narrow"} if frames else {}
    head |= {"dropout": 0.0} if name == "msqnet" else {}
    return systems.build(method, name, C, None if frames else 24, "singlelabel", head=head).to(device).train()


def stepped(system, data, device):
    """Losses of one update, and its gradients by parameter."""
    optimisers = {player: torch.optim.AdamW(parameters, 1e-3, fused=True)
                  for player, parameters in system.players().items()}
    with fitted.noiseless():
        losses = system.update([data], optimisers, torch.Generator(device).manual_seed(0))
    return losses, [p.grad for p in system.parameters() if p.grad is not None]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("method, name", HEADS)
def test_systems(method, name, precision, record_property):
    system = made(method, name, DEVICE, frames=True)
    system.precision = precision
    losses, gradients = stepped(system, batch(DEVICE, frames=True), DEVICE)
    assert all(torch.isfinite(value).all() for value in [*losses.values(), *gradients])
    record_property(f"{method} {name} {precision}: loss_s", losses["loss_s"].item())


@pytest.mark.parametrize("method, name", HEADS)
def test_agreement(method, name, record_property):
    """Rounding alone may differ: relative to the gradient's own length, a ten-thousandth."""
    (here, ours), (there, theirs) = (stepped(made(method, name, device), batch(device), device)
                                     for device in ("cpu", DEVICE))
    for key in here:
        assert here[key].item() == pytest.approx(there[key].item(), rel=1e-4)
    ours, theirs = (torch.cat([g.flatten().cpu() for g in gradients]) for gradients in (ours, theirs))
    error = ((ours - theirs).norm() / ours.norm()).item()
    record_property(f"{method} {name}: relative error of the gradient", error)
    assert error < 1e-4


class Stopped(Checkpoint):
    """A checkpoint after whose first epoch the power fails."""

    def save(self, state):
        super().save(state)
        raise KeyboardInterrupt


def fit(device=DEVICE, checkpoint=None):
    """Weights after a fit on features, and its losses."""
    draw = np.random.default_rng(0)
    x, targets = draw.normal(size=(24, T, 24)), np.eye(C)[draw.integers(C, size=24)]
    system = made("tfe", "bike")
    rows = training.fit(system, x, targets, PLAN, seed=0, device=device, checkpoint=checkpoint).rows
    return torch.cat([p.detach().flatten().cpu() for p in system.parameters()]), rows


def test_repeat(record_property):
    runs = [fit()[0] for _ in range(5 if CARD else 2)]
    equal = sum(torch.equal(runs[0], run) for run in runs)
    record_property(f"equal to the bit, of {len(runs)}", equal)
    assert equal == len(runs)


def test_resume(tmp_path, record_property):
    """An epoch on the CPU and the rest on the card, where the noise is another: near, and no more."""
    with pytest.raises(KeyboardInterrupt):
        fit("cpu", Stopped(tmp_path))
    (_, resumed), (_, whole) = fit(checkpoint=Checkpoint(tmp_path)), fit("cpu")
    assert resumed[0] == whole[0] and len(resumed) == PLAN.epochs
    apart = abs(resumed[-1]["loss_s"] - whole[-1]["loss_s"])
    record_property("difference of the last loss_s", apart)
    assert apart < (0.2 if CARD else 1e-6)


@pytest.mark.skipif(not CARD, reason="tests/test_processes.py does it on the CPU")
def test_processes(tmp_path, record_property):
    if torch.cuda.device_count() < 2:
        pytest.skip("two cards are wanted, and here is one")
    script = ("import fitted, json, sys; rows = fitted.stored('two-phase', device='cuda'); "
              "open(sys.argv[1], 'w').write(json.dumps(rows))")
    subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--no-python",
                    "--nproc-per-node", "2", sys.executable, "-c", script, str(tmp_path / "rows")],
                   cwd=ROOT / "tests", check=True)
    rows, alone = json.loads((tmp_path / "rows").read_text()), fitted.stored("two-phase", device="cuda")
    apart = max(abs(a[name] - b[name]) for a, b in zip(rows, alone) for name in a)
    record_property("largest difference of a loss", apart)
    assert apart < 1e-5


@pytest.mark.parametrize("name", [name for name, item in bench.collect().items()
                                  if item.device == "cuda" and name.startswith("gpu-")])
def test_bench(name, record_property):
    row = _measure.measure(name, not CARD)
    assert ("ratio" in row) == torch.cuda.is_available()
    for side in ("baseline", "ours", "ratio") if "ratio" in row else ():
        record_property(f"{name}: {side} ({row['unit'] if side != 'ratio' else 'ratio'})", row[side])


@pytest.mark.parametrize("method, name", [(m, n) for m, n in HEADS if m != "tfe-bounded"])
def test_paper(method, name, record_property):
    """Two updates at full size; the peak is what was counted."""
    clips, size = (2, "paper") if CARD else (1, "narrow")
    if CARD:
        gc.collect()  # a system refers to itself: the one before would be counted
        torch.cuda.reset_peak_memory_stats()
    system = memory.built(method, name, preset=size, precision="bf16").to(DEVICE)
    call = memory.step(system, clips, device=DEVICE)
    call()
    if not CARD:
        return
    call(3)
    cost, peak = plan.counted(name, method, "encoder"), torch.cuda.max_memory_allocated() / 1e9
    counted = plan.held(cost, clips, 3)
    record_property(f"{method} {name}: peak (GB)", peak)
    record_property(f"{method} {name}: peak counted (GB)", counted)
    assert peak == pytest.approx(counted, rel=0.15)
    many = min(plan.part(cost, torch.cuda.mem_get_info()[1] / 1e9, 256), 16)
    del call  # and with it its optimisers
    call = memory.step(system, many, device=DEVICE)
    call()  # the first call chooses kernels
    torch.cuda.synchronize()
    begun = perf_counter()
    call(3)
    torch.cuda.synchronize()
    record_property(f"{method} {name}: clips at a time", many)
    record_property(f"{method} {name}: seconds a clip", (perf_counter() - begun) / (3 * many))


def test_table1(record_property):
    file = BOOK / "batches" / "headline.yaml"
    grid = batches.read(file, device=DEVICE)
    assert len(grid.seeds) >= 5 and all(point.settings.device == DEVICE for point in grid.points())
    if not CARD:
        return
    if not (grid.folder / "features" / grid.encoder / "meta.json").is_file():
        pytest.skip("the features of planted are wanted: make features")
    workers = max(4, pool.cores() // 2)  # small heads keep a core busy, and the card hardly
    assert book(["batch", str(file), "--device", DEVICE, "--workers", str(workers)]) == 0
    table = pd.read_csv(LOCAL / "headline.csv")
    for row, values in table[table.split == "test"].groupby("row").value:
        record_property(f"{row}: mAP (%), mean of {len(values)} seeds", values.mean())


def test_charades(tmp_path, record_property):
    try:
        source = lists()
    except bench.NotRun as wanted:
        pytest.skip(str(wanted))
    few, schedule = ([], training.PROFILES["default"]) if CARD else (["--videos", "40"], PLAN)
    charades_sim.main(["--from", str(source), "--out", str(tmp_path / "sim"), *few])
    dataset = open_dataset(tmp_path / "sim")
    x, ids = open_features(dataset, "simulated").x, list(dataset.videos.video_id)
    rows, targets = dataset.rows(ids), dataset.targets(ids)
    for method in ("vanilla", "tfe"):
        training.seed_everything(0)
        system = systems.build(method, "bike", len(dataset.classes), x.shape[2], dataset.task)
        begun = perf_counter()
        history = training.fit(system, x[rows["train"]], targets[rows["train"]], schedule, seed=0,
                               device=DEVICE)
        record_property(f"{method}: seconds of the fit", perf_counter() - begun)
        said = evaluation.predict(system, x[rows["test"]], targets[rows["test"]])
        value = evaluation.measure(said, targets[rows["test"]], None, dataset.task)["value"]
        record_property(f"{method}: mAP (%) of simulated features", 100 * value)
        assert history.status != "diverged" and 0 < value < 1
