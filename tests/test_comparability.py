"""The simulation behind chapter 18: its labels, its zero point, and what it keeps."""

import numpy as np
import pandas as pd
import pytest

from book.__main__ import main
from book.evidence import comparability as simulation
from tfe.errors import StudyError
from data.files.paths import RESULTS

HEADER = "id,subject,actions,length\n"


def test_labels_of_an_official_list(tmp_path):
    (tmp_path / "Charades_v1_test.csv").write_text(
        HEADER + "AAAAA,x,c003 1.00 2.00;c156 0.00 9.10;c003 4.00 5.00,30\nBBBBB,y,,10\n")
    targets = simulation.charades(tmp_path)
    assert targets.shape == (2, 157)
    assert list(np.flatnonzero(targets[0])) == [3, 156] and not targets[1].any()


@pytest.mark.parametrize("text", ["id,length\na,1\n", HEADER + "A,x,c157 1 2,3\n",
                                  HEADER + "A,x,walking,3\n", None])
def test_another_file_is_refused_by_name(tmp_path, text):
    if text:
        (tmp_path / "Charades_v1_test.csv").write_text(text)
    with pytest.raises(StudyError, match="Charades_v1_test.csv.*--lists"):
        simulation.charades(tmp_path)


def test_differences_start_at_the_macro_map_and_repeat():
    targets = simulation.planted(80)
    table = simulation.simulate("few", targets, strengths=[1.8], seeds=2)
    assert (table[table.measure == "macro"][["difference", "low", "high"]] == 0).all(axis=None)
    assert (table.low <= table.difference).all() and (table.difference <= table.high).all()
    # The prior moves whole classes: what ranks within a class does not see it.
    pairs = table.pivot(index=["measure", "batch"], columns="prior", values="value")
    assert np.allclose(pairs.loc["bike"][True], pairs.loc["bike"][False])
    assert not np.allclose(pairs.loc["msqnet"][True], pairs.loc["msqnet"][False])
    pd.testing.assert_frame_equal(
        table, simulation.simulate("few", targets, strengths=[1.8], seeds=2))


def test_without_lists_the_rows_of_charades_stay(tmp_path, monkeypatch):
    out = tmp_path / "comparability.csv"
    monkeypatch.setattr(simulation, "planted", lambda: np.eye(30, 4, dtype=bool))
    monkeypatch.setattr(simulation, "simulate", lambda labels, targets: pd.read_csv(
        RESULTS / "comparability.csv").head(1).assign(labels=labels))
    pd.read_csv(RESULTS / "comparability.csv").to_csv(out, index=False)
    main(["comparability", "--out", str(out)])
    labels = pd.read_csv(out).labels
    assert (labels == "Charades test").sum() > 1 and labels.str.startswith("planted").sum() == 1


@pytest.mark.shared
def test_the_committed_rows_are_those_of_the_official_list(shared):
    targets = simulation.charades(shared / "annotations" / "charades")
    assert len(targets) == 1863 and (~targets.any(axis=1)).sum() == 49
    table = pd.read_csv(RESULTS / "comparability.csv")
    committed = table[(table.labels == "Charades test") & (table.measure == "macro")
                      & (table.strength == 1.8) & table.prior].value.item()
    monitor = [100 * simulation.PEERS["macro"](*simulation.scored(targets, 1.8, True, seed))
               for seed in range(simulation.SEEDS)]
    assert np.mean(monitor) == pytest.approx(committed, abs=1e-3)
