# %% [markdown]
# # 6. The budget: what selects segments?
#
# **Question.** [Chapter 3](03_theorem1.ipynb) showed that Eq. (2) does not
# compress by itself: $z_S = x$ is optimal. But the network cannot write
# what it likes. It has a *mask* with a budget of $k$ out of $T$ segments.
# Does the budget do what the theorem does not?
#
# **Answer.** Partly. Where segments are independent, a budget of exactly as
# many segments as matter singles these out. Shared scenes break it. And with
# its residuals the network compresses nothing unless it learns to.
#
# We take a video to be $T$ small discrete segments,
# $x = (x_1, \dots, x_T)$, and look at *all* masks. First fixed masks, with
#
# $$z_S = x_M, \qquad z_N = x_{M^c} \ \text{(the rest)},$$
#
# and then masks as the network has them. $R$ is the set of segments that
# matter: the smallest set that tells all that $x$ tells of the label.

# %%
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from book.theory import toys
from book.theory.statements_budget import (
    embedded, independent_laws, selectors)
from book import plots
from book.theory.enumeration import masks
from book.theory.information import disentangled_bottleneck, encode

plots.style()

# %% tags=["parameters"]
LAWS: int = 20  # random laws of independent segments
DRAWS: int = 300  # random draws of the weights of Eq. (10)

# %% [markdown]
# ## Fixed masks, independent segments
#
# Four independent fair bits; the label is $x_1 \oplus x_2$ (exclusive or),
# so that $R = \{1, 2\}$ and neither segment alone says anything. There are
# 16 masks.


# %%
def name(mask):
    return "{" + ",".join(str(t + 1) for t in np.flatnonzero(mask)) + "}"


chosen, terms = masks(toys.independent_segments(4), "x1 x2 x3 x4")
best = terms.dib < terms.dib.min() + 1e-9
assert (best == chosen[:, :2].all(1)).all()
print("minimisers:", *(name(mask) for mask in chosen[best]))

# %% [markdown]
# The minimisers are exactly the supersets of $R$. Taking *everything* is as
# good as taking what matters: the figure shows all masks by size.

# %%
fig, ax = plt.subplots(figsize=(5, 2.6))
marks = pd.DataFrame({"size": chosen.sum(1), "dib": terms.dib.round(6)})
place = marks["size"] + marks.groupby(["size", "dib"]).cumcount() / 8
for kind, style in ((best, "o"), (~best, "x")):
    ax.plot(place[kind], marks.dib[kind], style)
ax.set(xlabel="segments in the mask", ylabel="Eq. (2) [bits]")
plots.show(fig, "supersets",
           "Eq. (2) for all 16 masks over four independent segments."
           " Circles contain both relevant segments, crosses do not."
           " Equal marks stand side by side.",
           "Marks by mask size: circles at -1 bit for sizes 2, 3 and 4,"
           " crosses at 0 and 1 bit. Only one circle stands at size 2.")

# %% [markdown]
# At size 2 there is one circle: **with the budget $|M| = k = |R|$, the
# relevant set is the only minimiser.** So here it is the budget that
# selects, and Eq. (2) only ranks masks of equal size. Without a budget
# "attend to everything" is optimal, and with $k > |R|$ every superset of
# $R$ that the budget allows.
#
# *Proof.* For independent segments $I(z_S; z_N) = 0$, and by data
# processing Eq. (2) is at least $-I(x; y)$, with equality if and only if
# $x_M$ tells all that $x$ tells and $x_{M^c}$ tells nothing. If two sets
# $M, M'$ each tell all, $p(y \mid x)$ depends on $x_M$ only and on $x_{M'}$
# only; as every combination of independent values occurs, it depends on
# $x_{M \cap M'}$ only. So there is a smallest such set, $R$, and the sets
# that tell all are its supersets. Their complements are independent of
# $x_R$, hence of $y$. $\square$
#
# The check on random laws: biased bits, and a random label that depends on
# $x_1$ and $x_2$.

# %%
for joint in independent_laws(LAWS):
    chosen, t = masks(joint, "x1 x2 x3 x4")
    assert ((t.dib < t.dib.min() + 1e-9) == chosen[:, :2].all(1)).all()
    pairs = np.flatnonzero(chosen.sum(1) == 2)
    assert name(chosen[pairs[t.dib[pairs].argmin()]]) == "{1,2}"

# %% [markdown]
# ## Dependent segments
#
# The segments of a video are not independent: they share a room, a camera,
# a person. Two toys.
#
# **A shared scene.** Each of three segments shows a bit of its own and one
# scene bit that is common to all. The label is the first segment's bit,
# $R = \{1\}$. **A shared nuisance.** $x_1$ is noise, $x_2 = (y, n)$,
# $x_3 = n$, with $n$ of three bits, and $R = \{2\}$.


# %%
def every_mask(joint):
    chosen, t = masks(joint, "x1 x2 x3")
    columns = {"L1": t.l1, "Eq. (2)": t.dib, "with H(x|z_N,y)": t.complete}
    return pd.DataFrame(columns, [name(m) for m in chosen]).round(3) + 0.0


scene = every_mask(toys.shared_scene())
nuisance = every_mask(toys.shared_nuisance())
pd.concat({"scene": scene, "nuisance": nuisance}, axis=1)

# %% [markdown]
# Read the column "Eq. (2)" of either toy.
#
# - *Scene:* every split of the segments puts the scene on both sides and
#   pays a bit. The only minimiser is the mask of *all* segments. (Under
#   $k = 1$ all splits pay alike, and $R$ wins again.) $\mathcal L_1$ does
#   not mind the split: $\{1\}$ minimises it.
# - *Nuisance*, under $k = 1$: the winner is $\{1\}$, **the noise**. The
#   relevant segment 2 costs three bits of overlap with segment 3.
#   $\mathcal L_1$ alone would have picked $\{2\}$.

# %%
scene_dib, dib = scene["Eq. (2)"], nuisance["Eq. (2)"]
single = ["{1}", "{2}", "{3}"]
assert scene_dib.nsmallest(2).to_dict() == {"{1,2,3}": -1, "{1}": 0}
assert dib[single].idxmin() == "{1}"
assert nuisance.L1[single].idxmin() == "{2}"

# %% [markdown]
# How much must be shared before the noise wins? We let the nuisance grow.

# %%
sizes = np.arange(5)
grown = [masks(toys.shared_nuisance(b), "x1 x2 x3")[1].dib for b in sizes]
fig, ax = plt.subplots(figsize=(5, 2.6))
for mask, label in ((1, "noise {1}"), (2, "action {2}")):
    ax.plot(sizes, [dib[mask] for dib in grown], "o-", label=label)
ax.set(xlabel="bits of the shared nuisance", ylabel="Eq. (2) [bits]",
       xticks=sizes)
plots.legend(fig)
plots.show(fig, "nuisance",
           "Eq. (2) of two masks of one segment. Once the nuisance shared"
           " by segments 2 and 3 has more than two bits, the noise wins.",
           "Two lines: the noise mask flat at 1 bit, the action mask rising"
           " from -1 with slope 1; they cross at 2 bits.")

# %% [markdown]
# In this toy a label of one bit is outweighed by a little more than two
# bits of shared scenery. Real scenery has many more bits than a label; what
# the toy does not tell is how a network that never computes
# $I(z_S; z_N)$ would choose.
#
# **Does the completeness term help?** It repaired Theorem 1, but masks are
# not free encoders. The last column above is the repaired objective. On the
# scene toy it does help: it singles out $R$, with no budget at all. On the
# nuisance toy its minimum is the **empty** mask. And on a label
# $y = x_2 \oplus x_3$, with $x_1$ noise, three masks tie:

# %%
xor = every_mask(toys.independent_segments(3, lambda x: x[1] ^ x[2]))
repaired = {"scene": scene, "nuisance": nuisance, "xor": xor}
tied = {}
for toy, table in repaired.items():
    value = table["with H(x|z_N,y)"]
    tied[toy] = " ".join(value.index[value == value.min()])
assert tied == {"scene": "{1}", "nuisance": "{}", "xor": "{2} {3} {2,3}"}
pd.Series(tied, name="minimisers")

# %% [markdown]
# The term $H(x \mid z_N, y)$ asks that $z_N$ and the label give back $x$.
# A free $z_S$ can drop the nuisance of a segment. A mask takes a segment
# whole, and then the term charges for all in it that no other segment
# shows. So the term is no remedy that can be relied on. (For continuous $x$
# the term is not even defined: $I(x; z_N, y)$ is infinite wherever $z_N$
# keeps a coordinate of $x$.)
#
# ## What the network keeps
#
# The network's codes are not $x_M$ and $x_{M^c}$. By Eqs. (8) to (11) every
# query row has its own mask, computed from $x$, and $x$ itself is added:
#
# $$\begin{aligned} z_S &= f_S(m\,x W_V + x), \\
#   z_N &= f_N((1 - m)\,x W_V + x). \end{aligned}$$
#
# A *query row* is one segment that asks about all segments
# ([chapter 8](08_disentangler.ipynb)). $W_V$ is a matrix that is learnt, and
# $f_S$ and $f_N$ are networks.
#
# Take $T = 4$ segments of one bit each, embedded with their position, hard
# masks with $k = 1$, identities for $f$, and random weights. How many of
# the 4 bits do the codes keep? (A code's bits are its entropy: 4 exactly
# where all 16 inputs get different codes.) We also try it without the
# residual, and with one query, so one mask, for all rows. The table has for
# each form: the fewest bits that $z_S$ kept in any draw, the share of draws
# in which it kept all four, and what the two codes share on average.

# %%
kept = {}
for rows, plus in product(("a mask a row", "one mask"), ("+ x", "no + x")):
    for law in embedded(DRAWS, plus == "+ x", rows == "a mask a row"):
        kept.setdefault(f"{rows}, {plus}", []).append(
            [law.I("x; z_S"), law.I("z_S; z_N")])
kept = {form: np.array(values).T for form, values in kept.items()}
assert (kept["a mask a row, + x"] > 4 - 1e-9).all()
assert (kept["one mask, no + x"][0] < 3 + 1e-9).all()

rows = {form: [told.min(), (told > 4 - 1e-9).mean(), shared.mean()]
        for form, (told, shared) in kept.items()}
columns = ["least I(x;z_S)", "all 4 bits", "mean I(z_S;z_N)"]
pd.DataFrame(rows, columns).T.round(2)

# %% [markdown]
# **With the residual nothing is compressed, in any draw**: both codes keep
# all of $x$, $I(x; z_S) = H(x)$, and share all of it,
# $I(z_S; z_N) = H(x)$, the largest value there is. The complementary mask
# does not make the codes exclude each other.
#
# This is no accident of the draws. Fix the masks. For two inputs
# $x \ne x'$ the difference $(m x - m' x') W_V + (x - x')$ is not zero at
# $W_V = 0$, so as a function of $W_V$ it vanishes at most on a set of
# measure zero; and there are finitely many inputs. Weights *can* cancel
# $x$, but they have to be learnt to do so, and $f_S$, a network, may merge
# what reaches it. The architecture alone compresses nothing.
#
# Without the residual it depends on the weights: a mask for every row still
# keeps everything in a part of the draws, because *which* segment a row
# picks depends on that row's own segment. One mask for all rows, and no
# residual, always compresses: then $z_S$ shows one segment, four places
# times two values, which is 3 bits at most.
#
# ## Masks that tell by where they look
#
# A mask that depends on $x$ can carry the label by its *position*. Three
# fair bits, $k = 1$: a selector is any rule that looks at $x$ and shows one
# segment. There are $3^8 = 6561$ of them. $z_S$ is the place and the value
# shown. $z_N$ is the other two values and the place that is missing, its
# *gap*. We run all selectors, once for a label that one segment tells,
# $y = x_1$, and once for one that needs two, $y = x_1 \oplus x_2$.


# %%
def examine(label):
    p_xy = np.eye(2)[label] / 8
    for place, value, z_S, z_N in selectors():
        joint = encode(p_xy, m=place, v=value, z_S=z_S, z_N=z_N)
        t = disentangled_bottleneck(joint)
        yield t.I_Sy, joint.I("v; y"), joint.I("m; y"), t.l1, t.dib


x = np.arange(8)
labels = {"y = x1": x >> 2, "y = x1 xor x2": (x >> 2) ^ (x >> 1 & 1)}
runs = {k: np.array(list(examine(y))).T for k, y in labels.items()}
winners = [run for run in runs["y = x1"].T if run[-1] < -1 + 1e-9]
assert np.allclose(winners, [[1, 1, 0, -1, -1]])  # one, and it stands still

# %%
rows = {}
for label, (told, value, place, l1, eq2) in runs.items():
    full, silent = told > 1 - 1e-9, value < 1e-9
    at = [place[loss < loss.min() + 1e-9] for loss in (l1, eq2)]
    rows[label] = [full.sum(), (full & silent).sum(), at[0].min(),
                   at[1].max()]
assert [row[1] for row in rows.values()] == [113, 68]
pd.DataFrame(rows, ["z_S tells y", "of these, the value tells nothing",
                    "I(mask;y) at min L1, least",
                    "I(mask;y) at min Eq. (2), most"]).round(2)

# %% [markdown]
# - Of the selectors whose $z_S$ tells the label fully, 113 for $y = x_1$
#   (68 for the XOR) show a value that by itself tells **nothing**. The
#   label is in the choice of the place, or in place and value together. A
#   classifier on such a $z_S$ is perfect, and what its attention shows is
#   by itself noise. This is *selector leakage* (Jethani et al. 2021).
# - The exact Eq. (2) resists. The mask $m$ can be read off either code, the
#   place in $z_S$ and the gap in $z_N$, so $I(z_S; z_N) \ge H(m)$: every
#   mask that moves pays for moving. For $y = x_1$ the only minimiser is the
#   fixed mask on segment 1.
# - $\mathcal L_1$, which is what training minimises, does not pay for
#   $H(m)$. Where one segment is not enough (the XOR), its minimum **is** a
#   leaking selector, whichever of them is taken.
#
# So leakage is a danger of dropping $I(z_S; z_N)$, and of readers that are
# not exact, rather than of Eq. (2) itself.
#
# ## A shortcut is label information
#
# Last, context that *predicts* the label in training: people who eat sit in
# kitchens. Let $x_1$ show the action and agree with a fair $y$ in 80% of
# the cases; let $x_2$ show the scene and agree in a share
# $(1 + \rho) / 2$, independently given $y$. $\rho$ is the strength of the
# shortcut: 0 is none, 1 a second copy of the label.


# %%
def accuracy(reader, world, segments):
    """Accuracy of the Bayes rule of `reader` when `world` is the law."""
    rule = reader.marginal(f"{segments} y").argmax(-1)
    truth = world.marginal(f"{segments} y")
    return np.take_along_axis(truth, rule[..., None], -1).sum()


rhos = np.linspace(0, 0.98, 50)
train = [toys.spurious_context(0.8, (1 + rho) / 2) for rho in rhos]
dib = np.array([masks(joint, "x1 x2")[1].dib for joint in train]).T
assert (dib[3] < dib[1:3].min(0))[1:].all()

# %% [markdown]
# In a *shifted* world the scene is independent of the label ($\rho = 0$)
# and the action is as it was. What does the best reader of each code,
# fitted in training, score there?

# %%
score = {(part, style): [accuracy(a, b, part) for a, b in zip(train, world)]
         for part in ("x1", "x1 x2")
         for style, world in (("-", train), ("--", train[:1] * 50))}
assert np.isclose(score["x1 x2", "--"][-1], 0.5)

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(7, 2.9))
for mask, label in ((1, "action"), (2, "context"), (3, "both")):
    left.plot(rhos, dib[mask], label=label)
left.set(xlabel="$\\rho$", ylabel="Eq. (2) [bits]")
for (part, style), values in score.items():
    right.plot(rhos, values, style, color="C0" if part == "x1" else "C2")
right.set(xlabel="$\\rho$", ylabel="accuracy", ylim=(0.45, 1))
plots.legend(fig)
plots.show(fig, "shortcut",
           "Left: Eq. (2) of three masks. Right, in the same colours: the"
           " best reader in training (solid), and the same reader in the"
           " shifted world (dashed).",
           "Left: the mask of both segments is lowest for every rho above"
           " 0. Right: with both, training accuracy rises beyond rho .6"
           " while shifted accuracy drops from .8 to .5; with the action"
           " alone it stays at .8.")

# %% [markdown]
# Eq. (2) wants both, for every $\rho > 0$: leaving the scene in $z_N$ would
# leave label information there, and $I(z_N; y)$ charges for it.
# **Minimising $I(z_N; y)$ moves the shortcut into $z_S$.** With a budget of
# one segment it takes whichever predicts better, beyond $\rho = .6$ the
# scene. The price is paid in the shifted world.
#
# This is not a fault of the mask or of the training. Eq. (2) knows $y$ and
# nothing else of what we mean by "action"; a scene that predicts $y$ *is*
# label information. The claim to suppress spurious correlations can hold
# only for context that is independent of the label; at $\rho = 0$ the mask
# of the action and the mask of both tie. The picture does not say how much
# a *network* would take from the scene: [chapter 20](20_when.ipynb) measures
# that.
#
# ## Summary
#
# - Fixed masks, independent segments: the minimisers are the supersets of
#   $R$; only a budget of exactly $|R|$ singles $R$ out.
# - Shared scenes break this: the minimiser may be everything, or noise.
# - The completeness term repairs free encoders. It helps masks only in some
#   cases.
# - With its residuals the network's layer keeps all of $x$, in $z_S$ and in
#   $z_N$, unless it learns not to.
# - Masks computed from $x$ can leak; the exact Eq. (2) resists, its first
#   part does not.
# - A shortcut is label information, and Eq. (2) must take it.
#
# ## Exercises
#
# *Exercises 1 and 3 check an answer: `from book.assignments import check`, then `check("06.1")`
# says what to define, and what is wrong with it.*
#
# **1.** Four independent fair bits and $y = x_1 \oplus x_2$. Which masks
# are optimal under $|M| = 3$? Under $|M| = 1$? What does an attention map
# drawn from such a mask tell a reader?
#
# <details><summary>Solution</summary>
#
# Under $|M| = 3$ the supersets of $R$ of size 3, $\{1,2,3\}$ and
# $\{1,2,4\}$, tie at $-1$: one segment of pure noise looks as important as
# the relevant two. Under $|M| = 1$ the mask $\{1\}$ has $I(z_S; y) = 0$ and
# leaves only $x_2$ of the pair, so Eq. (2) is 0, and so for $\{2\}$; the
# masks $\{3\}$ and $\{4\}$ leave both and give $+1$. Half of $R$ is found,
# though it tells nothing.
#
# </details>
#
# **2.** (Proof.) A mask $m$ is computed from $x$, and both codes show
# their gaps, so that $m$ is a function of $z_S$ and of $z_N$. Show
# $I(z_S; z_N) \ge H(m)$. Why does Eq. (12) not charge for it?
#
# <details><summary>Solution</summary>
#
# Data processing, applied twice: $m = g(z_S) = h(z_N)$, hence
#
# $$I(z_S; z_N) \ge I(g(z_S); z_N) \ge I(g(z_S); h(z_N)) = I(m; m) = H(m).$$
#
# Eq. (12) has the two label losses only, the stand-ins of $I(z_S; y)$ and
# $I(z_N; y)$; nothing in it compares $z_S$ with $z_N$.
#
# </details>
#
# **3.** The action is perfect: $x_1 = y$. Compute Eq. (2) for the masks
# $\{1\}$ and $\{1, 2\}$ in terms of $I(x_2; y)$. Does taking the context
# hurt in the shifted world now?
#
# <details><summary>Solution</summary>
#
# For $\{1\}$, as $x_1 = y$,
#
# $$-1 + I(x_2; y) + I(x_1; x_2) = -1 + 2 I(x_2; y);$$
#
# for $\{1, 2\}$ it is $-1$. So the context is taken whenever it tells anything. A
# Bayes rule that sees $x_1$ ignores $x_2$, so nothing is lost in the
# shifted world; a *learnt* reader of both need not be so wise, and the
# attention has already gone to the scene.
#
# </details>
