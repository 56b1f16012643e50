"""What an interval says, in words that cannot drift from it. Nothing here needs a model."""

import pandas as pd

from book.evidence import statistics

MOST = {"value": 100, "video": 100, "auc": 1}  # of measures that begin at 0


def interval(line, name, sign="", digits=1):
    """`62.1 [61.0, 63.2]`: entry `name` of a line, and its two ends `name_low` and `name_high`.

    The ends of `value` are called `low` and `high`. What the line has not is left out, and so are the
    ends of fewer than `statistics.FEWEST` seeds. An interval ends where its measure does. A paired
    difference ends in "=" where the rows are equal within the margins (`summary.MARGINS`).
    """
    form, prefix = f"{sign}.{digits}f", "" if name == "value" else f"{name}_"
    middle, low, high = (line.get(key) for key in (name, f"{prefix}low", f"{prefix}high"))
    if line.get("seeds", statistics.FEWEST) < statistics.FEWEST:
        low = high = None
    elif name in MOST and pd.notna(low):
        low, high = max(low, 0), min(high, MOST[name])
    words = [f"{middle:{form}}"] if pd.notna(middle) else []
    words += [f"[{low:{form}}, {high:{form}}]"] if pd.notna(low) else []
    equal = line.get(name.replace("difference", "equal")) if name.endswith("difference") else None
    words += ["="] if pd.notna(equal) and equal else []
    return " ".join(words)


def verdict(line, prefix=""):
    """Of a line with a paired difference: "equal", "higher", "lower" or "no clear difference".

    Equal is told by the margin: a difference within it does not count, however clear it is. Beyond it
    higher and lower are told apart after Holm's correction alone. "" where there is no difference.
    """
    if pd.isna(line[f"{prefix}difference"]):
        return ""
    if line.get(f"{prefix}equal") in (True, 1):
        return "equal"
    if line[f"{prefix}holm"] < 0.05:
        return "higher" if line[f"{prefix}difference"] > 0 else "lower"
    return "no clear difference"


def uncounted(line):
    """Whether a line's clear rise of AUC does not count: recognition is neither equal nor higher there."""
    return verdict(line, "auc_") == "higher" and verdict(line) not in ("equal", "higher")


def intervals(lines, unit):
    """A summary's lines in words: values and paired differences, of the metric and of fidelity."""
    return pd.DataFrame([{
        unit: interval(line, "value"), "difference": interval(line, "difference", "+"),
        "fidelity AUC": interval(line, "auc", digits=3),
        "AUC difference": interval(line, "auc_difference", "+", 3)}
        for line in lines.to_dict("records")], index=lines.index)


def readable(lines, unit):
    """A summary for reading: value, difference and what it says, for the metric and for fidelity."""
    words = intervals(lines, unit)
    return pd.DataFrame({
        "row": lines.row, "split": lines.split, unit: words[unit],
        "against": lines.against.fillna(""), "difference": words["difference"],
        "recognition": lines.apply(verdict, axis=1), "fidelity AUC": words["fidelity AUC"],
        "fidelity": lines.apply(verdict, axis=1, prefix="auc_")}).set_index("row")


def bar(runs, ours, others, margin):
    """Is row `ours` above each of `others` in fidelity, and not inferior to it in recognition?

    runs: a table's rows of one split, paired by seed; margin: points of the metric, fixed beforehand.
    One line for each of `others` that was run: the paired differences `auc_difference` and `difference`
    with their 95% ends `_low` and `_high`, and `met`: all of the first lies above 0 and all of the
    second above -margin.
    """
    wide = runs.pivot_table(index="seed", columns="row", values=["fidelity_auc", "value"])
    lines = []
    for other in [row for row in others if row in wide["value"]]:
        auc, value = (statistics.paired(*wide[name][[ours, other]].dropna().T.to_numpy())
                      for name in ("fidelity_auc", "value"))
        ends = {f"{prefix}difference{end}": found[key]
                for prefix, found in (("auc_", auc), ("", value))
                for end, key in (("", "difference"), ("_low", "low"), ("_high", "high"))}
        lines.append({"against": other, **ends, "met": bool(auc["low"] > 0 and value["low"] > -margin)})
    return pd.DataFrame(lines)
