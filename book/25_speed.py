# %% [markdown]
# # 25. Speed: what things cost beside the plain way
#
# **Question.** What does a step, a head, a clip or a batch cost, beside the
# plain way of doing the same? And what would Kinetics cost, 300,000 videos?
#
# Seconds belong to one machine on one day. A *ratio* travels better:
#
# $$r = \frac{\text{median time of ours}}
#          {\text{median time of the plain way}},$$
#
# both in one process, taking turns, so that a busy machine slows both. What
# is timed is processor time, which neighbours cannot take; where other
# processes work along, the wall clock. `make bench` measures; this chapter
# only reads. The plain ways lie in `tests/baselines/`, and `make test`
# asserts that each gives what ours gives.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from book import plots
from data.files.paths import RESULTS

plots.style()

# %% tags=["parameters"]
videos: int = 300_000  # of Kinetics
frames: int = 16  # a video
cores: int = 32  # to plan for

# %%
bench = pd.read_csv(RESULTS / "bench.csv").set_index("item")
notes = pd.read_csv(RESULTS / "bench_notes.csv").set_index("item")
timed = bench[~bench.index.str.endswith("-memory")]
shown = timed.join(notes[["verdict", "ratio_low", "ratio_high"]])
run = shown[shown.ratio.notna()]


def core_hours(milliseconds):
    return videos * milliseconds / 3.6e6


decode = core_hours(bench.baseline["decode-select"])
lite = core_hours(frames * bench.ours["encode"])
Markdown("**Answer.** A training step of TFE's head takes"
         f" {run.ratio['head-bike']:.2f} of the time of the BIKE-style head"
         f" that it replaces, and {run.ratio['head-msqnet']:.2f} of the"
         " MSQNet-style one's, at the depth of Table 4. There a whole step"
         f" of BIKE takes {run.ratio['paper-bike']:.2f} of the time without"
         f" TFE, an answer {run.ratio['paper-bike-forward']:.2f}. The"
         " BIKE+TFE of chapter 12 that begins warm keeps its blocks and was"
         " not timed. To read a clip takes"
         f" {run.ratio['decode-opencv']:.2f} of OpenCV's time. Features of"
         f" {videos:,} videos would cost about {decode + lite:.0f}"
         " core-hours with a small encoder.")

# %% [markdown]
# ## The ratios
#
# Where an item has a limit, it was set before the item was measured. A row
# that misses its limit stays in the table and says why. What the names mean:
#
# | item | what is timed | the plain way |
# |---|---|---|
# | `charades-sim-...` | a store of simulated features, an epoch on it | one file a video; without TFE |
# | `decode` | 16 frames of a clip | every frame turned into a picture |
# | `decode-select` | the same | every frame decoded |
# | `decode-opencv`, `-decord`, `-torchcodec` | the same | that library |
# | `encode`, `-bf16`, `-openvino` | a frame through the small encoder | the encoder as published, frame by frame |
# | `extract` | features of a video, decoding and encoding side by side | the slower of the two alone |
# | `head-...` | a step or an answer of TFE's head, or its size | the head that it replaces |
# | `map` | the mAP of a test set of Charades' size | scikit-learn |
# | `paper-...` | a step at the paper's full size | without TFE |
# | `cli`, `import` | the help of the command line, `import tfe` | everything imported first |
# | `step-...` | a step of $D$, $A_S$ and $A_N$ | two phases; loops; its matrix products alone |
# | `store` | a batch of stored features | one file a video |
# | `train-wait` | the wait for a batch in training | the step on it |
# | `enumerate` | a pair of encoders of 8 points, out of all pairs | pair after pair |
# | `decode-decord2`, `-threads` | the same | that library; one thread |
# | `predict-...-minutes` | moments of a video so long | the same command on one minute |
# | `table1-...` | a stage of `make reproduce-table1` | the same before it was made cheap |
# | `run-overhead` | processor time of the runs | the seconds of it that train |
# | `gpu-...`, `...-cuda` | the like on a GPU | |

# %%
columns = ["baseline", "ours", "unit", "ratio", "limit", "verdict"]
run[columns].round(4)

# %% [markdown]
# The table holds together: a ratio is the quotient of its two sides, and a
# verdict is what ratio and limit say.

# %%
quotient = run.ours / run.baseline
assert np.allclose(quotient, run.ratio, rtol=5e-3)
assert 0.9 < run.ratio["paper-bike"] < 1 < run.ratio["paper-bike-forward"]
limited = run[run.limit.notna()]
met = limited.verdict == "met"
assert ((limited.ratio <= limited.limit) == met).all()
print(f"{len(limited)} of {len(run)} items have a limit, {met.sum()} meet"
      " theirs")
print("devices:", ", ".join(sorted(run.device.unique())))

# %%
fig, ax = plt.subplots(figsize=(7.6, 0.3 * len(limited) + 1))
place = np.arange(len(limited))
colours = np.where(met, plots.PALETTE[0],
                   plots.PALETTE[1])
ax.hlines(place, limited.ratio_low, limited.ratio_high, color=colours)
ax.scatter(limited.ratio, place, color=colours, zorder=3)
ax.plot(limited.limit, place, "|", color="black", ms=12, mew=2)
ax.set(xscale="log", yticks=place, yticklabels=limited.index,
       xlabel="ours / the plain way", ylim=(len(place) - 0.5, -0.5))
plots.show(
    fig, "ratios", "Ratios (dots, with the quartiles over rounds) and their"
    " limits (black marks); orange where the limit is missed. Features and"
    " clips are real or made as the notes say.",
    alt="Dots on a logarithmic axis, most of them left of a black mark that"
    " is the limit.")

# %% [markdown]
# What was missed, and by how much:

# %%
missed = limited[limited.verdict == "not met"]
for name, row in missed.iterrows():
    print(f"{name}: {row.ratio:.3g}, limit {row.limit:.3g}")
    print("   ", notes.why[name])

# %% [markdown]
# And what this machine could not run, for want of a GPU or of a package:

# %%
for name in shown.index[shown.ratio.isna()]:
    print(f"{name}: {notes.why[name]}")

# %% [markdown]
# ## Memory
#
# One pass instead of two saves time. Its peak of memory falls little, as the
# graph of one forward pass is held either way. Peaks beyond what was held
# before the call:

# %%
memory = bench[bench.index.str.endswith("-memory")]
assert 0.75 < memory.ratio["step-fp32-memory"] < 1  # one pass, two phases
memory[["baseline", "ours", "unit"]].rename(
    lambda name: name.removesuffix("-memory")).round(1)

# %% [markdown]
# ## How cost grows
#
# One step (both players' gradients) is measured while a single size
# changes: segments $T$, videos $B$, width $d$, heads $H$, draws $k$. The
# slope in a log-log plot is the exponent.

# %%
growth = pd.read_csv(RESULTS / "bench_scaling.csv")


def exponent(curve):
    return np.polyfit(np.log(curve.value), np.log(curve.ms), 1)[0]


steps = growth[growth.quantity == "step"]
exponents = {axis: exponent(curve) for axis, curve in steps.groupby("axis")}
pd.Series(exponents, name="exponent").round(2).to_frame()

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.4))
for axis, curve in steps.groupby("axis", sort=False):
    axes[0].plot(curve.value, curve.ms, "o-",
                 label=f"${axis}$: exponent {exponents[axis]:.2f}")
pairs = growth[growth.quantity == "enumerate"]
axes[1].plot(pairs.value, pairs.ms, "o-", color="black")
axes[0].set(xscale="log", yscale="log", xlabel="size", ylabel="ms a step")
plots.legend(fig)
axes[1].set(yscale="log", xlabel="points of $x$", ylabel="ms, all pairs",
            xticks=pairs.value)
plots.show(
    fig, "growth", "Left: a training step of $D$ with linear approximators"
    " on random features, one size at a time. Right: enumeration of all"
    " pairs of encoders (chapters 3 and 4).",
    alt="Left: lines in log-log axes, steep for segments and width, flat"
    " for heads and draws. Right: a line on a log axis that bends up.")

# %% [markdown]
# $B$ is nearly linear. Width grows faster, since the products of weights
# grow as $d^2$, and so does $T$, since there are $T \times T$ masks to draw:
# they take over as the video is cut finer. Enumeration has no exponent: the
# number of pairs is a squared Bell number, which outgrows every power.

# %%
bell = {5: 52, 6: 203, 7: 877, 8: 4140}
pairs = pairs.assign(pairs=[bell[n] ** 2 for n in pairs.value])
pairs["ns a pair"] = (1e6 * pairs.ms / pairs.pairs).round(1)
pairs[["value", "pairs", "ms", "ns a pair"]]

# %% [markdown]
# Would it help to encode frames of several videos together? A video's 16
# are two calls of 8; larger calls gain nothing on a processor. And features
# would depend, in their last bits, on who shared the call.

# %%
together = growth[growth.quantity == "encode"].set_index("value").ms / 64
together.rename("ms a frame").rename_axis(
    "frames a call").round(2).to_frame()

# %% [markdown]
# ## Planning Kinetics
#
# Unit costs of this machine, times the size of the task. `.venv/bin/python -m data
# features` decodes every frame, because it counts them: that is the plain
# side of `decode-select`. The clips are smaller than many of Kinetics;
# EfficientNet-Lite0 is at 160 pixels. A store holds float16. The price is
# an assumption to be replaced.

# %%
PRICE = 0.05  # assumed: a core-hour, in dollars
size = videos * frames * 1280 * 2 / 1e9
print(f"decode {decode:.0f} core-hours, encode {lite:.0f}, store "
      f"{size:.1f} GB")
print(f"on {cores} cores {(decode + lite) / cores:.1f} hours, about "
      f"{PRICE * (decode + lite):.2f} dollars at the assumed price")

# %% [markdown]
# CLIP ViT-L/14 at 336 pixels asks for 0.382 TFLOP a frame. `make gpu`
# timed it on a card, in bf16, beside as many operations as plain products
# of matrices ([chapter 24](24_real.ipynb), where the piece `bench` is
# marked failed for another of its tests).

# %%
card = pd.read_csv(RESULTS / "gpu.csv").set_index("quantity")
frame = card.loc["gpu-encode: ours (ms)"]
hours = videos * frames * frame.value / 3.6e6  # of milliseconds
slower = card.value["gpu-encode: ratio (ratio)"]
print(f"{frame.device}: {frame.value:.2f} ms a frame,")
print(f"{slower:.1f} times as long as its products of matrices")
print(f"{hours:.1f} GPU-hours, and {decode / hours:.0f} cores decode as"
      " fast")

# %% [markdown]
# With several GPUs, `torchrun` shares the videos out by their names
# (`data/encoders/shards.py`): nobody speaks to anybody, a process that dies is
# started again, and the merged store is the same byte for byte. Decoding
# is then the part to plan for: cores, not GPUs. In fine-tuning each process
# takes its part of every batch (`tfe/training.py`) and draws noise of its
# own. Gradients are averaged once a player and step. On 1, 2 and 4
# processes the losses are equal to $10^{-6}$ with the noise off.
#
# **What it says.** At the depth of Table 4, a step of TFE's head costs less
# than one of the head it replaces, even with its adversary, once both
# players' gradients come from one pass. Of BIKE's whole step this saves
# little, and of its answer nothing, in one run each. A *warm* start costs
# the training of that head on top, and so does the head trained on, with
# which it is compared. Most time goes where the encoder is. Frames come sooner than from OpenCV, decord
# and torchcodec, the same to the bit on every clip that those read right.
# OpenVINO, an extra that no store here was made with, halves the encoder's
# time again at a cosine of features above 0.999999.
#
# **What it does not say.** How fast anything is on another machine; ratios
# move too, if less. Where a processor multiplies bf16 by itself, products
# become so cheap that what is left weighs as much: noise, casts and the
# optimiser. There the ratio to the bare products is worse on the
# better machine. And the one-pass step is not the literal game: it draws
# one hand of noise for both players, and $D$ meets the $A$ of before.
#
# ## Summary
#
# - Most ratios compare with a plain way that gives the same answer; those
#   of `predict`, `table1`, `run-overhead` and `ceiling` do not. Limits were
#   set before. Rows that miss a limit say why; several lie at theirs,
#   and single runs of `step-fp32` and `step-bf16` fall on both sides.
# - Times are of two quiet cores, except those of items that are run by name
#   alone and of other libraries.
# - One forward and one backward pass serve both players.
# - Segments and width are what a step pays for; draws and heads cost
#   little.
# - At the scale of Kinetics the plan is about decoding.
#
# ## Exercises
#
# *Exercises 1, 2 and 3 check an answer: `from book.assignments import check`, then `check("25.1")`
# says what to define, and what is wrong with it.*
#
# 1. Two phases run $D$ forward twice and backward once; one pass runs it
#    once each way. A backward pass costs two forward passes. Which ratio
#    follows?
#
# <details><summary>Solution</summary>
#
# $(1 + 2)/(1 + 1 + 2) = 3/4$: the limit of `step-fp32`. The approximators
# are too small to matter here, and the optimiser costs both the same.
#
# </details>
#
# 2. An item is twice as fast as the plain way, which takes 90% of a
#    command's time. How much faster is the command?
#
# <details><summary>Solution</summary>
#
# $0.9/2 + 0.1 = 0.55$ of the time, hence $1.8$ times as fast (Amdahl). It
# can never be more than ten times as fast by this item alone.
#
# </details>
#
# 3. Why is the ratio of medians reported, and not the median of ratios?
#    When do they differ?
#
# <details><summary>Solution</summary>
#
# The ratio of medians is what the two columns beside it give, so that a
# reader can check it. They differ where the load changes between rounds:
# then a round's own ratio compares like with like. The quartiles in the
# figure are those of the rounds.
#
# </details>
