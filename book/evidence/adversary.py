"""What the adversary changes in a head, measure by measure, and which explanation that fits.

The explanations, and what would show each, were written down before the runs: `results/plan.md`, item 18.
"""

import pandas as pd

from book.evidence import statistics
from book.evidence.summary import MARGINS
from book.evidence.verdicts import verdict

# Measures of a run beside its metric `value` and `auc`, by their names in a table's measures.
OF_RUN = {"mask": "attention_auc", "class_weights": "class_attention_auc", "probe_z_n": "probes_probe_z_n",
          "comprehensiveness": "erasure_comprehensiveness", "sufficiency": "erasure_sufficiency"}
# Looked at after the others had been seen: no margin was fixed for them, and they decide nothing.
AFTERWARDS = ["mass", "pointing", "comprehensiveness", "sufficiency"]


def gathered(runs, measures, read=None, split="test"):
    """All that was measured of each run, `{(row, seed): measures}`: a frame, metrics in percent.

    runs, measures: of a table, as in `results/adversary.csv` and `adversary_measures.csv`; read: of the
    same runs, as in `results/reliance.csv`; without it, what a table itself has.
    """
    by = ["row", "seed"]
    found = runs[runs.split == split].set_index(by)[["value", "fidelity_auc", "fidelity_mass",
                                                     "fidelity_pointing"]]
    wide = measures[measures.split == split].pivot(index=by, columns="measure", values="value")
    wide = wide[list(OF_RUN.values())].set_axis(list(OF_RUN), axis=1)
    found = found.rename(columns=lambda name: name.removeprefix("fidelity_")).join(wide)
    if read is None:
        return found
    own = read[read.split == split].set_index(by).select_dtypes("number").rename(
        columns={"auc": "auc_as_it_is"}).filter(regex="^(auc_|value_|joint|singly)")
    return found.join(
        own.apply(lambda column: column * (100 if column.name.startswith("value") else 1)))


def ordered(asked, split="test"):
    """What each head says of leave one out by AOPCR, a frame by row and seed: aopcr, other, share, alone.

    asked: as in `results/adversary_readouts.csv`. Logits differ in size from head to head; so `share` is the
    AOPCR of leave one out as a share of that of the run's best other read-out, `other`. `alone`: the AUC of
    what the head says of a segment alone.
    """
    wide = asked[(asked.split == split) & asked.aopcr.notna()].pivot(index=["row", "seed"], columns="readout")
    first, other = wide.aopcr.leave_one_out, wide.aopcr.drop(columns="leave_one_out").max(axis=1)
    return pd.DataFrame({"aopcr": first, "other": other, "share": first / other, "alone": wide.auc.single})


def by_share(runs, ours, other):
    """By how much one row's AUC exceeds another's where redundancy was planted in training, in words.

    runs: of one split, as in `results/redundancy.csv`. A line a `share`, and one of the largest's rise minus the
    smallest's, paired by seed: mean and 95% t interval, "=" where equal within the margin, p after Bonferroni's
    rule over all lines, and the mean difference of mAP.
    """
    wide = runs.pivot(index=["share", "seed"], columns="row", values=["fidelity_auc", "value"])
    rise, points = (wide[name][ours] - wide[name][other] for name in ("fidelity_auc", "value"))
    few, *_, many = shares = sorted(runs.share.unique())
    lines = {f"{share:g}": (rise[share], points[share]) for share in shares}
    lines[f"{many:g} minus {few:g}"] = rise[many] - rise[few], points[many] - points[few]
    found = {}
    for name, (auc, value) in lines.items():
        one = statistics.paired(auc, 0 * auc, margin=MARGINS["fidelity_auc"])
        found[name] = {
            "AUC": "{difference:+.3f} [{low:+.3f}, {high:+.3f}]".format(**one) + " =" * one["equal"],
            "p, corrected": f"{min(1, len(lines) * one['p']):.2g}", "mAP": f"{value.mean():+.1f}"}
    return pd.DataFrame(found).T.rename_axis("share")


def changes(table, against):
    """How each measure of each row differs from its baseline's, paired by seed: a line each.

    table: as of `gathered`; against: `{row: baseline}`, of one head, over whose rows Holm's rule corrects
    each measure. Columns: row, measure, those of `statistics.paired`, holm.
    """
    lines = []
    for measure in table:
        wide = table[measure].unstack("row")
        margin = None if measure in AFTERWARDS else MARGINS[
            "value" if measure.startswith("value") else "fidelity_auc"]
        found = [{"row": row, "measure": measure, **pair} for row, base in against.items()
                 if (pair := statistics.paired_by_seed(wide[row], wide[base], margin))]
        corrected = statistics.holm([line["p"] for line in found])
        lines += [line | {"holm": p} for line, p in zip(found, corrected)]
    return pd.DataFrame(lines).assign(verdict=lambda all: all.apply(verdict, axis=1))


def words(lines):
    """Changes for reading, rows by measures: "+0.090 [+0.066, +0.113] *".

    "=": equal within the margin; "*": clear of zero after Holm's rule, and not equal.
    """
    marks = {"equal": " =", "higher": " *", "lower": " *"}

    def cell(line):
        form = ("{:+.1f} [{:+.1f}, {:+.1f}]" if line.measure.startswith("value")
                else "{:+.3f} [{:+.3f}, {:+.3f}]")
        return form.format(line.difference, line.low, line.high) + marks.get(line.verdict, "")

    found = lines.assign(words=lines.apply(cell, axis=1)).pivot(index="row", columns="measure", values="words")
    return found.loc[lines.row.unique()].fillna("")


def explained(lines, row):
    """Which explanations of a rise in `auc` a row's changes fit, `{explanation: bool}`; by the plan's rule."""
    said = lines[lines.row == row].set_index("measure").verdict
    rises = said["auc"] == "higher"
    return {"it rises": rises,
            "recognition stays": said["value"] == "equal",
            "the head relies more on the action": rises and (
                said["auc_bare"] == "higher" or said["joint_ratio"] == "lower"),
            "leave one out favours it": rises and said["singly"] == "higher" and said["auc_bare"] == "equal",
            "the mask sharpens": rises and said["mask"] == "higher" and said["auc_flat_mask"] != "higher",
            "the label leaves z_N": said["probe_z_n"] == "lower",
            "a new reader of z_S has it": rises and said["auc_new_reader"] == "higher",
            "a new reader below D has it": rises and said["auc_past_d"] == "higher"}
