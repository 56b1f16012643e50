"""A video of one's own: class scores, and where in time each head looks, as the paper's Fig. 4."""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from book import plots
from book.runs import heads
from data.encoders import recipes
from data.video import decode
from tfe import evaluation
from tfe.errors import StudyError
from tfe.fidelity import normalised

ROWS = heads.SHIPPED[2:]  # whose published heads are shown
LIKELIEST = 3  # classes that are printed
WIDE = 0.62  # inches of the picture a segment


@dataclass(frozen=True)
class Sight:
    """What one head makes of a video: class scores `(C,)` and two read-outs `(T,)`.

    Both read-outs are of the class `label`, the likeliest: `attention` is the head's own (TFE's is
    its mask, which knows no class), `leave_one_out` what the class loses without each segment.
    """

    row: str
    label: str
    scores: dict
    attention: np.ndarray
    leave_one_out: np.ndarray


def see(path, runs=(), device="cpu"):
    """Show a video to heads: `runs` are heads or keys of `results/local/` (default: the published).

    Returns the frames, uint8 `(T, H, W, 3)`, one a segment; a `Sight` a head; and sentences that say
    on what the heads were trained and what is wrong with the file, if anything is. Raises StudyError
    where the video cannot be read, a run or its weights are not there, or the runs take different
    features.
    """
    shown = [heads.of_run(run) if isinstance(run, str) else run
             for run in runs] or heads.published(ROWS)
    sampling, frames, x, doubt = encoded(path, asked_by(shown), device)
    pictures = frames[sampling["frames_per_segment"] // 2::sampling["frames_per_segment"]]
    warning = f"\nNot a sound file: {doubt}; what is shown is what is left." if doubt else ""
    return pictures, [sight(head, x) for head in shown], trained_on(shown) + warning


def asked_by(shown):
    """The features that heads take, as their cards say; StudyError where they differ."""
    asked = shown[0].card["features"]
    for head in shown:
        if head.card["features"] != asked:
            raise StudyError(f"the runs take different features ({head.row} and {shown[0].row}): "
                             "show them one at a time")
    return asked


def encoded(path, asked, device="cpu"):
    """A video as heads see it: `(sampling, frames, features, doubt)`.

    asked: the features that a head's card names, as `asked_by` returns them. sampling: the options of
    `decode.sample` that they are made with; frames: uint8 `(N, H, W, 3)`; features: float16 `(1, T, d)`;
    doubt: what is wrong with the file in words, "" where nothing is.
    """
    encoder = encoder_of(asked, device)
    frames, lengths = decode.measured_sample(path, **asked["sampling"])
    # Half precision, as the store keeps what heads are trained on.
    return asked["sampling"], frames, encoder(frames).astype(np.float16)[None], lengths.doubt


def encoder_of(asked, device="cpu", engine="torch"):
    """The encoder that a head's card asks for; StudyError where it is none, or another by its hash."""
    if asked["encoder"] not in recipes.ENCODERS or not isinstance(asked.get("sampling"), dict):
        raise StudyError(f"the run was made on features {asked['encoder']!r}, which no encoder of "
                         "this study makes from a video: name a run on one of "
                         f"{', '.join(recipes.ENCODERS)}")
    encoder = recipes.load(asked["encoder"], asked["resolution"], device, engine=engine)
    if encoder.weights_sha256 != asked["weights_sha256"]:
        raise StudyError(f"the heads were trained on another {encoder.name} than the installed "
                         "one: train them again")
    return encoder


def sight(head, x):
    """What a head makes of features `(1, T, d)`."""
    classes = head.card["classes"]
    scores = evaluation.predict(head.system, x, np.zeros((1, len(classes))))["scores"][0]
    best = scores.argmax()
    seen = evaluation.predict(head.system, x, np.eye(len(classes))[best:best + 1])
    return Sight(head.row, classes[best], dict(zip(classes, scores.tolist())),
                 seen["attention"][0], seen["leave_one_out"][0, best])


def trained_on(shown):
    """One sentence: what the heads know, and what their answers are worth on another video."""
    cards = [head.card for head in shown]
    sets = sorted({f"{c['dataset']}{' (synthetic videos)' if c['synthetic'] else ''}" for c in cards})
    classes = ", ".join(cards[0]["classes"][:3])
    return (f"Heads trained on {' and '.join(sets)}: their {len(cards[0]['classes'])} classes "
            f"({classes}, ...) are all that they can name; another video has none of these, so "
            "read where the heads look, not what they call it.") if any(
                c["synthetic"] for c in cards) else f"Heads trained on {' and '.join(sets)}."


def likeliest(sights):
    """The likeliest classes of each head and their scores, one line a head."""
    lines = []
    for one in sights:
        best = pd.Series(one.scores).nlargest(LIKELIEST)
        lines.append({"head": one.row, **{f"class {n}": f"{name} {score:.2f}" for n, (name, score)
                                          in enumerate(best.items(), start=1)}})
    return pd.DataFrame(lines)


def picture(frames, sights, title=""):
    """Fig. 4's form: the frames, and under them a row of grey a head and read-out; white is high."""
    segments, rows = len(frames), len(sights)
    high = WIDE * min(max(frames.shape[1] / frames.shape[2], 0.4), 1.8)
    strip = 0.24 * rows + 0.12
    fig, axes = plt.subplots(3, 1, figsize=(WIDE * segments + 1.6, high + 2 * strip + 1.0),
                             height_ratios=[high, strip, strip], layout="constrained")
    small = plots.thinned(frames)
    axes[0].imshow(np.concatenate(list(small), axis=1), aspect="auto")
    axes[0].vlines(small.shape[2] * np.arange(1, segments) - 0.5, -0.5, small.shape[1] - 0.5,
                   color="white", linewidth=1.5)
    axes[0].set(xticks=[], yticks=[])
    axes[0].set_title(title, fontsize=9, parse_math=False)
    for ax in axes:
        ax.spines[:].set_visible(False)
    for ax, name in zip(axes[1:], ("attention", "leave_one_out")):
        shares = np.stack([normalised(getattr(one, name)) for one in sights])
        plots.greys(ax, [one.row for one in sights], shares / shares.max(axis=1, keepdims=True))
        ax.set_xticks([])
        ax.set_title({"attention": "attention", "leave_one_out": "fall of the likeliest class's "
                      "logit when a segment is left out"}[name], fontsize=8, loc="left", pad=2)
        ax.hlines(range(1, rows), 0, segments, color="#777777", linewidth=0.6)
    axes[2].set_xticks(np.arange(segments) + 0.5, range(1, segments + 1), fontsize=7)
    axes[2].set_xlabel("segment", fontsize=8)
    return fig
