"""The planted dataset: what its storyboards promise, and that its files keep it, byte for byte."""

import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import planted
from data.common import croissant
from data.common.generators import render, storyboard, textures
from data.common.generators.features import directions, planted_features
from data.video import decode
from data.common.ending import ended
from data.files.paths import ROOT
from data.common.pool import over_cores
from data.files.dataset import open_dataset
from data.files.store import open_features

FEW = ["--train", "3", "--val", "1", "--test", "1", "--shifted", "1"]
story = storyboard.storyboard


def make(capsys, *arguments):
    """Exit code, stdout and stderr of the command."""
    code = ended(planted.main, [str(a) for a in arguments])
    return code, *capsys.readouterr()


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*"))
            if p.is_file() and not any(part[0] == "." for part in p.relative_to(folder).parts)}


# Storyboards

@settings(max_examples=200, deadline=None)
@given(split=st.sampled_from(list(storyboard.SPLITS)), number=st.integers(0, 9999),
       seed=st.integers(0, 2**40), share=st.floats(0.075, 0.8), actions=st.integers(1, 12))
def test_intervals_keep_their_promises(split, number, seed, share, actions):
    one = story(split, number, seed, 0.5, share, actions)
    segment = one.frames / storyboard.SEGMENTS
    lengths = [e.last - e.first for e in one.actions]
    assert 1 <= len(one.actions) <= actions
    assert len({e.kind for e in one.actions}) == len(one.actions)
    assert min(lengths) >= storyboard.SHORTEST * segment
    assert abs(sum(lengths) - share * one.frames) <= max(
        0.1 * share * one.frames + 1, storyboard.SHORTEST * segment + 1 - share * one.frames)
    edges = [0] + [edge for e in one.actions for edge in (e.first, e.last)] + [one.frames]
    assert edges == sorted(edges)  # inside, in order and disjoint
    for other in one.distractors:
        assert 0 <= other.first < other.last <= one.frames
        assert all(other.last <= e.first or other.first >= e.last for e in one.actions)
    assert storyboard.shown_at(one, one.actions, 16).any(1).all()  # no action is missed


def test_share_and_number_of_actions_are_as_asked():
    stories = [story("train", i) for i in range(1000)]
    shares = [sum(e.last - e.first for e in s.actions) / s.frames for s in stories]
    assert np.mean(shares) == pytest.approx(0.25, abs=0.003)
    counts = np.bincount([len(s.actions) for s in stories])
    assert (counts[1:] > 250).all()
    kinds = np.bincount([e.kind for s in stories for e in s.actions], minlength=12)
    expected = kinds.sum() / 12
    assert (abs(kinds - expected) < 4 * np.sqrt(expected)).all()


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9, 1.0])
def test_rho_is_the_probability_that_the_scene_agrees(rho):
    n = 600
    for split, expected in (("train", rho + (1 - rho) / 12), ("shifted", 1 / 12)):
        agrees = np.mean([s.scene == s.actions[0].kind
                          for s in (story(split, i, rho=rho) for i in range(n))])
        assert abs(agrees - expected) <= 4 * np.sqrt(expected * (1 - expected) / n)


def test_rho_changes_scenes_alone_and_as_few_as_it_can():
    for number in range(300):
        low, high = (story("test", number, rho=rho) for rho in (0.3, 0.7))
        assert replace(low, scene=0) == replace(high, scene=0)
        assert high.scene in (low.scene, high.actions[0].kind)


def test_shifted_is_test_in_other_scenes():
    pairs = [(story("test", i), story("shifted", i)) for i in range(300)]
    assert all((a.frames, a.actions, a.distractors) == (b.frames, b.actions, b.distractors)
               for a, b in pairs)
    scenes = np.array([(a.scene, b.scene) for a, b in pairs])
    assert abs(np.mean(scenes[:, 0] == scenes[:, 1]) - 1 / 12) < 0.07


def test_splits_videos_and_seeds_differ():
    looks = {repr((s.frames, s.actions, s.distractors))
             for split in ("train", "val", "test") for seed in (0, 1)
             for s in (story(split, i, seed) for i in range(50))}
    assert len(looks) == 300


# Frames and files

def frame_hash(one):
    return hashlib.sha256(b"".join(f.tobytes() for f in render.frames(one))).hexdigest()


def test_an_action_is_seen_in_its_interval_and_nowhere_else():
    one = story("train", 0)
    without = replace(one, actions=())
    for number, (a, b) in enumerate(zip(render.frames(one), render.frames(without))):
        inside = any(e.first <= number < e.last for e in one.actions)
        assert (a != b).any() == inside
        assert ((a != b).any(-1).mean() < 0.4)  # an object, not the whole picture


def test_looks_of_a_kind_vary_and_kinds_differ():
    """The property is fixed, not the drawing."""
    one = story("train", 0)
    first = replace(one, distractors=(), actions=(storyboard.Event(0, 0, one.frames),))
    other_kind = replace(first, actions=(storyboard.Event(1, 0, one.frames),))
    other_draw = replace(first, number=1)
    pictures = [next(render.frames(s)).astype(int) for s in (first, other_kind, other_draw)]
    assert (pictures[0] != pictures[1]).any() and (pictures[0] != pictures[2]).any()
    grid = np.meshgrid(np.linspace(-9, 9, 50), np.linspace(-9, 9, 50))
    looks = np.array([textures.texture(k, *grid) for k in range(12)])
    assert ((looks >= 0) & (looks <= 1)).all()
    alike = [np.mean(a == b) for i, a in enumerate(looks) for b in looks[:i]]
    assert max(alike) < 0.9


def test_two_colours_of_a_texture_can_be_told_apart():
    rng = np.random.default_rng(0)
    grey = np.array([render._two_colours(rng) for _ in range(300)]) @ (0.299, 0.587, 0.114)
    assert (abs(grey[:, 0] - grey[:, 1]) >= render.CONTRAST).all()


def test_frames_are_those_of_this_generator():
    """Where this fails on purpose, raise GENERATOR in data/planted.py, then write the new hash."""
    stories = [story(split, 7, seed=3) for split in ("train", "shifted")]
    text = repr([(s.frames, s.scene, s.actions, s.distractors) for s in stories])
    assert planted.GENERATOR == 2
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "0986853a2024ce3f"
    if platform.machine() == "x86_64":
        assert [frame_hash(s)[:16] for s in stories] == ["53fabd6c387a05ac",
                                                        "9c39257f10900f9e"]


def test_three_videos_are_the_same_bytes_twice(tmp_path):
    for number in range(3):
        one = story("train", number)
        assert frame_hash(one) == frame_hash(one)
        for name in ("a", "b"):
            render.write_video(one, tmp_path / name / f"{number}.mp4")
    assert digests(tmp_path / "a") == digests(tmp_path / "b") and len(digests(tmp_path / "a")) == 3


def test_the_sampled_frames_are_those_of_the_storyboard(tmp_path):
    """Through x264 and back, segment t shows frame floor((t + 1/2) n / 16)."""
    one = story("val", 4)
    render.write_video(one, tmp_path / "v.mp4")
    drawn = np.stack(list(render.frames(one))).astype(float)
    decoded = decode.sample(tmp_path / "v.mp4", 16).astype(float)
    at = np.array([(2 * t + 1) * one.frames // 32 for t in range(16)])
    errors = [np.abs(decoded - drawn[at + late]).mean() for late in (-2, -1, 0, 1, 2)]
    assert np.argmin(errors) == 2 and errors[2] < 6


# The command

def test_dataset_opens_and_its_truth_is_the_storyboard(tmp_path, capsys):
    assert make(capsys, "--out", tmp_path / "p", *FEW, "--seed", 5)[0] == 0
    made = open_dataset(tmp_path / "p")
    assert made.synthetic and made.task == "multilabel" and made.name == "p"
    ids = made.videos.video_id.tolist()
    assert ids == ["train_0000", "train_0001", "train_0002", "val_0000", "test_0000",
                   "shifted_0000"] and set(made.files) == set(ids)
    for segments in (16, 6):
        for video_id, shown in zip(ids, made.truth(ids, segments)):
            one = story(video_id.split("_")[0], int(video_id[-4:]), seed=5)
            expected = np.zeros((12, segments), bool)
            expected[[e.kind for e in one.actions]] = storyboard.shown_at(one, one.actions,
                                                                         segments)
            np.testing.assert_array_equal(shown, expected)
    for video_id in ids:
        assert decode.probe(made.files[video_id]).duration == pytest.approx(
            made.videos.set_index("video_id").duration[video_id], abs=1e-5)


@pytest.mark.parametrize("more", [[], ["--features-only"]], ids=["videos", "features"])
def test_machines_read_what_the_set_is(tmp_path, capsys, more):
    """`mlcroissant validate` finds nothing in it; that package is no part of the study."""
    make(capsys, "--out", tmp_path / "p", *FEW, *more)
    told = json.loads((tmp_path / "p" / croissant.FILE).read_text())
    assert told["conformsTo"].endswith("croissant/1.0") and told["license"].endswith("/MIT")
    assert told["description"].startswith("Synthetic") and "seed 0, rho 0.5" in told["description"]
    files = {file["@id"]: file for file in told["distribution"]}
    videos = files.pop("mp4", {"includes": "none"})
    assert len(list((tmp_path / "p").glob(videos["includes"]))) == (0 if more else 6)
    assert set(files) == {"videos.csv", "segments.csv"} | (
        {"features/planted/features.npy"} if more else set())
    for name, file in files.items():
        content = (tmp_path / "p" / file["contentUrl"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["contentSize"] == f"{len(content)} B"
    for records in told["recordSet"]:
        columns = (tmp_path / "p" / f"{records['name']}.csv").read_text().splitlines()[0].split(",")
        assert [field["source"]["extract"]["column"] for field in records["field"]] == columns
        assert {field["source"]["fileObject"]["@id"] for field in records["field"]} <= set(files)


def test_a_folder_made_before_is_described_too(tmp_path, capsys):
    make(capsys, "--out", tmp_path / "p", *FEW)
    before = digests(tmp_path)
    (tmp_path / "p" / croissant.FILE).unlink()
    assert make(capsys, "--out", tmp_path / "p", *FEW)[0] == 0
    assert digests(tmp_path) == before


def test_single_label_set(tmp_path, capsys):
    make(capsys, "--out", tmp_path / "p", *FEW, "--features-only", "--actions", 1,
         "--share", 0.8, "--name", "planted-short")
    made = open_dataset(tmp_path / "p")
    assert (made.task, made.metric, made.name) == ("singlelabel", "accuracy", "planted-short")
    assert (made.segments.end - made.segments.start).sum() / made.videos.duration.sum() > 0.7


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_stopped_half_way_it_goes_on_to_the_same_bytes(tmp_path, capsys, end):
    n = 24
    counts = ["--train", n, "--val", 0, "--test", 0, "--shifted", 0]
    running = subprocess.Popen(
        [sys.executable, "-m", "data", "planted", "--out", tmp_path / "a", *map(str, counts)],
        cwd=ROOT, stderr=subprocess.PIPE, text=True)
    videos = tmp_path / "a" / "videos"
    while len(list(videos.glob("train_*.mp4"))) < 3:
        assert running.poll() is None
        time.sleep(0.01)
    workers = children(running.pid)
    running.send_signal(end)
    said = running.communicate(timeout=60)[1]
    for _ in range(100):  # no worker outlives its parent
        if not any(os.path.exists(f"/proc/{pid}") for pid in workers):
            break
        time.sleep(0.1)
    assert workers and not any(os.path.exists(f"/proc/{pid}") for pid in workers)
    if end == signal.SIGINT:
        assert running.returncode == 130
        assert said == "interrupted: run the same command again to go on\n"
        assert not list(videos.glob(".*"))
    early = digests(videos)
    assert 3 <= len(early) < n and not (tmp_path / "a" / "dataset.toml").exists()
    times = {name: (videos / name).stat().st_mtime_ns for name in early}
    assert make(capsys, "--out", tmp_path / "a", *counts)[0] == 0
    assert times == {name: (videos / name).stat().st_mtime_ns for name in early}  # not made again
    last = max({f"train_{i:04d}.mp4" for i in range(n)} - set(early))
    for name in ("train_0000.mp4", last):
        render.write_video(story("train", int(name[6:10])), tmp_path / "b" / name)
    after = digests(videos)
    assert len(after) == n and early.items() <= after.items()
    assert digests(tmp_path / "b").items() <= after.items()


def children(pid):
    """The processes that `pid` started."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return file.read().split()


def test_rerun_does_nothing_and_loads_nothing_heavy(tmp_path, capsys):
    make(capsys, "--out", tmp_path / "p", *FEW)
    before = digests(tmp_path)
    code = ("import sys; from data import planted; planted.main(sys.argv[1:]); "
            "print([m for m in ('av', 'pandas', 'torch', 'scipy') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code, "--out", tmp_path / "p", *FEW], cwd=ROOT,
                          capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"{tmp_path / 'p'}: all 6 videos are there, nothing to do", "[]"]
    assert digests(tmp_path) == before


def test_a_lost_video_is_made_again(tmp_path, capsys):
    make(capsys, "--out", tmp_path / "p", *FEW)
    before = digests(tmp_path)
    (tmp_path / "p" / "videos" / "val_0000.mp4").unlink()
    assert make(capsys, "--out", tmp_path / "p", *FEW)[0] == 0
    assert digests(tmp_path) == before


@pytest.mark.parametrize("more,named", [
    (["--rho", "0.9"], "another rho"), (["--seed", "1"], "another seed"),
    (["--train", "4"], "another videos"), (["--snr", "2"], "another features"),
    (["--share", "0.3", "--actions", "2"], "another share and actions")])
def test_other_settings_are_refused(tmp_path, capsys, more, named):
    base = ["--out", tmp_path / "p", *FEW, "--features-only"]
    make(capsys, *base)
    before = digests(tmp_path)
    code, out, err = make(capsys, *base, *more)
    assert code == 2 and out == "" and len(err.splitlines()) == 1
    assert named in err and "choose another --out" in err
    assert digests(tmp_path) == before


@pytest.mark.parametrize("wrong,named", [
    (["--rho", "1.2"], "--rho is 1.2"), (["--share", "0.9"], "--share is 0.9"),
    (["--share", "0.01"], "--share is 0.01"), (["--seed", "-1"], "--seed is -1"),
    (["--actions", "13"], "--actions is 13"), (["--train", "-1"], "--train, --val")])
def test_wrong_arguments_end_in_one_line(tmp_path, capsys, wrong, named):
    code, out, err = make(capsys, "--out", tmp_path / "p", *wrong)
    assert code == 2 and out == "" and len(err.splitlines()) == 1 and named in err
    assert not (tmp_path / "p").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("precious")
    code, _, err = make(capsys, "--out", tmp_path, *FEW)
    assert code == 2 and "holds something else" in err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_interrupted_from_the_keyboard(monkeypatch, capsys):
    def stopped(arguments):
        raise KeyboardInterrupt
    assert ended(stopped) == 130
    assert "run the same command again" in capsys.readouterr().err


# Planted features

def test_features_only_is_a_dataset(tmp_path, capsys):
    base = ["--out", tmp_path / "s", *FEW, "--features-only"]
    assert make(capsys, *base)[0] == 0
    made = open_dataset(tmp_path / "s")
    store = open_features(made, "planted")
    assert store.x.shape == (6, 16, 64) and store.x.dtype == np.float16
    assert json.loads((tmp_path / "s" / "features" / "planted" / "meta.json").read_text())[
        "origin"] == "planted"
    x, targets, truth = planted_features(3)
    np.testing.assert_array_equal(store.x[:3], x.astype(np.float16))
    np.testing.assert_array_equal(made.targets(store.video_ids)[:3], targets)
    np.testing.assert_array_equal(made.truth(store.video_ids, 16)[:3], truth)
    assert "nothing to do" in make(capsys, *base)[1]


def test_features_follow_their_formula():
    x0, targets, truth = planted_features(20, seed=2, snr=0.0)
    x2, _, _ = planted_features(20, seed=2, snr=2.0)
    of_action, of_scene, _ = directions(2, 64)
    np.testing.assert_allclose(x2 - x0, 2 * truth.swapaxes(1, 2) @ of_action, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(of_action, axis=1), 1)
    np.testing.assert_array_equal(targets, truth.any(2))
    noise, _, _ = planted_features(50, seed=2, snr=0, scene=0, distraction=0)
    assert noise.mean() == pytest.approx(0, abs=0.02) and noise.std() == pytest.approx(1, abs=0.02)
    shown = planted_features(20, seed=2, split="test", rho=0.9)[0]
    shifted = planted_features(20, seed=2, split="shifted", rho=0.9)[0]
    assert np.ptp(shown - shifted, axis=1).max() < 1e-5  # the scene alone, the same all the time
    assert np.abs(shown - shifted).max() > 0.5


def test_snr_is_the_distance_in_deviations_of_the_noise():
    snr, dim = 3.0, 4096  # so many dimensions that directions hardly overlap
    x, _, truth = planted_features(150, snr=snr, dim=dim)
    along = np.einsum("ntd,cd->nct", x, directions(0, dim)[0])
    assert along[truth].mean() - along[~truth].mean() == pytest.approx(snr, abs=0.2)
    assert along[~truth].std() == pytest.approx(1, abs=0.05)


def test_processes_give_every_result_and_pass_errors_on():
    assert dict(over_cores(abs, range(-6, 0), "numbers", "number")) == {-i: i for i in range(1, 7)}
    assert list(over_cores(abs, [], "numbers", "number")) == []
    with pytest.raises(ValueError):
        list(over_cores(partial(int, base=10), ["1", "2", "x", "4", "5"], "numbers", "number"))
