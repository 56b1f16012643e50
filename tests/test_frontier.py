"""Rows watched along training: the same end as unwatched, epochs counted from the first head's begin."""

import numpy as np
import pandas as pd
import pytest
import yaml

from book.__main__ import main
from book.commands import frontier as command
from book.evidence import frontier as evidence
from book.runs import batch, fits, frontier
from data.files import reading
from data.files.dataset import open_dataset
from tfe.errors import StudyError

BIKE = {"backbone": "bike", "profile": "smoke"}
ROWS = [{"row": "head", "method": "vanilla", **BIKE},
        {"row": "on", "method": "vanilla", "from": "head", **BIKE},
        {"row": "TFE", "method": "tfe", "from": "head", "depth": "last", **BIKE}]


@pytest.fixture
def planned(toy, fits_apart):
    """`planned(rows)`: their runs, on a toy dataset."""
    folder = fits_apart(frontier)

    def plan(rows):
        (path := folder / "toy.yaml").write_text(yaml.safe_dump({
            "table": "toy", "dataset": str(toy), "encoder": "planted", "seeds": [0],
            "splits": ["val"], "rows": rows}))
        grid = batch.read(path)
        return batch.plan(grid, open_dataset(grid.folder), grid.encoder)
    return plan


def test_watching_changes_nothing_and_epochs_go_on_from_the_head(planned, capsys):
    runs = planned(ROWS)
    lines = frontier.run("toy", runs, every=1)
    assert lines.groupby("row", sort=False).epoch.apply(list).to_dict() == {
        "head": [1, 2], "on": [3, 4], "TFE": [3, 4]}
    for one in runs:
        plain, _ = fits.fit(one.settings, one.data, one.encoder, ["val"], one.begin and one.begin.settings)
        last = lines[lines.row == one.row].iloc[-1]
        assert all(last[name] == pytest.approx(plain[0][name], rel=1e-5) for name in frontier.MEASURED)
    capsys.readouterr()
    again = frontier.run("toy", runs, every=1)
    assert again.equals(lines) and "3 fits, 0 to do" in capsys.readouterr().out
    frontier.run("toy", runs, every=2)
    assert "3 fits, 3 to do" in capsys.readouterr().out  # another step is another question


def test_a_row_that_begins_at_a_warm_row_is_refused(planned):
    rows = [*ROWS, {"row": "further", "method": "vanilla", "from": "on", **BIKE}]
    with pytest.raises(StudyError, match="row further begins at on, which begins warm itself"):
        frontier.run("toy", planned(rows))


def test_the_command_says_what_the_lines_were_made_on(planned, monkeypatch, tmp_path, capsys):
    planned(ROWS[:1])
    monkeypatch.setattr(command, "LOCAL", tmp_path)
    path = frontier.LOCAL.parent / "toy.yaml"
    assert main(["frontier", str(path), "--every", "1", "--splits", "val"]) == 0
    said = reading.json_object(tmp_path / "toy_frontier.json")
    assert said["device"].startswith("cpu (") and (said["every"], said["splits"]) == (1, ["val"])
    assert "| ('head', 'val') |" in capsys.readouterr().out


def curve(values, aucs, row="plain", seed=0, begin=0):
    return pd.DataFrame({"row": row, "seed": seed, "epoch": range(begin + 4, begin + 4 + 4 * len(values), 4),
                         "value": values, "fidelity_auc": aucs})


def test_a_curve_is_read_where_it_first_reaches_a_recognition():
    one = curve([10.0, 30.0, 20.0, 40.0], [.9, .8, .85, .7])
    assert evidence.at(one, 20.0) == pytest.approx((.85, 6))  # halfway of the first rise, not at epoch 12
    assert evidence.at(one.iloc[::-1], 40.0) == pytest.approx((.7, 16))
    assert evidence.at(one, 5.0) == pytest.approx((.9, 4))  # nothing is measured before
    assert np.isnan(evidence.at(one, 41.0)).all()


def test_heads_are_compared_at_equal_recognition_and_what_is_not_reached_is_counted():
    plain = pd.concat([curve([10.0, 30.0], [.9, .8], seed=seed) for seed in range(4)]
                      + [curve([50.0, 70.0], [.7, .6], "plain on", seed, 8) for seed in range(4)])
    ours = pd.concat([curve([5.0, 60.0], [.1, .75 + seed / 1000], "ours", seed, 8) for seed in range(3)]
                     + [curve([99.0], [.9], "ours", 3, 8)])
    found = evidence.compared(pd.concat([plain, ours]), "ours", ["plain", "plain on"])
    assert found["difference"] == pytest.approx(.101) and found["low"] > .09
    assert (found["seeds"], found["of"], found["epoch"]) == (3, 4, 14)
    assert evidence.compared(pd.concat([plain, ours]), "ours", ["plain"]) | {"epoch": 0} == {
        "seeds": 0, "of": 4, "epoch": 0}


def test_the_front_and_what_a_rival_matches():
    lines = pd.DataFrame([("a", 1.0, .9), ("a", 2.0, .8), ("a", 1.0, .8), ("a", 2.0, .8),
                          ("b", 2.0, .9), ("b", 3.0, .1)], columns=["method", *evidence.MEASURES])
    assert evidence.front(lines[lines.method == "a"]).value.tolist() == [1, 2, 2]
    assert evidence.matched(lines, "a", ["a", "b"]).tolist() == [.75, 1]  # of equals each has the other
    assert evidence.matched(lines, "b", ["a", "b"]).tolist() == [0, 0]  # none is a rival of itself
    assert evidence.matched(lines, "a", ["b"], level=2.0).tolist() == [1]
    assert evidence.matched(lines, "a", ["b"], level=9.0).isna().all()
