# %% [markdown]
# # 4. Theorem 2: may one term be dropped?
#
# **Question.** Eq. (2) has three terms, and the third, $I(z_S; z_N)$, is
# hard to estimate. May it be left out, as Theorem 2 says?
#
# **Answer.** No. One half of the theorem holds, unless the choice is
# limited by a budget. The half that training needs fails, on a toy of two
# fair bits. [Chapter 5](05_sufficiency.ipynb) asks on which data it holds
# after all.
#
# Split the objective in two:
#
# $$\mathcal L_{DIB} = \underbrace{-I(z_S; y) + I(z_N; y)}_{\mathcal L_1}
#   + \underbrace{I(z_S; z_N)}_{\mathcal L_2}.$$
#
# The theorem: the optimum of $\mathcal L_{DIB}$ is the minimiser of
#
# $$\mathbb E[-\log p(y \mid z_S) + \log p(y \mid z_N)]. \qquad (3)$$
#
# In informations this is
#
# $$\begin{aligned} H(y \mid z_S) &- H(y \mid z_N) \\
#   &= -I(z_S; y) + I(z_N; y). \end{aligned}$$
#
# (The last step is $H(y \mid z) = H(y) - I(z; y)$; the two $H(y)$ cancel.)
# So Eq. (3) *is* $\mathcal L_1$. The claim is about $\mathcal L_1$ and
# $\mathcal L_{DIB}$, and it is really two claims:
#
# - **Necessity.** Whoever minimises $\mathcal L_{DIB}$ minimises
#   $\mathcal L_1$.
# - **Sufficiency.** Whoever minimises $\mathcal L_1$ minimises
#   $\mathcal L_2$ as well, and so $\mathcal L_{DIB}$.
#
# The training minimises $\mathcal L_1$ and hopes for $\mathcal L_{DIB}$:
# it is the *second* claim that it needs.
#
# Minimise *over what?* That will matter. **Free encoders** are all tables
# $p(z_S \mid x)$ and $p(z_N \mid x)$, each with coins of its own, as in
# [chapter 3](03_theorem1.ipynb). **Masks** are far fewer: $x$ is a list of
# segments, $z_S$ is those in the mask and $z_N$ is the rest. A **budget**
# allows only the masks of $k$ segments. Informations are in bits, and a
# *law* is a joint table of probabilities, as before.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from book import plots
from book.theory import toys
from book.theory.enumeration import all_pairs, masks, partitions
from book.theory.information import disentangled_bottleneck, encode
from book.theory.statements import tables

plots.style()

# %% tags=["parameters"]
LAWS: int = 20  # random laws that are enumerated

# %% [markdown]
# ## Eq. (3) is $\mathcal L_1$
#
# A check on the toy of chapter 3, $x = (y, n)$ with two fair bits, for a
# random pair of encoders: the expectation, computed from its definition,
# against the difference of informations.

# %%
p_xy = toys.two_bits().marginal("x y")
rng = np.random.default_rng(0)
channels = rng.dirichlet(np.ones(4), (2, 4))
law = encode(p_xy, z_S=channels[0], z_N=channels[1])
joints = [law.marginal(f"{z} y") for z in ("z_S", "z_N")]
log_p = [(p * np.log2(p / p.sum(1, keepdims=True))).sum() for p in joints]
assert np.isclose(-log_p[0] + log_p[1], disentangled_bottleneck(law).l1)

# %% [markdown]
# ## Necessity
#
# **Holds for free encoders.** *Proof.* Always
# $\mathcal L_1 \le \mathcal L_{DIB}$, as $\mathcal L_2 \ge 0$. Always
# $\mathcal L_1 \ge -I(z_S; y) \ge -I(x; y)$, as $I(z_N; y) \ge 0$ and by
# data processing. The lazy pair ($z_S = x$, $z_N$ constant) reaches
# $-I(x; y)$ with $\mathcal L_2 = 0$, so $\mathcal L_1$ and
# $\mathcal L_{DIB}$ both have this minimum. At a minimiser of
# $\mathcal L_{DIB}$ then
# $-I(x;y) \le \mathcal L_1 \le \mathcal L_{DIB} = -I(x; y)$, so it
# minimises $\mathcal L_1$ too. $\square$ (All that this needs is that the
# lazy pair may be chosen. So necessity holds for all masks without a budget
# too: the lazy one takes every segment.)
#
# We enumerate all deterministic pairs on random laws $p(x, y)$ of six
# points. There are 203 ways to sort six points into groups. The label is a
# function of $x$ in one half of the laws, and noisy in the other. How far
# above its minimum is $\mathcal L_1$, at the worst minimiser of
# $\mathcal L_{DIB}$?


# %%
def worst_l1(p_xy):
    terms = all_pairs(p_xy).terms
    best = terms.dib < terms.dib.min() + 1e-9
    return terms.l1[best].max() - terms.l1.min()


clean = [worst_l1(p) for p in tables(LAWS, 6, 3, functional=True)]
noisy = [worst_l1(p) for p in tables(LAWS, 6, 3, functional=False)]
assert max(clean + noisy) < 1e-8
print(f"{len(clean + noisy)} laws, {203 ** 2:,} pairs each: none fails")

# %% [markdown]
# The proof used the lazy pair. **Forbid it, and necessity may fail.** Take
# masks of exactly one of three segments: $z_S$ is that segment, $z_N$ the
# other two. Let $x_1$ be noise, $x_2 = (y, n)$, and $x_3 = n$, with a fair
# bit $y$ and a nuisance $n$ of three bits that shows up twice.

# %%
segments = toys.shared_nuisance(bits=3)
chosen, terms = masks(segments, "x1 x2 x3")
one = chosen.sum(1) == 1
budget = pd.DataFrame({"L1": terms.l1[one], "L2": terms.l2[one],
                       "L_DIB": terms.dib[one]}, ["{1}", "{2}", "{3}"])
assert budget.L_DIB.idxmin() == "{1}" and budget.L1.idxmin() == "{2}"
budget.round(3) + 0.0

# %%
fig, ax = plt.subplots(figsize=(5.6, 2.2))
for n, name in enumerate(budget):
    ax.barh(np.arange(3) + 0.25 * (n - 1), budget[name], 0.25, label=name)
ax.axvline(0, color="k", lw=1)
ax.set(yticks=range(3), yticklabels=budget.index, ylim=(2.5, -0.5),
       xlabel="bits", ylabel="segment kept")
plots.legend(fig)
plots.show(fig, "budget-of-one",
           "Three masks of one segment. The lowest L1 belongs to the"
           " label's segment {2}, the lowest L_DIB to the noise {1}.",
           "Grouped bars. Mask 1: L1 is 1, L2 is 0, L_DIB is 1. Mask 2: -1,"
           " 3 and 2. Mask 3: 1, 3 and 4.")

# %% [markdown]
# Only segment 2 shows the label. $\mathcal L_1$ picks it. Eq. (2) picks
# the noise: taking segment 2 would put $n$ on both sides of the mask and
# cost $I(z_S; z_N) = 3$ bits, and it gains only 2 in $\mathcal L_1$. So the
# minimiser of $\mathcal L_{DIB}$ does not minimise $\mathcal L_1$, and
# the other way round: under this budget both halves fail. This is no exotic
# case; the segments of a video share their scene. More of it in
# [chapter 6](06_budget.ipynb).
#
# ## Sufficiency
#
# **Fails, even for free encoders.** The counterexample lives on the two-bit
# toy: $z_S = x$ and $z_N = n$. Then $I(z_S; y) = 1$ and $I(z_N; y) = 0$,
# which is the best that $\mathcal L_1$ can do. But $z_S$ holds $n$ too, so
# $I(z_S; z_N) = 1$, and $\mathcal L_{DIB}$ is 0 where $-1$ is possible.
#
# Below are all deterministic minimisers of $\mathcal L_1$ on the toy. As
# in chapter 3 the letters are the codes of the points $00, 01, 10, 11$:
# `AABB` is $y$, `ABAB` is $n$, `ABCD` is $x$. The numbers are
# $I(z_S; z_N)$ in bits.

# %%
block, codes = all_pairs(p_xy), partitions(4)
names = ["".join("ABCD"[name] for name in code) for code in codes]
l1, l2 = block.terms.l1, block.terms.l2
best = block.where(l1 < l1.min() + 1e-9)
shared = {(names[i], names[j]): l2[i, j] for i, j in best}
table = pd.Series(shared).unstack().round(3) + 0.0
assert table.shape == (4, 3) and (table > 0).sum().sum() == 6
table.rename_axis(index="z_S", columns="z_N")

# %% [markdown]
# Any $z_S$ that tells $y$ (four rows) goes with any $z_N$ that tells
# nothing of it (three columns), because $\mathcal L_1$ never looks at the
# two together. That makes twelve minimisers. Six share nothing: they are
# the minimisers of Eq. (2) met in chapter 3. The other six share half a bit
# or a whole one, and do not minimise Eq. (2).
#
# The sketch argues for sufficiency by contradiction. Whatever the argument
# is in the supplement, the pair `ABCD`, `ABAB` refutes its conclusion.

# %%
fig, ax = plt.subplots(figsize=(5.6, 3))
spots = pd.DataFrame({"l1": l1.ravel(), "dib": block.terms.dib.ravel()})
for (x, y), n in spots.round(2).value_counts().items():
    colour = plots.PALETTE[6 if x > -1 else 1]
    ax.scatter(x, y, s=12 * n ** 0.7, color=colour, alpha=0.7)
ax.plot([-1, 1], [-1, 1], "k--", lw=1)
ax.set(xlabel="$L_1$ [bits]", ylabel="$L_{DIB}$ [bits]")
plots.show(fig, "all-pairs",
           "All 225 deterministic pairs on the toy, a larger dot for more"
           " of them. On the dashed line the two codes share nothing."
           " Orange: the minimisers of L1.",
           "Dots on and above a diagonal. At the least L1, -1 bit, three"
           " orange dots stand one above the other: at -1, -0.5, 0 bits.")

# %% [markdown]
# **What it says.** All dots lie on the line or above it, by the bits that
# the two codes share. $\mathcal L_1$ sees how far left a dot lies, and
# not how high. Only the lowest of the three orange dots minimises Eq. (2).
#
# **What it does not say.** That a training ends at a high dot. It says that
# nothing in $\mathcal L_1$ keeps it from there. And the toy is one law:
# which laws are safe is asked next.
#
# ## Summary
#
# Eq. (3) is $\mathcal L_1$, exactly. Whether its minimisers and those of
# $\mathcal L_{DIB}$ are the same depends on who may be chosen:
#
# | chosen among | necessity | sufficiency |
# |---|---|---|
# | free encoders | holds | **fails** on the toy |
# | all masks | holds | may fail |
# | masks in a budget | may fail | may fail |
#
# ([Chapter 6](06_budget.ipynb) has the example of the second row, a scene
# that all segments share.)
#
# - The counterexample to sufficiency: $z_S = x$, $z_N = n$ on the two-bit
#   toy minimises $\mathcal L_1$ and shares a bit.
# - The counterexample to necessity needs a budget: there the lazy pair may
#   not be chosen.
# - For which data the two objectives agree after all is shown in
#   [chapter 5](05_sufficiency.ipynb).
#
# ## Exercises
#
# *Exercises 1, 2 and 3 check an answer: `from book.assignments import check`, then `check("04.1")`
# says what to define, and what is wrong with it.*
#
# **1.** Show that with *unconditionally* independent segments, and codes
# that are complementary masks, $\mathcal L_1$ and $\mathcal L_{DIB}$ agree
# on every mask, under every budget.
#
# <details><summary>Solution</summary>
#
# $z_S = x_M$ and $z_N = x_{M^c}$ are functions of disjoint groups of
# independent segments, so $I(z_S; z_N) = 0$ for all $M$. Then
# $\mathcal L_2$ is constant and there is nothing to disagree about.
#
# </details>
#
# **2.** Count on other laws what the table counts on the toy: how many
# deterministic pairs minimise $\mathcal L_1$, and how many of them do not
# minimise Eq. (2)? Try a law where the label names the point, $y = x$. Why
# does it come out as it does?
#
# <details><summary>Solution</summary>
#
# With $y = x$ on four points only $z_S = x$ tells all of $y$, and only a
# constant $z_N$ tells nothing of it. So one pair minimises $\mathcal L_1$,
# and it shares nothing: sufficiency holds here.
#
# ```python
# def count(p_xy):
#     terms = all_pairs(p_xy).terms
#     least = terms.l1 < terms.l1.min() + 1e-9
#     spoilt = least & (terms.dib > terms.dib.min() + 1e-9)
#     return int(least.sum()), int(spoilt.sum())
# ```
#
# </details>
#
# **3.** A colleague keeps a little of the third term: she minimises
# $\mathcal L_1 + w\, I(z_S; z_N)$ with a small $w > 0$. Does that mend
# sufficiency for free encoders? And which segment does she take under the
# budget of one, at which $w$?
#
# <details><summary>Solution</summary>
#
# For free encoders any $w > 0$ mends it. The lazy pair reaches $-I(x; y)$,
# and both $\mathcal L_1 \ge -I(x; y)$ and $w\, I(z_S; z_N) \ge 0$. So a
# minimiser has $I(z_S; z_N) = 0$ and the least $\mathcal L_1$: it minimises
# Eq. (2). Under the budget of one the values are $1$ for segment 1,
# $-1 + 3w$ for segment 2 and $1 + 3w$ for segment 3. So she takes segment
# 2 where $w < 2/3$, and segment 1 where $w > 2/3$.
#
# </details>
