# %% [markdown]
# # 7. The k-hot sampler
#
# **Question.** Eq. (8) draws a mask that picks about $k$ of $T$ segments,
# in a way that gradients can pass through. Which distribution does it
# sample, and what does the network see at test time?
#
# **Answer.** It draws with replacement, so that as a rule fewer than $k$
# segments come up. The test keeps exactly $k$.
#
# The paper writes
# $\mathbf{m} = \text{Gumbel-softmax}(\alpha(\mathbf{x}), k_i)$. It does not
# say what $i$ counts; here $k_i$ is $k$. It cites adversarial infidelity
# learning (AIL; Liang et al., 2020), which follows learning to explain (L2X;
# Chen et al., 2018). Their sampler, and hence this study's reading of
# Eq. (8), is
#
# $$\begin{aligned} m &= \max_{j = 1 \dots k} \;
#   \text{softmax}\left(\frac{\alpha + g_j}{\tau}\right), \\
#   g_{jt} &\sim \text{Gumbel}(0, 1), \end{aligned}$$
#
# the element-wise maximum over $k$ soft draws at temperature $\tau$. The
# *logits* $\alpha$ are scores, one for each segment: Eq. (9), chapter 8. We
# take it apart: one draw, $k$ draws, exact laws to compare with, sums,
# gradients. Each row of the $T \times T$ logits $\alpha$ is masked by
# itself, so one row is all we need here.

# %% tags=["parameters"]
segments: int = 16  # T
k: int = 8  # segments to keep
tau: float = 0.5  # temperature
draws: int = 20_000  # Monte Carlo samples
seed: int = 0  # of all that is random here

# %%
from itertools import combinations, permutations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from book import plots, sliders
from tfe.khot import hard_khot, inclusion, relaxed_khot

plots.style()
rng = torch.Generator().manual_seed(seed)

# %% [markdown]
# ## One draw: the Gumbel-max trick
#
# Add to each logit an independent Gumbel variable, $g = -\log e$ with $e$
# exponential, and take the largest. The winner is $t$ with probability
# $\text{softmax}(\alpha)_t$, *exactly*. (Why: $e_t \exp(-\alpha_t)$ is an
# exponential clock of rate $\exp \alpha_t$, and the first of several clocks
# to ring is $t$ with probability proportional to its rate.)

# %%
logits = torch.linspace(1.8, -1.8, 8, dtype=torch.float64)
p = logits.softmax(0)
clocks = torch.empty(draws, 8, dtype=torch.float64)
gumbel = -clocks.exponential_(generator=rng).log()
winners = (logits + gumbel).argmax(1).bincount(minlength=8) / draws
assert (winners - p).abs().max() < 0.01

# %% [markdown]
# Replacing the argmax by a softmax at temperature $\tau$ makes a draw
# differentiable: a *relaxed* one-hot vector, which hardens as $\tau \to 0$.
#
# ## k draws: Eq. (8)
#
# Three lines; the library's version agrees number by number when it starts
# from the same noise.

# %%
rng.manual_seed(1)
clocks = torch.empty(4, 8, dtype=torch.float64)
gumbel = -clocks.exponential_(generator=rng).log()
soft = ((logits + gumbel) / tau).softmax(-1)  # 4 draws over 8 segments
mask = soft.max(0).values

assert torch.equal(mask, relaxed_khot(logits, 4, tau, rng.manual_seed(1)))
print(f"row sum {mask.sum():.2f}")

# %% [markdown]
# The draws know nothing of each other: this is sampling **with
# replacement**. A segment that wins twice still counts once. As
# $\tau \to 0$ a segment is missing only if it loses all $k$ draws, so
#
# $$\begin{aligned} P(t \in \text{mask}) &= 1 - (1 - p_t)^k, \\
#   p &= \text{softmax}(\alpha). \end{aligned}$$
#
# Fewer than $k$ ones come up, and $k = T$ is not "all segments": with equal
# logits only $1 - (1 - 1/T)^T$ of them, not far from $1 - 1/e$.

# %%
cold = relaxed_khot(logits.expand(draws, 8), 4, 0.01, rng)
with_replacement = inclusion(logits, 4)
assert (cold.mean(0) - with_replacement).abs().max() < 0.015

flat = inclusion(torch.zeros(segments), segments)
assert torch.allclose(flat, torch.tensor(1 - (1 - 1 / segments)**segments))
print(f"k = 4: {with_replacement.sum():.2f} ones on average; "
      f"k = T = {segments}: {flat.sum():.1f}")

# %% [markdown]
# ## Which exact law would be "k of T"?
#
# There is more than one, so it must be named. Both give sets of exactly $k$
# segments and both reduce to the softmax at $k = 1$.
#
# - **Plackett-Luce**: draw without replacement, each time among those left.
#   It is what the $k$ largest of $\alpha + g$ (Gumbel-top-k) give: the same
#   noise as above, used once. This is the natural "without replacement"
#   twin of Eq. (8).
# - **Conditional Poisson**: $P(S) \propto \prod_{t \in S} e^{\alpha_t}$
#   over all sets of size $k$: independent coins, conditioned on $k$ heads.
#   Among all laws on $k$-sets with the same inclusion probabilities it has
#   the most entropy.
#
# For 8 segments and $k = 4$ both can be enumerated: 1,680 ordered draws, 70
# sets.

# %%
w = logits.exp().numpy()
orders, sets = (np.array(list(choose(range(8), 4)))
                for choose in (permutations, combinations))
left = w.sum() - w[orders].cumsum(1) + w[orders]  # before each draw
chance = (w[orders] / left).prod(1)


def marginal(drawn, weights):
    hit = (drawn[:, :, None] == np.arange(8)).any(1)
    return weights @ hit / weights.sum()


plackett_luce = marginal(orders, chance)
poisson = marginal(sets, w[sets].prod(1))
assert np.isclose(chance.sum(), 1)
assert np.allclose((plackett_luce.sum(), poisson.sum()), 4)

# %% [markdown]
# Gumbel-top-k is Plackett-Luce, as the enumeration confirms. And draw by
# draw, Eq. (8) picks a *subset* of what it would pick without replacement
# (exercise 1 proves it), hence no segment is more likely under Eq. (8).

# %%
clocks.resize_(draws, 8).exponential_(generator=rng)
top = hard_khot(logits - clocks.log(), 4).mean(0).numpy()
assert abs(top - plackett_luce).max() < 0.012
laws = {"Eq. (8), cold": with_replacement.numpy(), "Plackett-Luce":
        plackett_luce, "conditional Poisson": poisson,
        "test: top-k": hard_khot(logits, 4).numpy()}
assert (laws["Eq. (8), cold"] <= plackett_luce).all()

# %% [markdown]
# The three laws side by side, and the mask that is used at test time: hard
# top-k of the logits without noise.

# %%
fig, ax = plt.subplots(figsize=(6.4, 2.9))
for n, (name, law) in enumerate(laws.items()):
    ax.bar(np.arange(1, 9) + 0.2 * (n - 1.5), law, 0.2, label=name)
ax.set(xlabel="segment, from largest to smallest logit", ylabel="inclusion",
       ylim=(0, 1.35))
plots.legend(fig)
plots.show(fig, "inclusion",
           "How likely each of 8 segments is to be picked, k = 4. Compare"
           " the pink bars, what the test does, with the blue, what"
           " training saw.",
           "Grouped bars. All laws fall from left to right; Eq. (8) is"
           " below Plackett-Luce in every group; top-k is 1, then 0.")

# %% [markdown]
# The test-time mask is none of the laws: it is the single set that
# conditional Poisson finds most probable. Training shows the network masks
# that miss strong segments and include weak ones; the test never does.
#
# ## Bias over the temperature
#
# A relaxed mask at $\tau > 0$ is not a 0/1 vector, and its mean is not an
# inclusion probability. How far off is it, at the worst segment? The answer
# depends on the law to which one compares.

# %%
taus = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1, 1.5, 2]
means = np.array([relaxed_khot(logits.expand(draws, 8), 4, t, rng)
                  .mean(0).numpy() for t in taus])
bias = {name: abs(means - law).max(1)
        for name, law in laws.items() if "test" not in name}
assert bias["Eq. (8), cold"][0] < 0.02 < bias["Plackett-Luce"][0]

fig, ax = plt.subplots(figsize=(5.4, 2.9))
for name, gap in bias.items():
    ax.plot(taus, gap, "o-", ms=4, label=f"against {name}")
ax.axvline(tau, color="k", lw=1, ls=":")
ax.set(xscale="log", xlabel="$\\tau$", ylabel="largest error of a mean")
plots.legend(fig, columns=2)
plots.show(fig, "khot-bias",
           "The mean relaxed mask against three exact laws (8 segments,"
           " k = 4). Only the curve against Eq. (8)'s own cold limit goes"
           " to 0. Dotted: the temperature of AIL, 0.5.",
           "Three rising curves over temperature. Only the curve against"
           " Eq. (8)'s own cold limit goes to 0; the others level off.")

# %% [markdown]
# Cooling removes the bias only against the sampler's *own* limit. Against a
# law with exactly $k$ segments a gap stays at any temperature, because
# draws repeat. The slider shows what the temperature does to a single draw,
# with the same noise throughout.

# %% tags=["nbval-ignore-output"]
def draw_at(t):
    fig, ax = plt.subplots(figsize=(6.4, 2.2))
    same = torch.stack([relaxed_khot(logits, n, t, rng.manual_seed(1))
                        for n in (2, 4, 6)])
    ax.imshow(same, vmin=0, vmax=1, cmap="cividis", aspect="auto")
    ax.set(xlabel="segment", xticks=range(8), xticklabels=range(1, 9))
    ax.set(yticks=range(3), yticklabels=["k = 2", "k = 4", "k = 6"])
    sums = ", ".join(f"{row:.2f}" for row in same.sum(1).tolist())
    return f"tau = {t:g}", fig, f"At {t:g} the three rows sum to {sums}."


sliders.show([draw_at(t) for t in taus], "temperature",
             "One draw of Eq. (8) for three budgets; bright is kept. Cold"
             " masks are 0/1, warm ones keep only the order.", film=True)

# %% [markdown]
# And the other dial, the budget $k$, in the cold limit: what training
# includes, and what the test keeps. They agree at no $k$, and even at
# $k = T$ training leaves segments out.

# %% tags=["nbval-ignore-output"]
def budget(k):
    fig, ax = plt.subplots(figsize=(6.4, 2.4))
    law = inclusion(logits, k)
    ax.bar(range(1, 9), law, color=plots.PALETTE[0], label="training")
    ax.step(np.arange(0.5, 9), [*hard_khot(logits, k), 0], "k",
            where="post", label="test")
    ax.set(xlabel="segment", ylabel="inclusion", ylim=(0, 1.35))
    plots.legend(fig)
    return f"k = {k}", fig, (f"Training includes {law.sum():.2f} of 8"
                             f" segments on average, the test {k}.")


sliders.show([budget(n) for n in range(1, 9)], "k",
             "How likely Eq. (8) is to include each of 8 segments (bars),"
             " and the top k that the test keeps (line), by budget.")

# %% [markdown]
# ## Row sums, in training and at test
#
# In Eq. (10), chapter 8, the mask weighs a sum over segments, so the row
# sum of $m$ is the *scale* of $z_S$. A softmax attention row sums to 1. A
# relaxed k-hot row lies anywhere between 1 and $k$, depending on $\tau$ and
# on how peaked the logits are; the hard mask at test sums to $k$. Below,
# all logits are equal ("x 0") or Gaussian with standard deviation 3 ("x 3").

# %%
def row_sums(spread, k, tau, rows=4000):
    noise = torch.randn(rows, segments, generator=rng)
    return relaxed_khot(spread * noise, k, tau, rng).sum(-1)


sums = pd.DataFrame({f"x {spread}, tau {t}":
                     [row_sums(spread, n, t).mean().item()
                      for n in (4, 8, 16)]
                     for t in (0.5, 0.1) for spread in (0, 3)},
                    index=pd.Index([4, 8, 16], name="k (sum at test)"))
assert (sums > 1).all(axis=None) and (sums.max(axis=1) < sums.index).all()
sums.round(1)

# %% [markdown]
# Where training sharpens the logits, the row sum falls; at test it jumps to
# $k$. The complement $1 - m$ of Eq. (11) errs the other way: its rows sum
# to $T - \sum m$ in training, more than the $T - k$ of the test. Layer
# norms downstream may hide a part of this, the residual $+\mathbf{x}$
# another. But $f_S$ is applied to inputs of a scale it was not trained on.
#
# ## What normalisation repairs
#
# Divide each row by its sum: the weights of $z_S$ then add up to 1 in
# training and at test. That mends the scale. To see what is left, compare
# the training mask with the test mask of the same logits by their cosine,
# which no rescaling can change.

# %%
noise = 3 * torch.randn(draws, segments, generator=rng)
train, test = relaxed_khot(noise, k, tau, rng), hard_khot(noise, k)
scale = test.sum(-1).mean() / train.sum(-1).mean()
cosine = torch.cosine_similarity(train, test).mean()

shares = [m / m.sum(-1, keepdim=True) for m in (train, test)]
assert torch.allclose(torch.cosine_similarity(*shares).mean(), cosine)
print(f"scale, test / training: {scale:.2f}; cosine: {cosine:.2f}")

# %% [markdown]
# Normalisation repairs the scale and nothing else. The *shape* still
# differs: in training a few draws hold most of the weight, at test $k$
# segments share it equally, and no normalisation makes repeated draws
# distinct. It also costs something: $m$ and $1 - m$, each divided by its
# own sum, are no longer complements, so "what $z_S$ takes is missing from
# $z_N$" has to be given up.
#
# ## Gradients
#
# Why not simply cool down? Because the gradient becomes noisy. Let the loss
# be linear, $f(m) = \sum_t a_t m_t$. For the cold sampler
# $E f = \sum_t a_t (1 - (1 - p_t)^k)$, so the true gradient is known by
# differentiating that. We compare.

# %%
a = torch.tensor([1.0, -1] * 4, dtype=torch.float64)


def gradient(mask):
    rows = logits.repeat(draws, 1).requires_grad_()
    return torch.autograd.grad((mask(rows) @ a).sum(), rows)[0]


truth = gradient(lambda rows: inclusion(rows, 4))[0]
each = [gradient(lambda rows: relaxed_khot(rows, 4, t, rng)) for t in taus]
errors = [(g.mean(0) - truth).norm() / truth.norm() for g in each]
spreads = [g.std(0).norm() / truth.norm() for g in each]
assert spreads[0] > 3 * spreads[5] and errors[2] < errors[-1]

# %%
fig, ax = plt.subplots(figsize=(5.4, 2.9))
ax.plot(taus, errors, "o-", ms=4, label="bias")
ax.plot(taus, spreads, "s--", ms=4, label="standard deviation, one sample")
ax.axvline(tau, color="k", lw=1, ls=":")
ax.set(xscale="log", yscale="log", xlabel="$\\tau$",
       ylabel="relative to the true gradient")
plots.legend(fig)
plots.show(fig, "khot-gradient",
           "The gradient through the relaxed mask: cold is noisy, hot is"
           " biased.",
           "Two curves over temperature: as it rises, the standard"
           " deviation falls and the bias grows.")

# %% [markdown]
# At the coldest temperatures the measured bias is itself Monte Carlo noise:
# the spread is many times the gradient. No temperature is good at both. A
# constant $\tau = 0.5$ as in AIL is a compromise, and a delicate one: the
# maintainer of L2X calls training "sensitive" to it (issue 4 of its code).
#
# What this does not show: that the *other* samplers would train better. It
# shows what the quantity in Eq. (8) is, and what a test-time top-k changes.
#
# ## Summary
#
# - Eq. (8), read as in L2X and AIL, samples with replacement. Its cold
#   limit includes segment $t$ with probability $1 - (1 - p_t)^k$; fewer
#   than $k$ ones come up, and $k = T$ is not everything.
# - It is not Plackett-Luce and not conditional Poisson, at any temperature.
# - Row sums lie between 1 and $k$ in training and are $k$ at test. Dividing
#   by the row sum repairs this scale, not the shape.
# - Cold masks have noisy gradients, hot ones biased gradients.
#
# ## Exercises
#
# *Exercises 2 and 3 check an answer: `from book.assignments import check`, then `check("07.2")`
# says what to define, and what is wrong with it.*
#
# **1 (proof).** Show that a Plackett-Luce draw of $k$ segments and $k$ draws
# with replacement can be taken from one common sequence of draws, such that
# the latter always pick a subset of the former. Conclude that $1 - (1 - p_t)^k \le \pi_t$, the Plackett-Luce
# inclusion probability, for every segment.
#
# <details><summary>Solution</summary>
#
# Draw with replacement from $p$ again and again, and strike out
# repetitions. Given that the segments $A$ have come up, the next *new* one
# is $t \notin A$ with probability $p_t / (1 - \sum_{s \in A} p_s)$: the
# rule of drawing without replacement. So the first $k$ *distinct* segments
# of the sequence are a Plackett-Luce draw. The first $k$ draws contain at
# most $k$ distinct segments, and these are the first distinct ones: a
# subset. Taking probabilities of "$t$ is in the set" gives the inequality,
# which is strict for $k \ge 2$ and $0 < p_t < 1$ where at least $k$
# segments have positive probability. $\blacksquare$
#
# </details>
#
# **2.** With equal logits, how large must $k$ be so that Eq. (8) covers nine
# tenths of $T = 16$ segments in the cold limit?
#
# <details><summary>Solution</summary>
#
# $1 - (15/16)^k \ge 0.9$ needs $k \ge \ln 10 / \ln (16/15) \approx 35.7$,
# so $k = 36$, more than twice $T$. Eq. (8) allows only $k \le T$, where the
# coverage is 0.64.
#
# </details>
#
# **3.** Prove that the row sum of a relaxed mask lies between 1 and $k$ at
# every temperature. When is each bound reached?
#
# <details><summary>Solution</summary>
#
# $m \ge \text{softmax}(\cdot)$ of any single draw, element by element, and
# that sums to 1: the lower bound. A maximum of non-negative numbers is at
# most their sum, and the $k$ softmaxes sum to $k$: the upper bound. The
# lower is reached when all draws coincide (always at $k = 1$; in the limit
# $\tau \to \infty$, where each is $1/T$). The upper is reached in the limit
# when the draws have disjoint supports: $\tau \to 0$ and $k$ different
# winners.
#
# </details>
