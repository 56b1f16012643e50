"""CLIP as a frozen network: its image encoder for the feature store, its text encoder for class names."""

import gzip
from typing import NamedTuple

import torch
from torch import nn
from transformers import (CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer,
                          CLIPVisionConfig, CLIPVisionModelWithProjection)
from transformers.convert_slow_tokenizer import bytes_to_unicode
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from data.encoders.official import fill
from tfe.errors import StudyError

LENGTH = 77  # tokens of a text, padding included
MERGES = 49152 - 256 - 2  # of the vocabulary's lines, OpenAI reads so many


class Images(nn.Module):
    """CLIP's image encoder with its projection: frames `(N, 3, R, R)`, 0 to 255, to `(N, d)`.

    state: "vision" of `official.parts`, which gives the sizes; normalisation: `(mean, std)` of the
    channels, None for CLIP's own. Raises StudyError unless it makes `dim` numbers of `side` pixels.
    """

    def __init__(self, state, normalisation, dim, side):
        super().__init__()
        config = _sizes(state, "vision_model", state["vision_model.embeddings.class_embedding"])
        positions, _ = state["vision_model.embeddings.position_embedding.weight"].shape
        patch = state["vision_model.embeddings.patch_embedding.weight"].shape[-1]
        found = len(state["visual_projection.weight"]), patch * round((positions - 1) ** 0.5)
        if found != (dim, side):
            raise StudyError(f"this CLIP makes {found[0]} numbers of {found[1]} pixels, where {dim} of "
                             f"{side} are wanted: use the checkpoint of this size")
        self.model = CLIPVisionModelWithProjection(CLIPVisionConfig(
            **config, patch_size=patch, image_size=side, projection_dim=dim))
        fill(self.model, state, "CLIP's image encoder")
        mean, std = normalisation or (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))
        self.requires_grad_(False).eval()

    def forward(self, frames):
        return self.model((frames / 255 - self.mean) / self.std).image_embeds


def images(dim, side, published):
    """The `Images` of a published checkpoint, as `weights.published` reads it."""
    return Images(published["parts"]["vision"], published["normalisation"], dim, side)


class Text(NamedTuple):
    """CLIP's text of C classes: `pooled (C, w)` before the projection, `classes (C, d)` after it,
    and `words (C, W, d)`, every position projected."""

    pooled: torch.Tensor
    classes: torch.Tensor
    words: torch.Tensor


@torch.no_grad()
def text(state, ids):
    """The `Text` of token ids `(C, W)`, padded with 0; state: "text" of `official.parts`."""
    vocabulary, _ = state["text_model.embeddings.token_embedding.weight"].shape
    model = CLIPTextModelWithProjection(CLIPTextConfig(
        **_sizes(state, "text_model", state["text_model.final_layer_norm.weight"]),
        vocab_size=vocabulary, projection_dim=len(state["text_projection.weight"]),
        # 2 asks for CLIP's own rule: the text ends at the highest token.
        eos_token_id=2, bos_token_id=0, pad_token_id=0)).eval()
    fill(model, state, "CLIP's text encoder")
    out = model.text_model(ids)
    return Text(out.pooler_output, model.text_projection(out.pooler_output),
                model.text_projection(out.last_hidden_state))


def tokens(prompts, vocabulary):
    """CLIP's tokens of each prompt, `(C, 77)`, padded with 0; the vocabulary is OpenAI's file.

    Raises StudyError for a prompt that is too long.
    """
    lines = gzip.decompress(vocabulary.read_bytes()).decode("utf-8").split("\n")
    merges = [tuple(line.split()) for line in lines[1:MERGES + 1] if line]
    units = bytes_to_unicode().values()
    words = [*units, *(f"{unit}</w>" for unit in units), *map("".join, merges),
             "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer({word: number for number, word in enumerate(words)}, merges)
    ids = torch.zeros(len(prompts), LENGTH, dtype=torch.long)
    for row, prompt in zip(ids, prompts):
        found = tokenizer(prompt)["input_ids"]
        if len(found) > LENGTH:
            raise StudyError(f"the class text {prompt!r} has {len(found)} tokens; at most {LENGTH}")
        row[:len(found)] = torch.tensor(found)
    return ids


def _sizes(state, model, vector):
    """What the names and shapes say of a Transformer of CLIP; `vector` is as wide as it is."""
    layers = {name.split(".")[3] for name in state if name.startswith(f"{model}.encoder.layers.")}
    width = len(vector)
    return dict(hidden_size=width, intermediate_size=4 * width, num_hidden_layers=len(layers),
                num_attention_heads=width // 64)
