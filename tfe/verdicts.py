"""What an interval says, in words that cannot drift from it."""

import pandas as pd


def told(line, prefix="", higher="higher", lower="lower", neither="not told apart"):
    """Of a summary's line: whether its paired difference is above zero, below, or neither."""
    low, high = line[f"{prefix}difference_low"], line[f"{prefix}difference_high"]
    if pd.isna(low):
        return "-"
    return higher if low > 0 else lower if high < 0 else neither


def shown(lines, unit):
    """A summary for reading: value, difference and what it says, for the metric and for fidelity."""
    from tfe.report import interval

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
