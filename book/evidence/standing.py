"""A table that stands already: whether it is up to date, and what the committed one says beside it.

It imports no scipy and draws nothing, so that a second start can say at once that there is nothing to do.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from book.runs import provenance
from data.files import reading
from data.files.paths import LOCAL, RESULTS

FILES = (".csv", "_summary.csv", "_measures.csv", "_strips.csv", ".md", ".json", ".png")
CODE = Path(__file__).with_name("report.py")  # what adds runs up to a table


def is_current(name, runs, folder=LOCAL):
    """Whether the table in `folder` was made of exactly these runs, by this code."""
    path = folder / f"{name}.json"
    return all((folder / f"{name}{suffix}").is_file() for suffix in FILES) and (
        reading.json_object(path).get("made_of") == made_of(runs))


def made_of(runs):
    """What a table depends on: its rows and runs, and the code that adds them up."""
    return {"runs": [[run.row, run.against, run.folder.name] for run in runs],
            "code": provenance.sources(CODE)}


def beside_committed(name, folder=LOCAL):
    """Means of this table beside the committed one of the same dataset, with the difference."""
    paths = folder / f"{name}.csv", RESULTS / f"{name}.csv"
    if not paths[1].is_file():
        return f"There is no committed {name}.csv to compare with."
    local, committed = (pd.read_csv(path) for path in paths)
    shared = committed.seed.isin(local.seed)
    key = ["row", "dataset", "encoder", "profile", "metric", "split"]
    both = pd.concat([t.groupby(key, sort=False).value.mean()
                      for t in (local, committed[shared] if shared.any() else committed)],
                     axis=1, keys=("here", "committed"), join="inner").dropna()
    if both.empty:
        return f"The committed {name}.csv is of another dataset; nothing to compare."
    both["difference"] = both.here - both.committed
    # What a rerun may differ by: the same processor repeats the digits, another one does not, and
    # then a mean moves as other seeds would move it, within the interval of the committed seeds.
    spread = pd.read_csv(RESULTS / f"{name}_summary.csv").set_index(["row", "split"])
    both = both.join(spread.high.sub(spread.value).rename("tolerance"))
    both["agrees"] = np.where(both.difference.abs() <= np.fmax(both.tolerance, 0.05),
                              "yes", "no")
    shown = both.reset_index()[["row", "split", *both.columns]]
    seeds, known = committed.seed[shared].unique(), committed.seed.nunique()
    words = ", ".join(map(str, sorted(seeds))) if len(seeds) else f"all its {known} seeds: none was run"
    return (f"{shown.to_markdown(index=False, floatfmt='.2f')}\n\nThe committed means are over "
            f"{f'seed {words} of {known}, as' if len(seeds) else words} here.")
