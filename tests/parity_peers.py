"""The peers of `tfe/backbones/peers/` beside their authors' code, with equal random weights.

    python tests/parity_peers.py DIR

DIR holds checkouts of the repositories below at their commits; nothing of them is kept here. It
writes a line a peer and part into results/parity.csv, and tests/parity_peers.json: the names and
shapes of the official weights, and what the official code answers to weights and inputs from a
seeded generator. tests/test_peers.py holds ours to those numbers.
"""

import json
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from parity import SEED, drawn, error, module, record, shapes_of

from data.files.paths import ROOT, write_text

MILLET = "MILTimeSeriesClassification", "1af66eee53c3e8d11ec80fc0fc5986bc45026249"
OFFICIAL = {"additive": MILLET, "conjunctive": MILLET,
            "dsmil": ("dsmil-wsi", "80465ed534ac49b5e550833da56c27936f0b9440"),
            "transmil": ("TransMIL", "9d6aee57c7c72375fb9132dc58cd8c9b0f0a949c"),
            "bas_net": ("BaSNet-pytorch", "c8c6bbd84a33d14fa7e6d7bbfdbd0d6db286d9b6")}
# The official names of the weights, and ours.
POOLING = {"attention_head.": "gate.", "instance_classifier.": "linear."}
NAMES = {"additive": POOLING, "conjunctive": POOLING,
         "dsmil": {"i_classifier.fc.": "score.", "b_classifier.q.": "query.",
                   "b_classifier.fcc.": "read."},
         "transmil": {"pos_layer.proj.": "places.0.", "pos_layer.proj1.": "places.1.",
                      "pos_layer.proj2.": "places.2.", "cls_token": "token",
                      "layer1.norm.": "norms.0.", "layer1.attn.": "first.",
                      "layer2.norm.": "norms.1.", "layer2.attn.": "last.",
                      "norm.": "norms.2.", "_fc2.": "linear."},
         "bas_net": {"filter_module.conv_1.0.": "filter.0.", "filter_module.conv_2.0.": "filter.2.",
                     "cas_module.conv_1.0.": "classifier.0.",
                     "cas_module.conv_2.0.": "classifier.2.",
                     "cas_module.conv_3.0.": "classifier.5."}}
STORED = ROOT / "tests" / "parity_peers.json"
VIDEOS, SEGMENTS, DIM, CLASSES = 3, 16, 32, 4
WIDTHS = {"bas_net": dict(hidden=2048, filtered=512), "transmil": dict(dim=512)}  # fixed there


def inputs(name):
    """Embeddings `(B, T, d)`, and labels `(B, C)` with at least one a video."""
    rng = np.random.default_rng(SEED + 1)
    labels = rng.random((VIDEOS, CLASSES)) < 0.5
    labels[:, 0] |= ~labels.any(axis=1)
    size = VIDEOS, SEGMENTS, WIDTHS.get(name, {}).get("dim", DIM)
    x = rng.standard_normal(size, dtype=np.float32)
    return torch.from_numpy(x), torch.from_numpy(labels).float()


def scaled(shapes):
    """`parity.drawn`, but a convolution's weights by all that they sum over: scores stay small."""
    return {name: value if value.ndim < 3 else value / value.shape[1]**0.5
            for name, value in drawn(shapes).items()}


@torch.no_grad()
def answers(name, weights):
    """What our peer says, `{part: tensor}`, with weights under official names."""
    system = import_module(f"tfe.backbones.peers.{name}").System(
        CLASSES, feature_dim=DIM, **{"dim": DIM} | WIDTHS.get(name, {})).eval()
    head, (x, labels) = system.make_approximator().eval(), inputs(name)
    state = head.state_dict()
    for official, value in weights.items():
        prefix = next(p for p in NAMES[name] if official.startswith(p))
        own = NAMES[name][prefix] + official.removeprefix(prefix)
        state[own] = value.reshape(state[own].shape)
    head.load_state_dict(state)
    logits, attention = head(system.temporal(x))
    said = {"attention": attention, "logits": logits}
    if name == "bas_net":  # whose classes compete, background among them
        said["scores"] = system.scores(said.pop("logits"))
    if name in ("bas_net", "dsmil"):  # which have losses of their own
        head.train()
        for layer in head.modules():
            layer.train(not isinstance(layer, torch.nn.Dropout))
        said["loss"] = system.loss(head(x)[0], labels).reshape(1)
    return said


# From here on: the authors' code. None of this runs in the tests.

def theirs(name, home):
    """`(shapes, call)`: call(weights) gives the official answers, `{part: tensor}`."""
    folder, x, labels = home / OFFICIAL[name][0], *inputs(name)
    torch.Tensor.cuda = lambda tensor, *_: tensor  # some of their code asks for a GPU
    if name in ("additive", "conjunctive"):
        file = module(folder / "millet" / "model" / "pooling.py", "millet_pooling")
        whole = getattr(file, f"MIL{name.capitalize()}Pooling")(DIM, CLASSES)

        def call():
            said = whole(x.mT)
            return {"logits": said["bag_logits"], "attention": said["interpretation"]}
    elif name == "dsmil":
        file = module(folder / "dsmil.py", "dsmil_official")
        whole = file.MILNet(file.IClassifier(torch.nn.Identity(), DIM, CLASSES),
                            file.BClassifier(DIM, CLASSES))

        def call():
            each = [whole(bag) for bag in x]  # a bag at a time there
            bags = torch.cat([bag for _, bag, _, _ in each])
            tops = torch.stack([scores.max(0)[0] for scores, _, _, _ in each])
            loss = torch.nn.BCEWithLogitsLoss()  # as their training loop adds the two
            return {"logits": (bags + tops) / 2,
                    "attention": torch.stack([a.T for *_, a, _ in each]),
                    "loss": (0.5 * loss(bags, labels) + 0.5 * loss(tops, labels)).reshape(1)}
    elif name == "transmil":
        whole = module(folder / "models" / "TransMIL.py", "transmil_official").TransMIL(CLASSES)
        whole._fc1 = torch.nn.Identity()  # the embedding: ours stands before the head

        def call():
            return {"logits": whole(data=x)["logits"]}
    else:
        whole = module(folder / "model.py", "bas_net_official").BaS_Net(DIM, CLASSES, SEGMENTS)
        criterion = module(folder / "train.py", "bas_net_train").BaS_Net_loss(1e-4)

        def call():
            plain, _, filtered, scores, weights = whole(x)
            return {"scores": filtered[:, :-1], "attention": scores[..., :-1].mT,
                    "loss": criterion(plain, filtered, weights, labels)[0].reshape(1)}
    shapes = {key: shape for key, shape in shapes_of(("", whole)).items()
              if not key.endswith(".pe")}  # which is not learnt

    @torch.no_grad()
    def answer(weights):
        whole.load_state_dict(weights, strict=False)
        whole.eval()
        return call()
    return shapes, answer


def main(home):
    stored = {}
    for name, (_, commit) in OFFICIAL.items():
        shapes, call = theirs(name, home)
        weights = scaled(shapes)
        expected, found = call(weights), answers(name, weights)
        stored[name] = {"shapes": shapes, "answers": {
            part: [*value.flatten()[:8].double().numpy().round(7).tolist(),
                   value.abs().max().item()]
            for part, value in expected.items()}}
        record([(name.replace("_", "-"), part, commit[:10], f"{error(found[part], value):.1e}",
                 "x".join(map(str, value.shape)), "peer", str(SEED), torch.__version__)
                for part, value in expected.items()])
    write_text(STORED, json.dumps(stored) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
