"""What a search chose, on other sets than those it was searched on (`book.runs.worlds`)."""

import pandas as pd

from book.evidence import multiverse
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

    Seeds on one fold of a set are averaged first, so that `seeds` counts folds there. Holm's rule runs over
    all lines of a measure.
    """
    parts = []
    for head in dict.fromkeys(method.backbone for method in worlds.search.methods):
        for name in here(worlds, frame, head):
            runs = frame[frame.dataset == name]
            first = runs.iloc[0]
            parts.append(_held(worlds, head, _by_fold(runs)).assign(
                dataset=name, synthetic=first.synthetic, metric=first.metric))
    return corrected(pd.concat(parts, ignore_index=True)) if parts else pd.DataFrame()


def said(worlds, frame):
    """For the README: of each choice with TFE, on how many sets it is above or below its rivals, in sentences.

    Rivals are the plain head of its search and those of `also`; a case is a choice on a set.
    """
    lines = table(worlds, frame)
    if lines.empty:
        return ""
    plain = [method.row for method in worlds.search.methods if method.method == "vanilla"]
    lines = lines[lines.row.isin([f"{row}+TFE" for row in plain]) & lines.against.isin([*plain, *worlds.also])]
    sets = lines.groupby("row").dataset.nunique()
    return " ".join([
        "What the search chose was trained anew on other sets, nothing tuned there ([chapter "
        f"20](book/20_when.ipynb)): {', '.join(f'{row} on {n}' for row, n in sets.items())}. A case is a choice "
        "on a set. *Alone* counts those that are not clear, but whose own interval leaves out zero.",
        *(f"{row} beside {against}: recognition {_counted(part)}. AUC {_counted(part, 'auc_')}."
          for (row, against), part in lines.groupby(["row", "against"]))])


def _counted(lines, prefix=""):
    """In how many cases, a line each, there is which verdict; in words. Of those not clear, what each says alone."""
    words = lines.apply(verdict, axis=1, prefix=prefix)
    alone = lines[words == "no clear difference"]
    above, below = (alone[f"{prefix}difference_low"] > 0).sum(), (alone[f"{prefix}difference_high"] < 0).sum()
    return ", ".join(f"{word} in {n}" for word, n in words[words != ""].value_counts().items()) + (
        f" (alone {above} above, {below} below)" if above + below else "")


def _by_fold(runs):
    """Runs of a set with folds as means of a fold, which take the place of seeds; others as they are."""
    if runs.fold.isna().any():
        return runs
    cells = runs.groupby(["method", "config", "split", "fold"], as_index=False)
    return cells[["value", "fidelity_auc"]].agg(lambda values: values.mean(skipna=False)).rename(
        columns={"fold": "seed"})


def _held(worlds, head, runs):
    """The choices of a head beside their rivals of the same search, and of others."""
    mine = {method.row: worlds.chosen[method.row] for method in worlds.search.methods if method.backbone == head}
    lines = [multiverse.held(worlds.search, mine, runs)]
    for rival in worlds.also:
        other, method, rules = worlds.rows[rival]
        if method.backbone == head:
            row = multiverse.with_tfe(worlds.search, other)
            lines.append(pd.DataFrame(multiverse.held_across(row, mine[row], runs, rival, rules, runs, ["test"])))
    return pd.concat(lines)
