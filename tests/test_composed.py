"""Untrimmed videos out of trimmed clips: exact intervals, people apart, cuts that tell nothing."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data import composed
from data.common.generators.trimmed import write_clips
from data.common.recordings import clips, composing, cuts, joining, sources
from data.common.recordings.composing import Law, Piece
from data.files.dataset import open_dataset, write_dataset
from data.files.paths import sha256
from tfe.errors import StudyError

FEW = ["--train", "2", "--val", "1", "--test", "2"]
LAW = Law(30, 30, 50)
RNG = np.random.default_rng


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source") / "toy-clips"
    write_clips(folder, people=4, kinds=4)
    return folder


@pytest.fixture(scope="module")
def made(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "composed-toy"
    composed.main(["--from", str(source), "--out", str(out), *FEW])
    return out


def pieces_of(folder):
    table = pd.read_csv(folder / "pieces.csv", keep_default_na=False)
    return {name: [Piece(**row) for row in own.drop(columns="video_id").to_dict("records")]
            for name, own in table.groupby("video_id")}


def test_every_file_is_a_function_of_the_seed(source, made, tmp_path):
    again = tmp_path / made.name
    composed.main(["--from", str(source), "--out", str(again), *FEW])
    files = [path.relative_to(made) for path in sorted(made.rglob("*")) if path.is_file()]
    assert len(files) == 5 + 6 and all(sha256(made / f) == sha256(again / f) for f in files)
    assert composing.compose(RNG(1), *halves(), LAW) != composing.compose(RNG(0), *halves(), LAW)


def test_boundaries_by_decoding(source, made):
    """The frames at both ends of every piece are the clip's, those beside them others."""
    of_clips, side = open_dataset(source).files, 128
    for path in sorted((made / "videos").iterdir())[::2]:
        pieces = pieces_of(made)[path.stem]
        assert joining.boundaries(path, pieces, of_clips, side).max() < joining.CLOSE
        video = joining.clip_frames(path, side).astype(int)
        for piece in pieces:
            own = joining.shown(piece, joining.clip_frames(of_clips[piece.clip], side)).astype(int)
            at = range(max(0, piece.first - 1), min(len(video) - piece.frames, piece.first + 1) + 1)
            apart = {n: np.abs(video[n:n + piece.frames] - own).mean() for n in at}
            if piece.shows != "rest":  # which barely moves
                assert min(apart, key=apart.get) == piece.first
            if piece.join == "gap":
                assert video[piece.first - piece.join_frames:piece.first].mean() < 10


def test_intervals_are_those_of_the_pieces_and_durations_those_of_the_frames(made):
    dataset = open_dataset(made)
    for row in dataset.videos.itertuples():
        pieces = pieces_of(made)[row.video_id]
        assert row.duration == pytest.approx((pieces[-1].first + pieces[-1].frames) / 12)
        own = dataset.segments[dataset.segments.video_id == row.video_id]
        assert sorted(own.label) == sorted(row.labels) == sorted(
            {piece.shows for piece in pieces if piece.labelled})
        for event in own.itertuples():
            shown = [piece for piece in pieces if piece.shows == event.label]
            assert event.start == pytest.approx(shown[0].first / 12)
            assert event.end == pytest.approx((shown[-1].first + shown[-1].frames) / 12)
    truth = dataset.truth(list(dataset.videos.video_id), 16)
    np.testing.assert_array_equal(truth.any(2), dataset.targets(list(dataset.videos.video_id)) > 0)


def test_a_video_is_of_one_person_and_no_person_in_two_splits(source, made):
    dataset, group = open_dataset(made), open_dataset(source).videos.set_index("video_id").group
    for row in dataset.videos.itertuples():
        assert {group[piece.clip] for piece in pieces_of(made)[row.video_id]} == {row.group}
    assert dataset.videos.groupby("group").split.nunique().eq(1).all()
    assert set(dataset.videos.group) == {"s1", "s2", "s3", "s4"}


def test_classes_without_a_label_never_have_one(made):
    dataset = open_dataset(made)
    for pieces in pieces_of(made).values():
        assert all((piece.shows in dataset.classes) == piece.labelled for piece in pieces)
    assert len(dataset.classes) == 2 and dataset.synthetic


def test_the_receipt_tells_what_was_found(made):
    receipt = json.loads((made / "receipt.json").read_text())
    assert receipt["boundaries"]["videos"] == 5 and receipt["law"]["fps"] == 12
    assert set(receipt["cuts"]) == {"labelled_auc", "boundary_auc", "label_map", "chance_map",
                                    "chance_map_sd"}


def test_again_there_is_nothing_to_do_and_a_lost_video_is_made_again(source, made, capsys):
    arguments = ["--from", str(source), "--out", str(made), *FEW]
    composed.main(arguments)
    assert "nothing to do" in capsys.readouterr().out
    lost = made / "videos" / "test_0001.mp4"
    before = sha256(lost)
    lost.unlink()
    composed.main(arguments)
    assert sha256(lost) == before
    with pytest.raises(StudyError, match="was made with another share"):
        composed.main([*arguments, "--share", "0.5"])


def halves(classes=10, length=70):
    """Clips of one person: five of each class, half of the classes labelled."""
    of = {f"c{c}": [(f"c{c}_{n}", length + n) for n in range(5)] for c in range(classes)}
    return [{name: of[name] for name in of if (int(name[1]) < classes // 2) == labelled}
            for labelled in (True, False)]


def plans(count, law=LAW, part=0):
    return [composing.compose(RNG([part, n]), *halves(), law)
            for n in range(count)]


def told(train, test):
    videos = {f"{part}_{n}": pieces for part, own in (("train", train), ("test", test))
              for n, pieces in enumerate(own)}
    return cuts.control(videos, {name: name.partition("_")[0] for name in videos})


def test_the_cuts_alone_tell_neither_label_nor_boundary():
    found = told(plans(200), plans(200, part=1))
    assert found["labelled_auc"] == pytest.approx(0.5, abs=0.04)
    assert found["boundary_auc"] == pytest.approx(0.5, abs=0.04)
    assert found["label_map"] < found["chance_map"] + 3.5 * found["chance_map_sd"]


def test_cuts_that_do_tell_are_found():
    """Pieces of an action are longer, and fades come before it alone, by its class."""
    def spoilt(pieces):
        return [replace(piece, frames=piece.frames + 9 * piece.labelled, join="fade",
                        join_frames=3 + int(piece.shows[1]) if piece.labelled else 1)
                for piece in pieces]

    found = told([spoilt(p) for p in plans(100)], [spoilt(p) for p in plans(60, part=1)])
    assert found["labelled_auc"] > 0.95 and found["boundary_auc"] > 0.7
    assert found["label_map"] > found["chance_map"] + 4 * found["chance_map_sd"]


@pytest.mark.parametrize("law", [LAW, replace(LAW, share=0.5), replace(
    LAW, actions=1, distractors=0, joins=("none",)), replace(LAW, fps=12, least=16, most=27)])
def test_videos_obey_their_law(law):
    shares = []
    for pieces in plans(60, law):
        frames = pieces[-1].first + pieces[-1].frames
        assert 8 <= frames / law.fps <= 60
        found = composing.intervals(pieces)
        assert 1 <= len(found) == len({label for label, _, _ in found}) <= law.actions
        assert all(composing.seen(first, last, frames) for _, first, last in found)
        assert all(law.least <= piece.frames <= law.most for piece in pieces)
        assert {piece.join for piece in pieces} <= {*law.joins, "none"}
        if not law.distractors:
            assert all(piece.labelled or piece.shows == "rest" for piece in pieces)
        shares.append(sum(last - first for _, first, last in found) / frames)
        for piece in pieces:  # a piece holds its clip's middle, a rest its beginning
            middle = (70 + int(piece.clip[-1])) // 2
            assert piece.shows == "rest" or (
                piece.clip_first <= middle < piece.clip_first + piece.frames <= 70 + middle)
    assert np.mean(shares) == pytest.approx(law.share, rel=0.15)


def test_groups_are_read_off_names_and_val_is_taken_out_of_train():
    assert clips.group("v_Archery_g07_c02", "Archery", "train") == "g07"
    assert clips.group("April_09_brush_hair_u_nm_np1_ba_goo_0", "brush_hair", "train") == "April_09"
    assert clips.group("kitchen", "typing", "train") == "train"
    table = pd.DataFrame({"group": [f"g{n:02d}" for n in range(25)],
                          "split": ["test"] * 7 + ["train"] * 18})
    assert set(clips.with_val(table, "x").group[lambda g: clips.with_val(
        table, "x").split[g.index] == "val"]) == {"g08", "g16", "g24"}
    with pytest.raises(StudyError, match="no split val, and train has one group alone"):
        clips.with_val(table.assign(group="all"), "x")


def test_of_a_film_in_two_splits_one_is_left_out(source, tmp_path):
    old = open_dataset(source)
    (tmp_path / "videos").mkdir()
    names = [f"Film_{old.videos.labels[n][0]}_u_{n}" for n in range(7)]
    for n, name in enumerate(names):
        (tmp_path / "videos" / f"{name}.mp4").symlink_to(old.files[old.videos.video_id[n]])
    write_dataset(tmp_path, old.settings | {"videos": "videos"}, pd.DataFrame(
        {"video_id": names, "split": ["train"] * 4 + ["val", "test", "test"], "duration": 3,
         "labels": old.videos.labels.str[0][:7]}))
    found = clips.table(open_dataset(tmp_path))
    assert list(found.video_id) == names[:4] and set(found.group) == {"Film"}
    assert found.frames.tolist() == (12 * old.videos.duration[:4]).round().tolist()


def test_poor_groups_are_joined_with_the_like_of_their_split():
    table = pd.DataFrame([(f"{part}{film}{n}", part, f"c{n}", film, 60)
                          for part in clips.PARTS for film in "xy" for n in range(4)
                          if film == "x" or n < 2],
                         columns=["video_id", "split", "label", "group", "frames"])
    names = [name for name, *_ in clips.pools(table, ["c0", "c1"])["train"]]
    assert names == ["x"]  # y has labelled classes alone
    table["group"] = table.video_id
    (name, labelled, others), = clips.pools(table, ["c0", "c1"])["val"]
    assert name == "val mixed" and sorted(labelled) == ["c0", "c1"] and len(labelled["c0"]) == 2


@pytest.mark.parametrize("arguments", [
    ["--share", "0.01"], ["--joins", "wipe"], ["--actions", "0"], ["--train", "0"]])
def test_what_it_cannot_make_it_refuses(arguments, source, tmp_path):
    with pytest.raises(StudyError, match="give --share from .075 to .8"):
        composed.main(["--from", str(source), "--out", str(tmp_path / "x"), *arguments])
    assert not (tmp_path / "x").exists()


def test_a_person_in_two_splits_is_refused(source, tmp_path):
    dataset = open_dataset(source)
    videos = dataset.videos.assign(labels=dataset.videos.labels.str[0], group="s1")
    write_dataset(tmp_path / "d", dataset.settings | {"videos": str(source / "videos")}, videos)
    with pytest.raises(StudyError, match="group 's1' is in two splits"):
        clips.table(open_dataset(tmp_path / "d"))
    write_dataset(tmp_path / "m", dataset.settings | {"task": "multilabel", "metric": "map"},
                  videos)
    with pytest.raises(StudyError, match="is multilabel: clips of one action each"):
        clips.table(open_dataset(tmp_path / "m"))


def test_without_clips_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "BESIDE", tmp_path / "none")
    monkeypatch.setattr(composed, "DATA", tmp_path)
    for name, said in (("utd_mhad", "get UTD-MHAD"),
                       ("ucf101", "make it by `python -m data ucf101`")):
        with pytest.raises(StudyError, match=f"which are not here: {said}.*--from rehearsal"):
            composed.main(["--from", name])
    assert not any(tmp_path.iterdir())
