"""Strips of three videos: chosen by fidelity or, without true intervals, by score; and their picture."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from book.evidence import strips
from book.runs import products
from data.common.generators.render import write_video
from data.common.generators.storyboard import storyboard
from data.files.dataset import open_dataset, write_dataset

IDS = [f"v{n}" for n in range(6)]


@pytest.fixture
def runs(tmp_path):
    """A pooling, a vanilla head that is surest of the last videos, and an oracle."""
    draw = np.random.default_rng(0)
    made = []
    for row, method in (("Pool", "mean-pool"), ("Head", "vanilla"), ("Oracle", "oracle-mask")):
        targets = np.tile([1.0, 0.0], (6, 1))
        scores = np.column_stack([np.linspace(0.1, 0.9, 6), draw.random(6)])
        products.save_predictions(tmp_path / row, {
            "test.targets": targets, "test.scores": scores, "test.video_ids": np.array(IDS),
            "test.attention": draw.random((6, 4)), "test.leave_one_out": draw.random((6, 2, 4))})
        made.append(SimpleNamespace(row=row, folder=tmp_path / row, metrics={"splits": {"test": {}}},
                                    settings=SimpleNamespace(method=method)))
    return made


def dataset(folder, segments=None):
    videos = pd.DataFrame({"video_id": IDS, "split": "test", "duration": 8.0, "labels": "go"})
    write_dataset(folder, {"name": "toy", "task": "multilabel", "classes": ["go", "stop"]},
                  videos, segments)
    return open_dataset(folder)


def test_without_intervals_the_videos_are_chosen_by_score(runs, tmp_path):
    found = strips.strips(dataset(tmp_path / "toy"), runs, "test")
    assert found.video_id.unique().tolist() == ["v1", "v3", "v5"]
    assert found.row.unique().tolist() == ["Pool", "Head"]
    assert found.truth.isna().all() and found.auc_of_choice.isna().all()
    assert "score of the true classes" in strips.rule(found)


def test_with_intervals_they_are_chosen_by_fidelity(runs, tmp_path):
    segments = pd.DataFrame({"video_id": IDS, "label": "go", "start": 0.0, "end": 4.0})
    found = strips.strips(dataset(tmp_path / "toy", segments), runs, "test")
    assert found.truth.tolist() == 6 * [1, 1, 0, 0]
    assert found.auc_of_choice.is_monotonic_increasing and "fidelity" in strips.rule(found)


@pytest.mark.parametrize("known", [True, False])
def test_a_picture_with_and_without_truth_or_videos(runs, tmp_path, known):
    segments = pd.DataFrame({"video_id": IDS, "label": "go", "start": 0.0, "end": 4.0})
    toy = dataset(tmp_path / "toy", segments if known else None)
    (toy.folder / "videos").mkdir()
    write_video(storyboard("test", 0), toy.folder / "videos" / "v3.mp4")
    fig = strips.picture(toy, strips.strips(toy, runs, "test"))
    frames = [axes for axes in fig.axes if axes.get_title()]
    assert len(frames) == 3 and all("go" in axes.get_title() for axes in frames)
    drawn = [axes for axes in fig.axes if not axes.get_title()]
    labels = [text.get_text() for text in drawn[0].get_yticklabels()]
    assert (labels[0] == "truth") == known and ("Head" in labels[-1]) and len(labels) == 2 + known
    plt.close(fig)
