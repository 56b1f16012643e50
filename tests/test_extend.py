"""The extension page: its examples are taken off the page and run."""

import importlib
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from test_contract import check

from book import evidence
from book.runs import search
from data.files import store
from data.files.dataset import open_dataset
from tfe import StudyError, backbones, systems, training
from tfe.backbones import peers
from data.files.paths import BOOK, DATA
from data.files.schema import read_yaml

PAGE = (BOOK / "extend.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"```python\n# (file: \S+|cell|minutes)\n(.*?)```", PAGE, re.DOTALL))


def example(name, folder):
    """Write an example to a file of its name in `folder`; return the path."""
    path = folder / name.rsplit("/", 1)[-1]
    path.write_text(EXAMPLES[f"file: {name}"])
    return path


@pytest.fixture
def smooth(tmp_path, monkeypatch):
    """The new backbone, as if its file lay beside the others."""
    example("tfe/backbones/smooth.py", tmp_path)
    monkeypatch.setattr(backbones, "__path__", [*backbones.__path__, str(tmp_path)])
    yield "smooth"
    sys.modules.pop("tfe.backbones.smooth", None)


@pytest.fixture
def pulse(tmp_path, monkeypatch):
    """The new dataset, made by its script."""
    path = example("data/pulse.py", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module(path.stem)
    module.main(["--out", str(tmp_path / "pulse")])
    yield open_dataset(tmp_path / "pulse")
    sys.modules.pop("pulse", None)


def test_there_are_four_examples_and_two_cells():
    assert sorted(EXAMPLES) == ["cell", "file: book/evidence/hit.py", "file: data/pulse.py",
                                "file: tfe/backbones/peers/soft_max.py",
                                "file: tfe/backbones/smooth.py", "minutes"]


def test_a_method_in_one_file_is_built_by_its_name(tmp_path, monkeypatch):
    example("tfe/backbones/peers/soft_max.py", tmp_path)
    monkeypatch.setattr(peers, "__path__", [*peers.__path__, str(tmp_path)])
    system = systems.build("soft-max", "none", 3, 10, "multilabel").eval()
    logits, attention, _ = system.classify(system.embed(torch.randn(2, 5, 10)))
    assert logits.shape == (2, 3)
    torch.testing.assert_close(attention.sum(-1), torch.ones(2, 3))
    sys.modules.pop("tfe.backbones.peers.soft_max", None)


def test_that_method_enters_the_leaderboard_by_its_line(tmp_path, monkeypatch):
    example("tfe/backbones/peers/soft_max.py", tmp_path)
    monkeypatch.setattr(peers, "__path__", [*peers.__path__, str(tmp_path)])
    line, = re.findall(r"^  - \{row: Soft maximum.*$", PAGE, re.M)
    given = read_yaml(BOOK / "batches" / "peers.yaml")
    path = tmp_path / "peers.yaml"
    path.write_text(yaml.safe_dump({**given, "beside": [], "methods": yaml.safe_load(line)}))
    board = search.on(search.read(path, **search.SMOKE), "smoke", DATA / "smoke", "planted")
    monkeypatch.setattr(search, "LOCAL", tmp_path)
    monkeypatch.setattr(search.multiverse, "LOCAL", tmp_path)
    monkeypatch.setattr(search.pool, "over_cores", lambda function, items, *_: (
        (item, function(item)) for item in items))  # workers would not see the new file
    frame = search.run(board)
    assert set(frame.row) == {"Soft maximum"} and set(frame.seed) == {0}
    assert {"attention", "leave_one_out", "single"} <= set(frame.readout)
    sys.modules.pop("tfe.backbones.peers.soft_max", None)


def test_a_backbone_in_one_file_keeps_the_contract(smooth):
    check(smooth)


def test_without_its_file_the_backbone_is_unknown():
    for name in ("smooth", "no.such", "../evil"):
        with pytest.raises(StudyError, match="is unknown: choose one of"):
            backbones.build(name, 3)


def test_a_dataset_in_one_file_is_learnt_by_the_new_backbone_with_and_without_tfe(smooth, pulse):
    features = store.open_features(pulse, "signal")
    rows, targets = pulse.rows(features.video_ids), pulse.targets(features.video_ids)
    assert pulse.synthetic and pulse.truth(features.video_ids, 16).sum(-1).max() == 4
    plan = training.Schedule(epochs=12, batch_size=8, lr=3e-3, weight_decay=0.0, warmup_epochs=1)
    for method in ("vanilla", "tfe-bounded"):
        training.seed_everything(0)
        system = systems.build(method, smooth, 2, 8, pulse.task, head={"dim": 16})
        history = training.fit(system, features.x[rows["train"]], targets[rows["train"]], plan, seed=0)
        assert history.rows[-1]["loss_s"] < history.rows[0]["loss_s"]


def test_a_metric_in_one_file_reads_what_runs_have_kept(tmp_path, monkeypatch):
    example("book/evidence/hit.py", tmp_path)
    monkeypatch.setattr(evidence, "__path__", [*evidence.__path__, str(tmp_path)])
    hit = importlib.import_module("book.evidence.hit")
    targets = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]], np.float32)
    scores = np.array([[.1, .2, .9], [.8, .1, .1], [.9, 0, 0]], np.float32)
    assert hit.hit_at_1(targets, scores) == 0.5
    np.savez(tmp_path / "predictions.npz", **{"test.targets": targets, "test.scores": scores})
    run = SimpleNamespace(row="A", folder=tmp_path, metrics={"splits": {"test": {}}})
    waiting = SimpleNamespace(row="B", folder=tmp_path, metrics=None)
    assert hit.table([run, run, waiting]).to_dict("list") == {"mean": [0.5], "count": [2]}
    sys.modules.pop("book.evidence.hit", None)


def test_the_cell_shows_a_picked_video(tmp_path, monkeypatch):
    pytest.importorskip("ipywidgets")
    from data.common.generators.render import write_video
    from data.common.generators.storyboard import storyboard

    write_video(storyboard("test", 1), tmp_path / "mine.mp4")
    monkeypatch.chdir(tmp_path)
    shown = []
    monkeypatch.setattr("book.plots.show", lambda fig, name, note, alt: shown.append(note))
    monkeypatch.setattr("IPython.display.display", lambda *_: None)
    names = {}
    exec(EXAMPLES["cell"], names)
    assert [path.name for path in names["there"]] == ["mine.mp4"]
    names["button"].click()
    assert len(shown) == 1 and "synthetic" in shown[0]


def test_the_cell_of_minutes_shows_intervals_and_the_page(tmp_path, monkeypatch):
    from book.runs import walk
    from data.common.generators.render import write_video
    from data.common.generators.storyboard import storyboard

    write_video(storyboard("test", 0), tmp_path / "lecture.mp4")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(walk.engines, "choose", lambda *_: "torch")  # starts sooner
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *given: shown.extend(given))
    exec(EXAMPLES["minutes"], {})
    assert list(shown[0])[:4] == ["video_id", "label", "start", "end"]
    assert "<figure" in shown[1].data
