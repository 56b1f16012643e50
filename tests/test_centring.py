"""Leave one out on plain and on centred logits: what one sees and the other does not."""

import numpy as np
import pytest
import torch

from book.evidence import centring
from tfe import fidelity, systems, training
from tfe.errors import StudyError

CLASSES, T, F = 3, 6, 8


class Shifted(torch.nn.Module):
    """A head that adds a number of the shown segments to all of its logits: softmax sees none of it."""

    def __init__(self, system, size):
        super().__init__()
        self.system, self.backbone, self.size = system, system.backbone, size

    def embed(self, x):
        return self.system.embed(x)

    def classify(self, x, places=None):
        logits, attention, mask = self.system.classify(x, places)
        there = torch.arange(x.shape[1]) if places is None else places
        return logits + self.size * torch.sin(5.0 * there).sum(), attention, mask


@pytest.fixture
def system():
    training.seed_everything(0)
    return systems.build("vanilla", "bike", CLASSES, F, "singlelabel", head={"dim": 16}).eval()


@pytest.fixture
def videos():
    draw = np.random.default_rng(0)
    targets = np.eye(CLASSES, dtype=np.float32)[draw.integers(CLASSES, size=40)]
    truth = (targets[..., None] * (draw.random((40, 1, T)) < 0.4)).astype(bool)
    return draw.normal(size=(40, T, F)).astype(np.float32), targets, truth


def test_the_two_read_outs_differ_by_the_mean_over_classes(system, videos):
    x, _, _ = videos
    falls = centring.plain(system, x, batch_size=16)  # batches of unlike size
    with torch.no_grad():
        read = systems.leave_one_out(system, system.embed(torch.as_tensor(x))).numpy()
    assert abs(falls - read).max() > 1e-3
    np.testing.assert_allclose(falls - falls.mean(axis=1, keepdims=True), read, atol=1e-5)


def test_what_softmax_does_not_see_moves_the_plain_read_out_alone(system, videos):
    before, after = (centring.compared(each, *videos) for each in (system, Shifted(system, 1000.0)))
    assert after["value"] == before["value"]
    assert after["auc_centred"] == pytest.approx(before["auc_centred"], abs=1e-2)  # float32 of 1000
    # Left out, t takes away its number: the plain read-out is now those numbers, whatever the video.
    numbers = np.broadcast_to(np.sin(5.0 * np.arange(T)), videos[2].shape)
    assert after["auc_plain"] == fidelity.score(numbers, videos[2], videos[1] > 0)["auc"]
    assert before["auc_plain"] != after["auc_plain"] and after["other_top"] > before["other_top"]


def test_without_intervals_there_is_nothing_to_compare(system, videos):
    with pytest.raises(StudyError, match=r"segments\.csv"):
        centring.compared(system, *videos[:2], None)
