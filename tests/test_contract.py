"""One contract for every backbone, whatever file it lies in."""

import pytest
import torch
from torch import nn

from tfe import backbones
from tfe.backbones import pooling
from tfe.backbones import Backbone
from tfe.training import seed_everything

B, T, F, C = 3, 7, 10, 4
POOLINGS = {f"none/{name}": build for name, build in
            {**pooling.POOLINGS, "embedded": pooling.EmbeddedMeanPool}.items()}
ALL = [*backbones.NAMES, *POOLINGS]


def made(name, shallow=False, task="multilabel"):
    seed_everything(0)
    if name in POOLINGS:
        return POOLINGS[name](C, feature_dim=F, task=task).eval()
    return backbones.build(name, C, shallow=shallow, feature_dim=F, task=task).eval()


@pytest.mark.parametrize("name", ALL)
def test_a_backbone_keeps_the_contract(name):
    check(name)


def check(name):
    """Fail where the backbone of that name breaks the contract of `tfe.backbones.Backbone`."""
    for shallow in (False, True):
        for task in ("multilabel", "singlelabel"):
            backbone = made(name, shallow, task)
            assert isinstance(backbone, Backbone)
            shapes(backbone)
            losses(backbone)
            left_out(backbone)
            groups(backbone)
            assert backbone.spec["classes"] == C and backbone.spec["task"] == task


def judged(backbone, approximator, features, positions=None):
    x = backbone.embed(features)
    if positions is not None:
        x = x[:, positions]
    return approximator(backbone.temporal(x, positions), backbone.context(x))


def shapes(backbone):
    """Logits and attention of the right shapes, each video's its own, gradients for everything."""
    features = torch.randn(B, T, F)
    x = backbone.embed(features)
    assert x.shape[:2] == (B, T) and x.shape[2] >= backbone.dim  # a guide may stand behind
    assert backbone.temporal(x).shape == (B, T, backbone.dim)
    approximator = backbone.make_approximator().eval()
    logits, attention = judged(backbone, approximator, features)
    assert logits.shape == (B, C) and attention.shape == (B, C, T)
    alone = judged(backbone, approximator, features[1:2])
    torch.testing.assert_close(alone[0], logits[1:2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(alone[1], attention[1:2], rtol=1e-4, atol=1e-5)
    (logits * torch.randn_like(logits)).sum().backward()
    trained = [*backbone.parameters(), *approximator.parameters()]
    assert trained and all(p.grad is not None and p.grad.isfinite().all() for p in trained)
    other = backbone.make_approximator()
    assert not {id(p) for p in approximator.parameters()} & {id(p) for p in other.parameters()}


def losses(backbone):
    """The loss is finite, the mean of its parts, least for the truth; scores are probabilities."""
    logits, target = torch.randn(B, C), torch.eye(C)[:B]
    each = backbone.loss(logits, target, reduction="none")
    assert each.shape == (B,)
    torch.testing.assert_close(backbone.loss(logits, target), each.mean())
    assert backbone.loss(20 * target - 10, target) < backbone.loss(10 - 20 * target, target)
    scores = backbone.scores(logits)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert torch.equal(scores.argsort(1), logits.argsort(1))
    attention = torch.rand(B, C, T)
    torch.testing.assert_close(backbone.saliency(attention, target), attention[range(B), range(B)])


def left_out(backbone):
    """Segments may be left out: the places of the others are told, and all places change nothing."""
    features, approximator = torch.randn(B, T, F), backbone.make_approximator().eval()
    whole = judged(backbone, approximator, features)[0]
    told = judged(backbone, approximator, features, torch.arange(T))[0]
    torch.testing.assert_close(told, whole, rtol=1e-4, atol=1e-5)
    kept = torch.tensor([0, 2, 3, 6])
    logits, attention = judged(backbone, approximator, features, kept)
    assert logits.shape == (B, C) and attention.shape == (B, C, len(kept))
    assert logits.isfinite().all()


def groups(backbone):
    """Every parameter stands in one group, with a positive factor on its rate."""
    named = [p for group in backbone.param_groups() for p in group["params"]]
    assert sorted(map(id, named)) == sorted(map(id, backbone.parameters()))
    assert all(group["scale"] > 0 for group in backbone.param_groups())


class Forgetful(Backbone):
    """Breaks the contract: its answer for a video depends on the other videos of the batch."""

    def __init__(self):
        super().__init__(C, F, "multilabel")
        self.embed = nn.Linear(F, F)

    def temporal(self, x, positions=None):
        return x - x.mean(0)

    def context(self, x):
        return None

    def make_approximator(self):
        return pooling.ClassActivation(C, F)


def test_the_check_can_fail():
    with pytest.raises(AssertionError):
        shapes(Forgetful())
