"""The leaderboard's runs: equal budgets, choices on val, rows that are not made twice, and refusals."""

from types import SimpleNamespace

import pandas as pd
import pytest
import yaml

from book.__main__ import main
from book.commands import batch as command
from book.evidence import explainers, leaderboard, publish, tell
from book.runs import finals, fits, provenance, search
from data import planted
from data.files import store
from data.files.dataset import open_dataset
from data.files.paths import BOOK
from tfe.errors import StudyError

FILE = BOOK / "batches" / "peers.yaml"
WARM = {"row": "Plus", "backbone": "none", "method": "tfe-plus", "search": {"disentangler.k": [2]},
        "settings": {"start": "warm", "disentangler": {"repeats": True}}}
TINY = {
    "table": "tiny", "draws": 1, "configurations": 3, "search_seed": 9, "seeds": [0, 1, 2],
    "development": ["toy"], "profile": "smoke", "starts": {"bike": {}},
    "sets": {"toy": {"encoder": "planted"}, "gone": {"encoder": "x", "made": "make gone"}},
    "search": {"schedule.lr": [1e-4, 1e-2]},
    "methods": [
        {"row": "Additive", "backbone": "none", "method": "additive", "search": {"head.dim": [8, 16]}},
        {"row": "Mean", "backbone": "none", "method": "mean-pool"},
        {"row": "Odd", "backbone": "none", "method": "mean-pool", "needs": "no-such-package"}]}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Folders of their own with a toy dataset, and what `search.run` gives for the file."""
    folder = tmp_path_factory.mktemp("board")
    planted.main(["--features-only", "--out", str(folder / "toy"), "--train", "16", "--val", "8",
                  "--test", "8", "--shifted", "0"])
    with pytest.MonkeyPatch.context() as patch:
        for module in (search, search.multiverse):
            for name in ("DATA", "LOCAL", "RESULTS"):
                patch.setattr(module, name, folder if name == "DATA" else folder / name.lower())
        patch.setattr(fits, "STARTS", folder / "starts")
        patch.setattr(search.pool, "over_cores", lambda function, items, *_: (
            (item, function(item)) for item in items))  # this process alone
        patch.setattr(tell, "STEPS", 2)
        patch.setattr(explainers, "STEPS", 2)
        yield folder, search.run(written(folder, TINY))


@pytest.fixture(scope="module")
def board():
    return search.read(FILE)


def written(folder, content):
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(content))
    return search.read(path)


def test_every_method_of_the_book_has_the_same_number_of_draws_and_options_of_its_own(board):
    assert board.configurations == 12 and len(board.development) == 3 and len(board.seeds) >= 5
    reading = board.reading(board.development[0])
    for method in reading.methods:
        assert all(any(each in axis for axis in method.axes) for each in (
            "schedule.lr", "schedule.epochs", "schedule.weight_decay")) and len(method.axes) <= 6
    assert sum(m.backbone == "none" and "tfe" not in m.method for m in board.methods) >= 7
    for method in reading.methods:
        tries = [str(reading.values(method, config)) for config in range(board.configurations)]
        assert len(set(tries)) == len(tries)


def test_what_was_published_near_1e4_is_tried_there(board):
    rates = {method.row: method.search.get("schedule.lr", board.search["schedule.lr"])
             for method in board.methods}
    for row in ("DSMIL", "BaS-Net", "TransMIL"):
        assert rates[row] == [1e-4, 3e-4, 1e-3, 3e-3, 1e-2]
    assert min(rates["Gated MIL"]) == 1e-3


def test_draws_are_those_of_the_seed_whatever_the_set(board):
    one, other = (board.reading(name) for name in board.development[:2])
    for a, b in zip(one.methods, other.methods):
        drawn = [[(axis, value.value) for axis, value in reading.values(method, config).items()]
                 for reading, method in ((one, a), (other, b)) for config in range(12)]
        assert drawn[:12] == drawn[12:] and len(set(map(str, drawn[:12]))) >= 5


def test_the_choice_is_searched_on_val_and_measured_on_test_by_every_read_out(world, capsys):
    folder, frame = world
    found = pd.read_csv(folder / "local" / "tiny_search_toy.csv")
    assert set(found.split) == {"val"} and (found.groupby("method").config.nunique() == 3).all()
    best = found.groupby("method").apply(lambda part: part.config[part.value.idxmax()],
                                         include_groups=False)
    assert set(frame.row[frame.status.str.startswith("not run")]) == {"Odd"}
    frame = frame[frame.row != "Odd"]
    assert frame.groupby("row").config.first().to_dict() == best.to_dict()
    counts = frame.groupby(["row", "readout"]).seed.agg(list)
    assert all(sorted(seeds) == [0, 1, 2] for seeds in counts)
    assert set(counts["Additive"].index) >= {"attention", "mask", "leave_one_out", "single", "gradients"}
    assert frame[["value", "auc", "tiou_map"]].notna().all(axis=None)
    assert set(frame.readout[frame.aopcr.isna()]) == {"oracle", "random"}
    assert frame[frame.row == "Additive"].probe.between(0, 1).all()
    assert frame[frame.row == "Mean"].probe.isna().all()  # no mask to tell anything


def test_a_rerun_makes_nothing_and_says_what_is_left_out(world, monkeypatch, capsys):
    folder, frame = world
    for module, name in ((search, "_final"), (search.multiverse, "fit")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("a fit was done again"))
    pd.testing.assert_frame_equal(search.run(written(folder, TINY)), frame)
    fewer = search.run(written(folder, TINY | {"seeds": [0]}))  # what was measured of other seeds stays
    assert set(fewer.key[fewer.value.notna()]) == set(frame.key[frame.value.notna()])
    said = capsys.readouterr().out
    assert "Odd: not run: it needs the package no-such-package: `.venv/bin/python -m pip install no-such-package`" in said
    assert "gone: not run: its data are not here; `make gone` makes it" in said


def test_an_interruption_loses_the_fit_in_hand_alone(world, monkeypatch):
    folder, frame = world
    path = folder / "local" / "tiny.csv"
    whole = path.read_text()
    last = frame.key[frame.row == "Mean"].iloc[-1]
    frame[frame.key != last].to_csv(path, index=False)
    made = []
    final = search._final
    monkeypatch.setattr(search, "_final", lambda named: made.append(named[0]) or final(named))
    again = search.run(written(folder, TINY))
    assert made == [last] and len(again) == len(frame)
    path.write_text(whole)


def test_a_batch_goes_on_from_rows_that_another_machine_committed(world, monkeypatch, tmp_path):
    folder, frame = world
    path = folder / "local" / "tiny.csv"
    whole, theirs = path.read_text(), (frame.row == "Mean") & (frame.seed < 2)
    monkeypatch.setattr(search, "RESULTS", tmp_path)
    frame[theirs].to_csv(tmp_path / f"tiny{leaderboard.UNFINISHED}", index=False)
    frame[~theirs].to_csv(path, index=False)
    monkeypatch.setattr(search, "_final", lambda _: pytest.fail("a fit was done again"))
    pd.testing.assert_frame_equal(search.run(written(folder, TINY)), frame)
    path.write_text(whole)


def test_a_seed_has_the_fold_of_its_number(board):
    assert [board.folder("salads", seed)[-12:] for seed in (0, 4, 5)] == [
        "salads/fold1", "salads/fold5", "salads/fold1"]
    assert board.folder("planted", 3).endswith("planted")


def test_no_seed_is_tested_on_a_fold_that_was_tuned_on(board):
    for name, one in board.sets.items():
        folds = [board.folder(name, seed)[-1] for seed in board.seeds_of(name)]
        if one.folds and name in board.development:
            assert "2" not in folds and len(set(folds)) == one.folds - 1  # val of fold 1 is fold 2
        elif one.folds:
            assert len(set(folds)) == one.folds
    assert len(board.seeds_of("gtea")) == 6
    few = search.read(FILE, seeds=[0, 1])
    assert few.seeds_of("salads") == [0, 2] and few.seeds_of("planted") == [0, 1]


def test_a_try_has_two_epochs_whatever_the_file_says():
    board = search.read(FILE, **search.SMOKE)
    for row in board.rows:
        for config in range(board.configurations):
            for settings in filter(None, board.settings(row, config, 0)):
                assert settings.plan().epochs <= 2


def test_few_videos_are_read_the_same_for_all_and_it_is_said(world):
    folder, _ = world
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    board = search.on(search.read(folder / "tiny.yaml", read=5), "few", folder / "toy", "planted")
    frame = search.run(board)
    made = frame[frame.row != "Odd"]  # which is not run, so that nothing of it is read
    assert (made.read == 5).all() and set(made.absent_classes) <= set(range(13))
    jobs = [board.job("few", row, 0, seed) for row in ("Additive", "Mean") for seed in (0, 1)]
    assert len({tuple(job.drawn(range(8))) for job in jobs}) == 1 and len(jobs[0].drawn(range(8))) == 5
    assert jobs[0].key != search.replace(jobs[0], read=6).key


def test_plain_heads_are_explained_where_the_file_says_so(world):
    folder, _ = world
    heads = [{"row": "BIKE", "backbone": "bike", "method": "vanilla"}, TINY["methods"][1]]
    toy = TINY["sets"]["toy"] | {"explained": 1}
    frame = search.run(written(folder, TINY | {"methods": heads, "sets": {"toy": toy}}))
    picks = frame[frame.explainer.notna()]
    assert set(picks.row) == {"BIKE"} and set(picks.seed) == {0} and picks.readout.isna().all()
    assert list(picks.explainer) == ["own", "leave_one_out", "random", "l2x", "ail"]
    assert picks[["selected", "auc", "accuracy"]].notna().all(axis=None)
    assert leaderboard.cells(frame, "auc").notna().all(axis=None)  # read-outs are not displaced
    written(folder, TINY)


def test_what_cannot_be_run_is_a_row_that_says_why_and_the_others_go_on(world):
    folder, _ = world
    toy = open_dataset(folder / "toy")
    features = store.open_features(toy, "planted")
    short = folder / "short"
    short.mkdir()
    for name in ("dataset.toml", "videos.csv"):
        (short / name).write_text((folder / "toy" / name).read_text())
    store.write_features(short / "features" / "planted", features.video_ids, features.x[:, :1],
                         {**features.meta, "T": 1})
    sets = {"short": {"encoder": "planted"}, **TINY["sets"]}
    frame = search.run(written(folder, TINY | {"sets": sets, "seeds": [0]}))
    lost = frame[frame.dataset == "short"]
    assert list(lost.row) == ["Additive", "Mean", "Odd"] and lost.value.isna().all()
    assert lost.status[:2].str.startswith("not run: T is 1").all()
    assert lost.status.iloc[2].startswith("not run: it needs the package no-such-package")
    assert frame[(frame.dataset == "toy") & (frame.row != "Odd")].value.notna().all()
    written(folder, TINY)


@pytest.mark.parametrize("error", [RuntimeError("no\nmemory"), ValueError("shapes"), IndexError()])
def test_a_fit_that_breaks_is_a_row_that_says_why_and_is_tried_again(world, monkeypatch, error):
    folder, _ = world
    fit = fits.fit

    def broken(settings, *rest):
        if settings.schedule["lr"] == 1e-4 or rest[2] == ["test"]:
            raise error
        return fit(settings, *rest)
    monkeypatch.setattr(fits, "fit", broken)
    board = written(folder, TINY | {"table": f"broken{type(error).__name__}", "seeds": [0],
                                    "methods": TINY["methods"][1:2], "search": {"schedule.lr": [1e-4, 1e-2]}})
    frame, said = search.run(board), " ".join(str(error).split()) or "IndexError"
    tried = pd.read_csv(folder / "local" / f"{board.table}_search_toy.csv")
    assert set(tried.status) == {"finished", f"not run: {said}"} and frame.status.item() == f"not run: {said}"
    monkeypatch.setattr(fits, "fit", fit)
    assert set(search.run(board).status) == {"finished"}
    written(folder, TINY)


def test_a_worker_of_other_code_refuses(world, monkeypatch):
    folder, _ = world
    board = written(folder, TINY)
    job = board.job("toy", "Mean", 0, 0)
    monkeypatch.setattr(finals, "lines", lambda job: "done")
    assert search._final((job.key, job)) == "done"
    key = fits.key(job.settings, job.data, job.encoder)
    monkeypatch.setattr(provenance, "sources", lambda *_: {"tfe/khot.py": "edited"})
    with pytest.raises(StudyError, match="the code or the data changed while the batch ran"):
        search._final(("before", job))
    with pytest.raises(StudyError, match="start it again"):
        search.multiverse.fit((key, job.settings, None, ["val"]), job.data, job.encoder)


def test_cells_are_published_that_have_all_their_seeds(world, monkeypatch, tmp_path):
    folder, frame = world
    (tmp_path / "batches").mkdir()
    for name, value in (("LOCAL", folder / "local"), ("RESULTS", tmp_path), ("BOOK", tmp_path)):
        monkeypatch.setattr(publish, name, value)
    path, plan = folder / "local" / "tiny.csv", tmp_path / "batches" / "tiny.yaml"
    whole = path.read_text()
    frame[(frame.row != "Mean") | (frame.seed != 2)].to_csv(path, index=False)
    plan.write_text(yaml.safe_dump(TINY))
    with monkeypatch.context() as searched:  # as long as nothing is chosen
        searched.setattr(publish, "LOCAL", tmp_path / "local")
        (tmp_path / "local").mkdir()
        with pytest.raises(StudyError, match="tiny.csv is missing"):
            publish.publish("tiny")
        (tmp_path / "local" / "tiny_search_toy.csv").write_text("method\n")
        assert publish.publish("tiny") == [tmp_path / "tiny_search_toy.csv"]
    assert {each.name for each in publish.publish("tiny")} == {"tiny.csv", "tiny.json", "tiny_search_toy.csv",
                                                               f"tiny{leaderboard.UNFINISHED}"}
    path.write_text(whole)
    kept = leaderboard.read(tmp_path / f"tiny{leaderboard.UNFINISHED}")  # from which another machine goes on
    assert set(kept.row) == {"Mean"} and set(kept.seed) == {0, 1}
    made = pd.read_csv(tmp_path / "tiny.csv")
    assert set(made.row) == {"Additive", "Odd"} and set(made.seed) == {0, 1, 2}
    other = pd.concat([made, made.assign(dataset="gone"), made.assign(dataset="no more", value=1.0)])
    other.to_csv(tmp_path / "tiny.csv", index=False)
    frame.to_csv(path, index=False)
    publish.publish("tiny")
    assert not (tmp_path / f"tiny{leaderboard.UNFINISHED}").exists()
    kept.assign(dataset="gone").to_csv(tmp_path / f"tiny{leaderboard.UNFINISHED}", index=False)
    publish.publish("tiny")  # what another machine has begun of a set that is not here stays
    assert len(leaderboard.read(tmp_path / f"tiny{leaderboard.UNFINISHED}")) == len(kept)
    older = frame[frame.row != "Additive"]
    older.to_csv(path, index=False)
    with pytest.raises(StudyError, match=f"lacks {len(frame) - len(older)} rows of .*run the batch"):
        publish.publish("tiny")
    frame.to_csv(path, index=False)
    assert pd.read_csv(tmp_path / "tiny.csv").dataset.value_counts().to_dict() == {
        "toy": len(frame), "gone": len(made)}  # what this machine has not stays, what no file names does not
    plan.write_text(yaml.safe_dump(TINY | {"seeds": [0, 1]}))
    publish.publish("tiny")  # of more seeds than the file asks for, those it asks for
    assert set(pd.read_csv(tmp_path / "tiny.csv").query("dataset == 'toy'").seed) == {0, 1}
    for change, said in (({"seeds": [0, 7]}, "no cell has the seeds"),
                         ({"profile": "default"}, "profile")):
        plan.write_text(yaml.safe_dump(TINY | change))
        with pytest.raises(StudyError, match=said):
            publish.publish("tiny")
    path.write_text(whole)


def test_one_command_runs_it_on_a_folder_of_ones_own(world, monkeypatch, capsys):
    folder, _ = world
    monkeypatch.setattr(command, "LOCAL", folder / "local")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY | {"methods": TINY["methods"][1:2]}))
    assert main(["batch", str(folder / "tiny.yaml"), "--data", str(folder / "toy"), "--seeds", "1"]) == 0
    # A try has a table of its own: it takes the place of no real one.
    assert len(pd.read_csv(folder / "local" / "toy" / "tiny_smoke.csv").key.unique()) == 1
    said = capsys.readouterr().out
    assert "tIoU mAP" in said and "AOPCR" in said and "One set ranks and tests nothing" in said


def test_where_nothing_can_be_run_the_command_fails(world, monkeypatch):
    folder, _ = world
    monkeypatch.setattr(command, "LOCAL", folder / "local")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY | {"methods": [
        one for one in TINY["methods"] if one["row"] == "Odd"]}))
    assert main(["batch", str(folder / "tiny.yaml"), "--data", str(folder / "toy"), "--seeds", "1"]) == 1


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_set_without_a_split_is_refused_in_one_line_before_any_search(world, split, monkeypatch, capsys):
    folder, _ = world
    sizes = {"val": "4", "test": "4"} | {split: "0"}
    planted.main(["--features-only", "--out", str(folder / split), "--train", "8", "--val", sizes["val"],
                  "--test", sizes["test"], "--shifted", "0"])
    monkeypatch.setattr(command, "LOCAL", folder / "local")
    monkeypatch.setattr(search.multiverse, "run", lambda *_: pytest.fail("searched"))
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    assert main(["batch", str(folder / "tiny.yaml"), "--data", str(folder / split)]) == 2
    assert f"no video of split {split} has features" in capsys.readouterr().err


def test_of_several_encoders_of_ones_own_one_must_be_named(tmp_path):
    for name in ("mine", "other"):
        (tmp_path / "features" / name).mkdir(parents=True)
        (tmp_path / "features" / name / "meta.json").write_text("{}")
    dataset = SimpleNamespace(folder=tmp_path)
    assert command.features_of(dataset, "mine") == "mine"
    with pytest.raises(StudyError, match="has several folders, mine, other: name one by --encoder"):
        command.features_of(dataset, "efficientnet-lite0")


@pytest.mark.parametrize("change, said", [
    ({"development": ["else"]}, "development names else"),
    ({"search": {"schedule.lr": [0.0]}}, "Additive, configuration 0"),
    ({"search": {"head.dimm": [8]}}, "dimm"),
    ({"methods": [TINY["methods"][1], TINY["methods"][1] | {"method": "gated-mil"}]}, "one name"),
    ({"configurations": 0}, "configurations"), ({"beside": ["Men"]}, "beside names Men, which is no row"),
    ({"methods": [WARM]}, "may begin warm: name the head of backbone none"),
    ({"methods": [WARM], "starts": {"none": {"method": "gated-mil"}}}, "no disentangler.score.weight"),
    ({"methods": [TINY["methods"][0] | {"method": "no-such"}]}, "no-such")])
def test_a_file_that_cannot_be_meant_is_refused_in_one_line(tmp_path, change, said):
    with pytest.raises(StudyError, match=said) as error:
        written(tmp_path, TINY | change)
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


def test_what_a_set_does_not_fit_is_left_out_with_a_reason(world, capsys):
    folder, _ = world
    plus = {"row": "Plus", "backbone": "none", "method": "tfe-plus", "search": {"disentangler.k": [40]}}
    frame = search.run(written(folder, TINY | {"methods": [TINY["methods"][1], plus]}))
    assert "Plus: not run: toy: k is 40" in capsys.readouterr().out
    assert frame.status[frame.row == "Plus"].str.startswith("not run: toy: k is 40").all()
    assert list(frame.seed[frame.row == "Plus"]) == [0, 1, 2]
    assert frame.value[frame.row == "Mean"].notna().all()
    written(folder, TINY)


def test_a_row_begins_at_a_head_of_another_method(world):
    """The head is trained once a seed, and kept; what learns nothing after it answers as it does."""
    folder, _ = world
    still = WARM | {"settings": {**WARM["settings"], "schedule": {"lr": 1e-30, "weight_decay": 0.0}},
                    "search": {"schedule.epochs": [1]}}
    gated = {"method": "gated-mil", "head": {"attention": "class"}, "schedule": {"lr": 1e-2}}
    head = {"row": "Head", "backbone": "none", "method": "gated-mil", "search": {"schedule.lr": [1e-2]},
            "settings": {"head": {"attention": "class"}}}
    before = len(list((folder / "starts").glob("*")))
    frame = search.run(written(folder, TINY | {
        "table": "warm", "configurations": 1, "seeds": [0], "search": {"schedule.betas": [[0.9, 0.999]]},
        "starts": {"none": gated}, "methods": [head, still]}))
    wide = frame[frame.readout == "leave_one_out"].set_index("row")
    assert wide.value["Plus"] == pytest.approx(wide.value["Head"], abs=1e-4)
    assert wide.auc["Plus"] == pytest.approx(wide.auc["Head"], abs=1e-4)
    assert len(list((folder / "starts").glob("*"))) == before + 2  # of the search's seed and the final one
    written(folder, TINY)


def test_the_row_of_the_book_begins_at_the_pooling_that_it_is_held_against():
    board = search.read(FILE)
    for config in range(board.configurations):
        settings, begin = board.settings("TFE-plus", config, 3)
        assert (settings.start, begin.method, begin.head, begin.seed) == (
            "warm", "gated-mil", {"attention": "class"}, 3)
        assert settings.disentangler["repeats"] and settings.schedule["epochs"] == 20
        control, same = board.settings("Gated MIL trained on", config, 3)
        assert same == begin and control.schedule["epochs"] == 20 and control.method == begin.method
    assert board.settings("TFE-plus (cold)", 0, 3)[1] is None
    assert set(board.beside) == {"Gated MIL trained on", "TFE-plus (cold)"}


@pytest.mark.parametrize("head", ["MSQNet", "BIKE"])
def test_the_configuration_that_chapter_23_calls_a_start_has_its_settings(board, head):
    (plain, _), (_, start) = board.settings(head, 11, 0), board.settings(f"{head}+TFE", 0, 0)
    assert plain.plan() == start.plan()
    assert repr(plain.build(4, 8, "multilabel")) == repr(start.build(4, 8, "multilabel"))


def test_a_row_names_its_fold(board):
    assert [board.fold("salads", seed) for seed in (0, 4, 5)] == [1, 5, 1]
    assert board.fold("planted", 3) is None


def test_a_missing_development_set_says_how_it_is_made(world):
    folder, _ = world
    with pytest.raises(StudyError, match="gone is no dataset: `make gone` makes it"):
        search.run(written(folder, TINY | {"development": ["gone"]}))
