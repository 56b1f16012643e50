# %% [markdown]
# # 16. What the adversary does
#
# **Question.** With its adversary BIKE+TFE is more faithful, by leave one
# out, than without ([chapter 12](12_table1.ipynb)). Does the head then rely
# more on the action? Or does the read-out favour a head that was punished?
#
# Leave one out looks past a segment that another can stand in for. The
# adversary punishes $D$ for what the rest, $z_N$, tells of the label. A head
# that spreads its evidence less may *look* more faithful without being so.
# The explanations below, and what would show each, were written down before
# the heads were read (`results/plan.md`, item 18).

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from book import plots
from book.evidence import adversary
from data.files.paths import RESULTS

plots.style()

# %% tags=["parameters"]
head: str = "BIKE"  # BIKE or MSQNet
split: str = "test"  # test, or shifted: other scenes

# %%
runs = pd.read_csv(RESULTS / "adversary.csv")
measures = pd.read_csv(RESULTS / "adversary_measures.csv")
read = pd.read_csv(RESULTS / "reliance.csv")
table = adversary.gathered(runs, measures, read, split)
without = f"{head}+TFE, weight 0"
rows = [row for row in dict.fromkeys(runs.row)
        if row.startswith(head) and row not in (head, without)]
lines = adversary.changes(table, dict.fromkeys(rows, without))
found = pd.DataFrame({row: adversary.explained(lines, row)
                      for row in rows if "+TFE" in row})
words = adversary.words(lines)
words.index = words.index.str.removeprefix(f"{head}+TFE, ")

# %%
default, by = found[f"{head}+TFE, weight 1"], words.loc["weight 1"]
fits = [name for name in found.index[2:] if default[name]]
rises = (f"At weight 1 the adversary raises the fidelity of {head} by leave"
         f" one out: {by.auc} AUC. What was foretold, and fits: "
         + ("; ".join(fits) or "nothing") + "." if default["it rises"] else
         f"At weight 1 the adversary raises no fidelity of {head} by leave"
         f" one out: {by.auc} AUC. There is nothing to explain.")
Markdown(f"**Answer.** {rises} Recognition moves by {by.value} mAP points."
         " Ten seeds, synthetic videos.")

# %% [markdown]
# ## What leave one out cannot see
#
# Let a class have three true segments that say the same, and let the head
# take the largest vote. Without any one of them the logit stays: leave one
# out shows nothing. Without all three it falls. And where two of them are
# gone beforehand, the third is needed.

# %%
votes = np.array([2.0, 2.0, 2.0, 0.5, 0.0, 0.0])
true = votes == 2


def fall(gone, gone_before=()):
    """How far the largest vote falls without the segments `gone`."""
    left = np.delete(votes, gone_before)
    return left.max() - np.delete(votes, [*gone_before, *gone]).max()


one_by_one = np.array([fall([t]) for t in range(6)])
at_once = fall(np.flatnonzero(true))
bare = fall([0], gone_before=[1, 2])
assert one_by_one.sum() == 0 and at_once == bare == 1.5
print("one by one", one_by_one, "at once", at_once, "bare", bare)

# %% [markdown]
# Four measures follow, of a trained head and of pairs of a video and a class
# of its own. $f$ is the class's logit, $S$ the set of its true segments:
#
# $$\begin{aligned} \text{singly} &=
#   \frac{\sum_{t \in S} [f(x) - f(x_{-t})]}{f(x) - f(x_{-S})}, &
#   \text{joint ratio} &=
#   \frac{f(x) - f(x_{-O})}{f(x) - f(x_{-S})}. \end{aligned}$$
#
# $O$ is as many segments of the same video, in the same pattern, where
# nothing is true. *Bare* is the AUC of leave one out in the video that has
# lost all but one of $S$: no other true segment can stand in. Then the AUC
# of the mask, and what a fresh reader finds in $z_N$.
#
# ## More of it, less of it, another kind
#
# The default reading of [chapter 12](12_table1.ipynb), with one thing
# changed: the weight of the adversary, or its form. `cap` and `prior` are
# its bounded forms. The `ally` turns it round: $D$ *helps* $A_N$. It is the
# placebo: as much pull on $D$, towards the label. Last, the head trained on
# for as long without $D$.
#
# Differences to weight 0 at the same rate, paired by seed, with 95% t
# intervals; `=`: equal within .02, or 1 mAP point; `*`: clear of zero after
# Holm's rule over the rows.

# %%
names = {"value": "mAP", "auc": "leave one out", "auc_bare": "bare",
         "joint_ratio": "joint ratio", "singly": "singly",
         "mask": "mask", "probe_z_n": "reader of z_N"}
words[list(names)].rename(columns=names)

# %%
weights = [without, *(row for row in rows if ", weight" in row)]
fig, axes = plt.subplots(1, 4, figsize=(9, 2.6))
for ax, name in zip(axes, ("auc", "auc_bare", "singly", "mask")):
    for at, row in enumerate(weights):
        points = table[name].loc[row]
        ax.plot(np.full(len(points), at), points, ".", color="grey", ms=4)
    ax.plot(table[name].groupby("row").mean()[weights].to_numpy(), "o-")
    ax.set(title=names[name], xlabel="weight", xticks=range(len(weights)),
           xticklabels=[row.split()[-1] for row in weights])
plots.show(fig, "weights", "What grows with the weight of the adversary:"
           f" {head}+TFE, ten seeds (grey) and their mean, synthetic"
           f" {split} videos.",
           alt="Four panels over the weight, dots and a line of means.")

# %% [markdown]
# **What it says.** On BIKE every weight of the literal adversary raises leave
# one out by about .09, a tenth of it as much as three times it. *Bare* stays
# equal within .02, and the joint ratio moves by .005 the other way. So the
# head relies on the action as before; its segments stand in for each other
# less. Neither bounded form does that, though a fresh reader finds as little
# of the label in $z_N$. Nor does the ally.
#
# What sets the literal form apart is that all its runs end *runaway*: $D$ is
# paid without end for making $A_N$ wrong. On MSQNet no form moves leave one
# out by .01, and the mask follows the adversary all the same, away from the
# action.
#
# ## What carries it
#
# Three exchanges in each trained head, each read by leave one out, with the
# mAP that it leaves. *New reader*: $A_S$ is trained afresh on frozen $z_S$.
# *Past D*: it is trained afresh on what $D$ reads, and $D$ is left out.
# *Flat mask*: every row of the mask holds the same weight everywhere. Means
# over seeds, mAP in brackets; then the differences to weight 0.

# %%
ends = ["", "_new_reader", "_past_d", "_flat_mask"]
means = table.groupby("row", sort=False).mean().loc[weights]
pd.DataFrame({end.replace("_", " ").strip() or "as it is": [
    f"{auc:.3f} ({value:.1f})" for auc, value in zip(
        means[f"auc{end}"], means[f"value{end}"])] for end in ends},
    index=means.index)

# %%
words[[f"auc{end}" for end in ends[1:]]]

# %% [markdown]
# ## What was foretold
#
# Each line is a sentence of the plan, each column a row of the batch.

# %%
found.columns = found.columns.str.removeprefix(f"{head}+TFE, ")
found.replace({True: "yes", False: ""})

# %%
said = lines.set_index(["row", "measure"]).verdict.unstack()
assert (said.auc_bare == "equal").all() and (said.value == "equal").all()
runaway = pd.read_csv(RESULTS / "adversary_summary.csv").query(
    "split == @split").set_index("row").runaway
rose = [row for row in said.index
        if "+TFE" in row and said.auc[row] == "higher"]
assert rose == [row for row in said.index if runaway[row] > 0]
print("runs end runaway, and leave one out rises:", *rose, sep="\n  ")

# %% [markdown]
# **What it says.** The gain of BIKE is in $z_S$: a new reader of it, who knows
# nothing of the game, has all of it. A new reader below $D$ has none. So $D$
# carries it, and not by its mask: with a flat mask most of it stays. Of the
# explanations written down beforehand one fits all four weights: leave one
# out favours a head that was punished for redundancy.
#
# **What it does not say.** That the read-out is wrong: it says truly what one
# segment changes. It is no measure of what the head relies on where segments
# say the same. Nor does it say that a game of another rate, start or depth
# would do the same, or that it holds on real recordings, where TFE raised no
# fidelity ([chapter 22](22_recordings.ipynb)). *Bare* lies at .92: there is
# room for a rise of .08, and an interval of .01 would have shown it.
#
# ## Summary
#
# - On BIKE the adversary raises fidelity by leave one out, at every weight.
# - Where no other true segment can stand in, the head is as faithful without
#   the adversary. The rise is one of redundancy, not of reliance.
# - It comes with runaway alone. The bounded forms take as much of the label
#   from $z_N$, and raise nothing.
# - On MSQNet no form moves leave one out by .01.
# - Whoever compares heads by leave one out should read *bare* beside it:
#   `.venv/bin/python -m book readouts FILE --ask reliance`.
#
# ## Exercises
#
# *Exercise 1 checks an answer: `from book.assignments import check`, then `check("16.1")`
# says what to define, and what is wrong with it.*
#
# 1. Code: *singly*, from the falls of segments and the falls at once.
#
# <details><summary>Solution</summary>
#
# ```python
# def singly(falls, true, at_once):
#     return (falls * true).sum() / at_once.sum()
# ```
#
# </details>
#
# 2. What is *singly* of a head that takes the mean over $T$ segments, if $n$
#    of them are true?
#
# <details><summary>Solution</summary>
#
# $(T - n)/(T - 1)$: without one segment the mean is one over $T - 1$, without
# all true ones over $T - n$. A share below 1 is no proof of redundancy by
# itself; compare heads.
#
# </details>
#
# 3. Run this chapter for MSQNet (`-p head MSQNet`). Its mask moves far, and
#    leave one out hardly. Why may that be?
#
# <details><summary>Solution</summary>
#
# $z_S$ holds $x$ beside what the mask picks ([chapter 6](06_budget.ipynb)), and
# MSQNet's decoder attends to $z_S$ itself: it finds the action without the
# mask. The flat mask shows it: the head's fidelity stays.
#
# </details>
