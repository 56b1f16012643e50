"""Whole systems: one contract for all, warm starts, the oracle, and the leave-one-out read-out."""

import numpy as np
import pytest
import torch

from book.runs import protocols
from tfe import StudyError, backbones, systems
from tfe.adversary import player_gradients
from tfe.backbones import peers
from tfe.training import PROFILES, fit, seed_everything

ALL = [("vanilla", "msqnet"), ("tfe", "msqnet"), ("vanilla", "bike"), ("tfe-bounded", "bike"),
       ("mean-pool", "none"), ("oracle-mask", "bike"), ("vanilla", "text4vis"),
       ("tfe", "text4vis"), ("tfe", "none"), ("tfe-plus", "none"), ("gated-mil", "none"),
       ("topk-mil", "none"), ("variant1", "msqnet"), ("variant5", "bike")]
B, T, F, C = 3, 6, 10, 4


def made(method, backbone, task="multilabel", **options):
    seed_everything(0)
    return systems.build(method, backbone, C, F, task, **options).eval()


@pytest.mark.parametrize("backbone", backbones.NAMES)
def test_an_option_that_does_not_exist_is_refused(backbone):
    with pytest.raises(TypeError, match="tpyo"):
        made("vanilla", backbone, head={"tpyo": 8})


@pytest.mark.parametrize("task", ["multilabel", "singlelabel"])
@pytest.mark.parametrize("method, backbone", ALL)
def test_every_system_answers_the_same_calls(method, backbone, task):
    system = made(method, backbone, task)
    logits, attention, mask = system.classify(system.embed(torch.randn(B, T, F)))
    assert logits.shape == (B, C) and attention.shape == (B, C, T)
    assert mask is None or mask.shape == (B, T)
    scores = system.backbone.scores(logits)
    assert ((scores >= 0) & (scores <= 1)).all()
    if task == "singlelabel":
        torch.testing.assert_close(scores.sum(1), torch.ones(B))
    saliency = system.backbone.saliency(attention, torch.eye(C)[:B])
    torch.testing.assert_close(saliency, torch.stack([attention[b, b] for b in range(B)]))
    named = {id(p) for player in system.players().values() for p in player}
    assert named == {id(p) for p in system.parameters()}


@pytest.mark.parametrize("method, backbone", ALL)
def test_leaving_a_segment_out_is_what_it_says(method, backbone):
    """Against a loop that classifies each shortened video, places kept, one video at a time."""
    system, features = made(method, backbone), torch.randn(B, T, F)
    falls = systems.leave_one_out(system, system.embed(features))
    assert falls.shape == (B, C, T)
    with torch.no_grad():
        for b in range(B):
            x = system.embed(features[b:b + 1])
            whole = system.classify(x)[0][0]
            for t in range(T):
                kept = torch.tensor([s for s in range(T) if s != t])
                part = system.classify(x[:, kept], kept)[0][0]
                torch.testing.assert_close(falls[b, :, t], whole - part, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("method, backbone", ALL)
def test_stored_features_arrive_at_any_scale(method, backbone):
    system, features = made(method, backbone), 5 * torch.randn(B, T, F)
    logits = [system.classify(system.embed(scale * features))[0] for scale in (1, 100)]
    torch.testing.assert_close(*logits, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("method, backbone", [
    ("vanilla", "bike"), ("vanilla", "msqnet"), ("tfe", "text4vis"), ("tfe", "none"),
    ("gated-mil", "none")])
def test_the_embedding_of_stored_features_is_not_linear(method, backbone):
    """No baseline is to be weak by our embedding. Of a linear layer the sum would be twice its bias."""
    system, features = made(method, backbone), torch.randn(B, T, F)
    both = (system.embed(features) + system.embed(-features))[..., :system.backbone.dim]  # no guide
    assert (both.std(dim=(0, 1)) > 0.01).any()


@pytest.mark.parametrize("task", ["multilabel", "singlelabel"])
@pytest.mark.parametrize("method, backbone", [("vanilla", "bike"), ("tfe", "msqnet")])
def test_what_is_added_to_all_logits_is_no_reason_for_a_single_label(method, backbone, task):
    """Softmax does not see it; of several labels each has a logit of its own, which it moves."""
    system, x = made(method, backbone, task), torch.randn(B, T, F)
    with torch.no_grad():
        x = system.embed(x)
    before, classify = systems.leave_one_out(system, x), system.classify
    shift = dict(zip(range(T - 1, T + 1), (5.0, 2.0)))  # by the number of segments: 2 where all are there

    def shifted(*arguments):
        logits, *others = classify(*arguments)
        return logits + shift[arguments[0].shape[1]], *others

    system.classify = shifted
    change = -3.0 if task == "multilabel" else 0.0
    for whole in (None, classify(x)[0].detach() + 2.0):
        torch.testing.assert_close(systems.leave_one_out(system, x, whole), before + change,
                                   atol=1e-5, rtol=1e-4)
    falls = systems.leave_one_out(system, x)
    assert (falls.sum(1).abs().max() < 1e-4) == (task == "singlelabel")


def test_one_segment_cannot_be_left_out():
    with pytest.raises(StudyError, match="T is 1"):
        systems.leave_one_out(made("vanilla", "bike"), torch.randn(B, 1, 128))


@pytest.mark.parametrize("method, backbone", [("tfe", "bike"), ("variant3", "msqnet")])
def test_of_parts_of_a_video_the_mask_is_not_read(method, backbone):
    system, places = made(method, backbone), torch.tensor([0, 2, 3])
    x = system.embed(torch.randn(B, T, F))
    assert system.classify(x)[2].shape == (B, T) and system.classify(x[:, places], places)[2] is None


# What `shallow` leaves of a vanilla head's layers, as options of that head.
LEFT = {"msqnet": {"encoder_layers": 1, "decoder_layers": 1}, "bike": {"blocks": 0},
        "text4vis": {"blocks": 0}}


def started(backbone, method="tfe", depth="last", head=None, **options):
    """A system that begins at a vanilla head, and that head."""
    vanilla = made("vanilla", backbone)
    with torch.no_grad():
        for parameter in vanilla.parameters():  # as if it had been trained: no two rows alike
            parameter.add_(0.05 * torch.randn_like(parameter))
    seed_everything(1)
    system = systems.build(method, backbone, C, F, "multilabel", depth=depth, head=head, **options)
    systems.warm_start(system, vanilla.state_dict())
    return system.eval(), vanilla


@pytest.mark.parametrize("depth", ["last", "table4"])
@pytest.mark.parametrize("method", ["tfe", "tfe-bounded", "variant3", "variant5"])
@pytest.mark.parametrize("backbone", backbones.NAMES)
def test_a_warm_start_answers_as_the_head_that_it_begins_at(backbone, method, depth):
    system, vanilla = started(backbone, method, depth)
    if depth == "table4":  # as that head without the layers that D replaces
        left = made("vanilla", backbone, head=LEFT[backbone])
        left.load_state_dict({name: value for name, value in vanilla.state_dict().items()
                              if name in left.state_dict()})
        vanilla = left
    x = torch.randn(B, T, F)
    logits, attention, _ = system.classify(system.embed(x))
    expected, of_head, _ = vanilla.classify(vanilla.embed(x))
    torch.testing.assert_close(logits, expected, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(attention, of_head, atol=1e-6, rtol=1e-6)
    places = torch.tensor([0, 3, 5])
    torch.testing.assert_close(system.classify(system.embed(x)[:, places], places)[0],
                               vanilla.classify(vanilla.embed(x)[:, places], places)[0],
                               atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("backbone", backbones.NAMES)
def test_at_a_warm_start_both_streams_are_x_and_both_players_the_head(backbone):
    system, vanilla = started(backbone, disentangler={"k": 2, "head_ratio": 2})
    x, _ = system.encode(torch.randn(B, T, F))
    for training in (True, False):
        z_s, z_n, _ = system.disentangler.train(training)(x)
        assert torch.equal(z_s, x) and torch.equal(z_n, x)
    held = [module.state_dict() for module in (vanilla.approximator, system.salient,
                                               system.non_salient)]
    for name, value in held[0].items():
        assert all(torch.equal(value, other[name]) for other in held[1:])
    memory = [{value.data_ptr() for value in each.values()} for each in held]
    assert not memory[0] & memory[1] and not memory[1] & memory[2] and not memory[0] & memory[2]


@pytest.mark.parametrize("backbone", ["bike", "text4vis"])
def test_a_layer_that_the_head_has_not_begins_as_the_identity(backbone):
    system, _ = started(backbone, depth="table4")
    for player in (system.salient, system.non_salient):
        assert torch.equal(player.adapter.weight, torch.eye(128)) and not player.adapter.bias.any()
    given = made("vanilla", backbone, head={"adapter": True})  # and one that it has is kept
    seed_everything(1)
    system = systems.build("tfe", backbone, C, F, "multilabel")
    systems.warm_start(system, given.state_dict())
    assert torch.equal(system.non_salient.adapter.weight, given.approximator.adapter.weight)


def test_gradients_reach_the_mask_after_one_step_of_a_warm_start():
    system, _ = started("bike", game={"schedule": "one-pass"})
    batch = {"features": torch.randn(B, T, F), "targets": torch.eye(C)[:B],
             "prior": torch.full((C,), 0.3)}
    optimisers = {player: torch.optim.SGD(p, 0.1) for player, p in system.train().players().items()}

    def towards():
        found, _ = player_gradients(system, batch, torch.Generator().manual_seed(2))
        names = [name for name, _ in system.disentangler.named_parameters()]
        return dict(zip(names, found["disentangler"]))

    first = towards()
    assert first["f_ds.2.weight"].any() and first["f_dn.2.weight"].any()
    assert not first["split.to_k.weight"].any()  # behind what answers 0
    system.update([batch], optimisers, torch.Generator().manual_seed(2))
    assert all(g.any() for g in towards().values())


def test_a_vanilla_system_is_trained_on_where_it_ended():
    x, targets = np.random.default_rng(0).normal(size=(8, T, F)), np.eye(C)[np.arange(8) % C]
    first, second = made("vanilla", "bike"), made("vanilla", "bike")
    with torch.no_grad():
        next(second.parameters()).add_(1)
    fit(first, x, targets, PROFILES["smoke"], seed=0)
    systems.warm_start(second, first.state_dict())
    assert all(torch.equal(value, second.state_dict()[name])
               for name, value in first.state_dict().items())
    before = first.state_dict()["approximator.classes"].clone()
    fit(second, x, targets, PROFILES["smoke"], seed=0)
    assert not torch.equal(second.state_dict()["approximator.classes"], before)
    assert torch.equal(first.state_dict()["approximator.classes"], before)


@pytest.mark.parametrize("head, method, backbone, options, said", [
    (("vanilla", "msqnet", {}), "tfe", "bike", {}, "has no backbone.position"),
    (("vanilla", "bike", {}), "tfe", "msqnet", {}, "has no backbone.encoder.*same backbone"),
    (("vanilla", "bike", {"dim": 64}), "tfe", "bike", {}, r"has no .* of shape \(77, 128\)"),
    (("vanilla", "bike", {"blocks": 1}), "tfe", "bike", {"depth": "last"}, "has no backbone.blocks.1"),
    (("tfe", "bike", {}), "tfe", "bike", {}, "has no salient"),
    (("tfe", "bike", {}), "vanilla", "bike", {}, "has no backbone.blocks"),
    (("mean-pool", "none", {}), "tfe", "none", {}, "has no backbone.embed"),
    (("mean-pool", "none", {}), "tfe-plus", "none", {}, "has no backbone.embed"),
    (("gated-mil", "none", {}), "tfe-plus", "none", {},
     r"has no disentangler.score.weight of shape \(4, 64\).*gated-mil with attention: class"),
    (("tfe-plus", "none", {}), "tfe-plus", "none", {}, "has no disentangler.value"),
    (("vanilla", "bike", {}), "tfe", "bike", {"disentangler": {"residual": False}},
     "needs D's residual.*set residual to true, or start cold")])
def test_a_warm_start_at_a_head_that_does_not_fit_is_one_line(head, method, backbone, options, said):
    first, under, shape = head
    weights = made(first, under, head=shape).state_dict()
    with pytest.raises(StudyError, match=said) as error:
        systems.warm_start(made(method, backbone, **options), weights)
    assert "\n" not in str(error.value)


def test_a_depth_that_is_none_names_the_known_ones():
    with pytest.raises(StudyError, match="depth is 'all': choose one of table4, last"):
        made("tfe", "bike", depth="all")


def test_a_file_among_the_peers_is_a_method(tmp_path, monkeypatch):
    (tmp_path / "loudest_segment.py").write_text(
        "from functools import partial\nfrom tfe.backbones.pooling import MeanPool\n"
        "System = partial(MeanPool, k=1)\n")
    with pytest.raises(StudyError, match="method 'loudest-segment' is unknown"):
        made("loudest-segment", "none")
    monkeypatch.setattr(peers, "__path__", [*peers.__path__, str(tmp_path)])
    system, x = made("loudest-segment", "none"), torch.randn(B, T, F)
    logits, attention, mask = system.classify(system.embed(x))
    torch.testing.assert_close(logits, attention.amax(-1) + system.approximator.linear.bias)
    assert mask is None and made("gated-mil", "none").backbone.spec["backbone"] == "gated_mil"
    with pytest.raises(StudyError, match="loudest-segment has no backbone: set backbone to none"):
        made("loudest-segment", "bike")


@pytest.mark.parametrize("name", ["magic", "a.b", "../x", "gated mil", "", "gated_mil.GatedAttention"])
def test_an_unknown_method_names_the_known_ones_in_one_line(name):
    with pytest.raises(StudyError) as error:
        made(name, "none")
    said = str(error.value)
    assert said.startswith(f"method {name!r} is unknown: choose one of vanilla, tfe, ")
    assert "tfe/backbones/peers" in said and "\n" not in said


def test_leave_one_out_keeps_the_places_of_the_others():
    system, x = made("vanilla", "bike"), torch.randn(1, T, 128)
    late, early = torch.arange(1, T), torch.arange(T - 1)
    assert not torch.allclose(system.classify(x[:, late], late)[0],
                              system.classify(x[:, late], early)[0])


def test_the_attention_of_concept_spotting_is_a_distribution_over_time():
    system = made("vanilla", "bike")
    attention = system.classify(torch.randn(B, T, 128))[1]
    torch.testing.assert_close(attention.sum(-1), torch.ones(B, C))


def test_msqnet_attention_is_a_distribution_and_its_guide_has_no_gradient():
    system = made("vanilla", "msqnet")
    x = system.embed(torch.randn(B, T, F))
    torch.testing.assert_close(system.classify(x)[1].sum(-1), torch.ones(B, C))
    assert x.requires_grad
    (gradient,) = torch.autograd.grad(system.backbone.context(x).sum(), x, retain_graph=True)
    assert gradient[..., :128].abs().max() == 0  # what trains is no part of the guide
    embedding = list(system.backbone.embed.parameters())
    of_guide = torch.autograd.grad(system.backbone.context(x).sum(), embedding, allow_unused=True,
                                   materialize_grads=True)
    assert all((each == 0).all() for each in of_guide)


def test_oracle_keeps_the_true_segments_in_order_and_repeats_them():
    features = np.arange(3 * 5).reshape(3, 5, 1)
    truth = np.zeros((3, 2, 5), bool)
    truth[0, 0, 1] = truth[0, 1, 3] = True  # either action counts
    truth[1, 1, 2] = True  # video 2 shows none
    chosen = protocols.oracle(features, truth)[..., 0]
    assert chosen.tolist() == [[1, 3, 1, 3, 1], [7, 7, 7, 7, 7], [10, 11, 12, 13, 14]]
    with pytest.raises(StudyError, match="segments.csv"):
        protocols.oracle(features, None)


def test_saliency_without_a_true_class_is_the_mean_over_classes():
    attention = torch.rand(1, C, T)
    backbone = made("vanilla", "bike").backbone
    torch.testing.assert_close(backbone.saliency(attention, torch.zeros(1, C)), attention.mean(1))


@pytest.mark.parametrize("name", backbones.NAMES)
def test_a_shallow_backbone_has_fewer_parameters_and_fresh_approximators(name):
    deep, shallow = (backbones.build(name, C, shallow=s) for s in (False, True))
    size = [sum(p.numel() for p in b.parameters()) for b in (deep, shallow)]
    assert size[0] > size[1]
    one, other = shallow.make_approximator(), shallow.make_approximator()
    assert any(p.requires_grad for p in one.parameters())
    assert not {id(p) for p in one.parameters()} & {id(p) for p in other.parameters()}
    assert shallow.spec["backbone"] == name


def test_loss_is_the_cross_entropy_of_eq_7():
    logits = torch.randn(B, C)
    single, multi = made("vanilla", "bike", "singlelabel"), made("vanilla", "bike")
    target = torch.eye(C)[:B]
    expected = -(logits.log_softmax(1)).diagonal()[:B]
    torch.testing.assert_close(single.backbone.loss(logits, target, "none"), expected)
    p = logits.sigmoid()
    expected = -(target * p.log() + (1 - target) * (1 - p).log()).mean()
    torch.testing.assert_close(multi.backbone.loss(logits, target), expected)


def test_unknown_presets_name_the_known_ones():
    with pytest.raises(StudyError, match="no preset 'huge': choose one of small"):
        backbones.build("bike", C, preset="huge")
