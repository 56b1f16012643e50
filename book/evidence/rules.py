"""How a claim is judged: rules that take a folder of results and return `(verdict, words)`.

A rule raises LookupError, with the command that would help, where the file that it reads is not there.
"""

import numpy as np
import pandas as pd

from book.evidence import statistics
from data.files.paths import RESULTS

CONFIRMED, REFUTED, NARROWED, UNTESTED = "confirmed", "refuted", "narrowed", "not testable here"


def summary(name, row, split="test", folder=RESULTS):
    """A line of a table's summary; raises LookupError where it is not there."""
    path = folder / f"{name}_summary.csv"
    if not path.is_file():
        raise LookupError(f"not run: python -m book batch book/batches/{name}.yaml")
    lines = pd.read_csv(path)
    found = lines[(lines.row == row) & (lines.split == split)]
    if found.empty:
        raise LookupError(f"{path.name} has no row {row!r} on {split}")
    return found.iloc[0]


def sign(low, high, wanted=1):
    """Of an interval: the claimed sign, the other, or neither."""
    if np.isnan(low):
        return UNTESTED
    if wanted * low > 0 and wanted * high > 0:
        return CONFIRMED
    return REFUTED if wanted * low < 0 and wanted * high < 0 else UNTESTED


def raises(name, rows, prefix="", wanted=1):
    """The claim that each of `rows` differs from its baseline in the wanted direction.

    Confirmed where all intervals say so, narrowed where some do, refuted where none does and one says
    the contrary, and not testable here where the seeds tell nothing apart.
    """
    def judge(folder):
        verdicts, words = [], []
        for row in rows:
            line = summary(name, row, folder=folder)
            low, high = line[f"{prefix}difference_low"], line[f"{prefix}difference_high"]
            verdicts.append(sign(low, high, wanted))
            words.append(f"{row} {line[f'{prefix}difference']:+.3g} [{low:.3g}, {high:.3g}]")
        return together(verdicts), "; ".join(words)
    return judge


def together(verdicts):
    """One verdict of several: all, some, none with a contradiction, or nothing told apart."""
    if all(v == CONFIRMED for v in verdicts):
        return CONFIRMED
    if CONFIRMED in verdicts:
        return NARROWED
    return REFUTED if REFUTED in verdicts else UNTESTED


def paired(name, ours, other, wanted=1, of=lambda table: table[table.split == "test"]):
    """The claim that row `ours` exceeds row `other`, paired by seed; `of` prepares the runs."""
    def judge(folder):
        path = folder / f"{name}.csv"
        if not path.is_file():
            raise LookupError(f"not run: python -m book batch book/batches/{name}.yaml")
        runs = of(pd.read_csv(path)).pivot_table(index="seed", columns="row", values="value")
        if not {ours, other} <= set(runs):
            raise LookupError(f"{path.name} lacks {ours} or {other}")
        both = runs[[ours, other]].dropna()
        pair = statistics.paired(both[ours], both[other])
        return (sign(pair["low"], pair["high"], wanted),
                f"{ours} minus {other}: {pair['difference']:+.2f} [{pair['low']:.2f}, "
                f"{pair['high']:.2f}], {len(both)} seeds")
    return judge


def fall(table):
    """How much a run loses from `test` to `shifted`, where scenes tell nothing: in `value`."""
    wide = table.pivot_table(index=["row", "seed"], columns="split", values="value")
    return (wide.test - wide.shifted).rename("value").reset_index()


def gain(table):
    """Each TFE run minus the vanilla run of its seed and backbone: rows are the backbones."""
    table = table[table.split == "test"]
    wide = table[table.method.isin(["tfe", "vanilla"])].pivot_table(
        index=["backbone", "seed"], columns="method", values="value")
    return (wide.tfe - wide.vanilla).rename("value").reset_index().rename(
        columns={"backbone": "row"})


def measured(name, row, measure, test, split="test"):
    """A claim about the runs' other measures: `test(mean of each) -> verdict, words`."""
    def judge(folder):
        path = folder / f"{name}_measures.csv"
        if not path.is_file():
            raise LookupError(f"not run: python -m book batch book/batches/{name}.yaml")
        runs = pd.read_csv(path)
        runs = runs[(runs.row == row) & (runs.split == split) & runs.measure.isin(measure)]
        if runs.empty:
            raise LookupError(f"{path.name} has no such measure of {row}")
        return test(runs.pivot_table(index="seed", columns="measure", values="value"))
    return judge


def less_in_rest(runs):
    """z_N tells less of the label than z_S, by a fresh reader: yes, no, or not told apart."""
    pair = statistics.paired(runs["probes_probe_z_s"], runs["probes_probe_z_n"])
    return (sign(pair["low"], pair["high"]), "fresh reader, z_S minus z_N: "
            f"{pair['difference']:+.3f} [{pair['low']:.3f}, {pair['high']:.3f}]")


def orthogonal(runs):
    """The mean cosine of z_S and z_N lies within .1 of 0."""
    mean, low, high = statistics.mean_interval(runs["probes_cosine"])
    words = f"mean cosine {mean:.2f} [{low:.2f}, {high:.2f}]"
    if -0.1 <= low and high <= 0.1:
        return CONFIRMED, words
    return (REFUTED if low > 0.1 or high < -0.1 else UNTESTED), words


def correlation(name):
    """Fidelity and accuracy rise together, over the rows of a table."""
    def judge(folder):
        from scipy.stats import spearmanr

        path = folder / f"{name}_summary.csv"
        if not path.is_file():
            raise LookupError(f"not run: python -m book batch book/batches/{name}.yaml")
        lines = pd.read_csv(path).query("split == 'test'").dropna(subset=["auc", "value"])
        found = spearmanr(lines.value, lines.auc)
        words = f"Spearman {found.statistic:+.2f} over {len(lines)} rows, p = {found.pvalue:.2f}"
        if not found.pvalue <= 0.05:  # nor where there is none
            return UNTESTED, words
        return (CONFIRMED if found.statistic > 0 else REFUTED), words
    return judge


def largest(name, row):
    """The claim that `row` is the best of a table's rows: no other is above it for certain."""
    def judge(folder):
        path = folder / f"{name}_summary.csv"
        if not path.is_file():
            raise LookupError(f"not run: python -m book batch book/batches/{name}.yaml")
        others = pd.read_csv(path).query("split == 'test' and against == @row")
        if others.empty:
            raise LookupError(f"not run: {path.name} compares nothing with {row}")
        above = others[others.difference_low > 0].row.tolist()
        below = others[others.difference_high < 0].row.tolist()
        words = f"above {row}: {', '.join(above) or 'none'}; below: {', '.join(below) or 'none'}"
        if above:
            return REFUTED, words
        return (CONFIRMED if len(below) == len(others) else
                NARROWED if below else UNTESTED), words
    return judge


def coarser(backbone, whole="table1", cut="coarse"):
    """The claim that TFE gains more where training has whole videos than where it has cut clips."""
    def judge(folder):
        runs = []
        for name in (whole, cut):
            path = folder / f"{name}.csv"
            if not path.is_file():
                raise LookupError(f"not run: python -m book batch book/batches/{name}.yaml")
            gains = gain(pd.read_csv(path))
            runs.append(gains[gains.row == backbone].set_index("seed").value.rename(name))
        both = pd.concat(runs, axis=1).dropna()
        if both.empty:
            raise LookupError(f"not run: no seed of {backbone} stands in both tables")
        pair = statistics.paired(both[whole], both[cut])
        return (sign(pair["low"], pair["high"]),
                f"gain on whole videos {both[whole].mean():+.2f}, on clips {both[cut].mean():+.2f}; "
                f"the first minus the second {pair['difference']:+.2f} [{pair['low']:.2f}, "
                f"{pair['high']:.2f}], {len(both)} seeds")
    return judge


def independent(runs):
    """z_S and z_N are as independent as pairs from different videos, by the least-squares critic."""
    pair = statistics.paired(runs["probes_dependence"], runs["probes_dependence_permuted"])
    words = (f"squared-loss information {runs['probes_dependence'].mean():.3f}, above that of permuted "
             f"pairs by {pair['difference']:+.3f} [{pair['low']:.3f}, {pair['high']:.3f}]")
    return (REFUTED if pair["low"] > 0 else UNTESTED), words


def contradicted(statement):
    """A claim that a statement of results/theorems.csv contradicts, where that statement holds."""
    def judge(folder):
        path = folder / "theorems.csv"
        if not path.is_file():
            raise LookupError("not run: make theorems")
        rows = pd.read_csv(path)
        found = rows[rows.statement.str.startswith(f"{statement}:")]
        if found.empty:
            raise LookupError(f"not run: {path.name} has no statement {statement}: make theorems")
        row = found.iloc[0]
        return (REFUTED if row.verdict == "holds" else UNTESTED), f"{row.statement} ({row.verdict})"
    return judge
