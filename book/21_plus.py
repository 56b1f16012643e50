# %% [markdown]
# # 21. Is there a TFE that helps?
#
# **Question.** [Chapter 20](20_when.ipynb) maps where TFE gains. Is there a
# training set, or another form of TFE, that gains more?
#
# Two answers are tried. Section 4.3 says that TFE helps most where
# supervision is *coarse*. And we built a form of our own, `TFE-plus`, with
# a mask for each class, from scratch. The answer first, computed from the
# runs.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from book import plots
from book.evidence import rules, statistics, verdicts
from data.files.paths import RESULTS

plots.style()

# %% tags=["parameters"]
margin: float = 2.0  # points of recognition that TFE-plus may lose

# %% tags=["hide-input"]
heads = ["MSQNet", "BIKE"]
sets = {"planted features, rho 0": ["plus_rho0"],
        "planted videos, rho .5": ["plus", "table1"],
        "planted features, rho .9": ["plus_rho9"],
        "50 Salads (supervised)": ["salads"], "GTEA (supervised)": ["gtea"],
        "UTKinect (skeletons)": ["utkinect"]}
others = [*heads, "Gated MIL, shared", "Gated MIL"]


def judged(names):
    runs = pd.concat([pd.read_csv(RESULTS / f"{n}.csv") for n in names])
    runs = runs[runs.split == "test"].drop_duplicates(["row", "seed"])
    if "gtea" in names:  # two seeds share a fold, which counts once
        runs = runs.assign(seed=runs.seed % 3)
    return verdicts.bar(runs, "TFE-plus", others, margin)


sets, absent = ({name: files for name, files in sets.items() if all(
    (RESULTS / f"{n}.csv").is_file() for n in files) == there}
    for there in (True, False))
bars = pd.concat({name: judged(files) for name, files in sets.items()},
                 names=["data"]).reset_index("data")
met = bars.groupby("data", sort=False).met.all()

# %%
said = {head: rules.in_readings(RESULTS, "coarser", [head])
        for head in heads}
Markdown("That TFE gains more under coarse supervision is " + ", ".join(
    f"{verdict} on {head}" for head, (verdict, _) in said.items())
    + ". The bar for `TFE-plus` was set beforehand: more faithful than"
    f" every rival, and at most {margin:g} points worse in recognition. It"
    f" is cleared on {met.sum()} of {len(met)} data sets."
    f" Not run: {', '.join(absent) or 'none'}.")

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
for n, (other, part) in enumerate(bars.groupby("against", sort=False)):
    place = [list(sets).index(d) + 0.18 * (n - 1.5) for d in part.data]
    for ax, name in zip(axes, ("auc_difference", "difference")):
        middle = part[name]
        ax.errorbar(middle, place, fmt="o", ms=4, label=other, xerr=[
            middle - part[f"{name}_low"], part[f"{name}_high"] - middle])
for ax, least in zip(axes, (0, -margin)):
    ax.axvline(least, color="grey", lw=1, ls="--")
axes[0].set(yticks=range(len(sets)), yticklabels=sets,
            ylim=(len(sets) - 0.4, -0.6), xlabel="fidelity AUC gained")
axes[1].set_xlabel("recognition gained, points")
plots.legend(fig)
plots.show(fig, "bar", "TFE-plus minus each rival, 95% t intervals over"
           " seeds, of GTEA over folds. Synthetic: planted videos, planted"
           " features (of no video). Real: "
           + ", ".join(name for name in sets if "planted" not in name)
           + ". Dashed: what the bar asks.",
           alt="A line a data set, up to four intervals each, fidelity left"
           " and recognition right.")

# %% [markdown]
# To clear the bar on a data set, `TFE-plus` must lie to the right of both
# dashed lines with every one of its intervals.
#
# ## Coarse against fine supervision
#
# Why is the paper's gain on BIKE smaller? Section 4.3 says: BIKE is trained
# on clips cut from long videos, MSQNet on whole ones, and TFE helps most
# where supervision is coarse. Here each head has both: trained on whole
# videos (Table 1), or on about as many clips of one action each
# (`planted-trimmed`, `coarse.yaml`), and tested on the *same* whole videos.
# Heads, rates and readings are Table 1's. Synthetic **videos**. With
#
# $$\text{gain} = \text{mAP}(\text{TFE}) - \text{mAP}(\text{control})$$
#
# after one and the same training, the reason asks that
#
# $$\text{gain}_{\text{whole}} - \text{gain}_{\text{clips}} > 0.$$
#
# First the verdicts by rule, a reading each, then the mean gains. One
# verdict is computed again from the runs, by seed.

# %%
rows = [row.format(head) for head in heads
        for row in rules.READINGS.values()]
gain = pd.concat({(row, training): rules.differences(RESULTS, name, row)
                  for row in rows for name, training in
                  (("table1", "whole"), ("coarse", "clips"))}, axis=1)
pair = statistics.paired(*gain["BIKE+TFE"][["whole", "clips"]].T.to_numpy())
assert f"second {pair['difference']:+.2f} [" in said["BIKE"][1]
print(*(f"{h}: {v}\n  {words}" for h, (v, words) in said.items()), sep="\n")
gain.mean().unstack(sort=False).round(2)

# %%
fig, ax = plt.subplots(figsize=(6, 3))
for n, training in enumerate(("whole", "clips")):
    for at, row in enumerate(rows):
        each = gain[row, training]
        ax.plot(each, [at + 0.24 * (n - 0.5)] * len(each), "o", ms=4,
                color=plots.PALETTE[n], label=f"trained on {training}")
ax.axvline(0, color="grey", lw=1, ls="--")
ax.set(yticks=range(len(rows)), yticklabels=rows, ylim=(5.5, -0.5),
       xlabel="mAP gained over the control, points")
plots.legend(fig)
plots.show(fig, "coarse", "What TFE gains on whole test videos after"
           " training on whole videos or on clips of one action, in three"
           " readings, beside the head trained on; from scratch, beside the"
           " plain head. A dot a seed, planted videos (synthetic). The"
           " paper's reason asks that the upper dots lie right of the"
           " lower ones.",
           alt="Six rows of dots, two colours each, around a dashed line at"
           " no gain.")

# %% [markdown]
# **What it says.** Each verdict stands above its numbers, with the reading
# that it holds in. **What it does not say.** Recognition is lower after
# clips, as a clip of one action is not a whole video; so compare
# differences, not levels. The rates were chosen on whole videos.
#
# ## A mask for each class
#
# A first look on `val`, at heads of before, tried shared queries, bounded
# adversaries, other masks at test, TFE on plain pooling. Its rows are no
# longer kept (item 36 of the plan). Best was one k-hot mask *a class* over
# $T$, without residual, soft at test, and a bounded adversary
# (`tfe/plus.py`). From the segments $x_t$ and the mask $m_c$ of class $c$ it
# makes
#
# $$\mathbf z_{S,c} = \frac{\sum_t m_{ct}\, x_t}{\sum_t m_{ct}}, \qquad
#   \mathbf z_{N,c} = \frac{\sum_t (1 - m_{ct})\, x_t}
#   {\sum_t (1 - m_{ct})}.$$
#
# In numbers, with a hard mask. The two parts are complements: weighed by
# their sizes they add up to all segments.

# %%
T, k = 16, 8
rng = np.random.default_rng(0)
x, scores = rng.normal(size=(T, 8)), rng.normal(size=(3, T))
m = (scores.argsort(1).argsort(1) >= T - k).astype(float)  # a row a class
z_S = m @ x / m.sum(1, keepdims=True)
z_N = (1 - m) @ x / (1 - m).sum(1, keepdims=True)
assert (m.sum(1) == k).all()
assert np.allclose(k * z_S + (T - k) * z_N, x.sum(0))

# %% [markdown]
# The budget $k$ and the rate were then drawn on `val`, two seeds each, and so
# was the rate of gated MIL with shared weights (`tune_plus.yaml`). The
# settings of `TFE-plus` within about a point of the highest mAP had four more
# seeds (`tune_plus_again.yaml`); the highest mean is taken. (Two earlier rules
# were dropped after `test` had been seen: item 36 of the plan says which and why.)

# %%
tried, again = (
    pd.read_csv(RESULTS / f"{name}.csv").groupby("row").value.mean()
    for name in ("tune_plus", "tune_plus_again"))
shared = tried[tried.index.str.contains("shared")]
own = tried.drop(shared.index)
assert set(own[own > own.max() - 1].index) <= set(again.index)
assert again.idxmax() == "TFE-plus, k 8, 1.0e-2"
assert shared.idxmax() == "Gated MIL, shared, 1.0e-1"
again.round(1)

# %% [markdown]
# The other rivals have the rates of Table 1. The last four rows change one
# thing each. Planted **videos** (synthetic, `rho` .5), every row against
# `TFE-plus`. `higher` and `lower` are said after Holm's correction.

# %%
plus = pd.read_csv(RESULTS / "plus_summary.csv").query("split == 'test'")
verdicts.readable(plus, "mAP (%)").drop(columns=["split", "against"])

# %% [markdown]
# ## The bar
#
# The bar was set beforehand. Fidelity must be above the plain heads *and*
# above gated MIL, the interval clear of zero. Recognition must not be
# inferior by more than 2 points. Six data sets are asked: planted
# *features* at `rho` 0 and .9 and planted *videos* at `rho` .5 (synthetic);
# and three sets of real recordings. Of these, 50 Salads and GTEA come by
# *supervised* frame scores, UTKinect by skeletons. On charades-sim `TFE-plus`
# was not run again: it waits for a card.
# `Gated MIL` has a weight a class: the same mask with neither adversary nor
# budget; `shared` has one for all. Rivals of the planted videos are those of
# Table 1 as well.

# %%
bars["fidelity"] = bars.apply(
    verdicts.interval, axis=1, name="auc_difference", sign="+", digits=3)
bars["recognition"] = bars.apply(
    verdicts.interval, axis=1, name="difference", sign="+")
print(f"bar met on {met.sum()} of {len(met)} data sets", *met.index[met])
print("cleared, by rival:", bars.groupby("against", sort=False).met.agg(
    lambda m: f"{m.sum()} of {len(m)}").to_dict())
bars["data against fidelity recognition met".split()].set_index("data")

# %% [markdown]
# **What it says.** The bar is met on no data set. In recognition `TFE-plus` and
# gated MIL with a weight a class are equal at `rho` .9 and not clearly apart
# elsewhere; on planted features both are far above the plain heads. In fidelity,
# by single intervals that nothing corrects, it lies above that gated MIL at `rho`
# .9 alone, and below it at `rho` 0. The plain
# heads and gated MIL with
# shared weights recognise less on synthetic data and are more faithful there,
# but for BIKE on the videos. On the videos a row without adversary is equal in
# both measures. The *literal* adversary raises AUC by .04 at equal mAP, which no
# bar was set for; a hard mask at test raises it by .19 and costs 20 points. (The
# worlds of `rho` 0, .5 and .9 do not make one series: the middle one is video,
# the others are features.)
#
# **What it does not say.** One size of head, and settings chosen on one
# world. The runs are of one reading, from scratch; a warm start of
# `TFE-plus` is a row of [chapter 23](23_leaderboard.ipynb).
#
# ## Summary
#
# - Section 4.3 says that TFE gains most under coarse supervision. The first
#   sentence says what became of it here.
# - `TFE-plus` recognises like gated MIL with a weight a class. In fidelity it lies
#   above that at `rho` .9 and below it at `rho` 0, at another rate. On no data set
#   does it clear the bar set beforehand.
# - The second answer is of TFE from scratch alone. A warm `TFE-plus` is a row of
#   [chapter 23](23_leaderboard.ipynb).
#
# ## Exercises
#
# *Exercises 1 and 2 check an answer: `from book.assignments import check`, then `check("21.1")`
# says what to define, and what is wrong with it.*
#
# 1. Write the bar as a function of two intervals: is TFE-plus above its
#    rival in fidelity, and not inferior in recognition? What does it say of
#    a recognition interval from -1.5 to +3, and why is that not "equal"?
#
# <details><summary>Solution</summary>
#
# Both *lower* ends decide: fidelity's must be above 0, recognition's above
# minus the margin. From -1.5 to +3 it is not inferior by more than 2
# points. It may still be 3 points better: equality needs a second limit,
# from above.
#
# </details>
#
# 2. Why is a difference of gains the right thing to look at, and not TFE's
#    mAP after whole videos against its mAP after clips?
#
# <details><summary>Solution</summary>
#
# The vanilla head too is worse after clips. Its own change is taken away by
# the gain; what is left is TFE's part. It is a difference of differences,
# paired by seed.
#
# </details>
#
# 3. `TFE-plus` was chosen on `val` of one world and frozen. Which of the
#    six data sets speak of worlds that had no part in the choice? What
#    would have to be done for the others to count as much?
#
# <details><summary>Solution</summary>
#
# Settings were drawn on `val` of the planted videos of `rho` .5. But the rule was
# changed after `test` of GTEA and of these videos had been seen. So only the
# other four had no part in it, and two of them are made by the same storyboards.
#
# </details>
