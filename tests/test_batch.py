"""Batches and reports on a tiny synthetic dataset: run once, go on after failures, add up."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from book.evidence import publish
from book.commands import batch as command
from book.evidence import phase, report, standing, statistics, summary
from book.runs import batch, multiverse, products, search, worlds
from data.files import paths, store
from data.files.dataset import open_dataset
from data.files.schema import read_yaml
from book.__main__ import main
from tfe.metrics import mean_average_precision

GRID = """
table: toy
dataset: {data}
encoder: planted
profile: smoke
seeds: [0, 1]
rows:
  - {{row: BIKE, backbone: bike, method: vanilla}}
  - {{row: BIKE+TFE, backbone: bike, method: tfe, against: BIKE,
     disentangler: {{k: {k}, tau: {tau}}}}}
"""
GOOD = "table: t\ndataset: d\nencoder: e\nseeds: 2"


@pytest.fixture(scope="module")
def data(toy, tmp_path_factory):
    """The toy of all, with people and a receipt."""
    folder = tmp_path_factory.mktemp("people") / "toy"
    shutil.copytree(toy, folder)
    videos = pd.read_csv(folder / "videos.csv")
    people = [f"s{n % 3}" for n in range(len(videos))]
    videos.assign(group=people).to_csv(folder / "videos.csv", index=False)
    (folder / "receipt.json").write_text('{"cuts": 1}')
    return folder


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The local results in a temporary folder."""
    folder = tmp_path_factory.mktemp("local")
    with pytest.MonkeyPatch.context() as patch:
        for module in (batch, command, report, standing, publish, paths):
            patch.setattr(module, "LOCAL", folder)
        # Defaults were bound when the functions were defined.
        for function in (report.write, standing.is_current, standing.beside_committed):
            patch.setattr(function, "__defaults__", (*function.__defaults__[:-1], folder))
        yield folder


def grid(tmp_path, data, k=4, tau=0.5):
    path = tmp_path / "toy.yaml"
    path.write_text(GRID.format(data=data, k=k, tau=tau))
    return path


def spoil(path, row, **overrides):
    """Let every run of a row fail, and no rehearsal: a folder lies where it would write."""
    grid = batch.read(path, **overrides)
    runs = batch.plan(grid, open_dataset(grid.folder), grid.encoder)
    for run in runs:
        if row in (run.row, None):
            (run.folder / "metrics.json").mkdir(parents=True)


@pytest.fixture(scope="module")
def ran(tmp_path_factory, data, local):
    """The batch, run once."""
    path = grid(tmp_path_factory.mktemp("grid"), data)
    assert main(["batch", str(path)]) == 0
    return path


def test_the_table_has_one_row_a_run_and_split_in_the_columns_of_the_study(ran, local):
    text = (local / "toy.csv").read_text()
    assert text.splitlines()[0] == ",".join(report.COLUMNS)
    table = pd.read_csv(local / "toy.csv")
    assert len(table) == 2 * 2 * 2
    assert set(table.split) == {"test", "shifted"} and set(table.seed) == {0, 1}
    assert table.paper.isna().all()  # a synthetic dataset never stands beside the paper's
    assert table.value.between(0, 100).all() and table.fidelity_auc.between(0, 1).all()
    assert (table[table.method == "tfe"].k == 4).all()
    assert table[table.method != "tfe"].k.isna().all()
    assert (table.rho == 0.5).all()


def test_the_numbers_are_those_of_the_predictions(ran, local):
    table = pd.read_csv(local / "toy.csv")
    for folder in local.glob("*/"):
        arrays = np.load(folder / "predictions.npz", allow_pickle=False)
        value = 100 * mean_average_precision(arrays["test.targets"], arrays["test.scores"])
        assert np.isclose(table.value, value, rtol=1e-4).any()
        assert arrays["test.leave_one_out"].shape == (12, 12, 16)
        np.testing.assert_allclose(arrays["test.attention"].sum(1), 1, rtol=1e-5)


def test_the_summary_pairs_by_seed(ran, local):
    table, lines = pd.read_csv(local / "toy.csv"), pd.read_csv(local / "toy_summary.csv")
    value = table.pivot(index="seed", columns=["row", "split"], values="value")
    for split in ("test", "shifted"):
        line = lines[(lines.row == "BIKE+TFE") & (lines.split == split)].iloc[0]
        pair = statistics.paired(value["BIKE+TFE", split], value["BIKE", split])
        assert line.difference == pytest.approx(pair["difference"], rel=1e-3)
        assert np.isnan([line.low, line.auc_low, line.difference_low, pair["low"]]).all()  # two seeds
    assert lines[lines.row == "BIKE"].difference.isna().all()


def test_the_page_says_what_was_run_and_that_it_is_synthetic(ran, local):
    text = (local / "toy.md").read_text()
    assert "synthetic" in text and "2 seeds" in text and "planted features" in text
    receipt = json.loads((local / "toy.json").read_text())
    assert receipt["versions"]["torch"] and receipt["device"].startswith("cpu")
    assert len(receipt["made_of"]["runs"]) == 4


def test_a_second_batch_does_nothing_and_says_so(ran, local, capsys, monkeypatch):
    monkeypatch.setattr(batch, "execute", lambda *a: pytest.fail("ran again"))
    assert main(["batch", str(ran)]) == 0
    assert "all 4 runs are done already; nothing to do" in capsys.readouterr().out


def test_another_parameter_is_another_run_and_the_same_is_shared(ran, data, local, tmp_path):
    dataset = open_dataset(data)
    plan = [batch.plan(batch.read(path), dataset, "planted")
            for path in (ran, grid(tmp_path, data, k=2))]
    same = {run.folder for run in plan[0]} & {run.folder for run in plan[1]}
    assert len(same) == 2 and all(run.metrics for run in plan[0])
    assert [run.metrics is None for run in plan[1]] == [False, False, True, True]


def test_one_failing_run_does_not_stop_the_others(data, local, in_this_process, tmp_path, capsys):
    path = grid(tmp_path, data)
    path.write_text(path.read_text().replace("{k: 4", "{k: 4, ratio: 2"))
    spoil(path, "BIKE+TFE", seeds=[7, 8])
    assert main(["batch", str(path), "--seeds", "7,8"]) == 1
    printed = capsys.readouterr()
    assert printed.err.count("failed: BIKE+TFE, seed ") == 2 and "metrics.json" in printed.err
    table = pd.read_csv(local / "toy.csv")
    assert set(table.row) == {"BIKE"} and set(table.seed) == {7, 8}


def test_a_grid_crosses_its_values(data, local, tmp_path):
    path = grid(tmp_path, data)
    path.write_text(path.read_text() + "grid: {disentangler.tau: [0.1, 0.5], profile: [smoke]}\n")
    runs = batch.plan(batch.read(path, seeds=[0]), open_dataset(data), "planted")
    assert [run.settings.disentangler for run in runs] == [
        {"tau": 0.1}, {"tau": 0.5}, {"k": 4, "tau": 0.1}, {"k": 4, "tau": 0.5}]


CHAIN = """
table: toy
dataset: {data}
encoder: planted
profile: smoke
seeds: [0, 1]
rows:
  - {{row: Twice, backbone: bike, method: tfe, depth: last, from: Longer}}
  - {{row: Once, backbone: bike, method: tfe, from: BIKE, against: BIKE}}
  - {{row: Longer, backbone: bike, method: vanilla, from: BIKE}}
  - {{row: Cold, backbone: bike, method: tfe}}
  - {{row: BIKE, backbone: bike, method: vanilla, {more}}}
"""


def chain(tmp_path, data, more="schedule: {lr: 0.002}", old="", new=""):
    """A batch whose rows begin at one another, written in another order than they run."""
    path = tmp_path / "chain.yaml"
    path.write_text(CHAIN.format(data=data, more=more).replace(old, new))
    return path


def planned(path, data):
    return batch.plan(batch.read(path), open_dataset(data), "planted")


@pytest.fixture
def waves(monkeypatch, tmp_path):
    """Runs that only say that they ran, in place of notebooks; what ran at a time, in order."""
    monkeypatch.setattr(batch, "LOCAL", tmp_path / "runs")
    found = []

    def all_at_once(function, jobs, *_, **__):
        jobs, found_now = list(jobs), []
        found.append(found_now)
        for job in jobs:
            found_now.append(job[0])
            yield job, function(job)

    def papermill(job):
        folder, parameters = job
        if parameters["begin"]:  # what it begins at is there already
            assert (Path(parameters["begin"]) / "checkpoint.safetensors").is_file()
        folder.mkdir(parents=True)
        if (reason := papermill.reason(parameters)) != "diverged" and reason:
            return reason
        for name in ("checkpoint.safetensors", "run.ipynb"):
            (folder / name).touch()
        products.save_metrics(folder, {
            "splits": {split: {} for split in parameters["splits"]}, "status": reason or "finished",
            "features": {}, "receipt": {}, "seconds": 0.0, "prior_ce": 0.0, "history": []})

    papermill.reason = lambda parameters: None
    monkeypatch.setattr(batch, "_papermill", papermill)
    monkeypatch.setattr(batch.pool, "over_cores", all_at_once)
    monkeypatch.setattr(batch.cluster, "run", lambda function, jobs, *_, **__: (
        (job, reason, None) for job, reason in all_at_once(function, jobs)))
    return SimpleNamespace(found=found, papermill=papermill)


def named(waves, runs):
    """The rows and seeds of each wave."""
    names = {run.folder: (run.row, run.settings.seed) for run in runs}
    return [sorted(names[folder] for folder in wave) for wave in waves.found if wave]


@pytest.mark.parametrize("slurm", [None, "gpu"])
def test_what_others_begin_at_runs_before_them_and_once(waves, data, tmp_path, slurm):
    runs, ended = planned(chain(tmp_path, data), data), []
    assert batch.execute(runs, slurm=slurm, after=lambda run: ended.append(run.folder)) == []
    assert named(waves, runs) == [
        [(row, seed) for row in rows for seed in (0, 1)]
        for rows in (["BIKE"], ["Longer"], ["Cold", "Once", "Twice"])]
    assert sorted(ended) == sorted({run.folder for run in runs}) and len(ended) == 10
    waves.found.clear()
    assert batch.execute(runs, slurm=slurm) == [] and not any(waves.found)


def test_a_run_begins_in_the_folder_of_its_own_seed(data, tmp_path):
    runs = {(run.row, run.settings.seed): run for run in planned(chain(tmp_path, data), data)}
    for (row, seed), run in runs.items():
        start = {"Twice": "Longer", "Once": "BIKE", "Longer": "BIKE"}.get(row)
        given = run.parameters
        assert given["start"] == ("warm" if start else "cold")
        assert given["begin"] == (str(runs[start, seed].folder) if start else "")
        assert run.begin == (runs[start, seed] if start else None)
        assert run.against == ("BIKE" if row == "Once" else None)


def test_a_grid_begins_at_the_same_point(data, tmp_path):
    path = chain(tmp_path, data)
    path.write_text(path.read_text() + "grid: {schedule.epochs: [1, 2]}\n")
    assert {point.row: point.begin for point in batch.read(path).points()}["Once, schedule.epochs 2"] == (
        "BIKE, schedule.epochs 2")


def test_another_start_is_another_run(data, tmp_path):
    """The key of a start is part of that of what begins there, over two steps as over one."""
    first, other = ({(run.row, run.settings.seed): run.folder
                     for run in planned(chain(tmp_path, data, f"schedule: {{lr: {rate}}}"), data)}
                    for rate in (0.002, 0.003))
    assert {row for row, seed in first if first[row, seed] != other[row, seed]} == {
        "BIKE", "Longer", "Once", "Twice"}
    cold = planned(chain(tmp_path, data, old=", from: BIKE, against", new=", against"), data)
    assert {run.folder for run in cold if run.row == "Once"} == {
        run.folder for run in cold if run.row == "Cold"}


def test_those_who_begin_at_a_failed_run_fail_in_a_line_and_the_others_go_on(waves, data, tmp_path):
    waves.papermill.reason = lambda given: "broken" if (
        given["method"], given["begin"], given["seed"]) == ("vanilla", "", 0) else None
    runs = planned(chain(tmp_path, data), data)
    failed = {(run.row, run.settings.seed): reason for run, reason in batch.execute(runs)}
    assert failed == {("BIKE", 0): "broken", **{
        (row, 0): f"it begins at row {start}, which did not finish"
        for row, start in (("Longer", "BIKE"), ("Once", "BIKE"), ("Twice", "Longer"))}}
    assert {(run.row, run.settings.seed) for run in runs if run.metrics} == {
        ("Cold", 0), *((run.row, 1) for run in runs)}


@pytest.mark.parametrize("lost", ["diverged", "deleted"])
def test_nothing_begins_at_a_run_that_has_no_end(waves, data, tmp_path, lost):
    """One that diverged may have left the checkpoint of an earlier epoch."""
    runs = planned(chain(tmp_path, data), data)
    starts = [run for run in runs if run.row == "BIKE"]
    if lost == "diverged":
        waves.papermill.reason = lambda given: None if given["begin"] else "diverged"
    assert batch.execute(starts) == []
    if lost == "deleted":
        for run in starts:
            (run.folder / "checkpoint.safetensors").unlink()
    failed = batch.execute([run for run in runs if run.row == "Once"])
    assert [reason for _, reason in failed] == ["it begins at row BIKE, which did not finish"] * 2


@pytest.mark.parametrize("old, new, said", [
    ("from: BIKE, against", "start: warm, against", "write `from: <row>`, no `start` for a row"),
    ("from: BIKE, against", "from: Cold, against", "row Once .*no salient"),
    ("backbone: bike, method: tfe, from: BIKE", "backbone: none, method: tfe-plus, from: BIKE",
     "row Once .*`from` names a head of bike: name one of none"),
    ("backbone: bike, method: tfe, from: BIKE", "backbone: msqnet, method: tfe, from: BIKE",
     "row Once .*`from` names a head of bike: name one of msqnet"),
    ("backbone: bike, method: tfe, from: BIKE", "backbone: text4vis, method: tfe, from: BIKE",
     "row Once .*`from` names a head of bike: name one of text4vis"),
    ("from: BIKE, against", "head: {dim: 64}, from: BIKE, against", "row Once .*of shape"),
    ("from: BIKE, against", "disentangler: {residual: false}, from: BIKE, against",
     "row Once .*a warm start needs D's residual")])
def test_a_start_that_does_not_fit_is_one_line_before_any_run(data, tmp_path, capsys, old, new, said):
    path = chain(tmp_path, data, old=old, new=new)
    assert main(["batch", str(path)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and re.search(said, lines[0])


def test_a_warm_run_that_learns_nothing_answers_as_its_start_did(ran, data, local, tmp_path):
    """From end to end: the vanilla run of the other batch is shared, and begun at."""
    path = tmp_path / "warm.yaml"
    path.write_text(f"""
table: warm
dataset: {data}
encoder: planted
profile: smoke
seeds: [1]
rows:
  - {{row: BIKE, backbone: bike, method: vanilla}}
  - {{row: TFE, backbone: bike, method: tfe, depth: last, from: BIKE, against: BIKE, measures: [],
     schedule: {{lr: 1.0e-30, weight_decay: 0}}}}
  - {{row: Gated MIL, backbone: none, method: gated-mil, head: {{attention: class}}, measures: []}}
  - {{row: TFE-plus, backbone: none, method: tfe-plus, from: Gated MIL, measures: [],
     disentangler: {{repeats: true}}, schedule: {{lr: 1.0e-30, weight_decay: 0}}}}
""")
    heads = planned(path, data)
    assert heads[0].metrics and not any(run.metrics for run in heads[1:])
    assert main(["batch", str(path)]) == 0
    for head, warm in (heads[:2], heads[2:]):
        before, after = (np.load(run.folder / "predictions.npz", allow_pickle=False) for run in (head, warm))
        for name in ("test.scores", "test.leave_one_out"):
            np.testing.assert_allclose(after[name], before[name], atol=1e-5)
        assert not {"erasure", "probes"} & warm.metrics["splits"]["test"].keys()


@pytest.mark.parametrize("of_test, said", [(False, "has no segments.csv"), (True, "has no intervals in train")])
def test_an_oracle_that_could_not_learn_is_left_out_and_said(data, tmp_path, capsys, of_test, said):
    shutil.copytree(data, tmp_path / "d")
    table = tmp_path / "d" / "segments.csv"
    lines = pd.read_csv(table)
    table.unlink()
    if of_test:
        lines[lines.video_id.str.startswith("test")].to_csv(table, index=False)
    path = grid(tmp_path, tmp_path / "d")
    path.write_text(path.read_text() + "  - {row: O, backbone: bike, method: oracle-mask}\n")
    runs = batch.plan(batch.read(path), open_dataset(tmp_path / "d"), "planted")
    assert len(runs) == 4 and f"O: left out, because toy {said}" in capsys.readouterr().out


@pytest.mark.parametrize("text, said", [
    ("rows: [", "not valid YAML"), ("[1, 2]", "an entry a line"),
    ("table: t", "dataset is missing"), (f"{GOOD}\nrows: []", "rows: List should have at least 1"),
    (f"{GOOD}\nrows: [{{row: a, backbone: bike, method: tfe, metod: tfe}}]", "unknown key 'metod'"),
    (f"{GOOD}\nrows: [{{row: a, against: b}}]", "`against` must name another row"),
    (f"{GOOD}\nrows: [{{row: a}}, {{row: a}}]", "a name of its own"),
    (f"{GOOD}\nrows: [{{backbone: bike}}]", "a name of its own"),
    (f"{GOOD}\nrows: [{{row: a, backbone: 3, method: tfe}}]", "row a: backbone: Input should be"),
    (f"{GOOD}\ngrid: {{nope.k: [1]}}\nrows: [{{row: a, backbone: bike, method: tfe}}]",
     "unknown key 'nope'"),
    *((f"{GOOD}\nrows: [{{row: a, from: {begin}}}, {{row: b}}]", "row a: `from` must name another row")
      for begin in ("[b]", "{b: b}", "null", "3", "c", "''")),
    (f"{GOOD}\nrows: [{{row: a, from: a}}]", "`from` leads back to row a"),
    (f"{GOOD}\nrows: [{{row: a, from: b}}, {{row: b, from: a}}]", "`from` leads back to row a"),
    (f"{GOOD}\nrows: [{{row: a, from: b}}, {{row: b, from: c}}, {{row: c, from: b}}]",
     "row a: `from` leads back to row b"),
    (GOOD.replace(": t", ": ../t") + "\nrows: [{row: a}]", "table: String should match"),
    (f"colour: red\n{GOOD}\nrows: [{{row: a}}]", "unknown key 'colour'")])
def test_a_bad_batch_file_is_one_line_and_exit_2(tmp_path, capsys, text, said):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    assert main(["batch", str(path)]) == 2
    said_lines = capsys.readouterr().err.strip().splitlines()
    assert len(said_lines) == 1 and said in said_lines[0] and "bad.yaml" in said_lines[0]


def test_missing_files_are_one_line_and_exit_2(tmp_path, capsys):
    for arguments in (["batch", str(tmp_path / "no.yaml")],
                      ["batch", "book/batches/table1.yaml", "--data", str(tmp_path)],
                      ["publish", "no-such-table"]):
        assert main(arguments) == 2
        said = capsys.readouterr().err.strip().splitlines()
        assert len(said) == 1 and "missing" in said[0]


def test_what_every_run_would_stumble_over_is_refused_before_any(data, local, tmp_path, capsys):
    before = sorted(local.iterdir())

    def refused(*arguments):
        assert main(["batch", *map(str, arguments)]) == 2
        said = capsys.readouterr().err.strip().splitlines()
        assert len(said) == 1
        return said[0]

    assert "row BIKE+TFE with features of T = 16: k is 17" in refused(grid(tmp_path, data, k=17))
    assert "tau is 0" in refused(grid(tmp_path, data, tau=0))
    assert "profile: Input should be 'smoke', 'default' or 'paper'" in refused(
        grid(tmp_path, data), "--profile", "hasty")
    path = grid(tmp_path, data)
    path.write_text(path.read_text().replace("tau:", "taw:"))
    assert "taw" in refused(path)
    if not torch.cuda.is_available():
        assert "no CUDA device" in refused(grid(tmp_path, data), "--device", "cuda")
    for split, other in (("train", "val"), ("test", "val")):
        folder = tmp_path / split
        shutil.copytree(data, folder)
        table = pd.read_csv(folder / "videos.csv")
        gone = [split] if split == "train" else ["test", "shifted"]
        table["split"] = table["split"].where(~table["split"].isin(gone), other)
        table.to_csv(folder / "videos.csv", index=False)
        said = refused(grid(tmp_path, folder))
        assert "videos.csv: no video of split" in said and split in said
    assert sorted(local.iterdir()) == before


def test_a_table_that_stands_is_told_without_what_draws_it():
    code = ("import sys, book.commands.batch; "
            "print([name for name in ('matplotlib', 'seaborn', 'scipy.stats') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], cwd=paths.ROOT, capture_output=True, text=True,
                          check=True)
    assert done.stdout == "[]\n"


def test_publish_alone_changes_what_is_committed(ran, local, tmp_path, monkeypatch, capsys):
    main(["batch", str(ran)])
    monkeypatch.setattr(publish, "RESULTS", tmp_path)
    monkeypatch.setattr(standing, "RESULTS", tmp_path)
    whole = replace(batch.read(ran), dataset="toy")
    monkeypatch.setattr(publish, "read_yaml", lambda path: {})
    for other, said in (({"rows": [*whole.rows, whole.rows[0] | {"row": "none"}]},
                         "has no row 'none'"),
                        ({"encoder": "other"}, "another encoder"), ({"seeds": [0]}, "another seed")):
        monkeypatch.setattr(publish.batch, "read", lambda path, other=other: replace(whole, **other))
        assert main(["publish", "toy"]) == 2 and said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(publish.batch, "read", lambda path: whole)
    assert main(["publish", "toy"]) == 0
    for suffix in (*standing.FILES, report.PEOPLE):
        assert (tmp_path / f"toy{suffix}").read_bytes() == (local / f"toy{suffix}").read_bytes()
    people = pd.read_csv(tmp_path / f"toy{report.PEOPLE}")
    assert len(people) == 2 * 3 * 2 and set(people.person) == {"s0", "s1", "s2"}
    assert json.loads((tmp_path / "toy.json").read_text())["dataset_receipt"] == {"cuts": 1}
    shown = standing.beside_committed("toy")
    assert shown.count(" yes ") == 4 and " no " not in shown


def test_fewer_seeds_are_held_against_the_same_seeds(ran, local, tmp_path, monkeypatch):
    table = pd.read_csv(local / "toy.csv")
    table.assign(value=table.value + 90 * table.seed).to_csv(tmp_path / "toy.csv", index=False)
    shutil.copy(local / "toy_summary.csv", tmp_path)
    monkeypatch.setattr(standing, "RESULTS", tmp_path)
    (tmp_path / "local").mkdir()
    table[table.seed == 0].to_csv(tmp_path / "local" / "toy.csv", index=False)
    shown = standing.beside_committed("toy", tmp_path / "local")
    assert shown.count(" 0.00 |") == 4 and " no " not in shown
    assert shown.endswith("The committed means are over seed 0 of 2, as here.")


def test_a_dataset_without_shifted_intervals_or_a_first_run_still_gives_its_table(
        data, local, in_this_process, tmp_path, capsys):
    """What users bring: train and test only, no segments.csv; and here the first row fails."""
    folder = tmp_path / "mine"
    shutil.copytree(data, folder)
    (folder / "segments.csv").unlink()
    table = pd.read_csv(folder / "videos.csv")
    table["split"] = table["split"].where(table["split"] == "test", "train")
    table.to_csv(folder / "videos.csv", index=False)
    path = grid(tmp_path, folder)
    spoil(path, "BIKE", seeds=[0])
    assert main(["batch", str(path), "--seeds", "1"]) == 1
    printed = capsys.readouterr().out
    assert "Fidelity" not in printed and "| BIKE+TFE | test    | 1 " in printed
    assert pd.read_csv(local / "toy_strips.csv").empty


def test_another_dataset_has_a_folder_of_its_own_and_a_picture(ran, data, local, tmp_path, capsys):
    assert main(["batch", str(ran)]) == 0  # other tests leave other tables there
    folder = tmp_path / "mine"
    shutil.copytree(data, folder)
    before = {path: path.read_bytes() for path in local.glob("toy*") if path.is_file()}
    assert main(["batch", str(ran), "--data", str(folder)]) == 0
    assert all(path.read_bytes() == content for path, content in before.items())
    own = local / "toy"  # as the dataset is called
    assert (own / "toy.csv").read_text() == (local / "toy.csv").read_text()
    printed = capsys.readouterr().out
    assert "toy_strips.png: the test videos at a sixth, half" in printed
    assert "](toy_strips.png)" in (own / "toy.md").read_text()
    assert plt.imread(own / "toy_strips.png").shape[0] > 300
    assert main(["batch", str(ran), "--data", str(folder)]) == 0
    assert "nothing to do" in capsys.readouterr().out
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    assert main(["batch", str(ran), "--data", str(other)]) == 0  # of the same name
    assert len(list(local.glob("toy-*/toy.csv"))) == 1


def test_tables_name_the_run_of_each_line(ran, local):
    assert main(["batch", str(ran)]) == 0
    keys = pd.read_csv(local / "toy.csv", dtype={"key": str}).key
    assert keys.nunique() == 4 and all((local / key / "metrics.json").is_file() for key in keys)


@pytest.mark.parametrize("name, folder", [
    ("my clips", "my_clips"), ("../up", "up"), ("/", "own"), ("0123456789abcdef", "0123456789abcdef_")])
def test_a_name_of_any_kind_is_a_folder_below_the_results(local, tmp_path, name, folder):
    dataset = SimpleNamespace(folder=tmp_path, name=name)
    assert command.home(dataset, tmp_path / "usual") == local / folder
    assert command.home(dataset, tmp_path) == local


def test_features_of_ones_own_are_hashed_and_another_array_is_another_run(data, tmp_path):
    folder = tmp_path / "own"
    shutil.copytree(data, folder)
    dataset = open_dataset(folder)
    ids = list(dataset.videos.video_id)
    x = np.random.default_rng(0).normal(size=(len(ids), 5, 8))
    key = []
    for scale in (1, 2):
        store.write_features(folder / "features" / "planted", ids, scale * x, {"origin": "user"})
        key.append(batch.plan(batch.read(grid(tmp_path, folder)), dataset, "planted")[0].folder)
    assert key[0] != key[1]


def test_a_full_size_head_on_features_has_no_class_text_and_it_is_said(data, tmp_path, capsys):
    folder = tmp_path / "own"
    shutil.copytree(data, folder)
    ids = list(open_dataset(folder).videos.video_id)
    store.write_features(folder / "features" / "planted", ids, np.zeros((len(ids), 5, 128)),
                         {"origin": "user"})
    path = grid(tmp_path, folder)
    path.write_text(path.read_text() + "  - {row: N, backbone: bike, method: vanilla, "
                    "head: {preset: narrow}}\n")
    batch.plan(batch.read(path), open_dataset(folder), "planted")
    (said,) = [line for line in capsys.readouterr().out.splitlines() if "text" in line]
    assert said.startswith("N: its class text is random")


@pytest.mark.parametrize("segments, said", [(3, "k is 4 for T = 3"), (100, "has 77 positions")])
def test_features_of_another_length_are_tried_before_any_run(
        data, tmp_path, capsys, segments, said):
    folder = tmp_path / "own"
    shutil.copytree(data, folder)
    ids = list(open_dataset(folder).videos.video_id)
    store.write_features(folder / "features" / "planted", ids, np.zeros((len(ids), segments, 8)),
                         {"origin": "user"})
    assert main(["batch", str(grid(tmp_path, folder))]) == 2
    said_lines = capsys.readouterr().err.strip().splitlines()
    assert len(said_lines) == 1 and said in said_lines[0]
    assert ("correct the batch file" in said_lines[0]) == (segments == 3)  # it is not at fault for 100


def test_where_every_run_fails_the_reasons_are_told(data, in_this_process, tmp_path, capsys):
    path = grid(tmp_path, data)
    path.write_text(path.read_text().replace("{k: 4", "{k: 4, ratio: 4"))
    spoil(path, None, seeds=[11])
    assert main(["batch", str(path), "--seeds", "11,"]) == 2
    said = capsys.readouterr().err
    assert "failed: BIKE+TFE, seed 11: IsADirectoryError" in said and "no run finished" in said


@pytest.mark.parametrize("old, new, said", [
    ("encoder: planted\n", "", "encoder is missing"), ("seeds: [0, 1]\n", "", "seeds is missing"),
    ("method: vanilla", "head: {}", "row BIKE: method is missing"),
    ("method: vanilla", "method: vanilla, head: {tower: huge}", "row BIKE")])
def test_a_batch_file_with_a_gap_is_refused_in_one_line(data, tmp_path, capsys, old, new, said):
    path = grid(tmp_path, data)
    path.write_text(path.read_text().replace(old, new))
    assert main(["batch", str(path)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and said in lines[0]


def test_a_grid_compares_like_with_like_and_a_number_of_seeds_will_do(data, tmp_path):
    path = grid(tmp_path, data)
    path.write_text(path.read_text().replace("seeds: [0, 1]", "seeds: 3\ngrid: {schedule.epochs: [1, 2]}"))
    wanted = batch.read(path)
    runs = batch.plan(wanted, open_dataset(data), "planted")
    assert {run.settings.seed for run in runs} == {0, 1, 2}
    names = {point.row for point in wanted.points()}
    assert {run.row for run in runs} == names and len(names) == 4
    assert {(run.row, run.against) for run in runs} >= {
        ("BIKE+TFE, schedule.epochs 2", "BIKE, schedule.epochs 2"), ("BIKE, schedule.epochs 1", None)}


def test_a_sweep_and_a_report_refuse_what_they_would_not_heed(capsys):
    assert main(["batch", str(paths.BOOK / "batches" / "phase.yaml"), "--seeds", "1"]) == 2
    assert "--seeds is not for" in capsys.readouterr().err
    assert main(["report", "table1"]) == 2 and "report what?" in capsys.readouterr().err


@pytest.mark.parametrize("text, which", [("3", [0, 1, 2]), ("5,", [5]), ("0,3,7", [0, 3, 7])])
def test_one_number_is_how_many_seeds_and_with_a_comma_which(text, which):
    assert command.seeds(text) == which


def test_an_interval_ends_where_its_measure_does():
    cell = pd.DataFrame({"value": [99.0, 100.0, 92.0], "fidelity_auc": [0.01, 0.0, 0.2]})
    mean, low, high = statistics.mean_interval(cell.value)
    assert high > 100
    found = summary._mean(cell, "value", ("value", "low", "high"), 100)
    assert found == {"value": mean, "low": pytest.approx(low), "high": 100}
    found = summary._mean(cell, "fidelity_auc", ("auc", "auc_low", "auc_high"), 1)
    assert found["auc_low"] == 0 < found["auc"] < found["auc_high"] < 1


def test_two_seeds_have_no_interval_on_the_page_and_it_says_why(ran, local):
    text = (local / "toy.md").read_text()
    assert "fewer than 3 seeds no interval is printed" in text and "[" not in text


@pytest.mark.parametrize("metric, scores, many", [
    ("accuracy", [[0.1, 0.9], [0.4, 0.6], [0.2, 0.8]], 1),
    ("accuracy", [[0.1, 0.9], [0.6, 0.4], [0.2, 0.8]], 0),
    ("map", [[0.1, 0.9]] * 3, 1), ("map", [[0.1, 0.9], [0.1, 0.8], [0.1, 0.9]], 0)])
def test_a_run_that_answers_every_video_alike_is_counted(tmp_path, metric, scores, many):
    products.save_predictions(tmp_path, {"test.scores": np.array(scores),
                                         "test.targets": np.eye(2)[[0, 1, 1]]})
    run = SimpleNamespace(folder=tmp_path, metrics={"splits": {"test": {}}})
    assert summary._collapsed([run], "test", metric) == ({"collapsed": many} if many else {})


@pytest.fixture
def committed():
    """Table 1 as committed, its summary, and `page(frame, lines)`, with all rows at one rate."""
    frame, lines = (pd.read_csv(paths.RESULTS / f"table1{suffix}.csv") for suffix in ("", "_summary"))
    return frame, lines, partial(report.page, "table1", receipt={
        "dataset": "planted", "synthetic": True, "settings": {}, "folds": 1,
        "rates": dict.fromkeys(lines.row, 3e-6)})


def test_collapsed_runs_stand_beside_their_row(committed):
    frame, lines, page = committed
    assert "collapsed" not in page(frame, lines)
    lines["collapsed"] = [2, *[np.nan] * (len(lines) - 1)]
    text = page(frame, lines)
    assert " 3e-6 " in text
    head, _, *cells = [line.split("|") for line in text.splitlines() if line.startswith("|")]
    assert [line[head.index(next(c for c in head if c.strip() == "collapsed"))].strip()
            for line in cells] == [f"2 of {lines.seeds[0]}", *[""] * (len(lines) - 1)]
    assert "runs that answer every video alike" in text


def test_a_caption_that_says_what_rose_says_how_that_was_told(committed):
    frame, lines, page = committed
    assert report.WORDS in page(frame, lines)
    text = page(frame[frame.row == "MSQNet"], lines[lines.row == "MSQNet"])  # which no row is held against
    assert "Holm" not in text and "raised" not in text


def test_an_interval_over_videos_too_ends_where_its_measure_does(tmp_path):
    products.save_predictions(tmp_path, {"test.scores": np.eye(2)[[0, 1, 1, 1]],
                                         "test.targets": np.eye(2)[[0, 1, 1, 0]]})
    runs = {seed: SimpleNamespace(folder=tmp_path, data="d", metrics={"status": "finished"})
            for seed in range(3)}
    line = {"value": 75.0, "low": 74.0, "high": 76.0, "metric": "accuracy", "diverged": 0}
    summary._widen(line, runs, {}, "test")
    assert 0 < line["video_low"] < 74 and line["video_high"] == 100  # of four videos: 75 +- 42


@pytest.mark.parametrize("seeds", ["0", "1,1", "a", "-1,2", ",", "1000000000"])
def test_seeds_must_be_different_numbers(data, tmp_path, capsys, seeds):
    with pytest.raises(SystemExit) as stopped:
        main(["batch", str(grid(tmp_path, data)), f"--seeds={seeds}"])
    assert stopped.value.code == 2 and "write " in capsys.readouterr().err


def test_seeds_on_one_fold_count_once_and_a_diverged_run_costs_its_fold():
    cell = pd.DataFrame({"seed": range(6), "value": [1., 2, 3, 5, 6, None], "fidelity_auc": [.5] * 6})
    runs = {seed: SimpleNamespace(data=f"fold{seed % 3}") for seed in range(6)}
    by_fold = summary._by_fold(cell, runs)
    assert by_fold.value[:2].tolist() == [3, 4] and by_fold.value.isna().tolist() == [False, False, True]
    assert by_fold.fidelity_auc.tolist() == [.5] * 3
    for data in ("one", None):  # one set for all seeds, a fold for each: nothing to average
        alike = {seed: SimpleNamespace(data=data or f"fold{seed}") for seed in range(6)}
        assert summary._by_fold(cell, alike) is cell


def test_a_batch_says_once_what_its_rows_measure(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("table: a\ndataset: d\nencoder: e\nseeds: [0]\nmeasures: []\nrows:\n"
                    "  - {row: a, backbone: bike, method: vanilla}\n"
                    "  - {row: b, backbone: bike, method: vanilla, measures: [probes]}\n")
    assert [point.settings.measures for point in batch.read(path).points()] == [[], ["probes"]]
    path.write_text(path.read_text().replace("measures: []\n", ""))
    assert [point.settings.measures for point in batch.read(path).points()] == [["erasure", "probes"], ["probes"]]


@pytest.mark.parametrize("path", sorted((paths.BOOK / "batches").glob("*.yaml")),
                         ids=lambda path: path.stem)
def test_the_batch_files_of_the_book_are_sound(path):
    if "axes" in read_yaml(path):
        grid = multiverse.read(path)
    elif "of" in read_yaml(path):
        grid = worlds.read(path)
        assert grid.search.table == grid.of
    elif "sets" in read_yaml(path):
        grid = search.read(path)
    elif "sweep" in read_yaml(path):
        grid = phase.read(path)
        assert grid.points()
    else:
        grid = batch.read(path)
        for settings in (point.settings for point in grid.points()):
            assert settings.plan() and settings.build(12, 64, "multilabel")
    assert grid.table == path.stem
