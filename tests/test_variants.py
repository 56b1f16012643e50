"""Table 3: which equation trains which player, what is left without the mask, what runs away."""

import pytest
import torch

from tfe import StudyError, systems
from tfe.adversary import losses, player_gradients
from tfe.disentangler import PlainStreams
from tfe.training import PROFILES, fit, seed_everything

B, T, F, C = 6, 5, 7, 3
VARIANTS = [f"variant{n}" for n in range(1, 6)]


def made(method, **game):
    seed_everything(0)
    return systems.build(method, "bike", C, F, "multilabel", game=game)


def batch():
    generator = torch.Generator().manual_seed(0)
    targets = (torch.rand(B, C, generator=generator) < 0.4).float()
    return {"features": torch.randn(B, T, F, generator=generator), "targets": targets,
            "prior": torch.full((C,), 0.4)}


def signs(method, **game):
    """By player and approximator: the sign with which the loss of A_N enters, 0 for none."""
    system = made(method, **game)
    gradients, _ = player_gradients(system, batch(), torch.Generator().manual_seed(1))
    now = losses(system, batch(), torch.Generator().manual_seed(1))
    found = {}
    for player, parameters in system.players().items():
        s, n = (torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True,
                                    materialize_grads=True) for loss in (now.loss_s, now.loss_n))
        for sign in (1, -1):
            if all(torch.allclose(g, a + sign * b, atol=1e-6)
                   for g, a, b in zip(gradients[player], s, n) if g is not None):
                found[player] = sign
    return found


@pytest.mark.parametrize("method, expected", [
    ("tfe", {"approximators": 1, "disentangler": -1}),
    ("variant1", {"approximators": 1, "disentangler": 1}),
    ("variant2", {"disentangler": -1}),
    ("variant3", {"approximators": 1, "disentangler": -1}),
    ("variant4", {"disentangler": -1}),
    ("variant5", {"approximators": 1, "disentangler": 1})])
def test_each_player_minimises_what_the_row_says(method, expected):
    assert signs(method) == expected


@pytest.mark.parametrize("method", ["variant2", "variant4"])
def test_in_the_other_reading_everybody_minimises_equation_4(method):
    assert signs(method, approximators="eq4") == {"approximators": -1, "disentangler": -1}


@pytest.mark.parametrize("method", VARIANTS)
def test_a_frozen_player_does_not_move_and_the_others_do(method):
    system = made(method)
    before = {name: value.clone() for name, value in system.named_parameters()}
    fit(system, batch()["features"], batch()["targets"], PROFILES["smoke"], seed=0)
    moved = {name.split(".")[0] for name, value in system.named_parameters()
             if not torch.equal(value, before[name])}
    frozen = {"salient", "non_salient"} if method in ("variant2", "variant4") else set()
    assert moved == {"backbone", "disentangler", "salient", "non_salient"} - frozen


@pytest.mark.parametrize("method", VARIANTS)
def test_without_td_there_is_no_mask(method):
    assert isinstance(made(method).disentangler, PlainStreams) == (method in systems.WITHOUT_TD)


def test_plain_streams_are_equivariant_and_independent_of_each_other():
    seed_everything(0)
    streams, x, order = PlainStreams(8, 2).eval(), torch.randn(2, T, 8), torch.randperm(T)
    z_s, z_n, attention = streams(x)
    assert attention.shape == (2, 1, T, T)
    torch.testing.assert_close(attention.sum(-1), torch.ones(2, 1, T))
    for z, permuted in zip((z_s, z_n), streams(x[:, order])):
        torch.testing.assert_close(z[:, order], permuted)
    torch.testing.assert_close(streams.saliency(x).sum(1), torch.ones(2))
    grads = torch.autograd.grad(z_n.sum(), list(streams.salient.parameters()), allow_unused=True)
    assert all(g is None for g in grads)


def test_minimising_equation_4_with_everything_runs_away():
    system = made("variant4", approximators="eq4")
    data = batch()
    schedule = systems_schedule(epochs=150)
    history = fit(system, data["features"], data["targets"], schedule, seed=0)
    assert history.status == "runaway"


def systems_schedule(**changes):
    from dataclasses import replace

    return replace(PROFILES["smoke"], lr=3e-3, **changes)


def test_a_game_option_outside_the_choices_is_refused():
    with pytest.raises(StudyError, match="approximators is 'eq7'"):
        made("variant4", approximators="eq7")
