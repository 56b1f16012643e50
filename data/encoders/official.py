"""From the names of published checkpoints to ours, and class names to CLIP's text embeddings."""

import gzip
import re
from itertools import chain
from typing import NamedTuple

import torch
from torch.nn import functional as F

from tfe.backbones.towers import ClipTower, TimesformerTower
from tfe.errors import StudyError

# OpenAI's names, in order of trial, as those of `transformers`.
CLIP_NAMES = [
    (r"visual\.class_embedding", "vision_model.embeddings.class_embedding"),
    (r"visual\.positional_embedding", "vision_model.embeddings.position_embedding.weight"),
    (r"visual\.conv1\.(\w+)", r"vision_model.embeddings.patch_embedding.\1"),
    (r"visual\.ln_pre\.(\w+)", r"vision_model.pre_layrnorm.\1"),
    (r"visual\.ln_post\.(\w+)", r"vision_model.post_layernorm.\1"),
    (r"visual\.transformer\.resblocks\.(.+)", r"vision_model.encoder.layers.\1"),
    (r"transformer\.resblocks\.(.+)", r"text_model.encoder.layers.\1"),
    (r"token_embedding\.(\w+)", r"text_model.embeddings.token_embedding.\1"),
    (r"positional_embedding", "text_model.embeddings.position_embedding.weight"),
    (r"ln_final\.(\w+)", r"text_model.final_layer_norm.\1")]
BLOCK_NAMES = {".attn.out_proj.": ".self_attn.out_proj.", ".ln_1.": ".layer_norm1.",
               ".ln_2.": ".layer_norm2.", ".mlp.c_fc.": ".mlp.fc1.", ".mlp.c_proj.": ".mlp.fc2."}
# Words that OpenAI's files hold beside weights.
SIZES = {"input_resolution", "context_length", "vocab_size"}


class Text(NamedTuple):
    """CLIP's text of C classes: `pooled (C, w)` before the projection, `classes (C, d)` after it,
    and `words (C, W, d)`, every position projected."""

    pooled: torch.Tensor
    classes: torch.Tensor
    words: torch.Tensor


def parts(checkpoint):
    """Sort a checkpoint, however it is laid out, by what it is for.

    Keys, where present: "vision" and "text" (CLIP's, names of `transformers`), "timesformer", "head"
    (BIKE's and Text4Vis's temporal Transformer, our names), "logit_scale". Raises StudyError where
    nothing is recognised.
    """
    head = checkpoint.get("fusion_model_state_dict", {})
    state = _bare(checkpoint.get("model_state_dict", checkpoint))
    head = _bare(head) or {name.removeprefix("fusion_model."): value for name, value in state.items()
                           if name.startswith("fusion_model.")}
    state = {name: value.float() for name, value in state.items()
             if torch.is_tensor(value) and not name.startswith("fusion_model.")
             and name not in SIZES and not name.endswith("position_ids")}
    if any(name.startswith("visual.") for name in state):
        state = _clip(state)
    found = {"vision": _under(state, "vision_model.", "visual_projection."),
             "text": _under(state, "text_model.", "text_projection."),
             "head": _head(head),
             "timesformer": {name.removeprefix("timesformer."): value for name, value in
                             _under(state, "timesformer.").items()}}
    if not found["timesformer"] and "embeddings.time_embeddings" in state:
        found["timesformer"] = state
    found = {name: value for name, value in found.items() if len(value)}
    if "logit_scale" in state:
        found["logit_scale"] = state["logit_scale"]
    if not found:
        raise StudyError("the checkpoint holds neither CLIP nor TimeSformer nor a temporal head: "
                         "give one of those that `python -m data census --weights` lists")
    return found


def _bare(state):
    """Without the prefix that training on several GPUs leaves."""
    return {name.removeprefix("module."): value for name, value in state.items()}


def _under(state, *prefixes):
    return {name: value for name, value in state.items() if name.startswith(prefixes)}


def _clip(state):
    """OpenAI's tensors as those of `transformers`: projections apart, and transposed."""
    renamed = {}
    for name, value in state.items():
        if name in ("visual.proj", "text_projection"):
            renamed[f"{name.split('.')[0].split('_')[0]}_projection.weight"] = value.T.contiguous()
            continue
        for pattern, ours in CLIP_NAMES:
            if re.fullmatch(pattern, name):
                name = re.sub(pattern, ours, name)
                break
        for theirs, ours in BLOCK_NAMES.items():
            name = name.replace(theirs, ours)
        if ".attn.in_proj_" in name:
            for one, third in zip("qkv", value.chunk(3)):
                renamed[name.replace(".attn.in_proj_", f".self_attn.{one}_proj.")] = third.clone()
        else:
            renamed[name] = value
    return renamed


def _head(state):
    """BIKE's and Text4Vis's temporal Transformer in our names."""
    names = {"frame_position_embeddings.weight": "position"}
    return {names.get(name, name.replace("transformer.resblocks.", "blocks.").replace(".mlp.", ".")
                      ): value.float() for name, value in state.items()}


def load(system, found, normalisation=None):
    """Fill a system's encoders, temporal head and scale from `parts`; return what was filled.

    A system with fewer blocks takes the first ones. Raises StudyError where a tensor is missing or
    has another shape, or where the checkpoint is of no use to this system.
    """
    filled = []
    for module in system.modules():
        if isinstance(module, ClipTower) and "vision" in found:
            _fill(module.model, _vision(found["vision"], module), "CLIP's image encoder")
            if normalisation:
                for buffer, values in zip((module.mean, module.std), normalisation):
                    buffer.copy_(torch.tensor(values).view(3, 1, 1))
            filled.append("vision")
        elif isinstance(module, TimesformerTower) and "timesformer" in found:
            _fill(module.model, _timed(found["timesformer"], module), "TimeSformer")
            filled.append("timesformer")
        if "logit_scale" in found and hasattr(module, "logit_scale"):
            module.logit_scale.data.copy_(found["logit_scale"])
            filled.append("logit_scale")
    backbone = getattr(system, "backbone", system)
    if "head" in found and hasattr(backbone, "blocks"):
        own = {name for name in backbone.state_dict() if name.startswith(("blocks.", "position"))}
        given = {name: value for name, value in found["head"].items() if name in own}
        _fill(backbone, given, "the temporal head", own)
        filled.append("head")
    if not filled:
        raise StudyError(f"the checkpoint has {', '.join(found)}, of which this system takes nothing")
    return sorted(set(filled))


def _vision(state, tower):
    if tower.output == "image_embeds":
        return state
    return {name.removeprefix("vision_model."): value for name, value in
            _under(state, "vision_model.").items()}


def _timed(state, tower):
    """As many time embeddings as frames: the nearest ones, as the model itself would take them."""
    name, length = "embeddings.time_embeddings", tower.model.config.num_frames
    times = F.interpolate(state[name].mT, size=length, mode="nearest").mT
    return {**state, name: times}


def _fill(module, state, what, own=None):
    """Copy `state` into `module`, every name of `own` (default: all) exactly once."""
    target = module.state_dict()
    own = set(target) if own is None else own
    wrong = next((name for name in sorted(own | set(state)) if name not in state or name not in own
                  or state[name].shape != target[name].shape), None)
    if wrong:
        shapes = [tuple(each[wrong].shape) if wrong in each else "absent" for each in (state, target)]
        raise StudyError(f"{what}: {wrong} is {shapes[0]} in the checkpoint and {shapes[1]} here: "
                         "use the checkpoint of this size")
    module.load_state_dict(state, strict=False)


@torch.no_grad()
def text(state, ids):
    """The `Text` of token ids `(C, W)`, padded with 0, by CLIP's text encoder."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    width = state["text_model.final_layer_norm.weight"].shape[0]
    layers = {name.split(".")[3] for name in state if ".encoder.layers." in name}
    vocabulary, _ = state["text_model.embeddings.token_embedding.weight"].shape
    model = CLIPTextModelWithProjection(CLIPTextConfig(
        hidden_size=width, intermediate_size=4 * width, num_hidden_layers=len(layers),
        num_attention_heads=width // 64, vocab_size=vocabulary,
        projection_dim=len(state["text_projection.weight"]),
        # 2 asks for CLIP's own rule: the text ends at the highest token.
        eos_token_id=2, bos_token_id=0, pad_token_id=0)).eval()
    _fill(model, state, "CLIP's text encoder")
    out = model.text_model(ids)
    return Text(out.pooler_output, model.text_projection(out.pooler_output),
                model.text_projection(out.last_hidden_state))


def tokens(prompts, vocabulary, length=77):
    """CLIP's tokens of each prompt, `(C, length)`, padded with 0; the vocabulary is OpenAI's file.

    Raises StudyError for a prompt that is too long.
    """
    from transformers import CLIPTokenizer

    lines = gzip.decompress(vocabulary.read_bytes()).decode("utf-8").split("\n")
    merges = [tuple(line.split()) for line in lines[1:49152 - 256 - 2 + 1] if line]
    units = _units()
    words = [*units, *(f"{unit}</w>" for unit in units), *("".join(pair) for pair in merges),
             "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer({word: number for number, word in enumerate(words)}, merges)
    ids = torch.zeros(len(prompts), length, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        found = tokenizer(prompt)["input_ids"]
        if len(found) > length:
            raise StudyError(f"the class text {prompt!r} has {len(found)} tokens; at most {length}")
        ids[row, :len(found)] = torch.tensor(found)
    return ids


def _units():
    """The 256 bytes as printable characters, in the order of byte-level vocabularies."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1),
                 *range(ord("®"), ord("ÿ") + 1)]
    others = (256 + n for n in range(256 - len(printable)))
    return [chr(code) for code in chain(printable, others)]
