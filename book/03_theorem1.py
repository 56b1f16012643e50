# %% [markdown]
# # 3. Theorem 1: does the objective compress?
#
# **Question.** Does the paper's objective, when it is minimised, keep the
# label and nothing else? The paper splits a video $x$ into a salient part
# $z_S$ and a non-salient part $z_N$, and minimises
#
# $$\begin{aligned} \mathcal L_{DIB} = &-I(z_S; y) + I(z_N; y) \\
#   &+ I(z_S; z_N). \qquad (2) \end{aligned}$$
#
# Theorem 1 says that whoever minimises this *compresses maximally*: at the
# minimum, $z_S$ holds the label and nothing else. Is that so?
#
# **Answer.** No. A pair that keeps the whole video in $z_S$ reaches the
# minimum too, and no constant saves the theorem. One more term in the
# objective repairs it.
#
# ($I$ and $H$ are information and entropy in bits, as in
# [chapter 1](01_information.ipynb). An *encoder* is a table $p(z \mid x)$:
# it reads $x$ and writes a code $z$, perhaps with the help of coins of its
# own. With coins it is called *stochastic*, without *deterministic*.)
#
# ## The claim
#
# How far is a pair of encoders from maximum compression? The theorem
# measures it by
#
# $$\begin{aligned} \text{left side} = \bigl|&I(x; z_S) - H(y)\bigr| \\
#   + \bigl|&I(z_S; y) - H(y)\bigr|, \end{aligned}$$
#
# zero exactly when $z_S$ carries $H(y)$ bits of $x$ and all of them are the
# label's (the notion is Definition 1 of Pan et al. 2021). And how far is it
# from the minimum of Eq. (2)? By its *excess*,
# $\mathcal L_{DIB} - \min \mathcal L_{DIB}$. The theorem links the two:
#
# > **Theorem 1 (the paper's).** For every $\epsilon > 0$ there is a
# > $\delta > 0$ such that each pair with an excess below $\delta$ has a
# > left side below $\epsilon$. ($\delta = \epsilon / 25$ will do.)
#
# A pair that *reaches* the minimum has excess 0. Its left side must then be
# below every $\epsilon$, so it must be 0. **One minimiser whose left side
# is not 0 refutes the theorem**, whatever $\delta$ one takes.
#
# The proof stands in a supplement that is not available, so we work from
# the printed sketch. We need nothing but small tables: if a theorem about
# all distributions is wrong, a small distribution may show it.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from book.theory import toys
from book import plots
from book.theory import search
from book.theory.enumeration import all_pairs, partitions
from book.theory.information import disentangled_bottleneck, encode

plots.style()

# %% tags=["parameters"]
ENCODERS: int = 20000  # random stochastic pairs in the picture
STARTS: int = 24  # starts of the gradient search
STEPS: int = 400  # its steps

# %% [markdown]
# ## The toy: a label and a nuisance
#
# Toss two fair coins, $y$ and $n$. The "video" is the pair, $x = (y, n)$,
# four equally likely points. The label is $y$; $n$ is everything else that
# a video shows. The hoped-for pair writes $z_S = y$ and $z_N = n$.
#
# Four shortfalls say how far a pair is from this ideal, each in bits and
# none below 0:
#
# | shortfall | formula | in words |
# |---|---|---|
# | $a$ | $H(y) - I(z_S; y)$ | of the label, missing in $z_S$ |
# | $b$ | $I(z_N; y)$ | of the label, still in $z_N$ |
# | $c$ | $I(z_S; z_N)$ | shared by the two codes |
# | $d$ | $H(x \mid z_N, y)$ | of $x$, not told by $z_N$ and the label |
#
# The first three make up Eq. (2): $\mathcal L_{DIB} = -H(y) + a + b + c$,
# so $-H(y)$ is as low as it can go. The fourth does not occur in it.
# Remember it.
#
# In code, `encode` makes the joint table of $x$, $y$ and the codes, and
# `disentangled_bottleneck` computes all the informations above.

# %%
p_xy = toys.two_bits().marginal("x y")  # rows: x = 2 y + n
y, n = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])


def shortfalls(t):
    return {"a": t.H_y - t.I_Sy, "b": t.I_Ny, "c": t.I_SN, "d": t.H_x_Ny,
            "L_DIB": t.dib, "I(x;z_S)": t.I_xS,
            "left side": t.incompression}


ideal = shortfalls(disentangled_bottleneck(encode(p_xy, z_S=y, z_N=n)))
assert ideal["L_DIB"] == -1 and ideal["left side"] == 0

# %% [markdown]
# The hoped-for pair is as it should be: it reaches $-H(y) = -1$, and its
# left side is 0.
#
# ## A lazy pair
#
# Now a pair that does no work: $z_S = x$ copies the whole video and $z_N$
# is constant.

# %%
lazy = shortfalls(disentangled_bottleneck(
    encode(p_xy, z_S=2 * y + n, z_N=0 * n)))
assert lazy["L_DIB"] == ideal["L_DIB"] and lazy["left side"] == 1
pd.DataFrame({"ideal: z_S = y, z_N = n": ideal,
              "lazy: z_S = x, z_N constant": lazy}).T

# %%
fig, axes = plt.subplots(1, 2, figsize=(6.4, 1.9), sharex=True, sharey=True)
for ax, (kind, z_S, z_N) in zip(axes, (("ideal", y, n),
                                       ("lazy", 2 * y + n, 0 * n))):
    law = encode(p_xy, z_S=z_S, z_N=z_N)
    label = [law.I("z_S; y"), law.I("z_N; y")]
    rest = [law.I("x; z_S | y"), law.I("x; z_N | y")]
    ax.barh([0, 1], label, color=plots.PALETTE[0], label="of the label")
    ax.barh([0, 1], rest, left=label, color=plots.PALETTE[4],
            label="of the nuisance")
    ax.set(title=kind, yticks=[0, 1], yticklabels=["$z_S$", "$z_N$"],
           ylim=(1.6, -0.6), xlabel="bits")
plots.legend(fig)
plots.show(fig, "lazy-pair",
           "What the two codes hold. Both pairs score -1, the minimum of"
           " Eq. (2).",
           "Two panels of bars. Ideal: z_S holds one bit, the label's; z_N"
           " one bit, the nuisance's. Lazy: z_S holds both, z_N nothing.")

# %% [markdown]
# The lazy pair scores $-1$ as well, the minimum. Yet $z_S$ carries 2 bits
# where the label has 1: **nothing was compressed**, and the left side is 1.
# A constant $z_N$ shares nothing with anyone and tells nothing of $y$, so
# Eq. (2) has no complaint. This is a counterexample to Theorem 1 as stated.
#
# ## Every pair of encoders
#
# Is the lazy pair a freak? A deterministic encoder sorts the four points
# into groups, those that get the same code; what the codes are called does
# not matter. There are 15 ways to sort four points, so there are
# $15 \times 15 = 225$ pairs. We look at all of them and keep those at the
# minimum. The four letters of a name are the codes of the points
# $00, 01, 10, 11$: `AABB` is $y$, `ABAB` is $n$, `ABCD` is $x$, and `AAAA`
# is constant.

# %%
block, codes = all_pairs(p_xy), partitions(4)
dib = block.terms.dib
best = block.where(dib < dib.min() + 1e-9)
assert dib.shape == (15, 15) and len(best) == 6 and dib.min() == -1
joints = [encode(p_xy, z_S=codes[i], z_N=codes[j]) for i, j in best]
rows = [shortfalls(disentangled_bottleneck(joint)) for joint in joints]
names = ["".join("ABCD"[name] for name in code) for code in codes]
pairs = [f"{names[i]}, {names[j]}" for i, j in best]
pd.DataFrame(rows, pd.Index(pairs, name="z_S, z_N"))

# %% [markdown]
# Six pairs reach the minimum. In three of them $z_S$ is the label
# (`AABB`) and the left side is 0. In the other three $z_S$ keeps more than
# the label, and the left side is not 0. So the minimum does not decide.
#
# Note the column $d$: it is the only shortfall that is not 0 here. It is 0
# for two of the three good pairs and 1 for all others, the lazy one among
# them. (The third good pair, `AABB, AAAA`, has $d = 1$ because nobody keeps
# the nuisance.)
#
# ## Where the sketch breaks
#
# This is the printed sketch, in our words. Suppose that the excess is below
# $\delta$.
#
# 1. The minimum of $\mathcal L_{DIB}$ is $-H(y)$.
# 2. Hence $a$, $b$ and $c$ are each below $\delta$.
# 3. Together the two codes tell $x$ ("$x = z_S \cup z_N$").
# 4. Hence $H(x) - I(x; z_N, y)$, which is our $d$, is below $3 \delta$.
# 5. As the codes see nothing but $x$, it follows that $I(x; y) = H(y)$.
# 6. Together: the left side is below $25 \delta$.
#
# We put a number to each step: the worst violation, in bits. For steps 3,
# 4 and 6 it is the worst over the six minimisers. Their excess is 0, so
# $\delta$ may be as small as you like, and any number above 0 is a failure.

# %%
union = [j.H("x | z_S z_N") for j in joints]
told = [j.H("x | z_N y") for j, u in zip(joints, union) if u < 1e-9]
left = [row["left side"] for row in rows]

# %% [markdown]
# For step 2 it is the amount by which the largest of $a, b, c$ is above the
# excess, over all 225 pairs. Step 1 is tried a second time on a label that
# is *not* a function of $x$, because real labels are not. There $x$ is a
# fair bit, and $y$ a copy of it that is wrong in 10% of the cases. The minimum
# is $-I(x; y)$, above $-H(y)$ by $H(y \mid x)$. (Proof:
# $\mathcal L_{DIB} \ge -I(z_S;y) \ge -I(x;y)$ by data processing, and the
# lazy pair attains it.)

# %%
t, excess = block.terms, dib + 1
largest = np.maximum(np.maximum(1 - t.I_Sy, t.I_Ny), t.I_SN)
noisy = np.array([[.45, .05], [.05, .45]])  # rows x, columns y
noisy_gap = all_pairs(noisy).terms.dib.min() + 1

# %%
worst = {"1. minimum is -H(y), y = f(x)": dib.min() + 1,
         "1. the same, noisy y": noisy_gap,
         "2. excess < delta: a, b, c < delta": (largest - excess).max(),
         "3. x is told by z_S and z_N": max(union),
         "4. if so, H(x) - I(x; z_N, y) < 3 delta": max(told),
         "5. I(x; y) = H(y), y = f(x)": encode(p_xy).H("y | x"),
         "6. left side < 25 delta": max(left)}
table = pd.DataFrame({"worst [bits]": pd.Series(worst).round(3) + 0.0})
table.assign(verdict=np.where(table["worst [bits]"] > 0, "fails", "holds"))

# %% [markdown]
# Read the table as follows.
#
# - **Step 1** holds where the label is a function of $x$, and fails
#   otherwise.
# - **Step 2** holds where step 1 does: the excess is $a + b + c$, a sum of
#   three terms that are not negative, so each is at most the excess.
# - **Step 3** is an assumption. Nothing in Eq. (2) brings it about: with
#   $z_S = y$ and a constant $z_N$ the nuisance is lost.
# - **Step 4 is the false one.** Even where $x$ *can* be told from
#   $(z_S, z_N)$, it need not be told from $(y, z_N)$. The lazy pair has
#   $z_S = x$: replacing $z_S$ by the label loses the nuisance, one bit,
#   while $\delta$ is as small as you like. The step treats $z_S$ as if it
#   were no more than the label, which is what was to be proved.
# - **Step 5** is the hypothesis $y = f(x)$ again, in other words:
#   $I(x; y) = H(y)$ says $H(y \mid x) = 0$. That the codes see nothing but
#   $x$ does not bring it about.
# - **Step 6**, the theorem, falls with step 4. If step 4 is *granted*, the
#   rest goes through with room to spare: the proof of the repaired theorem
#   below gives $4 \delta$ in place of $25 \delta$ (exercise 2).
#
# ## The repair
#
# Pan et al. (2021), whom the paper follows, have a term that Eq. (2) drops:
# they also maximise $I(x; z_N, y)$, which asks the label and $z_N$ to
# tell $x$ *between them*. As $I(x; z_N, y) = H(x) - d$ and $H(x)$ is fixed,
# that is to minimise our $d$, from here on the *completeness term*. The
# *repaired objective* puts it back:
#
# $$\begin{aligned} \mathcal L^+ &= \mathcal L_{DIB} + H(x \mid z_N, y) \\
#   &= -H(y) + a + b + c + d. \end{aligned}$$
#
# **Theorem (repaired).** Let $x$ take finitely many values, let the label
# be a function of it, $y = f(x)$, and allow stochastic encoders. Then
# $\min \mathcal L^+ = -H(y)$, and for every pair
#
# $$\begin{aligned}
#   \bigl|I(x; z_S) - H(y)\bigr| &+ \bigl|I(z_S; y) - H(y)\bigr| \\
#   &\le 2\,(a + b + c + d) \\
#   &= 2\,(\mathcal L^+ - \min \mathcal L^+). \end{aligned}$$
#
# *Proof.* First, $I(x; z_S)$ is not too large. Put $z_N$ and $y$ beside
# $x$, which can only add information on $z_S$, and take the sum apart by
# the chain rule:
#
# $$\begin{aligned} I(x; z_S) &\le I(z_N, y, x; z_S) \\
#   &= \underbrace{I(z_N; z_S)}_{c}
#   + \underbrace{I(y; z_S \mid z_N)}_{\le H(y \mid z_N) = H(y) - b} \\
#   &\quad + \underbrace{I(x; z_S \mid z_N, y)}_{\le d}. \end{aligned}$$
#
# (In the last brace, $I(x; z_S \mid z_N, y) \le H(x \mid z_N, y) = d$.)
# Second, it is not too small: by data processing
# $I(x; z_S) \ge I(z_S; y) = H(y) - a$. So $I(x; z_S) - H(y)$ lies between
# $-a$ and $c + d - b$, and its modulus is at most $\max(a, c + d - b)$. The
# other modulus, $|I(z_S; y) - H(y)|$, is $a$. Together
#
# $$\begin{aligned} \text{left side} &\le a + \max(a,\; c + d - b) \\
#   &\le 2a + c + d \le 2\,(a + b + c + d). \end{aligned}$$
#
# That the minimum is $-H(y)$ is shown under "Can the minimum be reached?"
# $\square$
#
# *Where was $y = f(x)$ used?* Not in the inequality: that holds for every
# law. It is needed for $a + b + c + d$ to be the *excess*, that is, for the
# sum to reach 0. (With a noisy label $a \ge H(y \mid x) > 0$.)
#
# Every pair on the toy obeys the bound, and the lazy pair is no longer a
# minimiser: two pairs are left, and both are good. (`complete` is
# $\mathcal L^+$, and `incompression` the left side.)

# %%
terms = block.terms
gap = terms.complete + terms.H_y  # a + b + c + d
assert (terms.incompression <= 2 * gap + 1e-9).all()
survivors = block.where(gap < 1e-9)
print(*(f"{names[i]}, {names[j]}" for i, j in survivors), sep="; ")

# %% [markdown]
# They are $z_S = y$ with $z_N = n$, and with $z_N = y \oplus n$ (exclusive
# or), which is as free of the label as $n$ is.
#
# ## The picture
#
# Thousands of random *stochastic* encoders, each a table of probabilities,
# some soft, some nearly hard. To them we add two paths. The first is the
# lazy pair, mixed step by step with noise: `flips` is the share of noise.
# The second keeps $z_N = n$, and lets $z_S$ be a copy of $y$ that is flipped
# with a probability from 0 to 1/2; it will matter for the constant. Each
# pair will be a dot: its excess, and its left side.

# %%
random = [search.random_encoders(4, 4, ENCODERS, seed) for seed in (0, 1)]
cloud = search.stochastic_terms(p_xy, *random)

flips = torch.linspace(0, 0.5, 60, dtype=float)[:, None, None]
mixed = (1 - flips) * torch.eye(4) + flips / 4
constant = torch.ones(60, 4, 1).double()
lazy_path = search.stochastic_terms(p_xy, mixed, constant)

flipped = (1 - flips) * torch.eye(2)[y] + flips * torch.eye(2)[1 - y]
keeps_n = torch.eye(2)[n].repeat(60, 1, 1).double()
noisy_path = search.stochastic_terms(p_xy, flipped, keeps_n)


# %% [markdown]
# We draw the same pairs twice, with two different excesses: that of
# Eq. (2), `dib`, and that of the repaired objective, `complete`. Both
# minima are $-1$.


# %%
def draw(ax, objective):
    for t, style in ((cloud, ","), (lazy_path, "v"), (noisy_path, ".")):
        ax.plot(getattr(t, objective) + 1, t.incompression, style, ms=4)
    for slope, style in ((25, "k:"), (2, "k--")):
        ax.plot([0, 3], [0, 3 * slope], style, label=f"slope {slope}")
    ax.set(ylim=(-0.05, 2.1), xlim=(-0.05, 2.5))


fig, axes = plt.subplots(1, 2, figsize=(7, 3.2), sharey=True)
draw(axes[0], "dib")
draw(axes[1], "complete")
axes[0].set(xlabel="excess of Eq. (2)", ylabel="left side [bits]")
axes[1].set(xlabel="excess of the repaired objective")
plots.legend(fig)
plots.show(fig, "theorem-1",
           "Random pairs (small dots), the lazy pair mixed with noise"
           " (triangles), noisy copies of y (on the dashed line). Left,"
           " excess of Eq. (2): triangles reach the axis at 1 bit. Right,"
           " of the repaired objective: nothing lies above slope 2.",
           "Two scatter plots of left side against excess. In the left one"
           " a row of triangles meets the vertical axis at 1 bit; in the"
           " right one every mark lies on or below the line of slope 2.")

# %% [markdown]
# Left: at an excess of zero the triangles stand at 1 bit, above any line
# through the origin: no constant, 25 or other, can save the theorem. Right:
# the same encoders, judged with $d$ as well; all lie on or below the line
# of slope 2, and one family, the noisy copies, lies *on* it.
#
# What the picture does not show: that gradient descent on Eq. (2) ends at
# the lazy pair. It shows that nothing in Eq. (2) keeps it from doing so.
#
# ## The constant
#
# Could a constant below 2 do? The noisy copies say no: there
# $b = c = d = 0$ and $I(x; z_S) = I(z_S; y) = H(y) - a$, so the left side
# is $2a$, exactly twice the excess. And nothing beats it, as the theorem
# says: a descent on the ratio of left side to excess, from many random
# starts, gets close to 2 and no further. (The `1e-3` keeps it from dividing
# by 0.)

# %%
inside = slice(1, -1)  # leave out 0 / 0 at a perfect copy
ratio = (noisy_path.incompression / (noisy_path.complete + 1))[inside]
assert np.allclose(ratio, 2)
found = search.search(
    p_xy, lambda t: -t.incompression / (t.complete + t.H_y + 1e-3),
    starts=STARTS, steps=STEPS).terms
highest = found.incompression / (found.complete + 1)
random_best = (cloud.incompression / (cloud.complete + 1)).max()
assert highest <= 2 + 1e-9 and random_best <= 2
print(f"random: {random_best:.2f}, descent: {highest:.2f}")

# %% [markdown]
# So **2 is tight**. Keep the two constants apart: the paper's 25 belongs to
# Eq. (2), where no constant works; 2 belongs to the repaired objective.
#
# ## Can the minimum be reached?
#
# A bound in terms of "excess over the minimum" is of use only if
# $a + b + c + d$ can be brought to 0. Take $x$ uniform on three points of
# which the last two share a label: $x \in \{0, 1, 2\}$, $y = 0, 1, 1$.
# Deterministic encoders fail. For $d = 0$, $z_N$ must write different codes
# for 1 and 2. Whatever it writes for 0, one of these two codes is not that
# one: it occurs under $y = 1$ only, and so $b > 0$.

# %%
three = toys.three_points().marginal("x y")
t = all_pairs(three).terms
z_N = toys.functional_representation(three)
reached = disentangled_bottleneck(encode(three, z_S=[0, 1, 1], z_N=z_N))
assert abs(reached.complete + reached.H_y) < 1e-9
print("best deterministic pair:", round((t.complete + t.H_y).min(), 3))
print("p(z_N | x), rows x:", z_N.round(3).tolist())

# %% [markdown]
# The way out is a coin: $z_N$ is "left" for $x = 1$, "right" for $x = 2$,
# and for $x = 0$ a coin decides. Now both codes are equally
# likely under either label, so $z_N$ tells nothing of $y$; and label and
# code together name $x$.
#
# The same works for every finite $x$ with $y = f(x)$. Lay the points of
# each label side by side on $[0, 1]$, each as long as $p(x \mid y)$. Given
# $x$, throw a point uniformly into the interval of $x$, and let $z_N$ name
# the place.

# %%
fig, ax = plt.subplots(figsize=(6, 1.9))
pieces = ((0, 0, 0, 1), (1, 1, 0, 0.5), (2, 1, 0.5, 0.5))
for point, label, start, length in pieces:
    ax.barh(label, length, left=start, ec="k", height=0.6,
            color=plots.PALETTE[point + 3])
    ax.text(start + 0.25, label, f"x = {point}", ha="center", va="center")
ax.axvline(0.5, color="k", ls=":")
ax.set(yticks=[0, 1], yticklabels=["y = 0", "y = 1"], xlabel="throw")
plots.show(fig, "representation",
           "The throw is uniform whatever y is, and with y it names x. The"
           " dotted cut makes z_N binary: left or right.",
           "Two bars over the unit interval: y = 0 is one piece, x = 0;"
           " y = 1 is cut in the middle into x = 1 and x = 2.")

# %% [markdown]
# Whatever the label, the throw is uniform on $[0, 1]$, so $b = 0$. Label
# and throw together name the interval, so $d = 0$. With $z_S = y$ also
# $a = 0$, and $c = I(y; z_N) = b = 0$. Only finitely many cuts matter: with
# $|x|$ points and $|y|$ labels there are at most $|x| - |y|$ of them inside
# $[0, 1]$, so $z_N$ needs at most $|x| - |y| + 1$ values. (This is the
# *functional representation lemma*.) It completes the proof of the repaired
# theorem: $\min \mathcal L^+ = -H(y)$.
#
# **Where the label is noisy**, put $I(x; y)$ in place of $H(y)$, in $a$ and
# in the left side: the same inequality holds with it (exercise 3). But in
# general the sum still does not reach 0: a $z_S$ that holds all that $x$
# tells of $y$, and no more than $I(x; y)$ bits of $x$, often does not
# exist.
#
# ## Summary
#
# - Eq. (2) reaches its minimum $-H(y)$ at $z_S = x$, $z_N$ constant.
#   **Theorem 1 fails as stated**, at every constant.
# - The false step: if $z_S$ and $z_N$ tell $x$, it does not follow that $y$
#   and $z_N$ do. $z_S$ may hold more than $y$.
# - **Repair.** Add $H(x \mid z_N, y)$ to Eq. (2). For finite $x$ and
#   $y = f(x)$ the left side is then at most **twice** the excess; 2 is
#   tight; stochastic encoders reach the minimum, $-H(y)$.
# - None of this says what the trained network does. The network is not
#   given the repaired objective either, and its masks cannot copy an
#   arbitrary encoder: [chapter 6](06_budget.ipynb).
#
# ## Exercises
#
# *Exercises 1 and 4 check an answer: `from book.assignments import check`, then `check("03.1")`
# says what to define, and what is wrong with it.*
#
# **1.** Find a pair for the toy that minimises Eq. (2), but for which
# $I(x; z_S)$ is strictly between 1 and 2 bits.
#
# <details><summary>Solution</summary>
#
# Merge the two points with $y = 0$ and keep the two with $y = 1$ apart:
# `AABC`. Then $z_S$ tells $y$, so $a = 0$; with $z_N$ constant $b = c = 0$.
# The code has probabilities $1/2, 1/4, 1/4$, and is a function of $x$, so
# $I(x; z_S) = H(z_S) = 1.5$ bits. It is one of the six above.
#
# </details>
#
# **2.** (Proof.) Suppose that $a + b + c < \delta$, and grant the false
# step, $d < 3 \delta$. Show that the left side is below $4 \delta$.
#
# <details><summary>Solution</summary>
#
# The proof of the repaired theorem gives
# $a + \max(a, c + d - b)$ without using any objective. If the maximum is
# $a$, this is $2a < 2 \delta$. Otherwise it is
#
# $$a + c + d - b \le (a + b + c) + d < \delta + 3 \delta = 4 \delta.$$
#
# </details>
#
# **3.** (Proof.) Let $y$ be noisy, and write $a' = I(x; y) - I(z_S; y)$.
# Show
#
# $$|I(x; z_S) - I(x; y)| + |I(z_S; y) - I(x; y)| \le 2 (a'+b+c+d).$$
#
# Where is it used that the codes see only $x$?
#
# <details><summary>Solution</summary>
#
# In the proof from above, replace the bound on the middle term: given $x$,
# the label is independent of both codes, so
#
# $$I(y; z_S \mid z_N) \le I(y; x \mid z_N) = I(x; y) - I(z_N; y)$$
#
# and the sum is at most $c + I(x; y) - b + d$. From below
# $I(x; z_S) \ge I(z_S; y) = I(x; y) - a'$. The rest is as before. That the
# codes see only $x$ was used three times: for the inequality and for the
# equality of this bound, and for data processing.
#
# </details>
#
# **4.** Write the sum $a + b + c + d$ as a function of the two codes. What
# does the lazy pair pay, and what a $z_N$ that copies the label?
#
# <details><summary>Solution</summary>
#
# The lazy pair pays $d = 1$, the nuisance that label and $z_N$ do not tell;
# with $z_S = z_N = y$ it is $b + c + d = 3$.
#
# ```python
# def excess(z_S, z_N):
#     law = encode(p_xy, z_S=z_S, z_N=z_N)
#     a, b = law.H("y") - law.I("z_S; y"), law.I("z_N; y")
#     return a + b + law.I("z_S; z_N") + law.H("x | z_N y")
# ```
#
# </details>
