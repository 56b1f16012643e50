"""What a search chose, on other sets than those it was searched on (`book.runs.worlds`)."""

import pandas as pd

from book.evidence import choice, multiverse
from book.evidence.summary import corrected
from book.evidence.verdicts import uncounted, verdict


def here(worlds, frame, head):
    """The sets on which all fits of a head, a backbone's name, are there, and did not break."""
    made = frame[~frame.status.astype(str).str.startswith("not run")]
    mine = {row: rules for row, (_, method, rules) in worlds.rows.items() if method.backbone == head}
    return [name for name in worlds.sets if multiverse.complete(
        made[made.dataset == name], mine, worlds.seeds_of(name), ["test"])]


def table(worlds, frame):
    """Each choice on each set that is complete for its head, held against its rivals: as `multiverse.held`.

    `rival`: `against`, and the rule where its choices differ. Seeds on one fold of a set are averaged first, so
    that `seeds` counts folds there. Holm's rule runs over all lines of a measure.
    """
    parts = []
    for head in dict.fromkeys(method.backbone for method in worlds.search.methods):
        for name in here(worlds, frame, head):
            runs = frame[frame.dataset == name]
            first = runs.iloc[0]
            parts.append(_held(worlds, head, _by_fold(runs)).assign(
                dataset=name, synthetic=first.synthetic, metric=first.metric))
    if not parts:
        return pd.DataFrame()
    lines = corrected(pd.concat(parts, ignore_index=True))
    several = lines.groupby(["row", "against"]).chosen_by.transform("nunique") > 1
    return lines.assign(rival=lines.against + (", by " + lines.chosen_by).where(several, ""))


def said(worlds, frame):
    """For the README: each choice with TFE beside its rivals on other sets, a paragraph and a table.

    Rivals are the plain head of its search, what was searched without adversary, and those of `also`. Of each:
    the mean over kinds of sets with its 95% interval, and the sets on which the two are clearly apart. A
    comparison of which a run diverged is left out.
    """
    lines = table(worlds, frame)
    if lines.empty:
        return ""
    plain = [method.row for method in worlds.search.methods if method.method == "vanilla"]
    lines = lines[lines.row.isin([f"{row}+TFE" for row in plain]) & (lines.diverged == 0)]
    there = lines.groupby("row")[["dataset", "synthetic"]].apply(lambda part: part.drop_duplicates())
    count = "; ".join(f"{row} on {len(part)}, {(~part.synthetic).sum()} of them of real recordings"
                      for row, part in there.groupby(level=0))
    words = (
        f"What the search chose is trained anew on {len(worlds.sets)} other sets, and nothing is tuned there "
        f"([chapter 20](book/20_when.ipynb)). So far: {count}; {_seeds(frame)}. Differences are means over kinds "
        "of sets, with 95% intervals; a set is named where the two are clearly apart. A rise of AUC counts where "
        "recognition is equal or higher; others are told as uncounted."
        + "".join(f" One run of {run.method} on {run.dataset} broke down, at {run.value:.1f} where the median is "
                  f"{run.usual:.1f}; it weighs on the means beside that rival."
                  for run in broken(frame).itertuples()))

    def by_rule(part, prefix=""):  # a rival's name ends in its rule, where that matters
        return "<br>".join(f"{name[len(part.against.iloc[0]) + 2:]}: {over(own, prefix)}".removeprefix(": ")
                           for name, own in part.groupby("rival"))

    cells = [["chosen", "beside", "recognition", "AUC"], ["---"] * 4, *(
        [row, rival, by_rule(part), by_rule(part, "auc_")]
        for (row, rival), part in lines.groupby(["row", "against"]))]
    return "\n".join([words, "", *(f"| {' | '.join(line)} |" for line in cells)])


def broken(frame):
    """The runs that ended at less than half the median of their seeds, `usual`."""
    usual = frame.groupby(["dataset", "method", "config"]).value.transform("median")
    return frame.assign(usual=usual)[frame.value < usual / 2]


def _seeds(frame):
    """How many seeds sets have, in words: "5 seeds a set (gtea 6)"."""
    counts = frame.groupby("dataset", sort=False).seed.nunique()
    usual = counts.mode()[0]
    others = ", ".join(f"{name} {count}" for name, count in counts[counts != usual].items())
    return f"{usual} seeds a set" + f" ({others})" * bool(others)


def over(lines, prefix=""):
    """The mean difference over kinds of sets, and on which sets the two are clearly apart; in words.

    A rise of AUC counts where recognition is equal or higher; where it is not, it is told as uncounted.
    """
    words = lines.apply(verdict, axis=1, prefix=prefix)
    if prefix:
        words = words.mask(lines.apply(uncounted, axis=1), "uncounted")
    each = lines.groupby(lines.dataset.map(choice.kind))[f"{prefix}difference"].mean()
    names = lines.dataset.mask(lines.synthetic.astype(bool), lines.dataset + " (synthetic)")
    on = {word: ", ".join(names[words == word]) for word in ("higher", "lower", "uncounted")}
    clear = " and ".join(f"{word} on {on[word]}" for word in ("higher", "lower") if on[word])
    return (f"{choice.signed(each, 3 if prefix else 1)}, {clear or 'clear on none'}"
            + f" (uncounted: higher on {on['uncounted']})" * bool(on["uncounted"]))


def alone(lines, prefix=""):
    """The sets whose own interval, uncorrected, leaves out zero; in words. lines: by `dataset`, of one rival."""
    low, high = (lines[f"{prefix}difference_{end}"] for end in ("low", "high"))
    above, below = (", ".join(lines.index[of]) or "no set" for of in (low > 0, high < 0))
    return f"above zero on {above}, below on {below}"


def apart(lines):
    """Whether any of these differences is clearly one, in recognition or AUC."""
    return any(verdict(line, prefix) in ("higher", "lower")
               for line in lines.to_dict("records") for prefix in ("", "auc_"))


def surest(lines):
    """The set of the smallest p after Holm's rule, in recognition; in words. lines: as of `alone`."""
    line = lines.loc[lines.holm.idxmin()]
    return f"{line.name}'s {line.difference:+.1f}, p {line.holm:.3f}"


def _by_fold(runs):
    """Runs of a set with folds as means of a fold, which take the place of seeds; others as they are."""
    if runs.fold.isna().any():
        return runs
    cells = runs.groupby(["method", "config", "split", "fold"], as_index=False)
    return cells[["value", "fidelity_auc"]].agg(lambda values: values.mean(skipna=False)).rename(
        columns={"fold": "seed"})


def _held(worlds, head, runs):
    """The choices of a head beside their rivals of the same search, and of others."""
    mine = {method.row: worlds.rows[method.row][2] for method in worlds.search.methods
            if method.backbone == head}
    lines = [multiverse.held(worlds.search, mine, runs)]
    for rival in worlds.also:
        other, method, rules = worlds.rows[rival]
        if method.backbone == head:
            row = multiverse.with_tfe(worlds.search, other)
            lines.append(pd.DataFrame(multiverse.held_across(
                row, mine[row], runs, rival, rules, runs, ["test"])))
    return pd.concat(lines)
