"""Trimmed clips for training, whole videos for testing: the same frames, labels and test set."""

import hashlib

import numpy as np
import pytest

from data import planted, planted_trimmed
from data.common.generators import render, storyboard
from data.video import decode
from tfe.errors import StudyError
from data.files.dataset import open_dataset

FEW = ["--train", "4", "--test", "2", "--shifted", "1"]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trimmed")
    planted_trimmed.main(["--out", str(folder / "cut"), *FEW])
    planted.main(["--out", str(folder / "whole"), "--name", "planted", "--val", "0", *FEW])
    return folder / "cut", folder / "whole"


def test_every_action_of_train_is_one_clip_with_its_own_label_and_length(both):
    cut, whole = map(open_dataset, both)
    clips = cut.videos[cut.videos.split == "train"]
    events = whole.segments[whole.segments.video_id.str.startswith("train")]
    assert [[label] for label in events.label] == list(clips.labels)
    assert np.allclose(events.end - events.start, clips.duration.astype(float))
    assert list(clips.video_id.str.rpartition("_")[0]) == list(events.video_id)


def test_what_is_tested_is_the_same_byte_for_byte(both):
    cut, whole = map(open_dataset, both)
    assert cut.classes == whole.classes and cut.task == whole.task
    for split in ("test", "shifted"):
        mine, theirs = (d.videos[d.videos.split == split].reset_index(drop=True)
                        for d in (cut, whole))
        assert mine.equals(theirs)
        for name in mine.video_id:
            a, b = ((folder / "videos" / f"{name}.mp4").read_bytes() for folder in both)
            assert hashlib.sha256(a).digest() == hashlib.sha256(b).digest()
    assert cut.segments.reset_index(drop=True).equals(
        whole.segments[~whole.segments.video_id.str.startswith("train")].reset_index(drop=True))


def test_a_clip_holds_the_frames_of_its_interval(both):
    one = storyboard.storyboard("train", 0)
    event = one.actions[0]
    frames = list(render.frames(one))[event.first:event.last]
    sample = decode.sample(both[0] / "videos" / "train_0000_0.mp4", 16)
    at = (2 * np.arange(16) + 1) * len(frames) // 32
    shown = np.asarray(sample).reshape(16, render.SIDE, render.SIDE, 3)
    apart = np.abs(shown.astype(int)[:, None] - np.asarray(frames)[None]).mean(axis=(2, 3, 4))
    near = np.abs(apart.argmin(axis=1) - at)
    assert near.max() <= 1 and apart.min(axis=1).max() < 10  # x264 blurs, and no more


def test_again_there_is_nothing_to_do_and_a_lost_clip_is_made_again(both, capsys):
    planted_trimmed.main(["--out", str(both[0]), *FEW])
    assert "nothing to do" in capsys.readouterr().out
    lost = both[0] / "videos" / "train_0001_0.mp4"
    before = lost.read_bytes()
    lost.unlink()
    planted_trimmed.main(["--out", str(both[0]), *FEW])
    assert lost.read_bytes() == before


@pytest.mark.parametrize("wrong", [["--val", "3"], ["--features-only"], ["--rho", "2"]])
def test_what_it_cannot_make_it_refuses(tmp_path, wrong):
    with pytest.raises(StudyError):
        planted_trimmed.main(["--out", str(tmp_path / "x"), *FEW, *wrong])
    assert not (tmp_path / "x").exists()
