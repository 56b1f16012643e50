"""Sentences that must be read twice: those over 35 words, and pages that average over 20.

    .venv/bin/python book/prose.py            every page of the book, and the README
    .venv/bin/python book/prose.py FILE ...   these alone

It prints and never fails; `tests/test_prose.py` holds the README to it.
"""

import argparse
import re
import sys
from pathlib import Path

if __name__ == "__main__":  # what PYTHONPATH names would come before this repository
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data.files.paths import BOOK, ROOT

LONGEST, AVERAGE = 35, 20  # words
# What is not prose: fenced code, comments, tables, lines of a directive, formulas set apart.
BLOCKS = re.compile(r"^(```|:::).*?^\1\S*|<!--.*?-->|^\$\$.*?\$\$|^[ \t]*\|.*?$|^:.*?$|^#+ .*?$|<[^>\n]+>",
                    re.M | re.S)


def text(path):
    """The prose of a page: a Markdown file, or the Markdown cells of a chapter's `.py`."""
    whole = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        cells = re.findall(r"^# %% \[markdown\]\n((?:#.*\n?)*)", whole, re.M)
        whole = "\n\n".join(re.sub(r"^# ?", "", cell, flags=re.M) for cell in cells)
    return BLOCKS.sub("\n\n", whole)


def sentences(prose):
    """The sentences of a text, each as its list of words; formulas and links count as one word.

    A blank line, an item of a list and a heading end a sentence too.
    """
    prose = re.sub(r"!?\[([^\]]*)\]\([^)]*\)|\$[^$]+\$|`[^`]+`", lambda m: m[1] or "X", prose)
    for piece in re.split(r"\n\s*\n|^\s*(?:[-*]|\d+\.) ", prose, flags=re.M):
        piece = " ".join(piece.split()).replace("**", "").replace("*", "")
        for sentence in re.split(r"(?<=[.?!])[\")]?\s+(?=[\"(]?[A-Z])", piece):
            if words := [word for word in sentence.split() if re.search(r"\w", word)]:
                yield words


def findings(path):
    """What to mend on a page, one line each."""
    found = list(sentences(text(path)))
    lengths = [len(words) for words in found]
    mean = sum(lengths) / max(1, len(lengths))
    if mean > AVERAGE:
        yield f"{mean:.1f} words a sentence on average"
    for words in found:
        if len(words) > LONGEST:
            yield f"{len(words)} words: {' '.join(words[:8])} ..."


def pages():
    """The README, the book's pages and its chapters."""
    return [ROOT / "README.md", *sorted(BOOK.glob("*.md")), *sorted(BOOK.glob("[0-9][0-9]_*.py"))]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="pages (default: all)")
    for path in parser.parse_args(arguments).files or pages():
        for line in findings(path):
            print(f"{path.name}: {line}")


if __name__ == "__main__":
    sys.exit(main())
