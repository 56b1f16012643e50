"""The full-size systems' encoders, from `transformers`: any size, random weights, no file."""

from contextlib import nullcontext

import torch
from einops import rearrange, reduce
from torch import nn
from torch.nn import functional as F

from tfe.errors import StudyError, one_of

LARGE = dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24,
             num_attention_heads=16, patch_size=14, projection_dim=768)
CLIP = {
    "clip-b16": dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
                     num_attention_heads=12, patch_size=16, image_size=224, projection_dim=512),
    "clip-l14": dict(LARGE, image_size=224), "clip-l14-336": dict(LARGE, image_size=336),
    "clip-narrow": dict(hidden_size=64, intermediate_size=256, num_hidden_layers=2,
                        num_attention_heads=1, patch_size=16, image_size=32, projection_dim=128)}
TIMESFORMER = {
    "timesformer-b16": dict(num_frames=16),
    "timesformer-narrow": dict(hidden_size=64, intermediate_size=256, num_hidden_layers=2,
                               num_attention_heads=2, patch_size=16, image_size=32, num_frames=16)}
# CLIP's own; MSQNet's TimeSformer gets them too. A checkpoint's config may say otherwise.
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class Tower(nn.Module):
    """An encoder of frames: `(B, T, 3, R, R)`, 0 to 255 -> `(B, T, d)`.

    tune: "encoder", fine-tuned, or "head", frozen: only what stands on it learns. checkpointing:
    fine-tuning keeps each block's input and computes the rest again. precision: "bf16" forces
    autocast; "fp32" takes the arithmetic around it. Float32 comes out.
    """

    part = None  # which part of a published checkpoint fills it

    def __init__(self, model, *, tune="encoder", checkpointing=True, precision="fp32"):
        super().__init__()
        one_of("tune", tune, ("encoder", "head"))
        one_of("precision", precision, ("fp32", "bf16"))
        self.model, self.tune, self.precision = model, tune, precision
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1))
        self.requires_grad_(tune == "encoder")  # frozen: `systems.trainable` skips it
        if tune == "encoder" and checkpointing:
            model.activation_checkpointing_enable({"use_reentrant": False})  # for `autograd.grad`

    @property
    def resolution(self):
        return self.model.config.image_size

    def forward(self, frames):
        frames = (frames / 255 - self.mean) / self.std
        half = (torch.autocast(frames.device.type, torch.bfloat16) if self.precision == "bf16"
                else nullcontext())
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.tune == "encoder"), half:
            return self.encode(frames).float()


class ClipTower(Tower):
    """CLIP's image encoder, frame by frame: `(B, T, 3, R, R)` -> `(B, T, d)`.

    `projected`: into the space that text shares, else before (as MSQNet's guide).
    """

    part = "vision"

    def __init__(self, size, *, projected=True, **options):
        from transformers import CLIPVisionConfig, CLIPVisionModel, CLIPVisionModelWithProjection

        model = CLIPVisionModelWithProjection if projected else CLIPVisionModel
        super().__init__(model(CLIPVisionConfig(**CLIP[size])), **options)
        self.dim = CLIP[size]["projection_dim" if projected else "hidden_size"]
        self.output = "image_embeds" if projected else "pooler_output"

    def encode(self, frames):
        each = self.model(rearrange(frames, "b t c h w -> (b t) c h w"))
        return rearrange(each[self.output], "(b t) d -> b t d", b=len(frames))


class TimesformerTower(Tower):
    """TimeSformer, one embedding per frame: `(B, T, 3, R, R)` -> `(B, T, d)`.

    Its tokens are one for the video and then, patch by patch, the T frames. `legacy_pooling` cuts
    that flat list into T bins, as MSQNet's code does: a bin is a strip of the image in which all
    frames are mixed.
    """

    part = "timesformer"

    def __init__(self, size, *, legacy_pooling=False, **options):
        from transformers import TimesformerConfig, TimesformerModel  # here: it takes seconds

        super().__init__(TimesformerModel(TimesformerConfig(**TIMESFORMER[size])), **options)
        self.dim, self.legacy_pooling = self.model.config.hidden_size, legacy_pooling

    def encode(self, frames):
        length = self.model.config.num_frames
        if frames.shape[1] != length:  # else its places in time would be interpolated
            raise StudyError(f"T is {frames.shape[1]}: this TimeSformer sees {length} frames")
        tokens = self.model(frames).last_hidden_state
        if self.legacy_pooling:
            flat = F.adaptive_avg_pool1d(rearrange(tokens, "b n d -> b d n"), length)
            return rearrange(flat, "b d t -> b t d")
        return reduce(tokens[:, 1:], "b (p t) d -> b t d", "mean", t=length)  # token 0: the video


class Stored(nn.Module):
    """In a tower's place: its features, stored before, `(B, T, d)`."""

    def __init__(self, feature_dim, dim):
        super().__init__()
        if feature_dim != dim:
            raise StudyError(f"the features have {feature_dim} numbers a segment, this system's "
                             f"encoder gives {dim}: use that encoder's, or the small preset")
        self.dim = dim

    def forward(self, features):
        return features


def clip(size, feature_dim=None, **options):
    """CLIP's tower with its projection, or its `Stored` features where `feature_dim` is given."""
    return (ClipTower(size, **options) if feature_dim is None else
            Stored(feature_dim, CLIP[size]["projection_dim"]))
