"""Whether masks tell the label: of one that encodes it, of an honest one, of one that is blind."""

import numpy as np
import pytest
import torch
from torch import nn

from book.evidence import tell
from tfe import systems, training
from tfe.backbones import pooling

C, T, F = 3, 6, 5
N = 300
TRAIN, TEST = np.arange(200), np.arange(200, N)


def problem(seed=0):
    """One segment a video, anywhere, shows its class: `(x, targets, truth)`."""
    draw = np.random.default_rng(seed)
    classes, at = draw.integers(C, size=N), draw.integers(T, size=N)
    x, truth = draw.normal(size=(N, T, F)), np.zeros((N, T), bool)
    x[np.arange(N), at, classes] += 6
    truth[np.arange(N), at] = True
    return x.astype(np.float32), np.eye(C, dtype=np.float32)[classes], truth


class Masked(pooling.ClassActivation):
    """Mean pooling whose `mask` is one of three kinds, made from the features."""

    kind = "honest"

    def mask(self, z):
        shown = z[..., :C].amax(-1)  # (B, T): where the class is
        if self.kind == "honest":
            shown = shown.argmax(1)
        elif self.kind == "encodes":  # the class, as a place
            shown = z[..., :C].amax(1).argmax(1)
        else:
            shown = torch.zeros(len(z), dtype=torch.long)
        return nn.functional.one_hot(shown, T).float().unsqueeze(1)


def made(kind):
    training.seed_everything(0)
    backbone = pooling.MeanPool(C, feature_dim=F, task="singlelabel")
    backbone.embed = nn.Identity()
    backbone.make_approximator = lambda: Masked(C, F)
    system = systems.Vanilla(backbone)
    system.approximator.kind = kind
    return system


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr(tell, "STEPS", 80)
    monkeypatch.setattr(tell, "RATE", 1e-2)


def told(kind):
    x, targets, truth = problem()
    return tell.tells(made(kind), x, targets, TRAIN, TEST, truth, k=1)


def test_a_mask_that_encodes_the_class_is_found_out_by_both_readers():
    found = told("encodes")
    assert found["probe"] > 0.9 and found["probe_permuted"] < 0.5 and found["probe_truth"] < 0.5
    assert found["evaluator_selected"] < 0.6 < found["evaluator_rest"]


def test_an_honest_mask_tells_nothing_and_holds_the_class():
    found = told("honest")
    assert found["probe"] < 0.5
    assert found["evaluator_selected"] > 0.9 > found["evaluator_random"]


class Placed(systems.Vanilla):
    """It answers by the place of the segment that its mask picks, or by the place that it is shown."""

    def classify(self, x, positions=None):
        place = self.approximator.mask(x).squeeze(1).argmax(-1) if positions is None else positions[:, 0]
        return nn.functional.one_hot(place, T)[:, :C].float(), None, None


def hidden(found):
    """As chapter 23 has it: the system's lead on what its mask picks, less its lead on all."""
    return (found["own_selected"] - found["evaluator_selected"]) - (found["own"] - found["evaluator_all"])


def test_what_a_mask_hides_is_no_matter_of_the_evaluators_strength(monkeypatch):
    x, targets, truth = problem()
    honest = made("honest")
    honest.approximator.linear.weight.data = torch.eye(C, F)
    for weak in (False, True):
        if weak:  # an evaluator that learnt nothing makes any head look as if it encoded
            monkeypatch.setattr(tell, "evaluator", lambda _, __, y, ___: (
                lambda x, mask: 0 * y[:1].expand(len(x), -1)))
        own = tell.tells(honest, x, targets, TRAIN, TEST, truth, k=1)
        assert hidden(own) < 0.2 and own["own"] > 0.8
    assert own["own"] - own["evaluator_selected"] > 0.4  # what was said before


def test_a_mask_that_encodes_hides_what_its_system_alone_can_read():
    x, targets, truth = problem()
    system = made("encodes")
    system.__class__ = Placed
    found = tell.tells(system, x, targets, TRAIN, TEST, truth, k=1)
    assert found["own"] == found["own_selected"] == 1 and hidden(found) > 0.15


def test_where_each_class_has_a_mask_it_is_judged_by_the_segments_of_its_own(monkeypatch):
    draw = np.random.default_rng(0)
    targets = (draw.random((N, C)) < 0.5).astype(np.float32)
    place, x = draw.permuted(np.tile(np.arange(T), (N, 1)), axis=1)[:, :C], draw.normal(size=(N, T, F))
    for c in range(C):  # each class has a segment, which says whether it is shown
        x[np.arange(N), place[:, c], c] += 6 * targets[:, c]
    rows = nn.functional.one_hot(torch.as_tensor(place), T).float()
    system = systems.build("tfe-plus", "none", C, F, "multilabel", head={"dim": 8}, disentangler={"k": 1})
    monkeypatch.setattr(tell, "masks", lambda *_: rows)
    found = tell.tells(system, x.astype(np.float32), targets, TRAIN, TEST, k=1)
    assert found["evaluator_selected"] > 0.9 > found["evaluator_random"]
    assert 0 < found["own_selected"] <= 1


def test_a_blind_mask_tells_nothing():
    found = told("blind")
    assert found["probe"] < 0.5 and found["evaluator_selected"] < 0.7


@pytest.mark.parametrize("method, backbone, rows", [
    ("tfe", "bike", 4 * T), ("tfe-plus", "none", C), ("variant1", "msqnet", T),
    ("mean-pool", "none", None), ("vanilla", "bike", None)])
def test_which_systems_have_a_mask(method, backbone, rows):
    head = {} if method == "mean-pool" else {"dim": 16}
    system = systems.build(method, backbone, C, F, "multilabel", head=head)
    found = tell.masks(system, np.ones((7, T, F)), batch_size=3)
    assert found is None if rows is None else found.shape == (7, rows, T)
    if rows is None:
        assert tell.tells(system, np.ones((7, T, F)), np.ones((7, C)), [0], [1]) is None
