# %% [markdown]
# # 9. The game
#
# **Question.** The true $p(y \mid z)$ is unknown, so the paper lets two
# approximators estimate it and lets the disentangler play against them,
# Eqs. (4), (5) and (12). $A_S$ reads $z_S$ and answers with
# $q_S(y \mid z_S)$, $A_N$ reads $z_N$; the disentangler $D$ writes both. We
# also call $A_N$ the *critic*. Does this game minimise what Theorem 2 asks
# for? And when the adversary's loss $\mathcal{L}_N$ is high, has the label
# left $z_N$?
#
# **Answer.** It does where the approximators answer as well as anybody can.
# Away from there it need not, and a high $\mathcal{L}_N$ may mean a fooled
# critic.
#
# With $\mathcal{L}_\bullet = E[-\log q_\bullet(y \mid z_\bullet)]$ the two
# sides play
#
# $$\begin{aligned}
#   \min_{A_S, A_N} \; & \mathcal{L}_S + \mathcal{L}_N, & \qquad (5) \\
#   \min_D \; & \mathcal{L}_S - \mathcal{L}_N. & (4)
#   \end{aligned}$$
#
# Eq. (12) is the two together, for networks.
#
# We play it where nothing is hidden: on a finite table. $D$ is a pair of
# tables $p(z_S \mid x)$, $p(z_N \mid x)$, and each approximator is a table
# $q(y \mid z)$. From here on **losses are in nats**, as in training;
# informations stay in bits, and we say which is which.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from book import plots
from book.theory.game import (FORMS, best_response, cross_entropy, play,
                              prior)
from book.theory.information import disentangled_bottleneck, encode

plots.style()
toy = np.kron(np.eye(2), np.ones((2, 1))) / 4  # x = (y, n), two fair bits
H_y = np.log(2)  # nats

# %% tags=["parameters"]
games: int = 200  # gentle games, each from another start
rounds: int = 600  # of a gentle game
seed: int = 0  # of the starts

# %% [markdown]
# ## At best response the game is L1, exactly
#
# Against a fixed $D$, the best approximator is the true posterior,
# $q(y \mid z) = p(y \mid z)$, and its loss is the conditional entropy.
# Hence
#
# $$\begin{aligned} \mathcal{L}_S - \mathcal{L}_N
#   &= H(y \mid z_S) - H(y \mid z_N) \\
#   &= -I(z_S; y) + I(z_N; y) = \mathcal{L}_1 : \end{aligned}$$
#
# the two $H(y)$ cancel. We check it on a thousand random pairs of encoders,
# with the informations of chapter 1.

# %%
rng = np.random.default_rng(seed)
pairs = torch.tensor(rng.dirichlet(np.full(4, 0.4), size=(2, 1000, 4)))
joint = torch.tensor(toy)
loss_s, loss_n = (cross_entropy(joint, code, best_response(joint, code))
                  for code in pairs)

# %%
def terms(salient, nonsalient):
    law = encode(toy, z_S=np.asarray(salient), z_N=np.asarray(nonsalient))
    return disentangled_bottleneck(law)


l1 = np.array([terms(*pair).l1 for pair in zip(*pairs)])  # bits
assert np.allclose((loss_s - loss_n) / np.log(2), l1)

# %% [markdown]
# So if the approximators were always at their best, Eq. (4) would be Eq.
# (3). Everything that follows is about two "ifs": what minimising
# $\mathcal{L}_1$ leaves open, and what happens when the approximators are
# *not* at their best.
#
# ## Where gentle play ends
#
# Alternate the two phases by gradient descent on softmax tables (a table of
# free numbers, of which each row is put through a softmax), small steps,
# 200 random starts. A round is one step of $A_S$ and $A_N$, then one
# of $D$.

# %%
gentle = play(toy, games=games, rounds=rounds,
              generator=torch.Generator().manual_seed(seed))
ends = [terms(*pair) for pair in zip(gentle.salient, gentle.nonsalient)]
l1, l2 = np.array([[end.l1, end.l2] for end in ends]).T
assert l1.max() < -0.95 and l2.max() > 0.25 and l2.min() < 0.01
print(f"L1 of {len(ends)} games: all within {1 + l1.max():.2f} bits of -1")

# %% [markdown]
# Left: the loss of the adversary $A_N$ in twenty games. Right: where all
# 200 games end.

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(7, 3))
left.plot(gentle.losses[:, :20, 1], color=plots.COLOURS["non-salient"],
          lw=0.7, alpha=0.6)
left.axhline(H_y, color="k", lw=1)
left.set(xlabel="round", ylabel="$\\mathcal{L}_N$ [nats]", xscale="log")
right.scatter([end.I_xS for end in ends], l2, s=8, alpha=0.6)
right.set(xlabel="$I(x;z_S)$ [bits]", ylabel="$I(z_S;z_N)$ [bits]")
plots.show(fig, "gentle-play",
           "Gentle play on the two-bit toy. Left: L_N settles at H(y), the"
           " black rule. Right: the ends, all with nearly the same L1.",
           "Left: twenty curves meet a horizontal rule at 0.69. Right: a"
           " cloud of dots between 1 and 2 bits of x, and from 0 to"
           " more than 0.25 bits shared by the two parts.")

# %% [markdown]
# The game does its job: $z_S$ keeps the label, $z_N$ loses it,
# $\mathcal{L}_N$ ends at $H(y)$. But $\mathcal{L}_1$ is *all* that it
# minimises. Its ends fill a cloud: $z_S$ may hold one bit of $x$ or nearly
# two, and the two parts may share information; where they do,
# $\mathcal{L}_{DIB} = \mathcal{L}_1 + I(z_S; z_N)$ is not minimal. This is
# the sufficiency half of Theorem 2 failing in actual play
# ([chapter 4](04_theorem2.ipynb) shows it by enumeration).
#
# ## L_N has no ceiling
#
# An *ignorant* critic answers with the prior and loses $H(y)$. A *wrong*
# critic can lose any amount. Let it be a logistic unit on a real $z_N$ that
# has learnt "$z_N > 0$ means $y = 1$", and let $D$ hand it $z_N = -s$ for
# $y = 1$ and $+s$ for $y = 0$.

# %%
sizes = torch.tensor([0.0, 1, 10, 100])
losses = torch.nn.functional.softplus(sizes)  # -log sigmoid(-s)
assert torch.allclose(losses[2:], sizes[2:], atol=1e-4)
print([f"s = {s:.0f}: {loss:.2f}" for s, loss in zip(sizes, losses)])

# %% [markdown]
# At $s = 0$ the loss is $\ln 2$ and $z_N$ is empty. From there it grows in
# proportion to $s$, and so $-\mathcal{L}_N$ is unbounded below: the second
# half of Eq. (12) has *no minimum* for a fixed critic. And at every $s > 0$
# the sign of $z_N$ spells out the label.
#
# The same on a table: $x = y$ is a fair bit, $z_N$ copies it, and the
# critic has learnt to read it (up to one answer in ten thousand). Then $D$
# swaps the two code words.

# %%
coin = torch.eye(2).double() / 2  # x = y, one fair bit
same = torch.eye(2).double()[None]
swapped = same.flip(1)
sure = 1e-4 + (1 - 2e-4) * best_response(coin, same)

for name, code in {"as trained": same, "swapped": swapped}.items():
    fooled = cross_entropy(coin, code, sure).item()
    probe = cross_entropy(coin, code, best_response(coin, code)).item()
    print(f"{name}: L_N = {fooled:.2f}, fresh probe {probe:.2f}")
assert fooled > 10 * H_y and probe == 0

# %% [markdown]
# Swapping the two code words costs $D$ nothing and sends $\mathcal{L}_N$
# from about 0 to more than ten times $H(y)$. Yet a **fresh probe**, an
# approximator trained from scratch on the finished $z_N$, still reads $y$
# without error. This is the difference between a *fooled critic* and
# *removed information*. After the swap the critic relearns, and $D$ may
# swap back: a chase without end.
#
# ## Hasty play
#
# Do real descents run into this? Give $D$ a step 300 times larger than the
# critic's.

# %%
hasty = play(toy, games=60, rounds=300, rate=300,
             generator=torch.Generator().manual_seed(seed))
critic, probe = hasty.losses[:, 0, 1:].T  # the first game
assert critic.max() > 1.2 * H_y and probe[critic.argmax()] < 0.1 * H_y
left_over = (H_y - hasty.losses[-1, :, 2]) / H_y  # bits, since H(y) is one
assert left_over.mean() > 0.2

# %%
fig, ax = plt.subplots(figsize=(5.2, 2.9))
ax.plot(critic[:60], label="$\\mathcal{L}_N$, the critic in the game")
ax.plot(probe[:60], "--", label="$H(y|z_N)$, a fresh probe")
ax.axhline(H_y, color="k", lw=1)
ax.set(xlabel="round", ylabel="nats")
plots.legend(fig)
plots.show(fig, "hasty-play",
           "One hasty game. While the critic loses more than H(y), the"
           " black rule, a fresh probe reads the label from the same z_N.",
           "Two curves over 60 rounds. The critic's loss jumps above the"
           " rule at 0.69 and decays slowly; the probe's drops to 0.")

# %% [markdown]
# In the first rounds $D$ finds a code that makes the unready critic sure of
# the wrong label. The softmax tables of $D$ are then saturated, its
# gradient has vanished, and when the critic finally catches up, $z_N$ still
# spells out $y$. (Saturation is how a *table* gets stuck. A network may
# instead go on increasing its scale: the loss above has no ceiling.)
#
# ## Bounded forms
#
# What may $D$ be rewarded for, if not $-\mathcal{L}_N$? Three substitutes,
# with $p$ the prior of $y$ and $C$ classes:
#
# - **cap**, $-E \min(-\log q_N(y \mid z_N), H(y))$: no reward beyond
#   ignorance, video by video;
# - **prior**, $E \, KL(p \,\|\, q_N(\cdot \mid z_N))$: reward for ignorance
#   itself;
# - **flipped**, $-\frac{1}{C-1} E \sum_{c \ne y} \log q_N(c \mid z_N)$: the
#   critic is to fit a wrong label.
#
# The last is what AIL does, the work from which the paper takes its scheme;
# AIL never minimises minus a cross-entropy. The cap is bounded below by
# $-H(y)$, the others by 0. We play each, and the literal form, at four
# speeds of $D$ and ask a fresh probe what is left in $z_N$.

# %%
rates = [1, 30, 100, 300]
remains = {form: [] for form in FORMS}
for form in FORMS:
    for rate in rates:
        played = play(toy, form, games=60, rounds=300, rate=rate,
                      generator=torch.Generator().manual_seed(seed))
        remains[form].append((1 - played.losses[-1, :, 2] / H_y).mean())
assert max(remains["prior"] + remains["cap"]) < 0.1
assert min(remains["literal"][-1], remains["flipped"][-1]) > 0.3

# %%
fig, ax = plt.subplots(figsize=(5.2, 2.9))
for form, marker in zip(remains, "osD^"):
    ax.plot(rates, remains[form], marker + "-", ms=5, label=form)
ax.set(xscale="log", xlabel="step of $D$ (the critic's is 1)",
       ylabel="left in $z_N$ [bits]")
plots.legend(fig)
plots.show(fig, "bounded-forms",
           "What a fresh probe reads from z_N at the end, mean of 60 games."
           " The label has 1 bit.",
           "Four curves over the step size. All are near 0 for small steps;"
           " literal and flipped rise for large ones, cap and prior stay"
           " near 0.")

# %% [markdown]
# A patient disentangler removes the label, or nearly all of it, under every
# form. A hasty one leaves about half of it on average under the literal and
# the flipped form, and next to nothing under the two that reward
# *ignorance*. This is one toy with a symmetric label and plain gradient
# steps; it shows a mechanism and no ranking for networks. Those are
# measured from [chapter 12](12_table1.ipynb) on, and
# [chapter 10](10_training.ipynb) watches one train.
#
# A network differs in two ways. The residuals $+\mathbf{x}$ of Eqs. (6) and
# (11) put the input back into $z_N$, so that removing means cancelling. And
# a network has layers *below* $D$: if they too are paid for $\mathcal L_N$,
# they may drop the label for both parts. Chapter 12 runs either way.
#
# ## A bounded form can still only fool its critic
#
# The critic of a network is not a table. Say it is *additive*: it sees two
# bits of $z_N$ and adds up their evidence. Let $D$ send
# $z_N = (n, n \oplus y)$. Each bit alone is independent of $y$, so the best
# additive critic answers with the prior. Every form then sees perfect
# ignorance, $\mathcal{L}_N = H(y)$, and the label is there for whoever can
# compute an XOR.

# %%
hidden = torch.eye(4)[[0, 3, 1, 2]].double()[None]  # z_N = (n, n xor y)
bits = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]).double()
weights = torch.tensor([0.7, -0.4, 0.1]).double().requires_grad_()


def additive():
    score = bits @ weights[:2] + weights[2]
    return torch.stack([-score, score], 1).sigmoid()[None]


# %%
optimiser = torch.optim.SGD([weights], lr=1.0)
for _ in range(500):
    optimiser.zero_grad()
    cross_entropy(joint, hidden, additive()).sum().backward()
    optimiser.step()

# %%
critic = additive().detach()
kl, loss = (f(joint, hidden, critic) for f in (prior, cross_entropy))
fresh = cross_entropy(joint, hidden, best_response(joint, hidden))
assert abs(loss - H_y) < 1e-6 and abs(kl) < 1e-6 and fresh == 0
print(f"additive critic {loss.item():.3f} nats, KL to the prior "
      f"{abs(kl.item()):.3f}\na fresh table probe {fresh.item():.3f} nats")

# %% [markdown]
# Hence the rule of this study: $\mathcal{L}_N$ is reported but never read
# as "information removed". A fresh probe on the frozen $z_N$ decides, for
# every form, and even a probe gives only a lower bound on what is left: a
# stronger one might find more.
#
# ## Summary
#
# - At best response the game of Eqs. (4) and (5) minimises $\mathcal{L}_1$
#   exactly. It fixes neither $I(z_S; z_N)$ nor $I(x; z_S)$.
# - Away from best response $-\mathcal{L}_N$ is unbounded: $D$ gains by
#   making the critic wrong, which needs *more* information about $y$, not
#   less.
# - Rewarding ignorance (cap, prior) removes this incentive. AIL's flipped
#   labels bound it.
# - In every form only a fresh probe tells a fooled critic from a robbed
#   one.
#
# ## Exercises
#
# *Exercises 2 and 4 check an answer: `from book.assignments import check`, then `check("09.2")`
# says what to define, and what is wrong with it.*
#
# **1 (proof).** Show that at best response the literal, the prior and the
# flipped form are all minimised exactly when $z_N$ is independent of $y$
# (for the last two suppose that every class has positive probability).
#
# <details><summary>Solution</summary>
#
# Write $r_z = p(\cdot \mid z_N = z)$; its mean over $z$ is the prior $p$.
# Each form is $E_z \, \varphi(r_z)$ with $\varphi$ strictly convex:
#
# - literal: $\varphi(r) = \sum_c r_c \log r_c$;
# - prior: $\varphi(r) = \sum_c p_c \log (p_c / r_c)$;
# - flipped: $\varphi(r) = -\frac{1}{C-1} \sum_c (1 - r_c) \log r_c$, whose
#   second derivative in $r_c$ is proportional to $1/r_c + 1/r_c^2 > 0$.
#
# By Jensen's inequality $E \varphi(r_z) \ge \varphi(p)$, with equality
# exactly if $r_z = p$ for every $z$ that occurs: independence.
# $\blacksquare$
#
# </details>
#
# **2.** Show that the cap, taken video by video, has a blind spot even at
# best response. For three classes with prior $(.8, .1, .1)$ find a $z_N$
# that carries 0.2 bits about $y$ and is as good as a constant.
#
# <details><summary>Solution</summary>
#
# The cap replaces $\varphi$ by $-\sum_c r_c \min(-\log r_c, H(y))$. Where
# $r_c < e^{-H(y)}$ the minimum is the cap and the term is *linear* in
# $r_c$, so Jensen's inequality is an equality. Here $H(y) = 0.64$ nats and
# $e^{-H(y)} = 0.53$. Let class 1 go to either symbol with equal chance,
# class 2 to the first, class 3 to the second: $r = (.8, .2, 0)$ or
# $(.8, 0, .2)$, all below 0.53 where they differ.
#
# ```python
# from book.theory.game import cap
# from book.theory.information import mutual_information
# joint = torch.diag(torch.tensor([.8, .1, .1], dtype=torch.float64))
# told = torch.tensor([[[.5, .5], [1, 0], [0, 1]]], dtype=torch.float64)
# none = torch.full((1, 3, 2), .5, dtype=torch.float64)
# [cap(joint, z, best_response(joint, z)) for z in (told, none)]  # equal
# mutual_information(told[0].T @ joint)  # 0.2 bits
# ```
#
# A cap on the *mean* loss, $-\min(\mathcal{L}_N, H(y))$, has no such spot:
# at best response $\mathcal{L}_N \le H(y)$ and it equals the literal form.
# For equal class frequencies neither has.
#
# </details>
#
# **3.** Does training the critic longer cure the literal form? Play with
# `rate=300` and `critic_steps=20`, and explain what you see.
#
# <details><summary>Solution</summary>
#
# It helps and does not cure: the mean that is left in $z_N$ falls by more
# than half, but in a good part of the games the label still stays. Twenty
# steps of a fixed size do not reach best response against a $D$ that moves
# far in one round. The guarantee above needs a critic that is *at* its best
# response whenever $D$ moves, so what matters is the ratio of the two
# speeds, and the damage that one bad round can do.
#
# </details>
#
# **4.** Write what $D$ is paid for one video under the cap, and draw it
# over the probability that the critic gives to the true class. Where does
# the gradient stop?
#
# <details><summary>Solution</summary>
#
# `min(-math.log(p), H)`. It falls from $H(y)$ at $p \le e^{-H(y)}$ to 0 at
# $p = 1$. Below $e^{-H(y)}$ it is flat: making a wrong critic still more
# wrong earns nothing.
#
# </details>
