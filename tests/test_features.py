"""Features from videos: resumable, refused when made otherwise, bad files listed, none mixed."""

import json
import subprocess
import sys
from importlib.metadata import version

import av
import numpy as np
import pandas as pd
import pytest

from data.common.generators.render import write_video
from data.common.generators.storyboard import storyboard
from data.encoders import engines, features, parts, store_key
from data.files import store
from data.files.dataset import open_dataset, write_dataset
from data.files.paths import ROOT
from tfe import StudyError
from data.__main__ import main

SETTINGS = store_key.settings_of("efficientnet-lite0", resolution=32, segments=4)


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Three rendered clips and one that is no video."""
    folder = tmp_path_factory.mktemp("clips")
    for number in range(3):
        write_video(storyboard("train", number), folder / f"v{number}.mp4")
    (folder / "bad.mp4").write_bytes(b"not a video at all")
    return folder


@pytest.fixture(autouse=True)
def one_worker_is_this_process(monkeypatch):
    """What asks for one worker needs no process of its own, which takes seconds to start."""
    def over_cores(function, items, what, unit, workers=None, initializer=None, initargs=(),
                   do=parts.pool.over_cores, **more):
        if workers != 1 or not initializer:
            return do(function, items, what, unit, workers, initializer, initargs, **more)
        initializer(*initargs)
        return ((item, function(item)) for item in items)

    monkeypatch.setattr(parts.pool, "over_cores", over_cores)


@pytest.fixture
def dataset(tmp_path, clips):
    ids = ["v0", "bad", "v1", "v2", "gone"]
    videos = pd.DataFrame({"video_id": ids, "split": "train", "duration": 9.0, "labels": "a"})
    write_dataset(tmp_path, {"name": "t", "task": "singlelabel", "classes": ["a"],
                                   "videos": str(clips)}, videos)
    return open_dataset(tmp_path)


def made(dataset):
    return store.open_features(dataset, "efficientnet-lite0")


def test_good_videos_are_encoded_and_bad_ones_listed(dataset):
    assert features.extract(dataset, SETTINGS, workers=2) == (3, 0, 2)
    opened = made(dataset)
    assert opened.x.shape == (3, 4, 1280) and opened.video_ids == ["v0", "v1", "v2"]
    assert opened.meta == SETTINGS | {"sha256": opened.meta["sha256"]}
    index = pd.read_csv(opened.folder / "index.csv")
    assert index.sha256.tolist() == [store.sha256(dataset.files[i]) for i in opened.video_ids]
    skipped = pd.read_csv(opened.folder / "skipped.csv").set_index("video_id")
    assert "bad.mp4" in skipped.reason["bad"] and "no file" in skipped.reason["gone"]
    assert sorted(p.name for p in opened.folder.iterdir()) == [
        "features.npy", "index.csv", "meta.json", "skipped.csv"]


def test_a_store_that_is_up_to_date_needs_no_torch(dataset):
    features.extract(dataset, SETTINGS, workers=1)
    code = ("import sys; from data.__main__ import main; main(sys.argv[1:]); "
            "print([name for name in ('torch', 'av') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code, "features", "--data", dataset.folder, "--segments", "4",
                           "--resolution", "32"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "0 made, 3 up to date" in done.stdout and done.stdout.endswith("[]\n")


def test_a_second_run_does_nothing_and_a_new_video_is_added(dataset, tmp_path, monkeypatch):
    features.extract(dataset, SETTINGS, workers=1)
    before = {p.name: p.stat().st_mtime_ns for p in made(dataset).folder.iterdir()}
    first = np.array(made(dataset).x)
    monkeypatch.setattr(parts, "encode", lambda *a: pytest.fail("encoded again")
                        if a[1] else {})
    assert features.extract(dataset, SETTINGS) == (0, 3, 2)
    assert before == {p.name: p.stat().st_mtime_ns for p in made(dataset).folder.iterdir()}
    monkeypatch.undo()
    table = pd.read_csv(tmp_path / "videos.csv")
    table = table[table.video_id != "v1"]
    table.to_csv(tmp_path / "videos.csv", index=False)
    fewer = open_dataset(tmp_path)
    with pytest.raises(StudyError, match="not in videos.csv"):
        made(fewer)


def test_an_interrupted_run_goes_on_from_its_parts(dataset, monkeypatch):
    features.extract(dataset, SETTINGS, workers=1)
    whole = (made(dataset).folder / "features.npy").read_bytes()
    for path in made(dataset).folder.iterdir():
        path.unlink()
    def unplugged(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "write_features", unplugged)
    with pytest.raises(KeyboardInterrupt):
        features.extract(dataset, SETTINGS, workers=1)
    monkeypatch.undo()
    monkeypatch.setattr(parts.pool, "over_cores", lambda f, jobs, *a: pytest.fail("again") if jobs
                        else [])
    bad = dataset.videos[~dataset.videos.video_id.isin(["bad"])]
    object.__setattr__(dataset, "videos", bad)  # the unreadable one would be tried again
    features.extract(dataset, SETTINGS)
    assert (made(dataset).folder / "features.npy").read_bytes() == whole


@pytest.mark.parametrize("change", [{"T": 8}, {"resolution": 64}, {"versions": {"av": "1.0"}},
                                    {"weights_sha256": "0" * 64}])
def test_a_store_made_otherwise_is_refused_and_left_alone(dataset, change):
    features.extract(dataset, SETTINGS, workers=1)
    folder = made(dataset).folder
    meta = folder / "meta.json"
    meta.write_text(json.dumps({**json.loads(meta.read_text()), **change}))
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(StudyError, match=f"was made with {next(iter(change))} = .*delete that"):
        features.extract(dataset, SETTINGS)
    assert before == {p.name: p.read_bytes() for p in folder.iterdir()}


def test_features_of_the_users_own_are_never_overwritten(dataset):
    folder = dataset.folder / "features" / "efficientnet-lite0"
    store.write_features(folder, ["v0"], np.zeros((1, 4, 3)), {"origin": "user"})
    with pytest.raises(StudyError, match="features of your own"):
        features.extract(dataset, SETTINGS)


def test_without_one_readable_video_nothing_is_written(tmp_path, clips, capsys):
    videos = pd.DataFrame({"video_id": ["bad"], "split": "train", "duration": 1.0, "labels": "a"})
    write_dataset(tmp_path, {"name": "t", "task": "singlelabel", "classes": ["a"],
                                   "videos": str(clips)}, videos)
    assert main(["features", "--data", str(tmp_path)]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("error: ") and "none of the 1 videos" in said and "bad.mp4" in said
    assert not (tmp_path / "features" / "efficientnet-lite0" / "features.npy").exists()


@pytest.mark.parametrize("arguments, said", [
    (["--device", "cuda"], "no CUDA device"), (["--segments", "0"], "1 segment or more"),
    (["--resolution", "-4"], "32 pixels or more"), (["--device", "abacus"], "'abacus' is unknown")])
def test_settings_that_no_video_can_meet_are_refused_before_any(dataset, capsys, arguments, said):
    if "cuda" in arguments and __import__("torch").cuda.is_available():
        pytest.skip("there is a CUDA device here")
    assert main(["features", "--data", str(dataset.folder), *arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and said in lines[0]
    assert not list(dataset.folder.glob("features/*/parts-*"))


def test_features_without_videos_are_used_as_they_are(tmp_path, capsys):
    videos = pd.DataFrame({"video_id": ["a"], "split": "train", "duration": 1.0, "labels": "a"})
    write_dataset(tmp_path, {"task": "singlelabel", "classes": ["a"]}, videos)
    store.write_features(tmp_path / "features" / "mine", ["a"], np.zeros((1, 4, 3)), {})
    assert main(["features", "--data", str(tmp_path)]) == 0
    assert "are used as they are" in capsys.readouterr().out
    assert [p.name for p in (tmp_path / "features").iterdir()] == ["mine"]


def test_an_encoder_that_fails_skips_no_video(dataset, tmp_path):
    def short(frames):
        raise RuntimeError("CUDA out of memory")

    part = tmp_path / "part.npy"
    with pytest.raises(StudyError, match=r"the encoder failed at .*v0.mp4 .CUDA out of memory"):
        parts._write((dataset.files["v0"], part), short, np.zeros((4, 1, 32, 32, 3)), None)
    assert not part.exists()


@pytest.mark.parametrize("text, said", [("{oops", "is not valid JSON"), ("[1]", "no table of names")])
def test_a_meta_json_written_by_hand_may_be_wrong_in_one_line(dataset, capsys, text, said):
    folder = dataset.folder / "features" / "mine"
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(text)
    assert main(["features", "--data", str(dataset.folder)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and "meta.json" in lines[0] and said in lines[0]


def test_a_write_that_stopped_half_way_is_not_mistaken_for_a_store(dataset):
    """features.npy is the new one, index.csv still the old: the hashes tell."""
    features.extract(dataset, SETTINGS, workers=1)
    folder = made(dataset).folder
    good = (folder / "features.npy").read_bytes()
    np.save(folder / "features.npy", np.array(made(dataset).x)[::-1])
    with pytest.raises(StudyError, match="interrupted write"):
        made(dataset)
    features.extract(dataset, SETTINGS, workers=1)
    assert (folder / "features.npy").read_bytes() == good


def test_an_unknown_encoder_is_refused(capsys, dataset):
    assert main(["features", "--data", str(dataset.folder), "--encoder", "vit"]) == 2
    assert "choose one of efficientnet-lite0" in capsys.readouterr().err


def test_a_video_of_another_length_than_it_declares_is_used_and_said(dataset, clips, tmp_path,
                                                                    capsys):
    cut = tmp_path / "clips"
    cut.mkdir()
    for name in ("v0.mp4", "v1.mp4"):
        (cut / name).write_bytes((clips / name).read_bytes())
    content = (cut / "v1.mp4").read_bytes()
    at = content.index(b"mdat") + 2000  # the frames behind it cannot be decoded
    (cut / "v1.mp4").write_bytes(content[:at] + bytes(len(content[at:-3000])) + content[-3000:])
    text = (tmp_path / "dataset.toml").read_text().replace(str(clips), str(cut))
    (tmp_path / "dataset.toml").write_text(text)
    arguments = ["features", "--data", str(tmp_path), "--resolution", "32", "--segments", "4"]
    for _ in range(2):  # the second run makes nothing, and keeps what was said
        assert main(arguments) == 0
        assert "or another number of frames than they announce" in capsys.readouterr().out
        said = pd.read_csv(dataset.folder / "features/efficientnet-lite0/lengths.csv")
        assert said.video_id.tolist() == ["v1"]
        assert said.declared[0] == said.indexed[0] > said.decoded[0] > 0


def test_damaged_frames_are_counted_and_left_out_when_asked(dataset, clips, tmp_path, capsys):
    cut = tmp_path / "clips"
    cut.mkdir()
    for name in ("v0.mp4", "v1.mp4"):
        (cut / name).write_bytes((clips / name).read_bytes())
    with av.open(str(cut / "v1.mp4")) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    at, size = packets[len(packets) // 2]
    content = bytearray((cut / "v1.mp4").read_bytes())
    content[at + size // 2:at + size] = bytes(size - size // 2)  # the length of the packet stays
    (cut / "v1.mp4").write_bytes(content)
    text = (tmp_path / "dataset.toml").read_text().replace(str(clips), str(cut))
    (tmp_path / "dataset.toml").write_text(text)
    dataset = open_dataset(tmp_path)
    ids, said = {}, {}
    for strict in ([], ["--strict"], ["--strict"], []):
        assert main(["features", "--data", str(tmp_path), "--resolution", "32", "--segments", "4",
                     *strict]) == 0
        assert "1 videos hold damaged frames (1) or" in capsys.readouterr().out
        ids[len(ids)], folder = made(dataset).video_ids, made(dataset).folder
        row = pd.read_csv(folder / "lengths.csv").iloc[0]
        assert row.video_id == "v1" and row.decoded == row.declared == len(packets)
        assert row.damaged > 0
        reasons = pd.read_csv(folder / "skipped.csv").set_index("video_id").reason
        said[len(said)] = reasons.get("v1")
    assert ids == {0: ["v0", "v1"], 1: ["v0"], 2: ["v0"], 3: ["v0", "v1"]}
    assert said[0] is None is said[3]
    assert said[1] == said[2] == f"--strict: {row.damaged} of {len(packets)} frames are damaged"


@pytest.fixture
def old_store(tmp_path, clips):
    """The folder of a dataset with a store of before there was a choice of engines."""
    folder = tmp_path / "old"
    dataset = laid(folder, clips, ["v0"])
    features.extract(dataset, SETTINGS, workers=1)
    meta = made(dataset).folder / "meta.json"
    told = json.loads(meta.read_text())
    del told["engine"]
    meta.write_text(json.dumps(told))
    return folder


def laid(folder, clips, ids):
    videos = pd.DataFrame({"video_id": ids, "split": "train", "duration": 9.0, "labels": "a"})
    write_dataset(folder, {"name": "t", "task": "singlelabel", "classes": ["a"],
                                 "videos": str(clips)}, videos)
    return open_dataset(folder)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


SMALL = ["--resolution", "32", "--segments", "4", "--workers", "1"]


def test_a_store_without_an_engine_is_torchs_and_stays_so(old_store, clips, capsys):
    folder = old_store / "features" / "efficientnet-lite0"
    before = contents(folder)
    assert main(["features", "--data", str(old_store), *SMALL]) == 0
    assert "(torch): 0 made, 1 up to date" in capsys.readouterr().out and before == contents(folder)
    dataset = laid(old_store, clips, ["v0", "v1"])
    assert main(["features", "--data", str(old_store), *SMALL]) == 0
    assert "(torch): 1 made, 1 up to date" in capsys.readouterr().out
    assert made(dataset).meta["engine"] == "torch"


def test_parts_of_two_engines_never_meet(old_store, clips, capsys):
    pytest.importorskip("openvino", reason="openvino, an engine of its own, is not installed")
    before = contents(old_store / "features" / "efficientnet-lite0")
    wish = ["--engine", "openvino"]
    assert main(["features", "--data", str(old_store), *SMALL, *wish]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and "made with engine = 'torch', not 'openvino': delete" in said[0]
    assert before == contents(old_store / "features" / "efficientnet-lite0")
    other = store_key.settings_of("efficientnet-lite0", 32, 4, engine="openvino")
    assert store_key.digest(other) != store_key.digest(SETTINGS)


def test_openvino_encodes_as_torch_does_and_the_store_says_so(dataset, tmp_path, clips, capsys):
    openvino = pytest.importorskip("openvino", reason="openvino is not installed")
    features.extract(dataset, SETTINGS, workers=1)
    by_torch = np.array(made(dataset).x, np.float64)
    folder = tmp_path / "again"
    again = laid(folder, clips, ["v0", "bad", "v1", "v2", "gone"])
    assert main(["features", "--data", str(folder), *SMALL]) == 0  # auto, on a CPU
    assert "(openvino): 3 made" in capsys.readouterr().out
    found = made(again)
    assert found.meta["engine"] == "openvino"
    assert found.meta["versions"]["openvino"] == version("openvino") and openvino
    x = np.array(found.x, np.float64)
    cosine = (x * by_torch).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(by_torch, axis=-1)
    assert cosine.min() > 1 - 1e-6


def test_an_engine_that_cannot_start_is_named_and_torch_serves(dataset, monkeypatch, capsys):
    monkeypatch.setattr(engines, "_obstacle", lambda: "no such plugin")
    monkeypatch.setattr(engines, "find_spec", lambda name: True)
    assert main(["features", "--data", str(dataset.folder), *SMALL]) == 0
    out, err = capsys.readouterr()
    assert "the engine openvino cannot start (no such plugin): torch encodes instead" in err
    assert "(torch): 3 made" in out and made(dataset).meta["engine"] == "torch"
    assert main(["features", "--data", str(dataset.folder), *SMALL, "--engine", "abacus"]) == 2
    assert "engine 'abacus' is unknown: choose one of auto, torch" in capsys.readouterr().err


def test_a_store_of_an_engine_that_is_not_here_is_used_but_not_added_to(tmp_path, clips, capsys,
                                                                       monkeypatch):
    dataset = laid(tmp_path, clips, ["v0"])
    features.extract(dataset, SETTINGS, workers=1)
    meta = made(dataset).folder / "meta.json"
    told = json.loads(meta.read_text())
    told |= {"engine": "openvino", "versions": told["versions"] | {"openvino": "1.0"}}
    meta.write_text(json.dumps(told))
    monkeypatch.setattr(engines, "_obstacle", lambda: "it is not installed")
    assert main(["features", "--data", str(tmp_path), *SMALL]) == 0
    assert "(openvino): 0 made, 1 up to date" in capsys.readouterr().out
    laid(tmp_path, clips, ["v0", "v1"])
    before = contents(meta.parent)
    assert main(["features", "--data", str(tmp_path), *SMALL]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and "pip install openvino==1.0, or delete that folder" in said[0]
    assert before == contents(meta.parent)


@pytest.mark.parametrize("left", [b"", b"\x93NUMPY", None])
def test_a_part_that_a_power_cut_left_unwhole_is_made_again(dataset, monkeypatch, left):
    features.extract(dataset, SETTINGS, workers=1)
    whole = (made(dataset).folder / "features.npy").read_bytes()
    for path in made(dataset).folder.iterdir():
        path.unlink()
    with monkeypatch.context() as cut, pytest.raises(pytest.fail.Exception):
        cut.setattr(store, "write_features", lambda *a: pytest.fail("power cut"))
        features.extract(dataset, SETTINGS, workers=1)
    part = sorted(made_parts(dataset))[0]
    part.write_bytes(part.read_bytes()[:200] if left is None else left)
    features.extract(dataset, SETTINGS, workers=1)
    assert (made(dataset).folder / "features.npy").read_bytes() == whole


def made_parts(dataset):
    return (dataset.folder / "features" / "efficientnet-lite0").glob("parts-*/*.npy")


def test_threads_decode_for_one_encoder_the_same_features(dataset):
    features.extract(dataset, SETTINGS, workers=2, feed=True)
    fed = (made(dataset).folder / "features.npy").read_bytes()
    for path in made(dataset).folder.iterdir():
        path.unlink()
    features.extract(dataset, SETTINGS, workers=1)
    assert (made(dataset).folder / "features.npy").read_bytes() == fed
