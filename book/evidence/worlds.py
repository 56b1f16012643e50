"""What a search chose, on other sets than those it was searched on (`book.runs.worlds`)."""

import pandas as pd

from book.evidence import choice, multiverse, statistics, verdicts
from book.evidence.summary import corrected
from book.evidence.verdicts import verdict


def here(worlds, frame, head):
    """The sets on which all fits of a head, a backbone's name, are there, and did not break."""
    made = frame[~frame.status.astype(str).str.startswith("not run")]
    mine = {row: rules for row, (_, method, rules) in worlds.rows.items() if method.backbone == head}
    return [name for name in worlds.sets if multiverse.complete(
        made[made.dataset == name], mine, worlds.seeds_of(name), ["test"])]


def table(worlds, frame):
    """Each choice on each set that is complete for its head, held against its rivals: as `multiverse.held`.

    `rival`: `against`, and the rule where its choices differ. Seeds on one fold of a set are averaged first, so
    that `seeds` counts folds there. Holm's rule runs over all lines of a measure.
    """
    parts = []
    for head in dict.fromkeys(method.backbone for method in worlds.search.methods):
        for name in here(worlds, frame, head):
            runs = frame[frame.dataset == name]
            first = runs.iloc[0]
            parts.append(_held(worlds, head, _by_fold(runs)).assign(
                dataset=name, synthetic=first.synthetic, metric=first.metric))
    if not parts:
        return pd.DataFrame()
    lines = corrected(pd.concat(parts, ignore_index=True))
    several = lines.groupby(["row", "against"]).chosen_by.transform("nunique") > 1
    return lines.assign(rival=lines.against + (", by " + lines.chosen_by).where(several, ""))


def said(worlds, frame):
    """For the README: each choice with TFE beside its rivals on other sets, in sentences.

    Rivals are the plain head of its search and those of `also`. Of each: the mean over kinds of sets with its
    95% interval, and the sets on which the two are clearly apart. A comparison of which a run diverged is
    left out.
    """
    lines = table(worlds, frame)
    if lines.empty:
        return ""
    plain = [method.row for method in worlds.search.methods if method.method == "vanilla"]
    lines = lines[lines.row.isin([f"{row}+TFE" for row in plain]) & lines.against.isin([*plain, *worlds.also])
                  & (lines.diverged == 0)]
    there = lines.groupby("row")[["dataset", "synthetic"]].apply(lambda part: part.drop_duplicates())
    count = "; ".join(f"{row} on {len(part)}, {(~part.synthetic).sum()} of them real"
                      for row, part in there.groupby(level=0))
    return " ".join([
        f"What the search chose is trained anew on {len(worlds.sets)} other sets, and nothing is tuned there "
        f"([chapter 20](book/20_when.ipynb)). So far: {count}. Differences are means over kinds of sets, "
        "with 95% intervals; a set is named where the two are clearly apart. A rise of AUC counts where "
        "recognition is equal or higher.",
        *(f"{row} beside {rival}: recognition {over(part)}. AUC {over(part, 'auc_')}."
          for (row, rival), part in lines.groupby(["row", "rival"]))])


def over(lines, prefix=""):
    """The mean difference over kinds of sets, and on which sets the two are clearly apart; in words.

    A rise of AUC counts where recognition is equal or higher.
    """
    words = lines.apply(verdict, axis=1, prefix=prefix)
    if prefix:
        words = words.where((words != "higher") | lines.apply(verdict, axis=1).isin(["equal", "higher"]), "")
    each = lines.groupby(lines.dataset.map(choice.kind))[f"{prefix}difference"].mean()
    size = verdicts.interval(dict(zip(("mean", "mean_low", "mean_high"), statistics.mean_interval(each))),
                             "mean", "+", 3 if prefix else 1)
    clear = [f"{word} on {', '.join(lines.dataset[words == word])}"
             for word in ("higher", "lower") if (words == word).any()]
    return f"{size}, {' and '.join(clear) or 'clear on none'}"


def _by_fold(runs):
    """Runs of a set with folds as means of a fold, which take the place of seeds; others as they are."""
    if runs.fold.isna().any():
        return runs
    cells = runs.groupby(["method", "config", "split", "fold"], as_index=False)
    return cells[["value", "fidelity_auc"]].agg(lambda values: values.mean(skipna=False)).rename(
        columns={"fold": "seed"})


def _held(worlds, head, runs):
    """The choices of a head beside their rivals of the same search, and of others."""
    mine = {method.row: worlds.chosen[method.row] for method in worlds.search.methods
            if method.backbone == head}
    lines = [multiverse.held(worlds.search, mine, runs)]
    for rival in worlds.also:
        other, method, rules = worlds.rows[rival]
        if method.backbone == head:
            row = multiverse.with_tfe(worlds.search, other)
            lines.append(pd.DataFrame(multiverse.held_across(
                row, mine[row], runs, rival, rules, runs, ["test"])))
    return pd.concat(lines)
