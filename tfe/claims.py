"""The ledger: every claim of the paper that can be pointed at, judged by a rule from a results file.

A verdict is computed, never typed: change the file and the verdict follows. Where the file that a rule
reads is not there, or the claim is about a benchmark that nobody has run here, the verdict is "not
testable here" and the evidence says what would test it.
"""

import numpy as np
import pandas as pd

from tfe import statistics
from tfe.paths import RESULTS

CONFIRMED, REFUTED, NARROWED, UNTESTED = "confirmed", "refuted", "narrowed", "not testable here"
# What would come nearest: the benchmark's videos as a folder, with the small heads.
COMMANDS = {1: "make reproduce-table1 DATA=DIR", 2: "make reproduce-table2 DATA=DIR",
            3: "make reproduce-table3 DATA=DIR"}


def summary(name, row, split="test", folder=RESULTS):
    """A line of a table's summary; raises LookupError where it is not there."""
    path = folder / f"{name}_summary.csv"
    if not path.is_file():
        raise LookupError(f"not run: python -m tfe batch book/batches/{name}.yaml")
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
            raise LookupError(f"not run: python -m tfe batch book/batches/{name}.yaml")
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
            raise LookupError(f"not run: python -m tfe batch book/batches/{name}.yaml")
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
            raise LookupError(f"not run: python -m tfe batch book/batches/{name}.yaml")
        lines = pd.read_csv(path).query("split == 'test'").dropna(subset=["auc", "value"])
        found = spearmanr(lines.value, lines.auc)
        words = f"Spearman {found.statistic:+.2f} over {len(lines)} rows, p = {found.pvalue:.2f}"
        if found.pvalue > 0.05:
            return UNTESTED, words
        return (CONFIRMED if found.statistic > 0 else REFUTED), words
    return judge


def largest(name, row):
    """The claim that `row` is the best of a table's rows: no other is above it for certain."""
    def judge(folder):
        path = folder / f"{name}_summary.csv"
        if not path.is_file():
            raise LookupError(f"not run: python -m tfe batch book/batches/{name}.yaml")
        others = pd.read_csv(path).query("split == 'test' and against == @row")
        above = others[others.difference_low > 0].row.tolist()
        below = others[others.difference_high < 0].row.tolist()
        words = f"above {row}: {', '.join(above) or 'none'}; below: {', '.join(below) or 'none'}"
        if above:
            return REFUTED, words
        return (CONFIRMED if len(below) == len(others) else
                NARROWED if below else UNTESTED), words
    return judge


def printed(folder):
    """The paper's own cells of Tables 1 to 3: claims about benchmarks that were not run here."""
    cited, ablation = pd.read_csv(folder / "cited.csv"), pd.read_csv(folder / "reported.csv")
    ablation = ablation[ablation.source == "the paper, Table 3"].rename(
        columns={"system": "method"}).assign(table=3)
    for cell in pd.concat([cited[cited.source.str.contains("own row")], ablation]).itertuples():
        yield {"id": f"table{cell.table}-{cell.method}-{cell.dataset}".lower().replace(" ", "-"),
               "where": f"Table {cell.table}", "verdict": UNTESTED,
               "claim": f"{cell.method} reaches {cell.value} on {cell.dataset}",
               "evidence": f"not run: needs the videos of {cell.dataset} and the full-size "
                           f"head; the small heads on them: {COMMANDS[cell.table]}"}


def costs(folder):
    """The eight numbers of Table 4: the true cost, or that of the modules a counter by hooks sees."""
    path = folder / "table4.csv"
    if not path.is_file():
        return
    for cell in pd.read_csv(path).itertuples():
        near, seen = (abs(cell.printed / value - 1) < error
                      for value, error in ((cell.true, 0.01), (cell.rebuilt, 0.001)))
        yield {"id": f"table4-{cell.row}-{cell.quantity}".lower().replace(" ", "-"),
               "where": "Table 4",
               "verdict": CONFIRMED if near else NARROWED if seen else REFUTED,
               "claim": f"{cell.row} costs {cell.printed} {cell.unit} of {cell.quantity}",
               "evidence": f"13_table4, The eight numbers: true {cell.true:.1f} {cell.unit}; "
                           f"modules that a counter by hooks sees: {cell.rebuilt:.1f}"}


def cheaper(folder):
    """TFE costs no more than what it replaces, in truth: every quantity of both systems."""
    path = folder / "table4.csv"
    if not path.is_file():
        raise LookupError("not run: make reproduce-table4")
    true = pd.read_csv(path).pivot(index="row", columns="quantity", values="true")
    saved = {f"{row} {quantity}": 100 * (1 - true.loc[f"{row}+TFE", quantity] / cost)
             for row in true.index if f"{row}+TFE" in true.index
             for quantity, cost in true.loc[row].items()}
    words = "saved, per cent: " + ", ".join(f"{name} {part:.2f}" for name, part in saved.items())
    return (CONFIRMED if min(saved.values()) >= 0 else REFUTED), words


HEADS = ["MSQNet+TFE", "BIKE+TFE"]
# id, where, the claim in our words, the rule, the chapter that shows it.
RULES = (
    ("consistent-long", "Section 4.3, untrimmed videos",
     "TFE improves every backbone (on synthetic untrimmed videos)", raises("table1", HEADS),
     "10_table1, TFE against the head it replaces"),
    ("consistent-short", "Section 4.3, trimmed videos",
     "TFE improves every backbone (on synthetic trimmed clips)",
     raises("table2", ["MSQNet+TFE", "BIKE+TFE", "Text4Vis+TFE"]),
     "11_table2, TFE against the head it replaces"),
    ("smaller-on-bike", "Section 4.3", "the gain on BIKE is smaller than on MSQNet (untrimmed)",
     paired("table1", "msqnet", "bike", of=gain), "10_table1, TFE against the head it replaces"),
    ("limited-text4vis", "Section 4.3", "on trimmed clips the gain on Text4Vis is below BIKE's",
     paired("table2", "bike", "text4vis", of=gain), "11_table2, TFE against the head it replaces"),
    ("bounded", "Section 3.1.3, a bounded form", "with a bounded adversary TFE improves recognition",
     raises("bounded", ["MSQNet+TFE bounded", "BIKE+TFE bounded"]),
     "10_table1, TFE against the head it replaces"),
    ("ablation-whole", "Section 4.4", "the whole of TFE is the best row of its ablation",
     largest("table3", "TFE"), "12_table3, The table"),
    ("ablation-mask", "Section 4.4", "with both equations, the mask improves on two plain streams",
     paired("table3", "TFE", "Variant 3"), "12_table3, The table"),
    ("ablation-eq4", "Section 4.4", "with the mask, Eq. (4) improves on Eq. (5) alone",
     paired("table3", "TFE", "Variant 5"), "12_table3, The table"),
    ("ablation-eq5", "Section 4.4", "with the mask, Eq. (5) improves on Eq. (4) alone",
     paired("table3", "TFE", "Variant 4"), "12_table3, The table"),
    ("no-more-resources", "Section 4.6", "TFE raises neither FLOPs nor parameters", cheaper,
     "13_table4, What TFE saves"),
    ("fidelity", "Abstract, sections 1 and 4.5",
     "TFE raises temporal fidelity (leave one out, against true intervals)",
     raises("table1", HEADS, "auc_"), "15_fidelity, Every row"),
    ("figure-1", "Fig. 1", "a head's attention lies off the action and TFE's lies on it",
     raises("fidelity", ["BIKE+TFE"], "auc_"), "15_fidelity, Figure 4, by a rule"),
    ("figure-4", "Fig. 4, section 4.5", "TFE removes attention from inessential segments (MSQNet)",
     raises("fidelity", ["MSQNet+TFE"], "auc_"), "15_fidelity, Figure 4, by a rule"),
    ("fidelity-accuracy", "Section 4.2", "higher fidelity goes with higher accuracy",
     correlation("fidelity"), "15_fidelity, Does fidelity go with accuracy?"),
    ("suppresses-msqnet", "Sections 1 and 2",
     "TFE leans less on a spurious scene: it falls less where scenes are independent (MSQNet)",
     paired("table1", "MSQNet", "MSQNet+TFE", of=fall), "10_table1, Recognition"),
    ("suppresses-bike", "Sections 1 and 2",
     "TFE leans less on a spurious scene: it falls less where scenes are independent (BIKE)",
     paired("table1", "BIKE", "BIKE+TFE", of=fall), "10_table1, Recognition"),
    ("separates-msqnet", "Section 3.1", "z_N tells less of the label than z_S (MSQNet)",
     measured("fidelity", "MSQNet+TFE", ["probes_probe_z_s", "probes_probe_z_n"], less_in_rest),
     "15_fidelity, Is the label gone from z_N, or is its critic fooled?"),
    ("separates-bike", "Section 3.1", "z_N tells less of the label than z_S (BIKE)",
     measured("fidelity", "BIKE+TFE", ["probes_probe_z_s", "probes_probe_z_n"], less_in_rest),
     "15_fidelity, Is the label gone from z_N, or is its critic fooled?"),
    ("orthogonal-msqnet", "Section 3.1", "z_S and z_N point in unrelated directions (MSQNet)",
     measured("fidelity", "MSQNet+TFE", ["probes_cosine"], orthogonal),
     "15_fidelity, Is the label gone from z_N, or is its critic fooled?"),
    ("orthogonal-bike", "Section 3.1", "z_S and z_N point in unrelated directions (BIKE)",
     measured("fidelity", "BIKE+TFE", ["probes_cosine"], orthogonal),
     "15_fidelity, Is the label gone from z_N, or is its critic fooled?"),
)


def ledger(folder=RESULTS):
    """The rows of `claims.csv` about the experiments; those on the theory come from `book.theory`."""
    rows = []
    for name, where, claim, rule, chapter in RULES:
        try:
            verdict, words = rule(folder)
        except LookupError as error:
            verdict, words = UNTESTED, str(error.args[0])
        if verdict == UNTESTED and not words.startswith("not run"):
            words = f"not told apart: {words}"
        rows.append({"id": name, "where": where, "claim": claim, "verdict": verdict,
                     "evidence": f"{chapter}: {words}"})
    return rows + [*costs(folder), *printed(folder)]
