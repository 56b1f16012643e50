"""L2X and AIL as explainers of a trained head, and what k picked segments are worth."""

import numpy as np
import pytest
import torch
from torch import nn

from book.evidence import explainers
from tfe import systems, training
from tfe.backbones import pooling

C, T, F = 3, 8, 6


@pytest.fixture(scope="module")
def planted():
    """Videos of one class each, shown by two of eight segments, and a head that learnt them."""
    draw = np.random.default_rng(0)
    classes, start = draw.integers(C, size=160), draw.integers(T - 1, size=160)
    x, truth = draw.normal(size=(160, T, F)), np.zeros((160, T), bool)
    for n, (c, at) in enumerate(zip(classes, start)):
        x[n, at:at + 2, c] += 6
        truth[n, at:at + 2] = True
    targets = np.eye(C, dtype=np.float32)[classes]
    training.seed_everything(0)
    system = systems.build("mean-pool", "none", C, F, "singlelabel")
    plan = training.Schedule(epochs=15, batch_size=16, lr=3e-2, weight_decay=0.0, warmup_epochs=1)
    training.fit(system, x, targets, plan, seed=0)
    return system, x, targets, truth


@pytest.mark.parametrize("kind", explainers.KINDS)
def test_an_explainer_picks_what_the_head_uses(planted, kind, monkeypatch):
    monkeypatch.setattr(explainers, "STEPS", 120)
    monkeypatch.setattr(explainers, "RATE", 5e-3)
    system, x, _, truth = planted
    before = {name: value.clone() for name, value in system.state_dict().items()}
    picks = explainers.fitted(system, x[:120], kind, k=2)
    found = explainers.judged(system, x[120:], picks(x[120:]), 2, truth[120:])
    assert found["accuracy"] > found["chance"] + 0.25 and found["auc"] > 0.7
    assert found["selected"] > found["rest"] and found["videos"] == 40
    assert all(torch.equal(value, before[name]) for name, value in system.state_dict().items())


def test_true_segments_are_the_best_pick(planted):
    system, x, _, truth = planted
    found = explainers.judged(system, x, truth.astype(float), 2, truth)
    assert found["accuracy"] == found["auc"] == 1 and found["chance"] == 2 / T
    assert found["selected"] > 0.8 and found["rest"] < 0.6


def test_a_system_with_a_mask_explains_itself(planted, monkeypatch):
    monkeypatch.setattr(explainers, "STEPS", 2)
    system, x, _, truth = planted
    rows = np.arange(120), np.arange(120, 160)
    table = explainers.compared(system, x, *rows, truth)
    assert list(table.picks) == ["own", "leave_one_out", "random", "l2x", "ail"]
    assert table.set_index("picks").accuracy["leave_one_out"] > table.chance.max()
    masked = systems.build("tfe-plus", "none", C, F, "singlelabel", head={"dim": 8})
    assert list(explainers.compared(masked, x, *rows).picks) == ["own", "leave_one_out", "random"]


def test_pick_by_hand():
    backbone = pooling.MeanPool(2, feature_dim=2)
    backbone.embed = nn.Identity()
    system = systems.Vanilla(backbone)
    system.approximator.linear.weight.data, system.approximator.linear.bias.data = (
        torch.eye(2), torch.zeros(2))
    x = np.array([[[3.0, 0], [0, 1], [0, 1]]])
    scores, truth = np.array([[3.0, 2, 1]]), np.array([[True, False, True]])
    found = explainers.judged(system, x, scores, 2, truth)
    assert found == {"selected": 1, "rest": 0, "accuracy": 1 / 2, "chance": pytest.approx(2 / 3),
                     "auc": 1 / 2, "videos": 1}


def test_what_cannot_be_judged_is_counted_not_guessed(planted):
    system, x, _, truth = planted
    empty = explainers.judged(system, x, np.ones((160, T)), 2, np.zeros_like(truth))
    assert empty["videos"] == 0 and np.isnan(empty["accuracy"]) and np.isnan(empty["auc"])
    whole = explainers.judged(system, x, np.ones((160, T)), T)
    assert whole["selected"] == 1 and np.isnan(whole["rest"]) and "accuracy" not in whole
    single = explainers.judged(system, x[:, :1], np.ones((160, 1)), 4, truth[:, :1])
    assert single["videos"] == 0 and single["selected"] == 1


def test_the_opposite_of_an_answer_is_a_distribution_where_classes_compete():
    answer = torch.tensor([[0.7, 0.2, 0.1]])
    torch.testing.assert_close(explainers._opposite(answer, "multilabel"), 1 - answer)
    assert explainers._opposite(answer, "singlelabel").sum() == pytest.approx(1)
