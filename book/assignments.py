"""Exercises that check an answer, and what a teacher hands out: `make assignments`.

    .venv/bin/python book/assignments.py [--out DIR] [--pdf] [CHAPTER ...]

A file of `book/exercises/` holds the checks of a chapter's exercises, by their numbers: what to define
(`ask`), what is `given`, a `blank` to begin with, the `solution`, typical `wrong` answers, and `checks`:
expressions that must hold, each with the hint for whom it does not. They become otter-grader's test
files; those run here without it, by doctest alone.
"""

import argparse
import doctest
import pprint
import re
import sys
from inspect import currentframe
from io import StringIO
from pathlib import Path

import jupytext
import nbformat

from book import notebooks, pages, slides
from data.common.ending import ended
from data.files.paths import BOOK, write_text
from data.files.reading import yaml_object
from tfe.errors import StudyError

CHECKS = BOOK / "exercises"
FIRST = "from book.assignments import check"
SPLIT = re.compile(r"^(?:\*\*(\d+)(?: \(proof\))?\.\*\*|(\d+)\.) ", re.M)
FOLDED = re.compile(r"\s*<details><summary>Solution</summary>\s*(.*?)\s*</details>\s*", re.S)


def prefix(stem):
    """The number of a chapter, e.g. 08."""
    return stem.partition("_")[0]


def checked(stem):
    """The exercises of a chapter that check an answer, `{number: entry}`."""
    path = CHECKS / f"{stem}.yaml"
    return yaml_object(path) if path.is_file() else {}


def find(name):
    """The entry of an exercise, e.g. of "11.1"; raises StudyError with those that there are."""
    known = {f"{prefix(path.stem)}.{number}": entry for path in sorted(CHECKS.glob("*.yaml"))
             for number, entry in yaml_object(path).items()}
    if name not in known:
        raise StudyError(f"{name} checks no answer: give one of {', '.join(known)}")
    return known[name]


def ok(name, entry):
    """An entry in the OK form of otter-grader: a suite of doctests, a hint with each."""
    cases = [{"code": f">>> bool({expression})\nTrue\n", "failure_message": hint, "hidden": False,
              "locked": False} for expression, hint in entry["checks"].items()]
    return {"name": name, "points": len(cases),
            "suites": [{"cases": cases, "scored": True, "setup": "", "teardown": "",
                        "type": "doctest"}]}


def failure(test, names):
    """The hint of the first case of an OK test that does not hold among `names`, or None."""
    for number, case in enumerate(cases := test["suites"][0]["cases"], 1):
        said, doctests = StringIO(), doctest.DocTestParser().get_doctest(
            case["code"], names, test["name"], None, None)
        if doctest.DocTestRunner(verbose=False).run(doctests, out=said.write).failed:
            error = re.search(r"^ +(\w+(?:Error|Exception): .*)$", said.getvalue(), re.M)
            return (f"check {number} of {len(cases)} fails. {case['failure_message']}"
                    + (f" ({error[1]})" if error else ""))
    return None


def check(name, names=None):
    """Print whether an answer holds, or what is asked: `check("11.1")` in a notebook that defines it."""
    entry = find(name)
    known = {}
    exec(entry.get("given", ""), known)
    known |= currentframe().f_back.f_globals if names is None else names
    hint = failure(ok(name, entry), known)
    print(f"{name}: {entry['ask'].strip() if hint and 'NameError' in hint else hint or 'right'}")


def exercises(stem):
    """`{number: (question, solution)}` of a chapter, as Markdown; and its title."""
    prose = notebooks.prose(jupytext.read(BOOK / f"{stem}.py").cells)
    parts = SPLIT.split(prose.partition("## Exercises\n")[2])
    found = {}
    for bold, plain, text in zip(parts[1::3], parts[2::3], parts[3::3]):
        solution = FOLDED.search(text)
        found[int(bold or plain)] = FOLDED.sub("\n", text).strip(), solution[1]
    return re.search(r"^# (.+)$", prose, re.M)[1], found


def notebook(stem, solved):
    """A chapter's exercises as a notebook: blanks to fill in, or, where `solved`, their solutions."""
    (title, found), checks = exercises(stem), checked(stem)
    text, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    cells = [text(f"# {title}: {'solutions' if solved else 'exercises'}"), code(FIRST)]
    for number, (question, solution) in found.items():
        entry = checks.get(number)
        cells.append(text(f"**{number}.** {question}" + (f"\n\n{entry['ask']}" if entry else "")))
        if solved:
            cells.append(text(solution))
        elif not entry:
            cells.append(text("*Your answer:*"))
        if entry:
            cells += [code(entry.get("given", "").strip()),
                      code(entry["solution" if solved else "blank"].strip()),
                      code(f'check("{prefix(stem)}.{number}")')]
    cells = [cell for cell in cells if cell.source]
    for place, cell in enumerate(cells):
        cell["id"] = f"cell-{place:02d}"
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": notebooks.KERNEL})


def sheet(stems):
    """The questions of chapters as one page of HTML that needs no network; no solution is on it."""
    def asked(stem, number, question):
        entry = checked(stem).get(number)
        code = f"\n\n{entry['ask']}\n\n```\n{entry['blank']}```" if entry else ""
        return f"\n\n**{number}.** {question}{code}"

    parts = []
    for stem in stems:
        title, found = exercises(stem)
        parts.append(f"## {title}" + "".join(asked(stem, number, question)
                                             for number, (question, _) in found.items()))
    return slides.page("Assignments", "sheet", *(slides.html(part) for part in parts))


def write(stems, out):
    """Write `student/`, `solutions/`, `tests/` and the sheet of questions into the folder `out`."""
    for stem in stems:
        for folder, solved in (("student", False), ("solutions", True)):
            write_text(out / folder / f"{stem}.ipynb", nbformat.writes(notebook(stem, solved)) + "\n")
        for number, entry in checked(stem).items():
            name = f"q{prefix(stem)}_{number}"
            test = pprint.pformat(ok(name, entry), sort_dicts=False, width=100)
            write_text(out / "tests" / f"{name}.py", f"OK_FORMAT = True\n\ntest = {test}\n")
    write_text(out / "assignments.html", sheet(stems))


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python book/assignments.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="CHAPTER", help="e.g. 03_theorem1 (default: all)")
    parser.add_argument("--out", type=Path, default=BOOK / "_build" / "assignments", metavar="DIR")
    parser.add_argument("--pdf", action="store_true", help="print the questions too; needs Chromium")
    options = parser.parse_args(arguments)
    stems = slides.chosen(options.names, parser)
    write(stems, options.out)
    done = "student/, solutions/, tests/, assignments.html"
    if options.pdf:
        pages.print_page(options.out / "assignments.html", options.out / "assignments.pdf")
        done += ", assignments.pdf (without solutions)"
    print(f"{len(stems)} chapters in {options.out.name}/: {done}")


if __name__ == "__main__":
    sys.exit(ended(main))
