"""The full-size systems: at paper size without memory, and for real with narrow encoders."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tfe import StudyError, backbones, systems
from tfe.backbones import bike, towers
from data.encoders.clip import Text
from tfe.disentangler import Disentangler
from tfe.training import PROFILES, _optimiser

pytest.importorskip("transformers", reason="the full-size systems need the package transformers")
C, T, B = 5, 16, 2
NAMES = tuple(backbones.NAMES)


def made(method, name, task="singlelabel", feature_dim=None, seed=0, **head):
    torch.manual_seed(seed)
    return systems.build(method, name, C, feature_dim, task, head={"preset": "narrow", **head})


def frames(seed=0):
    return torch.randint(0, 256, (B, T, 3, 32, 32), generator=torch.Generator().manual_seed(seed)).float()


def batch(x=None, task="singlelabel"):
    return {"features": frames() if x is None else x, "targets": torch.eye(C)[[1, 3]],
            "prior": torch.full((C,), 1 / C)}


def update(system, data=None, lr=1e-3):
    """One training step; `{parameter: moved?}`."""
    before = {name: p.detach().clone() for name, p in system.named_parameters()}
    optimisers = {player: _optimiser(system, player, p, replace(PROFILES["smoke"], lr=lr))
                  for player, p in system.players().items()}
    losses = system.train().update([data or batch()], optimisers, torch.Generator().manual_seed(0))
    assert all(torch.isfinite(loss) for loss in losses.values())
    return {name: not torch.equal(p, before[name]) for name, p in system.named_parameters()}


def layers(system):
    """Layers between the encoder and the logits that have weights, as the paper's Table 4 counts."""
    reader = getattr(system, "salient", None) or system.approximator
    kinds = (bike.Block, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer, Disentangler)
    modules = [system.backbone, getattr(system, "disentangler", nn.Identity()), reader]
    found = sum(isinstance(m, kinds) for module in modules for m in module.modules())
    return found + isinstance(getattr(reader, "adapter", None), nn.Linear)


@pytest.mark.parametrize("name, vanilla, tfe", [("msqnet", 12, 7), ("bike", 6, 2), ("text4vis", 6, 2)])
def test_tfe_takes_as_many_layers_out_as_is_printed(name, vanilla, tfe):
    with torch.device("meta"):
        for method, expected in (("vanilla", vanilla), ("tfe", tfe)):
            assert layers(systems.build(method, name, 157, None, "multilabel",
                                        head={"preset": "paper"})) == expected


@pytest.mark.parametrize("name, side, dim", [("msqnet", 224, 512), ("bike", 336, 768),
                                             ("text4vis", 336, 768)])
@pytest.mark.parametrize("method", ["vanilla", "tfe"])
def test_the_paper_preset_has_the_published_shapes(name, side, dim, method):
    with torch.device("meta"):
        system = systems.build(method, name, 157, None, "multilabel", head={"preset": "paper"},
                               **({"disentangler": {"test_mask": "soft"}} if method == "tfe" else {}))
        logits, attention, mask = system.eval().classify(system.embed(torch.empty(1, T, 3, side, side)))
    assert (logits.shape, attention.shape) == ((1, 157), (1, 157, T))
    assert system.backbone.dim == dim and (mask is None or mask.shape == (1, T))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["vanilla", "tfe", "tfe-bounded"])
def test_fine_tuning_moves_the_encoder_and_its_rate_is_a_tenth(name, method):
    system = made(method, name)
    slow = {id(p) for group in system.backbone.param_groups() if group["scale"] == 0.1
            for p in group["params"]}
    named = {n for n, p in system.named_parameters() if id(p) in slow}
    assert named and all(".model." in n and ".guide." not in n for n in named)
    moved = update(system)
    assert all(moved[n] for n in named if "position_embeddings" not in n and "cls_token" not in n
               and "k_proj.bias" not in n and "attention.qkv.bias" not in n)
    assert not any(is_ for n, is_ in moved.items() if ".guide." in n)  # MSQNet's is never trained


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["vanilla", "tfe"])
def test_training_the_head_alone_leaves_the_encoder(name, method):
    system = made(method, name, tune="head")
    moved = update(system)
    assert any(moved.values()) and not any(is_ for n, is_ in moved.items() if ".model." in n)
    assert [group["scale"] for group in system.backbone.param_groups()] == [1.0]


@pytest.mark.parametrize("name", NAMES)
def test_stored_features_of_the_encoder_do_as_well_as_frames(name):
    """The three ways to run are one class: the same weights, the same logits."""
    whole, x = made("vanilla", name, tune="head").eval(), frames()
    embed = whole.backbone.embed
    stored = (torch.cat([embed.video(x), embed.guide(x)], -1) if name == "msqnet" else embed(x))
    head = made("vanilla", name, feature_dim=stored.shape[-1]).eval()
    head.load_state_dict({n: v for n, v in whole.state_dict().items() if n in head.state_dict()})
    torch.testing.assert_close(head.classify(head.embed(stored))[0], whole.classify(whole.embed(x))[0])
    with pytest.raises(StudyError, match="that encoder's, or the small preset"):
        made("vanilla", name, feature_dim=7)


@pytest.mark.parametrize("name", NAMES)
def test_computing_activations_again_gives_the_same_gradient(name):
    gradients = []
    for checkpointing in (True, False):
        system = made("vanilla", name, checkpointing=checkpointing,
                      **({"dropout": 0.0} if name == "msqnet" else {})).train()
        x = system.embed(frames())
        system.backbone.loss(system.classify(x)[0], batch()["targets"]).backward()
        gradients.append([p.grad for p in system.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(gradients[1])
    for ours, plain in zip(*gradients):
        torch.testing.assert_close(ours, plain)


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_is_the_encoders_alone_and_close(name):
    full, half = (made("vanilla", name, precision=p).eval().backbone.embed(frames())
                  for p in ("fp32", "bf16"))
    assert half.dtype == torch.float32 and not torch.equal(full, half)
    assert F.cosine_similarity(full, half, dim=-1).min() > 0.999


@pytest.mark.parametrize("legacy", [False, True])
def test_a_segment_of_msqnet_is_a_moment_unless_pooling_is_the_original_one(legacy):
    """Without attention over time, changing one frame must change one segment."""
    embed = made("vanilla", "msqnet", legacy_pooling=legacy).eval().backbone.embed.video
    embed.model.encoder.layer = nn.ModuleList()
    x, t = frames(), 6
    other = x.clone()
    other[:, t] = 255 - other[:, t]
    with torch.no_grad():
        changed = (embed(x) - embed(other)).abs().amax(dim=(0, 2)) > 1e-6
    # The original's bins are strips of the image, and 4 patches x 16 frames make 16 bins of 4 to 6
    # tokens: frame t is in several of them, and never in bin t alone.
    assert changed.nonzero().flatten().tolist() == [t] if not legacy else (
        changed.sum() > 1 and not changed.all())


def test_at_published_size_every_original_segment_mixes_all_frames():
    """1 + 196 x 16 tokens in 16 flat bins: each covers every frame, and a strip of patches."""
    frame = torch.arange(196 * T) % T
    seen = torch.cat([torch.zeros(1, T), F.one_hot(frame, T).float()])
    bins = F.adaptive_avg_pool1d(seen.T.unsqueeze(0), T)[0]  # (frames, bins)
    assert (bins > 0).all()
    torch.testing.assert_close(bins, torch.full((T, T), 1 / T), atol=5e-3, rtol=0)


def test_text_reaches_the_logits_and_the_checkpoint():
    text = Text(torch.randn(C, 64), torch.randn(C, 128), torch.randn(C, 77, 128))
    for name in NAMES:
        system = made("vanilla", name).eval()
        before = system.classify(system.embed(frames()))[0]
        system.backbone.set_text(text)
        assert not torch.allclose(before, system.classify(system.embed(frames()))[0])
    assert torch.equal(system.state_dict()["backbone.class_text"], text.classes)


def test_an_approximators_own_layer_begins_as_the_identity():
    plain, own = (made("vanilla", "bike", adapter=adapter).eval() for adapter in (False, True))
    own.load_state_dict(plain.state_dict(), strict=False)
    torch.testing.assert_close(own.classify(own.embed(frames()))[0],
                               plain.classify(plain.embed(frames()))[0])


@pytest.mark.parametrize("name", NAMES)
def test_at_full_size_a_warm_start_answers_as_its_head_too(name):
    head = made("vanilla", name).eval()
    torch.manual_seed(1)
    system = systems.build("tfe", name, C, None, "singlelabel", head={"preset": "narrow"},
                           depth="last").eval()
    systems.warm_start(system, head.state_dict())
    with torch.no_grad():
        expected, answered = (one.classify(one.embed(frames()))[0] for one in (head, system))
    torch.testing.assert_close(answered, expected, atol=1e-6, rtol=1e-6)


def test_options_win_over_what_stays_below_tfe():
    system = made("tfe", "bike", blocks=1, adapter=False)
    assert len(system.backbone.blocks) == 1 and not list(system.salient.adapter.parameters())
    one, other = system.salient, system.non_salient
    assert {n for n, _ in one.named_parameters()} == {"logit_scale"} and one is not other


def test_spotting_is_the_mean_over_words_of_a_softmax_at_one_hundredth():
    """A loop over videos, classes and words."""
    reader = bike.WordSpotting(3, 4, adapter=False, learnt=False, offset=False)
    z, classes, words = torch.randn(2, 5, 4), torch.randn(3, 4), torch.randn(3, 7, 4)
    logits, attention = reader(z, (classes, words))
    for b in range(2):
        v = z[b] / z[b].norm(dim=1, keepdim=True)
        for c in range(3):
            weights = torch.stack([(100 * (v @ (w / w.norm()))).softmax(0) for w in words[c]]).mean(0)
            torch.testing.assert_close(attention[b, c], weights)
            expected = (weights @ v) @ (classes[c] / classes[c].norm()) / 0.07
            torch.testing.assert_close(logits[b, c], expected, atol=1e-4, rtol=1e-4)


def test_contrast_in_the_batch_is_the_divergence_of_both_directions():
    """A loop over the batch: two videos of one label share their probability."""
    logits, labels = torch.randn(4, C), [1, 3, 1, 0]
    each = bike.in_batch(logits, torch.eye(C)[labels])
    pairs = [[logits[i, labels[j]] for j in range(4)] for i in range(4)]
    for i in range(4):
        p = torch.tensor([10.0 * (labels[i] == labels[j]) for j in range(4)]).softmax(0)
        rows = torch.stack(pairs[i]).log_softmax(0)
        columns = torch.stack([pairs[j][i] for j in range(4)]).log_softmax(0)
        expected = ((p * (p.log() - rows)).sum() + (p * (p.log() - columns)).sum()) / 2
        torch.testing.assert_close(each[i], expected)
    with pytest.raises(StudyError, match="one label an instance"):
        bike.in_batch(logits, torch.ones(4, C))


def test_the_losses_are_those_of_the_systems():
    logits, target = torch.randn(B, C), torch.eye(C)[[1, 3]]
    ce = F.cross_entropy(logits, target.argmax(1))
    for name in NAMES:
        torch.testing.assert_close(made("vanilla", name).backbone.loss(logits, target), ce)
    many = (torch.rand(B, C) < 0.5).float()
    torch.testing.assert_close(made("vanilla", "msqnet", "multilabel").backbone.loss(logits, many),
                               F.binary_cross_entropy_with_logits(logits, many))
    contrast = made("tfe", "bike", contrast="batch")
    assert torch.equal(contrast.backbone.loss(logits, target), bike.in_batch(logits, target).mean())
    assert any(update(contrast).values())


@pytest.mark.parametrize("head, said", [
    ({"tune": "all"}, "tune is 'all'"), ({"precision": "fp16"}, "precision is 'fp16'"),
    ({"spotting": "eyes"}, "spotting is 'eyes'"), ({"contrast": "x"}, "contrast is 'x'")])
def test_unknown_options_name_the_known_ones(head, said):
    with pytest.raises(StudyError, match=said):
        made("vanilla", "bike", **head)


def test_a_timesformer_sees_its_own_number_of_frames():
    with pytest.raises(StudyError, match="T is 4: this TimeSformer sees 16"):
        made("vanilla", "msqnet").embed(frames()[:, :4])


def test_frames_are_normalised_as_clip_was_trained():
    tower = towers.ClipTower("clip-narrow", tune="head")
    tower.encode = lambda x: x
    grey = tower(torch.full((1, 1, 3, 2, 2), 255 * 0.5))[0, 0, :, 0, 0]
    torch.testing.assert_close(grey, (0.5 - torch.tensor(towers.MEAN)) / torch.tensor(towers.STD))
