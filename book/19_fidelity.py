# %% [markdown]
# # 19. Fidelity, measured
#
# **Question.** The paper shows better temporal attention in one figure.
# Measured on many videos with known intervals: which head looks where the
# action is, and does TFE make it look there?
#
# The answer first, computed from the runs.

# %%
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from book import plots
from book.evidence import answer, recordings, verdicts
from book.evidence.statistics import mean_interval
from tfe import fidelity
from data.files.paths import RESULTS

plots.style()

# %% tags=["parameters"]
split: str = "test"  # test, or shifted: other scenes

# %%
table = pd.read_csv(RESULTS / "fidelity.csv")
warm = answer.contrasts(table, split)
lines = pd.read_csv(RESULTS / "fidelity_summary.csv")
measures = pd.read_csv(RESULTS / "fidelity_measures.csv")
test = lines[lines.split == split]
faithful = test.set_index("row").auc.idxmax()
display(Markdown(
    answer.sentence(warm, "TFE", "auc_") + " "
    + answer.sentence(warm, "the adversary", "auc_")
    + f" Of all rows, {faithful} has the highest fidelity, over"
    f" {warm.seeds.min()} seeds on synthetic videos."))
fig = plots.differences(test, "mAP points")
plots.show(fig, "fidelity-differences",
           "Paired differences on synthetic test videos: TFE rows against"
           " the head trained on as long, the others against gated MIL.",
           alt="Dots with intervals around a zero line, mAP left and"
           " fidelity AUC right.")

# %% [markdown]
# ## Three ways to read where a model looks
#
# "Where a model looks" is read in three ways, and they need not agree:
#
# 1. *Its own attention*: what the paper's Figs. 1 and 4 draw.
# 2. *Leave one out*, the headline: how far the logit $f_c$ of a true class
#    $c$ falls without segment $t$,
#    $s_t = f_c(x) - f_c(x_{-t})$.
# 3. *Erasure* (DeYoung et al. 2020): what becomes of the probability $p$ of
#    the true class without the read-out's first segments $r$, and with them
#    alone,
#
# $$\begin{aligned} \text{comprehensiveness} &= p(x) - p(x \setminus r), \\
#   \text{sufficiency} &= p(x) - p(r). \end{aligned}$$
#
# The first two are scored against the true intervals; the third asks the
# model alone. The data are **synthetic videos** (`planted`) up to the
# section on real recordings. The rows are those of
# [chapter 12](12_table1.ipynb), with its ten seeds, and two poolings of
# *multiple instance learning* (MIL) that a user would try first, on the same
# features: `.venv/bin/python -m book batch book/batches/fidelity.yaml`. Three
# sets of real recordings stand further below, five more in
# [chapter 22](22_recordings.ipynb).

# %% [markdown]
# ## The measure, by hand
#
# Within-video AUC: the chance that a true segment is more salient than
# another of the same video. One video, six segments, two of them true:

# %%
saliency = np.array([[0.1, 0.9, 0.3, 0.3, 0.2, 0.0]])
truth = np.array([[0, 1, 1, 0, 0, 0]], bool)
wins = [(a > b) + 0.5 * (a == b) for a in saliency[truth]
        for b in saliency[~truth]]
assert np.mean(wins) == fidelity.score(saliency, truth)["auc"]
print(f"{np.mean(wins):.3f} of {len(wins)} pairs, half for a tie")

# %% [markdown]
# ## Every row
#
# 95% t intervals over seeds. The difference is to the head trained on for TFE
# that begins at it, to the vanilla head for TFE from scratch, and to gated
# attention MIL (Ilse et al. 2018) for everything else, here with
# attention weights of its own for each class: whoever
# claims fidelity should beat the thing that a user would pick instead.
# Fidelity is the AUC here; by mass or pointing the order of the heads is
# another one ([chapter 12](12_table1.ipynb)). `higher` and `lower` are said
# after Holm's correction. Below the table, the words on fidelity are counted:
# of TFE rows against those heads, of vanilla heads and
# poolings against gated MIL.

# %%
receipt = json.loads((RESULTS / "fidelity.json").read_text())
print(f"{receipt['dataset']} (synthetic: {receipt['synthetic']}), "
      f"{table.seed.nunique()} seeds a row, {receipt['device']}")
display(verdicts.readable(test, "mAP (%)").drop(
    columns=["split", "against"]))
plays = test.method.isin(["tfe", "tfe-bounded"])
others = test[~plays & test.against.notna()]
pd.DataFrame({
    name: part.apply(verdicts.verdict, axis=1,
                     prefix="auc_").value_counts()
    for name, part in (("TFE", test[plays]), ("others", others))
}).fillna(0).astype(int)

# %% [markdown]
# ## A read-out should stay the same where no answer changes
#
# Where a video has *one* label, a softmax turns logits into an answer. Add
# one number $c_t$ to all logits that a head gives without segment $t$: the
# softmax, and so the answer, stays the same. But the plain fall
# $f_c(x) - f_c(x_{-t})$ changes by $c_t$. So single-label heads are read on
# *centred* logits: minus their mean over classes. On a toy the plain fall
# changes with $c_t$, the centred one does not.

# %%
def centred(logits):
    return logits - logits.mean(axis=0)


draw = np.random.default_rng(0)
whole, without = draw.normal(size=(3, 1)), draw.normal(size=(3, 6))
moved = without + draw.normal(size=(1, 6))  # c_t: no answer changes
old, new = ((whole - m, centred(whole - m)) for m in (without, moved))
for name, a, b in zip(("plain", "centred"), old, new):
    print(name, "differs by up to", abs(a - b).max().round(2))
assert np.allclose(old[1], new[1])

# %% [markdown]
# Now the same trained heads, read in both ways. They tell twelve gestures of
# **real recordings** apart: windows of body joints, one label each (MSRC-12),
# tested on other people. `.venv/bin/python -m book batch book/batches/single.yaml`
# trains them; `.venv/bin/python -m book readouts book/batches/single.yaml --ask
# centring --out results/centring.csv` reads them. `other top`: the share of
# windows whose most salient segment is another one. Read-outs here are of
# vanilla heads and poolings alone.

# %%
pairs = pd.read_csv(RESULTS / "centring.csv")
pairs["difference"] = pairs.auc_centred - pairs.auc_plain
side = pairs.groupby("row", sort=False)[
    ["value", "auc_plain", "auc_centred", "other_top"]].mean()
side["difference"] = [
    "{:+.3f} [{:+.3f}, {:+.3f}]".format(*mean_interval(one.difference))
    for _, one in pairs.groupby("row", sort=False)]
by = pairs.pivot(index="seed", columns="row")
for way in ("auc_plain", "auc_centred"):
    mean, *ends = mean_interval(by[way].MSQNet - by[way].BIKE)
    print(f"MSQNet minus BIKE, {way}: {mean:.3f} {np.round(ends, 3)}")
    assert (ends[0] > 0) == (way == "auc_plain")
moved = by["difference"].mean()
assert by["difference"].MSQNet.max() < 0 and round(moved.MSQNet, 3) == -.019
assert moved.drop("MSQNet").abs().max() < .008
side.round(3)

# %% [markdown]
# **What it says.** Four of the five rows move by less than .008. MSQNet loses
# .019, in every seed, and another segment is on top in a fifth of its
# windows. By the plain read-out the interval of MSQNet's lead over BIKE, one of
# two, leaves out 0. By the centred one it holds 0. So part of the plain
# lead is a number that no answer depends on. **What it does not say.** What
# the two ways would tell of TFE: no TFE head was read here. The intervals of
# MSRC-12 cover a part of each gesture only, so that an AUC may be too low.
#
# Table 2 is read in the centred way. Multi-label heads have no softmax over
# classes, and are read on plain logits.

# %% [markdown]
# ## Attention and use are two things
#
# The same AUC from what a system draws: weights for each true class, and, of
# TFE, its mask, which is one for all classes. Class weights are concept
# spotting on BIKE and cross-attention on MSQNet, with TFE those of $A_S$.
# Mean pooling and top-k MIL draw none. Theirs are *class activation*: the
# score that the classifier gives to each segment by itself.

# %%
here = measures[measures.split == split]
found = here.pivot_table(index="row", columns="measure", values="value",
                         sort=False)
means = pd.DataFrame({
    "leave one out": test.set_index("row").auc,
    "class weights": found.class_attention_auc,
    "mask": found.attention_auc.where(
        test.set_index("row").method == "tfe")})
means.round(3).astype(object).fillna("")

# %%
fig, ax = plt.subplots(figsize=(6, 4))
for name, mark in (("class weights", "o"), ("mask", "x")):
    ax.scatter(means[name], means["leave one out"], marker=mark, label=name)
for row, point in means.iterrows():
    ax.annotate(row, (point["class weights"], point["leave one out"]),
                fontsize=6, xytext=(4, 2), textcoords="offset points")
for line in (ax.axhline, ax.axvline):
    line(0.5, color="grey", lw=1, ls="--")
ax.set(xlabel="AUC of what it draws", ylabel="AUC of leave one out",
       xlim=(0.38, 1.15))
plots.legend(fig)
away = means["mask"].dropna()
plots.show(fig, "two-read-outs", "What a head draws against what it uses,"
           " a row twice where it has a mask; means over ten seeds,"
           " synthetic videos; dashed: chance.",
           alt="Scatter of rows. Class weights lie right of chance in all"
           f" rows. The mask lies left of it in {(away < 0.5).sum()} of"
           f" {len(away)} rows.")

# %% [markdown]
# **What it says.** The two orders differ: gated MIL draws best of all and lies
# in the middle by leave one out. A mask left of the dashed line points *away*
# from the action. That is no contradiction: with the residual, $z_S$ holds
# all of $x$ whatever the mask says ([chapter 6](06_budget.ipynb)), so the
# mask is free to be anything.
#
# ## Erasure
#
# For the leave-one-out read-out, mean over videos and sizes of $r$; `chance`
# takes segments at random. Large comprehensiveness and small sufficiency
# mean that the read-out points at what the model needs; a sufficiency below
# 0, that the model is surer of the class without the rest.

# %%
erasure = measures[(measures.split == split)
                   & measures.measure.str.startswith("erasure")]
wide = erasure.pivot_table(index="row", columns="measure", values="value",
                           sort=False)
wide.columns = [c.removeprefix("erasure_").replace("chance_", "chance ")
                for c in wide.columns]
wide.round(3)

# %% [markdown]
# ## Is the label gone from $z_N$, or is its critic fooled?
#
# A reader of the critic's own kind, trained afresh on frozen embeddings:
# its mAP in per cent on $x$, what $D$ was given, on $z_S$ and on $z_N$. Then
# the losses on $z_N$ in nats, the fresh reader's and that of the critic
# $A_N$. Then the mean cosine of $z_S$ and $z_N$, which is 0 where they are
# orthogonal. Last, their `dependence`: a critic, fitted by least squares,
# tries to tell true pairs of $z_S$ and $z_N$ from shuffled ones, and 0 means
# that it cannot. It has no unit; beside it stands what shuffled pairs give.

# %%
probes = measures[(measures.split == split)
                  & measures.measure.str.startswith("probes")]
probes = probes.pivot_table(index="row", columns="measure", values="value",
                            sort=False).round(3)
probes.columns = [c.removeprefix("probes_") for c in probes.columns]
games = probes.drop([row for row in probes.index if "no adv" in row]
                    + ["BIKE+TFE, -L_N below D"])
assert (games.probe_z_n < games.probe_z_s - .1).all()
fooled = probes.critic_loss.idxmax()
print(f"{fooled}: the critic loses most, and a fresh reader "
      f"{probes.critic_loss[fooled] / probes.probe_z_n_loss[fooled]:.1f}"
      " times less")
probes[["probe_x", "probe_z_s", "probe_z_n"]] *= 100
names = {"probe_x": "x", "probe_z_s": "z_S", "probe_z_n": "z_N",
         "probe_z_n_loss": "reader loss", "critic_loss": "critic loss",
         "cosine": "cosine", "dependence": "dependence",
         "dependence_permuted": "permuted"}
probes[list(names)].rename(columns=names)

# %% [markdown]
# **What it says.** Without an adversary $z_N$ tells a fresh reader as much as
# $z_S$, and so it does on BIKE with $-\mathcal L_N$ below $D$, which hardly
# trains at 3e-6. In all other rows with an adversary it tells less, so
# something is separated: on BIKE most of the label, on MSQNet a fifth of the
# reader's mAP. The critic's own loss is no measure of it: where that is
# highest, the critic is wrong, not ignorant.
#
# ## Figure 4, by a rule
#
# The paper draws two videos. Here are three, chosen by a rule and not by
# eye: a sixth, half and five sixths of the way from the worst to the best
# fidelity of the first vanilla row. First seed of each row; white is high.

# %%
strips = pd.read_csv(RESULTS / "fidelity_strips.csv")
rows = [r for r in dict.fromkeys(strips.row)
        if r.startswith(("BIKE", "MSQNet")) and "below" not in r]
fig, axes = plt.subplots(1, 3, figsize=(9, 1.9), sharey=True)
for ax, (video, part) in zip(axes, strips.groupby("video_id")):
    of = {row: each for row, each in part.groupby("row")}
    grid = [of[rows[0]].truth.to_numpy(float)]
    grid += [fidelity.normalised(of[row].leave_one_out) for row in rows]
    ax.imshow([g / max(g.max(), 1e-9) for g in grid], cmap="gray",
              aspect="auto")
    ax.set(yticks=range(len(grid)), yticklabels=["truth", *rows],
           xticks=[], title=video)
axes[0].set_xlabel("segments")
plots.show(fig, "figure-4", "Leave-one-out saliency of three"
           " synthetic test videos chosen by rule, true segments on top.",
           alt="Three strips of 16 segments for truth and each head.",
           film=True)

# %% [markdown]
# ## Real recordings
#
# Windows of untrimmed recordings, short enough that a label is neither
# always nor never there. Two rules, fixed before any head was trained, drop
# a set. A label must be there in .05 to .6 of all windows (`density`). And
# the windows must be able to show a difference of .09 in AUC (`smallest
# effect`). None was dropped.
#
# 50 Salads and GTEA come as per-frame class scores of classifiers that were
# **trained on frame labels** (SUPERVISED, out of fold): they speak of heads
# on such scores, not of video. UTKinect has skeletons that saw no label.
# Rows and rates are those of [chapter 12](12_table1.ipynb): the `val` of a fold
# is what another seed is tested on, so that no rate was chosen here. Two rows are
# of [chapter 21](21_plus.ipynb): gated MIL with one weight for all classes, and
# `TFE-plus`. UTKinect has two oracles, shown the true segments alone; on the
# others every segment shows some action.

# %%
sets = {"salads": "50 Salads (supervised)", "gtea": "GTEA (supervised)",
        "utkinect": "UTKinect (skeletons)"}
assert tuple(sets) == recordings.UNTUNED
print(pd.read_csv(RESULTS / "windows.csv", index_col=0).loc[list(sets)].T)
real = recordings.tables("_summary.csv", sets)
lacking = sorted(set(sets.values()) - set(real.data))
display(Markdown(f"Not run: {', '.join(lacking) or 'none'}."))
ours = real[(real.method == "tfe") & real.against.notna()]
for measure, prefix in (("recognition", ""), ("fidelity", "auc_")):
    words = ours.apply(verdicts.verdict, axis=1, prefix=prefix)
    told = words.value_counts().items()
    print(f"{measure}, {len(words)} rows with TFE against their controls:",
          "; ".join(f"{n} {word}" for word, n in told))
wide = real.pivot(index="row", columns="data", values=["auc", "value"])
wide.loc[list(dict.fromkeys(real.row))].round(3)

# %%
begun = ours[ours.against.str.endswith("trained on")
             & ~ours.row.str.contains("below")]
fig = plots.differences(begun.assign(split=begun.data), "points of mAP")
plots.show(fig, "real", "TFE begun warm minus the head trained on, on real"
           " recordings, 95% t intervals over folds, before Holm's"
           " correction. Left recognition, right fidelity. 50 Salads and"
           " GTEA by SUPERVISED frame scores, UTKinect by skeletons.",
           alt="Two panels of dots with intervals around a zero line, one"
           " colour a set, a line a row.")

# %% [markdown]
# **What it says.** After Holm's correction no row with TFE is clearly apart from
# its control, in recognition or in fidelity, on any of the three. By their own
# intervals MSQNet's rows lie above the head trained on in AUC, by .02 to .07,
# with the adversary and, but for 50 Salads, without it. That head had lost .04 to
# .07 by being trained on. On UTKinect two of them lie 2.3 and 2.7 points above
# it as well, and MSQNet from scratch 4.7 below. On 50 Salads BIKE with $-\mathcal L_N$
# below $D$ lies .04 above its control, which had lost as much; BIKE+TFE from
# scratch lies .06 below BIKE. Mean pooling is the most faithful row of all three
# sets.
#
# Each seed of 50 Salads and UTKinect has test recordings of its own, so
# that their intervals speak of other people too. GTEA has two seeds a fold,
# which share a test set: a fold counts once, so that its intervals are of three
# values and wide. Nothing was tuned on any of the three.
#
# Charades' own videos and UCF101-24's six classes in which the action fills
# least are *not run*: they are not here. Whoever has them needs one line
# more, `.venv/bin/python -m data charades --from DIR` or `.venv/bin/python -m data ucf101-24
# --lists LISTS --from DIR`, then `.venv/bin/python -m data features --data ...` and
# `.venv/bin/python -m book batch book/batches/fidelity.yaml --data ...`.
#
# ## Does fidelity go with accuracy?
#
# The paper reasons that better attention means better recognition. Over the
# test runs of these tables, each table by itself: rank correlation over
# runs, over the means of rows, and within rows over seeds. Three kinds of
# data that are not real stand here,
# and the lines say which. *Videos* are rendered. Planted *features*, those
# of an ideal encoder, are of no video. *Simulated* features go with real
# labels and intervals of Charades.

# %%
names = ["table1", "table2", "table3", "fidelity", "plus", "plus_rho0",
         "plus_rho9", "coarse", "charades_sim", *sets]
kinds = {"efficientnet-lite0": "synthetic videos", "planted": "synthetic "
         "features", "simulated": "simulated features",
         "scores": "supervised scores", "skeleton": "skeletons"}
every = pd.concat([pd.read_csv(path).assign(table=n) for n in names
                   if (path := RESULTS / f"{n}.csv").is_file()])
every = every[every.split == split].dropna(subset="fidelity_auc")
every["data"] = every.encoder.map(kinds)


def together(runs):
    pair = ["value", "fidelity_auc"]
    ranks, means = runs.groupby("row")[pair].rank(), runs.groupby("row")[
        pair].mean()
    found = {"runs": runs, "rows": means, "seeds": ranks}
    return pd.Series({"number of runs": len(runs)} | {
        f"over {name}": part[pair[0]].corr(part[pair[1]], method="spearman")
        for name, part in found.items()})


signs = every.groupby(["table", "data"], sort=False)[
    every.columns].apply(together)
signs.round(2)

# %% [markdown]
# **What it says.** On synthetic videos and planted features higher fidelity goes
# with *lower* accuracy, over runs and over rows. On simulated features the sign is
# the other one; on the real sets it is too, and weak: over rows 0 to .3. Fidelity has to be measured;
# accuracy does not stand in for it.
# **What it does not say.** That the two are unrelated within one system.
# Within rows the sign changes as well, and the rows of a table share their
# seeds, so that few independent runs tell.
#
# ## Summary
#
# - Fidelity is a measurement with a chance level, and it has several
#   read-outs that disagree: say which.
# - A plain pooling is a strong baseline in fidelity; a head that claims
#   fidelity has to beat it.
# - Whether the adversary removes information is decided by a fresh reader,
#   not by the adversary's own critic.
# - A read-out must not move where no answer moves: single-label heads are
#   read on centred logits.
# - What a head draws and what it uses are two things: the order of rows
#   differs.
#
# ## Exercises
#
# *Exercises 1 and 3 check an answer: `from book.assignments import check`, then `check("19.1")`
# says what to define, and what is wrong with it.*
#
# 1. A head uses two redundant segments equally. What does leave one out
#    say of them? What does erasure with $|r| = 2$ say?
#
# <details><summary>Solution</summary>
#
# Leave one out sees a small fall for each, as the other still tells. With
# both removed the fall is whole: comprehensiveness at $|r| = 2$ is large.
# So a low leave-one-out AUC may mean redundancy; look at both.
#
# </details>
#
# 2. Why is AUC taken within a video, and not over all segments of all
#    videos at once?
#
# <details><summary>Solution</summary>
#
# Falls of confident videos are larger than those of unsure ones. Over all
# videos at once, a read-out that only knows how confident the model is
# would score above chance without knowing *when*.
#
# </details>
#
# 3. The mask of a row has AUC 0.3. Turn it around, $1 - m$: what is its
#    AUC, and does the head improve?
#
# <details><summary>Solution</summary>
#
# $0.7$ by symmetry, and nothing changes in the head: the number speaks of
# the drawing. It is a reason not to draw masks as explanations.
#
# </details>
