"""Intervals over people: the mean over seeds of each, and Student's t over them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from book.evidence import people, statistics
from data.files.dataset import open_dataset, write_dataset


def made(tmp_path, **columns):
    videos = pd.DataFrame({"video_id": [f"v{n}" for n in range(12)], "split": "test", "duration": 4,
                           "labels": list("ab" * 6), **columns})
    events = pd.DataFrame({"video_id": videos.video_id, "label": videos.labels, "start": 1,
                           "end": 2})
    write_dataset(tmp_path / "d", {"task": "singlelabel", "classes": ["a", "b"]}, videos, events)
    return open_dataset(tmp_path / "d")


def run(folder, seed, hits, dataset, row="BIKE"):
    """A run that gets so many of each person's four videos right, and looks at the true segment."""
    targets = np.eye(2, dtype=np.float32)[[0, 1] * 6]
    right = np.concatenate([np.arange(4) < n for n in hits])
    look = np.zeros((12, 2, 4)) + (np.arange(4) == 1)
    (folder / str(seed)).mkdir()
    np.savez(folder / str(seed) / "predictions.npz", **{
        "test.scores": np.where(right[:, None], targets, 1 - targets), "test.targets": targets,
        "test.leave_one_out": look, "test.video_ids": dataset.videos.video_id.to_numpy(str)})
    return SimpleNamespace(row=row, data="fold1", folder=folder / str(seed), metrics={"splits": {"test": {}}},
                           settings=SimpleNamespace(method="vanilla"))


def test_each_person_counts_once_and_seeds_are_averaged(tmp_path):
    dataset = made(tmp_path, group=np.repeat(["s1", "s2", "s3"], 4))
    runs = [run(tmp_path, 0, (4, 2, 1), dataset), run(tmp_path, 1, (4, 4, 3), dataset)]
    table = people.by_person(dataset, runs, "test")
    assert table[table.measure == "value"].value.tolist() == [100, 75, 50]
    summary = pd.DataFrame([{"row": "BIKE", "against": None, "value": 80.0, "low": 70.0, "high": 90.0,
                             "auc": 1.0}])
    lines = people.beside(summary, table).set_index("measure")
    assert lines.loc["value", ["by_person", "by_person_low", "by_person_high"]].tolist() == pytest.approx(
        statistics.mean_interval([100, 75, 50]))
    assert lines.loc["value", ["by_seed", "by_seed_low", "by_seed_high"]].tolist() == [80, 70, 90]
    assert lines.loc["fidelity_auc", "by_person"] == 1 and lines.number.eq(3).all()


def test_a_difference_is_paired_by_person(tmp_path):
    dataset = made(tmp_path, group=np.repeat(["s1", "s2", "s3"], 4))
    runs = [run(tmp_path, 0, (4, 2, 1), dataset), run(tmp_path, 1, (3, 2, 0), dataset, "TFE")]
    summary = pd.DataFrame([{"row": "TFE", "against": "BIKE", "difference": -16.0,
                             "difference_low": -20.0, "difference_high": -12.0}])
    found = people.beside(summary.assign(**{f"auc_difference{end}": 0.0 for end in (
        "", "_low", "_high")}), people.by_person(dataset, runs, "test"))
    line = found.query("against == 'BIKE' and measure == 'value'").iloc[0]
    assert (line.row, line.number, line.by_seed, line.by_seed_low) == ("TFE", 3, -16, -20)
    assert [line.by_person, line.by_person_low, line.by_person_high] == pytest.approx(
        statistics.mean_interval([-25, 0, -25]))


def test_without_groups_or_with_folds_there_is_nothing_to_say(tmp_path):
    dataset = made(tmp_path)
    one = run(tmp_path, 0, (1, 1, 1), dataset)
    assert people.by_person(dataset, [one], "test").empty
    grouped = made(tmp_path / "other", group="s1")
    other = run(tmp_path, 1, (1, 1, 1), grouped)
    other.data = "fold2"
    assert len(people.by_person(grouped, [one], "test"))
    assert people.by_person(grouped, [one, other], "test").empty
