"""One k-hot mask a class: closed forms, gradients, and what was refused."""

import pytest
import torch

from tfe import StudyError, systems
from tfe.khot import inclusion
from tfe.plus import ClasswiseDisentanglement, OwnRow
from tfe.training import seed_everything

B, T, D, C = 3, 6, 8, 4


@pytest.fixture
def split():
    seed_everything(0)
    return ClasswiseDisentanglement(D, C, k=2).eval()


def test_the_parts_are_means_of_the_segments_in_and_out_of_the_mask(split):
    x = torch.randn(B, T, D)
    z_s, z_n, mask = split(x)
    assert z_s.shape == z_n.shape == (B, C, D) and mask.shape == (B, C, 1, T)
    m = inclusion(split.logits(x), 2)
    torch.testing.assert_close(mask.squeeze(2), m)
    for b in range(B):
        for c in range(C):
            torch.testing.assert_close(z_s[b, c], (m[b, c, :, None] * x[b]).sum(0) / m[b, c].sum())
            out = 1 - m[b, c]
            torch.testing.assert_close(z_n[b, c], (out[:, None] * x[b]).sum(0) / out.sum())


def test_a_hard_mask_has_exactly_k_segments_and_training_is_relaxed(split):
    split.test_mask = "hard"
    x = torch.randn(B, T, D)
    assert (split(x)[2].sum(-1) == 2).all()
    sums = split.train()(x, torch.Generator().manual_seed(0))[2].sum(-1)
    assert ((sums >= 1 - 1e-5) & (sums <= 2)).all()


def test_a_constant_segment_shift_moves_both_parts_alike(split):
    """Means of weights that sum to one: a constant added to every segment comes out as it is."""
    split.score.weight.data.zero_()  # the same mask whatever x is
    x, shift = torch.randn(B, T, D), torch.randn(D)
    for before, after in zip(split(x)[:2], split(x + shift)[:2]):
        torch.testing.assert_close(after, before + shift)


def test_each_class_reads_its_own_row():
    seed_everything(0)
    reader, z = OwnRow(C, D), torch.randn(B, C, D, requires_grad=True)
    grad = torch.autograd.grad(reader(z)[0][:, 1].sum(), z)[0]
    assert grad[:, 1].abs().sum() > 0 and grad[:, [0, 2, 3]].abs().sum() == 0


def test_the_attention_of_the_system_is_its_mask():
    seed_everything(0)
    system = systems.build("tfe-plus", "none", C, D, "multilabel", disentangler={"k": 2}).eval()
    x = system.embed(torch.randn(B, T, D))
    _, attention, readout = system.classify(x)
    torch.testing.assert_close(attention, system.disentangler(x)[2].squeeze(2))
    torch.testing.assert_close(readout.sum(1), torch.ones(B))


def warm(**options):
    """A system that begins at gated MIL with a weight a class, and that head."""
    seed_everything(1)
    head = systems.build("gated-mil", "none", C, D, "multilabel", head={"attention": "class"})
    with torch.no_grad():
        for parameter in head.parameters():  # as if it had been trained: sharp, and no two rows alike
            parameter.add_(0.3 * torch.randn_like(parameter))
    system = systems.build("tfe-plus", "none", C, D, "multilabel", disentangler=options)
    systems.warm_start(system, head.state_dict())
    return system.eval(), head.eval()


@pytest.mark.parametrize("k, repeats", [(1, False), (1, True), (2, True), (4, True)])
def test_a_warm_start_answers_as_gated_mil_with_a_weight_a_class(k, repeats):
    system, head = warm(k=k, repeats=repeats)
    features = torch.randn(B, T, D)
    x = system.embed(features)
    assert torch.equal(x, head.embed(features))
    (logits, attention, _), (expected, of_head, _) = system.classify(x), head.classify(x)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)
    assert (attention.argsort(-1) == of_head.argsort(-1)).all()
    torch.testing.assert_close(systems.leave_one_out(system, x), systems.leave_one_out(head, x),
                               atol=1e-5, rtol=0)
    for name in ("weight", "bias"):  # both critics begin as its linear layer, each with its own memory
        mine = [getattr(each, name) for each in (
            system.salient, system.non_salient, head.approximator.linear)]
        assert torch.equal(mine[0], mine[2]) and torch.equal(mine[1], mine[2])
        assert len({each.data_ptr() for each in mine}) == 3


def test_without_repeats_a_larger_mask_is_flatter_than_the_attention_that_it_begins_at():
    system, head = warm(k=4)
    x = system.embed(torch.randn(B, T, D))
    weights = system.classify(x)[1]
    weights = weights / weights.sum(-1, keepdim=True)
    assert (weights.amax(-1) < head.classify(x)[1].amax(-1)).all()
    assert not torch.allclose(system.classify(x)[0], head.classify(x)[0], atol=1e-3)


def test_repeats_leave_the_mask_as_it_is_and_count_each_draw():
    seed_everything(0)
    once, often = ClasswiseDisentanglement(D, C, k=3), ClasswiseDisentanglement(D, C, k=3, repeats=True)
    scores = torch.randn(B, C, T)
    for training in (True, False):
        masks = [each.train(training).mask(scores, torch.Generator().manual_seed(2))
                 for each in (once, often)]
        assert torch.equal(masks[0][0], masks[1][0]) and torch.equal(*masks[0])
        torch.testing.assert_close(masks[1][1].sum(-1), torch.ones(B, C))
    assert torch.equal(masks[1][1], scores.softmax(-1))
    often.tau = 1e-4  # draws of one segment each, ties aside: thirds, whose mean is the weight at test
    mask, drawn = often.train().mask(scores.expand(1000, B, C, T), torch.Generator().manual_seed(3))
    torch.testing.assert_close(drawn.mean(0), scores.softmax(-1), atol=0.05, rtol=0)
    thirds = 3 * drawn
    assert ((thirds - thirds.round()).abs() < 0.01).float().mean() > 0.99
    assert ((mask > 0.5) == (thirds > 0.5)).float().mean() > 0.99


def test_repeats_are_of_whole_draws():
    with pytest.raises(StudyError, match="k is 0: repeats are of whole draws"):
        ClasswiseDisentanglement(D, C, k=0, repeats=True)


def test_it_replaces_the_whole_head():
    with pytest.raises(StudyError, match="set backbone to none"):
        systems.build("tfe-plus", "bike", C, D, "multilabel")
