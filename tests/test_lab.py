"""The laboratory's dials answer when they are turned, each by itself."""

import re

import jupytext
import matplotlib.pyplot as plt
import nbformat
import pytest

from data.files.paths import BOOK


@pytest.fixture
def dials(monkeypatch):
    """The laboratory's interactive widgets, in order; they work without a kernel too."""
    ipywidgets = pytest.importorskip("ipywidgets")
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    room = {}
    for cell in jupytext.read(BOOK / "lab.py").cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, "lab.py", "exec"), room)
    return list(dict.fromkeys(thing.widget for thing in room.values() if isinstance(
        getattr(thing, "widget", None), ipywidgets.interactive)))  # a function and its other name


def test_every_dial_moves_what_it_shows(dials):
    turned = []
    for dial in dials:
        for control in dial.kwargs_widgets:
            before = dial.result
            control.value = (control.options[1] if hasattr(control, "options")
                             else control.min + (control.max - control.min) / 4)
            assert dial.result and dial.result != before, control.description
            turned.append(control.description)  # the words that stand, and are read, beside it
    written = re.findall(r"interact\(\w+, ((?:[^()]|\([^()]*\))+)\)", (BOOK / "lab.py").read_text(encoding="utf-8"))
    assert turned == [word for dial in written for word in re.findall(r"(\w+)=", dial)] and turned


def test_the_committed_laboratory_holds_no_dead_dial():
    cells = nbformat.read(BOOK / "lab.ipynb", 4).cells
    live = [cell for cell in cells if "live" in cell.metadata.get("tags", [])]
    assert len(live) == 3 and not any(cell.outputs for cell in live)
