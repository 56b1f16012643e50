"""What many readings say together: the specification curve, and what each axis does.

Rows come from `results/multiverse.csv` (`book.runs.multiverse`). A reading is *printed* where no value
of its axes departs from the text.
"""

import numpy as np
import pandas as pd
from scipy import stats

from book.evidence.statistics import holm
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
    with a 95% t interval, and `holm`, its p value among all of them: one line an axis and value that was
    drawn. Axes with one value are left out. Where there are too few readings, the ends and `holm` are nan.
    """
    y = lines[measure].to_numpy(float)
    values = [(axis, value) for axis in axes if lines[axis].nunique() > 1
              for value in sorted(lines[axis].dropna().unique())]
    drawn = np.array([lines[axis] == value for axis, value in values]).reshape(-1, len(y))
    x = np.vstack([np.ones(len(y)), drawn]).T
    inverse, freedom = np.linalg.pinv(x), len(y) - np.linalg.matrix_rank(x)
    axis_of = np.array([axis for axis, _ in values])
    alike = axis_of[:, None] == axis_of
    # Values of one axis are told only against each other: as differences to their mean.
    effect = (np.eye(len(values)) - alike / alike.sum(1)[:, None]) @ inverse[1:]
    noise = ((y - x @ inverse @ y) ** 2).sum() / freedom if freedom > 0 else np.nan
    error, student = np.sqrt(noise * (effect ** 2).sum(1)), stats.t(max(freedom, 1))
    found = pd.DataFrame(values, columns=["axis", "value"]).assign(
        readings=drawn.sum(1).astype(int), effect=effect @ y)
    return found.assign(low=found.effect - student.ppf(0.975) * error,
                        high=found.effect + student.ppf(0.975) * error,
                        holm=holm(2 * student.sf(np.abs(found.effect) / np.maximum(error, 1e-12))))


def told(verse, lines, rows):
    """What each value of each axis does in the methods `rows`, in words: one line an axis and value.

    lines: of `readings`. A method has no word on an axis that is not its own. An effect is given in mAP points and in AUC, as `effects` has it; a star where
    it differs from zero after Holm's rule over the effects of that head and measure.
    """
    found = pd.DataFrame([(axis, one.value, one.kind) for axis, values in verse.axes.items()
                          for one in values], columns=["axis", "value", "the text"])
    for method in (one for one in verse.methods if one.row in rows):
        for measure, form in zip(MEASURES, ("{:+.1f} [{:+.1f}, {:+.1f}]", "{:+.3f} [{:+.3f}, {:+.3f}]")):
            each = effects(lines[lines.method == method.row], method.axes, measure)
            words = {(one.axis, one.value): form.format(one.effect, one.low, one.high) + "*" * (one.holm < .05)
                     for one in each.itertuples()}
            found[f"{method.row}: {'mAP' if measure == 'value' else 'AUC'}"] = [
                words.get((line.axis, line.value), "") for line in found.itertuples()]
    return found


def of_adversary(lines, ours, without, axes, measure="value"):
    """What the adversary adds, all else held: `effect`, `low` and `high` as of `effects`.

    Both draw the axes that they share alike, but not who trains below D: without an adversary D follows
    L_S, which the two names of that axis call the same.
    """
    both = lines[lines.method.isin([ours, without])]
    both = both.assign(below=both.below.fillna(both["below without adversary"]))
    found = effects(both, ["method", "below", *(axis for axis in axes if axis != "below"
                                               and both.groupby("method")[axis].count().min())], measure)
    line = found[(found.axis == "method") & (found.value == ours)].iloc[0]
    return {name: 2 * line[name] for name in ("effect", "low", "high")}  # it was to the mean of both
