"""What a head relies on: redundancy by hand, and parts exchanged in a trained TFE."""

import numpy as np
import pytest
import torch
from torch import nn

from book.evidence import reliance
from tfe import systems, training

C, T = 2, 8
SHOWN = np.arange(T) < 3  # three true segments


def pooled(method, **head):
    """A pooling of two classes whose votes are the features themselves."""
    training.seed_everything(0)
    system = systems.build(method, "none", C, C, "multilabel", head=head).eval()
    system.backbone.embed = nn.Identity()
    linear = next(m for m in system.approximator.modules() if isinstance(m, nn.Linear))
    with torch.no_grad():
        linear.weight.copy_(torch.eye(C))
        linear.bias.zero_()
    return system


def votes():
    """One video, in which the true segments of class 0 speak for it, all alike."""
    return np.where(SHOWN, 2.0, 0.0)[None, :, None] * np.eye(C)[0]


def measured(system, features, targets=((1, 0),), truth=None):
    truth = np.array([[SHOWN, ~SHOWN]] * len(features)) if truth is None else truth
    rows = np.arange(len(features))
    return reliance.measure(system, features, np.array(targets), truth, rows, rows)


def test_a_mean_relies_on_each_segment_and_a_maximum_on_none_that_has_a_twin():
    mean, most = (measured(each, votes()) for each in (pooled("mean-pool"), pooled("topk-mil", k=1)))
    assert mean["singly"] == pytest.approx((T - 3) / (T - 1)) and mean["auc"] == 1
    assert most["singly"] == 0 and most["auc"] == 0.5  # each has a twin that stands in for it
    # Yet both rely on the action.
    assert most["auc_bare"] == most["joint"] == mean["auc_bare"] == mean["joint"] == 1
    assert most["joint_ratio"] == 0 > mean["joint_ratio"]  # a mean rises where others go
    assert most["auc_single"] == 1 and "auc_flat_mask" not in most


def test_pairs_that_cannot_be_scored_are_counted():
    full = np.array([[SHOWN, np.ones(T, bool)], [np.zeros(T, bool), SHOWN]])
    system, features = pooled("mean-pool"), np.repeat(votes(), 2, axis=0)
    found = measured(system, features, ((1, 1), (1, 0)), full)
    assert (found["pairs"], found["skipped"]) == (1, 2)
    assert measured(system, features, ((0, 1), (1, 0)), full) == {"pairs": 0, "skipped": 2}


def test_the_fall_is_that_of_the_segments_left_out():
    system, x = pooled("mean-pool"), torch.randn(3, T, C)
    gone = np.array([np.arange(T) == 0, np.arange(T) < 4, np.arange(T) == 5])
    found = reliance.fall(system, x, np.array([0, 1, 1]), gone)
    by_hand = [float(x[n, :, c].mean() - x[n, ~gone[n], c].mean()) for n, c in enumerate((0, 1, 1))]
    np.testing.assert_allclose(found, by_hand, atol=1e-6)


def test_what_is_taken_instead_is_the_same_pattern_where_nothing_is_true():
    draw = np.random.default_rng(0)
    for _ in range(20):
        moved = reliance._elsewhere(SHOWN, draw)
        assert moved.sum() == 3 and not (moved & SHOWN).any()
    assert not reliance._elsewhere(np.arange(4) % 2 < 2, draw).any()  # there is no such place


@pytest.fixture
def game():
    training.seed_everything(0)
    return systems.build("tfe", "msqnet", C, 6, "multilabel", head={"dim": 16}).eval()


@pytest.fixture
def taught(game):
    draw = np.random.default_rng(0)
    features, targets = draw.normal(size=(40, T, 6)), np.eye(C)[np.arange(40) % C]
    return torch.as_tensor(features, dtype=torch.float32), lambda: reliance.twins(
        game, features, targets)


@torch.no_grad()
def said(system, features):
    return system.classify(system.embed(features))[0]


def test_a_flat_mask_looks_nowhere_and_keeps_its_sum(game, taught):
    features, twins = taught
    seen, flat = game.backbone.temporal(game.embed(features)), twins()["flat_mask"]
    old, new = (each.disentangler(seen, both=False)[2] for each in (game, flat))
    torch.testing.assert_close(old.sum(-1), new.sum(-1))
    assert (new == new[..., :1]).all() and not (old == old[..., :1]).all()
    assert not torch.equal(said(game, features), said(flat, features))


def test_a_new_reader_owes_nothing_to_the_old_one(game, taught):
    features, twins = taught
    before, first = said(game, features), twins()
    torch.testing.assert_close(said(game, features), before)  # the copies alone were changed
    for parameter in game.salient.parameters():
        nn.init.zeros_(parameter)
    torch.testing.assert_close(said(twins()["new_reader"], features),
                               said(first["new_reader"], features))
    for parameter in game.disentangler.parameters():
        nn.init.zeros_(parameter)
    second = twins()
    torch.testing.assert_close(said(second["past_d"], features), said(first["past_d"], features))
    assert not torch.equal(said(second["new_reader"], features), said(first["new_reader"], features))


def test_every_exchange_is_measured_in_a_game(game):
    draw = np.random.default_rng(0)
    features, truth = draw.normal(size=(20, T, 6)), draw.random((20, C, T)) < 0.3
    found = measured(game, features, np.ones((20, C)), truth)
    assert {f"{what}_{name}" for what in ("auc", "value") for name in (
        "new_reader", "past_d", "flat_mask")} < found.keys()
    assert all(0 <= found[name] <= 1 for name in found
               if name.startswith(("auc", "value")) or name == "joint")
