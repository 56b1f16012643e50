"""Saliency along a few videos, as the paper's Fig. 4 draws it: which videos is decided by a rule."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from book import plots
from data.video import decode
from tfe import fidelity
from tfe.errors import StudyError

COLUMNS = ["video_id", "auc_of_choice", "row", "segment", "truth", "attention", "leave_one_out"]


def strips(dataset, runs, split):
    """Saliency along a few videos: one line a video, row and segment; first seed of each row.

    The videos are chosen by rule, not by eye: those at 1/6, 3/6 and 5/6 of the within-video AUC of the
    first vanilla row's leave-one-out read-out; without true intervals, of its mean score of the true
    classes, and `truth` and `auc_of_choice` are nan. Empty where there is nothing to tell apart.
    Oracles are left out: they see the segments rearranged.
    """
    first = {}
    for run in runs:
        if (run.metrics and split in run.metrics["splits"]
                and run.settings.method != "oracle-mask"):
            first.setdefault(run.row, run)
    vanilla = next((r for r in first.values() if r.settings.method == "vanilla"), None)
    if vanilla is None or is_closed(dataset):
        return pd.DataFrame(columns=COLUMNS)
    read = {row: _read_outs(run, split) for row, run in first.items()}
    ids, segments = read[vanilla.row]["video_ids"], read[vanilla.row]["attention"].shape[1]
    if dataset.segments is None:
        truth, auc = np.full((len(ids), segments), np.nan), np.full(len(ids), np.nan)
        choice = read[vanilla.row]["score"]
    else:
        truth = dataset.truth(ids, segments).any(axis=1)
        choice = auc = fidelity.per_video(read[vanilla.row]["leave_one_out"], truth)["auc"]
    order = np.argsort(choice, kind="stable")[:np.isfinite(choice).sum()]  # nan sorts last
    if not len(order):  # as where every segment of every window shows some action
        return pd.DataFrame(columns=COLUMNS)
    chosen = dict.fromkeys(order[int(q * len(order))] for q in (1 / 6, 3 / 6, 5 / 6))
    return pd.DataFrame([
        {"video_id": ids[n], "auc_of_choice": auc[n], "row": row, "segment": t,
         "truth": truth[n, t] + 0, "attention": each["attention"][n, t],
         "leave_one_out": each["leave_one_out"][n, t]}
        for n in chosen for row, each in read.items() for t in range(segments)], columns=COLUMNS)


def _read_outs(run, split):
    """A run's read-outs per video `(N, T)`; leave-one-out as the mean over the true classes."""
    arrays = np.load(run.folder / "predictions.npz")
    targets = arrays[f"{split}.targets"]
    falls = (arrays[f"{split}.leave_one_out"] * targets[..., None]).sum(1)
    true = np.maximum(targets.sum(1, keepdims=True), 1)
    return {"video_ids": arrays[f"{split}.video_ids"], "attention": arrays[f"{split}.attention"],
            "leave_one_out": falls / true,
            "score": (arrays[f"{split}.scores"] * targets / true).sum(1)}


def rule(saliency):
    """How the videos of a table of strips were chosen, in words."""
    measure = ("the score of the true classes" if saliency.auc_of_choice.isna().all() else
               "the fidelity AUC")
    return ("the test videos at a sixth, half and five sixths of the way from the lowest to the "
            f"highest by {measure} of the first vanilla row")


def picture(dataset, saliency):
    """The strips of `strips` as a figure: of each video frames, if there are, truth, and the heads.

    Grey is the leave-one-out saliency of the true classes, white is high; behind a row's name
    stands its AUC in this video, where the true intervals are known.
    """
    blocks = [(name, part) for name, part in saliency.groupby("video_id", sort=False)]
    labels = dataset.videos.set_index("video_id").labels
    rows = saliency.row.nunique() + 1
    fig = plt.figure(figsize=(10, len(blocks) * (1.5 + 0.22 * rows)), layout="constrained")
    for half, (name, part) in zip(np.atleast_1d(fig.subfigures(len(blocks))), blocks):
        frames, strip = half.subplots(2, height_ratios=[1, 0.22 * rows])
        frames.set_title(f"{name}: {', '.join(labels[name])}", fontsize=9, parse_math=False)
        _frames(frames, dataset, name, part.segment.max() + 1)
        _strip(strip, part)
    return fig


def _strip(ax, part):
    """A row of grey for the truth, where it is known, and for each head."""
    grid = {}
    for row, each in part.groupby("row", sort=False):
        truth, falls = each.truth.to_numpy(float), each.leave_one_out.to_numpy()
        share, known = fidelity.normalised(falls), np.isfinite(truth).all()
        grid |= {"truth": truth} if known and not grid else {}
        auc = fidelity.per_video(falls[None], truth[None])["auc"][0] if known else np.nan
        grid[f"{row} {auc:.2f}" if np.isfinite(auc) else row] = share / share.max()
    plots.greys(ax, list(grid), np.stack(list(grid.values())))
    ax.set_xticks([])


def _frames(ax, dataset, name, segments):
    """The frame of each segment, side by side; nothing where there is no video to decode."""
    ax.axis("off")
    try:
        frames = decode.sample(dataset.files[name], int(segments))
    except (KeyError, StudyError):  # features of one's own, or a video that is gone
        return
    ax.imshow(np.concatenate(list(plots.thinned(frames, 100)), axis=1), aspect="auto")


def is_closed(dataset):
    """Whether the licence forbids to pass the dataset's lists on: no id, interval or class is written."""
    return "not to be passed on" in dataset.settings.get("licence", "")
