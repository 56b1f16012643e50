"""Intervals over people beside those over seeds: other people would give other numbers."""

import numpy as np
import pandas as pd

from book.evidence.statistics import mean_interval, paired_by_seed
from tfe import fidelity, metrics

COLUMNS = ["row", "person", "measure", "value"]
# Of each measure: what its differences begin with in a summary, and the names of its own interval.
SUMMARY = {"value": ("", "value", "low", "high"),
           "fidelity_auc": ("auc_", "auc", "auc_low", "auc_high")}


def by_person(dataset, runs, split):
    """One line a row, person and measure: the mean over seeds on the person's videos.

    A person is a `group` of videos.csv. `measure` is "value", the metric in per cent, or
    "fidelity_auc", of the leave-one-out read-out. A class that none of a person's videos shows is left
    out of its mAP. Without a line where there is no such column, and where every fold has people of
    its own: there the intervals over seeds speak of other people already.
    """
    if "group" not in dataset.videos or len({run.data for run in runs}) > 1:
        return pd.DataFrame(columns=COLUMNS)
    lines = [line for run in runs if run.metrics and split in run.metrics["splits"]
             for line in _values(dataset, run, split)]
    table = pd.DataFrame(lines, columns=COLUMNS).dropna()
    return table.groupby(COLUMNS[:-1], sort=False).value.mean().reset_index()


def beside(lines, people):
    """Intervals over seeds beside those over people, of rows and of their differences, paired.

    lines: a summary's lines of one split; people: a table of `by_person`. Columns `row`; `against`, ""
    for a row by itself; `measure`; `number` of people; `by_seed` and `by_person`, each with the ends
    `_low`, `_high`.
    """
    values = {key: own.set_index("person").value
              for key, own in people.groupby(["row", "measure"], sort=False)}
    found = []
    for line in lines.to_dict("records"):
        for measure, (prefix, *names) in SUMMARY.items():
            mine, other = (values.get((line[key], measure)) for key in ("row", "against"))
            if mine is None:
                continue
            found.append((line["row"], "", measure, len(mine), *map(line.get, names),
                          *mean_interval(mine)))
            if other is not None and (pair := paired_by_seed(mine, other)):
                found.append((line["row"], line["against"], measure, pair["seeds"],
                              *(line[f"{prefix}difference{end}"] for end in ("", "_low", "_high")),
                              *(pair[key] for key in ("difference", "low", "high"))))
    return pd.DataFrame(found, columns=["row", "against", "measure", "number", "by_seed", "by_seed_low",
                                        "by_seed_high", "by_person", "by_person_low",
                                        "by_person_high"])


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
        yield run.row, name, "value", 100 * score(said["targets"][own], said["scores"][own])
        if truth is not None and run.settings.method != "oracle-mask":
            yield run.row, name, "fidelity_auc", fidelity.score(
                said["leave_one_out"][own], truth[own], said["targets"][own] > 0)["auc"]
