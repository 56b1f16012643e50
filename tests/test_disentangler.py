"""The disentangler against Eqs. (6)-(11) written out with loops, and its symmetries."""

import pytest
import torch

from tfe import Disentangler, StudyError, hard_khot
from tfe.disentangler import TemporalDisentanglement
from tfe.khot import relaxed_khot

B, T, D, H, K = 2, 6, 8, 2, 3


def made(**options):
    torch.manual_seed(0)
    return Disentangler(D, H, **{"k": K, **options}).double().eval()


@pytest.fixture
def x():
    return torch.randn(B, T, D, generator=torch.Generator().manual_seed(1)).double()


def by_loops(d, x, residual):
    """Eqs. (6)-(11) for one video, head by head and row by row; masks as at test."""
    split, width = d.split, d.split.width
    halves = []
    for h in range(H):
        cut = slice(h * width, (h + 1) * width)
        w_q, w_k, w_v = (layer.weight[cut].T for layer in (split.to_q, split.to_k, split.to_v))
        own = x[:, cut] if width * H == D else x
        z_s, z_n = torch.zeros(T, width).double(), torch.zeros(T, width).double()
        for row in range(T):
            logits = torch.stack([(x[row] @ w_q) @ (x[t] @ w_k) for t in range(T)]) / width**0.5
            m = hard_khot(logits, K)
            for t in range(T):
                z_s[row] += m[t] * (x[t] @ w_v)
                z_n[row] += (1 - m[t]) * (x[t] @ w_v)
        halves.append((z_s + own, z_n + own) if residual else (z_s, z_n))
    z_s, z_n = (torch.cat(parts, dim=1) for parts in zip(*halves))
    z_s, z_n = d.f_ds(z_s), d.f_dn(z_n)
    return (z_s + x, z_n + x) if residual else (z_s, z_n)


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("width", ["narrow", "full"])
def test_all_heads_at_once_equal_the_loops(x, width, residual):
    d = made(head_width=width, residual=residual)
    z_s, z_n, _ = d(x)
    for video in range(B):
        expected_s, expected_n = by_loops(d, x[video], residual)
        torch.testing.assert_close(z_s[video], expected_s)
        torch.testing.assert_close(z_n[video], expected_n)


@pytest.mark.parametrize("query", ["per_row", "shared"])
@pytest.mark.parametrize("test_mask", ["hard", "soft", "expected"])
def test_permuting_the_segments_permutes_everything(x, query, test_mask):
    d, order = made(query=query, test_mask=test_mask), torch.tensor([3, 0, 5, 1, 4, 2])
    z_s, z_n, mask = d(x)
    p_s, p_n, p_mask = d(x[:, order])
    torch.testing.assert_close(p_s, z_s[:, order])
    torch.testing.assert_close(p_n, z_n[:, order])
    rows = order if query == "per_row" else torch.tensor([0])
    torch.testing.assert_close(p_mask, mask[:, :, rows][..., order])
    torch.testing.assert_close(d.saliency(x[:, order]), d.saliency(x)[:, order])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("batch, heads, segments, query",
                         [(1, 1, 4, "per_row"), (3, 4, 16, "per_row"), (3, 4, 16, "shared"),
                          (2, 2, 5, "shared")])
def test_shapes(batch, heads, segments, query, training):
    d = Disentangler(8, heads, 2, query=query).train(training)
    z_s, z_n, mask = d(torch.randn(batch, segments, 8))
    assert z_s.shape == z_n.shape == (batch, segments, 8)
    assert mask.shape == (batch, heads, segments if query == "per_row" else 1, segments)
    assert d.saliency(torch.randn(batch, segments, 8)).shape == (batch, segments)


@pytest.mark.parametrize("training", [True, False])
def test_without_residual_the_two_parts_share_out_the_whole(x, training):
    """m x W_V + (1 - m) x W_V is the sum of the values, whatever the mask."""
    td = TemporalDisentanglement(D, H, K, residual=False).double().train(training)
    z_s, z_n, _ = td(x)
    whole = td._heads(td.to_v(x)).sum(2, keepdim=True).expand_as(z_s)
    torch.testing.assert_close(z_s + z_n, whole)


def test_with_k_equal_T_nothing_is_left_for_z_n_at_test(x):
    d = made(k=T)
    z_s, z_n, mask = d(x)
    assert (mask == 1).all()
    torch.testing.assert_close(z_n, d.f_dn(x) + x)  # narrow heads, laid side by side, are x


def test_normalised_rows_weigh_k_and_T_minus_k_segments_alike(x):
    """With equal values v in every segment, both parts come out as v."""
    same = x[:, :1].expand(-1, T, -1)
    for normalise in ("count", "sum"):
        td = TemporalDisentanglement(D, H, K, residual=False, normalise=normalise).double().eval()
        z_s, z_n, _ = td(same)
        torch.testing.assert_close(z_s, td._heads(td.to_v(same)))
        torch.testing.assert_close(z_n, td._heads(td.to_v(same)))


def test_training_masks_are_random_and_test_masks_are_not(x):
    d = made()
    assert torch.equal(d(x)[2], d(x)[2])
    d.train()
    assert not torch.equal(d(x)[2], d(x)[2])
    assert torch.equal(*(d(x, torch.Generator().manual_seed(5))[2] for _ in range(2)))


@pytest.mark.parametrize("progress, tau", [(0.0, 2.0), (0.5, 0.5), (1.0, 0.125)])
def test_the_temperature_falls_by_a_constant_factor(x, progress, tau):
    split = made(tau=2.0, tau_end=0.125).split.train()
    split.progress = progress
    logits = split.logits(x)
    expected = relaxed_khot(logits, K, tau, torch.Generator().manual_seed(3))
    torch.testing.assert_close(split.mask(logits, torch.Generator().manual_seed(3)), expected)


def test_without_an_end_the_temperature_stays_to_the_bit(x):
    split, x, masks = made(tau=0.3).split.float().train(), x.float(), []
    for split.progress in (0.0, 0.37, 1.0):
        masks.append(split.mask(split.logits(x), torch.Generator().manual_seed(3)))
    expected = relaxed_khot(split.logits(x), K, 0.3, torch.Generator().manual_seed(3))
    assert all(torch.equal(mask, expected) for mask in masks)


@pytest.mark.parametrize("tau_end, tau", [(None, 2.0), (0.125, 0.125)])
@pytest.mark.parametrize("progress", [0.0, 1.0])
def test_the_soft_mask_at_test_has_the_last_temperature(x, tau_end, tau, progress):
    split = made(tau=2.0, tau_end=tau_end, test_mask="soft").split
    split.progress = progress
    logits = split.logits(x)
    torch.testing.assert_close(split.mask(logits), (logits / tau).softmax(-1))


def test_saliency_is_the_mean_of_the_softmax_of_eq_9(x):
    d = made()
    weights = d.split.logits(x).softmax(-1)
    torch.testing.assert_close(d.saliency(x), sum(
        weights[:, h, q] for h in range(H) for q in range(T)) / (H * T))


@pytest.mark.parametrize("options, said", [
    (dict(query="both"), "query is 'both'"), (dict(normalise="l2"), "normalise is"),
    (dict(test_mask="argmax"), "test_mask is"), (dict(head_width="wide"), "head_width is")])
def test_unknown_choices_name_the_known_ones(options, said):
    with pytest.raises(StudyError, match=said):
        made(**options)


def test_bad_sizes_are_refused(x):
    with pytest.raises(StudyError, match="no multiple of heads"):
        Disentangler(10, 4, 2)
    with pytest.raises(StudyError, match="T = 6 segments"):
        made(k=7).train()(x)


@pytest.mark.parametrize("test_mask", ["hard", "expected"])
def test_at_test_a_segment_may_be_left_out_although_k_is_T(x, test_mask):
    d = made(k=T, test_mask=test_mask)
    mask = d(x[:, 1:])[2]
    assert mask.shape[-1] == T - 1
    if test_mask == "hard":
        assert (mask == 1).all()
