"""A run's key: what changes it, what does not, and that nothing a run imports is left out of it."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from test_book import load_tool

from book.runs import batch, provenance
from data.files.dataset import open_dataset
from data.files.paths import ROOT

BIKE = ("bike", "tfe")


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The repository's code in a temporary folder, as the one that keys are made of."""
    for room in ("tfe", "data", "book"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=lambda folder, names: [
            name for name in names if "." in name and not name.endswith(".py") or name in (
                "planted", "planted-short", "smoke", "_build", "__pycache__")])
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    monkeypatch.setattr(provenance, "BACKBONES", tmp_path / "tfe" / "backbones")
    return tmp_path


def key(home, names=BIKE):
    """What a run hashes of the code in `home`, as it lies there now."""
    for cached in (provenance._tree, provenance._digest_of_code, provenance._imports):
        cached.cache_clear()
    return provenance.sources(home / "book" / "run.py", names)


def changed(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert re.search(old, text, flags=re.M)
    path.write_text(re.sub(old, new, text, count=1, flags=re.M), encoding="utf-8")


def test_comments_docstrings_and_figures_change_no_key(copy):
    before = key(copy)
    changed(copy / "tfe" / "adversary.py", r'\A"""', '"""Another first word. ')
    changed(copy / "tfe" / "adversary.py", r"^import torch$", "import torch  # a comment\n")
    changed(copy / "book" / "run.py", r'^plots\.show\(', "plots.style()\nplots.show(")
    changed(copy / "book" / "run.py", r"^# # One run$", "# # A run")
    (copy / "book" / "plots.py").write_text("nothing = 0\n")
    assert key(copy) == before


@pytest.mark.parametrize("name, old, new", [
    ("tfe/adversary.py", r"\Z", "\nx = 1\n"), ("tfe/khot.py", r"\Z", "\nx = 1\n"),
    ("book/run.py", r"^views = ", "views = views = "), ("data/files/store.py", r"\Z", "\nx = 1\n"),
    ("tfe/backbones/bike.py", r"\Z", "\nx = 1\n")])
def test_code_that_a_run_uses_changes_its_key(copy, name, old, new):
    before = key(copy)
    changed(copy / name, old, new)
    after = key(copy)
    assert {path for path in before if after[path] != before[path]} == {name}


def test_a_neighbour_of_the_backbone_or_a_new_peer_changes_no_key(copy):
    before = {names: key(copy, names) for names in (BIKE, ("none", "gated-mil"))}
    changed(copy / "tfe" / "backbones" / "msqnet.py", r"\Z", "\nx = 1\n")
    (copy / "tfe" / "backbones" / "peers").mkdir(exist_ok=True)
    for peer in ("smooth.py", "peers/new_mil.py"):
        (copy / "tfe" / "backbones" / peer).write_text("x = 1\n")
    assert {names: key(copy, names) for names in before} == before
    assert "tfe/backbones/peers/new_mil.py" in key(copy, ("none", "new-mil"))
    assert "tfe/backbones/msqnet.py" not in before[BIKE]
    assert "tfe/backbones/bike.py" not in before["none", "gated-mil"]


SYSTEMS = [BIKE, ("msqnet", "variant4"), ("text4vis", "vanilla"), ("none", "gated-mil")]
# Each system in a fork of a process that has none of our files loaded, nothing but what others wrote.
FORKS = """
import json, os, sys
import numpy, pandas, scipy.stats, torch, torch._dynamo
first, rest, systems = json.loads(sys.stdin.read())
for number, (backbone, method) in enumerate(systems):
    if not os.fork():
        names = {"__name__": "__main__"}
        exec(first, names)
        names |= {"backbone": backbone, "method": method}
        exec(rest, names)
        with open(f"{sys.argv[1]}/{number}", "w") as told:
            print(*(getattr(m, "__file__", None) or "" for m in sys.modules.values()), file=told)
        os._exit(0)
    if os.wait()[1]:
        sys.exit(1)
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Which files a run of the template has loaded at its end, by system."""
    out = tmp_path_factory.mktemp("loaded")
    cells = re.split(r"^# %%", (ROOT / "book" / "run.py").read_text(encoding="utf-8"), flags=re.M)
    first, *rest = [cell.partition("\n")[2] for cell in cells[1:] if not cell.startswith(" [markdown]")
                    and '"drawing"' not in cell.partition("\n")[0]]
    subprocess.run([sys.executable, "-c", FORKS, str(out)], cwd=ROOT / "book",
                   input=json.dumps([first, "\n".join(rest), SYSTEMS]), text=True, check=True,
                   env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})
    return {names: (out / str(number)).read_text().split() for number, names in enumerate(SYSTEMS)}


@pytest.mark.parametrize("names", SYSTEMS)
def test_all_that_a_run_imports_is_in_its_key(loaded, names):
    rooms = tuple(f"{ROOT / room}/" for room in ("tfe", "data", "book"))
    ours = {file.removeprefix(f"{ROOT}/") for file in loaded[names] if file.startswith(rooms)}
    ours.discard("tfe/backbones/peers/__init__.py")  # a docstring: looked at to find peers by name
    assert ours and ours <= set(provenance.sources(ROOT / "book" / "run.py", names))


def test_other_splits_measure_the_same_run_again_and_train_nothing(
        toy, in_this_process, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "LOCAL", tmp_path)
    dataset = open_dataset(toy)
    row = {"row": "BIKE", "backbone": "bike", "method": "tfe"}
    whole = batch.Batch("toy", str(toy), "planted", [0], [row], "smoke",
                        splits=["test", "shifted"])
    val = replace(whole, splits=["val"])
    (first,), (other,) = (batch.plan(grid, dataset, "planted") for grid in (whole, val))
    assert first.folder == other.folder
    assert batch.execute([first]) == [] and first.metrics and other.metrics is None
    weights = (first.folder / "checkpoint.safetensors").read_bytes()
    before = json.loads((first.folder / "metrics.json").read_text())
    scores = np.load(first.folder / "predictions.npz")["test.scores"]

    assert batch.execute([other]) == [] and first.metrics and other.metrics
    after = json.loads((first.folder / "metrics.json").read_text())
    assert set(after["splits"]) == {"val", "test", "shifted"}
    assert all(after["splits"][split] == before["splits"][split] for split in ("test", "shifted"))
    assert after["history"] == before["history"]
    assert (first.folder / "checkpoint.safetensors").read_bytes() == weights
    assert (np.load(first.folder / "predictions.npz")["test.scores"] == scores).all()


def test_a_comment_in_a_module_makes_no_chapter_out_of_date(copy):
    tool, chapter = load_tool(), copy / "book" / "14_table3.py"
    tool.RESULTS, tool.ROOT = copy / "results", copy

    def stamp():
        key(copy)  # what lies there now
        return tool.reads(chapter)

    before = stamp()
    assert {"tfe/adversary.py", "tfe/backbones/msqnet.py"} <= set(before)
    changed(copy / "tfe" / "adversary.py", r"^import torch$", "import torch  # a comment")
    assert stamp() == before
    changed(chapter, r"^# ## ", "# ## In other words: ")
    assert {name for name, digest in stamp().items() if digest != before[name]} == {
        "book/14_table3.py"}


def test_an_empty_field_or_a_line_break_is_no_other_code():
    trees = [provenance._skeleton(provenance.ast.parse(text)) for text in (
        "def f(x):\n    return x + 1", 'def f(x):\n    """It adds."""\n    # one\n    return (x +\n 1)',
        "def f(x):\n    return x + 2")]
    assert trees[0] == trees[1] != trees[2]
