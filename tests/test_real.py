"""The way to the real benchmarks, rehearsed: chapter 24 by papermill, as its page tells to run it."""

import json

import pandas as pd
import papermill
import pytest
from test_batch import local  # noqa: F401 (a fixture)
from test_benchmarks import given, here, make, official, unhashed  # noqa: F401 (fixtures)

from book.__main__ import main
from book.commands import reproduce
from book.evidence import plan
from book.runs import batch, benchmarks, checkpoint, products
from data import planted
from data.common.archives import download
from data.encoders import weights
from data.files.paths import BOOK
from tfe import StudyError

pytest.importorskip("transformers", reason="the full-size systems need the package transformers")
WAYS = {
    "ucf101": ({"backbone": "text4vis", "method": "vanilla", "intervals": False}, 1, "accuracy"),
    "hmdb51": ({"backbone": "bike", "method": "tfe-bounded", "intervals": False}, 1, "accuracy"),
    "charades": ({"backbone": "msqnet", "intervals": False,
                  "head": {"preset": "narrow", "legacy_pooling": True}}, 3, "map")}


@pytest.mark.parametrize("like", WAYS)
def test_the_notebook_goes_the_whole_way(like, tmp_path):
    """On a synthetic miniature of the dataset's form: labels a video, and the metric."""
    parameters, actions, metric = WAYS[like]
    data, out = tmp_path / "data", tmp_path / "out"
    planted.main(["--out", str(data), "--train", "4", "--val", "0", "--test", "2", "--shifted", "0",
                  "--actions", str(actions)])
    papermill.execute_notebook(
        BOOK / "24_real.ipynb", tmp_path / "ran.ipynb", cwd=str(BOOK), progress_bar=False,
        log_output=False, engine_name="warm",
        parameters={"data": str(data), "out": str(out), **parameters})
    told = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert told["splits"]["test"]["metric"] == metric and len(told["history"]) == 2
    assert told["splits"]["test"]["videos"] == 2 and told["receipt"]["device"].startswith("cpu")
    assert (out / "checkpoint.safetensors").is_file() and (out / "predictions.npz").is_file()


def options(benchmark="charades", *names, preset="paper"):
    return benchmarks.Options(benchmark, names, (0, 1, 2), "cpu", preset)


def test_a_published_head_is_measured_once_and_others_begin_there(here, official, local):  # noqa: F811
    dataset = make("charades", here, official("charades"))
    found = benchmarks.runs(options("charades", "bike"), dataset, {"bike": 64}, {"epochs": 20})
    rows = pd.Series([run.row for run in found]).value_counts()
    assert rows.to_dict() == {"BIKE": 1, "BIKE trained on": 3, "BIKE+TFE": 3, "BIKE+TFE, from scratch": 3}
    first = found[0].parameters
    assert not first["train"] and first["files"] == ["charades-vit-l-336-f16.pt"] and first["intervals"]
    warm = next(run for run in found if run.row == "BIKE+TFE")
    assert warm.begin.folder == found[0].folder and warm.parameters["files"] == []
    assert (warm.settings.depth, warm.settings.game["encoder"]) == ("last", "salient")
    cold = next(run for run in found if "scratch" in run.row)
    assert cold.begin is None and "k400-vit-l-14-336-f16.pt" in cold.parameters["files"]
    assert all(run.settings.plan().accumulate == 64 and run.settings.plan().batch_size == 256 for run in found)
    # The number of parts is no other run; the number of epochs is.
    again, longer = (benchmarks.runs(options("charades", "bike"), dataset, {"bike": parts}, {"epochs": epochs})
                     for parts, epochs in ((128, 20), (64, 100)))
    assert [run.folder for run in again] == [run.folder for run in found]
    assert not {run.folder for run in longer[1:]} & {run.folder for run in found[1:]}


def test_where_nothing_is_published_each_seed_trains_its_own_vanilla(here, official, local):  # noqa: F811
    dataset = make("ucf101", here, official("ucf101"))
    found = benchmarks.runs(options("ucf101", "text4vis"), dataset, {"text4vis": 8}, {})
    assert len(found) == 12 and all(run.parameters["train"] for run in found)
    warm = [run for run in found if run.begin]
    assert len(warm) == 6 and all(run.begin.settings.seed == run.settings.seed for run in warm)
    assert not any(run.parameters["intervals"] for run in found)


def test_a_card_gets_as_many_parts_as_it_needs():
    small, middle, large = (benchmarks.parts("bike", gigabytes, 256) for gigabytes in (24, 48, 141))
    assert small > middle >= large >= 1
    assert benchmarks.parts("bike", 24, 256, "head") < small
    for method in ("vanilla", "tfe"):  # of MSQNet the vanilla system is the larger one
        cost, parts = plan.counted("msqnet", method, "encoder"), benchmarks.parts("msqnet", 32, 256)
        assert plan.held(cost, 256 // parts, parts) < 32 - plan.ROOM
    with pytest.raises(StudyError, match="not one clip at a time fits 8 GB"):
        benchmarks.parts("bike", 8, 256)


def test_what_fine_tuning_lacks_fits_one_screen(here, official, monkeypatch, capsys):  # noqa: F811
    monkeypatch.setenv("TFE_WEIGHTS", str(here / "weights"))
    monkeypatch.setenv("HF_HUB_CACHE", str(here / "cache"))
    folder = given(here / "given", official("charades"))
    command = ["reproduce", "table1", "charades", "--from", str(folder), "--out", str(here / "out"),
               "--profile", "paper", "--backbone", "bike"]
    assert main(command) == 2
    said = capsys.readouterr().out
    assert "charades-vit-l-336-f16.pt" in said and "whwu95/BIKE" in said and "a GPU" in said
    assert "bpe_simple_vocab" in said and "same command again" in said and len(said.splitlines()) <= 30
    (here / "weights").mkdir()
    (here / "weights" / "charades-vit-l-336-f16.pt").write_bytes(b"x")
    assert main(command) == 2
    assert "your word for charades-vit-l-336-f16.pt" in capsys.readouterr().out
    main([*command, "--trust", "charades-vit-l-336-f16.pt"])
    assert "your word" not in capsys.readouterr().out and not (here / "out").exists()


def test_the_table_prints_the_paper_ours_and_the_authors_code(here, official, monkeypatch):  # noqa: F811
    dataset = make("charades", here, official("charades"))
    monkeypatch.setattr(benchmarks, "LOCAL", here / "local")
    found = benchmarks.runs(options("charades", "bike"), dataset, {"bike": 64}, {})
    for run in found[:-1]:  # the last one is still to come
        products.save_metrics(run.folder, {
            "splits": {"test": {"metric": "map", "value": 0.5 + run.settings.seed / 100,
                                "peers": {"bike": 0.52, "msqnet": 0.6}}},
            "status": "finished", "features": {}, "seconds": 1.0, "prior_ce": None, "history": [],
            "receipt": {"device": "cpu", "commit": "c"}})
        (run.folder / "run.ipynb").write_text("{}")
    lines = benchmarks.write("table1_charades", options("charades", "bike"), dataset, found).splitlines()
    cells = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]]
             for line in lines if line.startswith("|")}
    assert cells["BIKE"] == ["1", "49.4", "50.0", "52.0"]
    assert cells["BIKE+TFE"] == ["3", "50.1", "51.0 [48.5, 53.5]", "52.0"]
    assert cells["BIKE trained on"][1] == "" and cells["BIKE+TFE, from scratch"][0] == "2"
    assert (here / "local" / "table1_charades.csv").is_file() and "rehearsal" not in lines[0]


def test_a_run_goes_on_in_other_parts_but_not_at_another_rate():
    first = {"schedule": {"lr": 1.0, "accumulate": 2}, "seed": 0}
    assert checkpoint._alike(first["schedule"]) == checkpoint._alike({"lr": 1.0, "accumulate": 64})
    assert checkpoint._alike(first["schedule"]) != checkpoint._alike({"lr": 2.0, "accumulate": 2})
    assert checkpoint._alike(first["seed"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("table, name, head, seeds", [("table1", "charades", "bike", 3),
                                                      ("table2", "ucf101", "msqnet", 1)])
def test_rehearsed_from_archives_to_the_table(here, official, local, capsys, monkeypatch,  # noqa: F811
                                              table, name, head, seeds):
    """Archives in official form, clips, fine-tuning in parts, several views, the printed numbers."""
    folder = given(here / "given", official(name))
    monkeypatch.setattr(benchmarks, "LOCAL", local)
    command = ["reproduce", table, name, "--from", str(folder), "--out", str(here / "out"), "--sources",
               str(unhashed(here / "sources.toml", name)), "--profile", "paper", "--preset", "narrow",
               "--device", "cpu", "--backbone", head, "--seeds", str(seeds), "--epochs", "2",
               "--accumulate", "2"]
    assert main(command) == 0
    said = capsys.readouterr().out
    frame = pd.read_csv(local / f"{table}_{name}.csv")
    printed = {"bike": 50.1, "msqnet": 96.5}[head]
    assert frame.row.nunique() == 4 and (frame.groupby("row").seed.nunique() == seeds).all()
    assert frame.paper[frame.method == "tfe"].eq(printed).all() and str(printed) in said
    assert "by its authors' code" in said and "A rehearsal: narrow systems" in said
    monkeypatch.setattr(batch, "_papermill", lambda job: pytest.fail("ran again"))
    assert main(command) == 0 and f"{4 * seeds} done already" in capsys.readouterr().out


def test_the_page_names_every_file_that_is_wanted():
    page = (BOOK / "24_real.py").read_text(encoding="utf-8")
    wanted = (*benchmarks.START.values(), *benchmarks.PUBLISHED.values())
    for name in {name for files in wanted for name in files}:
        assert f"`{weights.KNOWN['either'].get(name, [name])[0]}`" in page
    for name in plan.ARCHIVES:
        _, lists, videos = download.sources(name)
        assert all(f"`{each.name}`" in page for each in (lists, videos[0]))


def test_the_official_sizes_make_the_plan():
    """9,848 videos and 49,802 intervals of Charades, 13,320 videos of UCF101, in the published lists."""
    assert plan.videos("charades")["videos"] == 9848 and plan.INTERVALS == 49_802
    assert plan.videos("ucf101")["videos"] == 13_320 and set(plan.ARCHIVES) == set(reproduce.TABLES["table3"])
    known = {*weights.FILES, *weights.KNOWN["either"]}
    assert all(known.issuperset(files) for files in benchmarks.START.values())
