"""Small inputs out of public reports, beside the repository: the right value, or one line and exit 2."""

import re
import shutil

import numpy as np
import pytest
from test_folder import adopt
from test_isolation import CHAPTER, EXECUTE, clean, python

from book.__main__ import main
from book.runs import batch
from data.files.dataset import open_dataset
from data.video.decode import probe, sample

pytestmark = pytest.mark.shared
BATCH = """table: t
dataset: {}
encoder: own
profile: smoke
seeds: [0]
rows: [{{row: BIKE, backbone: bike, method: vanilla}}]
"""
ADOPTED = {  # classes, videos, left out
    "c1_trailing_comma": (["typing", "waving"], 12, {}),
    "c4c_class_nfd": (["caf\u00e9", "winken"], 12, {}),
    "c5_segments_beyond": (["typing", "waving"], 12, {}),
    "c10b_stray_listed": (["typing", "waving"], 13, {}),
    "v2": (["fly"], 3, {}),
    "v3set": (["sit", "wave"], 4, {}),
    "v6_endings": (["typing", "waving"], 11, {}),
    "v8_long": (["typing", "waving"], 8, {}),
}
REFUSED = {
    "c3_semicolon": "videos.csv separates its cells by ';': save it with ',' between cells and '.' in",
    "c6_cp1252": "videos.csv line 2: the byte 0xe9 after 'test__typing_00,test,caf' is not UTF-8: save",
    "c8b_quote_two": "videos.csv line 5: cannot be read as csv .*: close each quote, or remove it",
    "v6c_rawframes": r"holds no video but 32 pictures, .*: make each folder of frames a video, .*ffmpeg",
}
FEATURES = {  # how many runs are planned, or what is said
    "f1_bigendian": "features.npy is of >f[248], which torch cannot read: save it as float16",
    "f2_oneclass": "dataset.toml has one class, which every answer hits: add videos of another class",
    "f3_unlabelled_test": "videos.csv: no video of split test has a label, .*: write its labels",
    "f4f_T200": "backbone bike has 77 positions, one a segment: make features of 77 segments or fewer",
    "f6_nan": r"features.npy: NaN, .* in 1 of 12 rows, such as \d+ \(v\d+\): scale them, or take these",
    "f7_bom": 1,
    "f8_trailing": 1,
}


@pytest.fixture(scope="module")
def cases(shared):
    return shared / "cases"


@pytest.mark.parametrize("name", ADOPTED)
def test_a_folder_is_adopted_whole(cases, tmp_path, capsys, name):
    classes, videos, left_out = ADOPTED[name]
    code, path, err = adopt(capsys, cases / name, "--out", tmp_path / "made")
    made = open_dataset(path)
    assert code == 0 and made.classes == classes and len(made.files) == len(made.videos) == videos
    assert f"{len(left_out)} left out" in err
    assert all(f"left out: {file}: {reason}" in err for file, reason in left_out.items())
    if made.segments is not None:
        lasts = made.videos.set_index("video_id")
        lasts = (lasts.duration + lasts.picture_start)[made.segments.video_id]
        assert (made.segments.end.to_numpy() <= lasts.to_numpy()).all()


@pytest.mark.parametrize("name", REFUSED)
def test_a_folder_is_refused_in_one_line(cases, tmp_path, capsys, name):
    code, _, err = adopt(capsys, cases / name, "--out", tmp_path / "made")
    assert code == 2 and len(err.strip().splitlines()) == 1 and re.search(REFUSED[name], err), err
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", FEATURES)
def test_features_of_ones_own_are_planned_or_refused_before_any_run(
        cases, tmp_path, capsys, monkeypatch, name):
    planned = []
    monkeypatch.setattr(batch, "execute", lambda runs, *_: planned.extend(runs) or [])
    monkeypatch.setattr(batch, "LOCAL", tmp_path)
    (tmp_path / "t.yaml").write_text(BATCH.format(cases / name))
    code = main(["batch", str(tmp_path / "t.yaml")])
    err = capsys.readouterr().err
    if isinstance(FEATURES[name], int):
        assert len(planned) == FEATURES[name] and "no run finished" in err  # as none was begun
    else:
        assert code == 2 and not planned and len(err.strip().splitlines()) == 1
        assert re.search(FEATURES[name], err), err


@pytest.mark.parametrize("name", ["train__fly_01.mp4", "train__fly_02.mov", "train__fly_03.mkv"])
def test_a_cover_is_no_film(cases, name):
    assert probe(cases / "v2" / name).duration == pytest.approx(4.0, abs=0.1)
    assert len({frame.tobytes() for frame in sample(cases / "v2" / name, 16)}) == 16


def test_intervals_are_where_a_player_shows_them(cases, tmp_path, capsys):
    made = open_dataset(adopt(capsys, cases / "v3set", "--out", tmp_path / "made")[1])
    sit, wave = made.truth(["train_0"], 16)[0]
    assert np.flatnonzero(wave).tolist() == [2, 3, 4, 5, 6] and not sit.any()
    copy = tmp_path / "longer"
    shutil.copytree(cases / "v3set", copy)
    (copy / "segments.csv").write_text("video_id,label,start,end\ntrain_0,wave,6.5,8.5\n")
    code, path, err = adopt(capsys, copy, "--out", tmp_path / "later")
    assert code == 0 and open_dataset(path).segments.end.tolist() == [8.5] and "cut" not in err


def test_pixels_are_those_of_the_square_twin(cases):
    wide, square = (sample(cases / "sar" / f"{name}.mp4", 8).astype(float)
                    for name in ("anamorphic", "square"))
    assert wide.shape == square.shape
    assert np.corrcoef(wide.ravel(), square.ravel())[0, 1] > 0.99


def test_a_home_with_a_matplotlibrc_changes_nothing(cases, tmp_path):
    shutil.copytree(cases / "e6_home", tmp_path / "home")
    (tmp_path / "chapter.py").write_text(CHAPTER)
    said = python("-c", EXECUTE, tmp_path / "chapter.py", env=clean() | {"HOME": str(tmp_path / "home")})
    assert said.split()[1] == "False"
