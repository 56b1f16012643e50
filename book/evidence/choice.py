"""Which method to use: methods held against each other over data sets, in numbers and in words.

A table is sets x methods, larger is better: -inf is a cell of which a seed diverged, nan one that was not
run. Sets of one generator, or of the same recordings, are one kind of set, and count once. Friedman's test,
as Iman and Davenport's F, asks whether ranks differ at all. Only where it says so is a method told apart from
the first: by the z of their mean ranks, after Holm (Demsar, JMLR 2006). Signed ranks of two methods alone do
not hang on who else is ranked, as mean ranks do (Benavoli et al., JMLR 2016); but of nine kinds, after Holm
over a dozen methods, they tell next to nothing apart.
"""

import re

import numpy as np
import pandas as pd
from scipy import stats

from book.evidence import statistics, verdicts
from book.evidence.summary import MARGINS

DECIDE = ("recognition", "AUC")  # titles by which a method is advised
SAME = {"utd_mhad": "composed"}  # joined of those clips
LEVEL = 0.05  # of every test
MOST = 0.25  # of the methods that a set may lack: beyond it the set is unfinished, not they
COLUMNS = ["row", "rank", "low", "high", "kinds", "p", "behind", "lost", "holm", "told", "each"]


def kind(name):
    """The kind that a set is of: planted videos of any rho are one, as are clips alone and joined."""
    return re.sub(r"-rho\d+", "", SAME.get(name, str(name)))


def complete(wide):
    """The sets and methods of a table that can be held together: no cell of theirs was not run."""
    ran = wide.dropna(axis=1, how="all")
    return ran[ran.isna().mean(axis=1) <= MOST].dropna(axis=1)


def left_out(panels):
    """Why a set or method is not ranked by tables `{title: sets x methods}`, a line each."""
    reasons = {}
    for title, wide in panels.items():
        kept, ran = complete(wide), wide.dropna(axis=1, how="all")
        gaps = ran.isna().sum(axis=1)
        unfinished = [f"{name}: {gaps[name]} of {ran.shape[1]} methods have no value"
                      for name in ran.index if ran.size and name not in kept.index]
        absent = [f"{row}: no value on " + ", ".join(kept.index[ran.loc[kept.index, row].isna()])
                  for row in ran.columns if len(kept) and row not in kept.columns]
        for line in unfinished + absent:
            reasons.setdefault(line, []).append(title)
    return [f"not ranked{'' if len(titles) == len(panels) else ' by ' + '; '.join(titles)}: {line}"
            for line, titles in reasons.items()]


def kinds(wide):
    """The complete part of a table, the sets of a kind as their mean."""
    return _by_kind(complete(wide))


def places(wide):
    """Ranks on kinds of sets, kinds x methods, 1 the best: within each set, then of their mean over a kind.

    Not of the mean value over a kind, which its set of the widest spread would rule.
    """
    within = complete(wide).round(6).rank(axis=1, ascending=False)  # no last digit breaks a tie
    return _by_kind(within).rank(axis=1)


def signed(values, digits=3):
    """The mean of values, one a kind of set, and its 95% t interval, in words; "" of none."""
    if not len(values := values.dropna()):
        return ""
    line = dict(zip(("mean", "mean_low", "mean_high"), statistics.mean_interval(values)))
    return verdicts.interval(line, "mean", "+", digits)


def _by_kind(whole):
    return whole.groupby([kind(name) for name in whole.index], sort=False).mean()


def standard_error(methods, kinds):
    """Of the difference of two mean ranks among `methods` that are alike: sqrt(k (k + 1) / (6 N))."""
    return float(np.sqrt(methods * (methods + 1) / (6 * kinds)))


def critical_difference(methods, kinds):
    """The difference of mean ranks above which Nemenyi's test tells two of `methods` apart.

    `standard_error` times the quantile of the range of k standard normals, over sqrt 2.
    """
    q = stats.studentized_range.ppf(1 - LEVEL, methods, np.inf) / np.sqrt(2)
    return float(q) * standard_error(methods, kinds)


def friedman(ranked):
    """The p that all ranks are alike; ranked: kinds x methods. Iman and Davenport's F.

    F = (N - 1) chi2 / (N (k - 1) - chi2), on k - 1 and (k - 1)(N - 1) degrees of freedom. With few kinds chi2
    rejects far too seldom: of two kinds and 13 methods that are alike, once in 500 times instead of in 20.
    """
    many, methods = ranked.shape
    with np.errstate(invalid="ignore", divide="ignore"):  # where all tie there is no p; where all agree it is 0
        chi2 = stats.friedmanchisquare(*ranked.T.to_numpy()).statistic
        F = (many - 1) * chi2 / (many * (methods - 1) - chi2)
    return float(stats.f.sf(F, methods - 1, (methods - 1) * (many - 1)))


def against(ranked, first):
    """Holm's p of each other method's mean rank beside that of `first`, a Series; ranked: kinds x methods."""
    behind = ranked.mean().drop(first) - ranked[first].mean()
    z = behind.abs() / standard_error(ranked.shape[1], len(ranked))
    return pd.Series(statistics.holm(2 * stats.norm.sf(z)), behind.index)


def ranks(wide):
    """Mean ranks over kinds of sets, the best first, a line a method; none where too little was run.

    low, high: half Nemenyi's critical difference to either side, within 1 and the number of methods. p:
    Friedman's, of all ranks alike. behind: how far its mean lies below the first's, where neither
    diverged; lost: on how many kinds it did. told: whether it is told apart from the first, by `holm`,
    which is nan where Friedman's test does not reject. each: its rank on each kind, a dict. Friedman's
    test takes two kinds and three methods or more.
    """
    ranked, finite = places(wide), kinds(wide).replace(-np.inf, np.nan)
    many, methods = ranked.shape
    if many < 2 or methods < 3:
        return pd.DataFrame(columns=COLUMNS)
    lines = pd.DataFrame({"rank": ranked.mean(), "mean": finite.mean(), "lost": finite.isna().sum()})
    lines = lines.sort_values(["rank", "mean"], ascending=[True, False])
    half = critical_difference(methods, many) / 2
    p, first = friedman(ranked), lines.index[0]
    lines["holm"] = against(ranked, first) if p < LEVEL else np.nan
    return lines.assign(
        low=(lines["rank"] - half).clip(lower=1), high=(lines["rank"] + half).clip(upper=methods),
        kinds=many, p=p, behind=finite.rsub(finite[first], axis=0).mean(), told=lines.holm < LEVEL,
        each=[ranked[row].to_dict() for row in lines.index]).rename_axis("row").reset_index()[COLUMNS]


def standings(panels, scopes, without=()):
    """`ranks` of tables `{title: sets x methods}` on sets `{words: names}`: `{words: {title: lines}}`."""
    return {words: {title: ranks(wide.loc[names].drop(columns=without, errors="ignore"))
                    for title, wide in panels.items()} for words, names in scopes.items()}


def margin(title):
    """What counts as near in a ranking of this title: points of the metric, or of a share."""
    return MARGINS["value" if title.startswith("recognition") else "fidelity_auc"]


def near(lines, margin):
    """Methods not told apart from the first, behind it by no more than `margin`, that never diverged.

    Not told apart is not enough: few sets tell nothing apart.
    """
    found = lines[~lines.told.astype(bool) & (lines.behind <= margin) & (lines.lost == 0)]
    return list(found.row if len(found) else lines.row[:1])


def standing(found, seconds):
    """Who is first, and from whom that is not told apart: a table of `found`, `{title: ranks}`.

    seconds: of a fit, by method, a Series: `cheapest` is the cheapest of those near the first.
    """
    lines = []
    for title, of in found.items():
        if of.empty:
            lines.append({"by": title, "first": "fewer than two kinds of sets have it"})
            continue
        close = near(of, margin(title))
        lines.append({"by": title, "first": of.row[0], "kinds": of.kinds[0], "Friedman's p": f"{of.p[0]:.2g}",
                      "not told apart from it": _group(of), "near it": ", ".join(close[1:]),
                      "cheapest": _cheapest(close, seconds)})
    return pd.DataFrame(lines, columns=["by", "first", "kinds", "Friedman's p", "not told apart from it",
                                        "near it", "cheapest"]).astype(object).fillna("")


def _group(lines):
    if not lines.p[0] < LEVEL:
        return "all: Friedman's test does not reject"
    return ", ".join(lines.row[1:][~lines.told[1:].astype(bool)]) or "none"


def _cheapest(rows, seconds):
    """The first of `rows` that costs at most twice the least: runs were timed on two processors, in pairs."""
    costs = [seconds.dropna().get(row, np.inf) for row in rows]
    return next(row for row, cost in zip(rows, costs) if cost <= 2 * min(costs))


def advice(found, seconds):
    """Which method to use, one sentence: the cheapest near the first by all of `found`, `{title: ranks}`.

    Recognition and AUC by each read-out decide, and nothing else of `found`.
    """
    found = {title: of for title, of in found.items() if title.startswith(DECIDE)}
    if not found or any(of.empty for of in found.values()):
        return "no advice: fewer than two kinds of sets have three methods by every measure that decides"
    close, every = _near_all(found)
    if not every:
        return "none is near the first by all: use " + "; ".join(
            _for(title, found[title], rows, seconds) for title, rows in close.items())
    use = _cheapest(every, seconds)
    others = ", ".join(row for row in every if row != use)
    hidden = [f" (by {title}, {'; '.join(notes)})" for title, of in found.items() if (notes := _notes(use, of))]
    return f"use {use}, {seconds.get(use, np.nan):.0f} s a fit: " + (
        "the cheapest near the first by all" if others else "it alone is near the first by all") + "".join(
        hidden) + (f"; also near: {others}" if others else "")


def _near_all(found):
    """Who is near the first of each table of `{title: ranks}`, and who is by all of them."""
    close = {title: near(of, margin(title)) for title, of in found.items()}
    return close, [row for row in next(iter(close.values())) if all(row in rows for rows in close.values())]


def without_a_kind(panels, names):
    """Who is near the first by all on sets `names`, should one kind of them be left out: in words.

    panels: `{title: sets x methods}`, of recognition and AUC. Where it changes alone; "" where it never does.
    """
    def close(names):
        found = {title: ranks(wide.loc[names]) for title, wide in panels.items() if title.startswith(DECIDE)}
        if any(of.empty for of in found.values()):
            return ""
        return ", ".join(sorted(_near_all(found)[1])) or "none"

    said, whole = {}, close(list(names))
    for one in dict.fromkeys(map(kind, names)):
        if (now := close([name for name in names if kind(name) != one])) not in ("", whole):
            said.setdefault(now, []).append(one.split(" (")[0])
    return "; ".join(f"{rows} (without {' or '.join(kinds)})" for rows, kinds in said.items())


def advised(panels, names, seconds):
    """`advice` on sets `names` of tables `{title: sets x methods}`, and what one kind of them less would do to it."""
    changed = without_a_kind(panels, names)
    return advice(standings(panels, {"": names})[""], seconds) + (
        f". Leave one kind of sets out, and near the first by all is: {changed}" if changed else "")


def _for(title, lines, close, seconds):
    """`B by AUC (first: A; none told apart)`: the cheapest of those near the first, and what that hides."""
    notes = _notes(use := _cheapest(close, seconds), lines)
    return f"{use} by {title}" + (f" ({'; '.join(notes)})" if notes else "")


def _notes(use, lines):
    return [f"first: {lines.row[0]}"] * (use != lines.row[0]) + ["none told apart"] * (not lines.p[0] < LEVEL)


def gains(wide, ours, peers):
    """What each of `ours` gains over the best peer, a line each: `gain`, its ends, and `above`.

    The best peer has the best mean rank among `peers`, the same for all. The gain is a mean over kinds
    of sets with its t interval, of those on which neither diverged; above: on how many it ranks before.
    """
    wide, lines = complete(wide), []
    peers = [row for row in peers if row in wide]
    for row in [row for row in ours if row in wide and peers and len(wide)]:
        best = places(wide[peers]).mean().idxmin()
        values, ranked = kinds(wide[[row, best]]), places(wide[[row, best]])
        both = values.replace(-np.inf, np.nan).dropna()
        found = statistics.mean_interval(both[row] - both[best]) if len(both) else [np.nan] * 3
        lines.append({"row": row, "peer": best, **dict(zip(("gain", "gain_low", "gain_high"), found)),
                      "above": int((ranked[row] < ranked[best]).sum()),
                      "lost": int(np.isinf(values[row]).sum()), "kinds": len(values)})
    return pd.DataFrame(lines, columns=["row", "peer", "gain", "gain_low", "gain_high", "above", "lost",
                                        "kinds"])


def beside(panels, ours, peers, whom="the best peer"):
    """`gains` of tables `{title: sets x methods}` in words: for each of `ours` that was run a sentence."""
    said = {}
    for title, wide in panels.items():
        for line in gains(wide, ours, peers).to_dict("records") if title.startswith(DECIDE) else ():
            digits = 1 if title.startswith("recognition") else 3
            size = verdicts.interval(line, "gain", "+", digits)
            said.setdefault(line["row"], []).append(
                f"{_sign(line, digits)} {title}, {size} against {line['peer']}, above it on {line['above']} of "
                f"{line['kinds']} kinds" + (f", diverged on {line['lost']}" if line["lost"] else ""))
    return [f"{row} beside {whom}: {'; '.join(parts)}" for row, parts in said.items()]


def _sign(line, digits):
    low, high = (round(line[end], digits) for end in ("gain_low", "gain_high"))  # not by the last digit
    return "lies above in" if low > 0 else "lies below in" if high < 0 else "shows no clear difference in"
