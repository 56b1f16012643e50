"""Published weights: read under their own names, and only where it is safe."""

import gzip
import json
import pickle
import re
from dataclasses import replace
from functools import partial
from hashlib import sha256

import pytest
import torch
from safetensors.torch import save_file

from data.encoders import official, recipes, weights
from tfe import StudyError, backbones, systems
from tfe.backbones import towers

pytest.importorskip("transformers", reason="the full-size systems need the package transformers")
from transformers.convert_slow_tokenizer import bytes_to_unicode

from data.encoders import clip  # which needs transformers

WIDE = 128  # of text, and of the space that it shares with images, in narrow form


def made(name="bike", method="vanilla", **head):
    return systems.build(method, name, 3, None, "singlelabel", head={"preset": "narrow", **head})


def openai(side, layers, width, patch, text_layers, wide, projection, vocabulary):
    """The names and shapes of OpenAI's CLIP, `{name: shape}`."""
    def blocks(prefix, number, d):
        return {f"{prefix}transformer.resblocks.{n}.{name}": shape for n in range(number)
                for name, shape in {
                    "attn.in_proj_weight": (3 * d, d), "attn.in_proj_bias": (3 * d,),
                    "attn.out_proj.weight": (d, d), "attn.out_proj.bias": (d,),
                    "ln_1.weight": (d,), "ln_1.bias": (d,), "ln_2.weight": (d,), "ln_2.bias": (d,),
                    "mlp.c_fc.weight": (4 * d, d), "mlp.c_fc.bias": (4 * d,),
                    "mlp.c_proj.weight": (d, 4 * d), "mlp.c_proj.bias": (d,)}.items()}
    return {"visual.class_embedding": (width,), "visual.proj": (width, projection),
            "visual.positional_embedding": ((side // patch)**2 + 1, width),
            "visual.conv1.weight": (width, 3, patch, patch),
            **{f"visual.{norm}.{part}": (width,) for norm in ("ln_pre", "ln_post")
               for part in ("weight", "bias")},
            **blocks("visual.", layers, width), **blocks("", text_layers, wide),
            "token_embedding.weight": (vocabulary, wide), "positional_embedding": (77, wide),
            "ln_final.weight": (wide,), "ln_final.bias": (wide,),
            "text_projection": (wide, projection), "logit_scale": ()}


NARROW = openai(32, 2, 64, 16, 2, WIDE, 128, 60)
FULL = {"clip-b16": (224, 12, 768, 16, 12, 512, 512, 49408),
        "clip-l14": (224, 24, 1024, 14, 12, 768, 768, 49408),
        "clip-l14-336": (336, 24, 1024, 14, 12, 768, 768, 49408)}


def drawn(shapes):
    torch.manual_seed(0)
    return {name: torch.randn(shape) for name, shape in shapes.items()}


def head(blocks=6, d=128):
    """The names and shapes of BIKE's and Text4Vis's temporal Transformer."""
    one = {name.split("resblocks.0.")[1]: shape for name, shape in
           openai(32, 1, d, 16, 0, d, d, 1).items() if "resblocks.0." in name}
    return {"frame_position_embeddings.weight": (77, d),
            **{f"transformer.resblocks.{n}.{name}": s for n in range(blocks) for name, s in one.items()}}


def test_the_names_are_those_of_the_official_code():
    from parity import STORED

    shapes = json.loads(STORED.read_text(encoding="utf-8"))["bike"]["shapes"]
    ours = {f"clip.{n}": list(s) for n, s in NARROW.items()} | {f"head.{n}": list(s)
                                                                for n, s in head().items()}
    assert shapes == ours


@pytest.mark.parametrize("size", FULL)
def test_openais_names_and_shapes_fill_each_tower_at_full_size(size):
    with torch.device("meta"):
        state = {name: torch.empty(shape) for name, shape in openai(*FULL[size]).items()}
        found = official.parts(state)
        assert official.load(towers.ClipTower(size), found) == ["vision"]
    assert len(found["text"]) == 12 * 16 + 5


@pytest.mark.parametrize("name", ["bike", "text4vis"])
@pytest.mark.parametrize("method", ["vanilla", "tfe"])
def test_a_release_at_full_size_fits_the_paper_preset(name, method):
    with torch.device("meta"):
        system = systems.build(method, name, 400, None, "singlelabel", head={"preset": "paper"})
        state = {"model_state_dict": {f"module.{n}": torch.empty(s) for n, s in
                                      openai(*FULL["clip-l14-336"]).items()},
                 "fusion_model_state_dict": {f"module.{n}": torch.empty(s) for n, s in
                                             head(d=768).items()}}
        assert official.load(system, official.parts(state)) == ["head", "logit_scale", "vision"]


def saved(folder, name, state):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    if name.endswith(".safetensors"):
        save_file({n: v.contiguous() for n, v in state.items()}, path)
    else:
        torch.save(state, path)
    return path


def hub(state):
    """A state dict under OpenAI's names as the model hub stores it."""
    found = official.parts(state)
    return {**found["vision"], **found["text"], "logit_scale": found["logit_scale"],
            "vision_model.embeddings.position_ids": torch.arange(5)}


def test_one_clip_in_either_form_is_one_encoder(tmp_path):
    state, outs = drawn(NARROW), []
    x = torch.rand(1, 2, 3, 32, 32) * 255
    for name, form in (("a.pt", state), ("hub/model.safetensors", hub(state))):
        read = weights.read(saved(tmp_path, name, form), trust=("a.pt",))
        tower = towers.ClipTower("clip-narrow")
        official.load(tower, official.parts(read))
        outs.append(tower(x))
    torch.testing.assert_close(*outs)


def releases(state, temporal):
    """BIKE's layout and Text4Vis's."""
    bike = {"epoch": 29, "model_state_dict": {f"module.{n}": v for n, v in state.items()},
            "fusion_model_state_dict": {f"module.{n}": v for n, v in temporal.items()},
            "optimizer_state_dict": {"state": {}, "param_groups": [{"lr": 5e-5}]}}
    whole = {n: v for n, v in state.items() if n.startswith("visual.") or n == "logit_scale"}
    whole |= {f"fusion_model.{n}": v for n, v in temporal.items()}
    return bike, {"epoch": 29, "model_state_dict": {f"module.{n}": v for n, v in whole.items()}}


def test_bikes_and_text4viss_layouts_fill_the_same_head(tmp_path):
    state, temporal = drawn(NARROW), drawn(head())
    filled = []
    for n, layout in enumerate(releases(state, temporal)):
        name = f"release{n}.pt"
        system = made("text4vis").eval()
        read = weights.read(saved(tmp_path, name, layout), trust=(name,))
        assert official.load(system, official.parts(read)) == ["head", "logit_scale", "vision"]
        filled.append(system)
    own, block = filled[0].backbone, filled[0].backbone.blocks[3]
    assert torch.equal(own.position, temporal["frame_position_embeddings.weight"])
    assert torch.equal(block.c_fc.weight, temporal["transformer.resblocks.3.mlp.c_fc.weight"])
    assert torch.equal(filled[0].approximator.logit_scale, state["logit_scale"])
    for name, value in filled[1].state_dict().items():
        assert torch.equal(value, filled[0].state_dict()[name]) or name.endswith("_text"), name


def test_fewer_blocks_take_the_first_ones():
    state = official.parts(releases(drawn(NARROW), drawn(head()))[0])
    system = made(method="tfe", blocks=2)
    official.load(system, state)
    assert torch.equal(system.backbone.blocks[1].attn.in_proj_weight,
                       state["head"]["blocks.1.attn.in_proj_weight"])


def test_timesformer_brings_its_time_embeddings_to_our_number_of_frames():
    torch.manual_seed(0)
    tower = towers.TimesformerTower("timesformer-narrow")
    state = {f"timesformer.{n}": torch.randn_like(v) for n, v in tower.model.state_dict().items()}
    state |= {"classifier.weight": torch.zeros(400, 64)}
    eight = torch.arange(8.0).view(1, 8, 1).expand(1, 8, 64)
    state["timesformer.embeddings.time_embeddings"] = eight
    system = made("msqnet")
    assert official.load(system, official.parts(state)) == ["timesformer"]
    model = system.backbone.embed.video.model
    assert model.embeddings.time_embeddings[0, :, 0].tolist() == [n // 2 for n in range(16)]
    name = "encoder.layer.1.temporal_dense.weight"
    assert torch.equal(model.state_dict()[name], state[f"timesformer.{name}"])


def test_the_text_of_classes_comes_from_the_vocabulary(tmp_path):
    """A vocabulary of two merges: the words of a prompt, the end, and zeros."""
    path = tmp_path / "v.gz"
    path.write_bytes(gzip.compress("#version\nt h\nth e</w>\n".encode()))
    ids = clip.tokens(["The", "the  th"], path)
    start, end = 512 + 2, 512 + 3
    units = list(bytes_to_unicode().values())
    t, h_last = units.index("t"), 256 + units.index("h")
    assert ids.shape == (2, 77) and ids[0, :4].tolist() == [start, 513, end, 0]
    assert ids[1, :6].tolist() == [start, 513, t, h_last, end, 0]  # "t h" joins inside a word alone
    with pytest.raises(StudyError, match="has 82 tokens; at most 77"):
        clip.tokens(["the " * 80], path)


def test_initialising_fills_encoder_head_scale_and_text(tmp_path, monkeypatch):
    monkeypatch.setitem(weights.FILES, "bpe_simple_vocab_16e6.txt.gz", weights.File(
        "bpe_simple_vocab_16e6.txt.gz", "nobody"))
    (tmp_path / "bpe_simple_vocab_16e6.txt.gz").write_bytes(gzip.compress(b"#version\n"))
    state = drawn({**NARROW, "token_embedding.weight": (514, WIDE)})
    monkeypatch.setattr(weights, "pinned", lambda path: sha256(path.read_bytes()).hexdigest()
                        if path.suffix == ".gz" else None)
    saved(tmp_path, "k.pt", releases(state, drawn(head()))[0])
    system = made()
    filled = weights.initialise(system, ["a", "b", "c"], ["k.pt"], tmp_path, trust=("k.pt",))
    assert filled == {"k.pt": ["head", "logit_scale", "vision", "text"]}
    text = clip.text(official.parts(state)["text"],
                         clip.tokens([f"This is a video about {x}" for x in "abc"],
                                         tmp_path / "bpe_simple_vocab_16e6.txt.gz"))
    assert torch.equal(system.backbone.word_text, text.words)


def test_a_checkpoints_own_normalisation_wins(tmp_path):
    path = saved(tmp_path, "hub/model.safetensors", hub(drawn(NARROW)))
    config = path.with_name("preprocessor_config.json")
    config.write_text(json.dumps({"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 1, 2]}))
    tower = towers.ClipTower("clip-narrow")
    official.load(tower, official.parts(weights.read(path)), weights.normalisation(path))
    torch.testing.assert_close(tower.mean.flatten(), torch.tensor([0.1, 0.2, 0.3]))
    config.write_text("{}")
    with pytest.raises(StudyError, match="names no image_mean"):
        weights.normalisation(path)


class Evil:
    def __reduce__(self):
        return print, ("executed",)


def test_a_pickle_of_unknown_hash_is_refused_until_it_is_named(tmp_path, capsys):
    path = saved(tmp_path, "k400-vit-l-14-336-f16.pt", {"a": torch.ones(1)})
    with pytest.raises(StudyError, match=r"trust=\('k400-vit-l-14-336-f16.pt',\)"):
        weights.read(path)
    assert weights.read(path, trust=(path.name,))["a"].item() == 1
    path.write_bytes(pickle.dumps({"a": Evil()}))
    with pytest.raises(StudyError, match="more than tensors"):
        weights.read(path, trust=(path.name,))
    torch.save({"a": Evil()}, path)
    with pytest.raises(StudyError, match="more than tensors"):
        weights.read(path, trust=(path.name,))
    assert "executed" not in capsys.readouterr().out


def test_a_pinned_name_with_another_hash_is_refused_even_if_trusted(tmp_path):
    path = saved(tmp_path, "ViT-B-16.pt", {"a": torch.ones(1)})
    with pytest.raises(StudyError, match="has sha256 .* not 5806e77c"):
        weights.read(path, trust=(path.name,))


class Weights(torch.nn.Module):
    def __init__(self, state):
        super().__init__()
        for name, value in state.items():
            self.register_buffer(name.replace(".", "_"), value)

    def forward(self, x):
        return x


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_program_is_read_only_where_its_hash_is_pinned(tmp_path, monkeypatch):
    path = tmp_path / "ViT-B-16.pt"
    torch.jit.script(Weights({"a": torch.ones(2)})).save(str(path))
    pinned = weights.File(path.name, "x", sha256(path.read_bytes()).hexdigest())
    monkeypatch.setitem(weights.FILES, path.name, pinned)
    assert torch.equal(weights.read(path)["a"], torch.ones(2))
    other = path.rename(tmp_path / "other.pt")
    with pytest.raises(StudyError, match="more than tensors"):
        weights.read(other, trust=("other.pt",))


def test_what_is_missing_is_named_with_its_place_source_and_hash(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(StudyError) as caught:
        weights.find("clip-l14-336", tmp_path)
    for word in (str(tmp_path / "ViT-L-14-336px.pt"), "openai/CLIP", "3035c92b3509",
                 "clip-vit-large-patch14-336/model.safetensors", "TFE_WEIGHTS"):
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spoil, said", [
    (lambda state: state.pop("visual.conv1.weight"), "patch_embedding.weight is absent"),
    (lambda state: state.update({"visual.class_embedding": torch.zeros(3)}), "class_embedding is (3,)"),
    (lambda state: state.update({"visual.more": torch.zeros(1)}), None)])
def test_a_checkpoint_of_another_size_is_one_line(spoil, said):
    state = drawn(NARROW)
    spoil(state)
    if said is None:  # a tensor that no encoder has is no part of it
        official.load(towers.ClipTower("clip-narrow"), official.parts(state))
        return
    with pytest.raises(StudyError, match=re.escape(said)):
        official.load(towers.ClipTower("clip-narrow"), official.parts(state))


def test_a_checkpoint_of_something_else_is_refused():
    with pytest.raises(StudyError, match="neither CLIP nor TimeSformer"):
        official.parts({"fc.weight": torch.zeros(1)})
    with pytest.raises(StudyError, match="takes nothing"):
        official.load(made("msqnet"), {"head": {}})


def test_a_damaged_safetensors_file_is_one_line(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    with pytest.raises(StudyError, match="damaged.*get it again"):
        weights.read(path)


def test_clip_encodes_frames_for_the_feature_store(tmp_path, monkeypatch):
    """The narrow tower under the name of a published one: the features are those of its system."""
    monkeypatch.setenv("TFE_WEIGHTS", str(tmp_path))
    with pytest.raises(StudyError, match="ViT-B-16.pt are missing"):
        recipes.load("clip-b16")
    narrow = replace(recipes.ENCODERS["clip-b16"], dim=128, resolution=32,
                     build=partial(recipes.lazily("data.encoders.clip:images"), 128, 32))
    path = saved(tmp_path, "clip-vit-base-patch16/model.safetensors", hub(drawn(NARROW)))
    with pytest.raises(StudyError, match="makes 128 numbers of 32 pixels, where 512 of 224 are wanted"):
        recipes.load("clip-b16")
    monkeypatch.setitem(recipes.ENCODERS, "clip-b16", narrow)
    encoder = recipes.load("clip-b16")
    assert encoder.weights_sha256 == sha256(path.read_bytes()).hexdigest()
    frames = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
    system = made()
    official.load(system, official.parts(drawn(NARROW)))
    expected = system.eval().embed(frames.permute(0, 3, 1, 2).float().unsqueeze(0))[0]
    torch.testing.assert_close(torch.from_numpy(encoder(frames.numpy())), expected.detach(),
                               atol=1e-5, rtol=1e-4)
    assert backbones.build("bike", 3, preset="paper", feature_dim=768).embed.dim == 768
