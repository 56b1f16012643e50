"""Probes and erasure: known dependence, a reader that finds what is there, drops by brute force."""

import numpy as np
import pytest
import torch

from book.evidence import probes
from tfe import systems
from book.evidence.erasure import PARTS, erasure
from tfe.training import PROFILES, fit, seed_everything

N, T, F, C = 80, 6, 8, 3


def gaussian(rho, n=3000, seed=0):
    a, e = np.random.default_rng(seed).standard_normal((2, n))
    return a[:, None], (rho * a + np.sqrt(1 - rho**2) * e)[:, None]


@pytest.mark.parametrize("rho", [0.3, 0.5, 0.7])
def test_squared_loss_information_of_gaussians(rho):
    """In closed form SMI = (1 / (1 - rho^2) - 1) / 2; the estimate is a lower bound near it."""
    exact = (1 / (1 - rho**2) - 1) / 2
    assert 0.65 * exact < probes.squared_loss_information(*gaussian(rho)) < 1.05 * exact


def test_independent_samples_have_none():
    a, b = gaussian(0.9)
    assert abs(probes.squared_loss_information(a, np.random.default_rng(1).permutation(b))) < 0.02


def test_it_does_not_depend_on_the_scale():
    a, b = gaussian(0.6)
    scaled = probes.squared_loss_information(100 * a + 7, -b / 50)
    assert scaled == pytest.approx(probes.squared_loss_information(a, b), abs=0.02)


def toy(seed=0):
    """Class c adds 3 to feature c in two segments."""
    rng = np.random.default_rng(seed)
    targets = np.eye(C)[rng.integers(C, size=N)]
    x = rng.standard_normal((N, T, F)).astype(np.float32)
    x[:, 2:4, :C] += 3 * targets[:, None]
    return x, targets


def trained(method="tfe", backbone="bike", epochs=15):
    from dataclasses import replace

    x, targets = toy()
    seed_everything(0)
    system = systems.build(method, backbone, C, F, "singlelabel",
                           disentangler={"k": 2} if method == "tfe" else None)
    fit(system, x, targets, replace(PROFILES["smoke"], epochs=epochs, lr=3e-3), seed=0)
    return system, x, targets


def test_texts_of_classes_are_given_to_a_fresh_reader_as_they_are(monkeypatch):
    system, x, targets = trained(epochs=1)
    texts = (torch.ones(C, 2), torch.ones(C, 5, 2))
    plain = system.encode
    monkeypatch.setattr(system, "encode", lambda features: (plain(features)[0], texts))
    given = []
    reader = system.backbone.make_approximator
    monkeypatch.setattr(system.backbone, "make_approximator", lambda: Told(reader(), given))
    held = probes.embeddings(system, x, batch_size=32)
    assert held["context"] is texts and len(held["z_n"]) == N
    y = torch.as_tensor(targets, dtype=torch.float32)
    probes.fresh(system.backbone, held["x"], held["x"], y, y, texts, texts)
    assert len(given) == probes.STEPS + 1 and all(each is texts for each in given)


class Told(torch.nn.Module):
    """An approximator that notes the context it was given, and reads none."""

    def __init__(self, approximator, given):
        super().__init__()
        self.approximator, self.given = approximator, given

    def forward(self, z, context):
        self.given.append(context)
        return self.approximator(z, None)


@pytest.mark.parametrize("backbone", ["bike", "msqnet"])
def test_a_fresh_reader_finds_the_label_where_it_is_and_not_where_it_is_not(backbone):
    x, targets = toy()
    system = systems.build("tfe", backbone, C, F, "singlelabel", disentangler={"k": 2})
    z = torch.nn.functional.pad(torch.as_tensor(x), (0, system.backbone.dim - F))
    y, half = torch.as_tensor(targets, dtype=torch.float32), N // 2
    empty = torch.randn(z.shape, generator=torch.Generator().manual_seed(0))
    guide = torch.zeros(half, F)
    there, _ = probes.fresh(system.backbone, z[:half], z[half:], y[:half], y[half:], guide, guide)
    nothing, loss = probes.fresh(system.backbone, empty[:half], empty[half:], y[:half], y[half:],
                                 guide, guide)
    assert there > 0.85 and nothing < 0.65 and loss > 0.8 * np.log(C)


def test_the_probe_reports_the_critics_own_loss_and_repeats():
    system, x, targets = trained(epochs=3)
    train, test = np.arange(50), np.arange(50, N)
    found = probes.probe(system, x, targets, train, test)
    assert found == probes.probe(system, x, targets, train, test)
    z, y = probes.embeddings(system, x[test]), torch.as_tensor(targets[test]).float()
    loss = system.backbone.loss(system.non_salient(z["z_n"])[0], y).item()
    assert found["critic_loss"] == pytest.approx(loss)
    cosine = torch.cosine_similarity(z["z_s"], z["z_n"], dim=-1).mean().item()
    assert found["cosine"] == pytest.approx(cosine) and -1 <= cosine <= 1
    assert abs(found["dependence_permuted"]) < 0.2


def test_readers_are_trained_once_and_answer_every_split_as_if_it_were_alone():
    system, x, targets = trained(epochs=1)
    train, splits = np.arange(40), {"val": np.arange(40, 60), "test": np.arange(60, N)}
    assert probes.probe_splits(system, x, targets, train, splits) == {
        split: probes.probe(system, x, targets, train, rows) for split, rows in splits.items()}


def test_probing_changes_no_weight():
    system, x, targets = trained(epochs=2)
    before = {name: value.clone() for name, value in system.state_dict().items()}
    probes.probe(system, x, targets, np.arange(50), np.arange(50, N))
    assert all(torch.equal(before[name], value) for name, value in system.state_dict().items())


@pytest.mark.parametrize("method, backbone", [("vanilla", "bike"), ("vanilla", "msqnet"),
                                              ("mean-pool", "none"), ("tfe", "msqnet")])
def test_erasure_is_what_a_loop_over_videos_finds(method, backbone):
    x, targets = toy()
    x, targets = x[:5], targets[:5]
    seed_everything(0)
    system = systems.build(method, backbone, C, F, "singlelabel",
                           disentangler={"k": 2} if method == "tfe" else None).eval()
    saliency = np.random.default_rng(0).random((5, T))
    found, without, alone = erasure(system, x, targets, saliency), [], []

    def probability(features, row, kept):
        with torch.no_grad():
            e = system.embed(torch.as_tensor(features[None]))
            scores = system.backbone.scores(system.classify(e[:, kept], torch.tensor(kept))[0])[0]
        return scores[targets[row].argmax()].item()

    for row in range(5):
        first = list(np.argsort(-saliency[row]))
        whole = probability(x[row], row, list(range(T)))
        for part in PARTS:
            count = max(1, round(part * T))
            without.append(whole - probability(x[row], row, sorted(first[count:])))
            alone.append(whole - probability(x[row], row, sorted(first[:count])))
    assert found["comprehensiveness"] == pytest.approx(np.mean(without), abs=1e-5)
    assert found["sufficiency"] == pytest.approx(np.mean(alone), abs=1e-5)


@pytest.mark.parametrize("task", ["singlelabel", "multilabel"])
def test_falls_that_are_known_need_not_be_computed_again(task):
    x, targets = toy()
    targets[::7] = 0  # left out
    system = systems.build("vanilla", "msqnet", C, F, task).eval()
    with torch.no_grad():
        falls = systems.leave_one_out(system, system.embed(torch.as_tensor(x))).numpy()
    saliency = np.random.default_rng(0).random((N, T))
    known, anew = (erasure(system, x, targets, saliency, given) for given in (falls, None))
    assert known == pytest.approx(anew, abs=1e-6)


def test_the_segments_that_carry_the_label_are_needed_and_enough():
    system, x, targets = trained("vanilla", epochs=30)
    truth = np.zeros((N, T))
    truth[:, 2:4] = 1
    found = erasure(system, x, targets, truth)
    assert found["comprehensiveness"] > found["chance_comprehensiveness"] + 0.1
    assert found["sufficiency"] < found["chance_sufficiency"] - 0.1


def test_videos_without_a_label_are_left_out():
    system, x, targets = trained("vanilla", epochs=2)
    labelled, saliency = targets.copy(), np.random.default_rng(0).random((N, T))
    labelled[40:] = 0
    part = erasure(system, x[:40], targets[:40], saliency[:40])
    whole = erasure(system, x, labelled, saliency)
    assert whole["comprehensiveness"] == pytest.approx(part["comprehensiveness"], abs=1e-5)
