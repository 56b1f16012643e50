# %% [markdown]
# # 8. The disentangler, built in sixty lines
#
# **Question.** The paper splits the segments of a video into a *salient*
# embedding $z_S$ and a *non-salient* one $z_N$. What exactly does that
# module compute, and what does it leave in each part?
#
# **Answer.** Attention by a k-hot mask for one part, and by its complement
# for the other. The input is added to both, so that before any training both
# hold most of it.
#
# We build it here from its equations, on plain tensors, and then check
# that `tfe.Disentangler` gives the same numbers. You need the k-hot mask
# of chapter 7; the losses come in chapter 9.
#
# First the whole, then one head of it, with shapes: $B$ videos, $T$
# segments, width $d$, $H$ heads, each $c = d/H$ wide.

# %%
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
import torch
from einops import rearrange
from IPython.display import HTML

from book import plots
from tfe import systems
from tfe.adversary import losses, player_gradients
from tfe.disentangler import Disentangler
from data.files.paths import RESULTS

plots.style()

# %% tags=["parameters"]
B: int = 64  # videos
T: int = 16  # segments
d: int = 32  # width
H: int = 4  # heads
k: int = 4  # segments to keep
tau: float = 0.5  # temperature
seed: int = 0  # of weights, input and noise

# %%
whole = plots.diagram({
    "video": (0.6, 1.1, "video\nT segments", ""),
    "x": (1.95, 1.1, "x\n(B, T, d)", ""),
    "D": (3.3, 1.1, "disentangler\nD, Eq. (6)", "tfe"),
    "S": (4.75, 1.75, "$z'_S$\n(B, T, d)", "salient"),
    "N": (4.75, 0.45, "$z'_N$\n(B, T, d)", "non-salient"),
    "AS": (6.15, 1.75, "$A_S$: $\\mathcal{L}_S$\n(B, C)", "salient"),
    "AN": (6.15, 0.45, "$A_N$: $\\mathcal{L}_N$\n(B, C)", "non-salient")},
    [("video", "x", ""), ("x", "D", ""), ("D", "S", ""),
     ("D", "N", ""), ("S", "AS", ""), ("N", "AN", "")], (6.8, 2.2))
plots.show(whole, "flow", "The paper's Fig. 2, redrawn: an encoder and the"
           " layers that stay give x; D splits it; an approximator reads"
           " the label from each part. The approximators lower both"
           " losses; D lowers $\\mathcal L_S$ and raises $\\mathcal L_N$,"
           " Eq. (12). C classes.",
           alt="Boxes from video to x to D, which forks to the salient part"
           " and its loss, and the non-salient part and its.")

# %%
head = plots.diagram({
    "x": (0.55, 1.1, "x\n(B, T, d)", ""),
    "scores": (2.0, 1.1, "scores, Eq. (9)\n(B, H, T, T)", ""),
    "mask": (3.75, 1.1, "mask m, Eq. (8)\n(B, H, T, T)", "tfe"),
    "S": (5.7, 1.75, "m $xW_V$ + x\nEq. (10), (B, H, T, c)", "salient"),
    "N": (5.7, 0.45, "(1-m) $xW_V$ + x\nEq. (11), (B, H, T, c)",
          "non-salient")},
    [("x", "scores", ""), ("scores", "mask", ""), ("mask", "S", ""),
     ("mask", "N", "")], (6.9, 2.2))
plots.show(head, "temporal-disentanglement", "The paper's Fig. 3, redrawn:"
           " temporal disentanglement. A mask chooses what each row of the"
           " salient part sums over, its complement what the rest sums"
           " over; the heads are then joined, Eq. (6).",
           alt="Boxes from x to scores to mask, which forks to the salient"
           " and the non-salient sum.")

# %% [markdown]
# All weights are made here: three matrices, and two networks of two layers
# each. The input is noise: this chapter is about what the module *can* do,
# before any training.

# %%
torch.manual_seed(seed)
x = torch.randn(B, T, d).double()
W_Q, W_K, W_V = torch.randn(3, d, d).double() / d**0.5


def two_layers(hidden=4 * d):
    """The weights of a feed-forward network, d to d."""
    inner, outer = (torch.randn(n, m).double() / n**0.5
                    for n, m in ((d, hidden), (hidden, d)))
    b, c = (torch.zeros(n).double() for n in (hidden, d))
    return inner, b, outer, c


to_S, to_N = two_layers(), two_layers()

# %% [markdown]
# ## Who looks at whom: Eq. (9)
#
# $$\alpha(x) = \frac{(x W_Q)(x W_K)^\top}{\sqrt{c}}$$
#
# Every segment asks (a *query*, one row) about every segment (a *key*, one
# column). The paper writes $\sqrt d$ for heads of full width; a head that
# is $c$ wide divides by $\sqrt c$.

# %%
def heads(z):
    return rearrange(z, "b t (h c) -> b h t c", h=H)


alpha = heads(x @ W_Q) @ heads(x @ W_K).mT / (d // H) ** 0.5
alpha.shape

# %% [markdown]
# ## The mask: Eq. (8)
#
# $$\begin{aligned} m &= \max_{j \le k} \operatorname{softmax}\!\Big(
#   \frac{\alpha(x) + g_j}{\tau}\Big), \\
#   g_j &\sim \text{Gumbel}(0, 1) \end{aligned}$$
#
# $k$ noisy soft choices, and the larger of them wherever they overlap. At
# test the noise is switched off and the $k$ largest scores get a one.

# %%
def mask_in_training(alpha, generator):
    e = torch.empty(k, *alpha.shape).double()
    gumbel = -e.exponential_(generator=generator).log()
    return ((alpha + gumbel) / tau).softmax(-1).amax(0)


def mask_at_test(alpha):
    top = alpha.topk(k, dim=-1).indices
    return torch.zeros_like(alpha).scatter(-1, top, 1.0)

# %% [markdown]
# ## Two embeddings from one mask: Eqs. (10), (11), (6)
#
# $$\begin{aligned} z_S^h &= f_S(m\,xW_V + x), \\
#   z_N^h &= f_N((1-m)\,xW_V + x) \end{aligned}$$
#
# $$\begin{aligned} z'_S &= f_{DS}([z_S^1 \dots z_S^H]) + x, \\
#   z'_N &= f_{DN}([z_N^1 \dots z_N^H]) + x \end{aligned}$$
#
# Note the `+ x`: it stands in all three equations, (6), (10) and (11). What
# $D$ gives and the approximators read is $z'_S$ and $z'_N$, and these are
# what `Disentangler(x)` gives. Where no head is meant, this book leaves the
# prime out.
#
# The defaults of `tfe` take $f_S$ and $f_N$ as the identity and
# $f_{DS}, f_{DN}$ as the feed-forward networks of a Transformer: linear,
# ReLU, linear. It is one of the few readings that gives the parameter counts
# the paper prints ([chapter 17](17_table4.ipynb)).
# $[\,\cdot\,]$ joins the heads.

# %%
def feed_forward(z, weights):
    inner, b, outer, c = weights
    return (z @ inner + b).relu() @ outer + c


def disentangle(x, m):
    v, own = heads(x @ W_V), heads(x)
    z_s, z_n = m @ v + own, (1 - m) @ v + own
    z_s, z_n = (rearrange(z, "b h t c -> b t (h c)") for z in (z_s, z_n))
    return feed_forward(z_s, to_S) + x, feed_forward(z_n, to_N) + x

# %% [markdown]
# ## Check: the same numbers as `tfe`
#
# A `tfe.Disentangler` is given our weights (torch keeps a layer's matrix
# transposed). In training with the same noise, and at test:

# %%
def noise():
    return torch.Generator().manual_seed(seed)


D = Disentangler(d, H, k, tau).double()
own = {f"split.to_{n}.weight": W.T for n, W in zip("qkv", (W_Q, W_K, W_V))}
for name, (inner, b, outer, c) in (("f_ds", to_S), ("f_dn", to_N)):
    own |= {f"{name}.0.weight": inner.T, f"{name}.0.bias": b,
            f"{name}.2.weight": outer.T, f"{name}.2.bias": c}
D.load_state_dict(own)  # all of them, or it raises


gap = 0.0
for train in (True, False):
    m = mask_in_training(alpha, noise()) if train else mask_at_test(alpha)
    ours, theirs = disentangle(x, m), D.train(train)(x, noise())
    gap = max(gap, *((a - b).abs().max().item()
                     for a, b in zip((*ours, m), theirs)))
assert gap < 1e-12

# %% [markdown]
# ## What a mask looks like
#
# One head of one video, untrained: the scores as a softmax, one draw of
# the training mask, the test mask, and its complement, which feeds $z_N$.

# %%
pictures = {
    "softmax of scores": alpha.softmax(-1), "m in training":
    mask_in_training(alpha, noise()), "m at test": mask_at_test(alpha),
    "1 - m at test": 1 - mask_at_test(alpha)}
fig, axes = plt.subplots(1, 4, figsize=(7, 2.3), sharey=True)
for ax, (name, picture) in zip(axes, pictures.items()):
    ax.imshow(picture[0, 0].detach(), cmap="Blues", vmin=0, vmax=1)
    ax.set(xlabel="segment", xticks=[0, 15], yticks=[0, 15])
    ax.set_title(name, fontsize=10)
axes[0].set_ylabel("query row")
plots.show(
    fig, "mask", "One head of an untrained disentangler on noise: T x T "
    "weights. Every row is a mask of its own.", alt="Four 16 by 16 grids: "
    "a pale softmax, a patchy draw, 4 ones a row, 12 ones a row.")

# %% [markdown]
# **What it says.** There is no single "temporal attention" here: every
# query row of every head has a mask of its own. To draw one strip of T
# weights, as the paper's figures do, the rows and heads must be averaged,
# and the paper does not say how. Our read-out is the mean over heads and
# rows of the softmax of the scores (`Disentangler.saliency`).

# %%
strip = D.saliency(x)
assert torch.allclose(strip, alpha.softmax(-1).mean((1, 2)))
assert torch.allclose(strip.sum(-1), torch.ones(B).double())
used = mask_at_test(alpha)[0].amax((0, 1)).sum().item()
assert used == T
print(f"segments in at least one of the {H * T} masks: {used:.0f} of {T}")

# %% [markdown]
# With $k = 4$ of 16, the masks of all rows and heads together cover the
# video: in this untrained one *every* segment is in some mask.
#
# ## What stays in the non-salient part
#
# $z_N$ should end up without the label. Yet $x$ is added to it twice.
# How well can a linear map read $x$ back from $z'_N$? Least squares, and
# the share of the variance of $x$ that it explains, on videos that the
# map was not fitted on:

# %%
def explained(z, x, half=B // 2):
    z, x = (rearrange(a, "b t d -> b t d").detach() for a in (z, x))
    fit = torch.linalg.lstsq(z[:half].flatten(0, 1),
                             x[:half].flatten(0, 1)).solution
    rest = x[half:] - z[half:] @ fit
    return 1 - (rest.var() / x[half:].var()).item()


recovered = {}
for residual in (True, False):
    torch.manual_seed(seed)
    D2 = Disentangler(d, H, k, tau, residual=residual).double().eval()
    recovered[residual] = [explained(z, x) for z in D2(x)[:2]]
table = pd.DataFrame(recovered, index=["z_S", "z_N"]).round(2)
table.columns = ["with + x", "without + x"]
assert (table["with + x"] > 0.5).all()
table

# %%
fig, ax = plt.subplots(figsize=(5.6, 2.4))
long = table.melt(ignore_index=False, var_name="residual").reset_index()
sns.barplot(long, x="value", y="index", hue="residual", ax=ax)
ax.set(xlabel="share of the variance of x explained", ylabel="",
       xlim=(-0.1, 1))
sns.move_legend(ax, "center left", bbox_to_anchor=(1, 0.5), title=None)
plots.show(fig, "residual", "How much of x a linear map reads from each"
           " part of an untrained disentangler, on held-out noise.",
           alt="Bars near .9 with the residual, about 0 without.")

# %% [markdown]
# **What it says.** With the paper's residuals both parts hold most of
# $x$ before training, and the game can only remove what $f_{DN}$ learns
# to cancel. **What it does not say:** that a trained $z'_N$ still holds the
# label. That needs a trained network and a fresh probe (chapter 9 shows
# the idea on tables).
#
# ## One hand of the game: Eqs. (7), (12)
#
# $A_S$ and $A_N$ read the label from the two parts; $\mathcal L_S$ and
# $\mathcal L_N$ are their cross-entropies, Eq. (7). Together they are the
# player $A$, and $D$ is the other. [Chapter 9](09_game.ipynb) plays on
# tables, [chapter 10](10_training.ipynb) trains a network. $A$ descends
# along $\nabla(\mathcal L_S + \mathcal L_N)$, $D$ along
# $\nabla(\mathcal L_S - \mathcal L_N)$. Both gradients can be taken from one
# forward pass; here they are against two separate ones.

# %%
torch.manual_seed(seed)
system = systems.build("tfe", "bike", 5, d, "multilabel").double()
batch = {"features": x, "targets": (torch.rand(B, 5) < 0.3).double(),
         "prior": torch.full((5,), 0.3).double()}
both, _ = player_gradients(system, batch, noise())
now = losses(system, batch, noise())
for player, sign in (("approximators", 1), ("disentangler", -1)):
    alone = torch.autograd.grad(
        now.loss_s + sign * now.loss_n, system.players()[player],
        retain_graph=True, allow_unused=True)
    assert all((a - b).abs().max() < 1e-12
               for a, b in zip(both[player], alone))
print("one pass gives each player its own gradient")

# %% [markdown]
# ## Where the paper is silent
#
# Building this took decisions that the paper does not spell out. Each is
# an option, and four of them matter most for reading the results:
#
# - *where TFE begins*: at random weights, or *warm*, where the plain head
#   ended. Warm, the last layers of $f_{DS}$ and $f_{DN}$ are zero, so that
#   $z'_S = z'_N = x$: $D$ begins as the identity;
# - *how deep it reaches*: it replaces the classifier alone, or the temporal
#   layers too;
# - *who trains the layers below $D$*: they may follow $\mathcal L_S$, or
#   $D$'s own $\mathcal L_S - \mathcal L_N$;
# - *what it is compared with*: the plain head, or that head *trained on*.
#
# Of these, [chapter 12](12_table1.ipynb) varies two: the control, with
# nothing else changed, and the loss below $D$, where on BIKE the rate
# changes too. Start and depth change together with other things. The page [Where the paper is silent](silent.md) says why each default
# was chosen.

# %%
choices = pd.read_csv(RESULTS / "choices.csv", keep_default_na=False)
HTML(choices[["open question", "our default", "the other way"]].to_html(
    index=False, border=0, classes="prose"))

# %% [markdown]
# ## Summary
#
# - The module is attention with a k-hot mask; its complement feeds a
#   second stream.
# - The mask is T x T: one for every query row and head. Together, untrained
#   ones leave no segment of a video out.
# - The `+ x` keeps the input in both parts; removal must be learnt.
# - Both players' gradients come from one forward pass.
# - Where TFE begins, how deep it reaches and who trains the layers below
#   $D$ are decisions; the paper leaves them open.
#
# ## Exercises
#
# *Exercises 1 and 2 check an answer: `from book.assignments import check`, then `check("08.1")`
# says what to define, and what is wrong with it.*
#
# 1. Show that without the residual and with $f_S = f_N = $ identity,
#    $z_S^h + z_N^h$ is the same in every row, whatever the mask.
#
# <details><summary>Solution</summary>
#
# $m\,xW_V + (1-m)\,xW_V = \mathbf 1\mathbf 1^\top xW_V$: every row is the
# sum of all values. So $z_N^h$ is a known constant of the video minus
# $z_S^h$: given that sum, the two parts hold the same information. A mask
# can move information between them only because the sum is not given.
#
# </details>
#
# 2. What are $m$ and $z_N$ at test when $k = T$? And in training?
#
# <details><summary>Solution</summary>
#
# At test $m$ is all ones, $1 - m = 0$, and $z'_N = f_{DN}(x) + x$. In
# training $m$ is still the maximum of T soft draws *with replacement*; it
# misses segments, and its row sum is well below T. Training and test then
# feed $f_{DN}$ different things.
#
# </details>
#
# 3. A warm start sets the last layers of $f_{DS}$ and $f_{DN}$ to zero. Do
#    so with `system.disentangler` of the game cell, and take `D`'s gradient
#    again. Which of its parameters get one that is not zero? What are $z'_S$
#    and $z'_N$?
#
# <details><summary>Solution</summary>
#
# ```python
# D = system.disentangler
# for layer in (D.f_ds[2], D.f_dn[2]):
#     torch.nn.init.zeros_(layer.weight), torch.nn.init.zeros_(layer.bias)
# found = player_gradients(system, batch, noise())[0]["disentangler"]
# [name for (name, _), g in zip(D.named_parameters(), found) if g.any()]
# ```
#
# The four weights and biases of the zeroed layers, and no other: their
# inputs are not zero, and everything before them in $D$ is multiplied by
# zero. Both parts are $x$ itself. So the game starts with two equal parts,
# and the mask begins to matter only as these layers grow.
#
# </details>
