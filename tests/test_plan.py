"""The plan for a card: memory as PyTorch's tracker counts it, batches that fit, one line for what fails."""

import csv
import ctypes
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import gpu
import pandas as pd
import pytest
import torch
from bench import _measure
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from book.__main__ import main
from book.evidence import memory, plan, publish
from book.runs import card
from data.common.ending import ended, of_card
from data.files.paths import ROOT
from tfe import StudyError
from tfe.backbones import towers

pytest.importorskip("transformers", reason="the full-size systems need the package transformers")
NARROW = {"preset": "narrow", "precision": "bf16"}


PAPER = {"preset": "paper", "precision": "bf16"}


# MSQNet's frozen guide is no case: the tracker hooks every parameter, and refuses one without gradient.
@pytest.mark.parametrize("method, name, made, clips", [("tfe", "bike", NARROW, 2)] + [
    pytest.param(method, name, PAPER, 1, marks=pytest.mark.slow, id=f"{method}-{name}-paper")
    for name in ("bike", "text4vis") for method in ("vanilla", "tfe")])
def test_one_step_holds_what_pytorchs_tracker_counts(method, name, made, clips):
    peaks = []
    for mode in (MemTracker(), memory.Held()):
        with torch.device("meta"):
            system = memory.built(method, name, **made)
        with FakeTensorMode(allow_non_fake_inputs=True), mode:
            memory.step(system.to_empty(device="cpu"), clips)()
        peaks.append(mode.peak if isinstance(mode, memory.Held) else sum(
            found["Total"] for found in mode.get_tracker_snapshot("peak").values()))
    assert peaks[1] == pytest.approx(peaks[0], rel=0.02)


def test_parts_add_their_gradients_and_no_activations():
    for clips in (1, 2):
        one, three = (memory.peak("vanilla", "text4vis", clips, parts=parts, **NARROW) for parts in (1, 3))
        sums = memory.SUMS * 4 * memory.trained("vanilla", "text4vis", **NARROW)
        assert three - one == pytest.approx(sums, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("method, name", [(m, n) for n in ("msqnet", "bike", "text4vis")
                                          for m in ("vanilla", "tfe")])
def test_what_is_committed_is_what_is_counted(method, name):
    cost = plan.counted(name, method, "encoder")
    found = memory.peak(method, name, 4, parts=3, preset="paper", precision="bf16") / 1e9
    assert plan.held(cost, 4, 3) == pytest.approx(found, rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("name, clips", [("msqnet", 4), ("bike", 2), ("text4vis", 2)])
def test_a_real_run_of_two_frames_is_resident_as_counted(name, clips):
    """In a process of its own, whose allocator gives back what is freed."""
    done = subprocess.run(
        [sys.executable, __file__, name, str(clips)], cwd=ROOT, capture_output=True, text=True, env={
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1",
            "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"})
    assert done.returncode == 0, done.stderr
    counted, resident = json.loads(done.stdout.splitlines()[-1])
    assert resident == pytest.approx(counted, rel=0.15)


def resident(name, clips):
    """MB counted and MB resident of two steps of TFE on clips of 2 frames."""
    towers.TIMESFORMER["timesformer-b16"] = {"num_frames": 2}
    counted = memory.peak("tfe", name, clips, 2, preset="paper") / 1e6
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _measure._status("VmRSS")
    step = memory.step(memory.built("tfe", name, 2, preset="paper"), clips, 2)
    step(), step()
    return counted, _measure._status("VmHWM") - before


@pytest.mark.parametrize("card", plan.CARDS)
@pytest.mark.parametrize("name", ["msqnet", "bike", "text4vis"])
def test_a_plan_fits_its_card_and_makes_the_whole_batch(name, card):
    ways = plan.ways("charades", name, card)
    assert (ways["memory (GB)"] <= card).all() and (ways["main memory (GB)"] < 6).all()
    assert list(ways["clips at a time"] * ways.accumulate) == [256, 256, 1]
    trained, head, once = ways["hours a run"]
    assert trained > head and trained > once


def test_hours_are_passes_times_clips_times_operations():
    cost = plan.counted("bike", "tfe", "encoder")
    by_hand = 4 * plan.INTERVALS * 20 * cost.gflop * 1e9 / 35.5e12 / 3600
    assert plan.ways("charades", "bike", 24, 20)["hours a run"][0] == pytest.approx(by_hand)
    assert plan.clips("charades", "msqnet") == 7985 and plan.clips("ucf101", "bike") == 9537


def test_the_command_prints_a_table_a_card_and_what_to_type(capsys):
    assert main(["plan", "--dataset", "charades", "--backbone", "bike", "--card", "24"]) == 0
    said = capsys.readouterr().out
    assert "RTX 3090" in said and "accumulate" in said and "H100" not in said
    assert "make reproduce-table1 DATASET=charades FROM=DIR PROFILE=paper BACKBONE=bike" in said
    assert main(["plan", "--dataset", "hmdb51"]) == 0
    assert "make reproduce-table2 DATASET=hmdb51" in (said := capsys.readouterr().out) and "H200" in said


SAID = {
    "CUDA out of memory. Tried to allocate 2.00 GiB.": "double accumulate",
    "CUDA error: all CUDA-capable devices are busy or unavailable": "another job holds the card",
    "The NVIDIA driver on your system is too old (found version 11040)": "driver is too old",
    "CUDA error: CUDA driver version is insufficient for CUDA runtime version": "driver is too old",
    "Current CUDA Device does not support bfloat16. Please switch dtype to float16.": "precision to fp32",
    "CUDA error: unspecified launch failure": "failed or is gone", "No CUDA GPUs are available": "is gone"}


@pytest.mark.parametrize("text", SAID)
def test_what_a_card_says_becomes_one_line_with_what_to_set(text, capsys):
    def fail(_):
        raise RuntimeError(text + "\nCompile with TORCH_USE_CUDA_DSA")

    assert ended(fail) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert SAID[text] in line and line.endswith("then the same command goes on from the last epoch")


def test_other_errors_are_no_cards():
    assert of_card("mat1 and mat2 shapes cannot be multiplied") is None
    with pytest.raises(RuntimeError, match="shapes"):
        ended(lambda _: torch.ones(2, 3) @ torch.ones(2, 3))


@pytest.mark.parametrize("free, bf16, said", [(3e9, True, "another job holds 21 of the card's 24 GB"),
                                              (23.9e9, False, "has no bf16")])
def test_a_card_is_asked_before_anything_starts(monkeypatch, free, bf16, said):
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free, 24e9))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: bf16)
    with pytest.raises(StudyError, match=said):
        card.ready()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_make_gpu_lists_its_pieces_and_refuses_without_a_card(capsys):
    assert ended(gpu.main, []) == 2
    said = capsys.readouterr()
    assert all(name in said.out for name in gpu.PIECES) and "sees no CUDA device" in said.err
    assert ended(gpu.main, ["tea"]) == 2 and "choose from systems" in capsys.readouterr().err


@pytest.fixture
def local(monkeypatch, tmp_path):
    for module in (gpu, publish):
        monkeypatch.setattr(module, "LOCAL", tmp_path / "local")
    monkeypatch.setattr(publish, "RESULTS", tmp_path)
    with open(tmp_path / "gpu.csv", "w", newline="") as file:
        csv.writer(file).writerows([publish.CARD, ["repeat", "not run", "", "", "not run", "", ""],
                                    ["table1", "not run", "", "", "not run", "", ""]])
    return tmp_path


def test_a_piece_leaves_a_file_that_publish_takes_with_the_cards_name(local, monkeypatch):
    def pytest_run(command, **_):
        report = next(word for word in command if word.startswith("--junitxml=")).partition("=")[2]
        Path(report).write_text('<testsuites><testsuite><testcase><properties><property name="equal" '
                                'value="5"/></properties></testcase></testsuite></testsuites>')
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(gpu, "subprocess", SimpleNamespace(**vars(subprocess) | {"run": pytest_run}))
    assert gpu.piece("repeat", "cpu") == "passed" == gpu.state("repeat")
    with pytest.raises(StudyError, match="no piece that ran on a card"):
        publish.publish_card()
    path = local / "local" / "gpu" / "repeat.json"
    found = json.loads(path.read_text())
    found["receipt"]["device"] = "cuda (NVIDIA H100 80GB HBM3)"
    path.write_text(json.dumps(found))
    publish.publish_card()
    table = pd.read_csv(local / "gpu.csv").set_index("piece")
    assert table.value["repeat"] == 5 and "H100" in table.device["repeat"]
    assert table.state["table1"] == "not run" and len(table) == 2


def test_a_piece_stops_after_nine_minutes_and_says_so(local, monkeypatch, capsys):
    def late(command, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(gpu, "subprocess", SimpleNamespace(**vars(subprocess) | {"run": late}))
    assert gpu.piece("table1", "cpu") == "stopped" and gpu.LIMIT <= 540
    assert "stopped after 9 minutes; run it again, it goes on" in capsys.readouterr().out


def test_each_piece_has_its_small_form():
    forms = (ROOT / "tests" / "test_card.py").read_text(encoding="utf-8")
    assert all(f"def test_{name}(" in forms for name in gpu.PIECES)


if __name__ == "__main__":
    print(json.dumps(resident(sys.argv[1], int(sys.argv[2]))))
