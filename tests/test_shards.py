"""Features by several processes: any may die, and the store is that of one process, byte for byte."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest

from data.common.generators.render import write_video
from data.common.generators.storyboard import storyboard
from data.common import pool
from data.encoders import features, parts, shards, store_key
from data.files import store
from data.files.dataset import open_dataset, write_dataset
from tfe.errors import StudyError
from data.files.paths import ROOT

psutil = pytest.importorskip("psutil", reason="psutil, which comes with ipykernel, is absent")

SETTINGS = store_key.settings_of("efficientnet-lite0", resolution=32, segments=2)
IDS = [f"v{n}" for n in range(6)]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Five clips, two of them alike, and one that is no video."""
    folder = tmp_path_factory.mktemp("clips")
    for number in range(4):
        write_video(storyboard("train", number), folder / f"v{number}.mp4")
    (folder / "v4.mp4").write_bytes((folder / "v0.mp4").read_bytes())
    (folder / "v5.mp4").write_bytes(b"not a video at all")
    return folder


@pytest.fixture
def dataset(tmp_path, clips):
    return laid(tmp_path / "several", clips)


def laid(folder, clips):
    videos = pd.DataFrame({"video_id": [*IDS, "gone"], "split": "train", "duration": 9.0, "labels": "a"})
    write_dataset(folder, {"name": "t", "task": "singlelabel", "classes": ["a"],
                                 "videos": str(clips)}, videos)
    return open_dataset(folder)


def contents(dataset):
    folder = dataset.folder / "features" / "efficientnet-lite0"
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def alone(tmp_path_factory, clips):
    """What one process makes."""
    dataset = laid(tmp_path_factory.mktemp("alone"), clips)
    assert features.extract(dataset, SETTINGS, workers=1) == (5, 0, 2)
    return contents(dataset)


@pytest.fixture
def as_shard(monkeypatch):
    """Become a process of torchrun's, which encodes without starting further ones."""
    def over_cores(function, items, what, unit, workers=None, initializer=lambda: None,
                   initargs=()):
        initializer(*initargs)
        return ((item, function(item)) for item in items)

    monkeypatch.setattr(pool, "over_cores", over_cores)

    def become(rank, world):
        for name, value in (("RANK", rank), ("WORLD_SIZE", world), ("LOCAL_RANK", rank),
                            ("LOCAL_WORLD_SIZE", world)):
            monkeypatch.setenv(name, str(value))
    return become


def test_every_video_has_one_shard_and_shards_are_alike_in_size():
    ids = [f"video{n}" for n in range(4000)]
    owners = [[r for r in range(4) if shards.Shard(r, 4).owns(i)] for i in ids]
    assert all(len(owner) == 1 for owner in owners)
    assert np.bincount(np.concatenate(owners)).min() > 800
    assert all(shards.Shard().owns(i) for i in ids)


def test_shards_in_any_order_make_the_store_of_one_process(dataset, as_shard, alone, monkeypatch):
    for rank in (2, 1):
        as_shard(rank, 3)
        made, kept, _ = features.extract(dataset, SETTINGS, workers=1)
        assert kept == 0 and not (dataset.folder / "features/efficientnet-lite0/meta.json").exists()
    monkeypatch.setattr(parts, "encode", lambda dataset, own, *rest, do=parts.encode:
                        pytest.fail("encoded again") if not all(shards.current().owns(i) for i in own)
                        else do(dataset, own, *rest))
    as_shard(0, 3)
    assert features.extract(dataset, SETTINGS, workers=1) == (5, 0, 2)
    assert contents(dataset) == alone
    # All is there: no process waits for another, and none leaves anything.
    for rank in (0, 1, 2):
        as_shard(rank, 3)
        features.extract(dataset, SETTINGS, workers=1)
    assert contents(dataset) == alone


def test_a_shard_that_comes_back_does_only_what_is_missing(dataset, as_shard, alone, monkeypatch):
    as_shard(1, 2)
    features.extract(dataset, SETTINGS, workers=1)
    unpacked = next((dataset.folder / "features" / "efficientnet-lite0").glob("parts-*"))
    listed = unpacked / "shard-1-of-2"
    before = {p.name: p.stat().st_mtime_ns for p in unpacked.iterdir()}
    features.extract(dataset, SETTINGS, workers=1)  # it was done: nothing is touched
    assert before == {p.name: p.stat().st_mtime_ns for p in unpacked.iterdir()}
    listed.unlink()  # it died before it handed in
    lost = sorted(unpacked.glob("*.npy"))[0]
    lost.unlink()
    jobs = []
    monkeypatch.setattr(parts, "by_processes", lambda what, todo, *rest, do=parts.by_processes:
                        jobs.extend(part.name for _, part in todo) or do(what, todo, *rest))
    features.extract(dataset, SETTINGS, workers=1)
    unreadable = store.sha256(dataset.files["v5"]) + ".npy"
    assert lost.name in jobs and set(jobs) <= {lost.name, unreadable}
    as_shard(0, 2)
    features.extract(dataset, SETTINGS, workers=1)
    assert contents(dataset) == alone


def test_process_0_waits_for_the_last(dataset, as_shard, alone, monkeypatch):
    monkeypatch.setattr(shards, "POLL", 0.02)
    environment = {**os.environ, "RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    other = []

    def late():
        time.sleep(0.3)
        code = ("import sys; from data.encoders import features, store_key; "
                "from data.files.dataset import open_dataset; "
                "features.extract(open_dataset("
                "sys.argv[1]), store_key.settings_of('efficientnet-lite0', 32, 2), workers=1)")
        other.append(subprocess.run([sys.executable, "-c", code, str(dataset.folder)], cwd=ROOT,
                                    env=environment, capture_output=True, text=True))
    as_shard(0, 2)
    thread = threading.Thread(target=late)
    thread.start()
    assert features.extract(dataset, SETTINGS, workers=1) == (5, 0, 2)
    thread.join()
    assert other[0].returncode == 0, other[0].stderr
    assert contents(dataset) == alone


def test_a_dead_shard_is_named_and_nothing_is_merged(dataset, as_shard, monkeypatch):
    monkeypatch.setattr(shards, "POLL", 0.01)
    monkeypatch.setattr(shards, "PATIENCE", 0.1)
    as_shard(0, 2)
    with pytest.raises(StudyError, match="shard 1 of 2 made nothing for 0.1 s: start again"):
        features.extract(dataset, SETTINGS, workers=1)
    assert not (dataset.folder / "features/efficientnet-lite0/features.npy").exists()


def test_the_list_of_an_earlier_run_with_other_videos_does_not_count(tmp_path):
    shard = shards.Shard(1, 2)
    np.save(tmp_path / "aa.npy", np.zeros((2, 3), np.float16))
    shards.submit(tmp_path, shard, {"a": "aa", "b": "bb"}, {"b": "broken"})
    assert shards.submitted(tmp_path, shard, {"a": "aa", "b": "bb"}) == {"b": "broken"}
    assert shards.submitted(tmp_path, shard, {"a": "aa", "b": "bb", "c": "cc"}) is None
    assert shards.submitted(tmp_path, shard, {"a": "cc", "b": "bb"}) is None
    (tmp_path / "aa.npy").unlink()
    assert shards.submitted(tmp_path, shard, {"a": "aa", "b": "bb"}) is None


@pytest.mark.parametrize("given", [{"RANK": "2", "WORLD_SIZE": "2"}, {"RANK": "x"}, {"WORLD_SIZE": "0"},
                                   {"LOCAL_RANK": "1"}, {"RANK": "-1"}])
def test_variables_that_make_no_sense_are_refused(monkeypatch, given):
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StudyError, match="no process of torchrun: unset them"):
        shards.current()


def test_each_process_takes_its_gpu_and_its_share_of_the_cores():
    second = shards.Shard(3, 4, 1, 2)
    assert second.device("cuda") == "cuda:1" and second.device("cpu") == "cpu"
    assert (second.workers(None, 8), second.workers(3, 8), second.workers(None, 1)) == (4, 3, 1)
    assert shards.current().device("cuda") == "cuda"


def test_one_that_encodes_what_others_decode_makes_the_same(dataset, alone, capsys, monkeypatch):
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert features.extract(dataset, SETTINGS, workers=2, feed=True) == (5, 0, 2)
    finally:
        torch.set_num_threads(threads)
    assert contents(dataset) == alone
    assert "the encoder waited" in capsys.readouterr().err


def test_torchrun_on_two_processes_killed_and_started_again(dataset, alone):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
               "-m", "data", "features", "--data", str(dataset.folder), "--resolution", "32",
               "--segments", "2", "--workers", "1", "--engine", "torch"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as run:
        until = time.monotonic() + 300
        while not list(dataset.folder.rglob("*.npy")) and time.monotonic() < until:
            time.sleep(0.02)
        for process in [*psutil.Process(run.pid).children(recursive=True), run]:
            process.kill()
    assert list(dataset.folder.rglob("*.npy")) and not list(dataset.folder.rglob("meta.json"))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert contents(dataset) == alone
