"""Slides of the whole book in one HTML file that needs no network: `make slides`.

    .venv/bin/python book/slides.py [--out FILE] [CHAPTER ...]

A chapter gives its title and question, then section by section its statements, its tables and printed
numbers, its figures, and its summary: one of them a slide. The prose between is in the notes (key N).
Arrow keys turn the slides, and move a figure's slider while it has the focus. Nothing is written twice:
all of it is taken from the committed notebooks.
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

from book import notebooks
from data.common.ending import ended
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
    prose = notebooks.prose(cells)
    title = re.search(r"^# (.+)$", prose, re.M).group(1)
    question = re.search(r"\*\*Question\.?\*\*.+?(?=\n\s*\n)", prose, re.S)
    slides = [section("#", title, question.group() if question else "")]
    body = prose.partition("\n## Summary\n")[0]
    heading, notes = title, []
    for cell in cells:
        if cell.cell_type == "markdown":
            for block in blocks(cell.source):
                if block not in body:
                    return slides + [section("##", f"Summary: {title}", summary(prose))]
                if found := re.match(r"##+ (.+)", block):
                    heading, notes = found[1], []
                elif STATEMENT.match(block):
                    slides.append(section("##", heading, block, notes))
                    notes = []
                elif not block.startswith(("# ", "**Question")):
                    notes.append(block)
        for made in payloads(cell.get("outputs", [])):
            lead = html(notes[-1]) if notes and len(notes[-1].split()) <= LEAD else ""
            slides.append(made if "<figcaption" in made else slide("##", heading, lead + made, notes))
            notes = []
    return slides


# A theorem, a counterexample, a result: what the chapters set in bold at the head of a paragraph.
STATEMENT = re.compile(r"(> )?\*\*(?!Question|What it)[^*]+\*\*")
LEAD = 60  # words of what leads to a table, to stand above it
ROWS = 14  # of a table on a slide; a longer one stays in the book


def blocks(source):
    """The paragraphs of a cell; a displayed formula or a list belongs to the paragraph before it."""
    found = []
    for block in re.split(r"\n\s*\n", source.strip()):
        if found and re.match(r"\$\$|- |\d+\. ", block) and not found[-1].startswith("#"):
            found[-1] += "\n\n" + block
        else:
            found.append(block)
    return found


def summary(prose):
    return re.search(r"^## Summary\n(.+?)(?=^## |\Z)", prose, re.M | re.S)[1]


def payloads(outputs):
    """What of a cell's outputs stands on a slide: a figure with its caption, a table, printed lines."""
    for output, words in zip(outputs, [*outputs[1:], {}]):
        table = output.get("data", {}).get("text/html", "")
        if shown(output) and "text/markdown" in words.get("data", {}):
            yield figure(shown(output), words.data["text/markdown"])
        elif "<table" in table and not re.search(r"\bprose\b", table) and table.count("<tr") <= ROWS:
            yield re.sub(r"<style.*?</style>", "", table, flags=re.S)
        elif output.get("name") == "stdout" and len(output.text.splitlines()) <= ROWS:
            yield f"<pre>{escape(output.text)}</pre>"


def html(text):
    """Markdown with formulas as HTML; a link keeps its words alone."""
    return MARKDOWN.render(re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text))


def slide(mark, title, inside, notes=()):
    """A slide of HTML, with the paragraphs that are said to it."""
    said = f"<aside>{html((chr(10) * 2).join(notes))}</aside>" if notes else ""
    return f"<section>{html(f'{mark} {title}')}{inside}{said}</section>"


def section(mark, title, text, notes=()):
    """A slide of words, from Markdown."""
    return slide(mark, title, html(text), notes)


def shown(output):
    """The HTML of a picture, or of a slider's pictures; None of any other output."""
    data = output.get("data", {})
    if "image/png" in data:
        alt = output.metadata.get("image/png", {}).get("alt", "")
        return f'<img alt="{escape(alt)}" src="data:image/png;base64,{data["image/png"].strip()}">'
    return data["text/html"] if '<figure class="slide' in data.get("text/html", "") else None


def figure(picture, caption):
    """A slide of one figure."""
    return f"<section>{picture}<figcaption>{MARKDOWN.render(caption)}</figcaption></section>"


def _formula(text, options):
    left, right = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
    return left + escape(text) + right


MARKDOWN = MarkdownIt().enable("table").use(dollarmath_plugin, renderer=_formula)


def page(title, kind, *parts):
    """A whole file: style, parts, and MathJax itself."""
    (mathjax,) = (f for f in files("sphinx-mathjax-offline") if f.name == "tex-svg.js")
    style, turn = ((BOOK / f"slides.{suffix}").read_text(encoding="utf-8") for suffix in ("css", "js"))
    inside = "\n".join(parts)
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
            f'<style>{style}</style><body class="{kind}">{inside}<script>{turn}</script>'
            f"<script>{mathjax.read_text().replace('</script', '<' + chr(92) + '/script')}</script>"
            "</body></html>")


def deck(paths):
    """All slides of these notebooks."""
    return page("Temporal fidelity", "deck", opening(),
                *(slide for path in paths for slide in chapter(path)))


def chosen(names, parser):
    """The chapters of these names, or all; ends with a line where there is none of a name."""
    there = [path.stem for path in sorted(BOOK.glob("[0-9][0-9]_*.ipynb"))]
    if unknown := sorted(set(names) - set(there)):
        parser.error(f"no such chapter: {', '.join(unknown)}")
    return names or there


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python book/slides.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="CHAPTER", help="e.g. 03_theorem1 (default: all)")
    parser.add_argument("--out", type=Path, default=BOOK / "_build" / "slides.html", metavar="FILE")
    options = parser.parse_args(arguments)
    write_text(options.out, deck([BOOK / f"{stem}.ipynb" for stem in chosen(options.names, parser)]))
    print(f"wrote {options.out.name}: {options.out.stat().st_size / 1e6:.1f} MB, no network needed")


if __name__ == "__main__":
    sys.exit(ended(main))
