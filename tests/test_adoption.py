"""Folders as people really have them: nothing vanishes, nothing splits, and a kill is mended."""

import os
import unicodedata

import numpy as np
import pandas as pd
import pytest
from reliability.adoption import stopped_everywhere
from test_folder import HEADER, adopt, clip

from data import folder
from data.files.dataset import SUFFIXES, open_dataset
from data.files.store import open_features, write_features
from data.video import film
from tfe.errors import StudyError

CAFE = "caf\u00e9"


@pytest.fixture
def home(tmp_path):
    """A folder with two videos whose names say split and class."""
    for name in ("train__run_1", "test__jump_1"):
        clip(tmp_path / "clips" / f"{name}.mp4")
    return tmp_path / "clips"


def left_out(path):
    table = pd.read_csv(f"{path}/left_out.csv")
    return dict(zip(table.name, table.reason))


def listed(home, rows, header="video_id,split,labels"):
    (home / "videos.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


LISTED = ["train__run_1,train,run", "test__jump_1,test,jump"]


# Nothing vanishes

def test_kept_and_left_out_are_everything_in_the_folder(home, tmp_path, capsys):
    (home / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (home / "notes.txt").write_text("-")
    (home / ".hidden.mp4").write_bytes(b"-")
    (home / "train__run_2.mp4").write_bytes(b"")
    code, path, err = adopt(capsys, home, "--out", tmp_path / "made")
    reasons = left_out(path)
    assert code == 0 and "4 left out" in err
    assert set(open_dataset(path).videos.video_id) == {"train__run_1", "test__jump_1"}
    assert set(reasons) == {"gone.mp4", "notes.txt", ".hidden.mp4", "train__run_2"}
    assert "leads nowhere" in reasons["gone.mp4"] and "'.txt'" in reasons["notes.txt"]
    assert len(os.listdir(home)) == 2 + len(reasons)


def test_listed_videos_are_found_beside_the_list_and_in_videos(home, tmp_path, capsys):
    (home / "videos").mkdir()
    (home / "train__run_1.mp4").rename(home / "videos" / "train__run_1.mp4")
    listed(home, [*LISTED, "lost,train,run"])
    code, path, _ = adopt(capsys, home, "--out", tmp_path / "made")
    made = open_dataset(path)
    assert code == 0 and set(made.files) == {"train__run_1", "test__jump_1"} == set(made.videos.video_id)
    assert left_out(path) == {"lost": "no file of that name"}
    clip(home / "videos" / "test__jump_1.mp4")
    code, _, err = adopt(capsys, home, "--out", tmp_path / "made")
    assert code == 2 and "are both 'test__jump_1': remove one" in err


@pytest.mark.parametrize("ending", [".ts", ".MTS", ".wmv", ".flv", ".3gp"])
def test_what_the_decoder_reads_is_adopted_by_its_ending(home, tmp_path, capsys, ending):
    clip(home / "train__run_2.avi")
    (home / "train__run_2.avi").rename(home / f"train__run_2{ending}")  # the content decides
    _, path, _ = adopt(capsys, home, "--out", tmp_path / "made")
    assert "train__run_2" in open_dataset(path).files


def test_every_container_of_the_decoder_has_an_ending_in_the_list():
    import av

    sound_and_pictures = {f".{e}" for e in (
        "m4a m4b mka mks mp2 mp3 oga ogg spx opus wma ism ismv isma f4v psp avc 26l h26l mj2 mk3d h265 "
        "webma avif heif heic").split()}
    for name in film.FORMATS.split(","):
        own = {f".{e}" for e in av.format.ContainerFormat(name, "r").extensions}
        assert own - sound_and_pictures <= set(SUFFIXES), name


def test_two_forms_of_an_accent_are_one_class(tmp_path, capsys):
    for split, form, name in (("train", "NFC", "a"), ("train", "NFD", "b"), ("test", "NFD", "c")):
        clip(tmp_path / "in" / split / unicodedata.normalize(form, CAFE) / f"{name}.mp4")
    _, path, _ = adopt(capsys, tmp_path / "in", "--out", tmp_path / "made")
    made = open_dataset(path)
    assert made.classes == [CAFE] and len(made.files) == 3
    listed(tmp_path / "in", [f"{unicodedata.normalize('NFD', CAFE)},train,x", "d,test,x"])
    clip(tmp_path / "in" / f"{CAFE}.mp4")
    clip(tmp_path / "in" / "d.mp4")
    _, path, _ = adopt(capsys, tmp_path / "in", "--out", tmp_path / "listed")
    assert set(open_dataset(path).files) == {CAFE, "d"}


def test_classes_that_differ_in_capitals_are_told(home, tmp_path, capsys):
    listed(home, ["train__run_1,train,Running fast", "test__jump_1,test,running_fast"])
    assert "'Running fast' and 'running_fast' count as different" in adopt(
        capsys, home, "--out", tmp_path / "made")[2]


def test_folders_of_frames_are_named_with_the_remedy(tmp_path, capsys):
    frames = tmp_path / "in" / "train" / "run" / "clip0"
    frames.mkdir(parents=True)
    for number in range(3):
        (frames / f"{number}.jpg").write_bytes(b"-")
    code, _, err = adopt(capsys, tmp_path / "in", "--out", tmp_path / "made")
    assert code == 2 and "3 pictures" in err and "ffmpeg" in err and str(frames) in err


# What a list says, and what is said of it

@pytest.mark.parametrize("rows, said", [
    (['train__run_1,train,"run', 'test__jump_1,test,jump"'], "line 2: the cell of labels holds a line"),
    (['train__run_1,train,"run', "test__jump_1,test,jump"], "line 2: cannot be read as csv"),
    (["train__run_1,train,run,fast", "test__jump_1,test,jump"], "line 2: 4 cells where the header has 3"),
    (["train__run_1,train", "test__jump_1,test,jump"], "line 2: 2 cells where the header has 3"),
])
def test_a_broken_row_is_named_by_its_line(home, tmp_path, capsys, rows, said):
    listed(home, rows)
    code, _, err = adopt(capsys, home, "--out", tmp_path / "made")
    assert code == 2 and said in err and not (tmp_path / "made").exists()


def test_empty_cells_at_the_ends_of_rows_mean_nothing(home, tmp_path, capsys):
    listed(home, [f"{row}," for row in LISTED])
    _, path, _ = adopt(capsys, home, "--out", tmp_path / "made")
    assert open_dataset(path).videos.labels.tolist() == [["run"], ["jump"]]


@pytest.mark.parametrize("mark", [";", "\t"])
def test_another_mark_between_cells_is_named(home, tmp_path, capsys, mark):
    listed(home, [row.replace(",", mark) for row in LISTED], mark.join(("video_id", "split", "labels")))
    code, _, err = adopt(capsys, home, "--out", tmp_path / "made")
    assert code == 2 and f"separates its cells by {mark!r}: save it with ','" in err


@pytest.mark.parametrize("coding, said", [
    ("cp1252", "line 3: the byte 0xe9 after 'test__jump_1,test,caf'"),
    ("utf-16", "is UTF-16: save it as UTF-8")])
def test_another_encoding_is_named(home, tmp_path, capsys, coding, said):
    listed(home, LISTED)
    text = (home / "videos.csv").read_text().replace("jump\n", f"{CAFE}\n")
    (home / "videos.csv").write_text(text, encoding=coding)
    code, _, err = adopt(capsys, home, "--out", tmp_path / "made")
    assert code == 2 and said in err


def test_all_faults_of_a_list_are_counted_and_twenty_shown(home, tmp_path, capsys):
    listed(home, [*LISTED, *(f"v{n},nowhere,run" for n in range(300))])
    code, _, err = adopt(capsys, home, "--out", tmp_path / "made")
    message = err.splitlines()[-1]
    assert code == 2 and message.count("split is 'nowhere'") == 20 and "and 280 more" in message
    assert "line 4: " in message and message.endswith("use one of train, val, test, shifted")


def test_marks_of_byte_order_are_no_fault(tmp_path):
    write_features(tmp_path / "features" / "own", ["x", "y"], np.zeros((2, 4, 3)), {})
    (tmp_path / "features" / "own" / "meta.json").write_text('{"origin": "user"}', "utf-8-sig")
    (tmp_path / "dataset.toml").write_text('task = "singlelabel"\nclasses = ["a", "b"]\n', "utf-8-sig")
    (tmp_path / "videos.csv").write_text(f"{HEADER}x,train,1,a\ny,test,1,b\n", "utf-8-sig")
    dataset = open_dataset(tmp_path)
    assert open_features(dataset, "own").meta["origin"] == "user"
    assert dataset.settings["source"] == "its source is not stated"


def test_a_value_that_is_none_is_named_by_row_and_video(tmp_path):
    x = np.zeros((12, 4, 3))
    x[5, 1, 2], x[7] = np.nan, np.inf
    write_features(tmp_path / "features" / "own", [f"v{n}" for n in range(12)], x, {})
    (tmp_path / "dataset.toml").write_text('task = "singlelabel"\nclasses = ["a"]\n')
    (tmp_path / "videos.csv").write_text(HEADER + "".join(f"v{n},train,1,a\n" for n in range(12)))
    with pytest.raises(StudyError, match=r"in 2 of 12 rows, such as 5 \(v5\), 7 \(v7\)"):
        open_features(open_dataset(tmp_path), "own")


def test_intervals_are_cut_to_their_videos_and_counted_as_for_charades(home, tmp_path, capsys):
    listed(home, LISTED)
    (home / "segments.csv").write_text("video_id,label,start,end\ntrain__run_1,run,0.5,9\n"
                                       "train__run_1,run,5,9\ntest__jump_1,jump,0.4,0.1\n")
    code, path, err = adopt(capsys, home, "--out", tmp_path / "made")
    made = open_dataset(path)
    last = made.videos.duration[made.videos.video_id == "train__run_1"].item()
    assert code == 0 and made.segments.values.tolist() == [["train__run_1", "run", 0.5, last]]
    for count, what in ((1, "end after their video: cut"), (1, "start after their video: left out"),
                        (1, "end before they start: left out")):
        assert f"{count} intervals that {what}" in err
    assert set(made.notes.values()) == {0}  # what was written is sound


# Adopted again

def test_a_clip_that_is_replaced_under_an_old_date_is_measured_anew(home, tmp_path, capsys):
    _, path, _ = adopt(capsys, home, "--out", tmp_path / "made")
    old = (home / "train__run_1.mp4").stat()
    clip(home / "train__run_1.mp4", frames=30)
    os.utime(home / "train__run_1.mp4", ns=(old.st_atime_ns, old.st_mtime_ns))
    adopt(capsys, home, "--out", tmp_path / "made")
    made = open_dataset(path).videos.set_index("video_id").duration
    assert made["train__run_1"] == pytest.approx(3, abs=0.11)
    assert made["test__jump_1"] == pytest.approx(1, abs=0.11)


def test_where_nobody_states_a_source_a_caption_says_so(home, tmp_path, capsys):
    _, path, _ = adopt(capsys, home, "--out", tmp_path / "made")
    table = tmp_path / "made" / "dataset.toml"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(line for line in lines if not line.startswith("source")))
    assert open_dataset(path).settings["source"] == "its source is not stated"


def test_a_name_too_long_for_a_file_is_shortened(tmp_path, capsys):
    for split in ("train", "test"):
        for number in range(2):
            clip(tmp_path / "in" / split / "run" / f"{chr(0x5b66) * 80}{number}.mp4")
    code, path, _ = adopt(capsys, tmp_path / "in", "--out", tmp_path / "made")
    made = open_dataset(path)
    assert code == 0 and len(made.files) == 4 == len(made.videos)
    assert all(len(name.encode()) <= 200 for name in made.files)


def test_two_folders_of_one_name_and_one_of_ours_all_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(folder, "DATA", tmp_path / "data")
    paths = set()
    for name in ("a/clips", "b/clips", "c/planted", "d/video"):
        clip(tmp_path / name / "train__run_1.mp4")
        code, path, _ = adopt(capsys, tmp_path / name)
        assert code == 0 and adopt(capsys, tmp_path / name)[1] == path
        paths.add(path)
    names = sorted(os.path.basename(path) for path in paths)
    assert len(names) == 4 and names[0] == "clips" and names[1].startswith("clips-")
    assert not {"planted", "video"} & set(names)
    assert open_dataset(tmp_path / "data" / names[1]).name == names[1]
    code, _, err = adopt(capsys, tmp_path / "a" / "clips", "--name", "planted")
    assert code == 2 and "choose another" in err


@pytest.mark.parametrize("links", [False, True])
def test_stopped_at_any_write_the_same_command_mends_it(tmp_path, links):
    places, failures = stopped_everywhere(tmp_path, links)
    assert places > (10 if links else 8) and failures == []
