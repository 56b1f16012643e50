"""How a claim is judged: rules that take a folder of results and return `(verdict, words)`.

`claims.yaml` names them, with what else they take.

A rule raises LookupError, with the command that would help, where the file that it reads is not there.
"""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from book.evidence import statistics
from book.evidence.summary import MARGINS

CONFIRMED, REFUTED, NARROWED = "confirmed", "refuted", "narrowed"
DEPENDS, UNSEEN, UNTESTED = "depends on the reading", "not reproduced here", "not testable here"
VERDICTS = CONFIRMED, NARROWED, DEPENDS, UNSEEN, REFUTED, UNTESTED
# Rows that hold one claim in the readings that the text allows, by what makes the reading.
HEADS = "MSQNet", "BIKE", "Text4Vis"
READINGS = {"warm, L_S below D": "{}+TFE", "warm, -L_N below D": "{}+TFE, -L_N below D",
            "from scratch": "{}+TFE from scratch"}
DEPENDENCE = ["probes_dependence", "probes_dependence_permuted"]
MADE_BY = {"annotations": "make annotations LISTS=DIR", "theorems": "make theorems",
           "table4": "make reproduce-table4",
           **{name: f"make reproduce-real DATASET={name}" for name in (
               "msrc12", "sfinge3d", "utd_mhad", "composed", "grid")}}


def load(folder, name, part=""):
    """The csv file `name` of a folder of results, or its `part`: `_summary`, `_measures`."""
    path = folder / f"{name}{part}.csv"
    if not path.is_file():
        command = MADE_BY.get(name, f"python -m book batch book/batches/{name}.yaml")
        raise LookupError(f"not run: {command}")
    return pd.read_csv(path)


def sign(low, high, wanted=1):
    """Of an interval: the claimed sign, the other, or neither."""
    if np.isnan(low):
        return UNTESTED
    if wanted * low > 0 and wanted * high > 0:
        return CONFIRMED
    return REFUTED if wanted * low < 0 and wanted * high < 0 else UNSEEN


def together(verdicts):
    """One verdict of several: all, some, none with a contradiction, or nothing told apart."""
    if all(v == CONFIRMED for v in verdicts):
        return CONFIRMED
    if CONFIRMED in verdicts:
        return NARROWED
    return next((v for v in (REFUTED, UNSEEN) if v in verdicts), UNTESTED)


def across(verdicts):
    """One verdict of several readings: refuted only where every reading contradicts."""
    if len(set(verdicts)) == 1:
        return verdicts[0]
    return DEPENDS if {CONFIRMED, NARROWED} & set(verdicts) else UNSEEN


def beyond(line, prefix="", wanted=1):
    """The verdict on a paired difference: its sign, or not told apart where it is equal to none.

    Equal within the margins fixed beforehand (results/plan.md), for all that its sign be certain.
    """
    if line.get(f"{prefix}equal") in (True, 1):
        return UNSEEN
    return sign(line[f"{prefix}difference_low"], line[f"{prefix}difference_high"], wanted)


def compared(ours, other, wanted=1, digits=2, margin=None):
    """The verdict on `ours` exceeding `other`, runs of the same seeds, and the difference in words."""
    pair = statistics.paired(ours, other, margin=margin)
    line = {"difference_low": pair["low"], "difference_high": pair["high"], "equal": pair.get("equal")}
    return beyond(line, wanted=wanted), (
        f"{pair['difference']:+.{digits}f} [{pair['low']:.{digits}f}, {pair['high']:.{digits}f}]"
        + ", equal" * bool(line["equal"]))


def raises(folder, name, rows, prefix="", wanted=1):
    """The claim that each of `rows` differs from its baseline in the wanted direction.

    Confirmed where all intervals say so, narrowed where some do, refuted where none does and one says
    the contrary, and not reproduced here where the seeds tell nothing apart.
    """
    lines = load(folder, name, "_summary").query("split == 'test'").set_index("row")
    verdicts, words = [], []
    for row in rows:
        if row not in lines.index:
            raise LookupError(f"{name}_summary.csv has no row {row!r} on test")
        line = lines.loc[row]
        middle, low, high = (line[f"{prefix}difference{end}"] for end in ("", "_low", "_high"))
        verdicts.append(beyond(line, prefix, wanted))
        words.append(f"{row} {middle:+.3g} [{low:.3g}, {high:.3g}]"
                     + ", equal" * (line.get(f"{prefix}equal") in (True, 1)))
    return together(verdicts), "; ".join(words)


def on_test(table):
    """The runs on the test split."""
    return table[table.split == "test"]


def fall(table):
    """How much a run loses from `test` to `shifted`, where scenes tell nothing: in `value`."""
    wide = table.pivot_table(index=["row", "seed"], columns="split", values="value")
    return (wide.test - wide.shifted).rename("value").reset_index()


def gain(table, cold=False):
    """Each TFE run minus the head of its seed that it is held against: rows are the heads.

    Held against that head trained on, where the table has it. cold: TFE from scratch, against the
    head that begins there too.
    """
    wide = on_test(table).pivot_table(index="seed", columns="row", values="value")
    gains = {}
    for head in HEADS:
        ours, base = f"{head}+TFE", f"{head} trained on"
        if cold or base not in wide:
            ours, base = (f"{ours} from scratch" if f"{ours} from scratch" in wide else ours), head
        if {ours, base} <= set(wide):
            gains[head] = wide[ours] - wide[base]
    found = pd.DataFrame(gains).stack().rename("value").rename_axis(["seed", "row"])
    return found.reset_index()


PREPARED = {of.__name__: of for of in (on_test, fall, gain)}


def paired(folder, name, ours, other, wanted=1, of="on_test"):
    """The claim that row `ours` exceeds row `other`, paired by seed; `of` prepares the runs."""
    runs = PREPARED[of](load(folder, name)).pivot_table(index="seed", columns="row", values="value")
    if not {ours, other} <= set(runs):
        raise LookupError(f"{name}.csv lacks {ours} or {other}")
    both = runs[[ours, other]].dropna()
    verdict, words = compared(both[ours], both[other], wanted, margin=MARGINS["value"])
    return verdict, f"{ours} minus {other}: {words}, {len(both)} seeds"


def less_in_rest(runs):
    """z_N tells less of the label than z_S, by a fresh reader: yes, no, or not told apart."""
    verdict, words = compared(runs["probes_probe_z_s"], runs["probes_probe_z_n"], digits=3)
    return verdict, f"fresh reader, z_S minus z_N: {words}"


def independent(runs):
    """z_S and z_N are as independent as pairs from different videos, by the least-squares critic."""
    verdict, words = compared(*(runs[name] for name in DEPENDENCE), digits=3)
    return (REFUTED if verdict == CONFIRMED else UNSEEN), (
        f"squared-loss information {runs['probes_dependence'].mean():.3f}, above that of permuted "
        f"pairs by {words}")


def orthogonal(runs):
    """The mean cosine of z_S and z_N lies within .1 of 0."""
    mean, low, high = statistics.mean_interval(runs["probes_cosine"])
    words = f"mean cosine {mean:.2f} [{low:.2f}, {high:.2f}]"
    if -0.1 <= low and high <= 0.1:
        return CONFIRMED, words
    return (REFUTED if low > 0.1 or high < -0.1 else UNSEEN), words


TESTS = {"less_in_rest": (less_in_rest, ["probes_probe_z_s", "probes_probe_z_n"]),
         "independent": (independent, DEPENDENCE), "orthogonal": (orthogonal, ["probes_cosine"])}


def measured(folder, name, row, test):
    """A claim about other measures of the runs of a row: one of `TESTS`, by its name."""
    judge, measures = TESTS[test]
    runs = load(folder, name, "_measures")
    runs = on_test(runs[(runs.row == row) & runs.measure.isin(measures)])
    if runs.empty:
        raise LookupError(f"{name}_measures.csv has no such measure of {row}")
    return judge(runs.pivot_table(index="seed", columns="measure", values="value"))


def correlation(folder, name):
    """Fidelity and accuracy rise together, over the rows of a table."""
    lines = load(folder, name, "_summary").query("split == 'test'").dropna(
        subset=["auc", "value"])
    found = spearmanr(lines.value, lines.auc)
    words = f"Spearman {found.statistic:+.2f} over {len(lines)} rows, p = {found.pvalue:.2f}"
    if not found.pvalue <= 0.05:  # nor where there is none
        return UNSEEN, words
    return (CONFIRMED if found.statistic > 0 else REFUTED), words


def largest(folder, name, row, rows):
    """The claim that `row` is better than each of `rows`, as their differences to it say."""
    others = load(folder, name, "_summary").query("split == 'test' and against == @row")
    others = others[others.row.isin(rows)]
    if set(rows) - set(others.row):
        raise LookupError(f"not run: {name}_summary.csv does not compare all of {', '.join(rows)} "
                          f"with {row}")
    found = others.apply(beyond, axis=1, wanted=-1)
    named = {word: "; ".join(others.row[found == verdict]) or "none" for word, verdict in (
        ("above", REFUTED), ("below", CONFIRMED), ("equal or not told apart", UNSEEN))}
    return REFUTED if REFUTED in set(found) else together(list(found)), (
        f"against {row}, " + ". ".join(f"{word}: {names}" for word, names in named.items()))


def coarser(folder, backbone, whole="table1", clips="coarse"):
    """The claim that TFE gains more where training has whole videos than where it has clips of them."""
    gains = pd.concat([gain(load(folder, name), cold=True).set_index(["row", "seed"])
                       .value.rename(name) for name in (whole, clips)], axis=1).dropna()
    gains = gains[gains.index.isin([backbone], level="row")]
    if gains.empty:
        raise LookupError(f"not run: no seed of {backbone} stands in both tables")
    verdict, words = compared(gains[whole], gains[clips])
    return verdict, (f"from scratch, gain on whole videos {gains[whole].mean():+.2f}, on clips "
                     f"{gains[clips].mean():+.2f}; the first minus the second {words}, "
                     f"{len(gains)} seeds")


def contradicted(folder, statement):
    """A claim that a statement of results/theorems.csv contradicts, where that statement holds."""
    rows = load(folder, "theorems")
    found = rows[rows.statement.str.startswith(f"{statement}:")]
    if found.empty:
        raise LookupError(f"not run: theorems.csv has no statement {statement}: make theorems")
    row = found.iloc[0]
    return (REFUTED if row.verdict == "holds" else UNSEEN), f"{row.statement} ({row.verdict})"


def cheaper(folder):
    """TFE costs no more than what it replaces, in truth: every quantity of both systems."""
    true = load(folder, "table4").pivot(index="row", columns="quantity", values="true")
    saved = {f"{row} {quantity}": 100 * (1 - true.loc[f"{row}+TFE", quantity] / cost)
             for row in true.index if f"{row}+TFE" in true.index
             for quantity, cost in true.loc[row].items()}
    words = "saved, per cent: " + ", ".join(f"{name} {part:.2f}" for name, part in saved.items())
    return (CONFIRMED if min(saved.values()) >= 0 else REFUTED), words


def facts(folder, dataset):
    """Section 4.1's numbers of a benchmark, against the official lists.

    Confirmed where all agree, narrowed where some do; seconds printed as whole numbers may have been
    cut off.
    """
    rows = load(folder, "annotations").dropna(subset="paper")
    rows = rows[rows.dataset == dataset]
    if rows.empty:
        raise LookupError("not run: make annotations LISTS=DIR")
    seconds = rows.quantity.str.endswith("(s)")
    good = np.where(seconds, rows.paper == np.floor(rows.value),
                    np.isclose(rows.value, rows.paper, rtol=0.005))
    words = "; ".join(f"{row.quantity} {row.value:g}, printed {row.paper:g}"
                      for row in rows[~good].itertuples())
    verdict = CONFIRMED if good.all() else NARROWED if good.any() else REFUTED
    return verdict, f"{good.sum()} of {len(rows)} agree" + (f"; not: {words}" if words else "")


def khot(folder):
    """Eq. (8) with k draws gives k ones: the expected number under equal logits, T = 16.

    In closed form; `tfe.khot.inclusion` is held against it in `tests/test_khot.py`.
    """
    counts = {k: 16 * (1 - (1 - 1 / 16) ** k) for k in (1, 4, 8, 16)}
    words = ", ".join(f"k = {k}: {ones:.1f}" for k, ones in counts.items())
    good = all(abs(ones - k) < 0.01 for k, ones in counts.items())
    return (CONFIRMED if good else REFUTED), f"ones expected of 16 under equal logits, {words}"


def captioned(folder):
    """Table 3's caption names three datasets: how many its rows are printed for."""
    rows = load(folder, "reported").query("source == 'the paper, Table 3'")
    columns = rows.groupby("system").size()
    return (CONFIRMED if (columns == 3).all() else REFUTED), (
        f"{len(columns)} rows with {columns.max()} number each, of {', '.join(rows.dataset.unique())}")


def in_readings(folder, rule, heads=(), into="rows", more=None, **given):
    """The claim that a rule judges, in every reading of `READINGS`, of these heads.

    rule: a name of `RULES`, called once a reading with `given` and the reading's rows. into: the
    argument that takes them, "rows" a list of all heads, any other the row of the first head. more:
    further readings: `{reading: the rule's arguments, over those in given}`; all, where no head is given.
    """
    found = {}
    for reading, row in READINGS.items() if heads else ():
        rows = [row.format(head) for head in heads]
        found[reading] = RULES[rule](folder, **given, **{into: rows if into == "rows" else rows[0]})
    for reading, own in (more or {}).items():
        found[reading] = RULES[rule](folder, **given | own)
    return across([verdict for verdict, _ in found.values()]), ". ".join(
        f"{reading} ({verdict}): {words}" for reading, (verdict, words) in found.items())


RULES = {rule.__name__: rule for rule in (
    raises, paired, measured, correlation, largest, coarser, contradicted, cheaper, facts, khot,
    captioned, in_readings)}
