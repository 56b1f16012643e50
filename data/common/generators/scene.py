"""The scene of a planted video: which one it is, and what it looks like.

A scene may stand for an action: with the probability `rho` that is the knob of the planted sets.
"""

import numpy as np

SCENES = 12  # as many as actions, so that each action has one
HUE = 0.1  # jitter of a scene's hue, in parts of the distance to the next scene's


def drawn(rng, first, rho):
    """The scene of the action `first` with probability `rho`, else one that is uniform over all.

    Both numbers are always drawn: two values of rho share all scenes that they can.
    """
    agrees, other = rng.random() < rho, int(rng.integers(SCENES))
    return first if agrees else other


def scenery(scene, side, rng):
    """The background of scene `scene`: `(side, side, 3)` float32, 0-255.

    A scene is one of four layouts in one of three ranges of hue; the rest is drawn from `rng`.
    """
    layout, hue = scene % 4, (scene // 4 + rng.uniform(-HUE, HUE)) / 3
    y, x = np.meshgrid(np.linspace(0, 1, side), np.linspace(0, 1, side), indexing="ij")
    a, b, c, d = rng.uniform(0, 1, 4)
    shade = (
        lambda: y + 0.3 * (a - 0.5) * x,  # a sky
        lambda: 0.5 + 0.5 * ((np.floor(3 * x + a) + np.floor(3 * y + b)) % 2 - 0.5),  # tiles
        lambda: 0.5 + 0.25 * np.sin(5 * x + 6 * a) + 0.25 * np.sin(4 * y + 3 * x + 6 * b),  # hills
        lambda: np.where(y > 0.45 + 0.2 * a + 0.1 * np.sin(3 * x + 6 * b), 0.15, 0.85),  # horizon
    )[layout]()
    phase = 2 * np.pi * (hue - np.array([0, 1, 2]) / 3)
    tint = 0.5 + 0.5 * np.cos(phase)
    bright = 70 + 50 * c + (80 + 30 * d) * (shade - 0.5)
    return (bright[..., None] * (0.4 + 0.9 * tint)).clip(0, 255).astype(np.float32)
