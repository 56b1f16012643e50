# %% [markdown]
# # 2. The bottleneck
#
# **Question.** The paper says that attention models follow the information
# bottleneck, Eq. (1). What is the best that this objective can reach, and
# does Eq. (1) as printed ask for it?
#
# **Answer.** Eq. (1) as printed is never negative, and a constant reaches
# its 0. So it asks for nothing to be kept. Only above a critical weight on
# the second term, at least 1, is it worth keeping anything. As the weight
# grows, the best points trace a curve.
#
# The information bottleneck (Tishby, Pereira and Bialek, 2000) wants a
# representation $z$ of $x$ that is small, $I(x;z)$ low, and useful,
# $I(z;y)$ high. A weight $\beta$ sets the exchange rate:
#
# $$F_\beta(z) = I(x; z) - \beta \, I(z; y).$$
#
# Eq. (1) of the paper is $F_\beta$ with $\beta = 1$ and $z = z_S$. We trace
# the whole trade-off exactly, check it against the one case with a closed
# form, and then look at two places where it breaks down. All numbers are in
# bits.

# %%
import matplotlib.pyplot as plt
import numpy as np

from book import plots, sliders
from book.theory.bottleneck import (blahut_arimoto, curve,
                                    gaussian_bottleneck, gaussian_spectrum,
                                    gaussian_table, plane)
from book.theory.information import encode, entropy, information_bottleneck

plots.style()

# %% tags=["parameters"]
rho: float = 0.8  # correlation of the two Gaussians
beta: float = 4.0  # weight of the descent that is followed
encoders: int = 5000  # random ones, tried against Eq. (1)
seed: int = 0  # of all that is random here

# %% [markdown]
# ## The curve, by alternating minimisation
#
# Fix $\beta$. If $p(z)$ and $p(y \mid z)$ were given, the best encoder
# would be
#
# $$p(z \mid x) \propto p(z) \,
#   2^{-\beta \, KL(p(y \mid x) \,\|\, p(y \mid z))},$$
#
# with $KL(p \,\|\, q) = \sum_y p(y) \log_2 (p(y) / q(y))$, the price in bits
# of taking $q$ for $p$. In words, a point goes to the codes that predict
# its label well, and to popular codes. Given the encoder, Bayes' rule
# returns $p(z)$ and $p(y \mid z)$. Alternating the two is the
# Blahut-Arimoto iteration. One round of it is the second half of the next
# cell.

# %%
rng = np.random.default_rng(seed)
p_xy = rng.dirichlet(np.ones(15)).reshape(5, 3)
start = rng.dirichlet(np.ones(4), size=5)  # p(z|x), 5 points, 4 codes

p_x, p_z = p_xy.sum(1), p_xy.sum(1) @ start
p_y_x, p_y_z = p_xy / p_x[:, None], start.T @ p_xy / p_z[:, None]
kl = (p_y_x[:, None] * np.log2(p_y_x[:, None] / p_y_z)).sum(2)
better = p_z * 2 ** (-beta * kl)
better /= better.sum(1, keepdims=True)

# %% [markdown]
# The library does the same until nothing changes. Every half step is a
# minimisation, so $F_\beta$ can only fall; both facts are asserted.

# %%
one = blahut_arimoto(p_xy, beta, start, steps=1)
assert np.allclose(one.encoder, better)

found = blahut_arimoto(p_xy, beta, start)
assert (np.diff(found.trace) < 1e-12).all()
print(f"F falls from {found.trace[0]:+.3f} to {found.trace[-1]:+.3f} bits")

# %% [markdown]
# A descent may end in a local minimum. `curve` therefore anneals: it starts
# at a large $\beta$, where keeping all of $x$ is a good guess, and carries
# the solution down to small ones. Sweeping $\beta$ draws the *bottleneck
# curve*, the highest $I(z;y)$ for each $I(x;z)$.
#
# ## A check that is not circular: Gaussians
#
# For jointly Gaussian $x$ and $y$ the problem is solved on paper (Chechik,
# Globerson, Tishby and Weiss, 2005). For scalars with correlation $\rho$
# only one number matters, $\lambda = 1 - \rho^2$, the share of $x$'s
# variance that $y$ leaves open. Up to the *critical* weight
# $\beta_c = 1 / (1 - \lambda) = 1/\rho^2$ the best $z$ is a constant; above
# it,
#
# $$\begin{aligned}
#   I(x;z) &= \tfrac12 \log_2 \frac{(\beta - 1)(1 - \lambda)}{\lambda}, \\
#   I(z;y) &= I(x;z) - \tfrac12 \log_2 \beta (1 - \lambda).
#   \end{aligned}$$
#
# Our algorithm knows nothing of Gaussians. We hand it the density on a grid
# of 41 by 41 points, and compare. (`gaussian_spectrum` takes the variance
# of $x$, the covariance and the variance of $y$.)

# %%
grid = gaussian_table(rho, points=41)
spectrum = gaussian_spectrum(1, rho, 1)
betas = np.array([1, 1.3, 1.5, 1.7, 2, 2.5, 3, 4, 6, 10, 16])
traced = np.array([[s.complexity, s.relevance]
                   for s in curve(grid, betas, steps=600)])

# %%
closed = np.array([gaussian_bottleneck(spectrum, b) for b in betas])
assert np.allclose(traced, closed, atol=5e-4)
print(f"critical beta: {1 / rho**2:.4f}")

# %% [markdown]
# In the figure, the left panel is the curve; the right panel shows $I(z;y)$
# waking up at the critical weight.

# %%
fine = np.geomspace(1.01, 60, 400)
line = np.array([gaussian_bottleneck(spectrum, b) for b in fine])


def draw(ax, smooth, at, **labels):
    ax.plot(smooth, line[:, 1], label="closed form")
    ax.plot(at, traced[:, 1], "o", ms=5, label="Blahut-Arimoto")
    ax.axhline(-0.5 * np.log2(1 - rho**2), color="k", lw=1)
    ax.set(ylim=(-0.02, 0.8), **labels)


# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(7, 3))
draw(left, line[:, 0], traced[:, 0], xlabel="$I(x;z)$", ylabel="$I(z;y)$")
draw(right, fine, betas, xlabel="$\\beta$", xscale="log")
left.axline((0, 0), slope=1, color="k", lw=1, ls=":")
right.axvline(1 / rho**2, color="k", lw=1, ls="--")
plots.legend(fig)
plots.show(fig, "gaussian-bottleneck",
           f"The bottleneck of two Gaussians with correlation {rho}, in"
           " bits. Solid rule: I(x;y). Dotted: the data processing bound."
           " See the dots on the line, and I(z;y) at 0 up to the dashed"
           " weight.",
           "Left: dots on a concave curve that rises towards a horizontal"
           " rule. Right: the same dots over beta, zero up to a dashed"
           " line at 1.56, then rising.")

# %% [markdown]
# Dots and curve agree to better than a thousandth of a bit. The price of
# usefulness grows along the curve: its slope at a dot is $1/\beta$, and all
# of $I(x;y)$ is only approached, as $I(x;z)$ grows without bound. (At much
# larger weights the grid itself would begin to show, because a table of 41
# points is not a Gaussian.)
#
# What this does *not* say: that a network trained with cross-entropy lands
# on this curve. It is the frontier of the possible, nothing more.
#
# ## Eq. (1) with its printed weights
#
# Now put $\beta = 1$, as Eq. (1) has it. For every representation that is
# computed from $x$, the chain rule and the Markov chain $y - x - z_S$ give
#
# $$I(x; z_S) - I(z_S; y) = I(x; z_S \mid y) \ge 0.$$
#
# A constant $z_S$ scores 0. So a constant is optimal: *to keep nothing* is
# a minimiser of Eq. (1), whatever the data. In the figure above, no part of
# the curve reaches the dotted diagonal except the origin.

# %%
tried = rng.dirichlet(np.full(5, 0.3), size=(encoders, 5))
laws = [encode(p_xy, z_S=encoder) for encoder in tried]
scores = [information_bottleneck(law) for law in laws]  # Eq. (1)
constant = information_bottleneck(encode(p_xy, z_S=[0] * 5))
assert constant == 0 and min(scores) > 0
print(f"constant: {constant} bits; best of {encoders:,}: "
      f"{min(scores):.4f} bits")

# %% [markdown]
# This is a slip rather than a discovery: the bottleneck of the literature
# carries a $\beta > 1$, and models are trained with cross-entropy. The least
# cross-entropy is $H(y \mid z_S) = H(y) - I(z_S; y)$, so lowering it raises
# $I(z_S; y)$ and asks for nothing else. But it means that Eq. (1) as printed
# cannot be what "attention models minimise".
#
# ## When the label is a function of the input
#
# In action recognition a clip is taken to have a definite label:
# $y = f(x)$. Then $I(x; y) = H(y)$, and the curve degenerates. The
# representation $z = y$ sits at the corner $(H(y), H(y))$. Erasing it with
# probability $1 - a$ gives the point $(a H(y), a H(y))$: the whole diagonal
# is attained, and by the DPI nothing lies above it. The curve is a straight
# line and then flat.

# %%
labels = np.array([0, 0, 0, 1, 1, 2])
p_x = np.array([0.1, 0.2, 0.1, 0.3, 0.1, 0.2])
p_fx = np.where(labels[:, None] == np.arange(3), p_x[:, None], 0)
h_y = entropy(p_fx.sum(0))

# %%
ladder = []
for a in np.linspace(0, 1, 11):
    kept = a * np.eye(4)[labels]  # z = y with probability a,
    kept[:, 3] = 1 - a  # and a blank otherwise
    ladder.append(plane(p_fx, kept))
assert np.allclose(ladder, np.linspace(0, h_y, 11)[:, None])

# %% [markdown]
# On a straight edge a linear weight has nothing to hold on to. Minimising
# $F_\beta$ finds the origin for every $\beta < 1$ and the corner for every
# $\beta > 1$; no weight finds a point between (Kolchinsky, Tracey and Van
# Kuyk, 2019). At $\beta = 1$, Eq. (1), all of the edge ties: $z = y$ scores
# 0, as a constant does, and no better. A remedy is to square the cost,
# $I(x;z)^2 - \beta I(z;y)$: along the edge $r = I(x;z)$ it is
# $r^2 - \beta r$, which is smallest at $r = \beta / 2$.

# %%
weights = np.r_[0.25:1:0.25, 0.95, 1.05, 1.25:4.1:0.25]
linear = [s.complexity for s in curve(p_fx, weights)]
assert np.allclose(linear, np.where(weights < 1, 0, h_y), atol=1e-4)

edge = np.linspace(0, h_y, 401)  # I(x;z) = I(z;y), attained as above
squared = [edge[np.argmin(edge**2 - b * edge)] for b in weights]
assert np.allclose(squared, np.minimum(weights / 2, h_y), atol=0.01)

# %% [markdown]
# How much of $x$ each objective keeps as its weight grows.

# %%
fig, ax = plt.subplots(figsize=(5, 2.9))
ax.plot(weights, linear, "o-", label="$I(x;z) - \\beta I(z;y)$")
ax.plot(weights, squared, "s--", label="$I(x;z)^2 - \\beta I(z;y)$")
ax.axhline(h_y, color="k", lw=1)
ax.set(xlabel="$\\beta$", ylabel="$I(x;z)$ at the minimum [bits]")
plots.legend(fig)
plots.show(fig, "deterministic-bottleneck",
           "When y = f(x), the linear form jumps from nothing to H(y); the"
           " squared form visits the points between.",
           "Two curves over beta. The linear form is 0 below beta = 1 and"
           " H(y), a horizontal rule, above. The squared form climbs in a"
           " straight line until it meets the rule.")

# %% [markdown]
# The lines between markers only guide the eye; the circles jump.
#
# Turn the dial yourself. Left, the smooth curve of the Gaussians: the best
# point is where a line of slope $1/\beta$ touches it, and it slides. Right,
# the straight edge of $y = f(x)$: the linear form's best point jumps from
# one end to the other as $\beta$ passes 1, the squared form's slides.

# %%
def dial(b):
    fig, (left, right) = plt.subplots(1, 2, figsize=(6.8, 2.8))
    best = gaussian_bottleneck(spectrum, b)
    left.plot(*line.T)
    left.axline(best, slope=1 / b, color="k", lw=1, ls=":")
    left.plot(*best, "o")
    left.set(xlim=(-0.1, 3.6), ylim=(-0.05, 0.85))
    ends = [edge[c.argmin()] for c in (edge - b * edge, edge**2 - b * edge)]
    right.plot([0, h_y, 3], [0, h_y, h_y])
    for end, mark, name in zip(ends, "os", ("linear", "squared")):
        right.plot(end, end, mark, label=name)
    return fig, (left, right), (*best, *ends)


def frame(b):
    fig, axes, at = dial(b)
    plots.legend(fig)
    for ax, title in zip(axes, ("two Gaussians", "$y = f(x)$")):
        ax.set(xlabel="$I(x;z)$", ylabel="$I(z;y)$", title=title)
    words = ("Gaussians: keeps {:.2f} bits, of which {:.2f} of the label."
             " Function: linear form at {:.2f} bits, squared at {:.2f}.")
    return f"beta = {b:g}", fig, words.format(*at)


# %% tags=["nbval-ignore-output"]
dials = [0.5, 0.9, 1.1, 1.4, 1.6, 2, 2.5, 3, 4, 6, 10]
sliders.show([frame(b) for b in dials], "beta",
             "The best point of each curve at one weight, in bits; dotted,"
             " a line of slope 1/beta. On the left it leaves the origin at"
             " the critical weight and slides; on the right it jumps.")

# %% [markdown]
# Two lessons follow. First, for $y = f(x)$ a "trade-off" tuned by $\beta$
# is no dial but a switch. Second, the target is known in advance: it is the
# corner $I(x; z) = I(z; y) = H(y)$, called *maximum compression*. Pan et
# al. (2021) proposed the disentangled bottleneck in order to aim at that
# corner without a $\beta$. Whether the paper's version of their objective,
# Eq. (2), hits it is the question of [chapter 3](03_theorem1.ipynb).
#
# ## Summary
#
# - Blahut-Arimoto traces the bottleneck curve of any finite table; on a
#   discretised Gaussian it meets the closed form.
# - Eq. (1) weighs both terms equally, is never negative by data processing,
#   and has a constant $z_S$ among its minimisers.
# - When the label is a function of the input, the curve is a straight edge
#   with a corner. The linear form $F_\beta$ finds only its two ends.
#
# ## Exercises
#
# *Exercises 2 and 3 check an answer: `from book.assignments import check`, then `check("02.2")`
# says what to define, and what is wrong with it.*
#
# **1 (proof).** Which *deterministic* representations $z_S = g(x)$ minimise
# Eq. (1)? Show that they are exactly the ones that can be computed from $x$
# and also, with certainty, from $y$.
#
# <details><summary>Solution</summary>
#
# For $z_S = g(x)$, $I(x; z_S) = H(z_S)$, so Eq. (1) is
# $H(z_S) - I(z_S; y) = H(z_S \mid y)$. The minimum is 0, reached by a
# constant, hence minimisers are exactly those with $H(g(x) \mid y) = 0$:
# almost surely $g(x)$ is a function of $y$. Such a $z_S$ is a *common
# function* of $x$ and $y$. If every $x$ can meet every $y$, only constants
# are; if $y = f(x)$, every function of $y$ is one, among them $y$ itself.
# $\blacksquare$
#
# </details>
#
# **2.** Find the smallest $\beta$ at which the bottleneck of a fair bit
# behind a binary symmetric channel with flip probability $\epsilon$ is not
# trivial, first by experiment, then as a formula. (Hint: let $z$ be a weak
# reading of $x$, right with probability $\frac12 + \delta$, and expand to
# second order in $\delta$.)
#
# <details><summary>Solution</summary>
#
# With `p = np.array([[1 - e, e], [e, 1 - e]]) / 2`, sweep `curve(p, betas)`
# and look where `complexity` leaves 0: for $\epsilon = 0.1$ near 1.56.
# Formula: let $z$ be a weak reading of $x$, $p(z{=}x) = \frac12 + \delta$.
# Then $I(x;z) \approx 2 \delta^2 / \ln 2$ and, after the channel,
# $I(z;y) \approx 2 \delta^2 (1 - 2\epsilon)^2 / \ln 2$. The second order
# terms of $F_\beta$ turn negative at $\beta_c = (1 - 2 \epsilon)^{-2}$:
# with $\rho = 1 - 2\epsilon$ the same $1/\rho^2$ as for Gaussians.
#
# </details>
#
# **3.** Show that on the Gaussian curve the slope $dI(z;y) / dI(x;z)$ is
# $1 / \beta$, and say why the same must hold for every smooth bottleneck
# curve.
#
# <details><summary>Solution</summary>
#
# Differentiate the two closed forms:
#
# $$\frac{dI(x;z)}{d\beta} = \frac{1}{2 \ln 2} \cdot \frac{1}{\beta - 1},$$
#
# $$\frac{dI(z;y)}{d\beta} = \frac{1}{2 \ln 2}
#   \left(\frac{1}{\beta - 1} - \frac{1}{\beta}\right)
#   = \frac{1}{2 \ln 2} \cdot \frac{1}{\beta (\beta - 1)}.$$
#
# The ratio is $1/\beta$. In general, a minimiser of $r - \beta R(r)$ over
# the curve $R$ satisfies $1 = \beta R'(r)$.
#
# </details>
