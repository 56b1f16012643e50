"""The leaderboard: methods ranked over data sets, and how sure a rank may be.

Rows come from `results/peers.csv` (`book.runs.search`): one a set, method, seed and read-out. A rank is
a method's place in a set, 1 the best, equal ones sharing theirs. Friedman's test asks whether ranks
differ at all; by Nemenyi's, two methods are told apart where their mean ranks differ by more than the
critical difference (Demsar, JMLR 2006). Both speak of new data sets of the same kind.
"""

import numpy as np
import pandas as pd
from scipy import stats

from book.evidence import detection, statistics, verdicts

READOUTS = ("attention", "mask", "leave_one_out", "single", "gradients", "attention_logit")
# What is ranked, larger is better; all but `value`, the metric in percent, are of a read-out. AOPCR is not:
# it has the unit of a head's own logits, and ranks the read-outs of one head.
MEASURES = {"value": "recognition", "auc": "AUC", "tiou_map": "tIoU mAP"}
TELL = ["probe", "probe_permuted", "probe_truth", "evaluator_selected", "evaluator_random",
        "evaluator_rest", "evaluator_all", "own", "own_selected"]
PICKS = ["explainer", "selected", "rest", "accuracy", "chance", "videos"]  # in lines of their own
COLUMNS = ["dataset", "synthetic", "row", "method", "backbone", "config", "seed", "metric", "value",
           "absent_classes", "status", "read", "readout", "aopcr", "mass", "auc", "pointing", "auprc", "ndcg",
           "rank_accuracy", *(f"tiou_{at}" for at in detection.TIOU), "tiou_map", "pairs", "skipped_empty",
           "skipped_full", "unlabelled", *TELL, *PICKS, "seconds", "key"]


def read(path):
    """The rows of a leaderboard, a frame; none where there is no file."""
    if not path.is_file():
        return pd.DataFrame(columns=COLUMNS)
    return pd.read_csv(path, dtype={"dataset": str, "row": str, "key": str})


def chosen(found, rows):
    """The configuration of the best mean rank on val over the sets, among its method's own, `{row: config}`.

    found: `{set: rows of a search}`. Ranks, because a mean of percents is ruled by the set with the
    widest spread. Equal ones go by the mean metric, then by number. One that diverged on a set is not
    ranked, and a row without another is left out.
    """
    values = pd.concat([frame.set_index(["method", "config"]).value.rename(name)
                        for name, frame in found.items()], axis=1).dropna()
    place = pd.DataFrame({"rank": values.groupby(level="method").rank(ascending=False).mean(axis=1),
                          "mean": -values.mean(axis=1)}).reset_index()
    best = place.sort_values(["rank", "mean", "config"]).groupby("method").config.first()
    return {row: int(best[row]) for row in rows if row in best}


def cells(frame, measure="value", readout="leave_one_out"):
    """The mean over seeds of each set and method, a table; a cell of which a seed diverged is nan."""
    part = frame if measure == "value" else frame[frame.readout == readout]
    runs = part.drop_duplicates("key").assign(**{measure: part[measure].astype(float)})
    if measure != "value":  # a run without a read-out has no row of it
        lost = frame[frame.status == "diverged"].assign(**{measure: np.nan})
        runs = pd.concat([runs, lost]) if len(lost) else runs
    wide = runs.groupby(["dataset", "row"], sort=False)[measure].agg(
        lambda values: values.mean(skipna=False)).unstack()
    return wide.reindex(index=frame.dataset.unique(), columns=frame.row.unique())


def missing(frame, sets, rows, seeds):
    """What was not run, or diverged: a line a set and method that lacks any of the seeds."""
    runs = frame.drop_duplicates("key")
    lines = []
    for name in sets:
        for row in rows:
            cell = runs[(runs.dataset == name) & (runs.row == row)]
            lost = int((cell.status == "diverged").sum())
            if len(cell) < seeds or lost:
                lines.append({"dataset": name, "row": row, "seeds": len(cell), "diverged": lost})
    return pd.DataFrame(lines, columns=["dataset", "row", "seeds", "diverged"])


def comparable(wide):
    """The sets of a table in which every method was run; methods that never ran are left out."""
    return wide.dropna(axis=1, how="all").dropna(axis=0)


def critical_difference(methods, sets, level=0.95):
    """The difference of mean ranks above which Nemenyi's test tells two of `methods` apart.

    q sqrt(k (k + 1) / (6 N)), q the quantile of the range of k standard normals, over sqrt 2.
    """
    q = stats.studentized_range.ppf(level, methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(methods * (methods + 1) / (6 * sets)))


def ranks(wide, level=0.95):
    """Mean ranks over sets, best first: `row, rank, low, high, sets, p`.

    wide: sets x methods, larger is better. Two methods are told apart where their [low, high], each
    half a critical difference wide to either side, do not meet. p: Friedman's, of all ranks alike.
    No line for fewer than two sets or three methods, which Friedman's test does not take.
    """
    wide = comparable(wide)
    sets, methods = wide.shape
    if sets < 2 or methods < 3:
        return pd.DataFrame(columns=["row", "rank", "low", "high", "sets", "p"])
    mean = wide.rank(axis=1, ascending=False).mean()
    half = critical_difference(methods, sets, level) / 2
    with np.errstate(invalid="ignore"):  # where all tie there is no p
        p = stats.friedmanchisquare(*wide.T.to_numpy()).pvalue
    return pd.DataFrame({
        "row": mean.index, "rank": mean.to_numpy(), "low": (mean - half).to_numpy(),
        "high": (mean + half).to_numpy(), "sets": sets, "p": p}).sort_values("rank", ignore_index=True)


def trusted(frame):
    """The best read-out of each method by either judge: `row, by_intervals, by_head, agree`.

    By AUC against true intervals, and by AOPCR, which asks the head itself: mean ranks over sets, as logits
    differ in size. `agree`: the share of sets in which both name the same.
    """
    cell = frame[frame.readout.notna()].groupby(["row", "dataset", "readout"], sort=False)[
        ["auc", "aopcr"]].mean().dropna()
    lines = []
    for row, part in cell.groupby("row", sort=False):
        means = part.groupby("dataset").rank().groupby("readout", sort=False).mean()
        best = part.groupby("dataset").idxmax().map(lambda at: at[2])
        lines.append({"row": row, "by_intervals": means.auc.idxmax(), "by_head": means.aopcr.idxmax(),
                      "agree": float((best.auc == best.aopcr).mean())})
    return pd.DataFrame(lines, columns=["row", "by_intervals", "by_head", "agree"])


def told(frame):
    """What masks say of the label, means over runs, a line a method that has one, in 0..1.

    `encoded`: what a probe reads off masks beyond masks of other videos; `honest`: the same of true
    intervals. `hidden`: by how much the system's own answer beats an evaluator's of the k picked
    segments.
    """
    runs = frame[frame.probe.notna()].drop_duplicates("key")
    found = runs.assign(encoded=runs.probe - runs.probe_permuted,
                        honest=runs.probe_truth - runs.probe_permuted,
                        hidden=runs.own - runs.evaluator_selected)
    return found.groupby("row", sort=False)[["encoded", "honest", "hidden"]].mean().reset_index()


def cleared(frame, ours, margin=1.0, readout="leave_one_out"):
    """Does row `ours` clear the bar: `dataset, rivals, unbeaten, met`, a line a set that has it?

    The bar: its AUC is above that of *every* rival, each interval clear of zero, and its metric not
    below any by more than `margin` points. Rivals are all methods without TFE; `unbeaten` counts those
    against whom it falls short.
    """
    runs = frame[frame.readout == readout].rename(columns={"auc": "fidelity_auc"})
    runs = runs[runs.fidelity_auc.notna() & runs.value.notna()]
    lines = []
    for name, part in runs.groupby("dataset", sort=False):
        rivals = part.row[~part.method.str.startswith("tfe")].unique()
        if ours in set(part.row) and len(rivals):
            found = verdicts.bar(part, ours, rivals, margin)
            lines.append({"dataset": name, "rivals": len(found), "unbeaten": int((~found.met).sum()),
                          "met": bool(found.met.all())})
    return pd.DataFrame(lines, columns=["dataset", "rivals", "unbeaten", "met"])


def page(frame, sets, rows, seeds):
    """The leaderboard in words: measures by set and method, ranks, and what was not run; Markdown."""
    parts = [of_set(part).to_markdown() for _, part in frame.groupby("dataset", sort=False)
             ] if frame.dataset.nunique() < 2 else []
    for measure, words in MEASURES.items() if not parts else ():
        wide = cells(frame, measure)
        parts += [f"{words}, means over seeds:", wide.T.to_markdown(floatfmt=".3f")]
        if len(found := ranks(wide)):
            parts += [f"Mean ranks of {words}:", found.to_markdown(index=False, floatfmt=".2f")]
    lost = missing(frame, sets, rows, seeds)
    parts += ["Not run in full:", lost.to_markdown(index=False)] if len(lost) else []
    return "\n\n".join(parts)


def of_set(frame, readout="leave_one_out"):
    """One set's measures by method, the mean over seeds and its 95% t interval, in words."""
    runs = frame[frame.readout == readout]
    return pd.DataFrame({words: {row: _in_words(part[measure].dropna(), 1 if measure == "value" else 3)
                                 for row, part in runs.groupby("row", sort=False)}
                         for measure, words in MEASURES.items()})


def _in_words(values, digits):
    if values.empty:
        return ""
    line = dict(zip(("mean", "mean_low", "mean_high"), statistics.mean_interval(values)))
    return verdicts.interval(line, "mean", digits=digits)
