"""Tables of the reference pages, made from committed files whenever the site is built."""

import json

import pandas as pd

from tfe.paths import RESULTS


def status():
    """One line a committed batch: what it ran on, how many runs, for how long, where."""
    lines = []
    for path in sorted(RESULTS.glob("*.json")):
        receipt, runs = json.loads(path.read_text(encoding="utf-8")), path.with_suffix(".csv")
        if "device" not in receipt or not runs.is_file():
            continue
        runs = pd.read_csv(runs)
        once = runs.drop_duplicates(["row", "seed"]) if "row" in runs else runs
        seconds = once.seconds.sum() if "seconds" in once else float("nan")
        lines.append({"batch": path.stem, "dataset": receipt["dataset"],
                      "data": "synthetic" if receipt.get("synthetic") else "real",
                      "runs": len(once), "training, minutes": f"{seconds / 60:.1f}",
                      "device": receipt["device"], "torch": receipt["versions"]["torch"],
                      "commit": receipt["commit"]})
    return pd.DataFrame(lines).to_markdown(index=False)


def silent():
    """Where the paper leaves a choice: ours, why, and what the other way did on `val`."""
    choices = pd.read_csv(RESULTS / "choices.csv").fillna("")
    effect = pd.read_csv(RESULTS / "silent_summary.csv").set_index("row")
    choices["effect of the other way"] = [
        f"{effect.difference[row]:+.1f} [{effect.difference_low[row]:.1f}, "
        f"{effect.difference_high[row]:.1f}]" for row in choices.row]
    return choices.drop(columns="row").to_markdown(index=False)
