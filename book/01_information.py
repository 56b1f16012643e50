# %% [markdown]
# # 1. Information
#
# **Question.** How much does one variable tell about another, and what can
# happen to that amount when data are processed?
#
# **Answer.** As much as it lessens the surprise at the other, in bits.
# Processing never adds any, and a renaming loses none.
#
# The paper's two objectives, Eqs. (1) and (2), are sums of mutual
# informations. (Eq. (2) stands below, at "The toy of this book"; Eq. (1)
# is the subject of chapter 2.) Before we ask whether they do what is
# claimed (chapters 2 to 6), we need to compute every term *exactly*. That
# is possible when all variables are discrete and small: then the joint law
# is a table, and information is arithmetic on the table. Nothing in this
# chapter is estimated, until the last section, which shows why.
#
# Units: **bits** in chapters 1 to 6. Losses of networks, from chapter 9 on,
# are in nats; one nat is $1 / \ln 2 \approx 1.44$ bits.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from book import plots
from book.theory.information import (Joint, encode, entropy,
                                     mutual_information)

plots.style()

# %% tags=["parameters"]
encoders: int = 3000  # random encoders in the information plane
repeats: int = 300  # samples drawn for the bias of counting
seed: int = 0  # of all that is random here

# %% [markdown]
# ## Entropy
#
# The surprise at an event of probability $p$ is $-\log_2 p$. Entropy is the
# average surprise,
#
# $$H(x) = -\sum_x p(x) \log_2 p(x).$$
#
# A good questioner needs that many yes/no questions on average, or up to one
# more. A fair die with eight faces needs three. A coin with faces $p$ and
# $1 - p$ has the *binary entropy* $h(p)$.

# %%
p = np.array([0.5, 0.25, 0.125, 0.125])
by_hand = -(p * np.log2(p)).sum()
assert by_hand == entropy(p) and entropy(np.full(8, 1 / 8)) == 3

h = np.vectorize(lambda p: entropy([p, 1 - p]))
print(f"H = {by_hand} bits; h(1/2) = {h(0.5)}; h(0.11) = {h(0.11):.3f}")

# %% [markdown]
# ## Mutual information
#
# How much less surprising is $x$ once $y$ is known? The average reduction
# is
#
# $$\begin{aligned} I(x; y) &= H(x) - H(x \mid y) \\
#   &= H(x) + H(y) - H(x, y). \end{aligned}$$
#
# Here $H(x \mid y)$ is the entropy of $x$ that is left once $y$ is known,
# averaged over the values of $y$. Mutual information is symmetric, never
# negative, zero exactly when the two are independent, and at most
# $\min(H(x), H(y))$. It depends on the table alone, not on what the values
# are called.
#
# Proofs of later chapters need two things more. $I(x; y \mid z)$ is the same
# information once $z$ is known, averaged over the values of $z$. And the
# **chain rule** takes an information apart:
#
# $$I(x, z; y) = I(x; y) + I(z; y \mid x).$$
#
# The pair tells of $y$ what $x$ tells, and what $z$ tells once $x$ is known.
#
# A check with a closed form: send a fair bit through a channel that flips
# it with probability $\epsilon$ (the *binary symmetric channel*). Then
# $I = 1 - h(\epsilon)$.

# %%
flips = np.linspace(0, 1, 41)
channel = [np.array([[1 - e, e], [e, 1 - e]]) / 2 for e in flips]
exact = [mutual_information(table) for table in channel]
assert np.allclose(exact, 1 - h(flips))

# %% [markdown]
# The two curves of this section, drawn over the probability that they
# share.

# %%
fig, ax = plt.subplots(figsize=(5, 2.8))
ax.plot(flips, h(flips), label="$h(p)$, a coin")
ax.plot(flips, exact, "--", label="$I(x;y)$, flips with $p$")
ax.set(xlabel="$p$", ylabel="bits")
plots.legend(fig)
plots.show(fig, "binary-entropy",
           "A coin's entropy and a noisy channel's information: together"
           " one bit.",
           "Two curves over p from 0 to 1: the coin's entropy, an arch up"
           " to 1 bit at 1/2, and its mirror image, the information.")

# %% [markdown]
# A channel that always flips ($p = 1$) loses nothing: it merely renames.
# Keep this in mind for chapter 9, where an adversary that is *always wrong*
# will be mistaken for one that has been robbed of its information.
#
# ## Markov chains and the data processing inequality
#
# A representation $z$ is computed from $x$, perhaps with random help, and
# sees the label $y$ only through $x$. We write $y - x - z$ and say that the
# three form a *Markov chain*: given $x$, the others are independent. For
# every such chain
#
# $$I(z; y) \le I(x; y) \quad\text{and}\quad I(z; y) \le I(x; z).$$
#
# This is the **data processing inequality** (DPI): computing never adds
# information. Exercise 1 proves it. Here we draw a random law of $(x, y)$
# and 3,000 random encoders, from noisy to nearly deterministic.
#
# In code, `encode(p_xy, z=...)` takes the joint table of $x$ and $y$ and a
# table $p(z \mid x)$, or a list of names, one for each $x$; it returns the
# joint law of all three. `law.I("x; z")` then reads an information off it,
# and `law.H("x | y")` an entropy.

# %%
rng = np.random.default_rng(seed)
p_xy = rng.dirichlet(np.ones(12)).reshape(4, 3)
laws = [encode(p_xy, z=rng.dirichlet(np.full(4, s), size=4))
        for s in rng.choice([0.03, 0.3, 3], size=encoders)]
plane = np.array([[law.I("x; z"), law.I("z; y")] for law in laws])
ceiling = mutual_information(p_xy)
assert (plane[:, 1] <= np.minimum(plane[:, 0], ceiling) + 1e-12).all()

# %% [markdown]
# Each encoder is a dot: how much it keeps of $x$, and how much of the
# label.

# %%
fig, ax = plt.subplots(figsize=(5, 3))
ax.scatter(*plane.T, s=3, alpha=0.4)
ax.axline((0, 0), (0.1, 0.1), color="k", lw=1, ls=":")
ax.axhline(ceiling, color="k", lw=1, ls="--")
ax.set(xlabel="$I(x;z)$ [bits]", ylabel="$I(z;y)$ [bits]",
       ylim=(0, 1.15 * ceiling), xlim=(0, 2))
plots.show(fig, "information-plane",
           f"{encoders:,} random encoders of one law. No dot lies above the"
           " dashed line I(x;y) or above the dotted diagonal.",
           "Scatter plot: a cloud rises from the origin and ends under a"
           " dashed horizontal line, well below the dotted diagonal.")

# %% [markdown]
# The dots leave a gap below the diagonal: no random encoder keeps only
# what matters. The upper edge of what *is* possible is the information
# bottleneck curve, the subject of [chapter 2](02_bottleneck.ipynb). Random
# encoders do not find that edge, so read the picture as a check of the
# inequality, not as a map of the possible.
#
# ## Three variables: a picture with negative areas
#
# For two variables a Venn picture is faithful: two circles of area $H(x)$
# and $H(y)$ overlap in $I(x; y)$. For three, the overlap of all three is
# the *interaction information*
#
# $$I(x; y; z) = I(x; y) - I(x; y \mid z),$$
#
# symmetric in its arguments, and **signed**. Let $x$ and $y$ be fair
# independent bits and $z = x \oplus y$ (exclusive or). No pair shares
# anything, yet any two give the third.
#
# In code, `Joint.of` makes the joint law of what a function returns, over
# independent fair dice with so many faces.

# %%
xor = Joint.of("x y z", lambda a, b: (a, b, a ^ b), 2, 2)
copies = Joint.of("x y z", lambda a: (a, a, a), 2)
chain = encode(channel[4], z=2 * channel[4])  # y - x - z, each flips 10%
assert xor.I("x; y") == 0 and xor.I("x; y | z") == 1
assert np.isclose(chain.I("x; y; z"), chain.I("z; y"))
print([f"{law.I('x; y; z'):+.2f}" for law in (xor, copies, chain)])

# %% [markdown]
# In a Markov chain $y - x - z$ the middle is
# $I(y; z) - I(y; z \mid x) = I(y; z) \ge 0$: chains can be drawn with
# honest areas. XOR cannot. The next figure writes the seven numbers into
# the seven regions.

# %%
CENTRES = {"x": (-0.5, 0.3), "y": (0.5, 0.3), "z": (0, -0.5)}
REGIONS = {"x | y z": (-0.95, 0.5), "y | x z": (0.95, 0.5),
           "z | x y": (0, -1.05), "x; y | z": (0, 0.65),
           "x; z | y": (-0.5, -0.22), "y; z | x": (0.5, -0.22),
           "x; y; z": (0, 0.05)}


# %%
def draw(ax, law, title):
    for name, (a, b) in CENTRES.items():
        ax.add_patch(plt.Circle((a, b), 0.85, fill=False, ec="0.4"))
        ax.text(2.6 * a, 3 * b, f"${name}$", ha="center")
    for query, at in REGIONS.items():
        value = law.I(query) if ";" in query else law.H(query)
        ax.text(*at, f"{value + 0:.2f}", ha="center", va="center", size=8,
                color=plots.PALETTE[1] if value < -1e-9 else "k")
    ax.set(title=title, xlim=(-1.5, 1.5), ylim=(-1.55, 1.25))
    ax.set_aspect("equal")
    ax.axis("off")


# %%
fig, axes = plt.subplots(1, 3, figsize=(8, 2.6))
titles = ["$z = x \\oplus y$", "$x = y = z$", "$y - x - z$"]
for ax, law, title in zip(axes, (xor, copies, chain), titles):
    draw(ax, law, title)
plots.show(fig, "signed-venn",
           "Seven regions, in bits, for three laws. The middle of the left"
           " picture is negative.",
           "Three diagrams of three overlapping circles. Exclusive or:"
           " outer regions 0, pairwise overlaps 1, middle minus 1. Copies:"
           " all in the middle. Chain: nothing shared by y and z alone.")

# %% [markdown]
# Every circle adds up to one bit in all three pictures, the left one
# included ($0 + 1 + 1 - 1$). So pictures of overlapping sets are
# bookkeeping, not geometry. The paper's sketch of Theorem 1 writes
# $\mathbf{x} = \mathbf{z}_S \cup \mathbf{z}_N$, as if information were made
# of points that go to one set or the other. XOR says that it is not:
# neither part may hold any of it, and both together all of it.
#
# ## The toy of this book
#
# Let $y$ be the label and $n$ a nuisance, two fair independent bits, and
# let the input be the pair $x = (y, n)$, four equally likely points. An
# encoder gives each point a name. The table lists a few pairs of encoders
# with the terms of Eq. (2),
# $\mathcal{L}_{DIB} = -I(z_S;y) + I(z_N;y) + I(z_S;z_N)$.

# %%
toy = np.kron(np.eye(2), np.ones((2, 1))) / 4  # p(x, y), x = 2y + n
CODES = {"y": [0, 0, 1, 1], "n": [0, 1, 0, 1], "x": [0, 1, 2, 3],
         "y xor n": [0, 1, 1, 0], "constant": [0, 0, 0, 0]}
PAIRS = [("y", "n"), ("x", "constant"), ("x", "n"), ("y xor n", "n"),
         ("n", "y"), ("constant", "constant")]
laws = [encode(toy, z_S=CODES[s], z_N=CODES[n]) for s, n in PAIRS]

# %%
index = pd.MultiIndex.from_tuples(PAIRS, names=["z_S", "z_N"])
terms = ["x; z_S", "z_S; y", "z_N; y", "z_S; z_N"]
table = pd.DataFrame({f"I({q})": [law.I(q) for law in laws]
                      for q in terms}, index)
table["L_DIB"] = table.iloc[:, 1:] @ [-1, 1, 1]
assert table.L_DIB.min() == -1 and (table.L_DIB == -1).sum() == 2
table

# %% [markdown]
# Two rows reach the smallest value, $-1 = -H(y)$. The first is the
# disentanglement that everybody has in mind. The second keeps *everything*
# in $z_S$ and nothing in $z_N$, and the objective is just as content. This
# one row is the seed of [chapter 3](03_theorem1.ipynb).
#
# ## Why tables, and not data
#
# Given samples one can count them into a table and compute $I$ of that. The
# result is biased upwards: chance makes any finite table look dependent.
# For independent variables with $K$ and $L$ values and $N$ samples, the
# average is about $(K - 1)(L - 1) / (2 N \ln 2)$ bits.

# %%
K, L = 10, 10
for N in (1000, 3000, 10000):
    counts = rng.multinomial(N, np.full(K * L, 1 / (K * L)), size=repeats)
    found = np.mean([mutual_information(c.reshape(K, L) / N)
                     for c in counts])
    predicted = (K - 1) * (L - 1) / (2 * N * np.log(2))
    assert abs(found / predicted - 1) < 0.06
    print(f"N = {N:5d}: found {found:.3f} bits where there are none")

# %% [markdown]
# For vectors of real numbers it is worse: $I(x; z)$ of a continuous $x$ and
# a deterministic one-to-one $z$ is infinite. So this book computes
# information exactly on tables, and where it turns to networks (chapter 9
# onwards) it asks a humbler question: how well does a *freshly trained
# probe* read $y$ from $z$? A probe gives a lower bound on what is there.
#
# ## Summary
#
# - $H$, $I$ and their conditional forms are arithmetic on a joint table.
# - Processing never adds information; a renaming loses none.
# - Three variables can interact: the middle of the Venn picture is signed,
#   and "$x = z_S \cup z_N$" is not a law of information.
# - On the two-bit toy, two very different pairs of encoders minimise Eq.
#   (2).
#
# ## Exercises
#
# *Exercises 2 and 3 check an answer: `from book.assignments import check`, then `check("01.2")`
# says what to define, and what is wrong with it.*
#
# **1 (proof).** Prove the data processing inequality: if $y - x - z$ is a
# Markov chain, then $I(z; y) \le I(x; y)$, with equality exactly when
# $y - z - x$ is a Markov chain too (then $z$ is called *sufficient*).
#
# <details><summary>Solution</summary>
#
# Expand $I(x, z; y)$ with the chain rule in both orders:
#
# $$I(x,z;y) = I(x;y) + I(z;y \mid x) = I(z;y) + I(x;y \mid z).$$
#
# Because of the chain $y - x - z$, $I(z; y \mid x) = 0$. Hence
# $I(x;y) - I(z;y) = I(x;y \mid z) \ge 0$. The difference is zero exactly
# when $x$ and $y$ are independent given $z$, that is, $y - z - x$.
# $\blacksquare$
#
# </details>
#
# **2.** How negative and how positive can $I(x;y;z)$ be for three bits?
# Give a bound and laws that attain it.
#
# <details><summary>Solution</summary>
#
# $I(x;y;z) = I(x;y) - I(x;y \mid z)$. The first term is at most
# $\min(H(x), H(y)) \le 1$ and the second at least 0, so it is at most $+1$:
# attained by three copies of a fair bit. The first is at least 0 and the
# second at most $H(x \mid z) \le 1$, so it is at least $-1$: attained by
# XOR of fair bits. The code of the signed Venn picture shows both.
#
# </details>
#
# **3.** Find the coarsest $z = f(x)$ with $I(z;y) = I(x;y)$ for the table
# $p(x,y)$ with rows $(.2, .1), (.1, .2), (.1, .05), (.05, .2)$, and verify
# it with `encode`.
#
# <details><summary>Solution</summary>
#
# By exercise 1, $z$ must leave $x$ and $y$ independent: it may merge only
# points with the same $p(y \mid x)$. Those conditionals are $(2/3, 1/3)$,
# $(1/3, 2/3)$, $(2/3, 1/3)$, $(1/5, 4/5)$: the first and the third merge,
# no others. The two numbers below are equal, and every other merger is
# below them. This $z$ is the *minimal sufficient statistic* of $x$ for $y$.
#
# ```python
# p = np.array([[.2, .1], [.1, .2], [.1, .05], [.05, .2]])
# encode(p, z=[0, 1, 0, 2]).I("z; y"), mutual_information(p)
# ```
#
# </details>
