"""Our systems beside the official repositories' modules, with equal random weights.

    python tests/parity.py DIR

DIR holds checkouts of the three repositories, in folders named BIKE, Text4Vis and MSQNet, at the
commits below; nothing of them is kept here. It writes results/parity.csv, at full size, and
tests/parity.json, at narrow size: the names and shapes of the official weights, and what the official
modules answer to weights and inputs from a seeded generator. tests/test_parity.py holds ours to
those numbers. Needs about 8 GB of memory, and a few minutes.
"""

import argparse
import csv
import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np
import torch

from tfe import backbones, systems
from data.encoders import clip, official
from tfe.backbones import towers
from data.files.paths import RESULTS, ROOT, atomic, write_text

COMMITS = {"bike": "e8f6a8b8b573878e03d1c06246d830d65bf87799",
           "text4vis": "d61b34d0208a03ce6146edcc51033b2a040cb249",
           "msqnet": "a340f6e8868b088a5d6a46d863bc9f228f861fa7"}
STORED = ROOT / "tests" / "parity.json"
SEED = 0
WANTED = 1e-5  # the greatest gap that is rounding alone
FULL = {"classes": 157, "segments": 16, "preset": "paper", "vocabulary": 49408, "text": 768,
        "clip": (336, 24, 1024, 14, 12), "dim": 512, "clip_size": "clip-l14-336"}
NARROW = {"classes": 4, "segments": 16, "preset": "narrow", "vocabulary": 60, "text": 128,
          "clip": (32, 2, 64, 16, 2), "dim": 512, "clip_size": "clip-narrow"}

SIZES = {"narrow": NARROW, "paper": FULL}
FEW = {"segments": 2, "classes": 5}  # in CLIP neither frames nor classes meet: few say as much as many


def drawn(shapes, seed=SEED):
    """Weights from a seeded generator, `{name: float32 tensor}`, in the order of their names."""
    rng, weights = np.random.default_rng(seed), {}
    for name in sorted(shapes):
        shape = tuple(shapes[name])
        value = np.asarray(rng.standard_normal(shape, dtype=np.float32))
        norm = len(shape) == 1 and name.endswith("weight")
        scale = 0.1 if len(shape) < 2 else 1 / np.sqrt(shape[-1])
        weights[name] = torch.from_numpy(np.asarray(np.float32(norm) + np.float32(scale) * value))
    return weights


def inputs(size, resolution, seed=SEED):
    """Frames `(1, T, 3, R, R)`, 0 to 255, and token ids `(C, 77)` that end in the highest."""
    rng = np.random.default_rng(seed + 1)
    frames = rng.integers(0, 256, (1, size["segments"], 3, resolution, resolution))
    ids = rng.integers(1, size["vocabulary"] - 1, (size["classes"], 77))
    for row, end in enumerate(rng.integers(4, 70, size["classes"])):
        ids[row, end], ids[row, end + 1:] = size["vocabulary"] - 1, 0
    return torch.from_numpy(frames).float(), torch.from_numpy(ids)


def ours(name, size, **head):
    """Our vanilla system at that size, in eval mode."""
    return systems.Vanilla(backbones.build(name, size["classes"], preset=size["preset"],
                                           task="singlelabel", **head)).eval()


def shapes_of(*modules):
    return {f"{prefix}{name}": list(value.shape) for prefix, module in modules
            for name, value in module.state_dict().items()}


@torch.no_grad()
def answers(name, weights, size):
    """What our systems say, `{part: tensor}`, with weights under official names."""
    if name == "msqnet":
        system = ours("msqnet", size, dim=size["dim"], legacy_pooling=True)
        fill_msqnet(system, weights)
        frames, _ = inputs(size, system.backbone.embed.video.resolution)
        return {"logits, legacy pooling": system.classify(system.embed(frames))[0]}
    found, said, x = official.parts(checkpoint(weights)), {}, None
    for part, head in {"bike": {"logits, concept spotting": {}, "logits, mean": {"spotting": "mean"}},
                       "text4vis": {"logits": {}}}[name].items():
        if x is not None:  # the encoder has spoken: what it said is stored
            head = {**head, "feature_dim": x.shape[-1]}
        system = ours(name, size, **head)
        official.load(system, found)
        if x is None:
            frames, ids = inputs(size, system.backbone.embed.resolution)
            text, x = clip.text(found["text"], ids), system.embed(frames)
        system.backbone.set_text(text)
        said |= {"image embeddings": x, "class text": text.classes, "word text": text.words,
                 "temporal Transformer": system.backbone.temporal(x),
                 part: system.classify(x)[0]}
    return said


def checkpoint(weights):
    """The layout in which BIKE saves: CLIP's tensors and the head's, after training on many GPUs."""
    sides = {"clip.": "model_state_dict", "head.": "fusion_model_state_dict"}
    return {side: {f"module.{name.removeprefix(prefix)}": value for name, value in weights.items()
                   if name.startswith(prefix)} for prefix, side in sides.items()}


def fill_msqnet(system, weights):
    """MSQNet has no released weights: its names as ours, for this comparison alone."""
    backbone, reader = system.backbone, system.approximator
    for module, prefix in ((backbone.embed.video.model, "backbone."),
                           (backbone.embed.guide.model, "image_model."),
                           (backbone.embed.linear, "linear1."), (backbone.join, "linear2."),
                           (backbone.encoder, "transformer.encoder."),
                           (reader.decoder, "transformer.decoder.")):
        module.load_state_dict({name.removeprefix(prefix): value for name, value in weights.items()
                                if name.startswith(prefix)})
    for ours_, theirs in ((backbone.queries, "query_embed"), (reader.weight, "group_linear.W"),
                          (reader.bias, "group_linear.b")):
        ours_.data.copy_(weights[theirs].reshape(ours_.shape))


def gaps(stored, found):
    """How far answers are from stored ones, `{part: gap}`, relative to the largest value of each.

    A stored answer is its first eight numbers and the greatest amount in it.
    """
    return {part: (found[part].flatten()[:8].double() - torch.tensor(numbers, dtype=torch.float64)
                   ).abs().max().item() / largest for part, (*numbers, largest) in stored.items()}


# From here on: the official modules. None of this runs in the tests.

def module(path, name):
    """A file of a checkout as a module, without its package, which would want more libraries."""
    spec = importlib.util.spec_from_file_location(name, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def theirs(name, home, size):
    """`(shapes, call)`: call(weights) gives the official answers, `{part: tensor}`."""
    return _msqnet(home / "MSQNet", size) if name == "msqnet" else _clip_based(name, home, size)


def _clip_based(name, home, size):
    folder = home / {"bike": "BIKE", "text4vis": "Text4Vis"}[name]
    resolution, layers, width, patch, text_layers = size["clip"]
    wide = size["text"]
    clip = module(folder / "clip" / "model.py", f"{name}_clip").CLIP(
        wide, resolution, layers, width, patch, 77, size["vocabulary"], wide, wide // 64, text_layers)
    header = module(folder / "modules" / "video_clip.py", f"{name}_head")
    clip.visual.transformer.grad_checkpointing = clip.transformer.grad_checkpointing = False
    state = clip.state_dict()
    heads = ({part: header.video_header("Transf", kind, state) for part, kind in
              (("logits, concept spotting", "VCS"), ("logits, mean", "DP"))} if name == "bike" else
             {"logits": header.video_header("Transf", state)})
    shapes = shapes_of(("clip.", clip), ("head.", next(iter(heads.values()))))

    @torch.no_grad()
    def call(weights):
        clip.load_state_dict({n.removeprefix("clip."): v for n, v in weights.items()
                              if n.startswith("clip.")})
        frames, ids = inputs(size, resolution)
        images = _normalised(frames).flatten(0, 1)
        x = clip.eval().encode_image(images).view(1, size["segments"], -1)
        if name == "bike":
            classes, words = clip.encode_text(ids, return_token=True)
            said = {"word text": words}
        else:
            classes, said = clip.encode_text(ids), {}
        said |= {"image embeddings": x, "class text": classes}
        scale = clip.logit_scale.exp()
        for part, head in heads.items():
            head.load_state_dict({n.removeprefix("head."): v for n, v in weights.items()
                                  if n.startswith("head.")})
            head.eval()
            if name == "bike":
                said["temporal Transformer"] = head.agg_video_feat(x)
                said[part] = scale * head(x, words, classes)
            else:
                whole = header.VideoCLIP(clip, head, size["segments"]).eval()
                said[part] = whole(images, classes)
        return said
    return shapes, call


def _msqnet(folder, size):
    sys.path.insert(0, str(folder / "multi-label-action-main"))
    file = module(folder / "multi-label-action-main" / "models" / "timesformerclipinitvideoguide.py",
                  "msqnet_official")
    like = ours("msqnet", size, dim=size["dim"])  # its encoders, of transformers in both codes
    embed = like.backbone.embed
    for kind, made in ((file.TimesformerModel, embed.video.model),
                       (file.CLIPVisionModel, embed.guide.model)):
        kind.from_pretrained = staticmethod(lambda *_, made=made, **__: made)
    whole = file.TimeSformerCLIPInitVideoGuide(torch.zeros(size["classes"], size["dim"]),
                                               size["segments"])

    @torch.no_grad()
    def call(weights):
        whole.load_state_dict(weights)
        frames, _ = inputs(size, embed.video.resolution)
        # Their index [1] is the pooled output, which this release gives by name as well.
        return {"logits, legacy pooling": whole.eval()(_normalised(frames))}
    return shapes_of(("", whole)), call


def _normalised(frames):
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (towers.MEAN, towers.STD))
    return (frames / 255 - mean) / std


def error(ours_, theirs_):
    """The greatest difference, relative to the greatest value."""
    return ((ours_ - theirs_).abs().max() / theirs_.abs().max()).item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("home", type=Path, metavar="DIR")
    parser.add_argument("--size", choices=SIZES, nargs="+", default=SIZES, help="default: both")
    parser.add_argument("--system", choices=COMMITS, nargs="+", default=COMMITS, help="default: all")
    options = parser.parse_args()
    home = options.home
    sys.modules.setdefault("utils", types.ModuleType("utils")).__path__ = [
        str(home / "MSQNet" / "multi-label-action-main" / "utils")]
    for size, name in ((SIZES[size], name) for size in options.size for name in options.system):
        if size is FULL and name != "msqnet":
            size = FULL | FEW
        shapes, call = theirs(name, home, size)
        weights = drawn(shapes)
        expected, found = call(weights), answers(name, weights, size)
        if size is NARROW:
            stored = json.loads(STORED.read_text(encoding="utf-8")) if STORED.is_file() else {}
            stored[name] = {"shapes": shapes, "answers": {
                part: np.float64(value.flatten()[:8]).round(7).tolist() + [value.abs().max().item()]
                for part, value in expected.items()}}
            write_text(STORED, json.dumps(stored) + "\n")
        record([(name, part, COMMITS[name][:10], f"{error(found[part], value):.1e}",
                 "x".join(map(str, value.shape)), size["preset"], str(SEED), torch.__version__)
                for part, value in expected.items()])


def record(rows):
    """Put the rows of one system and size into results/parity.csv, in place of older ones."""
    path, head = RESULTS / "parity.csv", [("system", "part", "official_commit", "relative_error",
                                           "shape", "size", "seed", "torch")]
    print(*rows, sep="\n", flush=True)
    old = []
    if path.is_file():
        with open(path, newline="", encoding="utf-8") as file:
            old = [tuple(row) for row in list(csv.reader(file))[1:]]
    made = {(row[0], row[5]) for row in rows}
    order = list(COMMITS)
    kept = sorted([row for row in old if (row[0], row[5]) not in made] + rows,
                  key=lambda row: (row[5], order.index(row[0]) if row[0] in order else 0))
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(head + kept)


if __name__ == "__main__":
    main()
