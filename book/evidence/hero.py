"""The picture that opens the book: one planted video, a published head's mask, its two parts, the truth."""

from tempfile import TemporaryDirectory
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from book import plots
from book.runs import heads, sights
from data.common.generators import render, storyboard
from data.files.paths import RESULTS
from data.files.reading import json_object

ROW = "MSQNet+TFE"  # of the heads that ship
NAME = "hero.png"


def video():
    """The storyboard of the video shown, chosen by rule: of `headline_strips.csv` the one in the middle."""
    made = json_object(RESULTS / "headline.json")["settings"]
    strips = pd.read_csv(RESULTS / "headline_strips.csv")
    split, number = strips.groupby("video_id").auc_of_choice.first().sort_values().index[1].split("_")
    return storyboard.storyboard(split, int(number), made["seed"], made["rho"], made["share"])


def seen(story, head):
    """What a head makes of a video: mask `(T,)`, and the scores of both approximators `(C,)`.

    The mask at test, 0 or 1 in each row and head, is averaged over both.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        render.write_video(story, path)
        x = sights.encoded(path, head.card["features"])[2]
    system = head.system
    with torch.no_grad():
        x, context = system.encode(torch.from_numpy(x).float())
        z_s, z_n, mask = system.disentangler(x)
        scores = [system.backbone.scores(read(z, context)[0])[0].numpy()
                  for read, z in ((system.salient, z_s), (system.non_salient, z_n))]
    return mask.mean((0, 1, 2)).numpy(), *scores


def sampled(story, segments):
    """The middle frames of the segments, side by side, `(H, T W, 3)` in 0..1."""
    frames = list(render.frames(story))
    at = (2 * np.arange(segments) + 1) * len(frames) // (2 * segments)
    return np.concatenate([frames[n] for n in at], axis=1) / 255


def outline(story, segments):
    """Where in the film the action's pixels are, `(H, T W)`: what differs from the film without it."""
    without = replace(story, actions=())  # whose distractors are drawn alike
    return np.abs(sampled(story, segments) - sampled(without, segments)).sum(-1) > 0


def picture(story, mask, salient, non_salient, classes):
    """The figure: the film with the action outlined and named, the truth, the mask, z_S and z_N."""
    segments = len(mask)
    film = sampled(story, segments)
    side = film.shape[0]
    fig, axes = plt.subplots(5, 1, figsize=(plots.PAGE, 4.3), height_ratios=[1.3, .35, 1, 1.3, 1.3])
    names = [classes[event.kind] for event in story.actions]
    axes[0].imshow(film, aspect="auto")
    action = outline(story, segments)
    axes[0].contour(action, [0.5], colors="white", linewidths=3)
    axes[0].contour(action, [0.5], colors=plots.COLOURS["truth"], linewidths=1.6)
    _name(axes[0], f"A synthetic video. Its action, outlined: {', '.join(names)}")
    truth = storyboard.shown_at(story, story.actions, segments).any(0)
    axes[1].bar(range(segments), truth, width=1, color=plots.COLOURS["truth"])
    axes[1].set(xlim=(-.5, segments - .5), ylim=(0, 1))
    _name(axes[1], "Truth: the segments that show it")
    axes[2].bar(range(segments), mask, width=.8, color="#444444")
    axes[2].set(xlim=(-.5, segments - .5), ylim=(0, None))
    _name(axes[2], "TFE's mask: how often it keeps a segment")
    for ax in axes[[0, 3, 4]]:
        ax.vlines(side * np.arange(1, segments) - .5, -.5, side - .5, color="white", linewidth=1)
    for ax, part, letter, share, scores in ((axes[3], "salient", "S", mask, salient),
                                            (axes[4], "non-salient", "N", 1 - mask, non_salient)):
        light = np.repeat(share / share.max(), side)[:, None]
        ax.imshow(film * light + 1 - light, aspect="auto")
        said = "; ".join(f"“{name}” at {scores[classes.index(name)]:.2f}" for name in names)
        _name(ax, f"$z_{letter}$, the {part} part: $A_{letter}$ reads {said}", plots.COLOURS[part])
    return fig


def _name(ax, text, colour="black"):
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.set_title(text, loc="left", fontsize=12, color=colour, pad=3)


def write(folder=RESULTS):
    """Draw the picture into `folder`; returns its path."""
    plots.style()
    head, story = heads.published([ROW])[0], video()
    plots.save(picture(story, *seen(story, head), head.card["classes"]), folder / NAME)
    return folder / NAME
