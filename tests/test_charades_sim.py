"""charades-sim: the real structure, features that follow the formula, and nothing done by halves."""

import numpy as np
import pytest
from test_lists import CHARADES, lay

from data import charades_sim
from data.common.lists.readers import charades
from data.files import store
from data.files.dataset import open_dataset
from tfe.errors import StudyError


@pytest.fixture
def lists(tmp_path):
    return lay(tmp_path / "lists", CHARADES)


def make(lists, out, *more):
    """Make the dataset; return it and its features."""
    charades_sim.main([*(["--from", str(lists)] if lists else []), "--out", str(out), *more])
    dataset = open_dataset(out)
    return dataset, store.open_features(dataset, "simulated")


def test_labels_and_intervals_are_those_of_the_lists(lists, tmp_path):
    dataset, features = make(lists, tmp_path / "sim")
    listing = charades(lists)
    assert dataset.synthetic and dataset.task == "multilabel" and dataset.name == "sim"
    assert dataset.classes == listing.classes and features.video_ids == list(listing.videos.video_id)
    assert [";".join(labels) for labels in dataset.videos.labels] == list(listing.videos.labels)
    assert dataset.segments.values.tolist() == listing.segments.values.tolist()
    assert features.x.dtype == np.float16 and features.x.shape == (4, 16, 128)
    assert features.meta["origin"] == "simulated" and features.meta["snr"] == charades_sim.SNR


def test_the_features_follow_the_formula(lists, tmp_path):
    """What is left without scene and actions is standard normal, the same at every snr."""
    dataset, _ = make(lists, tmp_path / "sim")
    truth = dataset.truth(list(dataset.videos.video_id), 16)
    of_class = charades_sim.directions(0, "class", dataset.classes, 128)
    of_scene = charades_sim.directions(0, "scene", dataset.videos.scene, 128)
    assert np.allclose(np.linalg.norm(of_class, axis=1), 1) and truth.any()
    assert (of_scene[0] == of_scene[3]).all() and not (of_scene[0] == of_scene[1]).all()
    noise = [charades_sim.simulated(dataset, 0, snr, 128).astype(float)
             - charades_sim.SCENE * of_scene[:, None]
             - snr * np.einsum("nct,cd->ntd", truth, of_class) for snr in (0, 5)]
    assert np.allclose(*noise, atol=0.02)  # half precision
    assert abs(noise[0].mean()) < 0.05 and abs(noise[0].std() - 1) < 0.05


def test_a_subset_has_the_same_videos_with_the_same_features(lists, tmp_path):
    whole, features = make(lists, tmp_path / "whole")
    part, few = make(lists, tmp_path / "part", "--videos", "2")
    again, same = make(lists, tmp_path / "again", "--videos", "2")
    at = [features.video_ids.index(i) for i in few.video_ids]
    assert len(few.video_ids) == 2 and at == sorted(at) and few.video_ids == same.video_ids
    assert (few.x == features.x[at]).all() and (few.x == same.x).all()
    assert set(part.segments.video_id) <= set(few.video_ids)
    _, other = make(lists, tmp_path / "other", "--seed", "1")
    assert not (other.x == features.x).any(axis=(1, 2)).all()


def test_val_is_carved_out_of_train_by_person(tmp_path):
    train = "".join(f"V{n:04d},P{n // 4:03d},Kitchen,c000 0.00 4.00,9.0\n" for n in range(800))
    header = CHARADES["Charades_v1_train.csv"].partition("\n")[0] + "\n"
    lists = lay(tmp_path, CHARADES | {"Charades_v1_train.csv": header + train})
    listing = charades(lists)
    videos, _, _ = charades_sim.chosen(listing, None, 0)
    assert set(videos.split) == {"train", "val", "test"}
    splits = videos.split.groupby(listing.videos.group).nunique()
    assert (splits == 1).all()  # nobody is in two splits
    assert 0.05 < (videos.split == "val").mean() < 0.2
    assert (videos.split == "test").tolist() == (listing.videos.split == "test").tolist()
    few, _, _ = charades_sim.chosen(listing, 100, 0)
    assert (few.split == videos.split[few.index]).all()  # whoever else is drawn


def test_a_second_call_finds_it_done_and_needs_no_lists(lists, tmp_path, capsys):
    make(lists, tmp_path / "sim")
    _, features = make(None, tmp_path / "sim")
    assert "nothing to do" in capsys.readouterr().out
    with pytest.raises(StudyError, match="was made with another snr"):
        make(lists, tmp_path / "sim", "--snr", "1")


@pytest.mark.parametrize("more, words", [
    (["--videos", "0"], "from 1"), (["--dim", "0"], "from 1"), (["--seed", "-1"], "from 0"),
    (["--snr", "nan"], "from 0"), (["--videos", "9"], "the lists hold 4")])
def test_bad_arguments_are_refused(lists, tmp_path, more, words):
    with pytest.raises(StudyError, match=words):
        make(lists, tmp_path / "sim", *more)
    assert not (tmp_path / "sim" / "dataset.toml").exists()


def test_without_the_lists_nothing_is_begun(tmp_path):
    with pytest.raises(StudyError, match="unpack Charades.zip.*--from DIR"):
        make(None, tmp_path / "sim")
    with pytest.raises(StudyError, match="Charades_v1_classes.txt is missing"):
        make(tmp_path, tmp_path / "sim")
    assert not (tmp_path / "sim").exists()


@pytest.mark.shared
def test_the_full_scale(shared, tmp_path):
    lists = shared / "annotations" / "charades"
    videos, segments, classes = charades_sim.chosen(charades(lists), None, 0)
    assert (len(videos), len(segments), len(classes)) == (9848, 66493, 157)
    assert (videos.split == "test").sum() == 1863
    dataset, features = make(lists, tmp_path / "sim", "--videos", "60")
    assert features.x.shape == (60, 16, 128) and set(dataset.videos.split) >= {"train", "test"}


def test_the_plain_store_of_the_benchmark_holds_the_same(lists, tmp_path):
    import torch
    from baselines.charades_sim import one_file_a_video

    _, features = make(lists, tmp_path / "sim")
    one_file_a_video(lists, tmp_path / "plain")
    for row, video_id in enumerate(features.video_ids):
        plain = torch.load(tmp_path / "plain" / "features" / f"{video_id}.pt", weights_only=True)
        assert (plain.numpy() == features.x[row]).all()
