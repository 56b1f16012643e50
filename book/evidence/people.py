"""Intervals over people beside those over seeds: other people would give other numbers."""

import numpy as np
import pandas as pd

from book.evidence.statistics import mean_interval
from tfe import fidelity, metrics


def by_person(dataset, runs, split):
    """One line a row and measure: its mean over people, and the t interval over them.

    A person is a `group` of videos.csv. Its value is the mean over seeds of the metric, in per cent,
    or of the fidelity AUC of the leave-one-out read-out, on its videos. Empty where there is no such
    column. A class that none of a person's videos shows is left out of its mAP.
    """
    if "group" not in dataset.videos:
        return pd.DataFrame(columns=["row", "measure", "people", "value", "low", "high"])
    lines = [line for run in runs if run.metrics and split in run.metrics["splits"]
             for line in _values(dataset, run, split)]
    table = pd.DataFrame(lines, columns=["row", "person", "measure", "value"]).dropna()
    means = table.groupby(["row", "measure", "person"], sort=False).value.mean()
    return pd.DataFrame([
        (row, measure, len(own), *mean_interval(own)) for (row, measure), own in
        means.groupby(["row", "measure"], sort=False)],
        columns=["row", "measure", "people", "value", "low", "high"])


def _values(dataset, run, split):
    """`(row, person, measure, value)` of one run."""
    score = {"map": metrics.mean_average_precision, "accuracy": metrics.accuracy}[dataset.metric]
    with np.load(run.folder / "predictions.npz") as stored:
        said = {name: stored[f"{split}.{name}"] for name in (
            "scores", "targets", "leave_one_out", "video_ids")}
    person = dataset.videos.set_index("video_id").group[said["video_ids"]].to_numpy()
    truth = dataset.truth(list(said["video_ids"]), said["leave_one_out"].shape[2])
    for name in sorted(set(person)):
        own = person == name
        yield run.row, name, dataset.metric, 100 * score(said["targets"][own], said["scores"][own])
        if truth is not None and run.settings.method != "oracle-mask":
            yield run.row, name, "fidelity_auc", fidelity.score(
                said["leave_one_out"][own], truth[own], said["targets"][own] > 0)["auc"]
