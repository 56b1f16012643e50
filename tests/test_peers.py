"""The peers: their authors' answers, the contract of a backbone, losses of several branches."""

import csv
import json
from importlib import import_module

import parity
import parity_peers
import pytest
import test_contract
import torch

from data.files.paths import RESULTS
from tfe import systems, training

PEERS = list(parity_peers.OFFICIAL)


def made(name, classes=3, feature_dim=6, task="multilabel"):
    training.seed_everything(0)
    if name == "transmil":
        pytest.importorskip("nystrom_attention", reason="nystrom-attention is not installed")
    module = import_module(f"tfe.backbones.peers.{name}")
    return module.System(classes, feature_dim=feature_dim, dim=16, task=task)


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_answers_as_its_authors_code_does(name):
    if name == "transmil":
        pytest.importorskip("nystrom_attention", reason="nystrom-attention is not installed")
    stored = json.loads(parity_peers.STORED.read_text(encoding="utf-8"))[name]
    found = parity_peers.answers(name, parity_peers.scaled(stored["shapes"]))
    gaps = parity.gaps(stored["answers"], found)
    assert all(gap <= parity.WANTED for gap in gaps.values()), gaps


def test_every_peer_has_a_line_of_parity_within_the_bound():
    with open(RESULTS / "parity.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["size"] == "peer"]
    assert {row["system"].replace("-", "_") for row in rows} == set(PEERS)
    assert all(float(row["relative_error"]) <= parity.WANTED for row in rows)


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("task", ["multilabel", "singlelabel"])
def test_a_peer_keeps_the_contract(name, task):
    backbone = made(name, test_contract.C, test_contract.F, task).eval()
    for check in (test_contract.shapes, test_contract.losses, test_contract.left_out,
                  test_contract.groups):
        check(backbone)


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_learns_where_a_class_is(name):
    """A planted step in one of the features: the loss falls, and the true segments weigh more."""
    x, targets = torch.randn(120, 8, 6), (torch.rand(120, 3) < 0.5).float()
    for video, classes in enumerate(targets):
        for c in classes.nonzero().flatten():
            x[video, 2 * int(c):2 * int(c) + 2, int(c)] += 5
    system = systems.Vanilla(made(name))
    plan = training.Schedule(epochs=12, batch_size=12, lr=1e-2, weight_decay=0.0, warmup_epochs=1)
    history = training.fit(system, x, targets, plan, seed=0)
    assert history.rows[-1]["loss_s"] < history.rows[0]["loss_s"]
    with torch.no_grad():
        attention = system.classify(system.embed(x))[1]
    there = torch.stack([attention[:, c, 2 * c:2 * c + 2].mean(-1) for c in range(3)], 1)
    assert (there - attention.mean(-1))[targets > 0].mean() > 0


@pytest.mark.parametrize("name", ["dsmil", "bas_net"])
def test_branches_have_one_loss_a_video_whose_mean_is_the_loss(name):
    backbone = made(name).train()
    logits = backbone.make_approximator().train()(torch.randn(5, 4, 16))[0]
    target = torch.tensor([[1., 0, 0], [1, 1, 1], [0, 0, 0], [0, 1, 0], [0, 0, 1]])
    each = backbone.loss(logits, target, reduction="none")
    assert each.shape == (5,) and each.isfinite().all()  # a video without a label is no 0 / 0
    torch.testing.assert_close(backbone.loss(logits, target), each.mean())


@pytest.mark.parametrize("name", PEERS)
def test_a_video_of_one_segment_is_classified(name):
    backbone = made(name).eval()
    z = backbone.temporal(torch.randn(2, 1, 16))
    logits, attention = backbone.make_approximator().eval()(z)
    assert logits.isfinite().all() and attention.shape == (2, 3, 1)


@pytest.mark.parametrize("name", ["additive", "conjunctive", "bas_net"])
def test_a_mask_is_a_share_of_each_segment(name):
    mask = made(name).make_approximator().mask(torch.randn(2, 5, 16))
    assert mask.shape == (2, 1, 5) and ((mask > 0) & (mask < 1)).all()


def test_places_go_with_the_segments_that_are_left():
    from tfe.backbones.peers.additive import sinusoids

    whole = sinusoids(torch.arange(6), 7)
    assert whole.shape == (6, 7)
    torch.testing.assert_close(sinusoids(torch.tensor([[1, 4]]), 7)[0], whole[[1, 4]])


def test_the_filtered_scores_of_bas_net_sum_with_the_background_to_one():
    head = made("bas_net").make_approximator()
    odds = head.odds(torch.randn(4, 4, 8))
    torch.testing.assert_close(odds.sigmoid().sum(1), torch.ones(4))
