"""Clips for fine-tuning: what is drawn, that it repeats, and training through an encoder."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from book.runs.checkpoint import Checkpoint
from data import planted
from data.files.dataset import open_dataset
from data.video import augment, clips, decode
from tfe import StudyError, evaluation, systems
from tfe.training import PROFILES, fit

PLAN = replace(PROFILES["smoke"], batch_size=4)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Six rendered videos of train and three of test, synthetic, with intervals."""
    folder = tmp_path_factory.mktemp("clips") / "tiny"
    planted.main(["--out", str(folder), "--train", "6", "--val", "0", "--test", "3", "--shifted", "0"])
    return open_dataset(folder)


@pytest.fixture
def train(dataset):
    return clips.of(dataset, "train", 32, recipe="bike", workers=2)


def drawn(of, order, key=(0, 0)):
    return torch.cat(list(of.batches([order[:2], order[2:]], key)))


def test_a_clip_depends_on_seed_epoch_and_row_alone(train):
    of = train[0]
    one = drawn(of, [0, 1, 2, 3])
    assert one.shape == (4, 16, 3, 32, 32) and one.dtype == torch.uint8
    assert torch.equal(one[[3, 1, 0, 2]], drawn(replace(of, workers=1), [3, 1, 0, 2]))
    assert not torch.equal(one, drawn(of, [0, 1, 2, 3], (0, 1)))
    assert not torch.equal(one, drawn(of, [0, 1, 2, 3], (1, 0)))


def test_at_test_frames_are_the_middles_and_the_square_the_centre(dataset):
    of, targets, ids = clips.of(dataset, "test", 128)
    frames = decode.sample(dataset.files[ids[1]], 16)  # 128 pixels a side: nothing to resize
    assert np.array_equal(of[1:2][0].permute(0, 2, 3, 1), frames)
    assert len(of) == 3 and np.array_equal(targets, dataset.targets(ids))


def test_views_share_out_the_frames_of_finer_segments(dataset):
    of, _, ids = clips.of(dataset, "test", 128, segments=4)
    fine = decode.sample(dataset.files[ids[0]], 12)
    views = [replace(of, view=(c, 3))[0:1][0].permute(0, 2, 3, 1).numpy() for c in range(3)]
    assert np.array_equal(np.stack(views, axis=1).reshape(fine.shape), fine)


def test_training_takes_one_frame_of_each_segment_and_a_part_of_it(train, monkeypatch):
    of, asked = train[0], []
    sample = decode.sample
    monkeypatch.setattr(decode, "sample", lambda *a, **k: asked.append(k) or sample(*a, **k))
    of.in_training(0, (0, 0))
    of.in_training(1, (0, 0))
    assert [k["where"] for k in asked] == ["random"] * 2 and asked[0]["seed"] != asked[1]["seed"]
    replace(of, recipe=augment.RECIPES["msqnet"]).in_training(0, (0, 0))
    assert asked[-1]["where"] == "middle"  # as its code does in training too


@pytest.mark.parametrize("span", [(0.25, 0.5), (0.9, 1.0)])
def test_a_span_is_sampled_as_a_clip_of_its_own(dataset, span):
    path = next(iter(dataset.files.values()))
    count = decode.probe(path).decoded_frames
    everything = decode.sample(path, count)
    wanted = [int((span[0] + (t + 0.5) / 4 * (span[1] - span[0])) * count) for t in range(4)]
    assert np.array_equal(decode.sample(path, 4, span=span), everything[wanted])


def test_instances_are_the_labelled_intervals_of_a_split(dataset):
    ids, spans, targets = clips.instances(dataset)
    table = dataset.segments[dataset.segments.video_id.str.startswith("train")]
    assert ids == list(table.video_id) and (targets.sum(1) == 1).all()
    assert [dataset.classes[c] for c in targets.argmax(1)] == list(table.label)
    length = dataset.videos.set_index("video_id").duration
    first = table.iloc[0]
    assert spans[0] == (first.start / length[first.video_id], first.end / length[first.video_id])
    assert all(0 <= a < b <= 1 for a, b in spans)
    of, again, _ = clips.of(dataset, "train", 32, recipe="bike", intervals=True)
    assert len(of) == len(table) and np.array_equal(again, targets)


@pytest.mark.parametrize("crop, area", [(augment.sized_crop, (0.07, 1.0)),
                                        (augment.scaled_crop, (0.4, 1.0))])
@pytest.mark.parametrize("height, width", [(48, 48), (30, 77)])
def test_crops_lie_within_the_frame_and_vary(crop, area, height, width):
    draw, seen = np.random.default_rng(0), set()
    for _ in range(300):
        top, left, h, w = crop(draw, height, width)
        assert 0 <= top <= height - h and 0 <= left <= width - w and min(h, w) > 0
        part = h * w / (height * width if crop is augment.sized_crop else min(height, width)**2)
        assert area[0] <= part <= area[1] + 1e-9 and 0.6 < h / w < 1.7
        seen.add((top, left, h, w))
    assert len(seen) > 60


class Still:
    """A generator that draws the middle of every range."""

    def uniform(self, low, high, size):
        return np.full(size, (low + high) / 2)


def test_jitter_without_change_is_none_and_with_it_stays_a_picture():
    clip = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    assert (augment.jittered(Still(), clip).int() - clip.int()).abs().max() <= 1
    changed = augment.jittered(np.random.default_rng(0), clip)
    assert changed.dtype == torch.uint8 and changed.shape == clip.shape
    shift = (changed.float() - clip.float()).mean(dim=(1, 2, 3))
    assert shift.std() > 1  # each frame has its own


def test_hue_turns_colour_and_leaves_brightness():
    clip = torch.full((2, 3, 4, 4), 100, dtype=torch.uint8)
    clip[:, 0] = 140

    class Hue(Still):
        def uniform(self, low, high, size):
            return np.full(size, 0.1 if low < 0 else 1.0)

    turned = augment.jittered(Hue(), clip)
    assert (turned[0, :, 0, 0].int() - clip[0, :, 0, 0].int()).abs().max() > 5
    torch.testing.assert_close(augment.grey(turned.float()), augment.grey(clip.float()), atol=1, rtol=0)


@pytest.mark.parametrize("chance", ["jitter", "grey"])
def test_augmentations_happen_as_often_as_the_recipe_says(train, chance):
    of = train[0]
    never = replace(of, recipe=replace(of.recipe, jitter=0.0, grey=0.0))
    always = replace(of, recipe=replace(never.recipe, **{chance: 1.0}))
    for row in range(3):
        plain, other = never.in_training(row, (0, 0)), always.in_training(row, (0, 0))
        assert not torch.equal(plain, other)
        if chance == "grey":
            assert torch.equal(other[:, 0], other[:, 1]) and torch.equal(other[:, 0], other[:, 2])


def system(method, name, dataset, task="multilabel"):
    torch.manual_seed(0)
    return systems.build(method, name, len(dataset.classes), None, task, head={"preset": "narrow"})


@pytest.mark.parametrize("method, name", [("vanilla", "bike"), ("tfe", "bike"), ("tfe", "msqnet"),
                                          ("vanilla", "text4vis")])
def test_fine_tuning_stopped_and_resumed_ends_as_if_never_stopped(
        method, name, dataset, tmp_path, monkeypatch):
    of, targets, _ = clips.of(dataset, "train", 32, recipe=name, workers=2)
    whole = system(method, name, dataset)
    history = fit(whole, of, targets, PLAN, seed=1)
    start = system(method, name, dataset).state_dict()
    encoder = [n for n in start if ".embed." in n and n.endswith("patch_embedding.weight")]
    encoder += [n for n in start if n.endswith("patch_embeddings.projection.weight")]
    moved = [n for n in encoder if not torch.equal(start[n], whole.state_dict()[n])]
    assert moved and not any("guide" in n for n in moved)

    batches = clips.Clips.batches

    def unplugged(self, chunks, key):
        if key == (1, 1):
            raise KeyboardInterrupt
        return batches(self, chunks, key)

    monkeypatch.setattr(clips.Clips, "batches", unplugged)
    with pytest.raises(KeyboardInterrupt):
        fit(system(method, name, dataset), of, targets, PLAN, seed=1, checkpoint=Checkpoint(tmp_path))
    monkeypatch.setattr(clips.Clips, "batches", batches)
    again = system(method, name, dataset)
    assert fit(again, of, targets, PLAN, seed=1, checkpoint=Checkpoint(tmp_path)).rows == history.rows
    assert all(torch.equal(v, again.state_dict()[n]) for n, v in whole.state_dict().items())


def test_bikes_charades_way_trains_on_intervals_and_is_measured_on_whole_videos(dataset):
    """One label an instance in training; mAP over many labels, and fidelity, at test."""
    of, targets, _ = clips.of(dataset, "train", 32, recipe="bike", intervals=True, workers=2)
    torch.manual_seed(0)
    bike = systems.build("tfe", "bike", len(dataset.classes), None, "singlelabel",
                         head={"preset": "narrow", "contrast": "batch"})
    assert fit(bike, of, targets, PLAN, seed=0).status != "diverged"
    test, many, ids = clips.of(dataset, "test", 32)
    predictions = evaluation.predict(bike, test, many, batch_size=2)
    assert predictions["scores"].shape == many.shape
    measured = evaluation.measure(predictions, many, dataset.truth(ids, 16), dataset.task)
    assert 0 <= measured["value"] <= 1 and measured["metric"] == "map" and measured["fidelity"]


def test_what_is_missing_or_broken_is_one_line(dataset, tmp_path):
    with pytest.raises(StudyError, match="recipe 'slowfast' is unknown: choose one of bike"):
        clips.of(dataset, "train", 32, recipe="slowfast")
    no_intervals = replace(dataset, segments=None)
    with pytest.raises(StudyError, match="segments.csv, which is absent"):
        clips.of(no_intervals, "train", 32, intervals=True)
    bare = replace(dataset, settings={**dataset.settings, "videos": "nowhere"})
    with pytest.raises(StudyError, match="6 videos of train are missing, the first is train_0000"):
        clips.of(bare, "train", 32)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    of = clips.Clips([broken], [(0, 1)], 32, recipe=augment.RECIPES["bike"])
    with pytest.raises(StudyError, match="broken.mp4 is no usable video"):
        list(of.batches([[0]], (0, 0)))
