"""What an interval says, in words that cannot drift from it."""

import pandas as pd

from book.evidence import statistics


def told(line, prefix="", higher="higher", lower="lower", neither="not told apart"):
    """Of a summary's line: whether its paired difference is above zero, below, or neither."""
    low, high = line[f"{prefix}difference_low"], line[f"{prefix}difference_high"]
    if pd.isna(low):
        return "-"
    return higher if low > 0 else lower if high < 0 else neither


def shown(lines, unit):
    """A summary for reading: value, difference and what it says, for the metric and for fidelity."""
    from book.evidence.report import interval

    table = lines[["row", "split"]].copy()
    table[unit] = lines.apply(interval, axis=1, args=("value", "low", "high"))
    table["against"] = lines.against.fillna("")
    table["difference"] = lines.apply(
        interval, axis=1, args=("difference", "difference_low", "difference_high", "+"))
    table["recognition"] = lines.apply(told, axis=1)
    table["fidelity AUC"] = lines.apply(
        interval, axis=1, args=("auc", "auc_low", "auc_high", "", 3))
    table["fidelity"] = lines.apply(told, axis=1, prefix="auc_")
    return table.set_index("row")


def bar(runs, ours, others, margin):
    """Is row `ours` above each of `others` in fidelity, and not inferior to it in recognition?

    runs: a table's rows of one split, paired by seed; margin: points of the metric, fixed beforehand.
    One line for each of `others` that was run: the two paired differences, each `[low, high]` at 95%,
    and `met`, which is True where all of the first lies above 0 and all of the second above -margin.
    """
    wide = runs.pivot_table(index="seed", columns="row", values=["fidelity_auc", "value"])
    lines = []
    for other in others:
        if other not in wide["value"]:
            continue
        auc, value = (statistics.paired(*wide[name][[ours, other]].dropna().T.to_numpy())
                      for name in ("fidelity_auc", "value"))
        lines.append({"against": other, "auc": auc["difference"], "auc_low": auc["low"],
                      "auc_high": auc["high"], "value": value["difference"],
                      "value_low": value["low"], "value_high": value["high"],
                      "met": bool(auc["low"] > 0 and value["low"] > -margin)})
    return pd.DataFrame(lines)
