"""One fit without a notebook: for searches of many hundreds, whose rows stand in one table.

The way is that of `book/run.ipynb`: train on the split train, measure what was not trained on.
"""

import hashlib
import json
import time
from dataclasses import asdict
from functools import cache
from importlib import metadata
from pathlib import Path

import torch
from safetensors.torch import save_file

from book.runs import checkpoint, provenance
from book.runs.settings import Settings
from data.files import store
from data.files.dataset import open_dataset
from data.files.paths import DRAWN, LOCAL, atomic, digest, sha256
from tfe import evaluation, systems, training

STARTS = LOCAL / "starts"  # trained vanilla heads that fits begin at


@cache
def opened(data, encoder):
    """What fits share: the dataset, its features x `(N, T, f)`, targets, truth, rows, and a key."""
    dataset = open_dataset(data)
    features = store.open_features(dataset, encoder)
    return (dataset, features.x, dataset.targets(features.video_ids),
            dataset.truth(features.video_ids, features.x.shape[1]),
            dataset.rows(features.video_ids), (dataset.key, _features_key(features)))


def _features_key(features):
    """A key of what our own features depend on, as `data.encoders.store_key` says; else of their values.

    Not of our values: processors add in another order, and the last digits differ. Nor of the bytes of
    videos that are drawn or joined here, which x264 writes otherwise on another maker's processor: of what
    they are made by. A search may so go on on another machine, and its rows name their device. Of clips
    that are joined, their dataset's tables count, and not their bytes.
    """
    if features.meta["origin"] != "tfe":
        return features.key
    drawn, index = features.folder.parents[1] / DRAWN, features.folder / "index.csv"
    made = {name: value for name, value in features.meta.items() if name != "sha256"}
    return digest([sha256(drawn if drawn.is_file() else index), *features.video_ids,
                   json.dumps(made, sort_keys=True)])


def key(settings, data, encoder, begin=None):
    """A fit's key: the hash of its settings, its data, the code it runs, and its start's key."""
    code = provenance.sources(__file__, (settings.backbone, settings.method))
    identity = [asdict(settings), begin and key(begin, data, encoder), opened(data, encoder)[-1], code,
                metadata.version("torch")]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def fit(settings, data, encoder, splits, begin=None, watch=None):
    """Train one system and measure it on `splits`: `(a row for each split, the system)`.

    begin: the settings of the vanilla head that it begins at, if its start is warm; that head is
    trained where no fit has done so yet. watch: of a system, what stands in the place of its
    checkpoint (`tfe.training.fit`) and so sees it after every epoch.
    """
    torch.set_num_threads(1)
    dataset, x, targets, truth, rows, _ = opened(data, encoder)
    training.seed_everything(settings.seed)
    system = settings.build(len(dataset.classes), x.shape[2], dataset.task)
    if begin:
        systems.warm_start(system, start(begin, data, encoder))
    begun = time.perf_counter()
    history = training.fit(system, x[rows["train"]], targets[rows["train"]], settings.plan(),
                           seed=settings.seed, device=settings.device,
                           checkpoint=watch and watch(system))
    ended = {"status": history.status, "loss_n": history.rows[-1].get("loss_n"),
             "uninformed": history.prior_ce, "seconds": time.perf_counter() - begun}
    if history.status == "diverged":
        return [{"split": split, **ended} for split in splits], system
    return [{"split": split, **measured(system, split, data, encoder), **ended}
            for split in splits], system


def measured(system, split, data, encoder):
    """The metric in percent and the AUC of each read-out, of a trained system on a split."""
    dataset, x, targets, truth, rows, _ = opened(data, encoder)
    at = rows[split]
    found = evaluation.measure(evaluation.predict(system, x[at], targets[at]), targets[at],
                               None if truth is None else truth[at], dataset.task)
    auc = {name: found.get(name, {}).get("auc") for name in (
        "fidelity", "attention_fidelity", "class_attention_fidelity")}
    return {"value": 100 * found["value"], "fidelity_auc": auc["fidelity"],
            "attention_auc": auc["attention_fidelity"],
            "class_attention_auc": auc["class_attention_fidelity"]}


def start(settings, data, encoder):
    """The weights of a trained vanilla head, from the file that an earlier fit left or anew."""
    path = STARTS / f"{key(settings, data, encoder)}.safetensors"
    if not path.is_file():
        _, system = fit(settings, data, encoder, ())
        with atomic(path) as temporary:
            save_file({name: value.contiguous() for name, value in system.state_dict().items()},
                      temporary)
    return checkpoint.tensors(Path(path))[0]
