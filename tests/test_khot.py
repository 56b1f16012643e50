"""The k-hot sampler against exact probabilities, its limits, and its errors."""

import pytest
import torch

from tfe import StudyError
from tfe.khot import hard_khot, inclusion, relaxed_khot

LOGITS = torch.tensor([1.2, -0.3, 0.4, 0.0, -1.0], dtype=torch.float64)
DRAWS = 20_000


def draws(k, tau, seed=0):
    return relaxed_khot(LOGITS.expand(DRAWS, -1), k, tau, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("k", [1, 2, 4, 5])
def test_cold_masks_include_a_segment_as_often_as_k_draws_with_replacement(k):
    p = inclusion(LOGITS, k)
    error = (p * (1 - p) / DRAWS).sqrt()
    assert ((draws(k, 0.005).mean(0) - p).abs() < 4.5 * error).all()
    torch.testing.assert_close(p, 1 - (1 - LOGITS.softmax(0)) ** k)


def test_one_cold_draw_is_the_gumbel_max_trick():
    winners = draws(1, 0.005).argmax(1).bincount(minlength=5) / DRAWS
    torch.testing.assert_close(winners, LOGITS.softmax(0).float(), atol=0.015, rtol=0)


@pytest.mark.parametrize("tau", [0.05, 0.5, 5.0])
def test_row_sums_lie_between_one_and_k(tau):
    sums = draws(3, tau).sum(1)
    assert sums.min() >= 1 - 1e-9 and sums.max() <= 3 + 1e-9


def test_a_hot_mask_is_flat_and_one_draw_sums_to_one():
    torch.testing.assert_close(draws(3, 1e6), torch.full((DRAWS, 5), 0.2).double(),
                               atol=1e-4, rtol=0)
    torch.testing.assert_close(draws(1, 0.7).sum(1), torch.ones(DRAWS).double())


def test_a_generator_repeats_its_masks_and_another_seed_does_not():
    assert torch.equal(draws(2, 0.5, seed=3), draws(2, 0.5, seed=3))
    assert not torch.equal(draws(2, 0.5, seed=3), draws(2, 0.5, seed=4))


def test_gradients_are_those_of_finite_differences():
    def mask(logits):
        return relaxed_khot(logits, 2, 0.5, torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(mask, LOGITS.clone().requires_grad_())


def test_hard_mask_takes_the_k_largest_and_ties_go_to_the_earlier():
    assert hard_khot(LOGITS, 2).tolist() == [1, 0, 1, 0, 0]
    assert hard_khot(torch.zeros(4), 2).tolist() == [1, 1, 0, 0]
    assert hard_khot(torch.tensor([0.0, 5.0, 5.0, 5.0]), 2).tolist() == [0, 1, 1, 0]
    assert (hard_khot(torch.randn(7, 3, 16), 4).sum(-1) == 4).all()


@pytest.mark.parametrize("mask", [hard_khot, inclusion,
                                  lambda logits, k: relaxed_khot(logits, k, 0.01)])
def test_each_head_may_have_its_own_k(mask):
    logits = torch.zeros(2, 3, 6, 6)
    sums = mask(logits, [1, 3, 6]).sum(-1).mean((0, 2))
    alone = [mask(logits, k).sum(-1).mean() for k in (1, 3, 6)]
    torch.testing.assert_close(sums, torch.stack(alone), atol=0.5, rtol=0)
    assert sums[0] < sums[1] < sums[2]


@pytest.mark.parametrize("k", [0, 6, -1, 2.5, [1, 9, 1]])
def test_k_outside_1_to_T_is_refused(k):
    with pytest.raises(StudyError, match="k is"):
        hard_khot(torch.zeros(2, 3, 4, 5), k)
    with pytest.raises(StudyError, match="k is"):
        relaxed_khot(torch.zeros(2, 3, 4, 5), k, 0.5)


def test_tau_must_be_positive_and_one_k_a_head():
    with pytest.raises(StudyError, match="tau is 0"):
        relaxed_khot(LOGITS, 2, 0)
    with pytest.raises(StudyError, match="one a head"):
        hard_khot(torch.zeros(2, 3, 4, 5), [1, 2])
