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


def test_it_replaces_the_whole_head():
    with pytest.raises(StudyError, match="set backbone to none"):
        systems.build("tfe-plus", "bike", C, D, "multilabel")
