"""The laboratory's dials answer in a kernel, as they do in JupyterLab."""

import re
from tempfile import TemporaryDirectory

import jupytext
import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

from tfe.paths import BOOK

# Every dial is turned to another place; what it answers must change, and every one must be a control
# that has words beside it.
TURN = """
turned = []
for dial in (mask, curve, hand):
    for control in dial.widget.kwargs_widgets:
        before = dial.widget.result
        control.value = (control.options[1] if hasattr(control, "options")
                         else control.min + (control.max - control.min) / 4)
        assert dial.widget.result != before, control.description
        assert control.description
        turned.append(control.description)
print(*turned)
"""


def test_every_dial_moves_what_it_shows():
    notebook = jupytext.read(BOOK / "lab.py")
    notebook.cells.append(nbformat.v4.new_code_cell(TURN))
    with TemporaryDirectory() as sockets:
        config = Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}})
        NotebookClient(notebook, timeout=120, config=config,
                       resources={"metadata": {"path": str(BOOK)}}).execute()
    (said,) = (out.text for out in notebook.cells[-1].outputs if out.get("name") == "stdout")
    dials = re.findall(r"interact\(\w+, (.+)\)", (BOOK / "lab.py").read_text(encoding="utf-8"))
    assert said.split() == [word for dial in dials for word in re.findall(r"(\w+)=", dial)]


def test_the_committed_laboratory_holds_no_dead_dial():
    cells = nbformat.read(BOOK / "lab.ipynb", 4).cells
    live = [cell for cell in cells if "live" in cell.metadata.get("tags", [])]
    assert len(live) == 3 and not any(cell.outputs for cell in live)
