"""What a search chose, elsewhere: the fits, what stays of them, and what is said."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from book.__main__ import main
from book.evidence import publish, worlds as evidence
from book.evidence.verdicts import verdict
from book.runs import fits, multiverse, search, worlds
from data.files.paths import BOOK
from tfe.errors import StudyError
from tests.test_multiverse import TINY

FILE = BOOK / "batches" / "worlds.yaml"
CHOSEN = {"BIKE": {"recognition": 0, "fidelity": 0}, "BIKE+TFE": {"recognition": 1, "fidelity": 2}}
PLACES = {"table": "places", "of": "tiny", "seeds": [0, 1],
          "sets": {"toy": {"encoder": "planted"}, "gone": {"encoder": "planted", "made": "make gone"}}}


@pytest.fixture(scope="module")
def world(fits_apart):
    """A folder, the file's `Worlds`, and what they give on a toy dataset."""
    folder = fits_apart(worlds)
    fits_apart(search)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worlds, "BOOK", folder)
        (folder / "batches").mkdir()
        for name, content in (("tiny", TINY), ("places", PLACES)):
            (folder / "batches" / f"{name}.yaml").write_text(yaml.safe_dump(content))
        (folder / "local").mkdir(exist_ok=True)
        (folder / "local" / "tiny.json").write_text(json.dumps({"chosen": CHOSEN}))
        places = worlds.read(folder / "batches" / "places.yaml")
        yield folder, places, worlds.run(places)


def test_what_was_chosen_is_trained_anew_with_every_seed_and_measured_on_test(world):
    folder, places, frame = world
    assert json.loads((folder / "local" / "places.json").read_text())["chosen"] == CHOSEN
    assert set(map(tuple, frame[["method", "config", "seed", "split"]].values)) == {
        (row, config, seed, "test") for row, config in (("BIKE", 0), ("BIKE+TFE", 1), ("BIKE+TFE", 2))
        for seed in (0, 1)}
    assert frame[["value", "fidelity_auc", "key", "device"]].notna().all(axis=None) and frame.fold.isna().all()
    settings, begin = places.search.settings(places.search.methods[1], 2, 1)
    again = fits.fit(settings, places.folder("toy"), "planted", ["test"], begin)[0][0]["value"]
    assert frame.value[(frame.config == 2) & (frame.seed == 1)].item() == pytest.approx(again, rel=1e-5)


def test_a_rival_of_another_search_goes_there_by_its_own_name_and_heads_take_turns(world):
    folder, places, _ = world
    twin = TINY | {"table": "twin", "methods": TINY["methods"][:1]}
    (folder / "batches" / "twin.yaml").write_text(yaml.safe_dump(twin))
    (folder / "local" / "twin.json").write_text(json.dumps({"chosen": {"BIKE": {"recognition": 1, "fidelity": 1}}}))
    both = replace(places, also={"another BIKE": "twin"}, heads=["msqnet", "bike"])
    frame = worlds.run(both)
    assert set(frame.config[frame.method == "another BIKE"]) == {1}
    lines = evidence.table(both, frame)
    ours, = lines[lines.against == "another BIKE"].to_dict("records")[:1]
    there = frame[frame.method == "another BIKE"].value.mean()
    assert ours["row"] == "BIKE+TFE" and ours["value"] - ours["difference"] == pytest.approx(there)
    assert [both.turn(head) for head in ("msqnet", "bike", "none")] == [0, 1, 2]
    assert evidence.here(both, frame[frame.method != "another BIKE"], "bike") == []


def test_a_second_run_makes_what_is_lost_alone_and_names_what_is_not_here(world, monkeypatch, capsys):
    folder, places, frame = world
    path, made, fit = folder / "local" / "places.csv", [], multiverse.fit
    frame[1:].to_csv(path, index=False)
    monkeypatch.setattr(multiverse, "fit", lambda job, *rest: made.append(job[0]) or fit(job, *rest))
    again = worlds.run(places)
    assert made == [frame.key[0]] and again.key.tolist() == frame.key.tolist()
    assert "gone: not run: its data are not here; `make gone` makes it" in capsys.readouterr().out


def test_without_a_choice_the_search_is_named(world, monkeypatch, tmp_path):
    for name in ("LOCAL", "RESULTS"):
        monkeypatch.setattr(worlds, name, tmp_path)
    with pytest.raises(StudyError, match="tiny.json is missing: run `python -m book batch"):
        worlds.run(replace(world[1]))  # what was read once is kept


def rows(gain, folds=None, names=("toy",)):
    """Runs of CHOSEN on sets: TFE's metric lies `gain` above the plain head's, and its AUC .01 of that."""
    draw = np.random.default_rng(1)
    return pd.DataFrame([
        {"dataset": name, "synthetic": True, "metric": "map", "split": "test", "status": "finished",
         "fold": folds and 1 + seed % folds, "method": method, "config": config, "seed": seed,
         "value": 50 + gain * (method == "BIKE+TFE") + .1 * draw.normal(), "fidelity_auc": .7 + .01 * gain * (
             method == "BIKE+TFE")}
        for name in names for method, rules in CHOSEN.items() for config in sorted(set(rules.values()))
        for seed in range(6)])


@pytest.mark.parametrize("gain, said", [(5, "higher"), (-5, "lower"), (0, "equal")])
def test_each_rule_is_held_against_what_it_chose_of_the_plain_head(world, gain, said):
    places = replace(world[1], seeds=list(range(6)))
    lines = evidence.table(places, rows(gain, names=("toy", "gone")))
    ours = lines[lines.row == "BIKE+TFE"]
    assert len(ours) == 4 and set(ours.against) == {"BIKE"}
    assert {verdict(line) for line in ours.to_dict("records")} == {said}
    assert set(ours.dataset[ours.chosen_by == "recognition"]) == {"toy", "gone"}
    p = lines.p.to_numpy()  # over both sets at once
    assert lines.holm.max() >= np.nanmin(p) * np.isfinite(p).sum() - 1e-12


def test_the_readme_says_how_far_choices_lie_apart_on_other_sets_and_where_clearly(world):
    places = replace(world[1], seeds=list(range(6)))
    for gain, word in ((5, "higher"), (-5, "lower")):
        told = evidence.said(places, rows(gain, names=("toy", "gone")))
        assert "BIKE+TFE on 2, 0 of them of real recordings" in told and "So far" in told
        line, = (line for line in told.splitlines() if "| BIKE |" in line)
        assert f"| by fidelity: {gain:+d}." in line and line.count(f", {word} on gone (synthetic), toy (synthetic)<br>by recognition: ") == 1
    assert evidence.said(places, rows(5)[1:]) == ""
    frame = rows(5)
    frame.loc[0, "value"] = 10.
    assert "One run of BIKE on toy broke down, at 10.0 where" in evidence.said(places, frame)
    assert "broke down" not in evidence.said(places, rows(5))
    frame.loc[frame.index[0], "value"] = np.nan  # a run of the plain head diverged: its comparisons tell nothing
    assert "| BIKE |" not in evidence.said(places, frame)


def test_a_rise_of_fidelity_counts_where_recognition_does_not_fall():
    line = {"dataset": "a", "difference": 2.0, "holm": .01, "equal": False, "auc_difference": .1, "auc_holm": .01,
            "auc_equal": False, "synthetic": False}
    lines = pd.DataFrame([line, line | {"dataset": "b", "holm": .5}, line | {"dataset": "c", "difference": -2.0}])
    assert evidence.over(lines).endswith(", higher on a and lower on c")
    assert evidence.over(lines, "auc_").endswith(", higher on a (uncounted: higher on b, c)")
    assert evidence.over(lines[1:], "auc_").endswith(", clear on none (uncounted: higher on b, c)")


def test_seeds_of_one_fold_are_averaged_and_what_lacks_a_run_is_not_shown(world):
    places = replace(world[1], seeds=list(range(6)))
    frame = rows(5, folds=3)
    assert set(evidence.table(places, frame).seeds) == {3}
    assert evidence.here(places, frame[1:], "bike") == [] and evidence.table(places, frame[1:]).empty
    broken = frame.assign(status=["not run: broke", *frame.status[1:]])
    assert evidence.here(places, broken, "bike") == []


def test_rows_of_sets_that_are_not_here_stay_when_published_and_none_is_lost(world, monkeypatch, tmp_path, capsys):
    folder, places, frame = world
    frame.to_csv(folder / "local" / "places.csv", index=False)
    (tmp_path / "results").mkdir()
    for module, name, place in ((publish, "BOOK", folder), (publish, "LOCAL", folder / "local"),
                                (publish, "RESULTS", tmp_path / "results")):
        monkeypatch.setattr(module, name, place)
    frame[:1].assign(dataset="gone").to_csv(tmp_path / "results" / "places.csv", index=False)
    assert main(["publish", "places"]) == 0
    assert pd.read_csv(tmp_path / "results" / "places.csv").dataset.value_counts().to_dict() == {"toy": 6, "gone": 1}
    frame[1:].to_csv(folder / "local" / "places.csv", index=False)
    assert main(["publish", "places"]) == 2
    assert "places.csv lacks 1 rows of" in capsys.readouterr().err
    assert len(pd.read_csv(tmp_path / "results" / "places.csv")) == 7


def test_the_file_of_the_book_names_sets_whose_making_it_says():
    places = worlds.read(FILE)
    assert places.of == "multiverse" and len(places.seeds) == 5
    assert all(one.made for one in places.sets.values())
    assert {"utkinect", "planted-rho0", "planted-rho9", "salads"} < set(places.sets)


@pytest.mark.parametrize("change, said", [({"of": 3}, "of"), ({"sets": {}}, "sets"), ({"more": 1}, "more")])
def test_a_wrong_entry_is_one_line(tmp_path, change, said):
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(PLACES | change))
    with pytest.raises(StudyError, match=said):
        worlds.read(tmp_path / "a.yaml")
