"""What surfaces look like: the twelve textures and the distractors' surfaces."""

import numpy as np

from data.common.generators.storyboard import ACTIONS


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
