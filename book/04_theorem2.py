# %% [markdown]
# # 4. Theorem 2: may one term be dropped?
#
# **Question.** Eq. (2) has three terms, and the third, $I(z_S; z_N)$, is
# hard to estimate. May it be left out, as Theorem 2 says?
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

from book.theory import toys
from book.theory.statements_budget import conditional_laws
from book.theory.statements import tables
from book import plots
from book.theory import search
from book.theory.enumeration import all_pairs, masks, partitions
from tfe.errors import StudyError
from book.theory.information import Joint, disentangled_bottleneck, encode

plots.style()

# %% tags=["parameters"]
LAWS: int = 20  # random laws that are enumerated
STARTS: int = 16  # starts of a gradient search
STEPS: int = 300  # its steps

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
# points (there are 203 ways to sort six points into groups), with a label
# that is a function of $x$ and with a noisy one. How far above its minimum
# is $\mathcal L_1$, at the worst minimiser of $\mathcal L_{DIB}$?


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
#
# ## When does sufficiency return?
#
# Let a pair of free encoders minimise $\mathcal L_1$. The minimum is
# $-I(x; y)$, so $I(z_S; y) = I(x; y)$ and $I(z_N; y) = 0$. Expand
# $I(z_N; z_S, y)$ by the chain rule, in both orders:
#
# $$\begin{aligned} I(z_N; z_S) &+ \underbrace{I(z_N; y \mid z_S)}_{=\,0} \\
#   &= \underbrace{I(z_N; y)}_{=\,0} + I(z_N; z_S \mid y). \end{aligned}$$
#
# The first brace is 0 because $z_S$ already tells all that $x$ tells of
# $y$:
#
# $$\begin{aligned} I(z_N; y \mid z_S) &\le I(x; y \mid z_S) \\
#   &= I(x; y) - I(z_S; y) = 0 \end{aligned}$$
#
# (data processing given $z_S$, then the chain rule). So at a minimiser of
# $\mathcal L_1$
#
# $$\boxed{\;\mathcal L_2 = I(z_S; z_N \mid y)\;}$$
#
# The minimum of $\mathcal L_{DIB}$ is $-I(x; y)$ as well, so a minimiser of
# $\mathcal L_1$ reaches it if and only if $\mathcal L_2 = 0$. In words: **a
# minimiser of $\mathcal L_1$ minimises $\mathcal L_{DIB}$ if and only if
# its two codes are independent given the label.** No condition can be
# weaker. But it is a condition on the pair, not on the data, and nothing in
# $\mathcal L_1$ brings it about. On the toy it singles out the same six.

# %%
twelve = [encode(p_xy, z_S=codes[i], z_N=codes[j]) for i, j in best]
given_y = np.array([joint.I("z_S; z_N | y") for joint in twelve])
assert np.allclose([joint.I("z_S; z_N") for joint in twelve], given_y)
assert (given_y < 1e-9).sum() == 6

# %% [markdown]
# ### A condition on the data, for free encoders
#
# For which data is *every* minimiser of $\mathcal L_1$ good? As $z_S = x$
# is always allowed, a $z_N$ that is independent of $y$ and still tells of
# $x$ spoils it: that pair minimises $\mathcal L_1$, and
# $\mathcal L_2 = I(x; z_N) > 0$. If there is no such $z_N$, then at each
# minimiser $\mathcal L_2 \le I(x; z_N) = 0$. So: when does it exist?
#
# Take a value $z$ of $z_N$, write $p(x \mid z) = p(x) + v(x)$, and read
# $p(y \mid x)$ as a matrix with a row for each of the $|x|$ points. As
# $p(y \mid z) = \sum_x p(x \mid z)\, p(y \mid x)$, independence of $y$
# means
#
# $$\sum_x v(x)\, p(y \mid x) = 0 \quad \text{for all } y,$$
#
# a linear dependence among the rows.
#
# - If the rows are **linearly independent**, $v = 0$: such a $z_N$ tells
#   nothing of $x$, and sufficiency holds.
# - If they are dependent, take a $v \ne 0$ and a small $\eta$. Let $z_N$ be
#   a fair coin, with $x$ distributed as $p(x) + \eta\, v(x)$ where it falls
#   heads and as $p(x) - \eta\, v(x)$ where it falls tails. It is
#   independent of $y$ and tells of $x$: sufficiency fails.
#
# So sufficiency holds over free encoders exactly where the matrix
# $p(y \mid x)$ has rank $|x|$.
#
# The cell tries it on a random table that has rank 3 and on our toy, which
# has rank 2. `toys.hidden_from` builds the coin, or says that there is
# none.

# %%
wide = next(tables(1, 3, 4, functional=False))   # 3 points, 4 labels
hidden = encode(p_xy, z=toys.hidden_from(p_xy))  # the toy: 4 points, 2
try:
    toys.hidden_from(wide)
except StudyError:
    print("3 points, 4 labels: no hidden code")
assert hidden.I("z; y") < 1e-9 and hidden.I("x; z") > 0.1
print("4 points, 2 labels: a code that tells of x, and nothing of y")

# %% [markdown]
# A search over stochastic codes agrees. Of the $I(x; z)$ bits that a code
# keeps, $I(z; y)$ are about the label. On the first law their share cannot
# be pushed to 0; on the toy it can. (The `1e-9` keeps the search from
# dividing by 0.)

# %%
share = {}
for name, law in {"rank 3 of 3": wide, "rank 2 of 4": p_xy}.items():
    share[name] = search.search(
        law, lambda t: (t.I_Sy + 1e-9) / (t.I_xS + 1e-9), codes=(2, 1),
        starts=STARTS, steps=STEPS).value
assert share["rank 3 of 3"] > 1e-3 > 1e-4 > share["rank 2 of 4"]

# %% [markdown]
# Rank $|x|$ needs at least as many labels as there are different videos.
# With a label that is a function of $x$ it means that $x$ is *determined*
# by $y$ (exercise 2): all videos of a class are identical. **For video the
# condition never holds.**
#
# ### A condition on the data, for masks
#
# Now take masks, and let the segments be independent *given the label*.
# Then $I(z_S; z_N \mid y) = 0$ for every mask. The same expansion, now
# without assuming a minimum, gives
#
# $$\begin{aligned} I(z_S; z_N) &= I(z_N; y) - I(z_N; y \mid z_S) \\
#   &= I(z_N; y) - I(x; y) + I(z_S; y). \end{aligned}$$
#
# (The last step is the chain rule for $x = (z_S, z_N)$.) Put it into
# Eq. (2), and two terms cancel:
#
# $$\mathcal L_{DIB} = 2\, I(z_N; y) - I(x; y).$$
#
# Under conditional independence Eq. (2) asks for one thing only: *leave
# nothing of the label outside*. Here is the check on 200 random laws.

# %%
for joint in conditional_laws(200):
    t = masks(joint, "x1 x2 x3")[1]
    assert np.allclose(t.dib, 2 * t.I_Ny - joint.I("x1 x2 x3; y"))

# %% [markdown]
# **If some allowed mask leaves nothing outside,** $I(z_N; y) = 0$, then
# sufficiency and necessity both hold. Proof: such a mask has
# $I(z_S; y) = I(x; y)$ too, since otherwise the $I(z_S; z_N)$ above would
# be negative. So it reaches $-I(x; y)$, the least value that either
# objective can have, and no mask with $I(z_N; y) > 0$ reaches it in either.
# The minimisers are *the same*: the masks that leave nothing. $\square$
#
# **But a budget may rule all such masks out, and then conditional
# independence is not enough.** Let $y$ be two fair bits. Segment 1 shows
# the second bit, noisily; segments 2 and 3 show the first, segment 3 with a
# little noise. Choose one. Whichever it is, the others still tell of $y$.

# %%
views = toys.redundant_views()
assert views.I("x1; x2 x3 | y") + views.I("x2; x3 | y") < 1e-9
t = masks(views, "x1 x2 x3")[1]
values = {"I(z_S;y)": t.I_Sy, "I(z_N;y)": t.I_Ny, "L1": t.l1,
          "L_DIB": t.dib}
compare = pd.DataFrame(values).loc[[1, 2, 4]]  # mask i, in binary
compare.index = ["{1}", "{2}", "{3}"]
assert compare.L_DIB.idxmin() == "{1}" and compare.L1.idxmin() == "{2}"
compare.round(3)

# %% [markdown]
# $\mathcal L_1$ takes segment 2, which tells a whole bit. Eq. (2) leaves as
# little as it can outside, and takes segment 1: what it tells stands
# nowhere else, while segment 3 repeats most of segment 2. Neither is wrong;
# they ask different questions. Both halves of Theorem 2 fail here, although
# every mask has independent parts given the label.
#
# How often do the two disagree? We draw random laws of this kind, and laws
# without any structure, and count.

# %%
def disagree(joint, size):
    chosen, t = masks(joint, "x1 x2 x3")
    allowed = np.flatnonzero(chosen.sum(1) == size)
    return t.dib[allowed].argmin() != t.l1[allowed].argmin()


# %%
laws = {"independent given y": list(conditional_laws(400)),
        "any law": [Joint(rng.dirichlet(np.ones(24)).reshape(2, 2, 2, 3),
                          "x1 x2 x3 y") for _ in range(400)]}
rates = pd.DataFrame(
    {kind: [np.mean([disagree(law, k) for law in drawn]) for k in (1, 2)]
     for kind, drawn in laws.items()}, ["k = 1", "k = 2"])
assert rates.iloc[:, 0].max() < 0.03 and rates.iloc[:, 1].min() > 0.1
rates.round(2)

# %% [markdown]
# The share of laws on which Eq. (2) and its first part pick different
# masks, as a picture.

# %%
fig, ax = plt.subplots(figsize=(5, 2.4))
rates.plot.bar(ax=ax, rot=0, width=0.6)
ax.set(ylabel="share of laws", ylim=(0, 0.25))
plots.show(fig, "disagreement",
           "How often L1 and Eq. (2) choose different masks, over 400"
           " random laws of three binary segments and three labels.",
           "Grouped bars for budgets of one and two segments; the bars for"
           " laws without structure are the taller ones.")

# %% [markdown]
# Where segments are independent given the label the two part on one law or
# two in a hundred; without structure on more than one in ten. So the
# condition helps a good deal, and does not suffice. The counts do not say
# how often this happens on real video: nobody knows its law.
#
# ## From $\mathcal L_1$ to the game
#
# Training does not know $p(y \mid z)$. Eqs. (4) and (5) put two learnt
# readers $q_S, q_N$ in its place, and let disentangler and readers play.
# If the readers answer perfectly, the game is $\mathcal L_1$ exactly, and
# all that this chapter found applies to it. If they do not, new trouble
# arrives: $-\log q_N$ has no upper bound, so a disentangler may
# prefer a reader that is *fooled* to one that knows nothing. Playing it out
# on tables, with the fresh probe that tells the two apart, is
# [chapter 9](09_game.ipynb).
#
# ## Summary
#
# Eq. (3) is $\mathcal L_1$, exactly. Whether its minimisers and those of
# $\mathcal L_{DIB}$ are the same depends on who may be chosen:
#
# | chosen among | data | necessity | sufficiency |
# |---|---|---|---|
# | free encoders | $p(y \mid x)$ has full row rank | holds | holds |
# | free encoders | any other, so every video | holds | **fails** |
# | all masks | any | holds | may fail |
# | masks in a budget | any | may fail | may fail |
# | masks in a budget | (i) and (ii) | holds | holds |
# | masks in a budget | (i) without (ii) | may fail | may fail |
#
# (i): the segments are independent given $y$. (ii): some allowed mask
# leaves nothing of $y$ outside. (Third row: [chapter 6](06_budget.ipynb)
# has the example, a scene that all segments share.)
#
# - The counterexample to sufficiency: $z_S = x$, $z_N = n$ on the two-bit
#   toy minimises $\mathcal L_1$ and shares a bit.
# - A minimiser of $\mathcal L_1$ over free encoders has
#   $\mathcal L_2 = I(z_S; z_N \mid y)$. So it is good exactly if its codes
#   are independent given the label.
# - None of this says where a training that minimises $\mathcal L_1$ ends.
#   It says that $\mathcal L_1$ alone does not decide.
#
# ## Exercises
#
# *Exercises 1 and 2 check an answer: `from book.assignments import check`, then `check("04.1")`
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
# **2.** (Proof.) Let $y$ be a function of $x$. Show that sufficiency over
# free encoders holds if and only if $x$ is determined by $y$.
#
# <details><summary>Solution</summary>
#
# Row $x$ of $p(y \mid x)$ is then a unit vector, at $f(x)$. Unit vectors
# are linearly independent if and only if no two are equal, that is, if
# $f$ is one to one on the points of positive probability. Apply the rank
# condition. Without it: if $f(x_1) = f(x_2)$, let $z_N$ be a fair coin,
# except that at $x_1$ and $x_2$ it leans to opposite sides, in proportion
# to $1 / p(x_1)$ and $1 / p(x_2)$. It is independent of $y$, tells of $x$,
# and with $z_S = x$ it minimises $\mathcal L_1$ at $\mathcal L_2 > 0$.
#
# </details>
#
# **3.** A colleague says: "I minimise $\mathcal L_1$, and afterwards test
# whether $z_S$ and $z_N$ are independent given $y$." Is the test enough to
# know that $\mathcal L_{DIB}$ is at its minimum? What would you add?
#
# <details><summary>Solution</summary>
#
# It is enough *if* $\mathcal L_1$ has truly reached $-I(x; y)$; the
# identity used both $I(z_S; y) = I(x; y)$ and $I(z_N; y) = 0$. So she must
# also check that a fresh reader of $z_N$ does no better than the prior, and
# that $z_S$ loses nothing against $x$. A budgeted mask may make the second
# impossible, and then the test decides nothing.
#
# </details>
