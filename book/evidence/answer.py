"""The answer of Table 1, computed from its runs: what TFE gives, and what each reading of it costs."""

import pandas as pd

from book.evidence import statistics, verdicts
from book.evidence.summary import MARGINS
from book.evidence.verdicts import verdict
from data.files.paths import write_text
from tfe.errors import StudyError

HEADS = "MSQNet", "BIKE"
# What is asked; the two rows whose difference, paired by seed, answers it; the sentence's opening.
QUESTIONS = {
    "TFE": ("{}+TFE", "{} trained on", "With TFE, beside the head trained on for as long"),
    "the adversary": ("{}+TFE", "{}+TFE, no adversary", "With its adversary, beside TFE without"),
    "-L_N below D": ("{}+TFE, -L_N below D", "{}+TFE",
                     "With -L_N below D as well, beside L_S alone there"),
    "from scratch": ("{}+TFE from scratch", "{}", "With TFE from scratch, at another depth and with -L_N "
                                                  "below D, beside the plain head"),
    "training on": ("{} trained on", "{}", "Trained on without TFE, beside before")}
# What a caption tells in numbers, and in how much else the two rows differ; no verdict hangs on it.
IN_NUMBERS = {
    "With its adversary minus without, each at the rate of its row": QUESTIONS["the adversary"][:2],
    "From scratch minus begun at a trained head (which has twice the epochs, another rate and another depth), -L_N "
    "below D in both": ("{}+TFE from scratch", "{}+TFE, -L_N below D")}
# Column, name, unit and digits; differences below the margin count as none. Mass reads the same importance
# of segments as the AUC does, another way: it decides nothing, and is told beside the answer.
MEASURES = {prefix: (*words, MARGINS.get(words[0])) for prefix, words in {
    "": ("value", "mAP", "points", 1), "auc_": ("fidelity_auc", "fidelity", "", 3),
    "mass_": ("fidelity_mass", "fidelity by mass", "", 3)}.items()}
DECIDING = "", "auc_"
_SHORT = [(column, name.removeprefix("fidelity by ").replace("fidelity", "AUC"), digits)
          for column, name, _, digits, _ in MEASURES.values()]
STAGES = {"the head before": "{}", "trained on without TFE": "{} trained on", "with TFE": "{}+TFE",
          "with TFE, no adversary": "{}+TFE, no adversary"}


def contrasts(runs, split="test"):
    """Every question of `QUESTIONS` that a table's runs can answer, one line a question and head.

    runs: as in `results/headline.csv`. Columns as in a summary's differences, and `mass_` ones; `holm`,
    `auc_holm` correct the p values of both measures for all of them together.
    """
    wide, lines = by_seed(runs, split), []
    for question, (ours, other, _) in QUESTIONS.items():
        for head in HEADS:
            if {ours.format(head), other.format(head)} <= set(wide.get("value", ())):
                lines.append({"question": question, "head": head,
                              **differences(wide, ours.format(head), other.format(head))})
    return corrected(pd.DataFrame(lines))


def by_seed(runs, split):
    """The measures of a table's runs, seeds down; columns are those of `MEASURES`, then the row."""
    return runs[runs.split == split].pivot_table(
        index="seed", columns="row", values=[column for column, *_ in MEASURES.values()])


def each_seed(runs, split="test"):
    """TFE minus its control, seed by seed: lines of `head`, `measure`, `seed` and `difference`."""
    wide = by_seed(runs, split)
    ours, other, _ = QUESTIONS["TFE"]
    found = {(head, name): wide[column, ours.format(head)] - wide[column, other.format(head)]
             for column, name, *_ in MEASURES.values() for head in HEADS}
    return pd.concat(found, names=["head", "measure"]).rename("difference").reset_index()


def corrected(lines):
    """Lines of `differences` with `holm` and `auc_holm`: their p values, corrected all together.

    Those of mass are corrected by themselves.
    """
    if len(lines):
        both = statistics.holm(pd.concat([lines.p, lines.auc_p], ignore_index=True))
        lines = lines.assign(holm=both[:len(lines)], auc_holm=both[len(lines):])
        if "mass_p" in lines:
            lines["mass_holm"] = statistics.holm(lines.mass_p)
    return lines


def differences(wide, ours, other):
    """Row `ours` minus row `other`, paired by seed, in each measure: a line, named as in a summary.

    wide: a table's runs as of `by_seed`.
    """
    found = {"row": ours, "against": other}
    for prefix, (column, *_, margin) in MEASURES.items():
        if column not in wide:
            continue
        pair = statistics.paired_by_seed(*(wide[column].get(row, pd.Series(dtype=float))
                                           for row in (ours, other)), margin=margin)
        ends = {"low": "difference_low", "high": "difference_high"}
        found |= {prefix + ends.get(name, name): value for name, value in (pair or {}).items()
                  if name != "means"}
    return found


def sentence(lines, question, prefix=""):
    """The answer to one of `QUESTIONS` in a sentence: how each head's measure differs.

    lines: as of `contrasts`; prefix: "" asks about mAP, "auc_" about fidelity, "mass_" about mass.
    """
    return f"{QUESTIONS[question][2]}: {of_heads(lines[lines.question == question], MEASURES[prefix][1], prefix)}."


IS = {"higher": "is higher by {}", "lower": "is lower by {}", "equal": "is equal within {}"}


def _differs(line, prefix):
    """How one head's measure differs: "is lower by 7.9 points"."""
    _, _, unit, digits, margin = MEASURES[prefix]
    found = verdict(line, prefix)
    if found == "equal":
        size = f"{margin or 0:g} {unit if margin != 1 else 'point'}"
    else:
        size = f"{abs(line[f'{prefix}difference']):.{digits}f} {unit}"
    return IS.get(found, "shows no clear difference").format(size.strip())


def paragraph(runs, rate=None, alike=None, split="test"):
    """The answer: in short; a table of means; each row at its own best rate; one rate on both sides.

    runs: as in `results/headline.csv`; rate, alike: `rate_summary.csv` and the runs behind it, TFE beside
    its controls at its own learning rates, if that was run.
    """
    lines = contrasts(runs, split)
    equal_rate = None if rate is None else at_one_rate(rate, alike, split)
    if equal_rate is not None and "mass_p" in equal_rate:  # of both tables, as both are told
        holm = statistics.holm(pd.concat([lines.mass_p, equal_rate.mass_p]))
        lines, equal_rate = (table.assign(mass_holm=part) for table, part in (
            (lines, holm[:len(lines)]), (equal_rate, holm[len(lines):])))
    asked = lines[lines.question == "TFE"]
    own_rates = [
        f"On synthetic videos, over {asked.seeds.min()} seeds, TFE is added to a trained head, and compared with "
        "that head trained on for as long without it. One rule chose the learning rate of each. Higher and lower "
        "are told after a correction for the number of tests.",
        f"{of_heads(asked, 'mAP')}. By AUC, {of_heads(asked, 'fidelity', 'auc_')}.", *kept(runs, lines, split),
        f"By mass, which was looked at afterwards, {of_heads(asked, 'fidelity', 'mass_')}."]
    one_rate = [] if equal_rate is None else [
        "Now both sides take the learning rate that is best for TFE.",
        *(f"{of_heads(equal_rate, name, prefix)}." for prefix, name in (("", "mAP"), ("auc_", "AUC"), ("mass_", "mass"))
          if f"{prefix}difference" in equal_rate)]
    return "\n\n".join(filter(None, [
        in_short(asked, equal_rate), side_by_side(runs, split), " ".join(own_rates), " ".join(one_rate)]))


def side_by_side(runs, split="test"):
    """The means of each head before, trained on without TFE, with it, and with it but without its adversary; Markdown.

    Verdicts are told beside; this shows whether a row that ends below another fell, or gained less.
    """
    wide = by_seed(runs, split)
    cells = [["means, synthetic videos", *(f"{head}: {name}" for head in HEADS for _, name, *_ in _SHORT)],
             ["---"] * (1 + len(HEADS) * len(_SHORT))]
    cells += [[words, *(f"{wide[column][row.format(head)].mean():.{digits}f}" for head in HEADS
                        for column, _, digits in _SHORT)] for words, row in STAGES.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def in_short(asked, equal_rate=None):
    """On which heads TFE raised recognition, and ended more faithful by each measure, in sentences.

    asked, equal_rate: a line of differences a head, each row at its own best rate and at one for both.
    """
    def raised(lines, prefix):
        heads = [line["head"] for line in lines.to_dict("records") if verdict(line, prefix) == "higher"]
        return "on neither head" if not heads else (
            f"on {heads[0]} alone" if len(heads) < len(HEADS) else "on both heads")

    again = "" if equal_rate is None else (
        f" Where both sides have one learning rate, it did so {raised(equal_rate, 'auc_')}.")
    return (f"In the default reading, TFE raised recognition {raised(asked, '')}. By AUC, fidelity ended above "
            f"the control's {raised(asked, 'auc_')}.{again} By mass, it did so {raised(asked, 'mass_')}.")


def of_heads(lines, measure, prefix=""):
    """How each head's measure differs: "MSQNet's mAP is lower by 6.8 points, BIKE's is equal within 1 point".

    One word for both where they agree: "mAP is equal within 1 point on both heads".
    """
    differs = {line["head"]: _differs(line, prefix) for line in lines.to_dict("records")}
    if len(set(differs.values())) == 1 < len(differs):
        return f"{measure} {differs.popitem()[1]} on both heads"
    return ", ".join(f"{head}'s {measure * (not n)} {words}".replace("  ", " ")
                     for n, (head, words) in enumerate(differs.items()))


def kept(runs, lines, split="test"):
    """Where fidelity began, for heads that lose some as they train on: there TFE keeps it and gains none."""
    means = runs[runs.split == split].groupby("row").fidelity_auc.mean()

    def those(question, wanted):
        asked = lines[lines.question == question].to_dict("records")
        return [line["head"] for line in asked if verdict(line, "auc_") == wanted]

    return [f"{head}'s fidelity is higher because it lost less: the head had {means[head]:.3f} before; it ended at "
            f"{means[f'{head}+TFE']:.3f} with TFE and {means[f'{head} trained on']:.3f} without."
            for head in those("TFE", "higher")
            if head in those("training on", "lower") and means[f"{head}+TFE"] < means[head]]


def of_rows(lines, measure, prefix=""):
    """What became of a measure in each row of a summary: a sentence a verdict, without the last stop."""
    words = {"higher": "rose for", "lower": "fell for", "equal": "stayed equal for",
             "no clear difference": "shows no clear difference for"}
    rows = {}
    for line in lines.to_dict("records"):
        rows.setdefault(verdict(line, prefix), []).append(line["row"])
    return f"{measure} " + ". It ".join(
        f"{words[found]} {('; ' if ',' in ''.join(names) else ', ').join(names)}"
        for found, names in rows.items())


def at_one_rate(rate, alike=None, split="test"):
    """A line of differences a head where TFE and its control learn at one rate; mass from the runs alone.

    rate, alike: as of `paragraph`.
    """
    lines = rate[(rate.split == split) & rate.row.isin([f"{head}+TFE" for head in HEADS])]
    lines = lines.assign(head=lines.row.str.removesuffix("+TFE"))
    if alike is None:
        return lines
    wide = by_seed(alike, split)
    found = corrected(pd.DataFrame([differences(wide, line.row, line.against) for line in lines.itertuples()]))
    return lines.merge(found[["row", *[name for name in found if name.startswith("mass_")]]], on="row")


def caption(runs):
    """What a table says of every question that its rows answer, in sentences; "" where of none."""
    if runs.metric.iloc[0] != "map" or runs.fidelity_auc.isna().all() or (
            runs.seed.nunique() < statistics.FEWEST):
        return ""
    lines = contrasts(runs, "test")
    told = [sentence(lines, question, prefix) for question in QUESTIONS
            if question in set(lines.get("question", ())) for prefix in DECIDING]
    return "".join(f"{each} " for each in [*told, *(kept(runs, lines) + in_numbers(runs) if told else [])])


def in_numbers(runs):
    """The differences of `IN_NUMBERS`, a sentence each: mAP and AUC of each head, intervals of themselves alone."""
    wide = by_seed(runs, "test")

    def of_head(head, rows):
        line = differences(wide, *(row.format(head) for row in rows))
        return f"{head} " + " and ".join(
            verdicts.interval(line, f"{prefix}difference", "+", MEASURES[prefix][3]) for prefix in DECIDING)

    return [f"{opening}, in mAP and AUC: {'; '.join(of_head(head, rows) for head in there)}."
            for opening, rows in IN_NUMBERS.items()
            if (there := [head for head in HEADS if {row.format(head) for row in rows} <= set(wide.get("value", ()))])]


def write(readme, mark, text):
    """Put a text that is made of results between a README's marks `<!-- mark: how -->` and `<!-- /mark -->`."""
    before, opening, rest = readme.read_text(encoding="utf-8").partition(f"<!-- {mark}:")
    comment, _, rest = rest.partition("-->")
    _, closing, after = rest.partition(f"<!-- /{mark} -->")
    if not closing:
        raise StudyError(f"{readme} lacks the marks <!-- {mark}: --> and <!-- /{mark} -->: put them back")
    write_text(readme, f"{before}{opening}{comment}-->\n{text}\n{closing}{after}")
