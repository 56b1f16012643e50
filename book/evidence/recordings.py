"""The sets of real recordings, and what their tables say together; the README holds it."""

import pandas as pd

from book.evidence.verdicts import verdict
from data.files.paths import RESULTS

# In the order in which they are made: composed is made of utd_mhad.
SETS = {"msrc12": "MSRC-12", "sfinge3d": "SFINGE 3D", "utd_mhad": "UTD-MHAD", "composed": "composed",
        "grid": "GRID", "salads": "50 Salads", "gtea": "GTEA", "utkinect": "UTKinect"}
UNTUNED = ("salads", "gtea", "utkinect")  # at the rates of Table 1 (chapter 19)
WARM, COLD = ("MSQNet+TFE", "BIKE+TFE"), ("MSQNet+TFE from scratch", "BIKE+TFE from scratch")


def tables(end="_summary.csv", sets=SETS, folder=RESULTS):
    """That file of each of `sets`, `{table: title}`, that was run, one below the other; `data` is the title."""
    parts = [pd.read_csv(path).assign(data=title) for name, title in sets.items()
             if (path := folder / f"{name}{end}").is_file()]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["data"])


def said(lines, synthetic):
    """What TFE did to its controls over all sets, in sentences; a case is a head on a set.

    lines: of the summaries, one split; synthetic: those of the headline. BIKE's rise in fidelity there is
    looked for; MSQNet's is its control's fall at another rate. Intervals are of each line alone, before
    Holm's correction.
    """
    lines = lines[lines.against.str.endswith(" trained on") | lines.row.isin(COLD)]

    def told(rows, prefix=""):
        own = lines[lines.row.isin(rows)]
        return own, pd.Series([verdict(line, prefix) for line in own.to_dict("records")], own.index, str)

    def moved(words):
        rose, fell, equal = (words.eq(word).sum() or "none" for word in ("higher", "lower", "equal"))
        return f"in {rose} of {words.ne('').sum()} cases, lowered it in {fell}, and left it equal in {equal}"

    def single(row, prefix):
        low, high = (lines[f"{prefix}difference_{end}"][lines.row == row] for end in ("low", "high"))
        return f"{(low > 0).sum()} ({(high < 0).sum()})"

    warm, value = told(WARM)
    unclear, known = warm[value == "no clear difference"], warm.dropna(subset="auc_difference")
    known = known[known.row == "BIKE+TFE"]
    rise = synthetic.set_index("row").auc_difference["BIKE+TFE"]
    return (f"Added to a trained head, TFE raised recognition {moved(value)}; a case is a head on a set. "
            f"By AUC it raised fidelity {moved(told(WARM, 'auc_')[1])}. "
            f"On BIKE the interval leaves out a rise as large as on the synthetic videos, {rise:.3f}, in "
            f"{(known.auc_difference_high < rise).sum()} of {len(known)} cases. "
            + (f"Where recognition is not clear, the intervals reach from {unclear.difference_low.min():+.1f} "
               f"to {unclear.difference_high.max():+.1f} points. " if len(unclear) else "")
            + "Single intervals, uncorrected, lie above zero (below it): " + "; ".join(
                f"{row.removesuffix('+TFE')}'s recognition in {single(row, '')} cases, "
                f"its AUC in {single(row, 'auc_')}"
                for row in WARM)
            + f". From scratch, TFE raised recognition {moved(told(COLD)[1])}.")
