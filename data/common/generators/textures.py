"""What surfaces look like: the twelve textures, the distractors' surfaces and the scenes."""

import numpy as np

from data.common.generators.storyboard import ACTIONS

HUE = 0.1  # jitter of a scene's hue, in parts of the distance to the next scene's


def texture(kind, u, v):
    """The texture of action `kind` at `u, v` (radians of its period): array in [0, 1]."""
    def radius():
        return np.hypot(u, v)

    def angle():
        return np.arctan2(v, u)

    def zigzag():
        return np.abs((u / np.pi) % 2 - 1) * np.pi

    # Each computes only what it needs: this is half of the time that rendering takes.
    return {
        "horizontal": lambda: np.sin(v) > 0,
        "vertical": lambda: np.sin(u) > 0,
        "diagonal": lambda: np.sin((u + v) / np.sqrt(2)) > 0,
        "checks": lambda: np.sin(u) * np.sin(v) > 0,
        "dots": lambda: np.cos(u) + np.cos(v) > 0.7,
        "rings": lambda: np.sin(radius()) > 0,
        "spokes": lambda: np.sin(6 * angle()) > 0,
        "zigzag": lambda: np.sin(v + 1.5 * zigzag()) > 0,
        "grid": lambda: np.maximum(np.cos(u), np.cos(v)) > 0.75,
        "bricks": lambda: np.maximum(np.cos(2 * v),
                                     np.cos(u + np.pi * (np.floor(v / np.pi) % 2))) > 0.8,
        "triangles": lambda: (u / np.pi) % 2 / 2 + (v / np.pi) % 2 / 2 > 1,
        "spiral": lambda: np.sin(radius() + 2 * angle()) > 0,
    }[ACTIONS[kind]]().astype(float)


def distraction(kind, u, v, specks, pair):
    """The surface of distractor `kind`. The last two are patchworks of the textures in `pair`.

    One texture all over is an action; a patchwork is none. Without patchworks a glimpse of any
    texture would tell the label, and a mean over all segments would do nearly as well as a look
    at the right ones.
    """
    return (
        lambda: np.ones_like(u),
        lambda: np.clip(u / (4 * np.pi) + 0.5, 0, 1),
        lambda: (u + v > 0).astype(float),
        lambda: specks[np.floor(u).astype(int) % 16, np.floor(v).astype(int) % 16].astype(float),
        lambda: np.where(u > 0, texture(pair[0], u, v), texture(pair[1], u, v)),
        lambda: np.where(np.hypot(u, v) < 7, texture(pair[0], u, v), texture(pair[1], u, v)),
    )[kind]()


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
