"""Small archives in official form, from a server on loopback to a metric; and each trap on the way."""

import hashlib
import json
import re
import shutil
from argparse import ArgumentParser
from functools import cache

import av
import numpy as np
import pandas as pd
import pytest
from archives import rarred, serving, zipped
from test_batch import local  # noqa: F401 (a fixture)
from test_lists import CHARADES, HEADER, TAGGED, TSN, UCF, lay

from book.__main__ import main as book_main
from book.commands import reproduce
from data import charades, hmdb51, ucf101
from data.common.archives import acquire, benchmark, download, rar
from data.common.lists import census
from data.files import store
from data.files.dataset import open_dataset
from data.__main__ import main
from data.common.ending import ended
from tfe.errors import StudyError

LIBRARY = pytest.mark.skipif(rar.importlib.util.find_spec("unrar") is None,
                             reason="unrar2-cffi, the optional reader of rar, is not installed")
MODULES = {"ucf101": ucf101, "hmdb51": hmdb51, "charades": charades}
ACTIONS = HEADER + "AAAAA,S1,Kitchen,c000 0.20 0.60;c001 0.50 9.00,1.2\nBBBBB,S1,Stairs,,1.2\n" \
    "CCCCC,S2,Stairs,c001 0.90 0.10;c000 0.00 0.40,1.2"
LISTS = {
    # The file's spelling in the archive differs from that in the lists.
    "ucf101": UCF | {f"{part}list0{n}.txt": UCF[f"{part}list01.txt"] for part in ("train", "test")
                     for n in (2, 3)},
    "hmdb51": {name.replace("split1", f"split{n}"): text.replace("A (1)", "St. A (1)")
               for name, text in TAGGED.items() for n in (1, 2, 3)},
    "charades": CHARADES | {"Charades_v1_train.csv": ACTIONS, "Charades_v1_test.csv":
                            HEADER + "DDDDD,S3,Kitchen,c001 0.50 1.00,1.2\nEEEEE,S4,Hall,,1.2\n"}}
BATCH = """
table: toy
dataset: {folder}
encoder: efficientnet-lite0
profile: smoke
seeds: [0]
splits: [test]
rows:
  - {{row: Mean pooling, backbone: none, method: mean-pool}}
"""


@cache
def clip(number, suffix, folder):
    """The bytes of a tiny video, 12 frames of 64x48 at 10 a second."""
    path = folder / f"{number}{suffix}"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for n in range(12):
            picture = np.full((48, 64, 3), (40 * number % 255, 10 * n, 99), np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())
    return path.read_bytes()


@pytest.fixture
def official(tmp_path):
    """Make the archives of a benchmark in official form; `{file name: bytes}`."""
    scratch = tmp_path / "official"
    scratch.mkdir()

    def make(name, lists=None, without=()):
        lists = LISTS[name] if lists is None else lists
        listed = acquire.READERS[name](lay(scratch / "lists", lists)).videos
        members = {member: clip(n, member[-4:], scratch) for n, member in enumerate(listed.member)
                   if member not in without}
        if name == "charades":
            files = {"Charades.zip": {f"Charades/{n}": text for n, text in lists.items()},
                     "Charades_v1_480.zip": {f"Charades_v1_480/{m}": v for m, v in members.items()}}
        elif name == "ucf101":
            files = {"UCF101TrainTestSplits-RecognitionTask.zip":
                     {f"ucfTrainTestlist/{n}": text for n, text in lists.items()},
                     "UCF101_videos.zip": {f"UCF101/{m.rpartition('/')[2]}".replace("HandStand", "Handstand"):
                                           v for m, v in members.items()}}
        else:
            inner = {}
            for label in sorted({m.partition("/")[0] for m in members}):
                within = {m: v for m, v in members.items() if m.startswith(f"{label}/")}
                inner[f"{label}.rar"] = rarred(scratch / "i.rar", within).read_bytes()
            files = {"test_train_splits.rar": {f"testTrainMulti_7030_splits/{n}": text.encode()
                                               for n, text in lists.items()}, "hmdb51_org.rar": inner}
        write = {".zip": zipped, ".rar": rarred}
        return {n: write[n[-4:]](scratch / n, content).read_bytes() for n, content in files.items()}
    return make


@pytest.fixture
def here(tmp_path, monkeypatch):
    """No folder of the repository is read or written."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(benchmark, "DATA", tmp_path / "data")
    monkeypatch.setattr("data.common.pool.cores", lambda: 1)
    return tmp_path


def own_sources(path, name, url, files):
    """A file of sources that names a server, and the hashes of what it has."""
    page, lists, videos = download.sources(name)
    text = f'[{name}]\npage = "{page}"\nlists = "{lists.name}"\nany = ["{videos[0].name}"]\n'
    for file, content in files.items():
        text += (f'[{name}.files."{file}"]\nurls = ["{url(file)}"]\nsize = {len(content)}\n'
                 f'sha256 = "{hashlib.sha256(content).hexdigest()}"\n')
    path.write_text(text)
    return path


def given(folder, files):
    """A folder that holds the archives."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def unhashed(path, name):
    """Sources without sizes and hashes, for small archives that come out of a folder."""
    page, lists, videos = download.sources(name)
    path.write_text(f'[{name}]\npage = "{page}"\nlists = "{lists.name}"\nany = ["{videos[0].name}"]\n'
                    + "".join(f'[{name}.files."{each.name}"]\nurls = []\n' for each in (lists, videos[0])))
    return path


def make(name, here, files, *more):
    """The dataset folder of small archives that lie in a folder."""
    folder = here / "given"
    if not folder.exists():
        given(folder, files)
    out = here / "out"
    MODULES[name].main(["--from", str(folder), "--out", str(out), "--sources",
                        str(unhashed(here / "sources.toml", name)), *more])
    return open_dataset(out)


@pytest.mark.parametrize("table, name", [("table2", "ucf101"), ("table1", "charades"),
                                         pytest.param("table2", "hmdb51", marks=LIBRARY)])
def test_from_the_network_to_a_metric_in_one_command(
        here, official, local, in_this_process, name, table):  # noqa: F811
    """Downloaded by `data/NAME.py`'s own way, which one connection that breaks does not stop."""
    files, out = official(name), here / "out"
    (here / "toy.yaml").write_text(BATCH.format(folder=out))
    with serving(files) as server:
        broken = max(files, key=lambda file: len(files[file]))
        server.faults = [lambda h: h.path[1:] == broken and (server.send(
            h, files[broken], cut=999) or True)] * 2
        sources = own_sources(here / "own.toml", name, server.url, files)
        code = book_main(["reproduce", table, name, "--download", "--sources", str(sources), "--out", str(out),
                               "--archives", str(here / "archives"), "--encoder", "efficientnet-lite0",
                               "--device", "cpu", "--batch", str(here / "toy.yaml")])
        assert code == 0 and (f"/{broken}", "bytes=999-") in server.asked
    dataset = open_dataset(out)
    features = store.open_features(dataset, "efficientnet-lite0")
    assert features.x.shape == (len(dataset.videos), 16, 1280) and not dataset.synthetic
    metric = pd.read_csv(local / "toy.csv")
    assert metric.value.between(0, 100).all() and set(metric.dataset) == {"out"}
    assert set(metric.metric) == {"map" if name == "charades" else "accuracy"}
    # Everything is there now: the server is gone, and nobody misses it.
    MODULES[name].main(["--sources", str(sources), "--out", str(out),
                        "--archives", str(here / "archives")])
    assert not list(out.rglob("*.part")) and not list(out.glob(".*"))


def test_ucf101_is_known_by_its_names_however_they_are_spelt(here, official):
    dataset = make("ucf101", here, official("ucf101"))
    assert dataset.classes == ["ApplyEyeMakeup", "HandstandPushups"] and dataset.task == "singlelabel"
    assert {p.name for p in (here / "out" / "videos").iterdir()} == {
        "v_ApplyEyeMakeup_g08_c01.avi", "v_HandStandPushups_g08_c01.avi",
        "v_HandStandPushups_g01_c02.avi"}
    assert dataset.videos.duration.tolist() == pytest.approx([1.2] * 3)
    rows = census.of_tables("ucf101", dataset, acquire.READERS["ucf101"](here / "official" / "lists"))
    assert [found for _, _, found, _ in rows] == [0, 0, 0, 0]


@LIBRARY
def test_hmdb51_out_of_rars_within_a_rar(here, official):
    dataset = make("hmdb51", here, official("hmdb51"))
    assert sorted(dataset.videos.video_id) == sorted([
        "#2_Gum!_chew_h_nm_np1_fr_med_0", "M&M;-)_chew_h_nm_np1_fr_med_1",
        "St. A (1)_shoot_ball_u_nm_np1_fr_med_0"])  # tag 0 is in neither part
    assert dataset.classes == ["chew", "shoot_ball"] and len(dataset.files) == 3
    assert not (here / "out" / ".inner").exists()


def test_hmdb51_unpacked_with_the_lists_of_tsn(here, official):
    folder = lay(here / "mine", TSN)
    for n, member in enumerate(acquire.READERS["hmdb51"](folder).videos.member):
        (folder / member).parent.mkdir(exist_ok=True)
        (folder / member).write_bytes(clip(n, ".avi", here))
    hmdb51.main(["--from", str(folder), "--out", str(here / "out")])
    dataset = open_dataset(here / "out")
    assert len(dataset.files) == 3 and all(p.is_symlink() for p in dataset.files.values())
    assert dataset.videos.duration.tolist() == [2.0, pytest.approx(79 / 30), 1.0]


def test_charades_keeps_what_has_no_action_and_mends_intervals(here, official, capsys):
    dataset = make("charades", here, official("charades"))
    labels = dataset.videos.set_index("video_id").labels
    assert labels["BBBBB"] == [] == labels["EEEEE"] and len(labels["CCCCC"]) == 2
    assert dataset.segments.values.tolist() == [
        ["AAAAA", "Holding a phone/camera", 0.2, 0.6], ["AAAAA", "Opening a door", 0.5, 1.2],
        ["CCCCC", "Holding a phone/camera", 0.0, 0.4], ["DDDDD", "Opening a door", 0.5, 1.0]]
    said = capsys.readouterr().out
    assert "1 intervals that end before they start: left out" in said
    assert "1 train videos without an action" in said and "1 test videos without an action" in said


def test_absent_videos_are_listed_and_not_fatal(here, official, capsys):
    dataset = make("charades", here, official("charades", without=["CCCCC.mp4"]))
    assert list(dataset.videos.video_id) == ["AAAAA", "BBBBB", "DDDDD", "EEEEE"]
    absent = pd.read_csv(here / "out" / "left_out.csv")
    assert absent.values.tolist() == [["CCCCC", "no file of that name"]]
    assert "CCCCC" not in set(dataset.segments.video_id)
    assert "1 left out" in capsys.readouterr().err
    # They are not sought again in an archive that the user may have removed since.
    shutil.rmtree(here / "given")
    charades.main(["--out", str(here / "out"), "--archives", str(here / "none")])


def test_videos_that_do_not_decode_are_listed(here, official):
    files = official("ucf101")
    members = {f"UCF101/{p}.avi": b"no video" if "Apply" in p else clip(1, ".avi", here) for p in (
        "v_ApplyEyeMakeup_g08_c01", "v_HandStandPushups_g08_c01", "v_HandStandPushups_g01_c02")}
    files["UCF101_videos.zip"] = zipped(here / "x.zip", members).read_bytes()
    assert len(make("ucf101", here, files).videos) == 2
    absent = pd.read_csv(here / "out" / "left_out.csv")
    assert absent.name.tolist() == ["v_ApplyEyeMakeup_g08_c01"] and "no usable" in absent.reason[0]


def test_another_split_shares_the_files(here, official):
    folder = given(here / "given", official("ucf101"))
    sources = str(unhashed(here / "sources.toml", "ucf101"))
    for split in ("1", "2"):
        ucf101.main(["--from", str(folder), "--sources", sources, "--split", split])
    one, two = (open_dataset(here / "data" / name) for name in ("ucf101", "ucf101-split2"))
    assert two.settings["official_split"] == 2 and set(one.files) == set(two.files)
    assert all(one.files[i].samefile(two.files[i]) for i in one.files)


def test_the_census_of_another_split_reads_its_lists(here, official):
    make("ucf101", here, official("ucf101"), "--split", "2")
    assert open_dataset(here / "out").settings["official_split"] == 2
    rows = census.census("ucf101", here / "out", here / "out" / "lists", workers=1).set_index("check")
    assert rows.sound["videos in another split than listed"]


def test_where_no_hard_link_leads_a_symbolic_one_does(here):
    def other_disk(source, target):
        raise OSError(18, "Invalid cross-device link")

    (here / "a").mkdir()
    (here / "a" / "clip.avi").write_bytes(b"x")
    assert acquire._adopt(here / "a", here / "b", {"clip": "clip"}, other_disk) == {"clip"}
    assert (here / "b" / "clip.avi").is_symlink() and (here / "b" / "clip.avi").read_bytes() == b"x"


def test_val_is_whole_groups_of_train(here):
    groups = [f"g{n}" for n in range(400) for _ in range(3)]
    videos = pd.DataFrame({"group": groups, "split": ["train"] * 900 + ["test"] * 300})
    held = benchmark.held_out(videos)
    assert (held.groupby(videos.group).nunique() == 1).all() and not held[900:].any()
    assert 0.05 < held[:900].mean() < 0.2


@pytest.mark.parametrize("suffix, number", [(".mp4", 3), (".csv", 2)])
def test_an_interrupted_unpacking_goes_on_to_the_same(here, official, monkeypatch, suffix, number):
    files, written = official("charades"), []

    def unplugged(archive, entry, path, write=acquire.unpack.__globals__["_write"]):
        written.append(path.suffix)
        if written.count(suffix) == number:
            raise KeyboardInterrupt
        write(archive, entry, path)
    monkeypatch.setitem(acquire.unpack.__globals__, "_write", unplugged)
    with pytest.raises(KeyboardInterrupt):
        make("charades", here, files)
    assert not (here / "out" / "dataset.toml").exists()
    monkeypatch.undo()
    monkeypatch.setattr(benchmark, "DATA", here / "data")
    make("charades", here, files)
    whole = {p.name: p.read_bytes() for p in (here / "out").rglob("*") if p.is_file()}
    shutil.rmtree(here / "out")
    make("charades", here, files)
    assert whole == {p.name: p.read_bytes() for p in (here / "out").rglob("*") if p.is_file()}


def test_the_first_sound_archive_is_recorded_and_another_refused(here, official):
    files = official("charades")
    make("charades", here, files)
    record = json.loads((here / "out" / "archives.json").read_text())
    assert record["Charades_v1_480.zip"] == {
        "size": len(files["Charades_v1_480.zip"]),
        "sha256": hashlib.sha256(files["Charades_v1_480.zip"]).hexdigest()}
    next((here / "out" / "videos").iterdir()).unlink()
    zipped(here / "given" / "Charades_v1_480.zip", {"x/AAAAA.mp4": b"other"})
    with pytest.raises(StudyError, match="Charades_v1_480.zip is not the file of that name of which"):
        make("charades", here, files)


def replaced(file, content):
    return lambda folder: (folder / file).write_bytes(content(folder) if callable(content) else content)


@pytest.mark.parametrize("name, spoil, words", [
    ("ucf101", lambda f: (f / "UCF101_videos.zip").unlink(), "holds neither UCF101_videos.zip nor"),
    ("ucf101", lambda f: (f / "UCF101TrainTestSplits-RecognitionTask.zip").unlink(), "neither UCF101Tr"),
    ("ucf101", replaced("UCF101_videos.zip", b"<html>"), "UCF101_videos.zip is damaged"),
    ("ucf101", lambda f: zipped(f / "UCF101_videos.zip", {"a.txt": b""}), "none of the 3 listed videos"),
    ("ucf101", lambda f: zipped(f / "UCF101TrainTestSplits-RecognitionTask.zip", {"a.txt": b""}),
     "holds no classInd.txt"),
    ("ucf101", lambda f: zipped(f / "UCF101_videos.zip", {
        "v_HandStandPushups_g08_c01.avi": b"1", "v_HandstandPushups_g08_c01.avi": b"2"}),
     "would be one file"),
    ("ucf101", lambda f: zipped(f / "UCF101_videos.zip", dict.fromkeys([
        f"v_{n}.avi" for n in ("ApplyEyeMakeup_g08_c01", "HandStandPushups_g08_c01",
                               "HandStandPushups_g01_c02")], b"no video")),
     "none of the 3 videos could be read"),
    ("charades", replaced("Charades_v1_480.zip", b""), "Charades_v1_480.zip is damaged"),
    ("charades", lambda f: zipped(f / "Charades.zip", {
        "Charades/Charades_v1_classes.txt": "c000 A\nc000 B\n", "Charades_v1_train.csv": ACTIONS,
        "Charades_v1_test.csv": ACTIONS}), "classes.txt line 2"),
    ("charades", lambda f: [(f / d).mkdir() or (f / d / "AAAAA.mp4").write_bytes(b"x") for d in "ab"],
     "are both AAAAA: remove one"),
    pytest.param("hmdb51", replaced("hmdb51_org.rar", b"<html>"), "no rar archive", marks=LIBRARY),
    pytest.param("hmdb51", lambda f: rarred(f / "hmdb51_org.rar", {"chew.rar": b"Rar!\x1a\x07\x01\x00x"}),
                 "none of the 3 listed|damaged", marks=LIBRARY),
    pytest.param("hmdb51", lambda f: rarred(f / "hmdb51_org.rar", {"chew.rar": b"<html>"}),
                 "hmdb51_org.rar: chew.rar in it is damaged", marks=LIBRARY),
])
def test_each_fault_of_what_is_given_is_one_line(here, official, capsys, name, spoil, words):
    folder = given(here / "given", official(name))
    spoil(folder)
    command = ["--from", str(folder), "--out", str(here / "out"), "--sources",
               str(unhashed(here / "sources.toml", name))]
    assert ended(MODULES[name].main, command) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(words, message) and message.startswith("error: ")
    assert not (here / "out" / "dataset.toml").exists()
    assert not [p for p in here.rglob(".*") if p.is_file()]  # nothing half-written


def test_a_folder_that_is_none_and_a_reader_that_is_absent(here, monkeypatch):
    with pytest.raises(StudyError, match="nowhere is not a folder: give --from"):
        charades.main(["--from", "nowhere"])
    monkeypatch.setattr(rar.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StudyError, match="no reader of .rar"):  # before anything is fetched
        hmdb51.main(["--archives", str(here / "archives")])
    assert not (here / "archives").exists()


@pytest.mark.parametrize("table, name, said", [
    ("table1", "charades", ["Charades.zip", "13 GB", "prior.allenai.org", "openai/clip-vit-large"]),
    ("table2", "ucf101", ["UCF101_videos.zip or UCF101.rar", "6.96 GB", "crcv.ucf.edu", "ViT-L-14-336px.pt"]),
    ("table2", "hmdb51", ["hmdb51_org.rar", "2.1 GB", "serre-lab", "make data DATASET=hmdb51"])])
def test_what_is_missing_fits_one_screen_and_ends_with_2(here, monkeypatch, capsys, table, name, said):
    monkeypatch.setenv("TFE_WEIGHTS", str(here / "weights"))
    monkeypatch.setenv("HF_HUB_CACHE", str(here / "cache"))
    command = [table, name, "--archives", str(here / "archives"), "--out", str(here / "out")]
    assert book_main(["reproduce", *command]) == 2
    screen = capsys.readouterr().out
    assert all(word in screen for word in said) and len(screen.splitlines()) <= 24
    assert list(here.iterdir()) == []


def test_the_small_way_wants_no_large_weights(here, official, monkeypatch, capsys):
    folder = given(here / "given", official("ucf101"))
    command = ["table2", "ucf101", "--from", str(folder), "--out", str(here / "out"), "--encoder",
               "efficientnet-lite0"]
    parser = ArgumentParser()
    reproduce.arguments(parser)
    options = parser.parse_args(command)
    assert [*reproduce.of_data(options, here / "out"), *reproduce.of_encoder(options)] == []
    (folder / "UCF101_videos.zip").unlink()
    assert book_main(["reproduce", *command]) == 2
    assert "UCF101_videos.zip" in capsys.readouterr().out
    assert book_main(["reproduce", "table1", "ucf101"]) == 2
    assert "table1 has no ucf101: choose charades" in capsys.readouterr().err


def test_a_dataset_that_is_there_is_not_made_again(here, official, monkeypatch):
    make("ucf101", here, official("ucf101"))
    monkeypatch.setattr(ucf101, "main", lambda *_: pytest.fail("went to look for archives"))
    asked = []
    monkeypatch.setattr(reproduce.features, "run", lambda words: asked.append(words[0]))
    monkeypatch.setattr(reproduce.batch, "run", lambda options: asked.append(options.file.stem))
    book_main(["reproduce", "table2", "ucf101", "--out", str(here / "out"), "--encoder", "efficientnet-lite0"])
    assert asked == ["features", "table2"]


@pytest.mark.shared
def test_the_official_lists_become_a_dataset(shared, here):
    """Charades' own lists with three tiny videos: the rest is absent, and the tables hold."""
    folder = here / "mine"
    folder.mkdir()
    lists = shared / "annotations" / "charades"
    chosen = acquire.READERS["charades"](lists).videos.video_id.iloc[[0, 5000, -1]].tolist()
    for video_id in chosen:
        (folder / f"{video_id}.mp4").write_bytes(clip(1, ".mp4", here))
    for path in lists.glob("Charades_v1_*"):
        (folder / path.name).symlink_to(path)
    charades.main(["--from", str(folder), "--out", str(here / "out")])
    dataset = open_dataset(here / "out")
    assert list(dataset.videos.video_id) == chosen and len(dataset.classes) == 157
    assert len(pd.read_csv(here / "out" / "left_out.csv")) == 9848 - 3
    assert main(["census", "charades", "--data", str(here / "out"), "--lists", str(lists),
                 "--workers", "1"]) == 1
