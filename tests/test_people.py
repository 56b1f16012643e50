"""Intervals over people: the mean over seeds of each, and Student's t over them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from book.evidence import statistics
from book.evidence.people import by_person
from data.files.dataset import open_dataset, write_dataset


def made(tmp_path, **columns):
    videos = pd.DataFrame({"video_id": [f"v{n}" for n in range(12)], "split": "test", "duration": 4,
                           "labels": list("ab" * 6), **columns})
    events = pd.DataFrame({"video_id": videos.video_id, "label": videos.labels, "start": 1,
                           "end": 2})
    write_dataset(tmp_path / "d", {"task": "singlelabel", "classes": ["a", "b"]}, videos, events)
    return open_dataset(tmp_path / "d")


def run(folder, seed, hits, dataset):
    """A run that gets so many of each person's four videos right, and looks at the true segment."""
    targets = np.eye(2, dtype=np.float32)[[0, 1] * 6]
    right = np.concatenate([np.arange(4) < n for n in hits])
    look = np.zeros((12, 2, 4)) + (np.arange(4) == 1)
    (folder / str(seed)).mkdir()
    np.savez(folder / str(seed) / "predictions.npz", **{
        "test.scores": np.where(right[:, None], targets, 1 - targets), "test.targets": targets,
        "test.leave_one_out": look, "test.video_ids": dataset.videos.video_id.to_numpy(str)})
    return SimpleNamespace(row="BIKE", folder=folder / str(seed), metrics={"splits": {"test": {}}},
                           settings=SimpleNamespace(method="vanilla"))


def test_each_person_counts_once_and_seeds_are_averaged(tmp_path):
    dataset = made(tmp_path, group=np.repeat(["s1", "s2", "s3"], 4))
    runs = [run(tmp_path, 0, (4, 2, 1), dataset), run(tmp_path, 1, (4, 4, 3), dataset)]
    lines = by_person(dataset, runs, "test").set_index("measure")
    assert lines.loc["accuracy", ["value", "low", "high"]].tolist() == pytest.approx(
        statistics.mean_interval([100, 75, 50]))
    assert lines.loc["fidelity_auc", "value"] == 1 and lines.people.eq(3).all()


def test_without_groups_there_is_nothing_to_say(tmp_path):
    dataset = made(tmp_path)
    assert by_person(dataset, [run(tmp_path, 0, (1, 1, 1), dataset)], "test").empty
