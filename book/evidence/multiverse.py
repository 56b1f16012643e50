"""What many readings say together: the specification curve, and what each axis does.

Rows come from `results/multiverse.csv` (`book.runs.multiverse`). A reading is *printed* where no value
of its axes departs from the text.
"""

from itertools import product

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import comb

from book.evidence.statistics import holm
from book.evidence.summary import compared, corrected
from book.evidence.verdicts import interval, uncounted, verdict
from book.runs.multiverse import chosen, means, read, read_table
from data.files.paths import BOOK, RESULTS

MEASURES = ("value", "fidelity_auc")
THAN = {"higher": "higher than", "lower": "lower than", "equal": "equal to",
        "no clear difference": "not clearly apart from"}
SHORT = {"higher": "higher", "lower": "lower", "equal": "equal", "no clear difference": "not clear"}
# Rivals that were asked for after the last stage was read, and their searches (results/plan.md, items 34, 35).
PLAIN = {"BIKE of 60 epochs": "multiverse_longer", "warm BIKE searched whole": "multiverse_warm"}
FURTHER = PLAIN | {"itself at weight 0": "multiverse_twin"}
RULES = ("recognition", "fidelity")  # of `book.runs.multiverse.chosen`


def readings(verse, frame):
    """One line a method and configuration, on `val` with the search's own seed, its axes and `printed`.

    `gain_value` and `gain_fidelity_auc` are differences to the vanilla head of the same backbone, tuned
    alike: to its configuration of highest mAP. Methods without a backbone have none. Further seeds, which
    the best alone have, are left to `again`, and so are configurations that were not drawn. `begins`: the
    value of the method's own axis of the start.
    """
    lines = means(frame[(frame.seed == verse.seed) & (frame.config < verse.configurations)]).reset_index()
    vanilla = {method.backbone: lines[lines.method == method.row].nlargest(1, "value")
               for method in verse.methods if method.method == "vanilla"}
    found = []
    for method in verse.methods:
        best = vanilla.get(method.backbone)
        for line in lines[lines.method == method.row].to_dict("records"):
            values = verse.values(method, line["config"])
            gains = {} if best is None or best.empty else {
                f"gain_{name}": line[name] - best[name].iloc[0] for name in MEASURES}
            found.append({**line, **gains, **{axis: value.value for axis, value in values.items()},
                          "printed": all(value.kind != "departs" for value in values.values()),
                          "begins": next((value.value for axis, value in values.items()
                                          if axis.startswith("start")), None)})
    return pd.DataFrame(found)


def shares(lines):
    """Of each method's readings: how many, the median gain, and the share that gains; three lines.

    One line for all readings; one for those that are printed; and, of TFE, one for those of them that begin
    warm and play in two phases, where "silent" is read as the text's other sentences suggest.
    """
    ours = lines.reindex(columns=["start", "start of MSQNet", "schedule"])
    strict = lines.printed & ours.iloc[:, :2].eq("warm").any(axis=1) & (ours.schedule != "one-pass")
    found = []
    for method, group in lines.groupby("method", sort=False):
        for name, chosen in (("all", group.printed | True), ("printed", group.printed),
                             ("printed, warm, two phases", strict[group.index])):
            gains = group.loc[chosen, [f"gain_{one}" for one in MEASURES]].dropna().set_axis(list(MEASURES), axis=1)
            if len(gains):
                found.append({"method": method, "readings": name, "configurations": len(gains),
                              **gains.median().add_prefix("median_"), **(gains > 0).mean().add_prefix("gaining_")})
    return pd.DataFrame(found)


def effects(lines, axes, measure="value"):
    """What each value of each axis does to a measure, the other axes held: least squares.

    lines: the readings of one method. An effect is the difference to the axis's mean over its values,
    with a 95% t interval: one line an axis and value that was drawn. `holm` is the p value of the F test
    that the axis does nothing, among all axes. Axes with one value are left out. Where there are too few
    readings, the ends and `holm` are nan.
    """
    y = lines[measure].to_numpy(float)
    values = [(axis, value) for axis in axes if lines[axis].nunique() > 1
              for value in sorted(lines[axis].dropna().unique())]
    drawn = np.array([lines[axis] == value for axis, value in values]).reshape(-1, len(y))
    x = np.vstack([np.ones(len(y)), drawn]).T.astype(float)
    inverse, freedom = np.linalg.pinv(x), len(y) - np.linalg.matrix_rank(x)
    axis_of = np.array([axis for axis, _ in values])
    alike = axis_of[:, None] == axis_of
    # Values of one axis are told only against each other: as differences to their mean.
    effect = (np.eye(len(values)) - alike / alike.sum(1)[:, None]) @ inverse[1:]
    noise = _left(x, y) / freedom if freedom > 0 else np.nan
    reach = stats.t.ppf(0.975, max(freedom, 1)) * np.sqrt(noise * (effect ** 2).sum(1))
    named = list(dict.fromkeys(axis_of))
    adjusted = dict(zip(named, holm([_p(x, y, np.r_[True, axis_of != axis], noise, freedom)
                                     for axis in named])))
    return pd.DataFrame([
        {"axis": axis, "value": value, "readings": int(shown.sum()), "effect": middle,
         "low": middle - half, "high": middle + half, "holm": adjusted[axis]}
        for (axis, value), shown, middle, half in zip(values, drawn, effect @ y, reach)])


def _left(x, y):
    """The sum of squares that least squares on x leaves of y."""
    return ((y - x @ np.linalg.pinv(x) @ y) ** 2).sum()


def _p(x, y, kept, noise, freedom):
    """The p value of the F test that the columns of x beside `kept` explain nothing more."""
    more = np.linalg.matrix_rank(x) - np.linalg.matrix_rank(x[:, kept])
    if not more or freedom <= 0:
        return np.nan
    return stats.f.sf((_left(x[:, kept], y) - _left(x, y)) / more / max(noise, 1e-12), more, freedom)


def by_axis(found):
    """`effects` an axis a line, surest first: its values from worst to best, and what lies between them."""
    lines = []
    for axis, part in found.groupby("axis", sort=False):
        part = part.sort_values("effect")
        lines.append({"axis": axis, "from worst to best": " < ".join(part.value),
                      "difference": part.effect.iloc[-1] - part.effect.iloc[0], "holm": part.holm.iloc[0]})
    return pd.DataFrame(lines).sort_values(["holm", "difference"], ascending=[True, False])


def told(verse, lines, rows):
    """What each value of each axis does in the methods `rows`, in words: one line an axis and value.

    lines: of `readings`. A method has no word on an axis that is not its own. An effect is given in mAP
    points and in AUC, as `effects` has it; a star where its axis does something, after Holm's rule over
    the axes of that head and measure.
    """
    found = pd.DataFrame([(axis, one.value, one.kind) for axis, values in verse.axes.items()
                          for one in values], columns=["axis", "value", "the text"])
    for method in (one for one in verse.methods if one.row in rows):
        for measure, form in zip(MEASURES, ("{:+.1f} [{:+.1f}, {:+.1f}]", "{:+.3f} [{:+.3f}, {:+.3f}]")):
            each = effects(lines[lines.method == method.row], method.axes, measure)
            words = {(one.axis, one.value): form.format(one.effect, one.low, one.high) + "*" * (one.holm < .05)
                     for one in each.itertuples()}
            found[f"{method.row}: {'mAP' if measure == 'value' else 'AUC'}"] = [
                words.get((line.axis, line.value), "") for line in found.itertuples()]
    return found


def pairs(lines, ours, without):
    """TFE minus TFE without adversary, a configuration at a time: one draw serves both.

    They share all axes but who trains below D, which is drawn for each; a few were drawn again, by one of
    them. Returns a line a measure: `pairs`, their `median`, the share `above` zero, and `p`, of the sign test.
    """
    found = {}
    for measure in MEASURES:
        both = lines.pivot(index="config", columns="method", values=measure)
        each = (both[ours] - both[without]).dropna()
        above, told = int((each > 0).sum()), int((each != 0).sum())
        found[measure] = {"pairs": len(each), "median": each.median(), "above": (each > 0).mean(),
                          "p": stats.binomtest(above, told).pvalue if told else np.nan}
    return pd.DataFrame(found).T


def best_of(values):
    """The expected best of n of these values, drawn without repeats: a Series by n, from 1 to all.

    What n tries find by chance: methods are to be compared at the same n. For up to a thousand values: of more,
    a float cannot count the draws.
    """
    ordered = np.sort(np.asarray(values, float))
    many = len(ordered)
    below = np.arange(many)  # of each value; it is the largest where the other n - 1 come from those
    return pd.Series({n: comb(below, n - 1) @ ordered / comb(many, n) for n in range(1, many + 1)})


def again(verse, frame):
    """The best of the search on further seeds of `val`: how much of their lead was the luck of one seed?

    One line a method: `configurations` that have all seeds; the mAP of the first of them, with the search's
    own seed (`search`) and in the mean of the others (`fresh`); what all of them lost by it in the mean
    (`fall`); and Kendall's tau of the two orders (`order`).
    """
    on_val, lines = frame[(frame.split == "val") & frame.value.notna()], []
    for method, part in on_val.groupby("method", sort=False):
        by_seed = part.pivot_table(index="config", columns="seed", values="value")
        by_seed = by_seed.reindex(columns=[verse.seed, *verse.more_seeds]).dropna()
        if len(by_seed):
            search, fresh = by_seed[verse.seed], by_seed[verse.more_seeds].mean(axis=1)
            first = search.idxmax()
            lines.append({"method": method, "configurations": len(by_seed), "search": search[first],
                          "fresh": fresh[first], "fall": (search - fresh).mean(),
                          "order": stats.kendalltau(search, fresh).statistic if len(by_seed) > 1 else np.nan})
    return pd.DataFrame(lines)


def finals(verse, frame):
    """What the rules chose on `val`, on the splits that were held back: lines of `held`, corrected.

    Holm's rule runs over all lines of a measure. Empty until the last stage is complete.
    """
    last, by_row = frame[frame.stage == "final"], chosen(verse, frame)
    if not by_row or not complete(last, by_row, verse.final_seeds, verse.final_splits):
        return pd.DataFrame()
    return corrected(held(verse, by_row, last))


def complete(runs, by_row, seeds, splits):
    """Whether each choice of `{method: {rule: config}}` has all its runs."""
    there = set(zip(runs.method, runs.config, runs.seed, runs.split))
    return all((row, config, seed, split) in there for row, rules in by_row.items()
               for config, seed, split in product(rules.values(), seeds, splits))


def held(verse, by_row, runs):
    """What the rules chose, `{method: {rule: config}}`, held against its rivals: lines of `summary.summary`.

    One line a row, split and rival (`against`), for each choice; `chosen_by` names the rule, or both. A row
    with TFE is held against the plain head of its backbone and against the row without adversary, one
    without adversary against the plain head: whatever the same rule chose of them. Other rows have no
    rival. `diverged`: runs of the row and of its rival that did.
    """
    rules = {}
    for row, choices in by_row.items():
        for (rule, config), split in product(choices.items(), runs.split.unique()):
            for rival in _rivals(verse, row) or [None]:
                other = by_row.get(rival, {}).get(rule)
                rules.setdefault((row, config, rival, other, split), []).append(rule)
    return pd.DataFrame([_beside(named, *choice, runs, runs) for choice, named in rules.items()])


def _beside(named, row, config, rival, other, split, runs, of_rival):
    """What `named` rules chose of a row, beside what they chose of its rival; runs, of_rival: those of either."""
    mine, theirs = _cell(runs, row, config, split), _cell(of_rival, rival, other, split)
    return {"chosen_by": " and ".join(named), "row": row, "config": config, "against": rival,
            "against_config": other, "split": split, "metric": "map", "seeds": len(mine),
            "diverged": int(mine.value.isna().sum() + theirs.value.isna().sum()), **compared(mine, theirs)}


def asked_since():
    """The committed searches of `FURTHER`, `{rival: (its file, its rows)}`."""
    return {rival: (read(BOOK / "batches" / f"{name}.yaml"), read_table(RESULTS / f"{name}.csv"))
            for rival, name in FURTHER.items()}


def last_stage(verse, frame, others):
    """`finals`, and what was chosen with TFE beside rivals that were asked for afterwards: two tables.

    others: as of `asked_since`, searches of one method each. Lines as of `held`; the second has `on_val`,
    the mean mAP there of the rival that was chosen by recognition. Holm's rule runs over all lines of both
    together (results/plan.md, item 35). Of searches that are not complete there is no line.
    """
    first, ours, lines = finals(verse, frame), chosen(verse, frame), []
    if first.empty:
        return first, first
    last = frame[frame.stage == "final"]
    for name, (other, rows) in others.items():
        picked, runs = chosen(other, rows), rows[rows.stage == "final"]
        if not picked or not complete(runs, picked, other.final_seeds, other.final_splits):
            continue
        (theirs, rules), = picked.items()
        row, on_val = with_tfe(verse, other), means(rows).loc[(theirs, rules["recognition"]), "value"]
        lines += [{**line, "against": name, "on_val": on_val} for line in held_across(
            row, ours[row], last, theirs, rules, runs, other.final_splits)]
    both = corrected(pd.concat([first, pd.DataFrame(lines)], ignore_index=True))
    return both[:len(first)], both[len(first):]


def with_tfe(verse, other):
    """The row of TFE for whose head a search of one method was made."""
    return next(one.row for one in verse.methods
                if one.method == "tfe" and one.backbone == other.methods[0].backbone)


def held_across(row, ours, mine, rival, theirs, runs, splits):
    """What rules chose of a row, `{rule: config}`, held against what they chose in another search.

    rival: that search's row; mine, runs: the runs of either. Lines as of `held`, one a pair of
    configurations and split.
    """
    pairs = {}
    for rule in (rule for rule in RULES if rule in theirs and rule in ours):
        pairs.setdefault((ours[rule], theirs[rule]), []).append(rule)
    return [_beside(named, row, config, rival, other, split, mine, runs)
            for (config, other), named in pairs.items() for split in splits]


def answered(verse, frame, others, split="test"):
    """The last stage for a reader in a hurry: each choice with TFE, and how it stands beside its rivals."""
    lines, more = (each[each.split == split] if len(each) else each
                   for each in last_stage(verse, frame, others))
    if lines.empty:
        return ""
    plain = [method.row for method in verse.methods if method.method == "vanilla"]
    if len(more):  # of plain heads that were searched again, the better on val
        again = more.against.isin(PLAIN)
        more = more[~again | (more.on_val == more.on_val[again].max())]
    ours = lines[lines.row.isin([f"{row}+TFE" for row in plain])]
    beside, without = (ours[ours.against.isin(plain) == of_plain] for of_plain in (True, False))
    table = [["chosen with TFE", "mAP", "AUC", "beside its plain head", "beside TFE without adversary",
              "asked for afterwards"], ["---"] * 6]
    for (row, config), part in ours.groupby(["row", "config"]):
        since = more[(more.row == row) & (more.config == config)] if len(more) else more
        table.append([
            f"{row} by {part.chosen_by.iloc[0]}{_began(verse, row, config)}", f"{part.value.iloc[0]:.1f}",
            f"{part.auc.iloc[0]:.3f}",
            *(_briefly(part[part.index.isin(each.index)]) for each in (beside, without)),
            "<br>".join(f"{rival}: {_briefly(those)}" for rival, those in since.groupby("against", sort=False))])
    return "\n".join([
        f"Then every method drew {verse.configurations} configurations on the same videos, and the plain heads "
        "more. Two rules chose on `val`, the validation part: the highest mAP, and the highest AUC where mAP is "
        "within a point of the best plain head's. "
        f"What they chose was judged on {len(verse.final_seeds)} fresh seeds of `{split}` "
        "([chapter 15](book/15_multiverse.ipynb)). "
        f"Beside the plain head of its search, what was chosen with TFE is higher in mAP {_where(beside)}; beside "
        f"what was searched without adversary, {_where(without)}. A rise of AUC counts where mAP is equal or higher. "
        f"Without TFE, mAP and AUC are: {_means(lines, ['gated MIL', *plain])} (gated MIL pools segments by learnt "
        f"weights).{_narrowed(ours, finals(verse, frame))}", "",
        *(f"| {' | '.join(cells)} |" for cells in table)])


def _narrowed(ours, alone):
    """What of these lines Holm's rule would tell apart, did no rival asked for afterwards count; in words."""
    told = [f"{name} of {line['row']} by {line['chosen_by']} beside {line['against']} would be {was}"
            for at, line in ours.iterrows() for prefix, name in (("", "mAP"), ("auc_", "AUC"))
            if (was := verdict(alone.loc[at], prefix)) != verdict(line, prefix)]
    return (" Holm's correction counts all rivals. Did those asked for afterwards not count, "
            f"{'; '.join(told)}.") if told else ""


def _where(lines):
    """Of how many choices mAP is higher, in words."""
    lines = lines[lines.diverged == 0]
    higher = sum(verdict(line) == "higher" for line in lines.to_dict("records"))
    return f"in {higher or 'none'} of {len(lines)} choice{'s' * (len(lines) != 1)}"


def _means(lines, rows):
    """What the rules chose of these rows has, in words."""
    found = lines[lines.row.isin(rows)].drop_duplicates(["row", "config"])
    return "; ".join(f"{one.row}{' by ' + one.chosen_by if ' and ' not in one.chosen_by else ''} "
                     f"{one.value:.1f} and {one.auc:.3f}" for one in found.itertuples())


def _began(verse, row, config):
    """Where a choice with TFE begins, and how many of its values depart from the text, rate and epochs apart."""
    method = next(method for method in verse.methods if method.row == row)
    count = sum(value.kind == "departs" for value in verse.values(method, config).values())
    begins = "at a trained head" if verse.settings(method, config, 0)[1] else "from scratch"
    return f", begun {begins}, {count or 'no'} departure{'s' * (count != 1)} from the text"


def _briefly(lines):
    """How a choice differs from a rival, a word and a size a measure; the rule where the rival hangs on it."""
    def said(line):
        if line["diverged"]:
            return f"{line['diverged']} runs diverged"
        return (f"mAP {SHORT[verdict(line)]} ({line['difference']:+z.1f}), "
                f"AUC {SHORT[verdict(line, 'auc_')]}{', uncounted' * uncounted(line)} "
                f"({line['auc_difference']:+z.3f})")

    return "; ".join(f"by {line['chosen_by']} " * (len(lines) > 1) + said(line)
                     for line in lines.to_dict("records") if pd.notna(line["against_config"]))


def as_table(verse, frame, others):
    """The last stage in the form of other tables: `(its runs, its summary)`, for the rules of the ledger.

    A row is a method and the rule that chose of it, held against what that rule chose of the plain head of its
    backbone; the summary has a row a rival of `others` too. Both are empty until the stage is complete.
    """
    lines, more = last_stage(verse, frame, others)
    if lines.empty:
        return lines, lines
    plain = [method.row for method in verse.methods if method.method == "vanilla"]
    lines = _by_rule(lines[lines.against.isna() | lines.against.isin(plain)])
    picked = lines[["method", "config", "rule"]].drop_duplicates()
    runs = picked.merge(frame[frame.stage == "final"], on=["method", "config"])
    runs, lines, more = (table.assign(row=table.method + ", by " + table.rule) if len(table) else table
                         for table in (runs, lines, _by_rule(more)))
    lines = lines.assign(against=lines.against + ", by " + lines.rule)
    if len(more):
        lines = pd.concat([lines, more.assign(row=more.row + ", beside " + more.against)])
    return runs.drop(columns="rule"), lines.drop(columns="rule")


def _by_rule(lines):
    """A line of two rules becomes two; `row` becomes the `method`."""
    if lines.empty:
        return lines
    return lines.assign(rule=lines.chosen_by.str.split(" and ")).explode("rule").rename(columns={"row": "method"})


def _cell(last, row, config, split):
    """The runs of a configuration on a split."""
    return last[(last.method == row) & (last.config == config) & (last.split == split)]


def _rivals(verse, row):
    """The rows that a row of the search is held against."""
    mine = next(method for method in verse.methods if method.row == row)
    plain = [method.row for method in verse.methods if method.backbone == mine.backbone
             and method.method == "vanilla" and method.row != row]
    without = f"{row}, no adversary"
    return plain + [without] * any(method.row == without for method in verse.methods)


def said(lines, row, split="test", rules=RULES):
    """What the last stage says of a row on a split, a sentence a choice and rival; "" before it is complete.

    A rule of `rules` that chose nothing is named.
    A rise of AUC counts where recognition is equal or higher; runs that diverged leave no verdict.
    """
    lines = lines[(lines.row == row) & (lines.split == split)] if len(lines) else lines
    found = [_sentence(line) for line in lines.to_dict("records")]
    missing = [rule for rule in rules if found and not lines.chosen_by.str.contains(rule).any()]
    return " ".join(found + [f"By {rule} nothing was chosen: no reading of {row} lies at most one point "
                             "below the best plain head." for rule in missing])


def _sentence(line):
    begin = f"Chosen by {line['chosen_by']}, {line['row']} "
    if pd.isna(line["against_config"]):
        return f"{begin}has no {line['against']} beside it, of which that rule chose nothing."
    if line["diverged"]:
        return f"{begin}is not judged against {line['against']}: {line['diverged']} of their runs diverged."
    points, area = (interval(line, name, "+", digits).removesuffix(" =")
                    for name, digits in (("difference", 1), ("auc_difference", 3)))
    but = ", where recognition is not equal" * uncounted(line)
    return (f"{begin}is {THAN[verdict(line)]} {line['against']} in mAP ({points} points) and "
            f"{THAN[verdict(line, 'auc_')]} it in AUC ({area}){but}; {line['seeds']} fresh seeds.")
