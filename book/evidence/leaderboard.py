"""The leaderboard: every method on every set, what was not run, and whether a method clears the bar.

Rows come from `results/peers.csv` (`book.runs.search`): one a set, method, seed and read-out. A run that
diverged has no read-out and one row. `book.evidence.choice` ranks methods over sets.
"""

import numpy as np
import pandas as pd

from book.evidence import choice, detection, statistics, verdicts
from tfe.errors import StudyError

# What every method has: the one asks the head, the other is the method's own.
READ = {"leave_one_out": "leave one out", "attention": "own read-out"}
SYNTHETIC, SUPERVISED = " (synthetic)", " (supervised scores)"
GENERATED, SCORED = ("planted", "charades-sim"), ("salads", "gtea")  # known before any row says so
# Shown, and not ranked by. AOPCR ranks no heads: it has the unit of a head's own logits.
MORE = {"aopcr": "AOPCR, in the head's own logits", "auprc": "AUPRC", "ndcg": "NDCG",
        "rank_accuracy": "rank accuracy", "mass": "mass", "pointing": "pointing game"}
# What is ranked, larger is better; all but `value`, the metric in percent, are of a read-out.
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


def mark(name, synthetic=False):
    """A set's name, with what a reader must know of it."""
    if synthetic or name.startswith(GENERATED):
        return name + SYNTHETIC
    return name + SUPERVISED if name in SCORED else name


def marked(frame):
    """The rows with sets so named."""
    made = _synthetic(frame)
    return frame.assign(dataset=[mark(*each) for each in zip(frame.dataset, made)])


def _synthetic(frame):
    return frame.synthetic.astype(str) == "True"


def methods(frame):
    """The rows of methods: who picks segments for a trained head (L2X, AIL) recognises nothing of its own."""
    return frame[frame.explainer.isna()]


def explainers(frame):
    """How well k segments are picked for trained heads, means over seeds: a line a set, head and picker."""
    judged = ["accuracy", "chance", "selected", "rest"]
    return frame[frame.explainer.notna()].astype(dict.fromkeys(judged, float)).groupby(
        ["dataset", "row", "explainer"], sort=False)[judged].mean().reset_index()


def runs(frame, measure="value", readout="leave_one_out"):
    """The rows that hold a measure, one a run: -inf of one that diverged, nan of one that was refused.

    Raises StudyError for a measure that the table has not.
    """
    if measure not in MEASURES | MORE:
        raise StudyError(f"measure {measure} is none of the leaderboard's: choose among "
                         + ", ".join(MEASURES | MORE))
    part = frame if measure == "value" else frame[(frame.readout == readout) | frame.readout.isna()]
    part = part.drop_duplicates(["row", "key"])
    return part.assign(**{measure: part[measure].astype(float).mask(part.status == "diverged", -np.inf)})


def cells(frame, measure="value", readout="leave_one_out"):
    """The mean over seeds, sets x methods: -inf where a seed diverged, nan where nothing was run."""
    return _by_cell(frame, measure, readout, lambda values: values.mean(skipna=False))


def intervals(frame, measure="value", readout="leave_one_out"):
    """The same in words, methods x sets: the mean over seeds and its 95% t interval."""
    return _by_cell(frame, measure, readout, lambda values: _in_words(values, measure)).T.astype(
        object).fillna("")


def _by_cell(frame, measure, readout, of):
    wide = runs(frame, measure, readout).groupby(["dataset", "row"], sort=False)[measure].agg(of).unstack()
    return wide.reindex(index=frame.dataset.unique(), columns=frame.row.unique())


def panels(frame, readouts=tuple(READ)):
    """What methods are ranked by, `{title: sets x methods}`: recognition, the others by each read-out."""
    return {"recognition": cells(frame)} | {
        f"{title}, {READ.get(readout, readout)}": cells(frame, measure, readout)
        for measure, title in MEASURES.items() if measure != "value" for readout in readouts}


def scopes(frame):
    """Sets by what they are, `{words: names}`: all; real and synthetic; one label a video or several."""
    sets = frame.drop_duplicates("dataset")
    made, one = _synthetic(sets), sets.metric == "accuracy"
    return {words: list(sets.dataset[of]) for words, of in {
        "all sets": made | ~made, "real sets": ~made, "synthetic sets": made,
        "sets of one label a video": one, "sets of several labels": ~one}.items()}


def seconds(frame):
    """Seconds of a final fit, the mean over the sets that all methods have, a Series by method."""
    wide = frame.drop_duplicates(["row", "key"]).astype({"seconds": float}).pivot_table(
        "seconds", "dataset", "row", sort=False)
    return wide[wide.isna().mean(axis=1) <= choice.MOST].dropna().mean()


def endings(frame):
    """Runs that did not end well, `row, status, runs, of`: how many, of all of the method's."""
    each = frame.drop_duplicates(["row", "key"])
    found = each.groupby(["row", "status"], sort=False).size().rename("runs").reset_index()
    found["of"] = found.row.map(each.groupby("row").size())
    return found[found.status != "finished"].reset_index(drop=True)


def missing(frame, wanted, rows):
    """What was not run, or diverged: a line a set and method that lacks any of `wanted`, `{set: seeds}`."""
    each = frame.drop_duplicates(["row", "key"])
    each = each[~each.status.astype(str).str.startswith("not run")]
    lines = []
    for name, seeds in wanted.items():
        for row in rows:
            cell = each[(each.dataset == name) & (each.row == row)]
            lost = int((cell.status == "diverged").sum())
            if not set(seeds) <= set(cell.seed) or lost:
                lines.append({"dataset": name, "row": row, "seeds": len(cell), "diverged": lost})
    return pd.DataFrame(lines, columns=["dataset", "row", "seeds", "diverged"])


def trusted(frame):
    """The best read-out of each method by either judge, in a line: how sure it is, and whether both agree.

    By AUC against true intervals, and by AOPCR, which asks the head itself: mean ranks over sets, as logits
    differ in size. `margin`, `head_margin`: over the second, with a 95% t interval over kinds of sets, the
    latter in the head's own logits. `agree`: the share of sets in which both name the same.
    """
    cell = frame[frame.readout.notna()].groupby(["row", "dataset", "readout"], sort=False)[
        ["auc", "aopcr"]].mean().dropna()
    lines = []
    for row, part in cell.groupby("row", sort=False):
        means = part.groupby("dataset").rank().groupby("readout", sort=False).mean()
        best = part.groupby("dataset").idxmax().map(lambda at: at[2])
        lines.append({"row": row, **_over(part.auc, means.auc, "by_intervals", "margin"),
                      **_over(part.aopcr, means.aopcr, "by_head", "head_margin"),
                      "agree": float((best.auc == best.aopcr).mean())})
    return pd.DataFrame(lines, columns=["row", "by_intervals", "margin", "by_head", "head_margin", "agree"])


def _over(values, ranks, best, margin):
    """The best read-out by its mean rank, and by how much it is above the second, in words."""
    first, *others = ranks.sort_values(ascending=False, kind="stable").index
    if not others:
        return {best: first, margin: ""}
    wide = choice.kinds(values.droplevel("row").unstack()[[first, others[0]]])
    found = statistics.mean_interval(wide[first] - wide[others[0]])
    words = verdicts.interval(dict(zip(("mean", "mean_low", "mean_high"), found)), "mean", "+", 3)
    return {best: first, margin: f"{words} over {others[0]}"}


def told(frame):
    """What masks say of the label, means over runs, a line a method that has one, in 0..1.

    `encoded`: what a probe reads off masks beyond masks of other videos; `honest`: the same of true
    intervals. `hidden`: by how much the system's own answer beats an evaluator's, of the k picked segments
    more than of all.
    """
    found = frame[frame.probe.notna()].drop_duplicates(["row", "key"])
    found = found.assign(encoded=found.probe - found.probe_permuted,
                         honest=found.probe_truth - found.probe_permuted,
                         hidden=found.own_selected - found.evaluator_selected - (
                             found.own - found.evaluator_all))
    return found.groupby("row", sort=False)[["encoded", "honest", "hidden"]].mean().reset_index()


def cleared(frame, ours, wanted=None, margin=1.0, readouts=tuple(READ)):
    """Does row `ours` clear the bar: `dataset, synthetic, rivals, unbeaten, whole, met`, a line a set.

    The bar: its AUC is above that of *every* rival, each interval clear of zero, and its metric not
    below any by more than `margin` points, by each of `readouts`. Rivals are all methods without TFE;
    `unbeaten` names those, or all, against whom it falls short by any read-out. `whole`: it has a value
    of each of `wanted`, `{set: seeds}`, by default of all that it has; without them it fails. Sets without it are
    left out.
    """
    lines = []
    for name, part in frame.groupby("dataset", sort=False):
        rivals = part.row[~part.method.str.startswith("tfe")].unique()
        runs = part[part.auc.notna() & part.value.notna()].rename(columns={"auc": "fidelity_auc"})
        if ours not in set(part.row) or not runs.row.isin(rivals).any():
            continue
        judged = [runs[runs.readout == readout] for readout in readouts]
        seeds = set(wanted[name] if wanted else part.seed)
        whole = all(seeds <= set(of.seed[of.row == ours]) for of in judged)
        short = rivals
        if whole:
            found = pd.concat([verdicts.bar(of, ours, rivals, margin) for of in judged])
            short = found.against[~found.met.astype(bool)].unique()
        lines.append({"dataset": name, "synthetic": bool(_synthetic(part).any()), "rivals": len(rivals),
                      "unbeaten": "all" if len(short) == len(rivals) else ", ".join(short),
                      "whole": whole, "met": not len(short)})
    return pd.DataFrame(lines, columns=["dataset", "synthetic", "rivals", "unbeaten", "whole", "met"]).astype(
        {"synthetic": bool, "whole": bool, "met": bool})


def verdict(lines, ours, sets=4):
    """What `cleared` comes to, in words: the bar asks for `sets` sets, a real one among them."""
    if lines.empty:
        return f"{ours}: the bar is not run."
    won = lines[lines.met]
    real, kinds = int((~won.synthetic).sum()), won.dataset.map(choice.kind).nunique()
    words = [f"{ours} clears the bar on {len(won)} of {len(lines)} sets, {real} of them real"]
    words += [f"sets of one generator counted once, on {kinds}"] if kinds < len(won) else []
    words += [f"on {name} it lacks seeds and so fails" for name in lines.dataset[~lines.whole]]
    met = "met" if len(won) >= sets and real else "not met"
    return "; ".join(words) + f". It asks for {sets}, a real one among them: {met}."


def page(frame, wanted, rows):
    """The leaderboard in words: measures by set and method, ranks, and what was not run; Markdown."""
    lost, frame = missing(frame, wanted, rows), methods(marked(frame))
    parts = [of_set(frame).to_markdown()] if frame.dataset.nunique() == 1 else []
    for title, wide in panels(frame).items() if not parts else ():
        parts += [f"{title}, means over seeds:", wide.T.to_markdown(floatfmt=".3f")]
        if len(found := choice.ranks(wide)):
            parts += [f"Mean ranks of {title}:", *choice.left_out({title: wide}),
                      found.drop(columns="each").to_markdown(index=False, floatfmt=".2f")]
    parts += ["Not run in full:", lost.to_markdown(index=False)] if len(lost) else []
    return "\n\n".join(parts)


def of_set(frame):
    """One set's measures by method and read-out, the mean over seeds and its 95% t interval, in words."""
    name = frame.dataset.iloc[0]
    found = {"recognition": intervals(frame)[name]} | {
        f"{MEASURES[measure]}, {words}": intervals(frame, measure, readout)[name]
        for readout, words in READ.items() for measure in MEASURES if measure != "value"}
    return pd.DataFrame(found)


def _in_words(values, measure):
    if lost := int(np.isinf(values).sum()):
        return f"{lost} of {len(values)} diverged"
    if (values := values.dropna()).empty:
        return ""
    middle, *ends = statistics.mean_interval(values)
    if measure != "aopcr":  # all others begin at 0 and end
        ends = np.clip(ends, 0, 100 if measure == "value" else 1)
    line = dict(zip(("mean", "mean_low", "mean_high"), (middle, *ends)))
    return verdicts.interval(line, "mean", digits=1 if measure == "value" else 3)
