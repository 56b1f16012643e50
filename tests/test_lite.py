"""What runs in a browser by itself: which chapters, of which files, and (slow) that they give the same digits.

The browser reaches this machine alone; the slow test skips where npm, pip or Chromium cannot serve it.
"""

import json
import re
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from book import lite, pages
from data.files.paths import BOOK
from tfe.errors import StudyError

LIGHT = [path for path, lacks in lite.chapters().items() if not lacks]
FIRST_OUTPUT = 60  # seconds, the kernel's start included
NUMBER = re.compile(r"-?\d+\.\d+|\d+")


def test_only_chapters_without_torch_run_in_a_browser():
    lacks = {path.stem: packages for path, packages in lite.chapters().items()}
    assert lacks["01_information"] == [] and "torch" in lacks["07_khot"]
    assert len(LIGHT) >= 12


def test_a_missing_package_is_found_behind_an_import_but_not_in_a_function(tmp_path):
    chapter = tmp_path / "00_x.py"
    chapter.write_text("import numpy\nfrom tfe import khot\ndef late():\n    import av\n")
    assert lite.lacking(chapter) == ["torch"]


def test_another_file_than_the_listed_one_is_refused():
    assert lite.checked("a", b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855") == b""
    with pytest.raises(StudyError, match="a of .* nothing was built"):
        lite.checked("a", b"x", "0" * 64)


def test_the_study_travels_with_its_results_and_without_its_chapters():
    names = set(lite.study(LIGHT))
    assert {"book/plots.py", "tfe/__init__.py", "results/claims.csv", "book/evidence/claims.yaml"} <= names
    assert not any(name.startswith("book/0") for name in names)


def test_what_is_needed_is_followed_to_its_end():
    packages = {"a": {"depends": ["b_c"]}, "b-c": {"depends": ["a"]}, "d": {"depends": []}}
    assert lite.closure(packages, ["a"]) == ["a", "b-c"]


def printed(notebook):
    """The numbers of every text that the cells of a notebook print, cell by cell."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            texts = [output.get("text") or output.get("data", {}).get("text/plain", "")
                     for output in cell["outputs"] if "image/png" not in output.get("data", {})]
            yield NUMBER.findall(" ".join("".join(text) for text in texts))


@contextmanager
def served(folder):
    """The address of a folder on this machine."""
    with subprocess.Popen([sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0",
                           "--directory", str(folder)], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.DEVNULL) as process:
        yield re.search(r"http://[\d.:]+/", process.stdout.readline())[0]
        process.terminate()


def run(page, address, chapter, patience=240):
    """Run all cells of a chapter in the browser; its notebook, and the seconds to the first output."""
    model = "() => window.jupyterapp?.shell.currentWidget?.content?.model?.toJSON?.() ?? null"
    page.goto(f"{address}lite/notebooks/index.html?path={chapter}.ipynb")
    start, first = time.monotonic(), None
    page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel")
    page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells') }")
    while time.monotonic() - start < patience:
        notebook = page.evaluate(model)
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"] if notebook else []
        if first is None and any(cell["outputs"] for cell in code):
            first = time.monotonic() - start
        if any(output["output_type"] == "error" for cell in code for output in cell["outputs"]) or (
                code and all(cell["execution_count"] for cell in code)):
            break
        time.sleep(0.5)
    return notebook, first


@pytest.mark.slow
@pytest.mark.skipif(pages.chromium() is None, reason="Chromium is not installed")
def test_chapters_give_the_same_digits_in_a_browser(tmp_path):
    try:
        lite.build(tmp_path / "lite")
    except StudyError as error:
        pytest.skip(f"the site could not be built: {error}")
    wrong = {}
    with served(tmp_path) as address, pages.browser(local=True) as opened:
        for path in LIGHT:
            page, outside = opened.new_page(), []
            page.on("request", lambda request: outside.append(request.url)
                    if not request.url.startswith((address, "blob:", "data:")) else None)
            notebook, first = run(page, address, path.stem)
            page.close()
            stored = json.loads((BOOK / f"{path.stem}.ipynb").read_text(encoding="utf-8"))
            here, there = list(printed(notebook)), list(printed(stored))
            errors = [output for cell in notebook["cells"] for output in cell.get("outputs", [])
                      if output["output_type"] == "error"]
            differ = [n for n, (a, b) in enumerate(zip(here, there, strict=True)) if a != b]
            if errors or differ or outside or first is None or first > FIRST_OUTPUT:
                wrong[path.stem] = {"errors": errors, "cells": [(n, here[n], there[n]) for n in differ],
                                    "outside": outside, "first": first}
            print(path.stem, "first output after", first and round(first), "s", flush=True)
    assert not wrong, json.dumps(wrong, indent=1)[:6000]
