# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 0. The question
#
# A video model that attends over time says, with every prediction, *when*
# it looked. It was trained on video-level labels alone: "somebody waves,
# somewhere in these ten seconds". **Does it look where the action is?**
#
# Where it does not, Xu et al. (2025) speak of *temporal infidelity*, and
# propose temporal fidelity enhancement (TFE) against it: split the
# segments of a video by a temporal mask into a salient and a non-salient
# part, and let the two compete. They show higher accuracy on three
# benchmarks and one picture of better attention.
#
# This book checks the idea: the theory by exact enumeration, the module
# line by line, the tables with many seeds, and the picture as a
# *measurement*. This chapter sets up that measurement.

# %%
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from data.common import render, storyboard
from tfe import fidelity, plots
from tfe.paths import RESULTS

plots.style()

# %% tags=["parameters"]
row = "MSQNet"  # the row of Table 1 to look at first
split = "test"

# %% [markdown]
# ## A video whose answer is known
#
# Real benchmarks tell us little about *when*. So the study makes videos:
# `planted` is a **synthetic** dataset of real video files in which 1 to 3
# of 12 actions happen at known times, among events that carry no label. An
# action is the texture of a moving object. Three videos are shown below;
# they were chosen by a rule: one sixth, half and five sixths of the way from
# the worst to the best fidelity of this row, as defined below.

# %%
made = json.loads((RESULTS / "table1.json").read_text())["settings"]
assert (made["seed"], made["share"]) == (0, 0.25)  # as drawn again below
strips = pd.read_csv(RESULTS / "table1_strips.csv")
videos = list(dict.fromkeys(strips.video_id))
T = strips.segment.max() + 1
videos, T

# %%
def sampled_frames(video_id):
    """The middle frames of T segments, drawn anew from the seed."""
    split, number = video_id.rsplit("_", 1)
    story = storyboard.storyboard(split, int(number), rho=made["rho"])
    frames = list(render.frames(story))
    at = [(2 * t + 1) * len(frames) // (2 * T) for t in range(T)]
    return np.concatenate([frames[n] for n in at], axis=1)

# %% [markdown]
# Below each film strip: where the action truly is, and what the vanilla
# model says. There are two ways to ask a model where it looks. *Attention*
# is the weight that it draws itself. *Leave one out* is the fall of the
# true class's score when a segment is cut out: what the model *uses*.

# %%
def strip(ax, values, label):
    shares = fidelity.normalised(np.asarray(values, float)[None])
    ax.imshow(shares, cmap="gray", aspect="auto", vmin=0)
    ax.set(yticks=[0], xticks=[])
    ax.set_yticklabels([label], fontsize=8)


fig, axes = plt.subplots(12, 1, figsize=(9, 5.4), height_ratios=[4, 1, 1, 1]
                         * 3)
for n, video in enumerate(videos):
    picture, *rows = axes[4 * n:4 * n + 4]
    picture.imshow(sampled_frames(video), aspect="auto")
    picture.set(xticks=[], yticks=[], title=f"{row}, {video}")
    mine = strips.query("video_id == @video and row == @row")
    for ax, name in zip(rows, ("truth", "attention", "leave_one_out")):
        strip(ax, mine[name], name.replace("_", " "))
plots.show(fig, "strips", "Three synthetic videos: 16 sampled frames, the "
           "true segments, and the saliency of a vanilla model (white: "
           "high).", alt="Film strips with three grey rows under each; the "
           "bright cells of model and truth overlap only in part.")

# %% [markdown]
# **What it says.** The model attends to true segments and to others. How
# much of each is no matter of taste:
#
# ## Fidelity as a number
#
# For a video, take a segment that shows the action and one that does not.
# The **within-video AUC** is the chance that the first is the more
# salient, ties counting half. Knowing nothing gives 0.5; perfect order
# gives 1. Beside it stand the **mass** (the share of saliency on true
# segments) and **pointing** (whether the single most salient segment is
# true), each with the chance level of the same videos.

# %%
def auc(saliency, truth):
    """P(true segment above other) + P(tie) / 2, by counting pairs."""
    pairs = [(a > b) + (a == b) / 2
             for a in saliency[truth] for b in saliency[~truth]]
    return float(np.mean(pairs))

# %% [markdown]
# A check on the videos above: counted by hand, it equals `tfe.fidelity`.

# %%
checked = strips.query("row == @row").pivot(
    index="video_id", columns="segment")
saliency = checked["leave_one_out"].to_numpy()
truth = checked["truth"].to_numpy().astype(bool)
ours = [auc(s, t) for s, t in zip(saliency, truth)]
assert np.allclose(ours, fidelity.per_video(saliency, truth)["auc"])
dict(zip(checked.index, np.round(ours, 2)))

# %% [markdown]
# ## Vanilla models over the whole test split
#
# All videos, all seeds, read by *leave one out* and per true class.

# %%
table = pd.read_csv(RESULTS / "table1.csv")
vanilla = table.query("method == 'vanilla' and split == @split")
measures = ["value", "fidelity_auc", "fidelity_mass", "chance_mass",
            "fidelity_pointing", "chance_pointing"]
vanilla.groupby("row", sort=False)[measures].mean().round(3)

# %%
fig, ax = plt.subplots(figsize=(6, 2.2))
sns.stripplot(vanilla, x="fidelity_auc", y="row", ax=ax, jitter=False)
ax.axvline(0.5, color="grey", linestyle="--", linewidth=1)
ax.set(xlabel="within-video AUC, leave one out (0.5: chance)", ylabel="",
       xlim=(0.45, 1))
plots.show(fig, "vanilla-auc", "Fidelity of two vanilla heads on the "
           "synthetic test split; a dot a seed.", alt="Dots of two rows "
           "between chance at one half and one.")

# %%
worst, best = vanilla.fidelity_auc.min(), vanilla.fidelity_auc.max()
assert worst > 0.5
print(f"AUC {worst:.2f} to {best:.2f} over {len(vanilla)} vanilla runs: "
      "above chance, and not 1")

# %% [markdown]
# And the simplest system of all, which averages over the segments and
# attends to nothing:

# %%
pooled = table.query("method == 'mean-pool' and split == @split")
pooled.groupby("row", sort=False)[measures].mean().round(3)

# %% [markdown]
# **What it says.** On these videos vanilla heads are *partly* faithful:
# clearly above chance, and away from perfect, with more recognition and
# less fidelity than mean pooling. There is room for TFE, and learnt
# attention is not needed for fidelity.
#
# **What it does not say.** These are small heads on frozen features of
# synthetic videos. Nothing here is a number about Charades, UCF101 or
# HMDB-51.
#
# ## The way through the book
#
# | chapters | question |
# |---|---|
# | 1-2 | What do the information-theoretic words mean? |
# | 3-5 | Do the paper's two theorems hold? What does repair them? |
# | 6-8 | What do the mask, the module and the game really do? |
# | 10 | Does TFE help recognition, and fidelity, over several seeds? |
#
# ## Summary
#
# - Temporal infidelity is measurable where the truth is planted.
# - Two read-outs: what a model draws, and what it uses.
# - The primary measure is the within-video AUC, chance 0.5.
#
# ## Exercises
#
# 1. A model gives every segment the same weight. What are its AUC, its
#    mass and its pointing score?
#
# <details><summary>Solution</summary>
#
# All pairs tie, so AUC is 1/2. The mass is the share of true segments,
# and so is pointing, because a tie for the first place counts as a fair
# draw. Those are the chance levels.
#
# </details>
#
# 2. Can a model have an AUC of 1 and a mass near chance?
#
# <details><summary>Solution</summary>
#
# Yes: weights that order the segments rightly but differ by very little,
# e.g. .07 on true and .06 on other segments. AUC reads the order alone,
# which is why it can compare attention weights with score falls.
#
# </details>
#
# 3. Why might *leave one out* fail to find the action in a video that
#    shows it in two segments?
#
# <details><summary>Solution</summary>
#
# If either segment suffices, cutting out one changes nothing: the other
# still tells. Redundant evidence has small single falls. The read-out
# then understates what the model uses, for every method alike.
#
# </details>
