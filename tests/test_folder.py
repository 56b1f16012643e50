"""`python -m data folder`: every form of a folder, and each way in which one can be wrong."""

import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pandas as pd
import pytest

from data import folder
from data.video import clips as clips_of
from data.common.ending import ended
from data.files.paths import ROOT
from data.files.dataset import open_dataset
from data.files.store import write_features

HEADER = "video_id,split,duration,labels\n"


def clip(path, frames=10, rate=10, late=0):
    """A small real video of `frames / rate` seconds; with `late` its sound begins so many earlier."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=rate)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        if late:
            sound = container.add_stream("mp2", rate=48000)
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 48000 * late), np.int16), layout="mono")
            silence.sample_rate, silence.pts, sound.layout = 48000, 0, "mono"
            container.mux([*sound.encode(silence), *sound.encode()])
        for number in range(frames):
            image = np.full((32, 32, 3), 8 * number % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = late * rate + number, Fraction(1, rate)
            container.mux(video.encode(frame))
        container.mux(video.encode())


def adopt(capsys, *arguments):
    """Exit code, path printed, and what was said."""
    code = ended(folder.main, [str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, (out.splitlines() or [""])[-1], err


@pytest.fixture
def clips(tmp_path):
    """A folder with a table and three videos of 1, 2 and 3 seconds."""
    home = tmp_path / "clips"
    for number in (1, 2, 3):
        clip(home / f"v{number}.mp4", 10 * number)
    (home / "videos.csv").write_text("video_id,split,labels\nv1,train,run\nv2,val,jump\n"
                                     "v3,test,run;jump\n")
    return home


def test_table_without_durations(clips, tmp_path, capsys):
    (clips / "segments.csv").write_text("video_id,label,start,end\nv3,jump,1.5,3.0\n")
    code, path, _ = adopt(capsys, clips, "--out", tmp_path / "made")
    made = open_dataset(path)
    assert code == 0 and path == str(tmp_path / "made")
    assert made.name == "clips" and made.task == "multilabel" and made.classes == ["jump", "run"]
    assert made.videos.duration.tolist() == pytest.approx([1, 2, 3], abs=0.11)
    assert set(made.files) == {"v1", "v2", "v3"} and made.files["v1"].parent == clips
    assert not made.synthetic and made.truth(["v3"], 4)[0].tolist() == [
        [False, False, True, True], [False] * 4]


def test_given_durations_stay_whatever_the_file(clips, tmp_path, capsys):
    (clips / "v1.mp4").write_bytes(b"not a video, but its duration is given")
    (clips / "videos.csv").write_text(HEADER + "v1,train,7.25,run\nv2,test,,jump\n")
    code, path, err = adopt(capsys, clips, "--out", tmp_path / "made")
    made = open_dataset(path)
    assert code == 0 and made.task == "singlelabel" and made.metric == "accuracy"
    assert made.videos.duration.tolist() == pytest.approx([7.25, 2], abs=0.11)
    assert "left out: v3.mp4: not in videos.csv" in err


@pytest.mark.parametrize("duration", ["", "9.0"])  # 9 is what a player shows
def test_intervals_are_read_as_a_player_shows_them(tmp_path, capsys, duration):
    home = tmp_path / "clips"
    clip(home / "v.mp4", frames=70, late=2)
    (home / "videos.csv").write_text(f"{HEADER}v,train,{duration},run;jump\n")
    (home / "segments.csv").write_text("video_id,label,start,end\nv,run,3,5\nv,jump,6.5,8.5\nv,jump,0,1\n")
    code, path, err = adopt(capsys, home, "--out", tmp_path / "made")
    assert code == 0, err
    made = open_dataset(path)
    assert made.videos[["duration", "picture_start"]].to_numpy().tolist() == [[7.0, 2.0]]
    jump, run = made.truth(["v"], 16)[0]
    middles = 2 + (np.arange(16) + 0.5) / 16 * 7  # when a player shows the frames that are encoded
    assert np.flatnonzero(run).tolist() == [2, 3, 4, 5, 6]
    assert np.array_equal(jump, (6.5 <= middles) & (middles < 8.5))
    ids, spans, _ = clips_of.instances(made)
    assert ids == ["v", "v"] and spans[0] == pytest.approx((1 / 7, 3 / 7))
    again = adopt(capsys, home, "--out", tmp_path / "made")[1]
    assert open_dataset(again).videos.picture_start.tolist() == [2.0]


def test_a_picture_that_begins_with_the_sound_adds_no_column(clips, tmp_path, capsys):
    _, path, _ = adopt(capsys, clips, "--out", tmp_path / "made")
    assert (tmp_path / "made" / "videos.csv").read_text().startswith(HEADER)
    assert open_dataset(path).videos.picture_start.tolist() == [0, 0, 0]


def test_unreadable_and_missing_videos_are_left_out(clips, tmp_path, capsys):
    (clips / "v2.mp4").write_bytes(b"")
    (clips / "v3.mp4").unlink()
    (clips / "segments.csv").write_text("video_id,label,start,end\nv2,jump,0,1\nv1,run,0,1\n")
    code, path, err = adopt(capsys, clips, "--out", tmp_path / "made")
    made = open_dataset(path)
    assert code == 0 and made.videos.video_id.tolist() == ["v1"]
    assert made.segments.video_id.tolist() == ["v1"]
    assert made.classes == ["jump", "run"]  # a class stays where its only video is unreadable
    assert "left out: v2" in err and "left out: v3: no file" in err and "2 left out" in err


def test_source_is_not_touched_and_rerun_measures_nothing(clips, tmp_path, capsys, monkeypatch):
    before = {p.name: p.stat().st_mtime_ns for p in clips.iterdir()}
    _, path, _ = adopt(capsys, clips, "--out", tmp_path / "made")
    first = [(tmp_path / "made" / name).read_bytes() for name in ("videos.csv", "dataset.toml")]
    monkeypatch.setattr("data.video.decode.probe", lambda path: pytest.fail("opened again"))
    code, _, _ = adopt(capsys, clips, "--out", tmp_path / "made")
    assert code == 0
    assert first == [(tmp_path / "made" / n).read_bytes() for n in ("videos.csv", "dataset.toml")]
    assert before == {p.name: p.stat().st_mtime_ns for p in clips.iterdir()}


@pytest.mark.parametrize("names", [
    ["train__do_it_1.mp4", "test__do_it_2.mp4", "test__rest_03.mp4"],
    ["train/do_it/a.mp4", "test/do_it/a.mp4", "test/rest/a.mp4"]])
def test_names_that_say_split_and_class(tmp_path, capsys, names):
    for name in names:
        clip(tmp_path / "in" / name)
    code, path, _ = adopt(capsys, tmp_path / "in", "--out", tmp_path / "made", "--name", "mine")
    made = open_dataset(path)
    assert code == 0 and made.name == "mine" and made.classes == ["do_it", "rest"]
    assert sorted(zip(made.videos.split, made.videos.labels.str[0])) == [
        ("test", "do_it"), ("test", "rest"), ("train", "do_it")]
    assert set(made.files) == set(made.videos.video_id)
    found = [p.resolve().relative_to(tmp_path / "in") for p in made.files.values()]
    assert {str(p) for p in found} == set(names)


def test_dataset_folder_is_checked_and_printed(clips, tmp_path, capsys):
    _, path, _ = adopt(capsys, clips, "--out", tmp_path / "made")
    assert adopt(capsys, path)[:2] == (0, path)
    (tmp_path / "made" / "videos.csv").write_text(HEADER + "v1,nowhere,1,run\n")
    code, printed, err = adopt(capsys, path)
    assert code == 2 and printed == "" and "videos.csv line 2: split is 'nowhere'" in err


def test_features_alone_are_a_dataset(tmp_path, capsys):
    (tmp_path / "dataset.toml").write_text('task = "singlelabel"\nclasses = ["a", "b"]\n')
    (tmp_path / "videos.csv").write_text(HEADER + "x,train,1,a\ny,test,1,b\n")
    code, _, err = adopt(capsys, tmp_path)
    assert code == 2 and "neither videos nor features" in err
    write_features(tmp_path / "features" / "own", ["x", "y"], np.zeros((2, 16, 4)),
                   {"origin": "user"})
    assert adopt(capsys, tmp_path)[:2] == (0, str(tmp_path))


WRONG = {
    "absent": (lambda home: home.rename(home.parent / "gone"), "is not a folder"),
    "empty": (lambda home: [p.unlink() for p in home.iterdir()], "SPLIT__CLASS_NN.ext"),
    "no csv": (lambda home: (home / "videos.csv").unlink(), "does not say its split and class"),
    "no video": (lambda home: [p.unlink() for p in home.glob("*.mp4")],
                 "holds no video: put the videos beside videos.csv"),
    "no column": (lambda home: (home / "videos.csv").write_text("video_id,labels\nv1,run\n"),
                  "lacks the column 'split'"),
    "twice": (lambda home: (home / "videos.csv").write_text(
        HEADER + "v1,train,,run\nv1,test,,run\n"), "'v1' stands twice"),
    "duration": (lambda home: (home / "videos.csv").write_text(HEADER + "v1,train,long,run\n"),
                 "videos.csv line 2: duration is 'long'"),
    "other names": (lambda home: (home / "videos.csv").write_text(HEADER + "v1.mp4,train,,run\n"),
                    "without their endings"),
    "no label": (lambda home: (home / "videos.csv").write_text(HEADER + "v1,train,,\n"),
                 "gives no video a label"),
    "unreadable": (lambda home: [p.write_bytes(b"") for p in home.glob("*.mp4")],
                   "none of the 3 videos could be read"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_faults_end_in_one_line(clips, tmp_path, capsys, fault):
    spoil, message = WRONG[fault]
    spoil(clips)
    code, printed, err = adopt(capsys, clips, "--out", tmp_path / "made")
    assert code == 2 and printed == ""
    assert message in err.splitlines()[-1] and "Traceback" not in err
    assert not (tmp_path / "made").exists()


def test_another_dataset_is_not_overwritten(clips, tmp_path, capsys):
    adopt(capsys, clips, "--out", tmp_path / "made")
    clip(tmp_path / "other" / "train__run_1.mp4")
    before = (tmp_path / "made" / "videos.csv").read_bytes()
    code, _, err = adopt(capsys, tmp_path / "other", "--out", tmp_path / "made")
    assert code == 2 and "choose another --name or --out" in err
    assert before == (tmp_path / "made" / "videos.csv").read_bytes()
    assert adopt(capsys, clips, "--out", clips)[0] == 2  # the source itself


def test_two_actions(shared, tmp_path):
    """The real clips, as a user calls it; stdout holds the path alone."""
    done = subprocess.run(
        [sys.executable, "-m", "data", "folder", shared / "videos" / "two_actions",
         "--out", tmp_path / "made"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path / 'made'}\n"
    made = open_dataset(tmp_path / "made")
    assert made.name == "two_actions" and made.task == "singlelabel" and len(made.files) == 69
    assert made.videos.labels.str[0].value_counts().to_dict() == {"typing": 39,
                                                                 "doing_exercises": 30}
    assert set(made.videos.split) == {"train", "test"} and (made.videos.duration > 1).all()


def test_odd_names_and_forms_are_adopted_or_left_out_with_a_reason(tmp_path, capsys):
    """The forms of the reliability suite, in folders that name split and class."""
    from reliability.videos import FORMS

    for split in ("train", "test"):
        (tmp_path / "mine" / split / "walk").mkdir(parents=True)
        for name, make in FORMS.items():
            make(tmp_path / "mine" / split / "walk" / name)
    folder.main([str(tmp_path / "mine"), "--out", str(tmp_path / "out")])
    made = open_dataset(tmp_path / "out")
    left_out = pd.read_csv(tmp_path / "out" / "left_out.csv")
    assert len(made.videos) == len(made.files) == 2 * (len(FORMS) - 4)
    assert len(left_out) == 2 * 4 and left_out.reason.str.contains(
        "it is empty|no video stream|no UTF-8|a line break").all()
