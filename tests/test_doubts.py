"""Slips that leave a table sound and its numbers wrong: each is said, and a sound one is silent."""

import numpy as np
import pytest
from test_folder import HEADER, adopt, clip

from book.runs import batch
from data.files.dataset import open_dataset
from data.files.store import open_features, write_features
from book.__main__ import main

HEADS = "video_id,label,start,end\n"
TWO = "v1,train,{0},run\nv2,test,{0},jump\n"
ONE = HEADER + TWO.format("4.0")
SLIPS = {
    "milliseconds": (HEADER + TWO.format(4000), None, "'v1': 4000, and 4 by its file"),
    "frames": (HEADER + TWO.format(40), None, "'v1': 40, and 4 by its file"),
    "a duration left out": (HEADER + TWO.format(""), None, None),
    "shares of the video": (ONE, HEADS + "v1,run,.25,.5\nv2,jump,0,1\n", "write seconds, not shares"),
    "seconds": (ONE, HEADS + "v1,run,.25,.5\nv2,jump,0,3\n", None),
    "a label of the intervals alone": (ONE, HEADS + "v1,run,0,2\nv1,jump,0,2\n",
                                       "1 of 2 intervals are of a class that their video does not bear"),
    "one without a label": (HEADER + "v1,train,,run\nv2,test,,jump\nv3,train,,\n", None,
                            "no video has two labels and 1 have none, and the metric is mAP"),
    "a label twice": (HEADER + "v1,train,,run;run\nv2,test,,jump\n", None, "for accuracy give each"),
    "another mark": (HEADER + 'v1,train,,"run, jump"\nv2,test,,jump\nv3,train,,run\n', None,
                     "1 classes seem to be several, such as 'run, jump'"),
    "a mark within a name": (HEADER + "v1,train,,phone/camera\nv2,test,,hold a camera\n", None, None),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_said_when_a_folder_is_adopted_and_when_it_is_checked(tmp_path, capsys, slip):
    videos, segments, said = SLIPS[slip]
    for name in ("v1", "v2", "v3"):
        clip(tmp_path / "in" / f"{name}.mp4", frames=40)
    (tmp_path / "in" / "videos.csv").write_text(videos)
    if segments:
        (tmp_path / "in" / "segments.csv").write_text(segments)
    code, path, err = adopt(capsys, tmp_path / "in", "--out", tmp_path / "made", "--name", "mine")
    again = adopt(capsys, path)
    usual = "left out:", "mine: 2", "mine: 3"
    lines = [line for line in err.splitlines() if not line.startswith(usual)]
    assert code == again[0] == 0
    assert len(lines) == (said is not None) and (said or "") in "".join(lines)
    assert (said or "") in again[2]


@pytest.fixture
def own(tmp_path):
    """A dataset of features of one's own, and a batch file for it."""
    ids = [f"v{n}" for n in range(8)]
    (tmp_path / "dataset.toml").write_text('task = "singlelabel"\nclasses = ["a", "b"]\n')
    (tmp_path / "videos.csv").write_text(HEADER + "".join(
        f"{i},{'train' if n < 4 else 'test'},4,{'ab'[n % 2]}\n" for n, i in enumerate(ids)))
    write_features(tmp_path / "features" / "own", ids,
                   np.random.default_rng(0).normal(size=(8, 4, 6)), {"origin": "user"})
    (tmp_path / "batch.yaml").write_text(
        f"table: t\ndataset: {tmp_path}\nencoder: own\nprofile: smoke\nseeds: [0]\n"
        "rows: [{row: A, backbone: bike, method: vanilla}]\n")
    return tmp_path


def said(folder):
    dataset = open_dataset(folder)
    return list(batch.unlike_the_table(dataset, open_features(dataset, "own")))


def test_videos_without_features_are_counted(own):
    assert said(own) == []
    x = np.random.default_rng(0).normal(size=(5, 4, 6))
    write_features(own / "features" / "own", ["v0", "v1", "v4", "v5", "v6"], x, {"origin": "user"})
    line, = said(own)
    assert "3 of 8 videos have no features" in line and "(2 of train, 1 of test), such as 'v2'" in line


def test_one_video_under_two_names_in_two_splits_is_said(own):
    x = np.random.default_rng(0).normal(size=(8, 4, 6))
    x[1] = x[0]  # both of train
    write_features(own / "features" / "own", [f"v{n}" for n in range(8)], x, {"origin": "user"})
    assert said(own) == []
    x[5] = x[0]
    write_features(own / "features" / "own", [f"v{n}" for n in range(8)], x, {"origin": "user"})
    line, = said(own)
    assert line.startswith("1 videos have to the bit the features of one of another split")
    assert "'v0' (train) and 'v5' (test)" in line


def test_a_batch_says_so_before_its_runs(own, capsys, monkeypatch):
    (own / "features" / "own" / "index.csv").write_text(
        "row,video_id\n" + "".join(f"{n},v{n}\n" for n in range(7)))
    (own / "features" / "own" / "meta.json").write_text("{}")
    np.save(own / "features" / "own" / "features.npy", np.ones((7, 4, 6), np.float16))
    monkeypatch.setattr(batch, "execute", lambda *_: [])
    main(["batch", str(own / "batch.yaml")])
    out = capsys.readouterr().out
    assert "1 of 8 videos have no features" in out and "3 videos have to the bit the features" in out


def test_a_metric_that_is_not_the_tasks_is_refused(own, capsys):
    with open(own / "dataset.toml", "a") as file:
        file.write('metric = "map"\n')
    assert main(["batch", str(own / "batch.yaml")]) == 2
    assert "task singlelabel is measured by accuracy, not map" in capsys.readouterr().err
