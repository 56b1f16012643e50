"""Whole systems: one contract for all, the oracle, and the leave-one-out read-out."""

import numpy as np
import pytest
import torch

from book.runs import protocols
from tfe import StudyError, backbones, systems
from tfe.training import seed_everything

ALL = [("vanilla", "msqnet"), ("tfe", "msqnet"), ("vanilla", "bike"), ("tfe-bounded", "bike"),
       ("mean-pool", "none"), ("oracle-mask", "bike"), ("vanilla", "text4vis"),
       ("tfe", "text4vis"), ("tfe", "none"), ("tfe-plus", "none"), ("gated-mil", "none"),
       ("topk-mil", "none"), ("variant1", "msqnet"), ("variant5", "bike")]
B, T, F, C = 3, 6, 10, 4


def made(method, backbone, task="multilabel", **options):
    seed_everything(0)
    return systems.build(method, backbone, C, F, task, **options).eval()


@pytest.mark.parametrize("backbone", backbones.NAMES)
def test_an_option_that_does_not_exist_is_refused(backbone):
    with pytest.raises(TypeError, match="tpyo"):
        made("vanilla", backbone, head={"tpyo": 8})


@pytest.mark.parametrize("task", ["multilabel", "singlelabel"])
@pytest.mark.parametrize("method, backbone", ALL)
def test_every_system_answers_the_same_calls(method, backbone, task):
    system = made(method, backbone, task)
    logits, attention, mask = system.classify(system.embed(torch.randn(B, T, F)))
    assert logits.shape == (B, C) and attention.shape == (B, C, T)
    assert mask is None or mask.shape == (B, T)
    scores = system.backbone.scores(logits)
    assert ((scores >= 0) & (scores <= 1)).all()
    if task == "singlelabel":
        torch.testing.assert_close(scores.sum(1), torch.ones(B))
    saliency = system.backbone.saliency(attention, torch.eye(C)[:B])
    torch.testing.assert_close(saliency, torch.stack([attention[b, b] for b in range(B)]))
    named = {id(p) for player in system.players().values() for p in player}
    assert named == {id(p) for p in system.parameters()}


@pytest.mark.parametrize("method, backbone", ALL)
def test_leaving_a_segment_out_is_what_it_says(method, backbone):
    """Against a loop that classifies each shortened video, places kept, one video at a time."""
    system, features = made(method, backbone), torch.randn(B, T, F)
    falls = systems.leave_one_out(system, system.embed(features))
    assert falls.shape == (B, C, T)
    with torch.no_grad():
        for b in range(B):
            x = system.embed(features[b:b + 1])
            whole = system.classify(x)[0][0]
            for t in range(T):
                kept = torch.tensor([s for s in range(T) if s != t])
                part = system.classify(x[:, kept], kept)[0][0]
                torch.testing.assert_close(falls[b, :, t], whole - part, atol=1e-5, rtol=1e-4)


def test_leave_one_out_keeps_the_places_of_the_others():
    system, x = made("vanilla", "bike"), torch.randn(1, T, 128)
    late, early = torch.arange(1, T), torch.arange(T - 1)
    assert not torch.allclose(system.classify(x[:, late], late)[0],
                              system.classify(x[:, late], early)[0])


def test_the_attention_of_concept_spotting_is_a_distribution_over_time():
    system = made("vanilla", "bike")
    attention = system.classify(torch.randn(B, T, 128))[1]
    torch.testing.assert_close(attention.sum(-1), torch.ones(B, C))


def test_msqnet_attention_is_a_distribution_and_its_guide_has_no_gradient():
    system = made("vanilla", "msqnet")
    x = system.embed(torch.randn(B, T, F))
    torch.testing.assert_close(system.classify(x)[1].sum(-1), torch.ones(B, C))
    assert x.requires_grad
    (gradient,) = torch.autograd.grad(system.backbone.context(x).sum(), x, retain_graph=True)
    assert gradient[..., :128].abs().max() == 0  # what trains is no part of the guide
    embedding = list(system.backbone.embed.parameters())
    of_guide = torch.autograd.grad(system.backbone.context(x).sum(), embedding, allow_unused=True,
                                   materialize_grads=True)
    assert all((each == 0).all() for each in of_guide)


def test_oracle_keeps_the_true_segments_in_order_and_repeats_them():
    features = np.arange(3 * 5).reshape(3, 5, 1)
    truth = np.zeros((3, 2, 5), bool)
    truth[0, 0, 1] = truth[0, 1, 3] = True  # either action counts
    truth[1, 1, 2] = True  # video 2 shows none
    chosen = protocols.oracle(features, truth)[..., 0]
    assert chosen.tolist() == [[1, 3, 1, 3, 1], [7, 7, 7, 7, 7], [10, 11, 12, 13, 14]]
    with pytest.raises(StudyError, match="segments.csv"):
        protocols.oracle(features, None)


def test_saliency_without_a_true_class_is_the_mean_over_classes():
    attention = torch.rand(1, C, T)
    backbone = made("vanilla", "bike").backbone
    torch.testing.assert_close(backbone.saliency(attention, torch.zeros(1, C)), attention.mean(1))


@pytest.mark.parametrize("name", backbones.NAMES)
def test_a_shallow_backbone_has_fewer_parameters_and_fresh_approximators(name):
    deep, shallow = (backbones.build(name, C, shallow=s) for s in (False, True))
    size = [sum(p.numel() for p in b.parameters()) for b in (deep, shallow)]
    assert size[0] > size[1]
    one, other = shallow.make_approximator(), shallow.make_approximator()
    assert any(p.requires_grad for p in one.parameters())
    assert not {id(p) for p in one.parameters()} & {id(p) for p in other.parameters()}
    assert shallow.spec["backbone"] == name


def test_loss_is_the_cross_entropy_of_eq_7():
    logits = torch.randn(B, C)
    single, multi = made("vanilla", "bike", "singlelabel"), made("vanilla", "bike")
    target = torch.eye(C)[:B]
    expected = -(logits.log_softmax(1)).diagonal()[:B]
    torch.testing.assert_close(single.backbone.loss(logits, target, "none"), expected)
    p = logits.sigmoid()
    expected = -(target * p.log() + (1 - target) * (1 - p).log()).mean()
    torch.testing.assert_close(multi.backbone.loss(logits, target), expected)


def test_unknown_presets_name_the_known_ones():
    with pytest.raises(StudyError, match="no preset 'huge': choose one of small"):
        backbones.build("bike", C, preset="huge")
