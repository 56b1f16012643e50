"""What a user would pick instead: closed forms, equivariance, and the read-outs."""

import pytest
import torch

from tfe import StudyError, systems
from tfe.backbones import pooling
from tfe.backbones.peers import gated_mil
from tfe.training import seed_everything

B, T, F, C = 3, 6, 10, 4
POOLINGS = {**pooling.POOLINGS, "gated-mil": gated_mil.System}


def made(name, **options):
    seed_everything(0)
    return POOLINGS[name](C, feature_dim=F, **options)


@pytest.mark.parametrize("name", POOLINGS)
def test_the_order_of_the_segments_does_not_matter(name):
    backbone, x, order = made(name), torch.randn(B, T, F), torch.randperm(T)
    approximator = backbone.make_approximator()
    logits, attention = approximator(backbone.embed(x))
    again, permuted = approximator(backbone.embed(x[:, order]))
    torch.testing.assert_close(logits, again)
    torch.testing.assert_close(attention[..., order], permuted)


def test_top_k_is_the_mean_of_the_k_strongest_segments():
    backbone = made("topk-mil", k=2)
    approximator, z = backbone.make_approximator(), torch.randn(B, T, F)
    each = approximator.linear(z)
    expected = each.sort(dim=1, descending=True).values[:, :2].mean(1)
    torch.testing.assert_close(approximator(z)[0], expected)


def test_top_k_of_all_segments_is_mean_pooling():
    top, mean = made("topk-mil", k=T).make_approximator(), made("mean-pool").make_approximator()
    mean.load_state_dict(top.state_dict())
    z = torch.randn(B, T, F)
    torch.testing.assert_close(top(z)[0], mean(z)[0])


def test_top_k_above_what_is_left_takes_everything():
    approximator = made("topk-mil", k=9).make_approximator()
    assert approximator(torch.randn(B, 3, F))[0].shape == (B, C)


@pytest.mark.parametrize("attention", ["shared", "class"])
def test_gated_attention_is_a_distribution_that_pools_before_the_linear_layer(attention):
    approximator = made("gated-mil", attention=attention).make_approximator()
    z = torch.randn(B, T, 128)
    logits, weights = approximator(z)
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, C))
    pooled = torch.einsum("bct,btd->bcd", weights, z)
    expected = (pooled * approximator.linear.weight).sum(-1) + approximator.linear.bias
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-4)
    assert torch.equal(weights[:, 0], weights[:, 1]) == (attention == "shared")


def test_gated_attention_without_its_gate_is_the_mean():
    approximator = made("gated-mil").make_approximator()
    torch.nn.init.zeros_(approximator.score.weight)
    z = torch.randn(B, T, 128)
    torch.testing.assert_close(approximator(z)[0], approximator.linear(z.mean(1)))


def test_an_attention_of_another_kind_is_refused():
    with pytest.raises(StudyError, match="attention is 'each'"):
        gated_mil.System(C, feature_dim=F, attention="each")


@pytest.mark.parametrize("name", POOLINGS)
def test_a_pooling_is_a_method_without_backbone(name):
    system = systems.build(name, "none", C, F, "singlelabel")
    logits, attention, mask = system.classify(system.embed(torch.randn(B, T, F)))
    assert logits.shape == (B, C) and attention.shape == (B, C, T) and mask is None
    with pytest.raises(StudyError, match="set backbone to none"):
        systems.build(name, "bike", C, F, "singlelabel")


def test_the_options_of_a_head_reach_it():
    assert systems.build("topk-mil", "none", C, F, "multilabel", head={"k": 2}).backbone.k == 2
    assert systems.build("topk-mil", "none", C, F, "multilabel").backbone.k == 4
