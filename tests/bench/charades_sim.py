"""Charades at full scale, 9,848 videos: real labels and intervals, SIMULATED features."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import Case, NotRun, item
from conftest import SHARED


def lists():
    folder = Path(os.environ.get("LISTS") or SHARED / "annotations" / "charades")
    if not (folder / "Charades_v1_train.csv").is_file():
        raise NotRun("Charades' lists are not here: LISTS=DIR names their folder")
    return folder


@item("charades-sim-store", unit="s", threads=2, clock="wall", asked=True, why="lists to 9,848 simulated videos in one float16 "
      "array that is opened as a memory map; the plain way: one .pt a video")
def store(smoke):
    from baselines.charades_sim import one_file_a_video

    from data import charades_sim
    from data.files.dataset import open_dataset
    from data.files.store import open_features

    source, scratch = lists(), TemporaryDirectory()
    plain, out = Path(scratch.name) / "plain", Path(scratch.name) / "sim"

    def ours(scratch=scratch):  # which lives as long as this function
        shutil.rmtree(out, ignore_errors=True)
        charades_sim.main(["--from", str(source), "--out", str(out)])
        assert open_features(open_dataset(out), "simulated").x.shape == (9848, 16, 128)

    def baseline():
        shutil.rmtree(plain, ignore_errors=True)
        one_file_a_video(source, plain)
    return Case(baseline, ours)


@item("charades-sim-epoch", unit="s", threads=2, clock="wall", asked=True, why="one epoch over the 6,928 training videos "
      "of the memory map, BIKE-style head with TFE, default profile; the plain way: without TFE")
def epoch(smoke):
    from data import charades_sim
    from data.files import store
    from data.files.dataset import open_dataset
    from tfe import systems, training

    scratch = TemporaryDirectory()
    out = Path(scratch.name) / "sim"
    charades_sim.main(["--from", str(lists()), "--out", str(out)])
    dataset = open_dataset(out)
    features = store.open_features(dataset, "simulated")
    rows = dataset.rows(features.video_ids)["train"]
    targets = dataset.targets(features.video_ids)[rows]
    schedule = replace(training.PROFILES["default"], epochs=1, warmup_epochs=0)

    def one(method, scratch=scratch):
        training.seed_everything(0)
        system = systems.build(method, "bike", len(dataset.classes), features.x.shape[2], dataset.task)
        history = training.fit(system, features.x[rows], targets, schedule, seed=0)
        assert history.status in ("finished", "runaway")
    return Case(lambda: one("vanilla"), lambda: one("tfe"))
