"""The summary of a table: means, intervals, and differences paired by seed."""

import numpy as np
import pandas as pd

from book.evidence import statistics
from tfe import metrics

# Differences below these say that two rows are equal, fixed beforehand (results/plan.md): points, AUC.
MARGINS = {"value": 1.0, "fidelity_auc": 0.02}
REPEATS = 200  # of the bootstrap: its standard deviation is then known to a twentieth


def summary(frame, runs):
    """One line a row and split of a table's `frame`: mean, intervals, difference to `against`.

    `low`, `high` are t intervals over seeds on these test videos; `video_low`, `video_high` count
    the draw of test videos as well. Differences are paired by seed; `holm` corrects their p values
    for all differences of the table; `equal` says that two one-sided tests place one within `MARGINS`. Where
    seeds share folds, each fold counts once, with the mean of its seeds. `loss_n` is the mean final L_N in
    nats, `uninformed` the loss of a critic that knows the class frequencies alone; `collapsed`, in tables that
    have such runs, counts those that answer every video alike.
    """
    lines = []
    for (row, split), cell in frame.groupby(["row", "split"], sort=False):
        mine = {run.settings.seed: run for run in runs if run.row == row and run.metrics}
        one = next(iter(mine.values()))
        theirs = {run.settings.seed: run for run in runs
                  if run.row == one.against and run.metrics}
        other = frame[(frame.row == one.against) & (frame.split == split)]
        cell, other, seen = _by_fold(cell, mine), _by_fold(other, theirs), cell
        lines.append({
            "row": row, "against": one.against, "method": seen.method.iloc[0],
            "backbone": seen.backbone.iloc[0], "split": split, "metric": seen.metric.iloc[0],
            "seeds": seen.value.count(), **_game(mine.values()),
            **_collapsed(mine.values(), split, seen.metric.iloc[0]),
            **compared(cell, other)})
        _widen(lines[-1], mine, theirs, split)
    return corrected(pd.DataFrame(lines))


def _by_fold(cell, runs):
    """A cell whose seeds share folds, a line a fold: they share its test videos, and count once.

    A fold of which a run diverged has no value.
    """
    data = {seed: run.data for seed, run in runs.items()}
    if not 1 < len(set(data.values())) < len(data):
        return cell
    return cell.assign(seed=cell.seed.map(data)).groupby("seed", as_index=False)[["value", "fidelity_auc"]].agg(
        lambda values: values.mean(skipna=False))


def compared(cell, other):
    """Means, t intervals and paired differences of one cell's runs to another's, in both measures.

    cell, other: frames with `seed`, `value` and `fidelity_auc`; of an `other` without runs there is no
    difference.
    """
    return {**_mean(cell, "value", ("value", "low", "high"), 100),
            **_mean(cell, "fidelity_auc", ("auc", "auc_low", "auc_high"), 1),
            **_difference(cell, other, "value", ""),
            **_difference(cell, other, "fidelity_auc", "auc_")}


def corrected(lines):
    """Lines with `holm` and `auc_holm`: their p values after Holm's rule over all lines of a measure."""
    return lines.assign(**{name: statistics.holm(lines[p]) for p, name in (("p", "holm"), ("auc_p", "auc_holm"))
                           if p in lines})


def _game(runs):
    """How the runs' game ended: counts, and the mean final L_N where there is an A_N."""
    status = [run.metrics["status"] for run in runs]
    last = [run.metrics["history"][-1].get("loss_n") for run in runs]
    found = {name: status.count(name) for name in ("runaway", "diverged")}
    if None not in last:
        found |= {"loss_n": np.mean(last), "uninformed": next(iter(runs)).metrics["prior_ce"]}
    return found


def _collapsed(runs, split, metric):
    """How many runs answer every video alike, if any: their metric is that of a constant."""
    count = 0
    for run in runs:
        if split in run.metrics["splits"]:
            arrays = np.load(run.folder / "predictions.npz")
            scores, targets = arrays[f"{split}.scores"], arrays[f"{split}.targets"]
            alike = (scores.argmax(1) == scores[0].argmax() if metric == "accuracy"
                     else np.isclose(scores, scores[0], rtol=0, atol=1e-6))
            count += bool(alike.all() and (targets != targets[0]).any())
    return {"collapsed": count} if count else {}


def _mean(cell, column, names, most):
    """A mean and its t interval, which ends where the measure does: at 0 and at `most`."""
    values = cell[column].dropna()
    if not len(values):
        return {}
    mean, low, high = statistics.mean_interval(values)
    return dict(zip(names, (mean, *np.clip((low, high), 0, most))))


def _difference(cell, other, column, prefix):
    """The paired difference of a row to its baseline over the seeds that both have."""
    pair = statistics.paired_by_seed(*(table.set_index("seed")[column] for table in (cell, other)),
                                     margin=MARGINS[column])
    names = {"low": "difference_low", "high": "difference_high"}
    return {prefix + names.get(name, name): value for name, value in (pair or {}).items()
            if name not in ("seeds", "means")}


def _widen(line, mine, theirs, split):
    """Add the intervals over seeds and test videos; none where a run diverged."""
    def scores(runs, seeds):
        return np.stack([np.load(runs[seed].folder / "predictions.npz")[f"{split}.scores"]
                         for seed in seeds])

    def add(name, low, high, seeds, *systems):
        if not np.isfinite(line.get(high, np.nan)):
            return
        targets = np.load(mine[seeds[0]].folder / "predictions.npz")[f"{split}.targets"]
        score = metrics.mean_average_precision if line["metric"] == "map" else metrics.accuracy
        sd = 100 * statistics.bootstrap(score, targets, *(scores(runs, seeds) for runs in systems),
                                        repeats=REPEATS, resample_seeds=False)["sd"]
        prefix = "" if name == "value" else f"{name}_"
        ends = statistics.over_videos_too(line[name], line[low], line[high], sd)
        line[f"{prefix}video_low"], line[f"{prefix}video_high"] = (
            np.clip(ends, 0, 100) if name == "value" else ends)

    if line["diverged"] or any(run.metrics["status"] == "diverged" for run in theirs.values()):
        return
    if len({run.data for run in mine.values()}) > 1:
        return  # folds: every seed has test videos of its own already
    add("value", "low", "high", sorted(mine), mine)
    shared = sorted(set(mine) & set(theirs))
    if shared:
        add("difference", "difference_low", "difference_high", shared, mine, theirs)
