"""The dataset folder and the feature store: what is read, and every way in which it is refused."""

import json
import os
import signal

import numpy as np
import pandas as pd
import pytest

from data.common import pool
from data.files import paths, store
from data.files.dataset import open_dataset, write_dataset
from tfe import StudyError
from data.files.paths import atomic

VIDEOS = """video_id,split,duration,labels
a,train,8.0,wave;run
b,test,4.0,run
c,train,4.0,
"""
SEGMENTS = """video_id,label,start,end
a,wave,0.0,2.0
a,run,3.5,8.0
b,run,1.0,1.4
"""
TOML = 'name = "toy"\ntask = "multilabel"\nclasses = ["wave", "run"]\nsynthetic = true\n'


@pytest.fixture
def folder(tmp_path):
    for name, text in (("dataset.toml", TOML), ("videos.csv", VIDEOS), ("segments.csv", SEGMENTS)):
        (tmp_path / name).write_text(text)
    store.write_features(tmp_path / "features" / "mine", ["c", "a", "b"],
                         np.arange(3 * 4 * 2).reshape(3, 4, 2), {})
    # As a user writes it by hand: no hashes.
    (tmp_path / "features" / "mine" / "meta.json").write_text('{"origin": "user"}')
    return tmp_path


def test_labels_splits_and_truth(folder):
    dataset = open_dataset(folder)
    assert dataset.metric == "map" and dataset.synthetic
    assert dataset.targets(["b", "a", "c"]).tolist() == [[0, 1], [1, 1], [0, 0]]
    assert {k: v.tolist() for k, v in dataset.rows(["c", "a", "b"]).items()} == {
        "train": [0, 1], "val": [], "test": [2], "shifted": []}
    # Four segments: middles of a at 1, 3, 5, 7 s, of b at 0.5, 1.5, 2.5, 3.5 s.
    assert dataset.truth(["a", "b"], 4).astype(int).tolist() == [
        [[1, 0, 0, 0], [0, 0, 1, 1]], [[0, 0, 0, 0], [0, 0, 0, 0]]]


def test_what_is_written_is_what_is_read(tmp_path):
    videos = pd.DataFrame({"video_id": ["x", "y"], "split": ["train", "test"],
                           "duration": [1.0, 2.0], "labels": ['go "on"', "é"]})
    segments = pd.DataFrame({"video_id": ["y"], "label": ["é"], "start": [0.5], "end": [2.0]})
    settings = {"name": "t", "task": "singlelabel", "rho": 0.5, "classes": ['go "on"', "é"],
                "synthetic": False}
    write_dataset(tmp_path, settings, videos, segments)
    dataset = open_dataset(tmp_path)
    assert dataset.classes == ['go "on"', "é"] and dataset.settings["rho"] == 0.5
    assert dataset.metric == "accuracy"
    assert dataset.videos.labels.tolist() == [['go "on"'], ["é"]]
    assert dataset.segments.end.tolist() == [2.0]


def test_features_are_a_memory_map_of_halves(folder):
    features = store.open_features(open_dataset(folder), "mine")
    assert isinstance(features.x, np.memmap) and features.x.dtype == np.float16
    assert features.x.shape == (3, 4, 2) and features.video_ids == ["c", "a", "b"]
    key = features.key
    store.write_features(folder / "features" / "mine", ["c", "a", "b"],
                         np.ones((3, 4, 2)), {"origin": "user", "note": "other"})
    assert store.open_features(open_dataset(folder), "mine").key != key


def change(folder, name, old, new):
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("name, old, new, said", [
    ("dataset.toml", '"multilabel"', '"regression"', "dataset.toml: task: Input should be 'multilabel' or"),
    ("dataset.toml", '"wave", "run"', '"run", "run"', "classes must be a list of different"),
    ("dataset.toml", "name =", "name", "dataset.toml is not valid TOML"),
    ("dataset.toml", '"multilabel"', '"singlelabel"', "videos.csv line 2: 2 labels"),
    ("videos.csv", "duration", "seconds", "videos.csv lacks the column 'duration'"),
    ("videos.csv", "b,test", "b,testing", "line 3: split is 'testing'"),
    ("videos.csv", "b,test,4.0", "b,test,-4.0", "line 3: duration is '-4.0'"),
    ("videos.csv", "b,test,4.0", ",test,4.0", "line 3: video_id is empty"),
    ("dataset.toml", '["wave", "run"]', '"wr"', "classes: Input should be a valid array"),
    ("videos.csv", "b,test,4.0,run", "b,test,4.0,jump", "line 3: unknown class 'jump'"),
    ("videos.csv", "c,train", "a,train", "video_id 'a' stands twice"),
    ("videos.csv", "4.0,run", "inf,run", "line 3: duration is 'inf'"),
    ("videos.csv", VIDEOS[VIDEOS.index("\n"):], "\n", "videos.csv lists no video"),
    ("videos.csv", VIDEOS, "", "videos.csv lacks the column 'video_id'"),
    ("segments.csv", "a,wave", "z,wave", "line 2: video_id 'z' is not in videos.csv"),
    ("segments.csv", "a,wave", "a,fly", "line 2: unknown class 'fly'"),
    ("segments.csv", "0.0,2.0", "zero,2.0", "line 2: start is 'zero'"),
])
def test_a_bad_dataset_is_refused_by_file_line_and_remedy(folder, name, old, new, said):
    change(folder, name, old, new)
    with pytest.raises(StudyError) as refused:
        open_dataset(folder)
    assert said in str(refused.value) and ": " in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["dataset.toml", "videos.csv"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(StudyError, match=f"{name} is missing"):
        open_dataset(folder)


@pytest.mark.parametrize("spoil, said", [
    (lambda f: (f / "meta.json").unlink(), "meta.json is missing"),
    (lambda f: np.save(f / "features.npy", np.zeros((3, 8), np.float16)), "must be \\(N, T, d\\)"),
    (lambda f: np.save(f / "features.npy", np.zeros((2, 4, 2), np.float16)), "index.csv 3 rows"),
    (lambda f: np.save(f / "features.npy", np.full((3, 4, 2), np.nan, np.float16)), "NaN"),
    (lambda f: np.save(f / "features.npy", np.array([{}]), allow_pickle=True), "cannot be read"),
    (lambda f: (f / "index.csv").write_text("row,video_id\n0,a\n1,a\n2,b\n"), "stands twice"),
    (lambda f: (f / "index.csv").write_text("row,video_id\n0,a\n1,q\n2,b\n"), "not in videos.csv"),
    (lambda f: (f / "index.csv").write_text("row,video_id\n0,a\n2,c\n1,b\n"), "rows 0 to N-1"),
    (lambda f: (f / "meta.json").write_text("{"), "meta.json is not valid JSON"),
    (lambda f: (f / "meta.json").write_text("[1]"), "meta.json is no table of names"),
    (lambda f: (f / "features.npy").write_bytes(b""), "cannot be read"),
    (lambda f: np.save(f / "features.npy", np.full((3, 4, 2), "x")), "of floats"),
    (lambda f: (f / "meta.json").write_text('{"T": 8}'), "says T = 8"),
])
def test_bad_features_are_refused(folder, spoil, said):
    spoil(folder / "features" / "mine")
    with pytest.raises(StudyError, match=said):
        store.open_features(open_dataset(folder), "mine")


def test_labels_are_stripped_and_two_files_of_one_name_are_refused(folder):
    change(folder, "videos.csv", "wave;run", "wave; run")
    (folder / "videos").mkdir()
    for name in ("a.mp4", "a.avi"):
        (folder / "videos" / name).touch()
    dataset = open_dataset(folder)
    assert dataset.videos.labels[0] == ["wave", "run"]
    with pytest.raises(StudyError, match="share one video_id"):
        dataset.files


def test_atomic_leaves_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    with atomic(path) as temporary:
        temporary.write_text("old")
    with pytest.raises(RuntimeError):
        with atomic(path) as temporary:
            temporary.write_text("half of the n")
            raise RuntimeError
    assert path.read_text() == "old" and [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_a_room_that_is_swept_before_it_is_locked_is_taken_anew(tmp_path, monkeypatch):
    """Another process may sweep between the folder's making and its lock, or just before the lock."""
    plain, swept = os.open, []

    def gone_before(path, *rest, **more):
        if paths.UNFINISHED in str(path) and len(swept) < 1:
            swept.append(os.rmdir(path))
        opened = plain(path, *rest, **more)
        if paths.UNFINISHED in str(path) and len(swept) < 2:
            swept.append(os.rmdir(path))
        return opened

    monkeypatch.setattr(paths.os, "open", gone_before)
    paths.write_text(tmp_path / "file.txt", "whole")
    assert len(swept) == 2 and (tmp_path / "file.txt").read_text() == "whole"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def killed(_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_is_killed_from_outside_is_one_line():
    with pytest.raises(StudyError, match="toys: a process was killed from outside.*fewer --workers"):
        list(pool.over_cores(killed, [1], "toys", "toy", 1))


def test_the_store_holds_no_pickle(folder):
    for path in (folder / "features" / "mine").iterdir():
        assert path.suffix in (".npy", ".csv", ".json")
    assert json.loads((folder / "features" / "mine" / "meta.json").read_text())
    np.load(folder / "features" / "mine" / "features.npy", allow_pickle=False)
