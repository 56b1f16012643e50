"""What a search chose, on other sets than those it was searched on (`book.runs.worlds`)."""

import pandas as pd

from book.evidence import multiverse
from book.evidence.summary import corrected


def here(worlds, frame):
    """The sets all of whose fits are there, and did not break."""
    made = frame[~frame.status.astype(str).str.startswith("not run")]
    return [name for name in worlds.sets if multiverse.complete(
        made[made.dataset == name], worlds.chosen, worlds.seeds_of(name), ["test"])]


def table(worlds, frame):
    """Each choice on each set that is complete, held against its rivals there: lines of `multiverse.held`.

    Seeds on one fold of a set are averaged first, so that `seeds` counts folds there. Holm's rule runs over all
    lines of a measure.
    """
    verse, parts = worlds.search, []
    for name in here(worlds, frame):
        runs = frame[frame.dataset == name]
        if runs.fold.notna().all():
            runs = runs.groupby(["method", "config", "split", "fold"], as_index=False)[
                ["value", "fidelity_auc"]].agg(lambda values: values.mean(skipna=False)).rename(
                    columns={"fold": "seed"})
        first = frame[frame.dataset == name].iloc[0]
        parts.append(multiverse.held(verse, worlds.chosen, runs).assign(
            dataset=name, synthetic=first.synthetic, metric=first.metric))
    return corrected(pd.concat(parts)) if parts else pd.DataFrame()
