# %% [markdown]
# # 5. When does sufficiency return?
#
# **Question.** [Chapter 4](04_theorem2.ipynb) refuted the half of Theorem 2
# that training relies on: who minimises $\mathcal L_1$ need not minimise
# $\mathcal L_{DIB}$. On which data does it hold after all, and what does
# that say of the game that is trained?
#
# **Answer.** A minimiser of $\mathcal L_1$ among free encoders minimises
# $\mathcal L_{DIB}$ exactly if its two codes are independent given the
# label. That is so for *every* minimiser only where the rows of
# $p(y \mid x)$, one for each possible video, are linearly independent. No
# video data is like that. For masks it holds where the segments are
# independent given the label *and* some allowed mask leaves nothing of the
# label outside.
#
# As before,
#
# $$\begin{aligned} \mathcal L_1 &= -I(z_S; y) + I(z_N; y), \\
#   \mathcal L_2 &= I(z_S; z_N), \end{aligned}$$
#
# and $\mathcal L_{DIB} = \mathcal L_1 + \mathcal L_2$. *Free encoders* are
# all tables $p(z_S \mid x)$, $p(z_N \mid x)$. *Masks* take a part of the
# segments and leave the rest; a *budget* allows only masks of $k$.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from book import plots
from book.theory import search, toys
from book.theory.enumeration import all_pairs, masks, partitions
from book.theory.information import Joint, encode
from book.theory.statements import tables
from book.theory.statements_budget import conditional_laws
from tfe.errors import StudyError

plots.style()

# %% tags=["parameters"]
LAWS: int = 400  # random laws on which two objectives are compared
STARTS: int = 16  # starts of a gradient search
STEPS: int = 300  # its steps

# %% [markdown]
# ## A condition on the pair
#
# Let a pair of free encoders minimise $\mathcal L_1$. The minimum is
# $-I(x; y)$, as chapter 4 showed, so $I(z_S; y) = I(x; y)$ and
# $I(z_N; y) = 0$. Expand $I(z_N; z_S, y)$ by the chain rule, in both
# orders:
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
# $\mathcal L_1$ brings it about.
#
# Here is the check, on the toy of chapter 4 with two fair bits, where
# twelve deterministic pairs minimise $\mathcal L_1$. The condition singles
# out the six good ones. For the picture we take all 225 pairs.

# %%
p_xy = toys.two_bits().marginal("x y")
codes, l1 = partitions(4), all_pairs(p_xy).terms.l1
joints = [encode(p_xy, z_S=a, z_N=b) for a in codes for b in codes]
shared = np.array([joint.I("z_S; z_N") for joint in joints])
given_y = np.array([joint.I("z_S; z_N | y") for joint in joints])
best = (l1 < l1.min() + 1e-9).ravel()
assert np.allclose(shared[best], given_y[best]) and best.sum() == 12
assert (given_y[best] < 1e-9).sum() == 6

# %%
fig, ax = plt.subplots(figsize=(4.6, 3))
for kind, colour, name in ((~best, 6, "other pairs"),
                           (best, 1, "minimisers of L1")):
    spots = pd.Series(list(zip(given_y[kind].round(2),
                               shared[kind].round(2)))).value_counts()
    ax.scatter(*zip(*spots.index), s=14 * spots ** 0.6, alpha=0.7,
               color=plots.PALETTE[colour], label=name)
ax.plot([0, 2], [0, 2], "k--", lw=1)
ax.set(xlabel="shared given the label [bits]", ylabel="shared [bits]")
plots.legend(fig)
plots.show(fig, "identity",
           "What two codes share, given the label and at all, for the 225"
           " deterministic pairs on the toy; a larger dot for more of them."
           " The minimisers of L1 lie on the dashed line.",
           "Scatter plot with a diagonal. Three orange dots lie on it: at"
           " 0, 0.5 and 1 bit; black dots lie on, above and below it.")

# %% [markdown]
# Away from the minimum of $\mathcal L_1$ the two amounts differ, either way:
# the identity is one of minimisers alone.
#
# ## A condition on the data, for free encoders
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
# The cell tries it on a random table that has rank 3 and on the toy, which
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
# by $y$ (exercise 1): all videos of a class are identical. **For video the
# condition never holds.**
#
# ## A condition on the data, for masks
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
rng = np.random.default_rng(0)
laws = {"independent given y": list(conditional_laws(LAWS)),
        "any law": [Joint(rng.dirichlet(np.ones(24)).reshape(2, 2, 2, 3),
                          "x1 x2 x3 y") for _ in range(LAWS)]}
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
           "How often L1 and Eq. (2) choose different masks, over random"
           " laws of three binary segments and three labels.",
           "Grouped bars for budgets of one and two segments; the bars for"
           " laws without structure are the taller ones.")

# %% [markdown]
# **What it says.** Where segments are independent given the label the two
# part on one law or two in a hundred; without structure on more than one in
# ten. So the condition helps a good deal, and does not suffice. **What it
# does not say:** how often this happens on real video. Nobody knows its
# law.
#
# ## From $\mathcal L_1$ to the game
#
# Training does not know $p(y \mid z)$. Eqs. (4) and (5), written out in
# [chapter 9](09_game.ipynb), put two learnt readers $q_S, q_N$ in its place,
# and let disentangler and readers play.
# If the readers answer perfectly, the game is $\mathcal L_1$ exactly, and
# all that chapters 4 and 5 found applies to it. If they do not, new trouble
# arrives: $-\log q_N$ has no upper bound, so a disentangler may
# prefer a reader that is *fooled* to one that knows nothing. Chapter 9 plays
# it out on tables, with the fresh probe that tells the two apart.
#
# ## Summary
#
# Whether the minimisers of $\mathcal L_1$ and of $\mathcal L_{DIB}$ are the
# same depends on who may be chosen:
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
# - A minimiser of $\mathcal L_1$ over free encoders has
#   $\mathcal L_2 = I(z_S; z_N \mid y)$. So it is good exactly if its codes
#   are independent given the label.
# - None of this says where a training that minimises $\mathcal L_1$ ends.
#   It says that $\mathcal L_1$ alone does not decide.
#
# ## Exercises
#
# *Exercises 1 and 3 check an answer: `from book.assignments import check`, then `check("05.1")`
# says what to define, and what is wrong with it.*
#
# **1.** (Proof.) Let $y$ be a function of $x$. Show that sufficiency over
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
# **2.** A colleague says: "I minimise $\mathcal L_1$, and afterwards test
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
#
# **3.** For the mask $\{2\}$ of `views`, compute both sides of
# $I(z_S; z_N) = I(z_N; y) - I(x; y) + I(z_S; y)$. Then write the right side
# as a function of a law and a mask, and try it on a law whose segments are
# *not* independent given the label. What does the difference measure?
#
# <details><summary>Solution</summary>
#
# By the expansion above, without the assumption,
# $I(z_S; z_N) = I(z_N; y) - I(x; y) + I(z_S; y) + I(z_S; z_N \mid y)$. So
# the difference is $I(z_S; z_N \mid y)$, what the two sides of the mask
# share given the label. It is 0 for every mask of `views`.
#
# ```python
# def rest(joint, inside, outside):
#     both = f"{inside} {outside}"
#     right = (joint.I(f"{outside}; y") - joint.I(f"{both}; y")
#              + joint.I(f"{inside}; y"))
#     return joint.I(f"{inside}; {outside}") - right
# ```
#
# </details>
