"""A run of several processes is that of one: parts, gradients, losses, checkpoints; each its noise."""

import json
import subprocess
import sys

import fitted
import numpy as np
import pytest
import torch

from data import planted
from data.files.paths import ROOT
from tfe import StudyError, training
from tfe.training import Processes


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Six rendered videos of train, synthetic, with intervals."""
    folder = tmp_path_factory.mktemp("processes") / "tiny"
    planted.main(["--out", str(folder), "--train", "6", "--val", "0", "--test", "1", "--shifted", "0"])
    return folder


@pytest.fixture(scope="module")
def several(tmp_path_factory, videos):
    """What torchrun tells of 2 processes, which do everything, and of 4, on stored features alone."""
    told = {}
    for processes, given in ((2, [str(videos)]), (4, [])):
        out = tmp_path_factory.mktemp("told") / "losses.json"
        done = subprocess.run(
            [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node",
             str(processes), str(ROOT / "tests" / "fitted.py"), str(out), *given],
            cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        told[processes] = json.loads(out.read_text()), sorted(p.name for p in out.parent.iterdir())
    return told


def near(rows, expected, tolerance=1e-6):
    return len(rows) == len(expected) and all(
        a.keys() == b.keys() and all(abs(a[name] - b[name]) <= tolerance for name in a)
        for a, b in zip(rows, expected))


@pytest.mark.parametrize("case", fitted.CASES)
def test_losses_of_2_and_4_processes_are_those_of_one(several, case):
    alone = fitted.stored(case)
    assert len(alone) == 2 and not near(alone[:1] * 2, alone)  # they do change
    for told, _ in several.values():
        assert near(told[case], alone)


@pytest.mark.parametrize("case", fitted.CASES)
def test_in_double_precision_the_weights_are_the_same_to_rounding(several, case):
    alone = fitted.exact(case, Processes("cpu"))
    for told, _ in several.values():
        np.testing.assert_allclose(told["exact"][case], alone, rtol=0, atol=1e-10)


def test_fine_tuning_on_clips_loses_the_same(several, videos):
    assert near(several[2][0]["clips"], fitted.tuned(videos))


def test_only_process_0_writes(several):
    assert several[2][1] == ["losses.json", "of0", "run"]
    assert several[4][1] == ["losses.json", "of0"]


def test_with_noise_a_run_repeats_and_resumes_but_is_another_than_that_of_one(several):
    told = several[2][0]
    assert told["resumed"] == told["noisy"] and len(told["noisy"]) == 2
    assert not near(told["noisy"], fitted.stored("msqnet", None, 0.1), 1e-3)


def test_what_several_processes_cannot_do_is_one_line(several):
    told = several[2][0]
    assert told["contrast"].startswith("contrast within a batch needs all of the batch at once: train without torchrun")
    assert told["others"].startswith("the processes begin at different epochs or with different weights")


def one_of(rank, world):
    """A process of `world` that has met no other."""
    processes = Processes("cpu")
    processes.rank, processes.world = rank, world
    return processes


@pytest.mark.parametrize("world", [2, 3, 5])
@pytest.mark.parametrize("total", [1, 2, 4, 9])
def test_parts_hold_every_video_once(world, total):
    rows, weights = torch.arange(100, 100 + total), torch.zeros(total)
    for rank in range(world):
        mine, weight = one_of(rank, world).part(rows)
        assert len(mine) > 0
        weights[mine - 100] += weight / len(mine)
    torch.testing.assert_close(weights, torch.full((total,), 1 / total))


def test_one_process_does_nothing_else():
    alone, rows = Processes("cpu"), torch.arange(5)
    mine, weight = alone.part(rows)
    assert torch.equal(mine, rows) and weight == 1 and alone.device == torch.device("cpu")
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    alone.join(None, {"all": optimiser}, 0)
    assert not optimiser._optimizer_step_pre_hooks and not torch.distributed.is_initialized()


def test_every_process_draws_the_same_order_and_its_own_noise():
    drawn = []
    for rank in (0, 1):
        order, noise = training._epoch_generators(3, 1, 9, torch.device("cpu"), rank)
        drawn.append((order.tolist(), torch.rand(3, generator=noise).tolist(), torch.rand(3).tolist()))
    (order, *first), (same, *second) = drawn
    assert order == same and all(a != b for a, b in zip(first, second))


def test_processes_that_cannot_meet_say_how_to_start(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(StudyError, match="WORLD_SIZE is 2, but the processes cannot meet.*torchrun"):
        Processes("cpu")
