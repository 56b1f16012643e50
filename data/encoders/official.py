"""From the names of published checkpoints to ours."""

import re

import torch
from torch.nn import functional as F

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

    An encoder is a module that names the `part` of a checkpoint that it takes, and holds the `model`
    to fill. A system with fewer blocks takes the first ones. Raises StudyError where a tensor is missing or
    has another shape, or where the checkpoint is of no use to this system.
    """
    filled = []
    for module in system.modules():
        part = getattr(module, "part", None)
        if part == "vision" and part in found:
            fill(module.model, _vision(found[part], module), "CLIP's image encoder")
            if normalisation:
                for buffer, values in zip((module.mean, module.std), normalisation):
                    buffer.copy_(torch.tensor(values).view(3, 1, 1))
            filled.append(part)
        elif part == "timesformer" and part in found:
            fill(module.model, _timed(found[part], module), "TimeSformer")
            filled.append(part)
        if "logit_scale" in found and hasattr(module, "logit_scale"):
            module.logit_scale.data.copy_(found["logit_scale"])
            filled.append("logit_scale")
    backbone = getattr(system, "backbone", system)
    if "head" in found and hasattr(backbone, "blocks"):
        own = {name for name in backbone.state_dict() if name.startswith(("blocks.", "position"))}
        given = {name: value for name, value in found["head"].items() if name in own}
        fill(backbone, given, "the temporal head", own)
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


def fill(module, state, what, own=None):
    """Copy `state` into `module`, every name of `own` (default: all) exactly once.

    Raises StudyError, with the name of `what` is filled, where a tensor is missing, too many, or of
    another shape.
    """
    target = module.state_dict()
    own = set(target) if own is None else own
    wrong = next((name for name in sorted(own | set(state)) if name not in state or name not in own
                  or state[name].shape != target[name].shape), None)
    if wrong:
        shapes = [tuple(each[wrong].shape) if wrong in each else "absent" for each in (state, target)]
        raise StudyError(f"{what}: {wrong} is {shapes[0]} in the checkpoint and {shapes[1]} here: "
                         "use the checkpoint of this size")
    module.load_state_dict(state, strict=False)
