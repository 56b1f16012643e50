"""What a search chose, on other sets than those it was searched on (`book.runs.worlds`)."""

import pandas as pd

from book.evidence import multiverse
from book.evidence.summary import corrected


def here(worlds, frame, head):
    """The sets on which all fits of a head, a backbone's name, are there, and did not break."""
    made = frame[~frame.status.astype(str).str.startswith("not run")]
    mine = {row: rules for row, (_, method, rules) in worlds.rows.items() if method.backbone == head}
    return [name for name in worlds.sets if multiverse.complete(
        made[made.dataset == name], mine, worlds.seeds_of(name), ["test"])]


def table(worlds, frame):
    """Each choice on each set that is complete for its head, held against its rivals there: lines of `multiverse.held`.

    Seeds on one fold of a set are averaged first, so that `seeds` counts folds there. Holm's rule runs over all
    lines of a measure.
    """
    verse, parts = worlds.search, []
    for head in dict.fromkeys(method.backbone for method in verse.methods):
        mine = {method.row: worlds.chosen[method.row] for method in verse.methods if method.backbone == head}
        for name in here(worlds, frame, head):
            runs = frame[frame.dataset == name]
            if runs.fold.notna().all():
                runs = runs.groupby(["method", "config", "split", "fold"], as_index=False)[
                    ["value", "fidelity_auc"]].agg(lambda values: values.mean(skipna=False)).rename(
                        columns={"fold": "seed"})
            lines = [multiverse.held(verse, mine, runs)]
            for rival in worlds.also:
                other, method, rules = worlds.rows[rival]
                if method.backbone == head:
                    row = multiverse.with_tfe(verse, other)
                    lines.append(pd.DataFrame(multiverse.held_across(row, mine[row], runs, rival, rules, runs, ["test"])))
            first = frame[frame.dataset == name].iloc[0]
            parts.append(pd.concat(lines).assign(dataset=name, synthetic=first.synthetic, metric=first.metric))
    return corrected(pd.concat(parts)) if parts else pd.DataFrame()
