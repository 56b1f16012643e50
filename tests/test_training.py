"""Training: repeats to the bit, resumes to the bit, tells when it went wrong."""

import math
from dataclasses import replace

import fitted
import numpy as np
import pytest
import torch
from safetensors import safe_open

from book.runs.checkpoint import Checkpoint
from tfe import StudyError, systems
from tfe.device import choose
from tfe.training import PROFILES, Processes, Schedule, _optimiser, _set_rate, fit, seed_everything

PLAN = Schedule(epochs=4, batch_size=5, lr=1e-3, weight_decay=0.2, warmup_epochs=1)


def data(videos=12, segments=6, features=10, classes=3):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(videos, segments, features)).astype(np.float32)
    return x, (draw.random((videos, classes)) < 0.4).astype(np.float32)


def made(method="tfe", backbone="msqnet", seed=0, **options):
    seed_everything(seed)
    return systems.build(method, backbone, 3, 10, "multilabel", **options)


def trained(seed=0, plan=PLAN, folder=None, method="tfe", backbone="msqnet"):
    system = made(method, backbone, seed)
    return system, fit(system, *data(), plan, seed=seed, checkpoint=folder and Checkpoint(folder))


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("method, backbone", [("vanilla", "bike"), ("tfe", "msqnet"),
                                              ("mean-pool", "none")])
def test_one_seed_one_result(method, backbone):
    first, history = trained(method=method, backbone=backbone)
    torch.manual_seed(99)  # what the process drew before does not matter
    second, again = trained(method=method, backbone=backbone)
    assert same(first, second) and history.rows == again.rows
    assert not same(first, trained(1, method=method, backbone=backbone)[0])


# Whatever moves while a run goes on must stand at the same place when it goes on again.
MOVING = {"game": {"ramp": 0.8, "updates": 2}, "disentangler": {"tau": 2.0, "tau_end": 0.1}}


@pytest.mark.parametrize("after, options", [(1, {}), (3, {}), (2, MOVING)])
def test_an_interrupted_run_resumes_to_the_same_bits(tmp_path, after, options):
    plan = replace(PLAN, accumulate=2, critic_rate=3.0) if options else PLAN
    whole = made(**options)
    history = fit(whole, *data(), plan, seed=0)
    system, steps = made(**options), []
    update = system.update

    def unplugged(*arguments):
        steps.append(1)
        if len(steps) > after * 3 + 1:  # three batches an epoch; in the middle of the next
            raise KeyboardInterrupt
        return update(*arguments)

    system.update = unplugged
    with pytest.raises(KeyboardInterrupt):
        fit(system, *data(), plan, seed=0, checkpoint=Checkpoint(tmp_path))
    resumed = made(seed=5, **options)  # the checkpoint holds all there is to know
    again = fit(resumed, *data(), plan, seed=0, checkpoint=Checkpoint(tmp_path))
    assert same(whole, resumed) and again.rows == history.rows
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.safetensors"]


def test_a_finished_run_trains_no_more(tmp_path):
    first, _ = trained(folder=tmp_path)
    again = made(seed=5)
    again.update = None  # would fail if it were called
    fit(again, *data(), PLAN, seed=0, checkpoint=Checkpoint(tmp_path))
    assert same(first, again)


def test_the_loss_falls():
    _, history = trained(plan=Schedule(15, 5, 3e-3, 0.0, 1), method="vanilla", backbone="bike")
    assert history.status == "finished"
    assert history.rows[-1]["loss_s"] < 0.5 * history.rows[0]["loss_s"]


@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize("case", fitted.CASES)
def test_a_batch_in_parts_is_the_batch(case, parts):
    """Of 11 videos in batches of 5 the parts are uneven, and the last batch is one part."""
    whole, cut = fitted.stored(case), fitted.stored(case, plan=replace(fitted.PLAN, accumulate=parts))
    for row, same_row in zip(whole, cut, strict=True):
        assert row == pytest.approx(same_row, abs=1e-6, rel=0)
    exact = [fitted.exact(case, Processes("cpu"), cut_into) for cut_into in (1, parts)]
    np.testing.assert_allclose(*exact, rtol=0, atol=1e-10)
    assert not np.allclose(exact[0], fitted.flat(fitted.made(case)[0]), rtol=0, atol=1e-4)  # moved


def test_a_contrast_within_a_batch_is_not_cut():
    def contrasting():
        return systems.build("vanilla", "bike", 3, 10, "singlelabel", head={"contrast": "batch"})

    x, targets = data()[0], np.eye(3)[np.arange(12) % 3]
    with pytest.raises(StudyError, match="needs all of the batch at once: .*at accumulate 1, or set "
                                         "contrast to classes"):
        fit(contrasting(), x, targets, replace(PLAN, accumulate=2), seed=0)
    assert fit(contrasting(), x, targets, replace(PLAN, epochs=1), seed=0).status == "finished"


def test_the_critic_rate_is_a_factor_on_the_rate_of_a_alone():
    """The first step of AdamW is linear in the rate: A moves three times as far, D as before."""
    def steps(rate):
        system = made(backbone="bike", game={"schedule": "one-pass"})
        before = {name: p.detach().clone() for name, p in system.named_parameters()}
        with fitted.noiseless():
            fit(system, *data(), Schedule(1, 12, 1e-2, 0.2, 1, critic_rate=rate), seed=0)
        return {name: p.detach() - before[name] for name, p in system.named_parameters()}

    usual, faster = steps(1.0), steps(3.0)
    for name, step in usual.items():
        factor = 3 if name.startswith(("salient", "non_salient")) else 1
        torch.testing.assert_close(faster[name], factor * step, atol=1e-6, rtol=1e-4)
    system = made("vanilla")  # no game, no critic
    groups = _optimiser(system, "all", system.players()["all"], replace(PLAN, critic_rate=3.0))
    assert [group["scale"] for group in groups.param_groups] == [1.0]


def test_the_critic_rate_composes_with_that_of_a_tower():
    system = made(backbone="bike", game={"encoder": "approximators"})
    system.backbone.embed.part = "vision"  # as published weights are marked
    plan = replace(PLAN, critic_rate=3.0)
    optimisers = {player: _optimiser(system, player, p, plan) for player, p in system.players().items()}
    _set_rate(optimisers, plan, plan.warmup_epochs)  # at the full rate
    rates = {id(p): group["lr"] for optimiser in optimisers.values()
             for group in optimiser.param_groups for p in group["params"]}
    for module, factor in ((system.backbone.embed, 0.3), (system.salient, 3), (system.disentangler, 1)):
        for parameter in module.parameters():
            assert rates[id(parameter)] == pytest.approx(factor * plan.lr)


def test_the_part_of_training_that_is_over_reaches_the_game_and_the_mask():
    system, seen = made(), []
    update = system.update

    def watched(*arguments):
        seen.append((system.progress, system.disentangler.split.progress))
        return update(*arguments)

    system.update = watched
    fit(system, *data(), PLAN, seed=0)  # three batches in each of four epochs
    assert seen == [(pytest.approx(step / 12),) * 2 for step in range(1, 13)]


def test_a_loss_that_is_not_finite_is_reported_as_diverged(tmp_path):
    system = made()
    _, targets = data()
    history = fit(system, np.full((12, 6, 10), np.nan), targets, PLAN, seed=0, checkpoint=Checkpoint(tmp_path))
    assert history.status == "diverged" and len(history.rows) == 1
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_a_critic_made_confidently_wrong_is_reported_as_runaway():
    system = made(backbone="bike", game={"weight": 50.0})
    history = fit(system, *data(), Schedule(6, 12, 1e-2, 0.0, 1), seed=0)
    assert history.rows[-1]["loss_n"] > 2 * history.prior_ce
    assert history.status == "runaway"


def test_the_rate_warms_up_and_follows_a_cosine_to_zero():
    plan = PROFILES["paper"]
    assert (plan.lr, plan.weight_decay, plan.betas, plan.epochs) == (5e-5, 0.2, (0.9, 0.999), 100)
    assert plan.rate(0) == 0 and plan.rate(2.5) == 0.5 and plan.rate(5) == 1
    assert plan.rate(52.5) == pytest.approx(0.5) and plan.rate(100) == pytest.approx(0)
    assert plan.rate(28.75) == pytest.approx((1 + math.cos(math.pi / 4)) / 2)


def test_bad_input_says_what_to_do(tmp_path):
    if not torch.cuda.is_available():
        with pytest.raises(StudyError, match="no CUDA device: use device cpu"):
            choose("cuda")
    assert choose("auto").type in ("cpu", "cuda")
    with pytest.raises(StudyError, match="'meta' was never tried here"):
        choose("meta")
    x, targets = data()
    with pytest.raises(StudyError, match="no training video"):
        fit(made(), x[:0], targets[:0], PLAN, seed=0)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    with pytest.raises(StudyError, match="damaged.*delete it"):
        fit(made(), x, targets, PLAN, seed=0, checkpoint=Checkpoint(tmp_path))


@pytest.mark.parametrize("method, backbone, head, said", [
    ("vanilla", "msqnet", {}, r"\S+: .* there"), ("tfe", "msqnet", {"dim": 64}, r"\(.*128.* there, .*64.* here\)")])
def test_a_checkpoint_of_another_system_is_refused_in_one_line(tmp_path, method, backbone, head, said):
    trained(folder=tmp_path)
    other = made(method, backbone, head=head)
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(StudyError, match=f"checkpoint.safetensors is of another system .*{said}.*: "
                                         "delete it to start the run anew") as error:
        fit(other, *data(), PLAN, seed=0, checkpoint=Checkpoint(tmp_path))
    assert "\n" not in str(error.value)
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())


def test_a_checkpoint_has_the_same_bytes_whenever_it_is_written(tmp_path):
    """safetensors writes metadata of more than one entry in an order that changes from run to run."""
    with safe_open(trained_into(tmp_path), "pt") as file:
        assert len(file.metadata()) == 1


def trained_into(folder):
    trained(folder=folder)
    return folder / "checkpoint.safetensors"


@pytest.mark.parametrize("seed, plan, game, said", [
    (1, PLAN, {}, "seed: 0 there, 1 here"),
    (0, Schedule(8, 5, lr=1e-3, weight_decay=0.2, warmup_epochs=1), {}, "schedule: .*4.* there, .*8"),
    (0, PLAN, {"weight": 0.5}, "game: .*1.0.* there, .*0.5")])
def test_another_run_does_not_go_on_from_a_checkpoint(tmp_path, seed, plan, game, said):
    trained(folder=tmp_path)
    with pytest.raises(StudyError, match=f"is of another run .{said}.*choose another folder"):
        fit(made(game=game), *data(), plan, seed=seed, checkpoint=Checkpoint(tmp_path))


def test_a_gpu_that_is_not_there_is_counted(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose("cuda") == torch.device("cuda") and choose("cuda:1").index == 1
    with pytest.raises(StudyError, match=r"device cuda:2: torch sees 2 CUDA device"):
        choose("cuda:2")


@pytest.mark.parametrize("method, backbone, said", [
    ("vanilla", "none", "needs a backbone"), ("mean-pool", "bike", "has no backbone"),
    ("magic", "bike", "method 'magic' is unknown"), ("tfe", "i3d", "backbone 'i3d' is unknown")])
def test_impossible_systems_are_refused(method, backbone, said):
    with pytest.raises(StudyError, match=said):
        made(method, backbone)
