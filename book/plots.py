"""The figures: one style, and one way to show a figure with its caption and alt text."""

import io
import re
import sys
import warnings
from contextlib import contextmanager

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from IPython.display import Image, Markdown, display
from matplotlib import font_manager
from matplotlib.colors import to_rgb
from PIL.Image import open as open_picture

from data.files.paths import atomic

# Okabe and Ito's palette: told apart by colour-blind readers, and in grey.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
PAGE = 7  # the width of the page's text, in inches at the resolution of the figures
# One meaning, one colour, through the whole book.
COLOURS = {"salient": PALETTE[0], "non-salient": PALETTE[1], "truth": PALETTE[2],
           "vanilla": PALETTE[6], "tfe": PALETTE[0], "tfe-bounded": PALETTE[5],
           "mean-pool": PALETTE[4], "oracle-mask": PALETTE[2],
           "train": PALETTE[4], "val": PALETTE[2], "test": PALETTE[0], "shifted": PALETTE[1]}
# For names in scripts that matplotlib's own font lacks; of these whichever is installed.
OTHER_SCRIPTS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans CJK KR", "Source Han Sans",
                 "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "IPAGothic",
                 "Hiragino Sans", "PingFang SC", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic",
                 "NanumGothic", "Arial Unicode MS", "Noto Sans Devanagari", "Noto Sans Thai", "Unifont")


def style():
    """Set the style of every figure of the book."""
    mpl.rcdefaults()  # whatever a matplotlibrc says
    sns.set_theme(context="notebook", style="ticks", palette=PALETTE, rc={
        "figure.figsize": (6.4, 3.2), "figure.dpi": 100, "savefig.dpi": 110,
        "figure.facecolor": "white", "savefig.facecolor": "white",  # legible in dark mode too
        "axes.spines.top": False, "axes.spines.right": False, "figure.constrained_layout.use": True,
        "font.size": 10, "axes.titlesize": 11, "legend.frameon": False,
        "svg.hashsalt": "tfe", "image.interpolation": "nearest"})
    here = set(font_manager.get_font_names())
    mpl.rcParams["font.family"] = ["sans-serif", *(name for name in OTHER_SCRIPTS if name in here)]


def show(fig, name, caption, alt, film=False, colours=None):
    """Display `fig` as a PNG with alternative text `alt`, and `caption` under it.

    `name` is the figure's name in the book; links and the list of figures use it. A wider figure than
    the page's text is narrowed before it is drawn, so that its letters keep their size. film: it holds
    frames or greys that mean light, which a dark page must not turn round. colours: so many suffice; a
    large drawing of few colours takes a third of the bytes then.
    """
    fig.set_figwidth(min(fig.get_figwidth(), PAGE))
    drawn = png(fig) if colours is None else fewer(png(fig), colours)
    display(Image(drawn, alt=alt, metadata={"name": name, "film": film}))
    display(Markdown(f"**Figure ({name}).** {caption}"))


def png(fig, **options):
    """The bytes of a figure as PNG, the same for the same figure; the figure is closed."""
    buffer = io.BytesIO()
    with boxes_told():
        fig.savefig(buffer, format="png", metadata={"Software": None}, **options)
    plt.close(fig)
    return buffer.getvalue()


def fewer(image, colours):
    """The bytes of a PNG in at most so many colours: of 32, a third or a quarter of the bytes."""
    buffer = io.BytesIO()
    picture = open_picture(io.BytesIO(image)).convert("RGB").quantize(colours)
    picture.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def save(fig, path):
    """Write a figure to `path`, atomically and with nothing of this machine in it."""
    with atomic(path) as temporary, boxes_told():
        fig.savefig(temporary, metadata={"Software": None})


@contextmanager
def boxes_told():
    """Say in one line what no font here can write, in place of a warning a character."""
    with warnings.catch_warnings(record=True) as heard:
        yield
    lacking = {}
    for each in heard:
        if found := re.match(r"Glyph (\d+) ", str(each.message)):
            lacking[chr(int(found[1]))] = None
        else:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    if lacking:
        print(f"no font here has {''.join(lacking)[:40]}, so that a figure shows boxes: install one, such "
              "as Noto Sans CJK", file=sys.stderr)


def greys(ax, names, shares, span=None):
    """Rows of grey by name, 1 is white: shares `(R, T)`, drawn over `span` (default: 0 to T)."""
    ax.imshow(shares, cmap="gray", aspect="auto", vmin=0, vmax=1,
              extent=(*(span or (0, shares.shape[1])), len(names), 0))
    ax.set_yticks([row + 0.5 for row in range(len(names))])
    ax.set_yticklabels(names, fontsize=8, parse_math=False)
    ax.tick_params(length=0)


def thinned(frames, width=160):
    """Frames `(..., H, W, 3)` thinned to about `width` pixels: a picture needs no more."""
    step = max(1, frames.shape[-2] // width)
    return frames[..., ::step, ::step, :]


def legend(fig, columns=3):
    """One legend for the whole figure, above its panels: never on the data. Returns it."""
    of = {}
    for ax in fig.axes:
        handles, labels = ax.get_legend_handles_labels()
        if own := ax.get_legend():  # seaborn's, whose handles are in no axes
            handles, labels = own.legend_handles, [text.get_text() for text in own.get_texts()]
            own.remove()
        of |= dict(zip(labels, handles))
    return fig.legend(of.values(), of.keys(), loc="outside upper left", ncols=columns, fontsize=9)


def losses(history):
    """Losses over epochs of a training `History`, in nats."""
    fig, ax = plt.subplots()
    epochs = [row["epoch"] + 1 for row in history.rows]
    for name, label, colour in (("loss_s", "$L_S$", "salient"), ("loss_n", "$L_N$", "non-salient")):
        if name in history.rows[0]:
            ax.plot(epochs, [row[name] for row in history.rows], label=label,
                    color=COLOURS[colour], marker="." if len(epochs) < 5 else None)
    ax.axhline(history.prior_ce, color="grey", linestyle="--", label="uninformed")
    ax.set(xlabel="epoch", ylabel="loss (nats)", ylim=(0, None))
    legend(fig)
    return fig


def points(frame, dataset, synthetic):
    """A table's runs as points, one colour a split: metric left, fidelity AUC right."""
    measures = [("value", {"map": "mAP (%)", "accuracy": "accuracy (%)"}[frame.metric.iloc[0]])]
    if frame.fidelity_auc.notna().any():
        measures.append(("fidelity_auc", "fidelity AUC (leave one out)"))
    rows = list(dict.fromkeys(frame.row))
    size = (4.4 * len(measures), 0.34 * len(rows) + 1.2)
    fig, axes = plt.subplots(1, len(measures), figsize=size, sharey=True, squeeze=False)
    several = frame.split.nunique() > 1
    for ax, (column, label) in zip(axes.flat, measures):
        sns.pointplot(frame, x=column, y="row", hue="split", order=rows, ax=ax,
                      dodge=0.35 if several else False, palette=COLOURS,
                      linestyle="none", marker="|", markersize=12, errorbar=None)
        sns.stripplot(frame, x=column, y="row", hue="split", order=rows, ax=ax, dodge=several,
                      palette=COLOURS, jitter=False, size=3, legend=False)
        ax.set(xlabel=label, ylabel="")
        ax.grid(axis="x", linewidth=0.3)
    if len(measures) == 2:
        axes.flat[1].axvline(0.5, color="grey", linestyle="--", linewidth=1)
    legend(fig).set_title(f"{dataset}{' (synthetic)' if synthetic else ''}: a dot a seed, a bar their mean",
                          prop={"size": 10})
    return fig


def differences(lines, unit):
    """A summary's paired differences with 95% intervals: the metric left, fidelity AUC right.

    lines: a `_summary.csv`; unit: of the metric. Rows without a baseline are left out.
    """
    lines = lines[lines.against.notna()]
    rows = list(dict.fromkeys(lines.row))
    panels = [("", f"difference in {unit}")]
    if lines.auc_difference.notna().any():
        panels.append(("auc_", "difference in fidelity AUC"))
    fig, axes = plt.subplots(1, len(panels), figsize=(4.4 * len(panels), 0.36 * len(rows) + 1.1),
                             sharey=True, squeeze=False)
    for ax, (prefix, label) in zip(axes.flat, panels):
        for n, (split, part) in enumerate(lines.groupby("split", sort=False)):
            part = part.set_index("row").reindex(rows)
            middle = part[f"{prefix}difference"]
            reach = [middle - part[f"{prefix}difference_low"],
                     part[f"{prefix}difference_high"] - middle]
            place = [r + 0.2 * (n - (lines.split.nunique() - 1) / 2) for r in range(len(rows))]
            ax.errorbar(middle, place, xerr=reach, fmt="o", markersize=4, label=split,
                        color=COLOURS.get(split))
        ax.axvline(0, color="grey", linestyle="--", linewidth=1)
        ax.set(yticks=range(len(rows)), yticklabels=rows, xlabel=label,
               ylim=(len(rows) - 0.5, -0.5))
    if lines.split.nunique() > 1:
        legend(fig)
    return fig


def diagram(boxes, arrows, size):
    """A data flow: boxes `{name: (x, y, text, colour)}` and arrows `(from, to, label)`.

    Positions are the boxes' middles in inches on a page of `size`; colours are keys of COLOURS, or "".
    """
    fig, ax = plt.subplots(figsize=size, layout=None)
    ax.set(xlim=(0, size[0]), ylim=(0, size[1]))
    ax.set_position([0, 0, 1, 1])
    ax.axis("off")
    drawn = {name: ax.text(x, y, text, ha="center", va="center", fontsize=9, bbox={
        "boxstyle": "round,pad=0.45", "facecolor": "white", "linewidth": 1.5,
        "edgecolor": COLOURS.get(colour, "#777777")}) for name, (x, y, text, colour) in boxes.items()}
    for start, end, label in arrows:
        ax.annotate("", boxes[end][:2], boxes[start][:2], arrowprops={
            "arrowstyle": "->", "color": "#444444", "patchA": drawn[start].get_bbox_patch(),
            "patchB": drawn[end].get_bbox_patch(), "shrinkA": 1, "shrinkB": 3})
        middle = [(a + b) / 2 for a, b in zip(boxes[start][:2], boxes[end][:2])]
        ax.text(*middle, label, ha="center", va="bottom", fontsize=7.5, color="#444444")
    return fig


def specification(lines, axes, order="value"):
    """A specification curve: readings sorted by a gain, the other gain below, and their values on each axis.

    lines: the readings of one method (`book.evidence.multiverse.readings`); axes: names of its axes;
    order: the measure to sort by, "value" or "fidelity_auc". Printed readings have a colour of their own.
    """
    lines = lines.sort_values(f"gain_{order}").reset_index(drop=True)
    ticks = [(axis, value) for axis in axes for value in sorted(lines[axis].dropna().unique())]
    fig, (*gains, grid) = plt.subplots(3, figsize=(PAGE, 3 + 0.12 * len(ticks)), sharex=True,
                                       height_ratios=[1.4, 1.4, 0.12 * len(ticks)])
    labels = {"value": "mAP points", "fidelity_auc": "AUC"}
    for printed, name, colour in ((False, "departs from the text", "grey"),
                                  (True, "printed", COLOURS["tfe"])):
        part = lines[lines.printed == printed]
        for ax, measure in zip(gains, sorted(labels, key=order.__ne__)):
            ax.scatter(part.index, part[f"gain_{measure}"], s=9, color=colour, label=name)
            ax.set_ylabel(labels[measure])
    for ax in gains:
        ax.axhline(0, color="black", linewidth=0.8)
    taken = np.array([lines[axis] == value for axis, value in ticks])
    ink = np.where(lines.printed.to_numpy(bool)[:, None], to_rgb(COLOURS["tfe"]), to_rgb("grey"))
    grid.imshow(np.where(taken[..., None], ink, 1), aspect="auto")
    grid.set_yticks(range(len(ticks)), [f"{axis}: {value}" for axis, value in ticks], fontsize=6)
    grid.set(xlabel=f"readings, sorted by their gain in {labels[order]}")
    legend(fig)
    return fig


def ranks(panels):
    """Ranks over kinds of sets: `{title: lines of book.evidence.choice.ranks}`, a panel a title.

    The best above; a point is a kind of set, hollow where synthetic, and a bar half a critical difference
    to either side of the mean rank. Blue is not told apart from the first, where anything is. A panel
    without lines says so.
    """
    most, deep = max(3, *map(len, panels.values())), -(-len(panels) // 2)
    fig, axes = plt.subplots(deep, 2, figsize=(PAGE, deep * (0.8 + 0.17 * most)), squeeze=False)
    for ax in axes.flat[len(panels):]:
        ax.axis("off")
    for ax, (title, lines) in zip(axes.flat, panels.items()):
        ax.set_title(title, fontsize=9)
        ax.set(yticks=range(len(lines)), ylim=(most - 0.5, -0.5))
        ax.set_yticklabels(lines.row, fontsize=7)
        ax.tick_params(axis="x", labelsize=8)
        if lines.empty:
            ax.text(0.5, 0.5, "not run on two kinds of sets", ha="center", transform=ax.transAxes)
            ax.set_xticks([])
            continue
        sure = lines.holm.notna().any()
        for place, line in enumerate(lines.to_dict("records")):
            colour = COLOURS["tfe"] if sure and not line["told"] else "grey"
            ax.plot([line["low"], line["high"]], [place, place], color=colour, linewidth=1)
            ax.plot(line["rank"], place, "|", color=colour, markersize=9, markeredgewidth=2)
            for name, rank in line["each"].items():
                ax.plot(rank, place, "o", color=colour, markersize=3, markeredgewidth=0.6,
                        markerfacecolor="white" if name.endswith("(synthetic)") else colour)
        ax.set_xlabel(f"rank on {lines.kinds[0]} kinds of sets, p {lines.p[0]:.2g}", fontsize=8)
    return fig
