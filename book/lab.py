# %% [markdown]
# # The laboratory
#
# Three experiments with live dials. They need a kernel: open this notebook
# with `make lab` and run all cells (on a page of the site you see the code
# alone). Every dial also answers to the arrow keys. Before you turn one,
# say what you expect.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from ipywidgets import interact

from book import plots
from tfe import hard_khot, relaxed_khot
from book.theory.bottleneck import gaussian_bottleneck, gaussian_spectrum
from book.theory.game import FORMS, play

plots.style()

# %% tags=["parameters"]
segments: int = 8  # of the mask
seed: int = 0  # of the draws and of the game

# %% [markdown]
# ## The mask, in training and at test
#
# Chapter [7](07_khot.ipynb). Eight segments; `spread` is how far apart
# their logits lie. Above, three draws of Eq. (8); below, the mask at test.
#
# *Find* a setting at which training and test show the network nearly the
# same thing. What did you have to give up?

# %% tags=["live"]
def masks(k=4, tau=0.5, spread=1.8):
    logits = torch.linspace(spread, -spread, segments)
    rng = torch.Generator().manual_seed(seed)
    drawn = [relaxed_khot(logits, k, tau, rng) for _ in range(3)]
    seen = torch.stack([*drawn, hard_khot(logits, k)])
    fig, ax = plt.subplots(figsize=(6.4, 2.4))
    ax.imshow(seen, vmin=0, vmax=1, cmap="cividis", aspect="auto")
    ax.set_yticks(range(4), ["draw 1", "draw 2", "draw 3", "test"])
    ax.set_xticks(range(segments), range(1, segments + 1))
    ax.set_xlabel("segment")
    plt.show()
    return {"row sums": [round(row, 2) for row in seen.sum(1).tolist()]}


mask = interact(masks, k=(1, segments), tau=(0.02, 3.0, 0.02),
                spread=(0.0, 6.0))

# %% [markdown]
# ## The bottleneck of two Gaussians
#
# Chapter [2](02_bottleneck.ipynb). The line touches the curve where its
# slope is $1/\beta$; that point is the best representation.
#
# *Find* the weight below which it is best to keep nothing, at three values
# of the correlation, and compare with $1/\rho^2$.

# %% tags=["live"]
def bottleneck(beta=3.0, correlation=0.8):
    spectrum = gaussian_spectrum(1, correlation, 1)
    line = np.array([gaussian_bottleneck(spectrum, b)
                     for b in np.geomspace(1.01, 60, 200)])
    kept, told = gaussian_bottleneck(spectrum, beta)
    fig, ax = plt.subplots()
    ax.plot(*line.T)
    ax.plot(kept, told, "o")
    ax.axline((kept, told), slope=1 / beta, color="k", lw=1, ls=":")
    ax.set(xlabel="$I(x;z)$ [bits]", ylabel="$I(z;y)$ [bits]")
    plt.show()
    return {"I(x;z)": round(kept, 3), "I(z;y)": round(told, 3)}


curve = interact(bottleneck, beta=(1.05, 20.0), correlation=(0.1, 0.95))

# %% [markdown]
# ## The game on the two-bit toy
#
# Chapter [9](09_game.ipynb). `step` is how much faster $D$ moves than its
# critic. Solid: the critic's loss $\mathcal L_N$; dashed: what a fresh
# probe of the same $z_N$ loses; black: ignorance, $H(y)$.
#
# *Find*, for each form, a step at which the critic is fooled and the label
# is still there.

# %% tags=["live"]
def game(form="literal", step=100):
    toy = np.kron(np.eye(2), np.ones((2, 1))) / 4  # x = (y, n)
    played = play(toy, form, games=1, rounds=200, rate=step,
                  generator=torch.Generator().manual_seed(seed))
    critic, probe = played.losses[:, 0, 1:].T
    fig, ax = plt.subplots()
    ax.plot(critic)
    ax.plot(probe, "--")
    ax.axhline(np.log(2), color="k", lw=1)
    ax.set(xlabel="round", ylabel="nats", xscale="log")
    plt.show()
    left = float(1 - probe[-1] / np.log(2))
    return {"worst loss of the critic": round(float(critic.max()), 2),
            "left in z_N, bits": round(left, 2)}


hand = interact(game, form=list(FORMS), step=(1, 300))
