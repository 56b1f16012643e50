"""Untrimmed recordings as windows: cut, split by fold, described, and refused where they tell nothing."""

import numpy as np
import pandas as pd
import pytest
from scipy import io, stats

from data import gtea, salads, utkinect
from data.common.recordings import scores, windows
from data.common.recordings.folds import record
from data.common.recordings.windows import Recording
from book.runs import batch
from data.files import store
from data.files.dataset import open_dataset
from tfe.errors import StudyError
from data.files.paths import BOOK, RESULTS

RNG = np.random.default_rng


def recording(name="a", fold=1, steps=80, classes=3, stretch=10):
    """Labels that change every `stretch` steps, and scores that show them."""
    labels = (np.arange(steps) // stretch) % classes
    return Recording(name, fold, np.eye(classes)[labels], labels)


def folds():
    return [recording(f"r{n}", 1 + n % 3) for n in range(6)]


SETTINGS = {"name": "toy", "classes": ["a", "b", "c"], "encoder": "scores", "source": "made here"}


def test_runs_are_the_stretches_of_one_label():
    assert windows.runs(np.array([-1, -1, 2, 2, 0, 2, -1])) == [(2, 2, 4), (0, 4, 5), (2, 5, 6)]
    assert windows.runs(np.array([1, 1])) == [(1, 0, 2)]
    assert windows.runs(np.array([-1])) == []


def test_windows_average_the_steps_of_a_segment():
    x = np.arange(70, dtype=float)[:, None]
    found = list(windows.cut(Recording("a", 1, x, np.zeros(70, int)), 32, 16))
    assert [start for start, _, _ in found] == [0, 16, 32]  # the last 6 steps fill no window
    np.testing.assert_array_equal(found[1][1][:, 0], 16 + 0.5 + 2 * np.arange(16))


def test_the_smallest_effect_is_that_of_a_two_sample_test():
    """Against a simulation: two random read-outs of windows in which 5 of 16 segments are true."""
    truth = np.arange(16) < 5
    ranks = RNG(0).permuted(np.tile(np.arange(1, 17), (40_000, 1)), axis=1)
    auc = (ranks[:, truth].sum(1) - 15) / 55
    spread = (auc[::2] - auc[1::2]).std() / np.sqrt(100)
    found = windows.described([(0, None, [(0, 0, 5)])] * 100, 2, 16)
    assert found["pairs"] == 100 and found["density"] == 0.5
    assert found["smallest effect"] == pytest.approx(
        (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * spread, rel=0.02)


def test_folds_share_no_recording_and_truth_survives(tmp_path):
    windows.write(tmp_path, SETTINGS, folds(), 16, force=True)
    tested = []
    for fold in (1, 2, 3):
        dataset = open_dataset(tmp_path / f"fold{fold}")
        features = store.open_features(dataset, "scores")
        ids, owner = features.video_ids, dataset.videos.video_id.str.split("-").str[0]
        splits = owner.groupby(dataset.videos.split).agg(set)
        assert not (splits.test & splits.train or splits.test & splits.val
                    or splits.train & splits.val)
        tested += sorted(splits.test)
        # Segments of one step: the scores are the truth.
        np.testing.assert_array_equal(dataset.truth(ids, 16).transpose(0, 2, 1), features.x == 1)
        np.testing.assert_array_equal(dataset.targets(ids), (features.x == 1).any(axis=1))
        starts = dataset.videos[owner == next(iter(splits.train))].video_id.str[-5:].astype(int)
        assert np.diff(starts).tolist() == [8] * 8  # overlapping in training alone
    assert sorted(tested) == [f"r{n}" for n in range(6)]


@pytest.mark.parametrize("made, length, message", [
    (lambda: folds(), 24, "--window 24: give a multiple of 16 steps"),
    (lambda: folds(), 0, "--window 0: give a multiple of 16 steps"),
    (lambda: [recording(f"r{n}", 1 + n % 3, steps=640) for n in range(6)], 320,
     r"a label is there in 1\.00 of them"),
    (lambda: folds(), 16, r"the smallest effect to be seen is 0\.\d+ \(rule: 0\.09 at most\)")])
def test_windows_that_tell_nothing_are_refused(tmp_path, made, length, message):
    with pytest.raises(StudyError, match=message):
        windows.write(tmp_path, SETTINGS, made(), length)
    assert not any(tmp_path.iterdir())


def lay(folder, arrays=None, names="u\nv\n", listed=True):
    """The repository's layout, three splits of two recordings."""
    for fold in (1, 2, 3):
        (folder / "gtea" / "video_SVM").mkdir(parents=True, exist_ok=True)
        x = [recording(steps=200).steps, recording(steps=300).steps]
        y = [recording(steps=200).labels, recording(steps=300).labels]
        cells = {"S": np.empty((1, 2), object), "Y": np.empty((1, 2), object)}
        cells["S"][0, :], cells["Y"][0, :] = x, y
        io.savemat(folder / "gtea" / "video_SVM" / f"{fold}.mat", cells | (arrays or {}))
        (folder / "tcn_splits" / "GTEA" / f"Split_{fold}").mkdir(parents=True, exist_ok=True)
        if listed:
            (folder / "tcn_splits" / "GTEA" / f"Split_{fold}" / "test.txt").write_text(
                names.replace("u", f"u{fold}").replace("v", f"v{fold}"))
    return folder


def test_the_published_layout_becomes_folds_with_a_batch(tmp_path, capsys):
    gtea.main(["--from", str(lay(tmp_path / "from")), "--out", str(tmp_path / "gtea"), "--force"])
    assert "3 folds of 6 recordings" in capsys.readouterr().out
    grid = batch.read(str(BOOK / "batches/gtea.yaml"), dataset=str(tmp_path / "gtea"))
    runs = batch.plan(grid, open_dataset(grid.folder), "scores")
    first = [run for run in runs if run.row == "MSQNet"]
    assert [run.parameters["data"].rsplit("fold")[-1] for run in first] == list("123123")
    assert len({run.folder for run in first}) == 6


@pytest.mark.parametrize("laid, message", [
    (dict(arrays={"S": np.zeros((1, 3))}), "has 3 recordings, .*test.txt names 2"),
    (dict(arrays={"Y": np.zeros((1, 2))}), r"u1 has scores \(200, 3\) and 1 labels: one finite row"),
    (dict(names="u\n"), "has 2 recordings, .*test.txt names 1"),
    (dict(listed=False), "test.txt is missing: copy the splits")])
def test_files_that_do_not_fit_are_refused(tmp_path, laid, message):
    with pytest.raises(StudyError, match=message):
        scores.recordings(lay(tmp_path, **laid), "gtea/video_SVM", "tcn_splits/GTEA", 3)


def test_broken_scores_are_refused(tmp_path):
    (lay(tmp_path) / "gtea" / "video_SVM" / "2.mat").write_bytes(b"MATLAB 5.0 and no more")
    with pytest.raises(StudyError, match="2.mat holds no scores S and labels Y"):
        scores.recordings(tmp_path, "gtea/video_SVM", "tcn_splits/GTEA", 3)
    (tmp_path / "gtea" / "video_SVM" / "2.mat").unlink()
    with pytest.raises(StudyError, match="2.mat is missing: copy the features"):
        scores.recordings(tmp_path, "gtea/video_SVM", "tcn_splits/GTEA", 3)


@pytest.mark.parametrize("script", [salads, gtea, utkinect])
def test_without_files_the_remedy_is_named(script, tmp_path):
    with pytest.raises(StudyError, match="needs published files that are not here.*--from DIR"):
        script.main(["--out", str(tmp_path / "none")])


def test_posture_knows_neither_place_nor_size():
    body = RNG(1).standard_normal((7, 20, 3))
    there = utkinect.posture(body)
    assert there.shape == (7, 120)
    np.testing.assert_allclose(utkinect.posture(3 * body + [1, -2, 5]), there, atol=1e-12)


LABELS = "s01_e01\nwalk: 10 20\nsitDown: 30 40 \ncarry:  NaN NaN\ns01_e02 \npush: 5 9\n"


def test_labels_of_skeletons(tmp_path):
    (tmp_path / "actionLabel.txt").write_text(LABELS)
    assert utkinect.labels(tmp_path / "actionLabel.txt") == {
        "s01_e01": [("walk", 10, 20), ("sitDown", 30, 40)], "s01_e02": [("push", 5, 9)]}


@pytest.mark.parametrize("text, message", [
    ("walk: 1 2\n", "line 1: 'walk' is no action of a recording"),
    ("s01_e01\nfly: 1 2\n", "line 2: 'fly' is no action"),
    ("s01_e01\nwalk 1 2\n", "line 2: 'walk 1 2' is neither")])
def test_broken_labels_of_skeletons(tmp_path, text, message):
    (tmp_path / "actionLabel.txt").write_text(text)
    with pytest.raises(StudyError, match=message):
        utkinect.labels(tmp_path / "actionLabel.txt")


@pytest.mark.parametrize("text", ["1 2 3\n", "one\n", "1 " + "0 " * 60 + "\n2 " + "0 " * 59 + "\n"])
def test_broken_joints(tmp_path, text):
    (tmp_path / "joints_s01_e01.txt").write_text(text)
    with pytest.raises(StudyError, match="not a frame number and 60 coordinates a line"):
        utkinect.read_joints(tmp_path / "joints_s01_e01.txt")


def test_a_frame_that_stands_twice_counts_once(tmp_path):
    lines = [f"{frame} " + f"{value} " * 60 for frame, value in ((4, 1), (6, 2), (6, 3))]
    (tmp_path / "joints.txt").write_text("\n".join(lines))
    frames, joints = utkinect.read_joints(tmp_path / "joints.txt")
    assert frames.tolist() == [4, 6] and joints[:, 0, 0].tolist() == [1, 2]


@pytest.mark.parametrize("script, folder, recordings, tested", [
    (salads, "", 50, 491), (gtea, "", 21, 284), (utkinect, "utkinect", 20, 229)])
def test_the_published_sets(script, folder, recordings, tested, shared, tmp_path, capsys,
                            monkeypatch):
    monkeypatch.setattr(record, "__defaults__", (tmp_path / "windows.csv",))
    script.main(["--from", str(shared / "features" / folder), "--out", str(tmp_path / "set"),
                 "--record"])
    made, committed = pd.read_csv(tmp_path / "windows.csv"), pd.read_csv(RESULTS / "windows.csv")
    assert made.values.tolist() == committed[committed.dataset.isin(made.dataset)].values.tolist()
    assert f"of {recordings} recordings; test windows: windows {tested}" in capsys.readouterr().out
    sets = [open_dataset(each) for each in sorted((tmp_path / "set").iterdir())]
    assert sum((each.videos.split == "test").sum() for each in sets) == tested
    assert not any(each.synthetic for each in sets)
    if script is utkinect:  # 199 intervals and one NaN
        found = utkinect.labels(shared / "features" / folder / "actionLabel.txt")
        assert sum(map(len, found.values())) == 199


def test_a_recorded_line_replaces_that_of_its_dataset_alone(tmp_path):
    path = tmp_path / "windows.csv"
    for name, number in (("b", 3), ("a", 5), ("b", 4)):
        record({"dataset": name, "windows": number}, path)
    assert pd.read_csv(path).values.tolist() == [["a", 5], ["b", 4]]
