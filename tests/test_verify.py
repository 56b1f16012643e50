"""`report --verify`: equal when it is, different when a digit of the committed table was changed."""

import json
import shutil

import pandas as pd
import pytest
from scipy import stats
from test_batch import GRID

from book.evidence import verify
from book.evidence import report, standing
from book.runs import batch
from data.files.dataset import open_dataset
from book.__main__ import main


@pytest.fixture(scope="module")
def home(toy, tmp_path_factory, in_this_process):
    """A study of toys: a batch file, and its committed table."""
    home = tmp_path_factory.mktemp("study")
    (home / "batches").mkdir()
    (home / "batches" / "toy.yaml").write_text(GRID.format(data=toy, k=4, tau=0.5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "LOCAL", home / "local")
        dataset = open_dataset(toy)
        runs = batch.plan(batch.read(home / "batches" / "toy.yaml"), dataset, "planted")
        assert batch.execute(runs) == []
        report.write("toy", dataset, runs, ["test", "shifted"], home)
    return home


@pytest.fixture(scope="module")
def execute(tmp_path_factory):
    """`batch.execute` of one run, which makes it the first time, and then hands out copies."""
    kept, real = tmp_path_factory.mktemp("again"), batch.execute

    def once(runs):
        (run,) = runs
        made = kept / f"{run.row}-{run.settings.seed}"
        if made.is_dir():
            shutil.copytree(made, run.folder, dirs_exist_ok=True)
            return []
        failed = real(runs)
        if not failed:
            shutil.copytree(run.folder, made)
        return failed
    return once


@pytest.fixture
def here(home, execute, monkeypatch):
    monkeypatch.setattr(verify, "RESULTS", home)
    monkeypatch.setattr(verify, "BOOK", home)
    monkeypatch.setattr(verify.batch, "execute", execute)
    return home


def test_a_run_made_again_equals_the_committed_one(here, capsys):
    assert main(["report", "--verify", "--seed", "1"]) == 0
    said = capsys.readouterr().out
    assert "--seed 1" in said and "toy" in said and "\nequal" in said


def test_a_table_whose_data_are_not_here_is_named_and_the_others_go_on(here, capsys):
    gone = here / "batches" / "gone.yaml"
    try:
        gone.write_text(GRID.format(data=here / "nowhere", k=4, tau=0.5).replace("table: toy", "table: gone"))
        shutil.copyfile(here / "toy.csv", here / "gone.csv")
        assert main(["report", "--verify", "--seed", "1"]) == 2
        said = capsys.readouterr().out
        assert "gone: not compared: " in said and "equal, each within what `allowed` says: 1 of 2 tables" in said
        assert main(["report", "--verify", "gone", "--seed", "1"]) == 2
        assert "nowhere" in capsys.readouterr().err
    finally:
        for path in (gone, here / "gone.csv"):
            path.unlink()


def test_one_changed_digit_is_found(here, capsys):
    table = pd.read_csv(here / "toy.csv")
    try:
        table.assign(value=table.value + 0.1).to_csv(here / "toy.csv", index=False)
        assert main(["report", "--verify", "toy", "--seed", "2"]) == 1
    finally:
        table.to_csv(here / "toy.csv", index=False)
    assert "DIFFERENT" in capsys.readouterr().out


def test_a_run_that_the_committed_table_lacks_is_no_equality(here, capsys):
    table = pd.read_csv(here / "toy.csv")
    try:
        table[table.row == "BIKE"].to_csv(here / "toy.csv", index=False)
        codes = {main(["report", "--verify", "toy", "--seed", str(seed)]) for seed in range(6)}
        assert codes == {0, 2} and "toy.csv has no run of BIKE+TFE" in capsys.readouterr().err
    finally:
        table.to_csv(here / "toy.csv", index=False)


def test_a_run_of_another_processor_or_engine_may_lie_where_another_seed_would(here):
    table = pd.read_csv(here / "toy.csv")
    receipt = json.loads((here / "toy.json").read_text())
    cell = table.groupby(["row", "split"]).value
    reach = cell.transform("std") * stats.t.ppf(0.995, cell.transform("count") - 1) * 2**0.5
    try:
        for share, code in ((0.9, 0), (1.1, 1)):
            moved = table.assign(value=table.value + share * reach)
            moved.assign(device="cpu (x86_64)").to_csv(here / "toy.csv", index=False)
            assert main(["report", "--verify", "toy", "--seed", "3"]) == code
            moved.to_csv(here / "toy.csv", index=False)
            assert main(["report", "--verify", "toy", "--seed", "3"]) == 1
            (here / "toy.json").write_text(json.dumps({**receipt, "engine": "openvino"}))
            assert main(["report", "--verify", "toy", "--seed", "3"]) == code
            (here / "toy.json").write_text(json.dumps(receipt))
    finally:
        table.to_csv(here / "toy.csv", index=False)


def test_page_and_figure_can_be_made_of_the_table_alone(here):
    files = here / "toy.md", here / "toy.png"
    before = [path.read_bytes() for path in files]
    for path in files:
        path.write_bytes(b"")
    assert list(report.redraw((), here)) == list(files)
    assert [path.read_bytes() for path in files] == before


def test_what_else_was_measured_stands_beside_the_table(here):
    measures = pd.read_csv(here / "toy_measures.csv")
    one = measures.query("row == 'BIKE+TFE' and split == 'test' and seed == 0")
    assert {"erasure_comprehensiveness", "probes_probe_z_n", "attention_auc"} <= set(one.measure)
    vanilla = measures.query("row == 'BIKE'").measure
    assert not vanilla.str.startswith("probes").any()
    assert all((here / f"toy{suffix}").is_file() for suffix in standing.FILES)
