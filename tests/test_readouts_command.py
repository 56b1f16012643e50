"""`python -m book readouts`: what it writes of finished runs, and what it refuses."""

import json

import numpy as np
import pandas as pd
import pytest

from book.__main__ import main
from book.commands import readouts
from book.evidence import explainers, tell
from book.runs import checkpoint, heads
from data.files.dataset import write_dataset
from data.files.store import write_features
from tfe import systems, training

CLASSES, T, F = ["go", "stop", "wait"], 6, 8
SYSTEMS = {"0" * 16: ("bas-net", "none"), "1" * 16: ("tfe", "bike"), "2" * 16: ("vanilla", "bike")}
ONE_LABEL = "3" * 16


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """Local results with three finished runs, untrained, on a small dataset with intervals."""
    folder = tmp_path_factory.mktemp("local")
    data = dataset(tmp_path_factory.mktemp("data"), "multilabel")
    for key, (method, backbone) in SYSTEMS.items():
        finished(folder / key, data, method, backbone)
    finished(folder / ONE_LABEL, dataset(tmp_path_factory.mktemp("one"), "singlelabel"), "vanilla",
             "bike", "singlelabel")
    return folder


def dataset(data, task):
    draw = np.random.default_rng(0)
    ids = [f"v{n}" for n in range(16)]
    labels = draw.choice(CLASSES, size=16)
    videos = pd.DataFrame({"video_id": ids, "split": ["train", "test"] * 8, "duration": 12.0,
                           "labels": labels})
    segments = pd.DataFrame({"video_id": ids, "label": labels, "start": 2.0, "end": 6.0})
    write_features(data / "features" / "own", ids, draw.normal(size=(16, T, F)),
                   {"origin": "user"})
    write_dataset(data, {"name": "mine", "task": task, "classes": CLASSES,
                         "synthetic": True}, videos, segments)
    return data


def finished(folder, data, method, backbone, task="multilabel"):
    training.seed_everything(0)
    system = systems.build(method, backbone, len(CLASSES), F, task, head={"dim": 16})
    folder.mkdir()
    checkpoint.Checkpoint(folder).save({"system": system.state_dict(), "optimisers": {}, "rows": [],
                                        "settings": {}})
    given = {"method": method, "backbone": backbone, "data": str(data), "encoder": "own",
             "profile": "smoke", "seed": 0, "head": {"dim": 16}}
    noted = {"metadata": {"papermill": {"parameters": given}}}
    (folder / "run.ipynb").write_text(json.dumps(noted))
    (folder / "metrics.json").write_text(json.dumps(
        {"features": {"encoder": "own"}, "status": "finished", "receipt": {}, "splits": {},
         "seconds": 1.0, "prior_ce": 1.0, "history": []}))


@pytest.fixture(autouse=True)
def here(local, monkeypatch):
    monkeypatch.setattr(heads, "LOCAL", local)
    monkeypatch.setattr(readouts, "LOCAL", local)
    monkeypatch.setattr(explainers, "STEPS", 2)
    monkeypatch.setattr(tell, "STEPS", 2)
    # Workers would not see what is patched.
    monkeypatch.setattr(readouts.pool, "over_cores", lambda function, items, *_: (
        (item, function(item)) for item in items))


@pytest.mark.parametrize("key, names", [
    ("0" * 16, ["attention", "mask", "leave_one_out", "single", "attention_logit", "gradients"]),
    ("2" * 16, ["attention", "leave_one_out", "single", "attention_logit", "gradients"])])
def test_a_run_is_read_every_way_that_it_has(local, key, names, capsys):
    assert main(["readouts", key]) == 0
    table = pd.read_csv(local / "readouts.csv")
    assert list(table.readout) == [*names, "oracle", "random"] and set(table.split) == {"test"}
    assert table[["auc", "auprc", "ndcg", "rank_accuracy", "tiou_map"]].notna().all(axis=None)
    assert list(table.readout[table.aopcr.notna()]) == names
    places = readouts.means(table).set_index("readout")["place by auc"]
    assert places.notna().sum() == len(names)  # truth takes no place
    assert (table.method == SYSTEMS[key][0]).all() and "place by aopcr" in capsys.readouterr().out


@pytest.mark.parametrize("key", ["0" * 16, "1" * 16])
def test_masks_and_explainers_have_files_of_their_own(local, key):
    assert main(["readouts", key, "--ask", "masks"]) == 0
    assert pd.read_csv(local / "masks.csv").probe.between(0, 1).all()
    assert main(["readouts", key, "--ask", "explainers"]) == 0
    picks = list(pd.read_csv(local / "explainers.csv").picks)
    assert ("l2x" in picks) == (SYSTEMS[key][0] != "tfe")


@pytest.mark.parametrize("key", ["0" * 16, "2" * 16])
def test_what_a_head_relies_on_is_asked_of_a_finished_run(local, key):
    assert main(["readouts", key, "--ask", "reliance"]) == 0
    table = pd.read_csv(local / "reliance.csv")
    assert ("auc_new_reader" in table) == (SYSTEMS[key][0] == "tfe")
    assert table.joint.between(0, 1).all() and (table.pairs + table.skipped > 0).all()


def test_one_label_is_read_on_plain_and_on_centred_logits_with_a_receipt(local, tmp_path):
    out = tmp_path / "centring.csv"
    assert main(["readouts", ONE_LABEL, "--ask", "centring", "--out", str(out)]) == 0
    table, receipt = pd.read_csv(out), json.loads(out.with_suffix(".json").read_text())
    assert table[["value", "auc_plain", "auc_centred", "other_top"]].map(
        lambda share: 0 <= share <= 1).all(axis=None)
    assert (receipt["dataset"], receipt["synthetic"], receipt["runs"]) == ("mine", True, [ONE_LABEL])
    assert {"versions", "commit", "device"} <= set(receipt)


def test_many_labels_have_no_centred_logits(tmp_path, capsys):
    out = tmp_path / "centring.csv"
    assert main(["readouts", "2" * 16, "--ask", "centring", "--out", str(out)]) == 2
    assert "one label a video" in capsys.readouterr().err and not out.exists()


def test_what_is_no_run_or_has_no_mask_is_refused(capsys):
    assert main(["readouts", "2" * 16, "--ask", "masks"]) == 2
    assert "no run to ask" in capsys.readouterr().err
    assert main(["readouts", "f" * 16]) == 2
    assert "is no finished run" in capsys.readouterr().err
