"""The game of Eq. (12): who moves along which gradient, and what the bounded forms promise."""

from itertools import product

import pytest
import torch
from fitted import noiseless

from tfe import StudyError, systems
from tfe.adversary import CHOICES, Game, losses, prior_entropy, player_gradients

C, F, B, T = 5, 6, 4, 7


def made(backbone="bike", task="multilabel", **game):
    torch.manual_seed(0)
    system = systems.TFE(systems.backbones.build(
        backbone, C, shallow=True, feature_dim=F, dim=8, heads=2, task=task,
        **({"dropout": 0.0} if backbone == "msqnet" else {})),
        game=Game(**game), heads=2, k=3)
    return system.double()


def batch(task="multilabel"):
    draw = torch.Generator().manual_seed(1)
    targets = (torch.rand(B, C, generator=draw) < 0.4).double()
    if task == "singlelabel":
        targets = torch.eye(C)[[0, 2, 2, 4]].double()
    return {"features": torch.randn(B, T, F, generator=draw).double(), "targets": targets,
            "prior": torch.tensor([0.4, 0.1, 0.2, 0.2, 0.1]).double()}


def noise():
    return torch.Generator().manual_seed(2)


def by_two_graphs(system, data):
    """Each player's gradient from a forward pass of its own, with the same noise."""
    gradients, game = {}, system.game
    for player, parameters in system.players().items():
        for p in system.parameters():
            p.grad = None
        now = losses(system, data, noise())
        (now.loss_s + (now.loss_n if player == "approximators" else
                       game.weight * now.reward)).backward()
        gradients[player] = [p.grad for p in parameters]
    if game.encoder == "salient":
        for p in system.parameters():
            p.grad = None
        losses(system, data, noise()).loss_s.backward()
        own = len(list(system.disentangler.parameters()))
        gradients["disentangler"][own:] = [p.grad for p in system.players()["disentangler"][own:]]
    return gradients


@pytest.mark.parametrize("backbone, task, adversary, encoder", list(product(
    ["bike", "msqnet"], ["multilabel", "singlelabel"], CHOICES["adversary"], CHOICES["encoder"])))
def test_one_pass_gradients_equal_those_of_two_graphs(backbone, task, adversary, encoder):
    system = made(backbone, task, adversary=adversary, encoder=encoder, weight=0.7)
    data = batch(task)
    found, _ = player_gradients(system, data, noise())
    for player, expected in by_two_graphs(system, data).items():
        assert len(expected) == len(found[player]) > 0
        for ours, theirs in zip(found[player], expected):
            assert (ours is None) == (theirs is None)
            if ours is not None:
                assert (ours - theirs).abs().max() < 1e-9


@pytest.mark.parametrize("backbone, encoder", list(product(["bike", "msqnet"],
                                                             ["disentangler", "none"])))
def test_one_backward_pass_with_a_turned_gradient_gives_the_same(backbone, encoder):
    game = dict(encoder=encoder, weight=0.7)
    plain, turned = made(backbone, **game), made(backbone, schedule="reversal", **game)
    assert turned.game.reversible
    expected, before = player_gradients(plain, batch(), noise())
    found, now = player_gradients(turned, batch(), noise())
    assert now.loss_n.item() == before.loss_n.item()
    for player in expected:
        for ours, theirs in zip(found[player], expected[player], strict=True):
            assert (ours is None) == (theirs is None)
            assert ours is None or (ours - theirs).abs().max() < 1e-12


def test_the_queries_of_a_guided_system_are_turned_too():
    """A full-size MSQNet's context trains: what L_N sends through it is D's as well."""
    def gradients(schedule):
        torch.manual_seed(0)
        system = systems.TFE(systems.backbones.build(
            "msqnet", C, shallow=True, preset="narrow", feature_dim=128, dropout=0.0),
            game=Game(schedule=schedule), heads=2, k=3).double()
        draw = torch.Generator().manual_seed(1)
        data = batch() | {"features": torch.randn(B, T, 128, generator=draw).double()}
        return player_gradients(system, data, noise())[0]
    expected, found = gradients("one-pass"), gradients("reversal")
    for player in expected:
        for ours, theirs in zip(found[player], expected[player], strict=True):
            assert (ours is None) == (theirs is None)
            assert ours is None or (ours - theirs).abs().max() < 1e-12


@pytest.mark.parametrize("game", [{"adversary": "cap"}, {"encoder": "salient"},
                                  {"approximators": "frozen"}, {"disentangler": "eq5"}])
def test_a_game_that_cannot_be_turned_is_played_in_one_pass(game):
    assert not Game(schedule="reversal", **game).reversible
    found, _ = player_gradients(made(schedule="reversal", **game), batch(), noise())
    expected, _ = player_gradients(made(schedule="one-pass", **game), batch(), noise())
    for player in expected:
        for ours, theirs in zip(found[player], expected[player], strict=True):
            assert ours is theirs is None or torch.equal(ours, theirs)


def sgd(system, lr=0.1):
    return {player: torch.optim.SGD(p, lr) for player, p in system.players().items()}


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("updates", [1, 3])
def test_two_phases_move_a_first_and_then_d_against_the_moved_a(updates):
    """By hand: A steps along grad(L_S + L_N), and D then along grad(L_S - L_N) of fresh noise."""
    system, twin, data = made(updates=updates), made(), batch()
    system.update([data], sgd(system), noise())
    draws, players = noise(), twin.players()
    for _ in range(updates):
        first = losses(twin, data, draws)
        for p, g in zip(players["approximators"], torch.autograd.grad(
                first.loss_s + first.loss_n, players["approximators"])):
            p.data -= 0.1 * g
    second = losses(twin, data, draws)
    for p, g in zip(players["disentangler"], torch.autograd.grad(
            second.loss_s - second.loss_n, players["disentangler"])):
        p.data -= 0.1 * g
    for name, value in twin.state_dict().items():
        torch.testing.assert_close(system.state_dict()[name], value)


@pytest.mark.parametrize("schedule", CHOICES["schedule"])
@pytest.mark.parametrize("sizes", [[2, 2], [3, 1], [1, 1, 1, 1]])
def test_the_gradients_of_parts_add_up_to_those_of_the_batch(schedule, sizes):
    data, found = batch(), []
    parts = [data | {"features": x, "targets": y, "share": len(x) / B} for x, y in zip(
        data["features"].split(sizes), data["targets"].split(sizes))]
    for cut in ([data], parts):
        system = made(schedule=schedule, adversary="cap" if schedule == "one-pass" else "literal")
        with noiseless():
            seen = system.update(cut, sgd(system))
        moved = [p for player in system.players().values() for p in player]
        found.append({"losses": torch.stack([seen["loss_s"], seen["loss_n"]]), **state(system),
                      **{f"gradient {n}": p.grad for n, p in enumerate(moved)}})
    whole, added = found
    for name, value in whole.items():
        torch.testing.assert_close(added[name], value, atol=1e-12, rtol=0)
    assert any(value.abs().max() > 1e-3 for name, value in whole.items() if "gradient" in name)


@pytest.mark.parametrize("weight, ramp, at", [
    (0.7, 0.5, {0: 0, 0.25: 0.35, 0.5: 0.7, 0.75: 0.7, 1: 0.7}), (2.0, 1.0, {0: 0, 0.5: 1, 1: 2}),
    (0.7, 0.0, {0: 0.7, 0.5: 0.7, 1: 0.7})])
def test_the_weight_rises_from_0_over_the_ramp_and_stays(weight, ramp, at):
    game = Game(weight=weight, ramp=ramp)
    assert {progress: game.weight_at(progress) for progress in at} == pytest.approx(at)


@pytest.mark.parametrize("schedule", CHOICES["schedule"])
@pytest.mark.parametrize("progress", [0.0, 0.1, 0.4, 0.9])
def test_on_the_ramp_a_game_is_that_of_the_smaller_weight(schedule, progress):
    ramped = made(schedule=schedule, weight=0.8, ramp=0.4)
    ramped.progress = progress
    plain = made(schedule=schedule, weight=0.8 * min(1, progress / 0.4))
    found, expected = (player_gradients(system, batch(), noise())[0] for system in (ramped, plain))
    for player in expected:
        for ours, theirs in zip(found[player], expected[player], strict=True):
            assert ours is theirs is None or (ours - theirs).abs().max() < 1e-12


@pytest.mark.parametrize("options", [{"ramp": -0.1}, {"ramp": 1.5}, {"ramp": float("nan")},
                                     {"updates": 0}, {"updates": 2.5}])
def test_a_ramp_beyond_training_and_no_update_are_refused(options):
    with pytest.raises(StudyError, match="choose a ramp in 0..1 and 1 to 999 updates"):
        Game(**options)


@pytest.mark.parametrize("schedule, steps", [("two-phase", [3, 1]), ("one-pass", [1, 1])])
def test_a_steps_as_often_as_it_says_for_a_step_of_d(schedule, steps):
    system = made(schedule=schedule, updates=3)
    optimisers, taken = sgd(system), []
    for player, optimiser in optimisers.items():
        optimiser.register_step_pre_hook(lambda *_, player=player: taken.append(player))
    system.update([batch()], optimisers, noise())
    assert [taken.count(player) for player in ("approximators", "disentangler")] == steps
    assert taken[-1] == "disentangler"  # against the A that has moved


@pytest.mark.parametrize("encoder", CHOICES["encoder"])
@pytest.mark.parametrize("schedule", CHOICES["schedule"])
def test_the_encoder_moves_with_the_player_it_joins(encoder, schedule):
    system, data = made(encoder=encoder, schedule=schedule), batch()
    optimisers = sgd(system)
    for player, others in (("approximators", "disentangler"), ("disentangler", "approximators")):
        before = state(system.backbone)
        for group in optimisers[player].param_groups:
            group["lr"] = 0.1
        for group in optimisers[others].param_groups:
            group["lr"] = 0.0
        system.update([data], optimisers, noise())
        moved = any(not torch.equal(v, before[n]) for n, v in state(system.backbone).items())
        joins = encoder == player or (encoder == "salient" and player == "disentangler")
        assert moved == joins


def test_literal_reward_is_minus_the_non_salient_loss():
    now = losses(made(), batch(), noise())
    assert now.reward.item() == -now.loss_n.item()


@pytest.mark.parametrize("task", ["multilabel", "singlelabel"])
def test_prior_entropy_is_the_closed_form(task):
    system, prior = made(task=task), batch()["prior"]
    expected = -(prior * prior.log()).sum()
    if task == "multilabel":
        expected = -(prior * prior.log() + (1 - prior) * (1 - prior).log()).mean()
    assert prior_entropy(system.backbone, prior).item() == pytest.approx(expected.item())


def test_capped_reward_stops_pulling_once_the_critic_is_uninformed():
    system, data = made(adversary="cap"), batch()
    with torch.no_grad():
        system.non_salient.bias.fill_(50.0)  # confidently "present" of every class: a huge L_N
    now = losses(system, data, noise())
    bound = prior_entropy(system.backbone, data["prior"]).item()
    assert now.loss_n > 10 * bound and now.reward.item() == pytest.approx(-bound)
    gradient = torch.autograd.grad(now.reward, system.players()["disentangler"], allow_unused=True)
    assert all(g is None or not g.any() for g in gradient)


@pytest.mark.parametrize("task", ["multilabel", "singlelabel"])
def test_prior_reward_is_least_where_the_critic_answers_the_prior(task):
    backbone, prior = made(task=task).backbone, batch()["prior"]
    best = backbone.loss((prior.logit() if task == "multilabel" else prior.log())[None], prior)
    for answer in torch.randn(50, 1, C).double():
        assert backbone.loss(answer, prior) >= best


def test_only_the_literal_reward_is_unbounded():
    data = batch()
    reward = {}
    for adversary in CHOICES["adversary"]:
        system = made(adversary=adversary)
        with torch.no_grad():
            system.non_salient.bias.copy_(1e3 * (1 - 2 * data["targets"][0]))
        reward[adversary] = losses(system, data, noise()).reward.item()
    assert reward["literal"] < -100 < -1 < reward["cap"] < 0 < reward["prior"]


def test_unknown_choices_name_the_known_ones():
    with pytest.raises(StudyError, match="adversary is 'kind': choose one of literal, cap, prior"):
        Game(adversary="kind")
