"""The tabular game: closed forms of its losses, one round by hand, and where it ends."""

import numpy as np
import pytest
import torch

from tfe.errors import StudyError
from book.theory.game import FORMS, best_response, cap, cross_entropy, flipped, literal, play, prior
from book.theory.information import disentangled_bottleneck, encode, entropy, mutual_information

TWO_BITS = np.array([[1, 0], [1, 0], [0, 1], [0, 1]]) / 4  # x = (y, n)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def tables():
    """A random law of x and y, ten encoders and ten critics."""
    rng = np.random.default_rng(0)
    joint = rng.dirichlet(np.ones(15)).reshape(5, 3)
    encoders, critics = rng.dirichlet(np.ones(4), (2, 10, 5)), rng.dirichlet(np.ones(3), (10, 4))
    return [torch.tensor(t) for t in (joint, *encoders, critics)]


def terms(joint, salient, nonsalient):
    return disentangled_bottleneck(encode(joint, z_S=salient, z_N=nonsalient))


def test_at_best_response_the_game_is_l1(tables):
    joint, salient, nonsalient, _ = tables
    loss_s, loss_n = (cross_entropy(joint, encoder, best_response(joint, encoder))
                      for encoder in (salient, nonsalient))
    l1 = [terms(*map(np.asarray, (joint, s, n))).l1 for s, n in zip(salient, nonsalient)]
    assert np.allclose((loss_s - loss_n) / np.log(2), l1)


def test_cross_entropy_is_the_expected_loss_and_best_response_its_minimum(tables):
    joint, encoder, _, critic = tables
    by_hand = -sum(joint[x, y] * encoder[3, x, z] * critic[3, z, y].log()
                   for x in range(5) for y in range(3) for z in range(4))
    assert torch.isclose(cross_entropy(joint, encoder, critic)[3], by_hand)
    best = best_response(joint, encoder)
    excess = cross_entropy(joint, encoder, critic) - cross_entropy(joint, encoder, best)
    seen = torch.einsum("xy,bxz->bz", joint, encoder)
    divergence = (best * (best / critic).log()).sum(2)
    assert torch.allclose(excess, (seen * divergence).sum(1))


def test_forms_against_their_definitions(tables):
    joint, encoder, _, critic = tables
    h_y = entropy(joint.sum(0)) * np.log(2)
    seen = torch.einsum("xy,bxz->bzy", joint, encoder)
    assert torch.equal(literal(joint, encoder, critic), -cross_entropy(joint, encoder, critic))
    capped = -(seen * (-critic.log()).clamp(max=h_y)).sum((1, 2))
    assert torch.allclose(cap(joint, encoder, critic), capped)
    kl = (joint.sum(0) * (joint.sum(0) / critic).log()).sum(2)
    assert torch.allclose(prior(joint, encoder, critic), (seen.sum(2) * kl).sum(1))
    wrong = -(critic.log().sum(2, keepdim=True) - critic.log()) / 2
    assert torch.allclose(flipped(joint, encoder, critic), (seen * wrong).sum((1, 2)))


def test_only_the_literal_form_is_unbounded():
    joint, encoder = torch.tensor(TWO_BITS), torch.eye(4, dtype=torch.float64)[None]
    floors = {name: [] for name in FORMS}
    for doubt in (1e-2, 1e-8, 1e-30):  # a critic that is sure of the wrong label
        answers = torch.tensor([[doubt, 1 - doubt], [1 - doubt, doubt]], dtype=torch.float64)
        critic = answers.repeat_interleave(2, 0)[None]
        for name, form in FORMS.items():
            floors[name].append(form(joint, encoder, critic).item())
    assert np.allclose(floors["literal"], np.log([1e-2, 1e-8, 1e-30]))
    assert min(floors["cap"]) >= -np.log(2) - 1e-9
    assert min(floors["prior"]) >= 0 and min(floors["flipped"]) >= 0


def test_the_cap_is_blind_to_rare_classes_and_the_others_are_not():
    joint = torch.diag(torch.tensor([0.8, 0.1, 0.1], dtype=torch.float64))
    told = torch.tensor([[[0.5, 0.5], [1, 0], [0, 1]]], dtype=torch.float64)
    nothing = torch.full((1, 3, 2), 0.5, dtype=torch.float64)
    assert mutual_information(told[0].T @ joint) == pytest.approx(0.2)
    gain = {name: (form(joint, told, best_response(joint, told))
                   - form(joint, nothing, best_response(joint, nothing))).item()
            for name, form in FORMS.items()}
    assert gain["cap"] == pytest.approx(0, abs=1e-12)
    assert gain["literal"] == pytest.approx(0.2 * np.log(2))
    assert gain["prior"] == gain["flipped"] == np.inf


@pytest.mark.parametrize("form", FORMS)
def test_at_best_response_a_uniform_label_leaves_no_form_better_than_ignorance(form):
    rng = np.random.default_rng(2)
    joint = torch.tensor(rng.dirichlet(np.ones(6), size=3).T / 3)  # p(x, y), p(y) = 1/3
    encoders = torch.tensor(rng.dirichlet(np.full(4, 0.3), size=(500, 6)))
    value = FORMS[form](joint, encoders, best_response(joint, encoders))
    constant = torch.ones(1, 6, 1, dtype=torch.float64)
    assert (value > FORMS[form](joint, constant, best_response(joint, constant))).all()


@pytest.mark.parametrize("form", FORMS)
def test_one_round_by_hand(form):
    """Softmax tables move by `-rate p (g - E_p g)`, with g the gradient in the table."""
    played = play(TWO_BITS, form, games=3, rounds=1, rate=0.7, critic_rate=0.3, generator=seeded())
    start = seeded()
    split = torch.randn(2, 3, 4, 4, dtype=torch.float64, generator=start)
    reading = torch.randn(2, 3, 4, 2, dtype=torch.float64, generator=start)
    joint, encoders, critics = torch.tensor(TWO_BITS), split.softmax(-1), reading.softmax(-1)
    seen = torch.einsum("xy,pbxz->pbzy", joint, encoders)
    critics = (reading + 0.3 * (seen - critics * seen.sum(-1, keepdim=True))).softmax(-1)
    pays = {"literal": critics[1].log(), "cap": critics[1].log().clamp_min(-np.log(2)),
            "prior": -critics[1].log().mean(-1, keepdim=True).expand(-1, -1, 2),
            "flipped": -critics[1].flip(-1).log()}
    gradient = torch.einsum("xy,pbzy->pbxz", joint, torch.stack([-critics[0].log(), pays[form]]))
    gradient = encoders * (gradient - (encoders * gradient).sum(-1, keepdim=True))
    ends = (split - 0.7 * gradient).softmax(-1)
    assert torch.allclose(played.salient, ends[0]) and torch.allclose(played.nonsalient, ends[1])
    assert torch.allclose(played.losses[0, :, 1],
                          cross_entropy(joint, encoders[1], critics[1]))
    assert torch.allclose(played.losses[0, :, 2], cross_entropy(
        joint, encoders[1], best_response(joint, encoders[1])))


@pytest.mark.parametrize("form", FORMS)
def test_gentle_play_minimises_l1_but_not_l_dib(form):
    played = play(TWO_BITS, form, games=40, rounds=500, generator=seeded())
    ends = [terms(TWO_BITS, s, n)
            for s, n in zip(played.salient.numpy(), played.nonsalient.numpy())]
    assert np.quantile([t.l1 for t in ends], 0.9) < -0.9
    assert max(t.l2 for t in ends) > 0.1  # Theorem 2's "if" does not hold: L1 fixes no L2


def test_a_fast_disentangler_leaves_the_label_in_z_n():
    left = {}
    for form in ("literal", "prior"):
        played = play(TWO_BITS, form, games=40, rounds=300, rate=300, generator=seeded())
        left[form] = (np.log(2) - played.losses[-1, :, 2]).mean().item()
    assert left["literal"] > 0.2 and left["prior"] < 0.05


def test_play_is_a_function_of_its_generator():
    first, again, other = (play(TWO_BITS, games=3, rounds=5, generator=seeded(seed))
                           for seed in (1, 1, 2))
    assert torch.equal(first.losses, again.losses)
    assert not torch.equal(first.losses, other.losses)


def test_an_unknown_form_is_refused():
    with pytest.raises(StudyError, match="form is 'hinge'"):
        play(TWO_BITS, "hinge")
