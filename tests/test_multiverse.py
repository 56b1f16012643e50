"""The multiverse: draws, pairs, stages and choices, on a tiny dataset with two methods."""

import re
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from book.__main__ import main
from book.evidence import multiverse as evidence
from book.evidence import publish, rules, verify
from book.evidence.verdicts import verdict
from book.runs import fits, multiverse
from data.files import reading, store
from data.files.paths import BOOK, DRAWN, RESULTS, ROOT
from data.files.schema import checked
from tfe.errors import StudyError

FILE = BOOK / "batches" / "multiverse.yaml"
TINY = {
    "table": "tiny", "dataset": "toy", "encoder": "planted", "draws": 1, "configurations": 3,
    "seed": 9, "best": 1, "more_seeds": [10], "final_seeds": [20, 21], "final_splits": ["test"],
    "starts": {"bike": {"profile": "smoke"}},
    "axes": {
        "start": [{"value": "warm", "kind": "printed", "set": {"start": "warm", "depth": "last"}},
                  {"value": "cold", "kind": "silent", "set": {}}],
        "rate": [{"value": name, "kind": "silent", "set": {"schedule": {"lr": rate}}}
                 for name, rate in (("slow", 1e-4), ("fast", 1e-2))],
        "k": [{"value": str(k), "kind": "silent", "set": {"disentangler": {"k": k}}} for k in (2, 4)]},
    "methods": [
        {"row": "BIKE", "backbone": "bike", "method": "vanilla", "axes": ["rate"],
         "settings": {"profile": "smoke"}},
        {"row": "BIKE+TFE", "backbone": "bike", "method": "tfe", "axes": ["start", "rate", "k"],
         "settings": {"profile": "smoke"}}]}


@pytest.fixture(scope="module")
def world(fits_apart):
    """A folder, and what `multiverse.run` gives for the file on a toy dataset."""
    folder = fits_apart(multiverse)
    (folder / "results").mkdir()
    (folder / "results" / "plan.md").write_text("1. Choose by `val`.")
    return folder, multiverse.run(written(folder, TINY))


def written(folder, content):
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(content))
    return multiverse.read(path)


def test_the_file_of_the_book_has_the_space_that_the_plan_names():
    verse = multiverse.read(FILE)
    assert verse.configurations == 120 and verse.best == 20 and len(verse.final_seeds) == 10
    assert {method.row for method in verse.methods} == {
        "MSQNet", "BIKE", "MSQNet+TFE", "BIKE+TFE", "MSQNet+TFE, no adversary",
        "BIKE+TFE, no adversary", "gated MIL"}
    assert {value.kind for values in verse.axes.values() for value in values} == {
        "printed", "silent", "departs"}


def test_draws_are_those_of_the_seed_and_shared_by_methods_that_share_an_axis():
    verse = multiverse.read(FILE)
    by_row = {method.row: method for method in verse.methods}
    with_, without = by_row["BIKE+TFE"], by_row["BIKE+TFE, no adversary"]
    shared = set(with_.axes) & set(without.axes)
    assert {"start", "depth", "k", "rate", "epochs"} <= shared
    alike = [all(one[axis] == other[axis] for axis in shared) for one, other in (
        [verse.values(method, config) for method in (with_, without)] for config in range(120))]
    assert sum(alike) > 110  # all but what one of them had drawn before
    for method in verse.methods:  # as many different tries on every side
        assert len({str(verse.values(method, config)) for config in range(120)}) == 120
    for axis in with_.axes:  # every value is drawn, none nearly always
        drawn = [verse.values(with_, config)[axis].value for config in range(120)]
        counts = pd.Series(drawn).value_counts()
        assert len(counts) == len(verse.axes[axis]) and counts.min() >= 8


def test_three_stages_and_their_seeds(world):
    _, frame = world
    search = frame[frame.stage == "search"]
    assert len(search) == 6 and set(search.split) == {"val"} and set(search.seed) == {9}
    again = frame[frame.stage == "best"]
    assert set(again.seed) == {10} and again.groupby("method").config.nunique().tolist() == [1, 1]
    final = frame[frame.stage == "final"]
    assert set(final.split) == {"test"} and set(final.seed) == {20, 21}
    assert (search.groupby("method").config.nunique() == 3).all()


def test_what_is_done_is_not_done_again_and_the_table_says_the_same(world, monkeypatch):
    folder, frame = world
    monkeypatch.setattr(multiverse, "fit", lambda job, **_: pytest.fail("a fit was done again"))
    pd.testing.assert_frame_equal(multiverse.run(written(folder, TINY)), frame)


def test_rows_hold_on_another_processor_but_not_for_other_videos_or_features(tmp_path):
    folder = tmp_path / "features" / "tiny"

    def key(origin="tfe", value=1.0, video="a", drawn=None):
        store.write_features(folder, ["v"], np.full((1, 2, 3), value), {"origin": origin, "T": 2}, [video])
        if drawn:
            (tmp_path / DRAWN).write_text(drawn)
        return fits._features_key(store.Features(folder, None, ["v"], reading.json_object(
            folder / "meta.json")))

    assert key() == key(value=1.001) != key(video="b")  # the same video, in other last digits
    assert key("mine") != key("mine", value=1.001)  # nothing says what one's own features are made of
    # x264 gives other bytes on another processor: of what is drawn here the settings count
    assert key(drawn="seed 0") == key(video="b") != key(drawn="seed 1")


def test_a_row_names_its_device(world):
    assert world[1].device.str.startswith("cpu (").all()


def test_one_configuration_by_its_number_alone(world):
    folder, frame = world
    alone = multiverse.run(written(folder, TINY), configs=[1])
    assert set(alone.config) == {1}
    both = frame[(frame.stage == "search") & (frame.config == 1)]
    assert alone.value.tolist() == pytest.approx(both.value.tolist(), rel=1e-5)
    kept = multiverse.read_table(folder / "local" / "tiny.csv")  # the others are not lost by it
    assert set(map(tuple, kept[multiverse.CELL].values)) == set(map(tuple, frame[multiverse.CELL].values))


def test_a_warm_fit_begins_at_the_vanilla_head_of_its_seed(world):
    folder, frame = world
    begun = frame[(frame.method == "BIKE+TFE") & (frame.start == "warm")]
    assert len(begun) and len(list((folder / "starts").glob("*.safetensors"))) == begun.seed.nunique()


def test_a_start_is_vanilla_unless_it_names_its_own_method():
    gated = {"method": "gated-mil", "head": {"attention": "class"}}
    methods = [{"row": name, "backbone": backbone, "method": name, "axes": ["k"],
                "settings": {"start": "warm"}} for name, backbone in (
                    ("tfe-plus", "none"), ("gated-mil", "none"), ("tfe", "none"), ("variant3", "bike"))]
    verse = checked(multiverse.Multiverse, TINY | {
        "starts": TINY["starts"] | {"none": gated}, "methods": methods}, "here")
    plus, peer, tfe, variant = verse.methods
    for method, begins in ((plus, "gated-mil"), (peer, "gated-mil"), (variant, "vanilla")):
        settings, begin = verse.settings(method, 0, 7)
        assert (begin.method, begin.backbone, begin.seed) == (begins, settings.backbone, 7)
        assert begin.start == "cold" and settings.start == "warm"
    assert verse.settings(plus, 0, 7)[1].head == {"attention": "class"}
    with pytest.raises(StudyError, match="tfe cannot begin at gated-mil: start it cold"):
        verse.settings(tfe, 0, 7)


def test_the_rules_of_choice():
    verse = multiverse.read(FILE)
    lines = [(row, config, seed, value, auc)
             for seed in (verse.seed, *verse.more_seeds)
             for row, config, value, auc in (
                 ("MSQNet", 0, 80, .5), ("MSQNet", 1, 70, .9), ("MSQNet+TFE", 0, 81, .6),
                 ("MSQNet+TFE", 1, 79.2, .8), ("MSQNet+TFE", 2, 78.9, .9))]
    lines.append(("MSQNet+TFE", 3, verse.seed, 99, 1.0))  # one seed is too few to be chosen
    frame = pd.DataFrame(lines, columns=["method", "config", "seed", "value", "fidelity_auc"])
    found = multiverse.chosen(verse, frame.assign(split="val"))
    assert found == {"MSQNet": {"recognition": 0, "fidelity": 0},
                     "MSQNet+TFE": {"recognition": 0, "fidelity": 1}}


@pytest.mark.parametrize("change, said", [
    ({"methods": [TINY["methods"][0] | {"axes": ["depths"]}]}, "names the axis 'depths', which is none"),
    ({"axes": TINY["axes"] | {"k": [{"value": "2", "kind": "guessed", "set": {}}]}}, "kind"),
    ({"axes": TINY["axes"] | {"k": [{"value": "2", "kind": "silent", "set": {"kk": 1}}]}}, "kk"),
    ({"starts": {}}, "may begin warm"),
    ({"starts": {"bike": {"profil": "smoke"}}}, "starts: bike: unknown key 'profil'"),
    ({"configurations": 0}, "configurations"),
    ({"axes": TINY["axes"] | {"rate": [{"value": "0", "kind": "silent",
                                        "set": {"schedule": {"lr": 0.0}}}]}}, "lr")])
def test_a_file_that_cannot_be_meant_is_refused_in_one_line(tmp_path, change, said):
    with pytest.raises(StudyError, match=said) as error:
        written(tmp_path, TINY | change)
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


def planned(verse, effect, noise=0.0, configs=80):
    """A search in which the value is 60, plus `effect` of (axis, value), for each method."""
    draw, rows = np.random.default_rng(0), []
    for method in verse.methods:
        for config in range(configs):
            axes = {axis: value.value for axis, value in verse.values(method, config).items()}
            value = 60 + sum(by.get(axes.get(axis), 0) for axis, by in effect.items())
            rows.append({"method": method.row, "config": config, "seed": 200, "split": "val",
                         "value": value + noise * draw.normal(), "fidelity_auc": value / 100, **axes})
    return pd.DataFrame(rows)


def test_effects_are_those_that_were_put_in():
    verse = multiverse.read(FILE)
    given = {"k": {"2": -3.0, "4": 0.0, "8": 3.0}, "below": {"D": -9.0, "L_S": 3.0, "A": 3.0,
                                                             "nobody": 3.0}}
    lines = evidence.readings(verse, planned(verse, given))
    mine = lines[lines.method == "BIKE+TFE"]
    found = evidence.effects(mine, ["start", "k", "below", "rate"]).set_index(["axis", "value"])
    for axis, values in given.items():
        for value, effect in values.items():
            assert found.effect[axis, value] == pytest.approx(effect, abs=1e-9)
    assert found.effect["start"].abs().max() < 1e-9
    noisy = evidence.readings(verse, planned(verse, given, noise=2.0))
    found = evidence.effects(noisy[noisy.method == "BIKE+TFE"], ["start", "k", "below"])
    found = found.set_index(["axis", "value"])
    truth = {("start", "warm"): 0.0, **{(a, v): e for a, by in given.items() for v, e in by.items()}}
    inside = [found.low[key] <= effect <= found.high[key] for key, effect in truth.items()]
    assert np.mean(inside) >= 0.8 and (found.high < 0)["below", "D"]


def test_gains_are_held_against_the_vanilla_head_tuned_alike():
    verse = multiverse.read(FILE)
    frame = planned(verse, {"rate": {"3e-4": -5.0}})
    frame.loc[(frame.method == "BIKE") & (frame.config == 7), ["value", "fidelity_auc"]] = 70.0, 0.4
    lines = evidence.readings(verse, frame)
    gains = lines[lines.method == "BIKE+TFE"]
    assert sorted(gains.gain_value.unique()) == [-15.0, -10.0]
    assert gains.gain_fidelity_auc.max() == pytest.approx(0.2)
    assert lines[lines.method == "gated MIL"].gain_value.isna().all()
    found = evidence.shares(lines).set_index(["method", "readings"])
    assert found.gaining_value["BIKE+TFE", "all"] == 0 < found.gaining_fidelity_auc["BIKE+TFE", "all"]
    assert 0 < found.configurations["BIKE+TFE", "printed, warm, two phases"] < found.configurations[
        "BIKE+TFE", "printed"] < found.configurations["BIKE+TFE", "all"]
    assert ("BIKE", "printed, warm, two phases") not in found.index  # a plain head has no such readings


def test_a_reading_is_printed_where_nothing_departs():
    verse = multiverse.read(FILE)
    lines = evidence.readings(verse, planned(verse, {}, configs=40))
    for line in lines[lines.method == "MSQNet+TFE"].to_dict("records"):
        departs = line["weight"] != "1" or line["adversary"] != "literal"
        assert not (departs and line["printed"]) and (line["config"] % 2 or line["printed"])


def test_effects_in_words_have_a_star_after_holm_and_no_word_where_an_axis_is_not_the_heads():
    verse = multiverse.read(FILE)
    frame = planned(verse, {"k": {"2": 9.0}}, noise=0.5)
    found = evidence.told(verse, evidence.readings(verse, frame), ["MSQNet+TFE", "BIKE+TFE"])
    by = found.set_index(["axis", "value"])
    assert len(found) == sum(map(len, verse.axes.values())) and by.loc["depth", "the text"].eq("printed").all()
    assert by.loc[("k", "2"), "BIKE+TFE: mAP"].endswith("*") and by.loc[("k", "2"), "BIKE+TFE: mAP"][:2] == "+6"
    assert by.loc[("dropout", "0.3"), "BIKE+TFE: mAP"] == "" != by.loc[("dropout", "0.3"), "MSQNet+TFE: mAP"]
    assert sum("*" in word for word in found["BIKE+TFE: mAP"]) == 3  # the values of k alone


def test_an_axis_is_tested_once_and_its_values_are_ordered():
    verse = multiverse.read(FILE)
    lines = evidence.readings(verse, planned(verse, {"k": {"2": 9.0}, "depth": {"last": -3.0}}, noise=0.5))
    axes = next(method.axes for method in verse.methods if method.row == "BIKE+TFE")
    found = evidence.effects(lines[lines.method == "BIKE+TFE"], axes)
    assert (found.groupby("axis").holm.nunique() == 1).all()
    told = evidence.by_axis(found).set_index("axis")
    assert set(told.index[told.holm < .05]) == {"k", "depth"}
    assert told.loc["depth", "from worst to best"] == "last < table4"
    assert told.loc["depth", "difference"] == pytest.approx(3, abs=.5)
    assert told.loc["k", "from worst to best"].endswith("< 2")


def test_pairs_of_a_configuration_and_the_best_of_n_tries():
    lines = pd.DataFrame([(method, config, value + config, .5) for config in range(6)
                          for method, value in (("with", 2.0 if config else -1.0), ("without", 1.0))],
                         columns=["method", "config", "value", "fidelity_auc"])
    found = evidence.pairs(lines, "with", "without")
    assert found.loc["value"].tolist() == [6, 1.0, pytest.approx(5 / 6), pytest.approx(.21875)]
    assert found.loc["fidelity_auc", "above"] == 0 and np.isnan(found.loc["fidelity_auc", "p"])
    best = evidence.best_of([3.0, 1.0, 2.0])
    assert best.tolist() == pytest.approx([2, 8 / 3, 3])


def test_a_configuration_that_does_not_exist_is_refused_in_one_line(world, capsys):
    folder, _ = world
    with pytest.raises(StudyError, match="configuration 3 does not exist: choose of 0 to 2"):
        multiverse.run(multiverse.read(folder / "tiny.yaml"), configs=[1, 3])
    with pytest.raises(SystemExit) as stopped:
        main(["batch", str(folder / "tiny.yaml"), "--config", "a"])
    assert stopped.value.code == 2 and "write one configuration's number" in capsys.readouterr().err


def test_what_was_chosen_and_by_which_plan_is_written_before_the_last_stage(world):
    receipt = reading.json_object(world[0] / "local" / "tiny.json")
    assert receipt["chosen"]["BIKE"]["recognition"] in range(3) and len(receipt["plan"]) == 16
    assert receipt["device"] == world[1].device.iloc[0]


def test_the_search_is_read_with_its_own_seed_and_its_best_with_others_beside_it():
    verse = multiverse.read(FILE)
    frame = planned(verse, {"rate": {"3e-4": -5.0}}, noise=1.0, configs=40)
    first = frame[frame.method == "BIKE"].nlargest(3, "value")
    more = pd.concat([first.assign(seed=seed, value=60.0) for seed in verse.more_seeds[:2]]
                     + [first[:2].assign(seed=verse.more_seeds[2], value=57.0)])
    both = pd.concat([frame, more])
    pd.testing.assert_frame_equal(evidence.readings(verse, both), evidence.readings(verse, frame))
    found = evidence.again(verse, both).set_index("method")
    assert list(found.index) == ["BIKE"] and found.configurations["BIKE"] == 2  # one lacks a seed
    assert found.search["BIKE"] == first.value.max() and found.fresh["BIKE"] == pytest.approx(59)
    assert found.fall["BIKE"] == pytest.approx(first.value[:2].mean() - 59)


def finished(verse, gain):
    """A search whose last stage was run: TFE's mAP lies `gain` above that of its rivals, with some noise."""
    on_val = planned(verse, {}, configs=2).assign(stage="best")
    on_val = pd.concat([on_val.assign(seed=seed) for seed in (verse.seed, *verse.more_seeds)])
    on_val.loc[on_val.config == 1, ["value", "fidelity_auc"]] = 59.5, .9  # the faithful choice
    draw, last = np.random.default_rng(0), []
    for method in verse.methods:
        for config, split, seed in ((c, s, n) for c in (0, 1) for s in verse.final_splits
                                    for n in verse.final_seeds):
            value = 50 + (gain if method.row == "BIKE+TFE" else 0) + .1 * draw.normal()
            last.append({"method": method.row, "config": config, "seed": seed, "split": split,
                         "value": value, "fidelity_auc": value / 100})
    return pd.concat([on_val, pd.DataFrame(last).assign(stage="final")])


def test_the_last_stage_is_judged_against_what_the_same_rule_chose_of_each_rival():
    verse = multiverse.read(FILE)
    frame = finished(verse, 2.0)
    assert evidence.finals(verse, frame[frame.stage != "final"]).empty
    found = evidence.finals(verse, frame).set_index(["chosen_by", "row", "against", "split"])
    for rule, config in (("recognition", 0), ("fidelity", 1)):
        for rival in ("BIKE", "BIKE+TFE, no adversary"):
            line = found.loc[rule, "BIKE+TFE", rival, "test"]
            assert line.config == config and line.seeds == 10 and verdict(line) == "higher"
            assert line.difference == pytest.approx(2, abs=.2) and line.auc_difference == pytest.approx(.02, abs=.002)
        assert verdict(found.loc[rule, "BIKE+TFE, no adversary", "BIKE", "shifted"]) == "equal"
    told = evidence.said(found.reset_index(), "BIKE+TFE")
    assert told.startswith("Chosen by recognition, BIKE+TFE is higher than BIKE in mAP (+1.9 [+")
    assert told.count("higher than BIKE+TFE, no adversary") == 2 and "Chosen by fidelity" in told
    assert told.count("; 10 fresh seeds.") == 4 and "nothing was chosen" not in told
    assert evidence.said(evidence.finals(verse, frame[frame.stage != "final"]), "BIKE+TFE") == ""
    assert evidence.finals(verse, frame[(frame.seed != 309) | (frame.method != "gated MIL")]).empty  # not yet
    plain = found.reset_index().query("row == 'gated MIL'")
    assert len(plain) == 4 and plain.against.isna().all() and plain.difference.isna().all()
    p = found.p.to_numpy()  # Holm over all of a measure, the least of them times as many as there are
    assert found.holm.to_numpy()[np.nanargmin(p)] == pytest.approx(np.nanmin(p) * np.isfinite(p).sum())


def test_the_rows_so_far_are_published_and_none_is_lost(world, tmp_path, monkeypatch, capsys):
    folder, frame = world
    for module, name, place in ((publish, "RESULTS", tmp_path), (publish, "LOCAL", folder / "local"),
                                (publish, "BOOK", tmp_path)):
        monkeypatch.setattr(module, name, place)
    (tmp_path / "batches").mkdir()
    written(tmp_path / "batches", TINY)
    assert main(["publish", "tiny"]) == 0
    made = (folder / "local" / "tiny.csv").read_bytes()
    assert (tmp_path / "tiny.csv").read_bytes() == made and (tmp_path / "tiny.json").is_file()
    summary, runs = (pd.read_csv(tmp_path / f"tiny_final{end}.csv") for end in ("_summary", ""))
    assert set(summary.row) == set(runs.row) and not summary.duplicated(["row", "split"]).any()
    assert set(summary.against) == {"BIKE, by recognition", "BIKE, by fidelity", np.nan}
    line = summary[(summary.row == "BIKE+TFE, by recognition") & (summary.split == "test")].iloc[0]
    assert rules.differences(tmp_path, "tiny_final", line.row).mean() == pytest.approx(line.difference, rel=1e-4)
    (tmp_path / "tiny.csv").write_bytes(made + made.splitlines()[-1].replace(b"final,21", b"final,22"))
    assert main(["publish", "tiny"]) == 2 and "lacks 1 rows" in capsys.readouterr().err


def test_a_fit_of_the_search_made_again_equals_its_row(world, tmp_path, monkeypatch, capsys):
    folder, frame = world
    (tmp_path / "batches").mkdir()
    written(tmp_path / "batches", TINY)
    for name, place in (("RESULTS", tmp_path), ("BOOK", tmp_path), ("DATA", multiverse.DATA)):
        monkeypatch.setattr(verify, name, place)
    table = tmp_path / "tiny.csv"
    table.write_bytes((folder / "local" / "tiny.csv").read_bytes())
    assert verify.tables() == ["tiny"] and main(["report", "--verify", "--seed", "1"]) == 0
    pd.read_csv(table).assign(value=lambda rows: rows.value + .1).to_csv(table, index=False)
    assert main(["report", "--verify", "tiny", "--seed", "1"]) == 1 and "DIFFERENT" in capsys.readouterr().out


def test_the_readme_says_what_the_committed_search_holds():
    verse = multiverse.read(FILE)
    rows = multiverse.read_table(RESULTS / "multiverse.csv")
    lines = evidence.readings(verse, rows)
    assert (lines.groupby("method").config.nunique() == verse.configurations).all()
    above = (lines.gain_value > 0).groupby(lines.method).sum()
    said = (ROOT / "README.md").read_text()
    gated = [(lines.value[lines.method == "gated MIL"] > lines.value[lines.method == head].max()).sum()
             for head in ("MSQNet", "BIKE")]
    assert (f"drew {verse.configurations} readings a head. On `val` of the synthetic videos, one seed each, "
            f"{above['MSQNet+TFE']} of MSQNet's and {above['BIKE+TFE']} of BIKE's recognise better than the best of as many plain heads; of gated "
            f"MIL's, {gated[0]} and {gated[1]} do.") in said
    told = evidence.answered(verse, rows, evidence.asked_since())
    assert told and f"\n{told}\n<!-- /searched -->" in said


def test_what_was_chosen_with_tfe_is_held_against_rivals_that_were_asked_for_since():
    verse, others = multiverse.read(FILE), evidence.asked_since()
    frame = finished(verse, 2.0)

    def rows(name, gain):
        other = others[name][0]
        more = frame[frame.method == "BIKE"].assign(method=other.methods[0].row)
        more.loc[more.stage == "final", "value"] += gain
        return other, more

    weak, strong = evidence.PLAIN
    twin, = set(evidence.FURTHER) - set(evidence.PLAIN)
    given = {weak: rows(weak, 0), strong: rows(strong, 2), twin: rows(twin, 5)}
    given[strong][1].loc[given[strong][1].stage != "final", "value"] += 1  # the better one on val
    lines = evidence.last_stage(verse, frame, given)[1]
    assert set(lines.row) == {"BIKE+TFE"} and len(lines) == 4 * len(given)
    said = {line["against"]: verdict(line) for line in lines.to_dict("records") if line["split"] == "test"}
    assert evidence.said(lines, "BIKE+TFE", rules=()).count("Chosen by fidelity") == len(given)
    assert said == {weak: "higher", strong: "equal", twin: "lower"}
    together = pd.concat([evidence.finals(verse, frame), lines]).p
    assert lines.holm.min() == pytest.approx(lines.p.min() * together.notna().sum())
    alone, first = evidence.finals(verse, frame).holm, evidence.last_stage(verse, frame, given)[0].holm
    assert (first.dropna() >= alone.dropna()).all() and (first > alone).any()  # one family, with more tests
    told = evidence.answered(verse, frame, given)
    assert "TFE is higher in mAP in 2 of 4 choices; beside what was searched without adversary, in" in told
    assert re.search(r"Without TFE, mAP and AUC are: .*gated MIL by recognition 50\.0 and 0\.500; ", told)
    rows = [line.split(" | ") for line in told.splitlines() if line.startswith("| BIKE+TFE by ")]
    assert [row[1] for row in rows] == ["52.0", "52.0"]
    for choice, *_, plain, without, since in rows:
        assert re.search(r", begun (from scratch|at a trained head), (no|\d) departures? from the text$", choice)
        assert plain.startswith("mAP higher (+") and without.startswith("mAP higher (+2.0), AUC higher (+0.020)")
        assert re.match(f"{strong}: mAP equal .*<br>{twin}: mAP lower ", since)
    assert weak not in told
    summary = evidence.as_table(verse, frame, given)[1]
    assert f"BIKE+TFE, by fidelity, beside {strong}" in set(summary.row) and not summary.duplicated(["row", "split"]).any()
    lost = {name: (other, table[table.seed != 300]) for name, (other, table) in given.items()}
    assert evidence.last_stage(verse, frame, lost)[1].empty
    early = frame[frame.stage != "final"]
    assert evidence.last_stage(verse, early, given)[1].empty and evidence.answered(verse, early, given) == ""


def test_the_twin_differs_from_what_was_chosen_in_its_weight_alone():
    verse, (twin, _) = multiverse.read(FILE), evidence.asked_since()["itself at weight 0"]
    method, config = next(one for one in verse.methods if one.row == "BIKE+TFE"), 61
    assert reading.json_object(RESULTS / "multiverse.json")["chosen"]["BIKE+TFE"]["recognition"] == config
    (mine, begin), (other, none) = verse.settings(method, config, 300), twin.settings(twin.methods[0], 0, 300)
    assert other.game == mine.game | {"weight": 0.0} and replace(other, game=mine.game) == mine
    assert begin is None and none is None


def test_what_the_last_stage_cannot_say_is_said():
    verse = multiverse.read(FILE)
    frame = finished(verse, 2.0)
    one = frame[(frame.stage == "final") | (frame.config == 0)]  # both rules choose the same: one test, not two
    found = evidence.finals(verse, one)
    assert set(found.chosen_by) == {"recognition and fidelity"} and len(found) == len(evidence.finals(verse, frame)) / 2
    assert evidence.said(found, "BIKE+TFE").count("Chosen by recognition and fidelity") == 2
    gone = frame.copy()
    gone.loc[(gone.method == "BIKE") & (gone.stage == "final") & (gone.seed == 300), "value"] = np.nan
    told = evidence.said(evidence.finals(verse, gone), "BIKE+TFE")
    assert told.count("is not judged against BIKE: 1 of their runs diverged") == 2
    weak = frame.copy()
    weak.loc[(weak.method == "BIKE+TFE, no adversary") & (weak.split == "val"), "value"] -= 9
    told = evidence.said(evidence.finals(verse, weak), "BIKE+TFE")
    assert "Chosen by fidelity, BIKE+TFE has no BIKE+TFE, no adversary beside it" in told
    assert evidence.said(evidence.finals(verse, weak), "BIKE+TFE, no adversary").endswith(
        "nothing was chosen: no reading of BIKE+TFE, no adversary lies at most one point below the best plain head.")


def test_a_rise_of_fidelity_is_qualified_where_recognition_is_not_equal():
    verse = multiverse.read(FILE)
    frame = finished(verse, -2.0)
    frame.loc[(frame.method == "BIKE+TFE") & (frame.stage == "final"), "fidelity_auc"] += .1
    told = evidence.said(evidence.finals(verse, frame), "BIKE+TFE")
    assert told.count("lower than BIKE in mAP") == 2
    assert told.count("higher than it in AUC") == told.count(", where recognition is not equal;") == 4


def test_a_choice_once_written_stays(world):
    folder, _ = world
    verse, path = written(folder, TINY), folder / "local" / "tiny.json"
    before = path.read_text()
    multiverse.run(verse)
    assert path.read_text() == before
    try:
        path.write_text(before.replace('"recognition": ', '"recognition": 9'))
        with pytest.raises(StudyError, match="tiny.json names another choice than the rows give"):
            multiverse.run(verse)
    finally:
        path.write_text(before)


def test_a_named_configuration_joins_the_best_and_no_curve(fits_apart):
    faster = {"value": "faster", "kind": "silent", "set": {"schedule": {"lr": 3e-2}}}
    more = [{"row": "BIKE", "values": {"rate": faster}},
            {"row": "BIKE+TFE", "values": {"start": "cold", "rate": deepcopy(faster), "k": "2"}}]
    folder = fits_apart(multiverse)
    verse = written(folder, TINY | {"table": "more", "more": more})
    frame = multiverse.run(verse)
    best = frame[frame.stage == "best"]
    assert {("BIKE", 3), ("BIKE+TFE", 4)} < set(zip(best.method, best.config)) and len(best) == 4
    assert best.rate[best.config >= 3].eq("faster").all()
    assert evidence.readings(verse, frame).config.max() == 2
    alone = multiverse.run(verse, configs=[4])  # BIKE has none of this number
    assert set(zip(alone.method, alone.config)) == {("BIKE+TFE", 4)}
    for given, said in (({"rate": "other"}, "rate has no value 'other': choose of slow, fast"),
                        ({"k": "2", "rate": "slow"}, "has other axes: name its value of k")):
        with pytest.raises(StudyError, match=said):
            written(folder, TINY | {"more": [{"row": "BIKE", "values": given}]})
    with pytest.raises(StudyError, match="more names 'none', which is no row"):
        written(folder, TINY | {"more": [{"row": "none", "values": {}}]})
