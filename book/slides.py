"""Slides of the whole book in one HTML file that needs no network: `make slides`.

    python book/slides.py [--out FILE] [CHAPTER ...]

A chapter gives its title and question, every figure with its caption, and its summary; arrow keys
turn the slides, and move a figure's slider while it has the focus. Nothing is written twice: all of
it is taken from the committed notebooks.
"""

import argparse
import re
import sys
from base64 import b64encode
from html import escape
from importlib.metadata import files
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from data.files.paths import BOOK, ROOT, write_text


def opening():
    """The first slide: the title and the picture that opens the README, with its alternative text."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    title = re.search(r"^# (.+)$", readme, re.M).group(1)
    alt, path = re.search(r"^!\[(.+)\]\((\S+)\)$", readme, re.M).groups()
    data = b64encode((ROOT / path).read_bytes()).decode()
    return (f'<section>{MARKDOWN.render(f"# {title}")}<img alt="{escape(alt)}" '
            f'src="data:image/png;base64,{data}"></section>')


def chapter(path):
    """The slides of one notebook, as HTML sections."""
    cells = nbformat.read(path, 4).cells
    prose = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    title = re.search(r"^# (.+)$", prose, re.M).group(1)
    question = re.search(r"\*\*Question\.?\*\*.+?(?=\n\s*\n)", prose, re.S)
    slides = [section("#", title, question.group() if question else "")]
    for cell in cells:
        outputs = cell.get("outputs", [])
        for picture, words in zip(outputs, outputs[1:]):
            if shown(picture) and "text/markdown" in words.get("data", {}):
                slides.append(figure(shown(picture), words.data["text/markdown"]))
    summary = re.search(r"^## Summary\n(.+?)(?=^## |\Z)", prose, re.M | re.S)
    return slides + ([section("##", f"Summary: {title}", summary.group(1))] if summary else [])


def section(mark, title, text):
    """A slide of words, from Markdown with formulas; a link keeps its words alone."""
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    return f"<section>{MARKDOWN.render(f'{mark} {title}' + chr(10) * 2 + text)}</section>"


def shown(output):
    """The HTML of a picture, or of a slider's pictures; None of any other output."""
    data = output.get("data", {})
    if "image/png" in data:
        alt = output.metadata.get("image/png", {}).get("alt", "")
        return f'<img alt="{escape(alt)}" src="data:image/png;base64,{data["image/png"].strip()}">'
    return data["text/html"] if '<figure class="slide' in data.get("text/html", "") else None


def figure(picture, caption):
    """A slide of one figure."""
    return f'<section>{picture}<div class="caption">{MARKDOWN.render(caption)}</div></section>'


def _formula(text, options):
    left, right = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
    return left + escape(text) + right


MARKDOWN = MarkdownIt().enable("table").use(dollarmath_plugin, renderer=_formula)


def deck(paths):
    """The whole file: style, slides, and MathJax itself."""
    (mathjax,) = (f for f in files("sphinx-mathjax-offline") if f.name == "tex-svg.js")
    style, turn = ((BOOK / f"slides.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    slides = "\n".join([opening(), *(slide for path in paths for slide in chapter(path))])
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Temporal fidelity</title>'
            f"<style>{style}</style><body>{slides}<script>{turn}</script>"
            f"<script>{mathjax.read_text().replace('</script', '<' + chr(92) + '/script')}</script>"
            "</body></html>")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python book/slides.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="CHAPTER", help="e.g. 03_theorem1 (default: all)")
    parser.add_argument("--out", type=Path, default=BOOK / "_build" / "slides.html", metavar="FILE")
    options = parser.parse_args(arguments)
    there = {path.stem: path for path in sorted(BOOK.glob("[0-9][0-9]*_*.ipynb"))}
    unknown = set(options.names) - set(there)
    if unknown:
        parser.error(f"no such chapter: {', '.join(sorted(unknown))}")
    write_text(options.out, deck([there[name] for name in options.names or there]))
    print(f"wrote {options.out.name}: {options.out.stat().st_size / 1e6:.1f} MB, no network needed")


if __name__ == "__main__":
    sys.exit(main())
