"""Recordings of joints, depth and speech: official forms in small, published sets where they are."""

import sys
from argparse import Namespace

import numpy as np
import pandas as pd
import pytest
from scipy import io

from book.commands import real
from data import grid, msrc12, sfinge3d, utd_mhad
from data.common.recordings import joints, sources
from data.files import store
from data.files.dataset import open_dataset
from data.video import decode
from data.video.writing import write_video
from tfe.errors import StudyError

RNG = np.random.default_rng


def lay_msrc(folder, points=(300, 400), empty=7, lines=500, tags=None):
    """A recording of person 1 whose body is first seen in line `empty`; times as officially kept."""
    times = 2_780_000_000 + 33_333 * np.arange(lines)
    body = RNG(0).standard_normal((lines, 80))
    body[:empty] = 0
    np.savetxt(folder / "P1_1_2A_p01.csv", np.column_stack([times, body]), fmt="%.6f")
    ticks = [round(times[p + empty] / msrc12.TICK) for p in points]
    (folder / "P1_1_2A_p01.tagstream").write_text(tags or "XQPCTick;Tag\n" + "".join(
        f"{tick};G2  Duck\n" for tick in ticks))
    return folder


def test_windows_of_msrc12_have_their_points_to_the_line(tmp_path):
    msrc12.main(["--from", str(lay_msrc(tmp_path)), "--out", str(tmp_path / "set")])
    dataset = open_dataset(tmp_path / "set")
    assert list(dataset.videos.video_id) == ["P1_1_2A_p01_00240"]  # the first has no point
    assert dataset.videos.split[0] == "val" and dataset.videos.group[0] == "p01"
    np.testing.assert_allclose(dataset.segments[["start", "end"]],
                               [[50 / 30, 70 / 30], [150 / 30, 170 / 30]], atol=1e-3)
    features = store.open_features(dataset, "joints")
    assert features.x.shape == (1, 16, 126)


def test_a_recording_without_body_or_tags_has_no_window(tmp_path):
    lay_msrc(tmp_path, empty=500, points=())
    with pytest.raises(StudyError, match=r"holds no P\*.csv with its .tagstream: get MSRC-12"):
        msrc12.main(["--from", str(tmp_path), "--out", str(tmp_path / "set")])
    lay_msrc(tmp_path, tags="1;Gx")
    with pytest.raises(StudyError, match="no P"):  # a header alone: no tag
        msrc12.main(["--from", str(tmp_path), "--out", str(tmp_path / "set")])
    lay_msrc(tmp_path, tags="XQPCTick;Tag\n12;Duck\n")
    with pytest.raises(StudyError, match="is not a time and 80 numbers a line"):
        msrc12.main(["--from", str(tmp_path), "--out", str(tmp_path / "set")])
    assert not (tmp_path / "set").exists()


def lay_sfinge(folder, truth=None, numbers=6):
    for number in range(1, numbers + 1):
        np.savetxt(folder / f"{number}.txt", RNG(number).standard_normal((160, 140)), delimiter=",")
    (folder / "sequencesGT.csv").write_text(truth or "".join(
        f"{n},2,{1 + n % 13},10,40,7,120,160,\n" for n in range(1, numbers + 1)))
    return folder


def test_hands_become_windows_in_folds_of_neighbours(tmp_path):
    found = sfinge3d.recordings(lay_sfinge(tmp_path))
    assert [r.fold for r in found] == [1, 1, 2, 3, 4, 5] and found[0].steps.shape == (160, 126)
    at = found[0].labels
    assert set(at[10:41]) == {1} and set(at[120:]) == {6} and at[9] == at[41] == -1
    sfinge3d.main(["--from", str(tmp_path), "--out", str(tmp_path / "set"), "--force"])
    dataset = open_dataset(tmp_path / "set" / "fold1")
    assert dataset.classes == list(sfinge3d.GESTURES) and not dataset.synthetic


@pytest.mark.parametrize("truth, message", [
    ("1,2,3,10,40\n", "line 1: not a number, a count"), ("1,1,14,10,40\n", "line 1"),
    ("1,1,3,40,10\n", "line 1"), ("\n", "is empty"),
    ("9,1,3,10,40\n", "holds no recording 9 of 140 finite numbers")])
def test_broken_truth_of_hands(tmp_path, truth, message):
    with pytest.raises(StudyError, match=message):
        sfinge3d.recordings(lay_sfinge(tmp_path, truth))


def test_a_swipe_is_seen_in_the_way_of_the_first_joint_alone():
    hand = np.repeat(RNG(2).standard_normal((1, 20, 3)), 9, axis=0)
    left, right = (hand + sign * np.arange(9)[:, None, None] * [0.1, 0, 0] for sign in (-1, 1))
    a, b = joints.described(left), joints.described(right)
    np.testing.assert_allclose(joints.posture(left), joints.posture(right), atol=1e-12)
    assert a[1, 120] < 0 < b[1, 120] and a.shape == (9, 126)


def lay_depth(folder, name="a2_s7_t1_depth", frames=40):
    depth = np.zeros((240, 320, frames), np.int16)
    depth[60:180, 100:220] = 1000 + 10 * np.arange(frames)
    io.savemat(folder / f"{name}.mat", {"d_depth": depth})
    return folder


def test_depth_becomes_a_video(tmp_path):
    utd_mhad.main(["--from", str(lay_depth(tmp_path)), "--out", str(tmp_path / "set")])
    dataset = open_dataset(tmp_path / "set")
    row = dataset.videos.iloc[0]
    assert (row.split, row.labels, row.group) == ("val", ["swipe_right"], "s7")
    assert row.duration == pytest.approx(40 / 30)
    shown = list(decode.pictures(dataset.files["a2_s7_t1"]))
    assert len(shown) == 40 and shown[0].shape == (120, 120, 3)
    assert shown[-1][60, 60].mean() > 240 and shown[0][60, 60].mean() < 15 > shown[0][5, 5].mean()


@pytest.mark.parametrize("lay, message", [
    (lambda f: f, r"holds no a\*_depth.mat: get UTD-MHAD"),
    (lambda f: lay_depth(f, "a28_s1_t1_depth"), "'a28_s1_t1' names no action"),
    (lambda f: (f / "a1_s1_t1_depth.mat").write_text("no"), "holds no d_depth")])
def test_depth_that_does_not_fit_is_refused(tmp_path, lay, message):
    lay(tmp_path)
    with pytest.raises(StudyError, match=message):
        utd_mhad.main(["--from", str(tmp_path), "--out", str(tmp_path / "set")])
    assert not (tmp_path / "set" / "dataset.toml").exists()


ALIGN = ("0 23750 sil\n23750 29500 bin\n29500 34000 blue\n34000 35500 at\n35500 37000 f\n"
         "37000 74500 sil\n")


def lay_speech(folder, align=ALIGN):
    """Two utterances in the official form: 75 frames, each as bright as its number."""
    for name in ("bbaf2n", "bbaf3s"):
        (folder / "align").mkdir(exist_ok=True)
        (folder / "align" / f"{name}.align").write_text(align)
        write_video(folder / f"{name}.mp4",
                    (np.full((32, 32, 3), 20 + 3 * n, np.uint8) for n in range(75)), 25, {"crf": "1"})
    return folder


def test_crops_show_the_words_that_they_bear(tmp_path):
    grid.main(["--from", str(lay_speech(tmp_path)), "--out", str(tmp_path / "set"), "--crops", "2"])
    dataset = open_dataset(tmp_path / "set")
    assert len(dataset.videos) == 4 and dataset.videos.duration.eq(1.28).all()
    whole = {word: (start, end) for word, start, end in grid.words(
        tmp_path / "align" / "bbaf2n.align")}
    light = np.array([frame.mean() for frame in decode.pictures(tmp_path / "bbaf2n.mp4")])
    assert whole["bin"] == (0.95, 1.18) and list(whole) == ["bin", "blue", "at", "f"]
    for name, path in dataset.files.items():
        shades = [frame.mean() for frame in decode.pictures(path)]
        first = min(range(44), key=lambda n: np.abs(np.array(shades) - light[n:n + 32]).sum())
        shown = dataset.segments[dataset.segments.video_id == name]
        for word, (start, end) in whole.items():
            kept = np.clip(np.array([start, end]) - first / 25, 0, 1.28)
            wanted = [kept.tolist()] * bool(np.diff(kept) > (end - start) / 2 - 1e-9)
            own = shown[shown.label == word][["start", "end"]].values.tolist()
            assert own == [pytest.approx(each, abs=2e-3) for each in wanted], (word, first)


@pytest.mark.parametrize("align, message", [
    ("0 100 bin\n100 200 hello\n", "line 2: '100 200 hello' is no `start end word`"),
    ("0 x bin\n", "line 1: '0 x bin'")])
def test_broken_words(tmp_path, align, message):
    (tmp_path / "a.align").write_text(align)
    with pytest.raises(StudyError, match=message):
        grid.words(tmp_path / "a.align")


def test_a_short_utterance_is_refused(tmp_path):
    write_video(tmp_path / "v.mp4", (np.zeros((32, 32, 3), np.uint8) for _ in range(20)), 25)
    with pytest.raises(StudyError, match=r"v.mp4 has no \d+ frames: copy it again"):
        grid.write_crop(("v_0", tmp_path / "v.mp4", "train", 20, []), tmp_path / "out.mp4")


@pytest.mark.parametrize("script", [msrc12, utd_mhad, grid, sfinge3d])
def test_without_files_the_screen_says_where_to_get_them(script, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "BESIDE", tmp_path / "none")
    with pytest.raises(StudyError, match="needs .*files that are not here.*--from DIR"):
        script.main(["--out", str(tmp_path / "set")])
    with pytest.raises(StudyError, match="none"):
        script.main(["--out", str(tmp_path / "set"), "--from", str(tmp_path / "none")])
    assert not (tmp_path / "set").exists()


def ask(sets, given=None):
    return real.run(Namespace(sets=sets, given=given, encoder=real.ENCODER, seeds=None,
                              profile=None, device="cpu"))


def test_what_is_left_out_is_said_on_one_screen(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sources, "BESIDE", tmp_path / "none")
    monkeypatch.setattr(real, "DATA", tmp_path)
    assert ask([]) == 2
    said = capsys.readouterr().out
    assert all(f"\n  {name}\n" in said for name in real.SETS) and len(said.split("\n")) < 40
    assert "made of the videos of utd_mhad" in said and "zenodo.org" in said
    assert ask(["composed"]) == 2 and "kehtar/UTD-MHAD.html" in capsys.readouterr().out
    with pytest.raises(StudyError, match="'ucf' is no set of recordings: choose of msrc12"):
        ask(["ucf"])


def test_a_set_that_is_here_is_made_encoded_and_run(tmp_path, monkeypatch, capsys):
    runs = []
    monkeypatch.setattr(real, "DATA", tmp_path)
    monkeypatch.setattr(real.batch, "run", lambda options: runs.append(options) or 0)
    monkeypatch.setattr(real.door, "run", lambda arguments: runs.append(arguments))
    lay_speech(tmp_path)
    monkeypatch.setitem(sys.modules, "data.grid", Namespace(main=runs.append))
    assert ask(["grid"], tmp_path) == 0
    assert runs[0] == ["--from", str(tmp_path)] and runs[1][:2] == ["features", "--data"]
    assert runs[2].file.name == "grid.yaml" and runs[2].data == tmp_path / "grid"


def test_a_set_that_fails_says_why_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    runs = []
    monkeypatch.setattr(real, "DATA", tmp_path)
    monkeypatch.setattr(real, "prepare", lambda name, *_: name != "grid")
    monkeypatch.setattr(real.door, "run", runs.append)

    def run(options):
        if options.data.name == "msrc12":
            raise StudyError("msrc12: copy it again")
        runs.append(options.data.name)
        return 0

    monkeypatch.setattr(real.batch, "run", run)
    assert ask([]) == 2
    said = capsys.readouterr()
    assert said.err == "error: msrc12: copy it again\n" and "[5 of 8] grid" in said.out
    assert runs[0] == "sfinge3d" and runs[-1] == "utkinect" and "\n  grid\n" in said.out


@pytest.mark.parametrize("name, given, found", [
    ("salads", "all", "all"), ("gtea", "all/gtea", None), ("utkinect", "all", None),
    ("utkinect", None, "features/utkinect"), ("gtea", None, "features"), ("salads", None, "features")])
def test_where_a_set_is_looked_for(tmp_path, monkeypatch, name, given, found):
    """A folder that only bears a set's name is not it; beside the repository they lie with the features."""
    monkeypatch.setattr(sources, "BESIDE", tmp_path / "recordings")
    for folder in ("recordings", "features/tcn_splits", "features/gtea", "features/utkinect", "all/salads/tcn_splits",
                   "all/gtea/gtea", "all/features"):
        (tmp_path / folder).mkdir(parents=True)
    there = sources.beside(name, given and tmp_path / given)
    assert (there and there.resolve()) == (found and tmp_path / (f"{found}/{name}" if found == "all" else found))


@pytest.fixture
def published(shared, monkeypatch):
    if not (shared / "recordings").is_dir():
        pytest.skip("the recordings beside the repository (../shared/data/recordings) are absent")
    monkeypatch.setattr(sources, "BESIDE", shared / "recordings")
    return shared / "recordings"


def test_the_published_bodies(published, tmp_path, capsys):
    msrc12.main(["--out", str(tmp_path / "set")])
    dataset = open_dataset(tmp_path / "set")
    assert len(dataset.videos) == 2572 and len(dataset.segments) == 5735
    assert store.open_features(dataset, "body-stats").x.shape == (2572, 16, 234)
    assert dataset.videos.groupby("group").split.nunique().eq(1).all()
    assert set(dataset.videos.group[dataset.videos.split == "val"]) == {"p01", "p11", "p21"}
    before = pd.read_csv(published / "msrc12" / "videos.csv").set_index("video_id").split
    assert (before[dataset.videos.video_id].values == dataset.videos.split.values).all()


def test_the_published_hands(published, tmp_path, capsys):
    found = sfinge3d.intervals(published / "sfinge3d" / "sequencesGT.csv")
    assert len(found) == 72 and sum(map(len, found.values())) == 278
    sfinge3d.main(["--out", str(tmp_path / "set")])
    assert "5 folds of 72 recordings; test windows: windows 390" in capsys.readouterr().out


def test_the_published_depth(published, tmp_path, capsys):
    utd_mhad.main(["--out", str(tmp_path / "set")])
    dataset = open_dataset(tmp_path / "set")
    assert len(dataset.files) == 861 and dataset.videos.labels.str[0].nunique() == 27
    people = dataset.videos.groupby("split").group.agg(set)
    assert people.to_dict() == {"train": {"s1", "s3", "s5"}, "val": {"s7"},
                                "test": {"s2", "s4", "s6", "s8"}}
    before = pd.read_csv(published / "utd_mhad" / "videos.csv")
    assert (before.labels.values == dataset.videos.labels.str[0].values).all()
    assert (before.split.values == dataset.videos.split.values).all()


def test_the_published_speech(published, tmp_path):
    files, splits, words = grid.adopted(published / "grid_s1")
    assert len(files) == 1000 and sum(map(len, words.values())) == 6000
    assert len({word for own in words.values() for word, _, _ in own}) == len(grid.WORDS) == 51
    crops = grid.cut(files, splits, words, 0, 0)
    assert len(crops) == 1000 and sum(len(own) for *_, own in crops) == 3692
    grid.write_crop(crops[0], tmp_path / f"{crops[0][0]}.mp4")
    shown, whole = (list(decode.pictures(path)) for path in (tmp_path / f"{crops[0][0]}.mp4",
                                                             crops[0][1]))
    apart = [np.abs(shown[0].astype(int) - frame).mean() for frame in whole]
    assert len(shown) == 32 and int(np.argmin(apart)) == crops[0][3]
