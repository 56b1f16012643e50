"""Sliders that need no kernel: one figure of many frames, drawn beforehand."""

import json
from base64 import b64encode
from html import escape

from IPython.display import HTML, Markdown, display

from book.plots import fewer, png

TURN = """const figure = this.closest('figure'), value = JSON.parse(this.dataset.values)[this.value];
figure.querySelectorAll('img').forEach((image, i) => image.hidden = i != this.value);
figure.querySelector('output').value = value; this.setAttribute('aria-valuetext', value);"""


def show(frames, name, caption, film=False):
    """Display precomputed frames, `(value, fig, alt)` each, under one slider: no kernel needed.

    The slider is a plain range input, so that it answers to the keyboard; a screen reader hears
    `value`. Where scripts are off, the middle frame stands alone. film: as in `plots.show`.
    """
    middle = len(frames) // 2
    pictures = "".join(
        f'<img src="data:image/png;base64,{b64encode(fewer(png(fig, dpi=96), 32)).decode()}" '
        f'alt="{escape(alt)}"{"" if number == middle else " hidden"}>'
        for number, (_, fig, alt) in enumerate(frames))
    values = escape(json.dumps([value for value, _, _ in frames]))
    display(HTML(f"""<figure class="slide{' film' * film}">{pictures}
<figcaption><label>{name} <input type="range" min="0" max="{len(frames) - 1}" value="{middle}"
aria-valuetext="{frames[middle][0]}" data-values="{values}" oninput="{escape(TURN)}"></label>
<output>{frames[middle][0]}</output></figcaption></figure>"""))
    display(Markdown(f"**Figure ({name}).** {caption}"))
