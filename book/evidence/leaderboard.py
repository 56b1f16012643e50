"""The leaderboard: every method on every set, what was not run, and whether a method clears the bar.

Rows come from `results/peers.csv` (`book.runs.search`): one a set, method, seed and read-out. A run that
diverged has no read-out and one row. `book.evidence.choice` ranks methods over sets.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from book.evidence import choice, detection, statistics, verdicts
from tfe.errors import StudyError

# What every method has: the one asks the head, the other is the method's own.
READ = {"leave_one_out": "leave one out", "attention": "own read-out"}
SINCE = {"single": "a segment alone"}  # asked for after two sets were read: shown, and decides nothing
UNFINISHED = "_unfinished.csv"  # ends a committed file of cells that lack seeds: a batch goes on from it alone
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
COLUMNS = ["dataset", "synthetic", "row", "method", "backbone", "config", "seed", "fold", "metric", "value",
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
    place = _placed(found)[1].reset_index()
    best = place.sort_values(["rank", "mean", "config"]).groupby("method").config.first()
    return {row: int(best[row]) for row in rows if row in best}


def _placed(found):
    """What configurations came to, rows x sets, and their mean rank and mean, the latter negative."""
    values = pd.concat([frame.set_index(["method", "config"]).value.rename(name)
                        for name, frame in found.items()], axis=1).dropna()
    return values, pd.DataFrame({"rank": values.groupby(level="method").rank(ascending=False).mean(axis=1),
                                 "mean": -values.mean(axis=1)})


def tried(found, plan, picked):
    """How sure a choice is, a line a row of `picked`, `{row: {"config", axis: value}}` as in `peers.json`.

    found: as of `chosen`; plan: the file, read. `useful`: tries within five points of the row's best, the mean
    over sets; `lead`: mean rank of the next less that of the chosen; `at an end`: chosen values at an end of
    an axis of three numbers or more, in words; `settings`: all of them.
    """
    values, place = _placed(found)
    axes = {one["row"]: plan["search"] | one["search"] | {"config": []} for one in plan["methods"]}
    lines = []
    for row, drawn in picked.items():
        own, ranked = values.loc[row], place.loc[row]["rank"].sort_values()
        ends = [f"{axis} {value}" for axis, value in drawn.items() if len(of := axes[row][axis]) > 2
                and not isinstance(of[0], str) and value in (str(min(of)), str(max(of)))]
        lines.append({"row": row, "useful": float((own > own.max() - 5).sum().mean()),
                      "lead": ranked.iloc[1] - ranked.iloc[0], "at an end": ", ".join(ends),
                      "settings": str(drawn).strip("{}").replace("'", "")})
    return pd.DataFrame(lines, columns=["row", "useful", "lead", "at an end", "settings"])


def mark(name, synthetic=False):
    """A set's name, with what a reader must know of it."""
    if synthetic or name.startswith(GENERATED):
        return name + SYNTHETIC
    return name + SUPERVISED if name in SCORED else name


def marked(frame):
    """The rows with sets so named."""
    return frame.assign(dataset=[mark(*each) for each in zip(frame.dataset, _synthetic(frame))])


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

    `unit`: what is independent of others, a fold or, on a set without, a seed. Raises StudyError for a
    measure that the table has not.
    """
    if measure not in MEASURES | MORE:
        raise StudyError(f"measure {measure} is none of the leaderboard's: choose among "
                         + ", ".join(MEASURES | MORE))
    part = frame if measure == "value" else frame[(frame.readout == readout) | frame.readout.isna()]
    part = part.drop_duplicates(["row", "key"])
    return part.assign(unit=_unit(part), **{
        measure: part[measure].astype(float).mask(part.status == "diverged", -np.inf)})


def _unit(frame):
    """Seeds on one fold share their test videos, and most of their training."""
    return frame.fold.where(frame.fold.notna(), frame.seed)


def cells(frame, measure="value", readout="leave_one_out"):
    """The mean over folds or seeds, sets x methods: -inf where a seed diverged, nan where one was not run.

    How many seeds a set has is told by its method that has most.
    """
    return _by_cell(frame, measure, readout, lambda values, seeds: (
        values.groupby(level=0).mean().mean() if values.notna().sum() == seeds else np.nan)).astype(float)


def intervals(frame, measure="value", readout="leave_one_out"):
    """The same in words, methods x sets: the mean over folds or seeds and its 95% t interval."""
    words = _by_cell(frame, measure, readout, lambda values, seeds: _in_words(values, seeds, measure))
    return words.T.astype(object).fillna("")


def _by_cell(frame, measure, readout, of):
    """of: takes the values of a cell, a Series by unit, and of how many seeds its set is."""
    seeds, names, rows = frame.groupby("dataset").seed.nunique(), frame.dataset.unique(), frame.row.unique()
    found = {cell: of(part.set_index("unit")[measure], seeds[cell[0]])
             for cell, part in runs(frame, measure, readout).groupby(["dataset", "row"])}
    return pd.DataFrame({row: {name: found.get((name, row)) for name in names} for row in rows}, names, rows)


def panels(frame, readouts=tuple(READ)):
    """What methods are ranked by, `{title: sets x methods}`: recognition, the others by each read-out."""
    return {"recognition": cells(frame)} | {
        f"{title}, {(READ | SINCE).get(readout, readout)}": cells(frame, measure, readout)
        for measure, title in MEASURES.items() if measure != "value" for readout in readouts}


def scopes(frame, tuned=()):
    """Sets by what they are, `{words: names}`: all; real and synthetic; without supervised scores; several labels.

    tuned: names of those on which settings were chosen; the last scope is of all other kinds.
    """
    sets = frame.drop_duplicates("dataset")
    made = _synthetic(sets)
    return {words: list(sets.dataset[of]) for words, of in {
        "all sets": made | ~made, "real sets": ~made, "synthetic sets": made,
        "sets without supervised scores": ~sets.dataset.str.startswith(SCORED),
        "sets of several labels": sets.metric != "accuracy",
        "sets not tuned on": ~sets.dataset.map(choice.kind).isin([choice.kind(mark(name)) for name in tuned])
        }.items()}


def seconds(frame, starts=()):
    """Seconds of a final fit, the mean over the sets of `choice.complete`, a Series by method.

    starts: by warm row, the row of the head where it begins, `{row: row}`: on a set that has it, its fit
    counts as well. A set's are the median over seeds.
    """
    wide = frame.drop_duplicates(["row", "key"]).astype({"seconds": float}).pivot_table(
        "seconds", "dataset", "row", "median", sort=False)
    for row, start in dict(starts).items():
        if {row, start} <= set(wide):
            wide[row] += wide[start].fillna(0)
    return choice.complete(wide).mean()


def begun(methods, starts):
    """Where warm rows begin, `{row: row}`, by the `methods` and `starts` of a file: rows of such a head."""
    heads = {(one["backbone"], one["method"]): one["row"] for one in methods
             if one.get("settings", {}).get("start") != "warm"}
    of = {one["row"]: (one["backbone"], starts[one["backbone"]].get("method", "vanilla")) for one in methods
          if one.get("settings", {}).get("start") == "warm"}
    return {row: heads[head] for row, head in of.items() if head in heads}


def endings(frame):
    """Runs that did not end well, `row, status, runs, of`: how many, of all of the method's."""
    each = frame.drop_duplicates(["row", "key"])
    found = each.groupby(["row", "status"], sort=False).size().rename("runs").reset_index()
    found["of"] = found.row.map(each.groupby("row").size())
    return found[found.status != "finished"].reset_index(drop=True)


def fallen(frame):
    """Runs that ended well and recognise less than half of the median of their cell: in words, a cell each."""
    each = frame[frame.status == "finished"].drop_duplicates(["row", "key"])
    middle = each.groupby(["row", "dataset"]).value.transform("median")
    cells = (each.value < middle / 2).groupby([each.row, each.dataset], sort=False).agg(["sum", "size"])
    return [f"{row} on {name}: {cell['sum']} of {cell['size']} runs recognise less than half of its median"
            for (row, name), cell in cells[cells["sum"] > 0].iterrows()]


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

    By AUC against true intervals, and by AOPCR, which asks the head itself: mean ranks over kinds of sets, as
    logits differ in size. `margin`, `head_margin`: over the second, with a 95% t interval over kinds, the
    latter in the head's own logits; `clear`: whether the former's interval lies above zero. `agree`: the share
    of kinds on which both name the same.
    """
    cell = frame[frame.readout.notna()].groupby(["row", "dataset", "readout"], sort=False)[
        ["auc", "aopcr"]].mean().dropna()
    lines = []
    for row, part in cell.groupby("row", sort=False):
        auc, aopcr = (part[judge].droplevel("row").unstack() for judge in ("auc", "aopcr"))
        same = choice.places(auc).idxmin(axis=1) == choice.places(aopcr).idxmin(axis=1)
        (first, margin, low), (by_head, head_margin, _) = _over(auc), _over(aopcr)
        lines.append((row, first, margin, low > 5e-4,  # not by the last digit shown
                      by_head, head_margin, float(same.mean())))
    return pd.DataFrame(lines, columns=["row", "by_intervals", "margin", "clear", "by_head", "head_margin",
                                        "agree"])


def _over(wide):
    """The best read-out by its mean rank, equal ones by their mean; its lead on the second, in words; its low end."""
    means = choice.kinds(wide)
    order = pd.DataFrame({"rank": choice.places(wide).mean(), "mean": -means.mean()})
    first, *others = order.sort_values(["rank", "mean"], kind="stable").index
    if not others:
        return first, "", np.nan
    over = (means[first] - means[others[0]]).dropna()
    if len(over) and over.abs().max() < 5e-4:  # two names of one thing, as in mean pooling
        return f"{first} or {others[0]}", "equal", np.nan
    return first, f"{choice.signed(over)} over {others[0]}", statistics.mean_interval(over)[1] if len(over) else np.nan


def told(frame):
    """What masks say of the label, a line a method that has one: in words, over kinds of sets, in 0..1.

    `encoded`: what a probe reads off masks beyond masks of other videos; `honest`: the same of true
    intervals; `beyond`: the one less the other, paired. `hidden`: by how much the system's own answer
    beats an evaluator's, of the k picked segments more than of all. Each is a mean with its 95% t interval.
    """
    found = frame[frame.probe.notna()].drop_duplicates(["row", "key"])
    found = found.assign(encoded=found.probe - found.probe_permuted,
                         honest=found.probe_truth - found.probe_permuted, beyond=found.probe - found.probe_truth,
                         hidden=found.own_selected - found.evaluator_selected - (
                             found.own - found.evaluator_all))
    names = ["encoded", "honest", "beyond", "hidden"]
    sets = found.groupby(["row", "dataset"], sort=False)[names].mean().reset_index()
    of = sets.groupby(["row", sets.dataset.map(choice.kind)], sort=False)[names].mean()
    return pd.DataFrame([{"row": row} | {name: choice.signed(part[name]) for name in names}
                         for row, part in of.groupby("row", sort=False)], columns=["row", *names])


def cleared(frame, ours, rivals, wanted, margin=1.0, readouts=tuple(READ)):
    """Does row `ours` clear the bar: a line a set of `wanted`, `{set: seeds}`, that has intervals and it.

    The bar: its AUC is above that of *every* one of `rivals`, each interval clear of zero, and its metric
    not below any by more than `margin` points, by each of `readouts`; pairs are of folds, or of seeds.
    `diverged`: rivals of which every seed diverged: they count as beaten. `lacking`: others without a value
    or a divergence at each seed. `whole`: whether `ours` has a value at each. It is `met` where neither lacks
    any, and `unbeaten`, against whom it falls short by any read-out, are none. `half_width`: of the 95% interval
    of the difference in the metric, in points, the median over rivals.
    """
    lines = []
    for name, part in frame[frame.dataset.isin(wanted)].groupby("dataset", sort=False):
        if ours not in set(part.row) or part.auc.isna().all():
            continue
        seeds, gone = set(wanted[name]), _seeds(part[part.status == "diverged"])
        runs = part[part.auc.notna() & part.value.notna()].rename(columns={"auc": "fidelity_auc"})
        judged = [runs[runs.readout == readout] for readout in readouts]
        whole = all(seeds <= _seeds(of).get(ours, set()) for of in judged)
        beaten = [row for row in rivals if seeds <= gone.get(row, set())]
        lacking = [row for row in rivals if not all(
            seeds <= _seeds(of).get(row, set()) | gone.get(row, set()) for of in judged)]
        held = [row for row in rivals if row not in beaten + lacking] if whole else []
        against = [line for of in judged for line in verdicts.bar(
            of.assign(seed=_unit(of)), ours, held, margin).to_dict("records")]
        short = [line["against"] for line in against if not line["met"]]
        reach = [(line["difference_high"] - line["difference_low"]) / 2 for line in against]
        unbeaten = [row for row in rivals if row in lacking + short or not whole]
        lines.append({"dataset": name, "synthetic": bool(_synthetic(part).any()), "rivals": len(rivals),
                      "unbeaten": "all" if len(unbeaten) == len(rivals) else ", ".join(unbeaten),
                      "lacking": ", ".join(lacking), "diverged": ", ".join(beaten), "whole": whole,
                      "half_width": np.median(reach) if reach else np.nan, "met": not unbeaten})
    return pd.DataFrame(lines, columns=["dataset", "synthetic", "rivals", "unbeaten", "lacking", "diverged",
                                        "whole", "half_width", "met"]).astype(
        {"synthetic": bool, "whole": bool, "met": bool})


def _seeds(runs):
    return runs.groupby("row").seed.agg(set).to_dict()


def verdict(lines, ours, kinds=4):
    """What `cleared` comes to, in words: the bar asks for `kinds` kinds of sets, a real one among them.

    A kind is won where each of its sets is. One whose features saw the labels of frames is not real.
    """
    if lines.empty:
        return f"{ours}: the bar is not run."
    real = ~lines.synthetic & ~lines.dataset.str.startswith(SCORED)
    each = lines.assign(real=real).groupby(lines.dataset.map(choice.kind))[["met", "real"]].all()
    won, own = int(each.met.sum()), int((each.met & each.real).sum())
    words = [f"{ours} clears the bar on {won} of {len(each)} kinds of sets" + (
        f", {own} of them real and without supervised scores" if won else "")]
    words += [f"on {name} it lacks seeds and so fails" for name in lines.dataset[~lines.whole]]
    words += [f"on {line.dataset} it cannot win, as seeds are lacking of {line.lacking}"
              for line in lines[lines.lacking != ""].itertuples()]
    words += [f"on {line.dataset} every seed diverged of {line.diverged}, which counts as beaten"
              for line in lines[lines.diverged != ""].itertuples()]
    met = ("met" if won >= kinds and own else "not met" if len(each) >= kinds else
           f"not met, and with {len(each)} run it could not be")
    return "; ".join(words) + f". It asks for {kinds}, one of them real and without supervised scores: {met}."


class Board(NamedTuple):
    """A leaderboard's rows beside its plan."""

    frame: pd.DataFrame  # of methods alone
    wanted: dict  # {set: seeds}
    tfe: list  # the rows with TFE
    rivals: list  # all other rows
    ranked: pd.DataFrame  # `frame` without controls
    cost: pd.Series  # seconds of a fit and its start, by row
    scopes: dict  # {words: sets}


def laid_out(frame, plan):
    """Rows as of `results/peers.csv` beside the file `peers.yaml`, read: a `Board`."""
    frame, rows = methods(marked(frame)), [one["row"] for one in plan["methods"]]
    tfe = [one["row"] for one in plan["methods"] if one["method"].startswith("tfe")]
    return Board(
        frame, {mark(name): one.get("seeds") or plan["seeds"] for name, one in plan["sets"].items()},
        tfe, [row for row in rows if row not in tfe], frame[~frame.row.isin(plan["beside"])],
        seconds(frame, begun(plan["methods"], plan["starts"])), scopes(frame, plan["development"]))


def answered(frame, plan, ours="TFE-plus", control="Gated MIL trained on"):
    """Which method to use, for the README: a sentence and a list.

    frame: rows as of `results/peers.csv`; plan: the file `peers.yaml`, read. Says which sets were run, since
    sets that were not are no part of the answer. Where `ours` is advised, `control` says what TFE has added.
    """
    frame, wanted, _, rivals, ranked, costs, known = laid_out(frame, plan)
    decides, since = panels(ranked), panels(ranked, tuple(SINCE))
    there = list(choice.complete(decides["recognition"]).index)
    of = {words: [name for name in there if name in names] for words, names in known.items()}
    real = [name for name in of["real sets"] if name in of["sets without supervised scores"]]
    of_real = choice.ranks(decides["recognition"].loc[real])
    added = [f"{title} " + verdicts.interval(line, "gain", "+", 1 if title == "recognition" else 3)
             for title, wide in panels(frame[frame.dataset.isin(there)], (*READ, *SINCE)).items()
             if title.startswith(choice.DECIDE)
             for line in choice.gains(wide, [ours], [control]).to_dict("records")]
    marks = [name[name.find("(") + 1:-1] if "(" in name else "real" for name in there]
    sorts = ", ".join(f"{marks.count(one)} {one.replace('supervised', 'of supervised')}"
                      for one in dict.fromkeys(marks))
    bar, read = cleared(frame, ours, rivals, wanted), trusted(ranked[ranked.dataset.isin(there)])
    bar = bar[bar.dataset.isin(there)]
    best, lacking = read.by_intervals == "single", choice.left_out({"": decides["recognition"].loc[there]})
    every = panels(frame, tuple(SINCE))
    with_controls = choice.advice(choice.standings(every, {"": of["all sets"]})[""], costs)
    points = [
        f"*Decided beforehand.* AUC is read by leaving a segment out, and by each method's own read-out. By these "
        f"and recognition, {choice.advised(decides, of['all sets'], costs)}.",
        f"*Real sets.* On the {len(real)} without supervised scores {', '.join(of_real.row[:1])} is first by recognition. "
        f"Ranks tell it apart from {', '.join(of_real.query('told').row) or 'none'}.",
        f"*A segment alone* as read-out was asked for later. By it, {choice.advised(since, of['all sets'], costs)}.",
        f"*Sets not tuned on.* By these three read-outs, "
        f"{choice.advised(panels(ranked, (*READ, *SINCE)), of['sets not tuned on'], costs)}.",
        f"*What TFE adds.* {ours} beside its own start, trained on without TFE: {'. '.join(added)}."
        if added else "",
        f"*Controls*, {' and '.join(plan['beside'])}, are not ranked. With them ranked too, by a segment alone: "
        f"{with_controls}.",
        f"*Read-outs.* True intervals call a segment alone the best of {best.sum()} of {len(read)} methods, of "
        f"{(best & read.clear).sum()} by a single interval above zero.",
        f"*A better TFE.* {verdict(bar, ours)} The bar: more AUC than every rival, and recognition within a point "
        f"of each. On {(bar.half_width > 1).sum()} of {len(bar)} sets its intervals reach further than that point."
        + "".join(f" Of {line.row} {line.runs} of {line.of} runs ended {line.status}."
                  for line in endings(frame).itertuples()),
        *(f"{line[0].upper()}{line[1:]}." for line in lacking)]
    beside = len(plan["beside"])
    return (f"*Which method to use?* {len(plan['methods']) - beside} methods and {beside} controls were tuned alike, "
            f"{plan['configurations']} configurations each, and measured on "
            f"{'all' if len(there) == len(wanted) else f'{len(there)} of'} {len(wanted)} planned "
            f"sets ([chapter 23](book/23_leaderboard.ipynb)): {sorts}. Sets of one generator or of the same "
            f"recordings count once: {len({choice.kind(name) for name in there})} kinds. A method is *near* the "
            "first if ranks do not tell the two apart and it lies at most a point or .02 AUC behind. Of these the "
            "cheapest is named.\n\n"
            + "\n".join(f"- {point}" for point in points if point))


def page(frame, wanted, rows, beside=()):
    """The leaderboard in words: measures by set and method, ranks, and what was not run; Markdown.

    beside: rows that are shown and not ranked.
    """
    lost, bad, frame = missing(frame, wanted, rows), endings(frame), methods(marked(frame))
    parts = [of_set(frame).rename(index={row: f"{row} (control)" for row in beside}).to_markdown(),
             best(frame, beside)] if frame.dataset.nunique() == 1 else []
    for title, wide in panels(frame).items() if not parts else ():
        parts += [f"{title}, means over seeds:", wide.T.to_markdown(floatfmt=".3f")]
        wide = wide.drop(columns=beside, errors="ignore")
        if len(found := choice.ranks(wide)):
            parts += [f"Mean ranks of {title}:", *choice.left_out({title: wide}),
                      found.drop(columns="each").to_markdown(index=False, floatfmt=".2f")]
    parts += ["Not run in full:", lost.to_markdown(index=False)] if len(lost) else []
    parts += ["Runs that did not end well:", bad.to_markdown(index=False)] if len(bad) else []
    parts += [f"{line}." for line in fallen(frame)]
    return "\n\n".join(parts)


def of_set(frame):
    """One set's measures by method and read-out, the mean over seeds and its 95% t interval, in words.

    What no method has, as fidelity on a set without intervals, has no column.
    """
    name, asked = frame.dataset.iloc[0], MEASURES | {"aopcr": MORE["aopcr"]}
    found = pd.DataFrame({asked["value"]: intervals(frame)[name]} | {
        f"{title}, {words}": intervals(frame, measure, readout)[name]
        for readout, words in READ.items() for measure, title in asked.items() if measure != "value"})
    return found.loc[:, (found != "").any()]


def best(frame, beside=()):
    """Whose mean is highest on one set, by what methods are ranked by; in words, as one set tests nothing."""
    tops = {title: wide.drop(columns=beside, errors="ignore").iloc[0].replace(-np.inf, np.nan).dropna()
            for title, wide in panels(frame).items()}
    return "Highest mean: " + "; ".join(f"{title} {values.idxmax()}" for title, values in tops.items()
                                        if len(values)) + ". One set ranks and tests nothing: compare intervals."


def _in_words(values, seeds, measure):
    if lost := int(np.isinf(values).sum()):
        return f"{lost} of {len(values)} diverged"
    if (there := values.dropna()).empty:
        return ""
    middle, *ends = statistics.mean_interval(there.groupby(level=0).mean())  # a fold, or a seed, once
    if measure != "aopcr":  # all others begin at 0 and end
        ends = np.clip(ends, 0, 100 if measure == "value" else 1)
    line = dict(zip(("mean", "mean_low", "mean_high"), (middle, *ends)))
    words = verdicts.interval(line, "mean", digits=1 if measure == "value" else 3)
    return words if len(there) == seeds else f"{words}, {len(there)} of {seeds} seeds"
