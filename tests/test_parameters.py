"""Every notebook says its parameters as papermill's users know it: `papermill --help-notebook`."""

import ast

import jupytext
import nbformat
import papermill
import pytest

from data.files.paths import BOOK

SCRIPTS = sorted([*BOOK.glob("[0-9][0-9]_*.py"), BOOK / "lab.py", BOOK / "run.py"])


def source(notebook):
    """The text of the one cell tagged `parameters`."""
    (found,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    return found.source


def listed(notebook, folder):
    """What papermill lists of a notebook: `{name: its type, default and help}`."""
    notebook.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": ""}
    nbformat.write(notebook, folder / "asked.ipynb")
    return papermill.inspect_notebook(folder / "asked.ipynb")


def faults(notebook, folder):
    """What a user of papermill would miss, one line each."""
    found, text = listed(notebook, folder), source(notebook)
    for line, node in zip(text.splitlines(), ast.parse(text).body, strict=True):
        if not isinstance(node, ast.AnnAssign):
            yield f"{line}: no type"
            continue
        said, kind = found[node.target.id], type(ast.literal_eval(node.value)).__name__
        if said["inferred_type_name"] != kind:
            yield f"{line}: papermill says {said['inferred_type_name']}"
        if ast.literal_eval(said["default"]) != ast.literal_eval(node.value):
            yield f"{line}: papermill's default is {said['default']}"
        if not said["help"]:
            yield f"{line}: no help"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_parameter_is_listed_with_type_default_and_help(path, tmp_path):
    notebook = jupytext.read(path)
    assert source(notebook)
    assert list(faults(notebook, tmp_path)) == []


@pytest.mark.parametrize("line, fault", [
    ("a, b = 1, 2", "no type"), ("a = 1  # one", "no type"), ("a: int = 1", "no help"),
    ("a: str = 1  # one", "papermill says str")])
def test_each_fault_is_seen(line, fault, tmp_path):
    spoilt = nbformat.v4.new_code_cell(line, metadata={"tags": ["parameters"]})
    (found,) = faults(nbformat.v4.new_notebook(cells=[spoilt]), tmp_path)
    assert fault in found
