"""What many readings say together: the specification curve, and what each axis does.

Rows come from `results/multiverse.csv` (`book.runs.multiverse`). A reading is *printed* where no value
of its axes departs from the text.
"""

import numpy as np
import pandas as pd
from scipy import stats

from book.runs.multiverse import means

MEASURES = ("value", "fidelity_auc")


def readings(verse, frame):
    """One line a method and configuration, mean over its seeds on `val`, with its axes and `printed`.

    `gain_value` and `gain_fidelity_auc` are differences to the vanilla head of the same backbone,
    tuned alike: to its configuration of highest mAP. Methods without a backbone have none.
    """
    lines = means(frame).reset_index()
    vanilla = {method.backbone: lines[lines.method == method.row].nlargest(1, "value")
               for method in verse.methods if method.method == "vanilla"}
    found = []
    for method in verse.methods:
        best = vanilla.get(method.backbone)
        for line in lines[lines.method == method.row].to_dict("records"):
            values = verse.values(method, line["config"])
            gains = {} if best is None or best.empty else {
                f"gain_{name}": line[name] - best[name].iloc[0] for name in MEASURES}
            found.append({**line, **gains, **{axis: value.value for axis, value in values.items()},
                          "printed": all(value.kind != "departs" for value in values.values())})
    return pd.DataFrame(found)


def shares(lines):
    """Of each method's readings: how many, the median gain, and the share that gains; two lines.

    One line for all readings, one for those that are printed.
    """
    found = []
    for (method, name), part in ((key, part) for key, group in lines.groupby("method", sort=False)
                                 for key, part in (((key, "all"), group),
                                                   ((key, "printed"), group[group.printed]))):
        gains = part[[f"gain_{measure}" for measure in MEASURES]].dropna()
        if len(gains):
            found.append({"method": method, "readings": name, "configurations": len(gains),
                          **{f"median_{measure}": gains[f"gain_{measure}"].median()
                             for measure in MEASURES},
                          **{f"gaining_{measure}": (gains[f"gain_{measure}"] > 0).mean()
                             for measure in MEASURES}})
    return pd.DataFrame(found)


def effects(lines, axes, measure="value"):
    """What each value of each axis does to a measure, the other axes held: least squares.

    lines: the readings of one method. An effect is the difference to the axis's mean over its values,
    with a 95% t interval: one line an axis and value that was drawn. Axes with one value are left
    out. Raises nothing where there are too few readings: the ends are then nan.
    """
    y, names, columns = lines[measure].to_numpy(float), [], [np.ones(len(lines))]
    for axis in axes:
        values = sorted(lines[axis].dropna().unique())
        # Sum to zero: the last value's effect is minus the sum of the others'.
        coded = [(lines[axis] == value).to_numpy(float) - (lines[axis] == values[-1]).to_numpy(float)
                 for value in values[:-1]]
        names += [(axis, value, len(columns) + np.arange(len(coded)), n)
                  for n, value in enumerate(values) if coded]
        columns += coded
    x = np.stack(columns, axis=1)
    solved, _, rank, _ = np.linalg.lstsq(x, y, rcond=None)
    freedom = len(y) - rank
    noise = ((y - x @ solved) ** 2).sum() / freedom if freedom > 0 else np.nan
    covariance = noise * np.linalg.pinv(x.T @ x)
    wide = stats.t.ppf(0.975, freedom) if freedom > 0 else np.nan
    found = []
    for axis, value, where, n in names:
        contrast = np.zeros(len(solved))
        contrast[where] = -1.0 if n == len(where) else 0.0
        if n < len(where):
            contrast[where[n]] = 1.0
        effect, error = contrast @ solved, np.sqrt(contrast @ covariance @ contrast)
        found.append({"axis": axis, "value": value, "readings": int((lines[axis] == value).sum()),
                      "effect": effect, "low": effect - wide * error, "high": effect + wide * error})
    return pd.DataFrame(found)


def paired(lines, ours, other):
    """Differences of two methods over the configurations that both have: they share their draws."""
    wide = lines[lines.method.isin([ours, other])].pivot(
        index="config", columns="method", values=list(MEASURES)).dropna()
    return pd.DataFrame({measure: wide[measure][ours] - wide[measure][other] for measure in MEASURES})
