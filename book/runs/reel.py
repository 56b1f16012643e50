"""The picture of a video of any length: what heads see along time, to print and to zoom into."""

from base64 import b64encode
from html import escape
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter
from PIL import Image

from book import plots

CLASSES = 5  # of a head, at most, that are drawn
PRINTED = 16  # pictures of the whole, at most, that are printed
STYLE = "background:#fff;color:#222;font:12px sans-serif;max-width:100%"


def rows(walk):
    """The classes to draw, `(names, places)`: of most intervals, or else the likeliest alone."""
    names = list(walk.intervals.groupby("label").score.sum().nlargest(CLASSES).index)
    names = names or [walk.classes[walk.scores.argmax()]]
    return names, [walk.classes.index(name) for name in names]


def clock(seconds):
    """Seconds as minutes and seconds: 61.5 is `1:01.5`."""
    minutes, rest = divmod(round(float(seconds), 1), 60)
    return f"{minutes:.0f}:{rest:04.1f}".removesuffix(".0")


def picture(reel, walks, title=""):
    """Frames along time, and under them a block for each head: a row of grey a class, white is high.

    Bars are the intervals.
    """
    shown = [rows(walk) for walk in walks]
    heights = [1.6, *(0.5 + 0.3 * len(names) for names, _ in shown)]
    fig, axes = plt.subplots(len(heights), 1, figsize=(12, sum(heights) + 0.8), sharex=True,
                             height_ratios=heights, layout="constrained")
    edges = reel.edges
    _frames(axes[0], reel)
    axes[0].set_title(title, fontsize=9, parse_math=False)
    for ax, walk, (names, places) in zip(axes[1:], walks, shown):
        plots.greys(ax, names, walk.curves[places], (edges[0], edges[-1]))
        for row, name in enumerate(names):
            mine = walk.intervals[walk.intervals.label == name]
            ax.broken_barh(list(zip(mine.start, mine.end - mine.start)), (row + 0.78, 0.2),
                           color="C1")
        ax.set_title(walk.row, fontsize=8, loc="left", pad=2, parse_math=False)
    axes[-1].xaxis.set_major_formatter(FuncFormatter(lambda x, _: clock(x)))
    axes[-1].set_xlabel("time", fontsize=8)
    return fig


def _frames(ax, reel):
    """Pictures of the whole, each as wide as its share of time."""
    frames = [frame for _, frame in sorted(reel.pictures.items())]
    frames = frames[::-(-len(frames) // PRINTED)]
    width = reel.seconds / len(frames)
    for n, frame in enumerate(frames):
        ax.imshow(frame, aspect="auto",
                  extent=(reel.start + n * width, reel.start + (n + 1) * width, 0, 1))
    ax.set(xlim=(reel.edges[0], reel.edges[-1]), ylim=(0, 1), yticks=[])
    ax.spines[:].set_visible(False)


def page(reel, walks, title=""):
    """The same as HTML that scrolls and zooms, for a browser or `IPython.display.HTML`."""
    frames = "".join(_image(frame, 64, 100 / len(reel.pictures), "inline-block")
                     for _, frame in sorted(reel.pictures.items()))
    blocks = "".join(_block(reel, walk) for walk in walks)
    marks = "".join(f'<span style="position:absolute;left:{5 * n}%">'
                    f"{clock(reel.start + reel.seconds * n / 20)}</span>" for n in range(20))
    return f"""<figure style="{STYLE}"><figcaption>{escape(title)}</figcaption>
<label>zoom <input type="range" min="1" max="40" value="1"
oninput="this.closest('figure').querySelector('.reel').style.width = 100 * this.value + '%'"></label>
<div style="overflow-x:auto" tabindex="0" aria-label="what each head sees, along time">
<div class="reel" style="width:100%">
<div style="white-space:nowrap;font-size:0">{frames}</div>
<div style="position:relative;height:16px">{marks}</div>{blocks}</div></div></figure>
"""


def _block(reel, walk):
    """A head: its name, and of each class a row of grey with its intervals as bars."""
    lines = [f'<div style="position:sticky;left:0;width:max-content"><b>{escape(walk.row)}</b></div>']
    for name, place in zip(*rows(walk)):
        curve = (255 * walk.curves[place:place + 1]).astype(np.uint8)
        mine = walk.intervals[walk.intervals.label == name]
        bars = "".join(_bar(reel, name, one) for one in mine.itertuples())
        lines.append(f'<div style="position:sticky;left:0;width:max-content">{escape(name)}</div>'
                     f'<div style="position:relative">{_image(curve, 18, 100, "block")}{bars}</div>')
    return "".join(lines)


def _bar(reel, name, one):
    left, width = (100 * (one.start - reel.start) / reel.seconds,
                   100 * (one.end - one.start) / reel.seconds)
    said = f"{name} {clock(one.start)} to {clock(one.end)}, score {one.score:.2f}"
    return (f'<i title="{escape(said)}" style="position:absolute;bottom:0;height:6px;'
            f'background:#D55E00;left:{left:.3f}%;width:{width:.3f}%"></i>')


def _image(pixels, height, width, display):
    buffer = BytesIO()
    photo = pixels.ndim == 3
    Image.fromarray(pixels).save(buffer, "JPEG" if photo else "PNG")
    return (f'<img alt="" src="data:image/{"jpeg" if photo else "png"};base64,'
            f'{b64encode(buffer.getvalue()).decode()}" style="display:{display};height:{height}px;'
            f'width:{width:.4f}%;object-fit:{"cover" if photo else "fill"};'
            'image-rendering:pixelated">')
