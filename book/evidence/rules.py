"""How a claim is judged: rules that take a folder of results and return `(verdict, words)`.

`claims.yaml` names them, with what else they take.

A rule raises LookupError, with the command that would help, where the file that it reads is not there.

Differences of a summary are told apart after Holm's correction over their table; what a rule computes itself, after
Bonferroni's over the `tests` of its claim: all readings and rows. A claim that is one test has no correction.
"""

from inspect import signature
from itertools import zip_longest

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from book.evidence import statistics
from book.evidence.recordings import SETS
from book.evidence.summary import MARGINS
from book.evidence.verdicts import uncounted, verdict

CONFIRMED, REFUTED, NARROWED = "confirmed", "refuted", "narrowed"
DEPENDS, UNSEEN, UNTESTED = "depends on the reading", "not reproduced here", "not testable here"
LEVEL = 0.05  # the chance of any false sign among the tests that belong together
VERDICTS = CONFIRMED, NARROWED, DEPENDS, UNSEEN, REFUTED, UNTESTED
# Rows that hold one claim in the readings that the text allows, by what makes the reading.
READINGS = {"warm, L_S below D": "{}+TFE", "warm, -L_N below D": "{}+TFE, -L_N below D",
            "from scratch, -L_N below D": "{}+TFE from scratch"}
DEPENDENCE = ["probes_dependence", "probes_dependence_permuted"]
MADE_BY = {"annotations": "make annotations LISTS=DIR", "theorems": "make theorems",
           "table4": "make reproduce-table4",
           "multiverse_final": "python -m book batch book/batches/multiverse.yaml",
           **{name: f"make reproduce-real DATASET={name}" for name in SETS}}


def load(folder, name, part=""):
    """The csv file `name` of a folder of results, or its `part`: `_summary`, `_measures`."""
    path = folder / f"{name}{part}.csv"
    if not path.is_file():
        command = MADE_BY.get(name, f"python -m book batch book/batches/{name}.yaml")
        raise LookupError(f"not run: {command}")
    return pd.read_csv(path)


def sign(low, high):
    """Of an interval: the claimed sign, which is plus, the other, or neither."""
    if np.isnan(low):
        return UNTESTED
    return CONFIRMED if low > 0 else REFUTED if high < 0 else UNSEEN


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


def judged(line, prefix="", wanted=1):
    """The verdict on a summary's difference: what `book.evidence.verdicts.verdict` calls it, as wanted.

    Equal within the margins fixed beforehand (results/plan.md) is no effect, for all that its sign be
    certain; beyond them Holm's correction decides. Where a run diverged nothing is told.
    """
    if line.get("diverged", 0):
        return UNSEEN
    signs = {"higher": wanted, "lower": -wanted}
    return {1: CONFIRMED, -1: REFUTED}.get(signs.get(verdict(line, prefix)), UNSEEN)


def compared(ours, other, digits=2, margin=None, tests=1):
    """The verdict on `ours` exceeding `other`, runs of the same seeds, and the difference in words.

    tests: of how many this is one. The interval in the words is of this one alone.
    """
    pair = statistics.paired(ours, other, margin=margin)
    equal, lost = bool(pair.get("equal")), pair["p"] < LEVEL <= pair["p"] * tests
    found = UNSEEN if equal or lost else sign(pair["low"], pair["high"])
    return found, (
        f"{pair['difference']:+.{digits}f} [{pair['low']:.{digits}f}, {pair['high']:.{digits}f}]" + ", equal" * equal
        + f", not after correction for {tests} tests" * (lost and not equal))


def raises(folder, name, rows, prefix="", level=False):
    """The claim that each of `rows` is above its baseline.

    Confirmed where all are, narrowed where some are, refuted where none is and one shows the contrary,
    and not reproduced here where the seeds tell nothing apart. level: a rise of AUC counts only where the
    metric is equal or higher.
    """
    lines = load(folder, name, "_summary").query("split == 'test'").set_index("row")
    verdicts, words = [], []
    for row in rows:
        if row not in lines.index:
            raise LookupError(f"{name}_summary.csv has no row {row!r} on test")
        line = lines.loc[row]
        middle, low, high = (line[f"{prefix}difference{end}"] for end in ("", "_low", "_high"))
        found = judged(line, prefix)
        behind = level and found == CONFIRMED and uncounted(line)
        verdicts.append(UNSEEN if behind else found)
        words.append(f"{row} {middle:+.3g} [{low:.3g}, {high:.3g}]"
                     + ", equal" * (line.get(f"{prefix}equal") in (True, 1))
                     + ", where recognition is not equal" * behind)
    return together(verdicts), "; ".join(words)


def against(folder, name, row):
    """The row that `row` of a table is held against."""
    held = load(folder, name, "_summary").set_index("row").against
    if row not in held or held[[row]].isna().any():
        raise LookupError(f"{name}_summary.csv holds {row!r} against nothing")
    return held[[row]].iloc[0]


def differences(folder, name, row, column="value", other=None):
    """Each run of a row minus that of its seed which it is held against, or of `other`: a Series by seed.

    column: of the runs on test, or the name of a measure.
    """
    runs = on_test(load(folder, name))
    if column not in runs:
        runs = on_test(load(folder, name, "_measures")).query("measure == @column").rename(
            columns={"value": column})
    wide = runs.pivot_table(index="seed", columns="row", values=column)
    return (wide[row] - wide[other or against(folder, name, row)]).dropna()


def exceed(folder, name, rows, column, others=(), tests=1):
    """The claim that each of `rows` is above its baseline, or one of `others`, in a column or measure."""
    found = {row: compared(lead := differences(folder, name, row, column, other), 0 * lead, digits=3,
                           margin=MARGINS.get(column), tests=tests * len(rows))
             for row, other in zip_longest(rows, others)}
    return together([each for each, _ in found.values()]), "; ".join(
        f"{row} {words}" for row, (_, words) in found.items())


def larger_gain(first, second, tests=1):
    """The verdict on a first gain that exceeds a second, both by seed, and the words.

    A smaller loss confirms nothing: the first must be a gain by itself, beyond the margin.
    """
    (found, words), (alone, by_itself) = (compared(first, other, margin=MARGINS["value"], tests=tests)
                                          for other in (second, 0 * first))
    if found == CONFIRMED != alone:
        return UNSEEN, f"{words}, where the first is no gain: {by_itself}"
    return found, words


def gains_more(folder, name, rows, tests=1):
    """The claim that the first of two rows gains more over its baseline than the second over its own."""
    first, second = (differences(folder, name, row) for row in rows)
    first, second = first.align(second, join="inner")
    found, words = larger_gain(first, second, tests)
    return found, f"{rows[0]}'s gain minus {rows[1]}'s: {words}, {len(first)} seeds"


def falls_less(folder, name, rows, tests=1):
    """The claim that a row loses less than its baseline from `test` to `shifted`, where scenes lie."""
    row, = rows
    other = against(folder, name, row)
    lost = fall(load(folder, name)).pivot_table(index="seed", columns="row", values="value")
    both = lost[[other, row]].dropna()
    found, words = compared(both[other], both[row], margin=MARGINS["value"], tests=tests)
    return found, f"fall of {other} minus {row}'s: {words}, {len(both)} seeds"


def on_test(table):
    """The runs on the test split."""
    return table[table.split == "test"]


def fall(table):
    """How much a run loses from `test` to `shifted`, where scenes tell nothing: in `value`."""
    wide = table.pivot_table(index=["row", "seed"], columns="split", values="value")
    return (wide.test - wide.shifted).rename("value").reset_index()


def paired(folder, name, ours, other, tests=1):
    """The claim that row `ours` exceeds row `other`, paired by seed."""
    runs = on_test(load(folder, name)).pivot_table(index="seed", columns="row", values="value")
    if not {ours, other} <= set(runs):
        raise LookupError(f"{name}.csv lacks {ours} or {other}")
    both = runs[[ours, other]].dropna()
    found, words = compared(both[ours], both[other], margin=MARGINS["value"], tests=tests)
    return found, f"{ours} minus {other}: {words}, {len(both)} seeds"


def less_in_rest(runs, tests=1):
    """z_N tells less of the label than z_S, by a fresh reader: beyond the margin of equal recognition."""
    # Probes answer in shares of 1, the margin is in points.
    found, words = compared(runs["probes_probe_z_s"], runs["probes_probe_z_n"], digits=3,
                            margin=MARGINS["value"] / 100, tests=tests)
    return found, f"fresh reader, z_S minus z_N: {words}"


def independent(runs, tests=1):
    """z_S and z_N are as independent as pairs from different videos, by the least-squares critic."""
    found, words = compared(*(runs[name] for name in DEPENDENCE), digits=3, tests=tests)
    return (REFUTED if found == CONFIRMED else UNSEEN), (
        f"squared-loss information {runs['probes_dependence'].mean():.3f}, above that of permuted "
        f"pairs by {words}")


def orthogonal(runs, tests=1):
    """The mean cosine of z_S and z_N lies within .1 of 0."""
    mean, *ends = statistics.mean_interval(runs["probes_cosine"])
    words = f"mean cosine {mean:.2f} [{ends[0]:.2f}, {ends[1]:.2f}]"
    _, low, high = statistics.mean_interval(runs["probes_cosine"], 1 - LEVEL / tests)
    if -0.1 <= low and high <= 0.1:
        return CONFIRMED, words
    return (REFUTED if low > 0.1 or high < -0.1 else UNSEEN), words


TESTS = {"less_in_rest": (less_in_rest, ["probes_probe_z_s", "probes_probe_z_n"]),
         "independent": (independent, DEPENDENCE), "orthogonal": (orthogonal, ["probes_cosine"])}


def measured(folder, name, rows, test, tests=1):
    """A claim about other measures of the runs of one row: one of `TESTS`, by its name."""
    row, = rows
    judge, measures = TESTS[test]
    runs = load(folder, name, "_measures")
    runs = on_test(runs[(runs.row == row) & runs.measure.isin(measures)])
    if runs.empty:
        raise LookupError(f"{name}_measures.csv has no such measure of {row}")
    return judge(runs.pivot_table(index="seed", columns="measure", values="value"), tests)


def correlation(folder, name):
    """Fidelity and accuracy rise together, over the rows of a table.

    Rows that share heads and seeds are no independent draws: against the claim they refute nothing.
    """
    lines = load(folder, name, "_summary").query("split == 'test'").dropna(
        subset=["auc", "value"])
    found = spearmanr(lines.value, lines.auc)
    words = f"Spearman {found.statistic:+.2f} over {len(lines)} rows, p = {found.pvalue:.2f}"
    sure = found.pvalue <= 0.05 and found.statistic > 0  # neither where there is none
    return (CONFIRMED if sure else UNSEEN), words


def largest(folder, name, row, rows):
    """The claim that `row` is better than each of `rows`, as their differences to it say."""
    others = load(folder, name, "_summary").query("split == 'test' and against == @row")
    others = others[others.row.isin(rows)]
    if set(rows) - set(others.row):
        raise LookupError(f"not run: {name}_summary.csv does not compare all of {', '.join(rows)} "
                          f"with {row}")
    found = others.apply(judged, axis=1, wanted=-1)
    named = {word: "; ".join(others.row[found == each]) or "none" for word, each in (
        ("above", REFUTED), ("below", CONFIRMED), ("equal or no clear difference", UNSEEN))}
    return REFUTED if REFUTED in set(found) else together(list(found)), (
        f"against {row}, " + ". ".join(f"{word}: {names}" for word, names in named.items()))


def coarser(folder, rows, whole="table1", clips="coarse", tests=1):
    """The claim that a row gains more over its baseline where training has whole videos than on clips."""
    row, = rows
    on_whole, on_clips = (differences(folder, name, row) for name in (whole, clips))
    on_whole, on_clips = on_whole.align(on_clips, join="inner")
    found, words = larger_gain(on_whole, on_clips, tests)
    return found, (f"{row} gains {on_whole.mean():+.2f} on whole videos, {on_clips.mean():+.2f} on clips; "
                   f"the first minus the second {words}, {len(on_whole)} seeds")


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


def facts(folder, dataset, sample=None):
    """Section 4.1's numbers of a benchmark, against the official lists.

    Confirmed where all agree, narrowed where some do; seconds printed as whole numbers may have been
    cut off. sample: the name of a part of its videos whose lengths are known, where its own lists give
    none; every video of the part must lie in the printed range.
    """
    rows = load(folder, "annotations").dropna(subset="paper")
    ends = rows.quantity.isin(["shortest (s)", "longest (s)"])
    rows = rows[(rows.dataset == dataset) | (rows.dataset == sample) & ends]
    if rows.empty:
        raise LookupError("not run: make annotations LISTS=DIR")
    seconds, cut = rows.quantity.str.endswith("(s)"), np.floor(rows.value)
    good = np.select(
        [seconds & (rows.dataset == dataset), rows.quantity == "shortest (s)", seconds],
        [cut == rows.paper, cut >= rows.paper, cut <= rows.paper],
        np.isclose(rows.value, rows.paper, rtol=0.005))
    words = "; ".join(
        f"{f'{sample}, ' * (row.dataset != dataset)}{row.quantity} {row.value:g}, printed {row.paper:g}"
        for row in rows[~good].itertuples())
    found = CONFIRMED if good.all() else NARROWED if good.any() else REFUTED
    return found, f"{good.sum()} of {len(rows)} agree" + (f"; not: {words}" if words else "")


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


def in_readings(folder, rule, heads=(), more=None, **given):
    """The claim that a rule judges, in every reading of `READINGS`, of these heads.

    rule: a name of `RULES`, called once a reading with `given` and the reading's `rows`, one a head.
    more: further readings: `{reading: the rule's arguments, over those in given}`; all, where no head is
    given.
    """
    readings = {reading: {"rows": [row.format(head) for head in heads]}
                for reading, row in READINGS.items() if heads} | (more or {})
    if "tests" in signature(RULES[rule]).parameters:
        given["tests"] = len(readings)
    found = {reading: RULES[rule](folder, **given | own) for reading, own in readings.items()}
    return across([each for each, _ in found.values()]), ". ".join(
        f"{reading} ({each}): {words}" for reading, (each, words) in found.items())


RULES = {rule.__name__: rule for rule in (
    raises, exceed, paired, gains_more, falls_less, measured, correlation, largest, coarser,
    contradicted, cheaper, facts, khot, captioned, in_readings)}
