# %% [markdown]
# # One run
#
# Train one system with one seed on stored features, measure it, and write
# what was measured. Every row of every table is this notebook, run by
# papermill with other parameters:
#
# ```
# .venv/bin/papermill book/run.ipynb out.ipynb --cwd book \
#   -p method tfe -p seed 3
# ```
#
# As it stands here it runs in seconds on `smoke`, a tiny **synthetic**
# dataset, and its numbers mean nothing beyond "it runs".

# %% tags=["parameters"]
data: str = "../data/smoke"  # help: a dataset folder
encoder: str = "planted"  # help: whose features
backbone: str = "bike"  # help: a name of tfe.backbones, or none
method: str = "tfe"  # help: of tfe.systems.METHODS, or a peer's file
seed: int = 0  # help: of weights, order and noise
profile: str = "smoke"  # help: smoke, default or paper
device: str = "cpu"  # help: cpu, cuda or auto
threads: int = 1  # help: results repeat bit for bit at one number
game: dict = {}  # help: options of tfe.adversary.Game
disentangler: dict = {}  # help: options of tfe.Disentangler
head: dict = {}  # help: options of the backbone, or of the pooling
schedule: dict = {}  # help: options of tfe.training.Schedule
depth: str = "table4"  # help: what stays below D; or last (every layer)
start: str = "cold"  # help: or warm: begin where the run in begin ended
begin: str = ""  # help: the folder of that run, of a vanilla head
splits: list = ["val", "test", "shifted"]  # help: where to measure
protocol: str = "single-view"  # help: or multi-clip, of 4 clips
measures: list = ["erasure", "probes"]  # help: what else to measure
out: str = ""  # help: a folder for all that it makes; none: nothing

# %%
import time

import numpy as np
import torch

from book.evidence import printed_map, probes
from book.evidence.erasure import erasure, headline
from book.runs import checkpoint, products, protocols, provenance
from book.runs.settings import Settings
from data.files import store
from data.files.dataset import open_dataset
from tfe import evaluation, systems, training

torch.set_num_threads(threads)
settings = Settings.of(globals())

# %% [markdown]
# The features are read as they are stored: float16, `(N, T, d)`. The oracle
# alone is told where the actions are.

# %%
dataset = open_dataset(data)
features = store.open_features(dataset, encoder)
rows = dataset.rows(features.video_ids)
targets = dataset.targets(features.video_ids)
views = protocols.views(features.x, protocol)  # (clips, N, T, f)
truth = dataset.truth(features.video_ids, views.shape[2])
if method == "oracle-mask":
    views = np.stack([protocols.oracle(view, truth) for view in views])
x = views[len(views) // 2]  # one clip to learn from
print({split: len(of_split) for split, of_split in rows.items()})

# %%
training.seed_everything(seed)
system = settings.build(len(dataset.classes), x.shape[-1], dataset.task)
if start == "warm":
    systems.warm_start(system, checkpoint.weights(begin))
print(system.backbone.spec)
print(sum(p.numel() for p in system.parameters()), "parameters")

# %% [markdown]
# Training sees the split `train` and nothing else. A checkpoint of the last
# epoch lies in `out`; an interrupted run goes on from it.

# %%
begun = time.perf_counter()
history = training.fit(
    system, x[rows["train"]], targets[rows["train"]], settings.plan(),
    seed=seed, device=device,
    checkpoint=checkpoint.Checkpoint(out) if out else None)
seconds = time.perf_counter() - begun
print(history.status, history.rows[-1])

# %% [markdown]
# Losses in nats. The dashed line is what a critic that knows only the class
# frequencies would lose; a non-salient loss far above it means that D makes
# A_N wrong, which is not the same as uninformed. What only draws is no part
# of the run's key.

# %% tags=["drawing"]
from book import plots

plots.style()
plots.show(
    plots.losses(history), "losses", f"Losses of {method} on "
    f"{dataset.name}{' (synthetic)' if dataset.synthetic else ''}.",
    alt="Training losses over epochs, and the uninformed critic's.")

# %%
measured, predictions = {}, {}
for split in splits:
    at = rows[split]
    if not len(at) or history.status == "diverged":
        continue
    predictions[split] = protocols.averaged(
        system, views[:, at], targets[at])
    # An oracle sees the segments rearranged: no fidelity along time.
    known = truth is not None and method != "oracle-mask"
    measured[split] = evaluation.measure(
        predictions[split], targets[at], truth[at] if known else None,
        dataset.task)
    if dataset.task == "multilabel":
        measured[split]["peers"] = printed_map.peers(
            targets[at], predictions[split]["scores"])
    if "erasure" in measures:
        falls = predictions[split]["leave_one_out"]
        measured[split]["erasure"] = erasure(
            system, x[at], targets[at],
            headline(predictions[split], targets[at]),
            falls if len(views) == 1 else None)
    value = measured[split]["value"]
    print(f"{split} {measured[split]['metric']} {value:.3f}")

# %% [markdown]
# A fooled critic is not removed information: readers trained afresh say what
# the embeddings still tell, where the scenes are those of training.

# %%
asked = {s: rows[s] for s in measured if s != "shifted"}
if "probes" in measures and isinstance(system, systems.TFE) and asked:
    for split, found in probes.probe_splits(
            system, x, targets, rows["train"], asked).items():
        measured[split]["probes"] = found
        print(split, {name: round(value, 3)
                      for name, value in found.items()})

# %%
if out:
    ids = np.array(features.video_ids)
    products.save_predictions(out, {
        f"{split}.{name}": value for split, each in predictions.items()
        for name, value in {**each, "targets": targets[rows[split]],
                            "video_ids": ids[rows[split]]}.items()})
    products.save_metrics(out, {
        "splits": measured, "status": history.status,
        "history": history.rows, "prior_ce": history.prior_ce,
        "features": features.meta,
        "seconds": seconds,
        "receipt": provenance.receipt(device, threads)})
