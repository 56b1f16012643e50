"""Three rooms, one direction: `book` imports `data` and `tfe`, `data` two files of `tfe`, `tfe` neither.

Imports are read off the syntax, wherever in a file they stand: an import inside a function, which would
hide an arrow back, counts as any other.
"""

import ast
import sys
from graphlib import CycleError, TopologicalSorter

import pytest

from data.files.paths import ROOT

ROOMS = ("tfe", "data", "book")
SHARED = {"tfe.errors", "tfe.device"}  # all that data may use of tfe


def modules(root):
    """The modules of the rooms, `{dotted name: file}`; chapters, which nothing imports, too."""
    files = {path.relative_to(root).with_suffix(""): path for room in ROOMS
             for path in (root / room).rglob("*.py")}
    return {".".join(name.parts).removesuffix(".__init__"): path for name, path in files.items()}


def imports(path, known=()):
    """What a file imports, by dotted name: a name taken from a module counts if it is one of `known`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import, which this test does not read"
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in inside}
    return found


def graph(root=ROOT):
    """`{module of the rooms: those that it imports}`."""
    known = modules(root)
    return {name: {found for found in imports(path, known) if found.split(".")[0] in ROOMS}
            for name, path in known.items()}


def third_party(room):
    """The packages beside the standard library that a room imports, by their first name."""
    found = {name.split(".")[0] for path in (ROOT / room).rglob("*.py") for name in imports(path)}
    return found - {room} - sys.stdlib_module_names


def upward(arrows):
    """The imports that go against the one direction, `importer -> imported`."""
    def allowed(importer, imported):
        room, other = importer.split(".")[0], imported.split(".")[0]
        return room == "book" or room == other or room == "data" and imported in SHARED

    return sorted(f"{importer} -> {imported}" for importer, all_imported in arrows.items()
                  for imported in all_imported if not allowed(importer, imported))


def circle(arrows):
    """A circle of modules, as a list that begins and ends alike, or None."""
    try:
        TopologicalSorter({name: found - {name} for name, found in arrows.items()}).prepare()
    except CycleError as error:
        return error.args[1]


def test_no_import_goes_back_up():
    assert upward(graph()) == []


def test_no_module_imports_itself_by_way_of_others():
    assert circle(graph()) is None


@pytest.fixture
def house(tmp_path):
    """A small house in order."""
    for name, text in {"tfe/errors.py": "", "tfe/khot.py": "from tfe import errors",
                       "data/store.py": "from tfe.errors import StudyError",
                       "book/runs/batch.py": "import tfe.khot\nfrom data import store"}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize("file, line, said", [
    ("tfe/khot.py", "from data import store", "tfe.khot -> data.store"),
    ("tfe/khot.py", "def late():\n    import book.runs.batch", "tfe.khot -> book.runs.batch"),
    ("data/store.py", "from tfe.khot import hard", "data.store -> tfe.khot"),
    ("data/store.py", "from book.runs import batch", "data.store -> book.runs.batch")])
def test_an_upward_import_is_seen(house, file, line, said):
    assert upward(graph(house)) == [] and circle(graph(house)) is None
    with open(house / file, "a") as opened:
        opened.write(f"\n{line}\n")
    assert upward(graph(house)) == [said]


def test_a_circle_is_seen_even_where_one_import_is_late(house):
    (house / "tfe/errors.py").write_text("def late():\n    from tfe.khot import hard\n")
    assert sorted(set(circle(graph(house)))) == ["tfe.errors", "tfe.khot"]


def test_tfe_is_thin():
    """At most 2,000 lines and 16 files beside `backbones/`; peers apart, a file of 80 lines each."""
    files = {path.relative_to(ROOT / "tfe"): len(path.read_text(encoding="utf-8").splitlines())
             for path in (ROOT / "tfe").rglob("*.py")}
    peers = {name for name in files if "peers" in name.parts}
    assert sum(lines for name, lines in files.items() if name not in peers) <= 2000
    assert sum(len(name.parts) == 1 for name in files) <= 16
    assert all(files[name] <= 80 for name in peers)
