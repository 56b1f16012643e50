"""What runs in a browser by itself: which chapters, of which files, and (slow) that digits are equal.

The browser reaches this machine alone; the slow test skips where npm, pip or Chromium cannot serve it.
"""

import hashlib
import json
import re
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

from book import lite, pages
from data.files.paths import LOCAL, write_csv
from tfe.errors import StudyError

psutil = pytest.importorskip("psutil", reason="psutil, which comes with ipykernel, is absent")
LIGHT = [path for path, lacks in lite.chapters().items() if not lacks]
FIRST_OUTPUT = 60  # seconds of one core, the kernel's start included: the same on a busy machine
PATIENCE = 900  # seconds
NUMBER = re.compile(r"-?\d+\.\d+|\d+")


def test_only_chapters_without_torch_run_in_a_browser():
    lacks = {path.stem: packages for path, packages in lite.chapters().items()}
    assert lacks["01_information"] == [] and "torch" in lacks["07_khot"]
    assert len(LIGHT) >= 12


def test_a_missing_package_is_found_behind_an_import_but_not_in_a_function(tmp_path):
    chapter = tmp_path / "00_x.py"
    chapter.write_text("import numpy\nfrom tfe import khot\ndef late():\n    import av\n")
    assert lite.lacking(chapter) == ["torch"]
    chapter.write_text("from data.common import pool\n")  # a browser starts no processes
    assert lite.lacking(chapter) == ["multiprocessing"]


def test_another_file_than_the_listed_one_is_refused():
    assert lite.checked("a", b"", hashlib.sha256(b"").hexdigest()) == b""
    with pytest.raises(StudyError, match="a of .* nothing was built"):
        lite.checked("a", b"x", "0" * 64)


def test_the_study_travels_with_its_results_and_without_its_chapters():
    names = set(lite.study(LIGHT))
    assert {"book/plots.py", "tfe/__init__.py", "results/claims.csv",
            "book/evidence/claims.yaml"} <= names
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


def spent():
    """Seconds on the clock, and of one core by the processes that this one started."""
    cores = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
    return np.array([time.monotonic(), sum(times.user + times.system for times in cores)])


def run(page, address, chapter):
    """Run a chapter's cells in the browser; its notebook, and what was `spent` to the first output."""
    model = "() => window.jupyterapp?.shell.currentWidget?.content?.model?.toJSON?.() ?? null"
    page.set_default_timeout(PATIENCE * 1000)
    start, first = spent(), None
    page.goto(f"{address}lite/notebooks/index.html?path={chapter}.ipynb")
    page.wait_for_function(
        "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel")
    page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells') }")
    while (spent() - start)[0] < PATIENCE:
        notebook = page.evaluate(model)
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"] if notebook else []
        if first is None and any(cell["outputs"] for cell in code):
            first = spent() - start
        if any(output["output_type"] == "error" for cell in code for output in cell["outputs"]) or (
                code and all(cell["execution_count"] for cell in code)):
            break
        time.sleep(1)
    return notebook, first


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of the site, the browser, and the lines of results/local/lite.csv, one a chapter."""
    folder, lines = tmp_path_factory.mktemp("site"), []
    try:
        lite.build(folder / "lite")
    except StudyError as error:
        pytest.skip(f"the site could not be built: {error}")
    with served(folder) as address, pages.browser(local=True) as opened:
        yield address, opened, lines
    write_csv(LOCAL / "lite.csv", pd.DataFrame(lines).round(1))


@pytest.mark.slow
@pytest.mark.skipif(pages.chromium() is None, reason="Chromium is not installed")
@pytest.mark.parametrize("path", LIGHT, ids=lambda path: path.stem)
def test_a_chapter_gives_the_same_digits_in_a_browser(site, path):
    address, opened, lines = site
    page, outside = opened.new_page(), []
    page.on("request", lambda request: outside.append(request.url)
            if not request.url.startswith((address, "blob:", "data:")) else None)
    notebook, first = run(page, address, path.stem)
    page.close()
    stored = json.loads(path.with_suffix(".ipynb").read_text(encoding="utf-8"))
    here, there = list(printed(notebook)), list(printed(stored))
    differ = {n: (a, b) for n, (a, b) in enumerate(zip(here, there, strict=True)) if a != b}
    assert first is not None
    lines.append({"chapter": path.stem, "first_output_s": first[0], "first_output_core_s": first[1],
                  "numbers": sum(map(len, there)), "cells": len(there),
                  "cells_that_differ": len(differ)})
    assert [output for cell in notebook["cells"] for output in cell.get("outputs", [])
            if output["output_type"] == "error"] == []
    assert outside == [] and differ == {}
    assert first[1] < FIRST_OUTPUT
