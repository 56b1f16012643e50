"""Every chapter is a pair in step, freshly executed, readable, and free of its machine's traces."""

import importlib.util
import json
import re
import shutil
import statistics
import subprocess
import sys

import jupytext
import nbformat
import pytest

from book import status
from data.files.paths import BOOK, ROOT

NOTEBOOKS = sorted(BOOK.glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# A folder of some machine's at the start of a path; "../work" and "$OUT/tmp" are none.
MACHINE = re.compile(
    r"(?<![\w.)}$*~-])(?:/(?:home|root|Users|work|tmp|private|mnt|scratch|kaggle|content)/"
    rf"|{re.escape(str(ROOT))}/|[A-Z]:\\+\w)")


def load_tool():
    """`book/execute.py`, which is a script and not a module of a package."""
    spec = importlib.util.spec_from_file_location("book_execute", BOOK / "execute.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


@pytest.fixture(scope="module")
def tool():
    return load_tool()


def faults(notebook):
    """What a reader should not meet in an executed notebook, one sentence each."""
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if len(codes) > 15:
        yield f"{len(codes)} code cells; at most 15"
    if len(json.dumps(notebook)) >= 300_000:
        yield f"{len(json.dumps(notebook))} bytes; less than 300,000"
    counts = [cell.execution_count for cell in codes if "live" not in cell.metadata.get("tags", [])]
    if counts != list(range(1, len(counts) + 1)):
        yield f"not executed once from top to bottom: {counts}"
    for number, cell in enumerate(notebook.cells):
        for fault in cell_faults(cell):
            yield f"cell {number}: {fault}"


def cell_faults(cell):
    if MACHINE.search(cell.source):
        yield f"a path of some machine: {MACHINE.search(cell.source)[0]}"
    if cell.cell_type == "markdown" and re.search(r"!\[\s*\]\(", cell.source):
        yield "an image without alt text"
    if cell.cell_type == "code":
        if longest := [line for line in cell.source.splitlines() if len(line) > 76]:
            yield f"a line of code over 76 characters: {longest[0]}"
        for output in cell.outputs:
            yield from output_faults(output)


def output_faults(output):
    if output.output_type == "error":
        yield f"an error: {output.ename}: {output.evalue}"
    if output.get("name") == "stderr":
        yield f"stderr: {output.text[:200]}"
    if len(json.dumps(output)) >= 200_000:
        yield f"an output of {len(json.dumps(output))} bytes; less than 200,000"
    data = output.get("data", {})
    text = "\n".join([output.get("text", ""), *(str(value) for kind, value in data.items()
                                                if not kind.startswith("image/"))])
    if MACHINE.search(text):
        yield f"a path of some machine: {MACHINE.search(text)[0]}"
    if re.search(r"\bat 0x[0-9a-f]+", text):
        yield "the address of an object"
    for kind in data:
        if kind.startswith("image/") and not output.metadata.get(kind, {}).get("alt"):
            yield f"an {kind} without alt text"
    if any("alt=" not in tag for tag in re.findall(r"<img[^>]*>", text)):
        yield "an <img> without alt text"


@each_notebook
def test_notebook_has_no_fault(path):
    assert list(faults(nbformat.read(path, 4))) == []


def test_every_script_has_its_notebook_and_no_notebook_is_alone(tool):
    assert [path.stem for path in NOTEBOOKS] == sorted(path.stem for path in tool.chapters())


def test_every_chapter_is_known_to_the_tool(tool):
    headed = {path for path in BOOK.glob("*.py")
              if path.read_text(encoding="utf-8").startswith("# %% [markdown]\n")}
    assert headed == set(tool.chapters())


def test_a_chapter_is_named_by_two_digits_and_a_noun_and_titled_by_its_number(tool):
    named = [path for path in tool.chapters() if path.stem not in ("lab", "run")]
    for path in named:  # numbers may be left free, none is given twice
        number, noun = re.fullmatch(r"(\d\d)_([a-z]+\d?)", path.stem).groups()
        title = re.search(r"^# # (\d+)\. ", path.read_text(encoding="utf-8"), re.M)[1]
        assert int(title) == int(number) and noun
    assert len({path.stem[:2] for path in named}) == len(named) >= 20


@each_notebook
def test_pair_holds_the_same_text(path):
    def text(cells):
        return [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in cells]

    script = jupytext.read(path.with_suffix(".py"))
    assert text(nbformat.read(path, 4).cells) == text(script.cells)


@each_notebook
def test_stamp_is_that_of_what_lies_here(path, tool):
    stamp = nbformat.read(path, 4).metadata.get("tfe", {}).get("reads", {})
    now = tool.reads(path.with_suffix(".py"))
    assert f"book/{path.stem}.py" in now
    changed = sorted(name for name in {*stamp, *now} if stamp.get(name) != now.get(name))
    assert changed == [], f"execute again: python book/execute.py {path.stem}"


def form(notebook):
    """What a chapter counts: cells, figures, exercises, solutions, lines of all cells, and of those unfolded."""
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    prose = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    body, _, exercises = prose.partition("## Exercises")
    return {
        "cells": len(codes),
        "lines": [sum(map(bool, cell.source.splitlines())) for cell in codes],
        "read": [sum(map(bool, cell.source.splitlines())) for cell in codes if not status.folded(cell)],
        "captions": sum("**Figure (" in str(output.get("data", {}).get("text/markdown", ""))
                        for cell in codes for output in cell.outputs),
        "pictures": sum("image/png" in (data := output.get("data", {}))
                        or '<figure class="slide' in str(data.get("text/html", ""))
                        for cell in codes for output in cell.outputs),
        "exercises": len(re.findall(r"^(?:\*\*\d|\d+\. )", exercises, re.M)),
        "solutions": exercises.count("<details><summary>Solution</summary>"),
        "question": bool(re.search(r"\*\*Question\.\*\*[^#]*?\?", body)),
        "summary": "\n## Summary\n" in body,
    }


@pytest.mark.parametrize("path", [p for p in NOTEBOOKS if p.stem[:2].isdigit()],
                         ids=lambda path: path.stem)
def test_a_chapter_has_its_form(path):
    found = form(nbformat.read(path, 4))
    assert found["question"] and found["summary"]
    assert 8 <= found["cells"] <= 15
    assert statistics.median(found["read"]) <= 9 and max(found["lines"]) <= 24
    assert 1 <= found["captions"] == found["pictures"] <= 6
    assert 3 <= found["exercises"] == found["solutions"]


@pytest.mark.parametrize("spoil, fault", [
    (lambda text: text.replace("Question", "Answer"), "question"),
    (lambda text: text.replace("## Summary", "## End"), "summary"),
    (lambda text: text.replace("<summary>Solution", "<summary>Hint"), "solutions"),
    (lambda text: text.replace("**Figure (", "**Picture ("), "captions")])
def test_a_fault_of_form_is_seen(spoil, fault):
    text = NOTEBOOKS[0].read_text(encoding="utf-8")
    sound, spoilt = (form(nbformat.reads(t, 4)) for t in (text, spoil(text)))
    assert {key for key in sound if sound[key] != spoilt[key]} == {fault}


FIGURE = {"output_type": "display_data", "data": {"image/png": "", "text/plain": ""},
          "metadata": {"image/png": {"alt": "a line"}}}


def a_notebook(source="x = 1", output=FIGURE):
    """A notebook of one code cell, sound unless `source` or `output` spoils it."""
    cell = nbformat.v4.new_code_cell(source, execution_count=1,
                                     outputs=[nbformat.from_dict(output)])
    return nbformat.v4.new_notebook(cells=[cell])


def test_a_sound_notebook_has_no_fault():
    source = "# ../work/x, $OUT/tmp/x, a/home/b, https://a.org/home/\n" + "y" * 76
    assert list(faults(a_notebook(source))) == []


def stream(name, text):
    return {"output_type": "stream", "name": name, "text": text}


@pytest.mark.parametrize("source, fault", [
    ("x" * 77, "over 76"),
    ("#\n" * 150_000, "less than 300,000"),
    ("open('/" + "home/me/x')", "a path"),
    (f"open('{ROOT}/x')", "a path"),
    ("open('C:" + r"\data')", "a path"),
])
def test_each_fault_of_a_source_is_seen(source, fault):
    assert any(fault in found for found in faults(a_notebook(source)))


@pytest.mark.parametrize("output, fault", [
    (FIGURE | {"metadata": {}}, "without alt"),
    (FIGURE | {"metadata": {"image/png": {"alt": ""}}}, "without alt"),
    (FIGURE | {"data": {"text/html": "<img src='x'>"}}, "without alt"),
    (FIGURE | {"data": {"text/plain": "<f at 0x7f00aa>"}}, "address"),
    (FIGURE | {"data": {"text/html": "file:///" + "tmp/x"}}, "a path"),
    (FIGURE | {"data": {"text/plain": "x" * 200_000}}, "less than 200,000"),
    (stream("stderr", "Warning"), "stderr"),
    (stream("stdout", "/" + "tmp/x"), "a path"),
    ({"output_type": "error", "ename": "E", "evalue": "", "traceback": []}, "an error"),
])
def test_each_fault_of_an_output_is_seen(output, fault):
    assert any(fault in found for found in faults(a_notebook(output=output)))


def test_each_fault_of_the_whole_is_seen():
    sound, blank = a_notebook(), a_notebook()
    blank.cells[0].execution_count = None
    assert "not executed" in next(faults(blank))
    sound.cells = sound.cells * 16
    assert "at most 15" in next(faults(sound))
    alone = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("![](x.png)")])
    assert list(faults(alone)) == ["cell 0: an image without alt text"]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The repository's sources and results, to be spoilt."""
    home = tmp_path_factory.mktemp("copy")
    for folder in ("tfe", "data", "book", "results"):
        shutil.copytree(ROOT / folder, home / folder, ignore=shutil.ignore_patterns(
            "__pycache__", "_build", "local", *(p.name for p in (ROOT / "data").iterdir()
                                                if p.is_dir() and not any(p.rglob("*.py")))))
    return home


def stale(home):
    """What `book/execute.py --check` says in `home`, and its exit code."""
    done = subprocess.run([sys.executable, "-m", "book.execute", "--check"], cwd=home,
                          capture_output=True, text=True)
    return done.returncode, {line.split()[3] for line in done.stdout.splitlines()
                             if line.startswith("out of date")}


@pytest.fixture(scope="module")
def before(copy):
    """What it says of the copy while nothing is spoilt."""
    return stale(copy)


@pytest.mark.parametrize("name, digit, read_by", [
    ("results/table1.csv", ("efficientnet-lite0,default,0", "efficientnet-lite0,default,9"),
     "12_table1"),
    ("results/plus_rho9.csv", None, "21_plus"), ("results/gtea_summary.csv", None, "19_fidelity"),
    ("results/composed_summary.csv", None, "26_claims"),
    ("book/theory/game.py", ("rounds=500", "rounds=501"), "09_game"),
    ("tfe/khot.py", ("softmax(dim=-1)", "softmax(dim=-2)"), "07_khot")])
def test_one_digit_in_what_a_chapter_reads_fails_the_check(copy, before, name, digit, read_by):
    path = copy / name
    assert read_by not in before[1]
    text = path.read_text(encoding="utf-8")
    spoilt = text.replace(*digit, 1) if digit else re.sub(
        r"\d", lambda found: str((int(found[0]) + 1) % 10), text, count=1)
    assert spoilt != text
    try:
        path.write_text(spoilt, encoding="utf-8")
        code, named = stale(copy)
        assert code == 1 and read_by in named
    finally:
        path.write_text(text, encoding="utf-8")


def test_with_the_digits_back_and_local_results_the_check_is_as_it_was(copy, before):
    (copy / "results" / "local").mkdir(exist_ok=True)
    (copy / "results" / "local" / "table1.csv").write_text("made by a user's own run\n")
    assert stale(copy) == before
