"""Protocols by name: what a clip sees, what is averaged, and macro mAP beside the peers' numbers."""

import json

import numpy as np
import pytest
import torch

from book.runs import batch, protocols
from book.evidence import printed_map
from data.files.dataset import open_dataset
from tfe import evaluation, metrics, systems
from tfe.errors import StudyError


@pytest.fixture(scope="module")
def system():
    torch.manual_seed(0)
    return systems.build("vanilla", "bike", 5, 8, "multilabel").eval()


def test_a_clip_sees_every_fourth_segment_and_so_the_whole_video():
    x = np.arange(2 * 64 * 3).reshape(2, 64, 3)
    clips = protocols.views(x, "multi-clip")
    assert clips.shape == (4, 2, 16, 3)
    assert all((clips[c] == x[:, c::4]).all() for c in range(4))
    assert (protocols.views(x, "single-view")[0] == x).all()


@pytest.mark.parametrize("name, segments, words", [
    ("ten-crop", 16, "'ten-crop' is unknown: use one of single-view, multi-clip"),
    ("multi-clip", 18, "18 segments are not 4 clips: make features with `--segments 64`")])
def test_what_cannot_be_is_refused(name, segments, words):
    with pytest.raises(StudyError, match=words):
        protocols.views(np.zeros((1, segments, 3)), name)


def test_class_scores_are_averaged_not_features_or_logits(system):
    x = np.random.default_rng(0).normal(size=(6, 64, 8)).astype(np.float16)
    targets = np.eye(5)[[0, 1, 2, 3, 4, 0]]
    clips = protocols.views(x, "multi-clip")
    found = protocols.averaged(system, clips, targets)
    with torch.no_grad():
        logits = [system.classify(system.embed(torch.tensor(clip).float()))[0] for clip in clips]
        by_hand = torch.stack([system.backbone.scores(each) for each in logits]).mean(0)
        of_logits = system.backbone.scores(torch.stack(logits).mean(0))
    assert np.allclose(found["scores"], by_hand, atol=1e-6)
    assert not np.allclose(found["scores"], of_logits, atol=1e-6)
    assert found["leave_one_out"].shape == (6, 5, 16) and found["attention"].shape == (6, 16)


def test_one_view_is_the_plain_prediction_to_the_last_bit(system):
    x = np.random.default_rng(1).normal(size=(6, 16, 8)).astype(np.float16)
    targets = np.eye(5)[[0, 1, 2, 3, 4, 0]]
    plain = evaluation.predict(system, x, targets)
    found = protocols.averaged(system, protocols.views(x, "single-view"), targets)
    assert all((found[name] == plain[name]).all() for name in plain)


def test_macro_map_over_all_videos_stands_beside_the_peers_own():
    draw = np.random.default_rng(2)
    targets = draw.random((600, 20)) < 0.15
    targets[:30] = False  # videos without a label are part of the test
    scores = draw.normal(size=targets.shape) + targets
    found = evaluation.measure({"scores": scores}, targets, None, "multilabel")
    assert found["videos"] == 600 and found["value"] == metrics.mean_average_precision(targets, scores)
    peers = printed_map.peers(targets, scores)
    assert peers == {"msqnet": printed_map.micro_per_batch(targets, scores),
                     "bike": printed_map.running_map(targets, scores)}
    assert len({found["value"], *peers.values()}) == 3


def test_a_run_of_several_clips(toy, tmp_path, in_this_process):
    """The papermill template with four clips of four segments, out of features of sixteen."""
    file = tmp_path / "toy.yaml"
    file.write_text(f"table: toy\ndataset: {toy}\nencoder: planted\nprofile: smoke\n"
                    "seeds: [0]\nrows:\n  - {row: BIKE, backbone: bike, method: vanilla, "
                    "protocol: multi-clip}\n")
    grid = batch.read(file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "LOCAL", tmp_path / "local")
        runs = batch.plan(grid, open_dataset(toy), "planted")
        assert runs[0].parameters["protocol"] == "multi-clip" and batch.execute(runs) == []
    found = json.loads((runs[0].folder / "metrics.json").read_text())["splits"]["test"]
    arrays = np.load(runs[0].folder / "predictions.npz")
    assert arrays["test.attention"].shape == (12, 4) and set(found["peers"]) == {"msqnet", "bike"}
    assert found["value"] == metrics.mean_average_precision(arrays["test.targets"],
                                                            arrays["test.scores"])
