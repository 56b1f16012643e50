"""Saliency along a few videos, as the paper's Fig. 4 draws it: which videos is decided by a rule."""

import numpy as np
import pandas as pd

from tfe import fidelity

COLUMNS = ["video_id", "auc_of_choice", "row", "segment", "truth", "attention", "leave_one_out"]


def strips(dataset, runs, split, quantiles=(1 / 6, 3 / 6, 5 / 6)):
    """Saliency along a few videos: one line a video, row and segment; first seed of each row.

    The videos are chosen by rule, not by eye: those at `quantiles` of the within-video AUC of the
    first vanilla row's leave-one-out read-out. Empty where there are no true intervals to tell
    apart. Oracles are left out: they see the segments rearranged.
    """
    first = {}
    for run in runs:
        if (run.metrics and split in run.metrics["splits"]
                and run.settings.method != "oracle-mask"):
            first.setdefault(run.row, run)
    vanilla = next((r for r in first.values() if r.settings.method == "vanilla"), None)
    if dataset.segments is None or vanilla is None or is_closed(dataset):
        return pd.DataFrame(columns=COLUMNS)
    read = {row: _read_outs(run, split) for row, run in first.items()}
    ids, segments = read[vanilla.row]["video_ids"], read[vanilla.row]["attention"].shape[1]
    truth = dataset.truth(ids, segments).any(axis=1)
    auc = fidelity.per_video(read[vanilla.row]["leave_one_out"], truth)["auc"]
    order = np.argsort(auc, kind="stable")[:np.isfinite(auc).sum()]  # nan sorts last
    if not len(order):  # as where every segment of every window shows some action
        return pd.DataFrame(columns=COLUMNS)
    chosen = [order[int(q * len(order))] for q in quantiles]
    return pd.DataFrame([
        {"video_id": ids[n], "auc_of_choice": auc[n], "row": row, "segment": t,
         "truth": int(truth[n, t]), "attention": each["attention"][n, t],
         "leave_one_out": each["leave_one_out"][n, t]}
        for n in chosen for row, each in read.items() for t in range(segments)], columns=COLUMNS)


def _read_outs(run, split):
    """A run's read-outs per video `(N, T)`; leave-one-out as the mean over the true classes."""
    arrays = np.load(run.folder / "predictions.npz")
    targets = arrays[f"{split}.targets"]
    falls = (arrays[f"{split}.leave_one_out"] * targets[..., None]).sum(1)
    return {"video_ids": arrays[f"{split}.video_ids"], "attention": arrays[f"{split}.attention"],
            "leave_one_out": falls / np.maximum(targets.sum(1, keepdims=True), 1)}


def is_closed(dataset):
    """Whether the licence forbids to pass the dataset's lists on: no id, interval or class is written."""
    return "not to be passed on" in dataset.settings.get("licence", "")
