# %% [markdown]
# # 20. When does TFE help?
#
# **Question.** A table is one point. Over which worlds does TFE help, where
# does it do nothing, and where does it harm?
#
# The answer first, computed from the runs. They are **older**: TFE starts
# from scratch in them, on planted **features** (synthetic, of no video).

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import Markdown

from book import plots, sliders
from book.evidence import statistics
from data.common.generators.features import planted_features
from data.files.paths import RESULTS

plots.style()

# %% tags=["parameters"]
literal: str = "tfe"  # the method of Eq. (12)
bounded: str = "tfe-bounded"  # the one held against it

# %%
fits = pd.read_csv(RESULTS / "phase.csv")
lines = pd.read_csv(RESULTS / "phase_summary.csv")
receipt = pd.read_json(RESULTS / "phase.json", typ="series")
knobs = receipt["standard"]


def count(part, prefix=""):
    """At how many points TFE helps, and harms, after Holm."""
    sure = part[f"{prefix}holm"] < 0.05
    gain = part[f"{prefix}difference"]
    return pd.Series({"helps": int((sure & (gain > 0)).sum()),
                      "harms": int((sure & (gain < 0)).sum()),
                      "no clear difference": int((~sure).sum())})


def places(prefix=""):
    told = count(lines[lines.method == literal], prefix)
    return ", ".join(
        f"{'shows ' * word.startswith('no')}{word} at "
        f"{'all' if n == told.sum() else f'{n} of'} {told.sum()} points"
        for word, n in told.items() if n)


Markdown("A point is a synthetic world and a split. In fidelity, TFE from"
         f" scratch {places('auc_')}. In recognition, it {places()}.")

# %% tags=["hide-input"]
grid = lines[(lines.share == knobs["share"])
             & (lines.k == knobs["k"])
             & (lines.videos == knobs["videos"])]


def heat(ax, method, split, prefix=""):
    part = grid[(grid.method == method) & (grid.split == split)]
    wide = part.pivot(index="snr", columns="rho",
                      values=f"{prefix}difference")
    sure = (part[f"{prefix}low"] > 0) | (part[f"{prefix}high"] < 0)
    star = part.assign(s=np.where(sure, "*", "")).pivot(
        index="snr", columns="rho", values="s")
    text = wide.map(lambda v: f"{v:+.2f}" if prefix else f"{v:+.0f}") + star
    reach = 0.3 if prefix else 15  # one scale for all maps of a kind
    sns.heatmap(wide, annot=text, fmt="", cmap="RdBu", ax=ax, cbar=False,
                vmin=-reach, vmax=reach, annot_kws={"fontsize": 8})
    what = "AUC" if prefix else "mAP"
    ax.set(title=f"{method}: {what}, {split}")

# %%
fig, axes = plt.subplots(2, 3, figsize=(9, 4.4), sharex=True, sharey=True)
for n, what in enumerate((("test",), ("shifted",), ("test", "auc_"))):
    for ax, method in zip(axes[:, n], (literal, bounded)):
        heat(ax, method, *what)
        ax.label_outer()
plots.show(fig, "phase-map", "Older runs: mAP points (left, middle), AUC"
           " (right) that TFE from scratch gains (blue) or loses (red). A"
           " star: the interval leaves out zero. Planted (synthetic).",
           alt="Six heat maps by rho and snr. In those of AUC all is red.")

# %% [markdown]
# The map shows paired differences, TFE minus vanilla: in mAP, and in
# fidelity, the within-video AUC of leave one out. A star marks a cell whose
# 95% interval, for itself alone, leaves out zero. The sentences above count
# what is left of the stars when all points are compared at once.
#
# ## The worlds
#
# **All runs of this chapter are older.** TFE starts from scratch in them, and
# $-\mathcal L_N$ trains the layers below $D$. The heads' first layer is
# linear; today it is LayerNorm, a linear layer and ReLU. They are to be made
# again in the reading of [chapter 12](12_table1.ipynb). So the maps below
# speak of the older reading, against a head of as many epochs, and are no
# verdict on TFE.
#
# Rendering a dataset for each world would take hours, so the maps of this
# chapter use planted **features**: no video, but what an ideal encoder would
# give for the same storyboards, and noise.
# [Chapter 21](21_plus.ipynb) returns to planted **videos**, rendered,
# decoded and encoded as in Table 1. Both are synthetic, and they are not
# the same thing. In the features, a segment is
#
# $$\begin{aligned} x_t = {} &u_{\text{scene}}
#   + \mathrm{snr} \sum_a v_a\,[a \text{ at } t] \\
#   &+ \sum_b w_b\,[b \text{ at } t] + \text{noise}, \end{aligned}$$
#
# with unit directions $u$, $v$, $w$ for scenes, actions and distractors $b$,
# so that `snr` is how many standard deviations an action stands out in one
# segment. The other knobs:
#
# - `rho`, how often the scene is the action's in training and test;
# - `share`, the part of a video that its actions fill;
# - `k`, the budget of the mask;
# - `videos`, the number of training videos.
#
# At every point the vanilla BIKE-style head, TFE by Eq. (12) and TFE with
# a bounded adversary are fitted on the same features, several seeds each:
# `.venv/bin/python -m book batch book/batches/phase.yaml`, all fits in one go.

# %% [markdown]
# ## The knob that matters, checked
#
# `snr` is a detectability: project the segments on an action's direction,
# and those that show it lie `snr` deviations above the others of the same
# videos (which share the scene). The direction is what one more unit of
# `snr` adds, from the same draws.

# %%
print(f"{len(fits) // 2} fits, {fits.seed.nunique()} seeds a point, on "
      f"{receipt['device']}; standard point: {knobs}")

x, _, truth = planted_features(300, snr=4.0)
shown, there = truth[:, 0], truth[:, 0].any(1)  # action 0
v = (x - planted_features(300, snr=3.0)[0])[shown].mean(0)
line = x @ v
measured = line[shown].mean() - line[there][~shown[there]].mean()
print(f"gap along the action's direction: {measured:.1f}")
assert np.isclose(v @ v, 1) and abs(measured - 4) < 0.3

# %% [markdown]
# ## One rho at a time
#
# Move the slider from scenes that are independent of the action to scenes
# that give it away, and watch test and shifted part.

# %% tags=["nbval-ignore-output"]
def at(rho):
    part = fits[(fits.rho == rho) & (fits.snr == 4) & (fits.k == 4)
                & (fits.share == 0.25) & (fits.videos == 300)]
    fig, ax = plt.subplots(figsize=(5.6, 2.4))
    sns.stripplot(part, x="value", y="method", hue="split", dodge=True,
                  palette=plots.COLOURS, jitter=False, ax=ax)
    plots.legend(fig)
    ax.set(xlim=(20, 100), xlabel="mAP (%)", ylabel="")
    means = part.groupby(["method", "split"]).value.mean().round(0)
    return fig, f"rho {rho:g}: " + "; ".join(
        f"{m} {s} {v:.0f}" for (m, s), v in means.items())


sliders.show([(f"rho = {r:g}", *at(r)) for r in sorted(fits.rho.unique())],
             "shortcut", "mAP of every fit as the scene becomes a shortcut,"
             " planted features (synthetic), a dot a seed.")

# %% [markdown]
# [Chapter 6](06_budget.ipynb) says what to expect: a context that predicts
# the label *is* label information, and Eq. (2) must take it into $z_S$. A
# method that suppressed shortcuts would lose less from `test` to `shifted`
# than the vanilla head, the more so the larger `rho`. (On the way, one
# square of the map is checked from its fits.)

# %%
here = "snr == 4 and share == 0.25 and k == 4 and videos == 300"
wide = fits.query(here).pivot_table(
    index=["rho", "seed"], columns=["split", "method"], values="value")
test = wide["test"].loc[0.5]
pair = statistics.paired(test[literal], test["vanilla"])
cell = lines.query(here + " and rho == 0.5 and split == 'test'")
line = cell.set_index("method").loc[literal]
assert np.isclose(line.difference, pair["difference"], atol=1e-3)
(wide["test"] - wide["shifted"]).groupby("rho").mean().round(1)

# %% [markdown]
# ## Share, budget, training set
#
# One knob at a time, the others at the standard point.

# %%
fig, axes = plt.subplots(1, 3, figsize=(9, 2.7), sharey=True)
for ax, knob in zip(axes, ("share", "k", "videos")):
    rest = [name for name in knobs if name != knob]
    part = lines[(lines.split == "test") & np.logical_and.reduce(
        [lines[name] == knobs[name] for name in rest])]
    for method, each in part.sort_values(knob).groupby("method"):
        ax.errorbar(each[knob], each.difference, fmt="o-", label=method,
                    yerr=[each.difference - each.low,
                          each.high - each.difference])
    ax.axhline(0, color="grey", lw=1, ls="--")
    ax.set(xlabel=knob, xscale="log")
    ax.set_xticks(part[knob].unique(), labels=map(str, part[knob].unique()))
    ax.minorticks_off()
axes[0].set_ylabel("mAP against vanilla")
plots.legend(fig)
plots.show(fig, "phase-knobs", "Older runs: TFE from scratch minus"
           " vanilla over the action's share, the budget and the training"
           " set, planted features (synthetic); 95% t intervals over"
           " seeds. Below the dashed line TFE loses; where an interval"
           " crosses it, there is no clear difference.",
           alt="Three panels of two lines with intervals around zero.")

# %% [markdown]
# ## How many cells say what
#
# Counted over all points and both splits, after Holm's correction over the
# whole study: in recognition, and in fidelity (`auc_`).

# %%
counted = pd.DataFrame({
    f"{method}, {what}": count(part, prefix)
    for method, part in lines.groupby("method")
    for what, prefix in (("mAP", ""), ("fidelity", "auc_"))})
counted.loc["runaway fits"] = [
    int(part.runaway.sum()) for _, part in lines.groupby("method")
    for _ in range(2)]
# The summary says so.
assert lines.holm.min() > 0.05 > lines.auc_holm.max()
assert lines.auc_difference.max() < 0
counted

# %%
reach = (lines.high - lines.low) / 2
low, middle, high = reach.quantile([0, 0.5, 1])
Markdown(f"In recognition, {(lines.high < 0).sum()} of the {len(lines)}"
         " intervals of both methods lie below zero, each taken by itself,"
         f" and {(lines.low > 0).sum()} above. An interval reaches about"
         f" {middle:.0f} points to either side ({low:.0f} to {high:.0f})."
         " Smaller gains could hardly have been seen.")

# %% [markdown]
# **What it says.** From scratch, TFE is less faithful than the head it
# replaces at every point, under either adversary. Every one of these losses
# outlives the correction. In recognition no difference does, either way:
# with so few seeds, and so many points compared, hardly any could.
#
# **What it does not say.** One head at one size, one encoder that is ideal
# by construction, and learning rates chosen elsewhere. A map of synthetic
# worlds says where to look in real ones, not what is there.
#
# ## Summary
#
# - Differences are mapped over five knobs of planted features, paired by
#   seed and corrected for their number.
# - The literal and the bounded adversary are two methods: compare columns.
# - From scratch, no difference in recognition outlives the correction over
#   the whole map; every difference in fidelity does, and each is a loss.
# - The maps of TFE begun warm are still to be made.
# - Whether coarse supervision or another form of TFE changes this is asked
#   in [chapter 21](21_plus.ipynb).
#
# ## Exercises
#
# *Exercises 1 and 2 check an answer: `from book.assignments import check`, then `check("20.1")`
# says what to define, and what is wrong with it.*
#
# 1. At `share` 0.5 eight of sixteen segments show an action. What is the
#    best that any mask with $k = 4$ can do for recognition?
#
# <details><summary>Solution</summary>
#
# Average fewer segments: the mean of 4 true segments has twice the noise
# variance of that of 8. A small budget can only lose there, unless
# distractors outweigh it.
#
# </details>
#
# 2. Why are differences paired by seed, although each seed also draws new
#    features?
#
# <details><summary>Solution</summary>
#
# Because all methods of a seed see the *same* features: the luck of the
# draw is common to both and cancels in the difference.
#
# </details>
#
# 3. Add a point: `snr` 4 and `rho` 1. Edit `book/batches/phase.yaml` and
#    run it. What must happen to the vanilla head on `shifted`?
#
# <details><summary>Solution</summary>
#
# With the scene always the first action's, the head may read the scene
# alone for that label; on `shifted` that reading is worth nothing. Only
# what it learnt from the second and third actions is left.
#
# </details>
