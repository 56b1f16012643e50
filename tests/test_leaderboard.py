"""The leaderboard's cells, names, gaps and bar, on rows whose answer is known."""

import numpy as np
import pandas as pd
import pytest
import torch

from book.evidence import choice, leaderboard
from tfe.errors import StudyError
from tfe.systems import build, leave_one_out


def rows(cells, readout="leave_one_out", **more):
    """A leaderboard's rows of `{(set, row): (values, aucs)}`, a value a seed; nan is a run that diverged."""
    lines = [{"dataset": name, "row": row, "method": "tfe-plus" if "TFE" in row else row, "seed": seed,
              "status": "diverged" if np.isnan(value) else "finished", "value": value, "auc": auc,
              "readout": None if np.isnan(value) else readout, "key": f"{name}{row}{seed}", **more}
             for (name, row), (values, aucs) in cells.items()
             for seed, (value, auc) in enumerate(zip(values, aucs))]
    return pd.DataFrame(lines, columns=leaderboard.COLUMNS)


def test_without_a_file_all_is_said_to_be_not_run(tmp_path):
    frame = leaderboard.read(tmp_path / "peers.csv")
    assert len(leaderboard.missing(frame, {"a": [0], "b": [0]}, ["A"])) == 2
    assert leaderboard.cells(frame, "auc").empty and leaderboard.trusted(frame).empty
    assert leaderboard.told(frame).empty and leaderboard.explainers(frame).empty
    assert leaderboard.endings(frame).empty and leaderboard.seconds(frame).empty
    assert leaderboard.intervals(frame, "aopcr").empty and not any(leaderboard.scopes(frame).values())
    assert all(choice.ranks(wide).empty for wide in leaderboard.panels(leaderboard.marked(frame)).values())
    bar = leaderboard.cleared(frame, "TFE-plus")
    assert bar.empty and leaderboard.verdict(bar, "TFE-plus").endswith("not run.")
    assert "Not run in full" in leaderboard.page(frame, {"a": [0]}, ["A"])


def test_the_page_of_one_set_has_intervals_and_that_of_several_has_ranks():
    cells = {(name, row): ([50 + n, 51 + n, 52 + n], [.6, .6, .6]) for name in "ab"
             for n, row in enumerate(("A", "B", "C"))}
    frame = rows(cells, aopcr=1.0, tiou_map=0.5)
    page = leaderboard.page(frame, dict.fromkeys("ab", [0, 1, 2]), ["A", "B", "C"])
    assert "Mean ranks of recognition" in page and "Not run" not in page
    alone = leaderboard.page(frame[frame.dataset == "a"], {"a": [0, 1, 2]}, ["A", "B", "C"])
    assert "51.0 [48.5, 53.5]" in alone and "Mean ranks" not in alone


def test_a_diverged_seed_is_behind_all_others_and_is_counted_and_no_gap():
    frame = rows({("a", "A"): ([50, np.nan], [.6, np.nan]), ("a", "B"): ([40, 60], [.7, .9])}, seconds=2.0)
    for measure, b in (("value", 50), ("auc", .8)):
        wide = leaderboard.cells(frame, measure)
        assert wide.A["a"] == -np.inf and wide.B["a"] == pytest.approx(b)
        assert leaderboard.intervals(frame, measure)["a"]["A"] == "1 of 2 diverged"
    found = leaderboard.missing(frame, {"a": [0, 1]}, ["A", "B", "C"])
    assert found.to_dict("list") == {"dataset": ["a", "a"], "row": ["A", "C"], "seeds": [2, 0],
                                     "diverged": [1, 0]}
    assert np.isnan(leaderboard.cells(pd.concat([frame, rows({("b", "A"): ([1], [1])})])).B["b"])
    frame.loc[frame.row == "B", "status"] = "runaway"
    assert leaderboard.endings(frame).to_dict("records") == [
        {"row": "A", "status": "diverged", "runs": 1, "of": 2}, {"row": "B", "status": "runaway", "runs": 2, "of": 2}]
    assert leaderboard.seconds(frame).to_dict() == {"A": 2, "B": 2}


def test_every_synthetic_set_is_named_so_and_so_are_supervised_scores():
    frame = pd.concat([rows({(name, "A"): ([50], [.5])}, synthetic=made, metric=metric)
                       for name, made, metric in (("mine", True, "map"), ("gtea", False, "map"),
                                                  ("real", False, "accuracy"))])
    found = leaderboard.marked(frame)
    assert list(found.dataset) == ["mine (synthetic)", "gtea (supervised scores)", "real"]
    assert leaderboard.mark("planted-rho0") == "planted-rho0 (synthetic)"  # not run yet
    sets = leaderboard.scopes(found)
    assert sets["real sets"] == ["gtea (supervised scores)", "real"]
    assert sets["synthetic sets"] == ["mine (synthetic)"] and sets["sets of one label a video"] == ["real"]


def test_a_measure_is_ranked_by_both_read_outs_and_shown_with_its_interval():
    cells = {("a", "A"): ([50, 51, 52], [.9, .99, 1.])}
    frame = pd.concat([rows(cells, auprc=.4), rows(cells, "attention", auprc=.6)])
    assert list(leaderboard.panels(frame)) == ["recognition", "AUC, leave one out", "AUC, own read-out",
                                               "tIoU mAP, leave one out", "tIoU mAP, own read-out"]
    assert leaderboard.intervals(frame)["a"]["A"] == "51.0 [48.5, 53.5]"
    assert leaderboard.intervals(frame, "auc")["a"]["A"].endswith(", 1.000]")
    assert leaderboard.intervals(frame, "auprc", "attention")["a"]["A"].startswith("0.600")
    with pytest.raises(StudyError, match="measure foo is none.*tiou_map"):
        leaderboard.intervals(frame, "foo")


def test_a_run_that_was_refused_is_no_value_of_its_cell_and_a_gap():
    frame = rows({("a", "A"): ([50, 51], [.6, .6])})
    frame.loc[1, ["status", "value", "auc", "readout"]] = ["not run: why", np.nan, np.nan, None]
    assert all(np.isnan(leaderboard.cells(frame, measure).A["a"]) for measure in ("value", "auc"))
    assert list(leaderboard.missing(frame, {"a": [0, 1]}, ["A"]).seeds) == [1]
    assert list(leaderboard.endings(frame).status) == ["not run: why"]


def test_who_picks_for_a_head_is_no_method():
    head = {("a", "MSQNet"): ([50, 50], [.6, .6])}
    frame = pd.concat([rows(head), rows(head, None, explainer="l2x", accuracy=.7, chance=.2)])
    assert len(leaderboard.methods(frame)) == 2
    found = leaderboard.explainers(frame)
    assert found.explainer.tolist() == ["l2x"] and found.accuracy[0] == pytest.approx(.7)


def test_the_choice_is_the_best_mean_rank_and_never_one_that_diverged():
    found = {name: pd.DataFrame({"method": ["A"] * 4, "config": [0, 1, 2, 3], "value": values})
             for name, values in (("wide", [20.0, 90.0, 30.0, np.nan]), ("b", [80.0, 75.0, 81.0, 99.0]),
                                  ("c", [70.0, 60.0, 71.0, 99.0]))}
    assert leaderboard.chosen(found, ["A", "B"]) == {"A": 2}  # by the mean of percents it would be 1
    tied = {name: pd.DataFrame({"method": ["A"] * 3, "config": [0, 1, 2], "value": values})
            for name, values in (("a", [50.0, 60.0, 60.0]), ("b", [80.0, 75.0, 75.0]))}
    assert leaderboard.chosen(tied, ["A"]) == {"A": 1}  # 0 has the same mean rank, 2 the same values
    found["b"].value = np.nan
    assert leaderboard.chosen(found, ["A"]) == {}


LUCK = np.array([-.01, 0, .01])


def by_both(cells, own=None):
    """Rows of `cells` by leave one out, and those of `own`, by default the same, by attention."""
    return pd.concat([rows(cells, synthetic=False), rows(own or cells, "attention", synthetic=False)])


def bar(frame, seeds=(0, 1, 2)):
    wanted = dict.fromkeys(frame.dataset, seeds)
    return leaderboard.cleared(frame, "TFE-plus", wanted).set_index("dataset")


def test_the_bar_asks_for_more_than_every_rival_and_little_less_recognition():
    found = bar(by_both({
        ("clear", "TFE-plus"): (70 + LUCK, .9 + LUCK), ("clear", "A"): (70 - LUCK, .8 - LUCK),
        ("clear", "B"): (70.5 - LUCK, .7 - LUCK), ("one", "TFE-plus"): (70 + LUCK, .9 + LUCK),
        ("one", "A"): (70 - LUCK, .8 - LUCK), ("one", "B"): (72 + LUCK, .7 + LUCK),
        ("without", "A"): (70 + LUCK, .8 + LUCK)}))
    assert found.met.to_dict() == {"clear": True, "one": False} and found.unbeaten["one"] == "B"


def test_a_win_by_one_read_out_alone_is_none():
    cells = {("a", "TFE-plus"): (70 + LUCK, .9 + LUCK), ("a", "A"): (70 - LUCK, .8 - LUCK)}
    own = cells | {("a", "A"): (70 - LUCK, .95 - LUCK)}
    found = bar(by_both(cells, own))
    assert not found.met["a"] and found.unbeaten["a"] == "all"
    assert leaderboard.cleared(by_both(cells, own), "TFE-plus", readouts=["leave_one_out"]).met.all()


def test_the_bar_fails_without_all_seeds_and_no_survivor_makes_up_for_it():
    cells = {("a", "TFE-plus"): (70 + LUCK, .9 + LUCK), ("a", "A"): (70 - LUCK, .8 - LUCK)}
    assert bar(by_both(cells)).met["a"] and not bar(by_both(cells), range(4)).met["a"]
    lost = cells | {("a", "TFE-plus"): ([70, 70, 70, np.nan], [.9, .91, .9, np.nan]),
                    ("a", "A"): ([70] * 4, [.8, .81, .8, .8])}
    found = bar(by_both(lost), range(4))
    assert not found.met["a"] and not found.whole["a"]
    assert "on a it lacks seeds" in leaderboard.verdict(found.reset_index(), "TFE-plus")


@pytest.mark.parametrize("won, real, said", [(4, 1, "met"), (4, 0, "not met"), (3, 3, "not met")])
def test_the_bar_takes_four_sets_and_a_real_one(won, real, said):
    lines = pd.DataFrame({"dataset": [f"planted-rho{n}" for n in range(5)],
                          "synthetic": [n >= real for n in range(5)], "whole": True,
                          "met": [n < won for n in range(5)]})
    words = leaderboard.verdict(lines, "TFE-plus")
    assert words.endswith(f": {said}.") and "counted once, on 1" in words


def test_the_two_judges_of_a_read_out():
    frame = pd.concat([rows({(name, "A"): ([50, 50], [auc, auc])}, readout, aopcr=aopcr)
                       for name, readout, auc, aopcr in (
                           ("a", "attention", .9, .1), ("a", "single", .6, .3),
                           ("b", "attention", .9, .4), ("b", "single", .6, .1))])
    assert leaderboard.trusted(frame).to_dict("records") == [
        {"row": "A", "by_intervals": "attention", "margin": "+0.300 over single", "by_head": "attention",
         "head_margin": "+0.050 over single", "agree": 0.5}]


def test_the_margin_of_a_read_out_has_an_interval_over_kinds_of_sets():
    frame = pd.concat([rows({(name, "A"): ([50], [auc])}, readout, aopcr=1.0)
                       for name, best in (("a", .8), ("b", .9), ("c", .7))
                       for readout, auc in (("attention", best), ("single", .5))])
    assert leaderboard.trusted(frame).margin[0] == "+0.300 [+0.052, +0.548] over single"


def test_what_a_mask_hides_is_a_lead_on_the_picked_segments_beyond_that_on_all():
    frame = rows({("a", "A"): ([50], [.6])}, probe=.6, probe_permuted=.5, probe_truth=.7, own=.9,
                 evaluator_all=.8, own_selected=.9, evaluator_selected=.6)
    assert leaderboard.told(frame).iloc[0, 1:].tolist() == pytest.approx([.1, .2, .2])


@pytest.mark.parametrize("method, tie", [("topk-mil", True), ("dsmil", False), ("bas-net", False)])
def test_leave_one_out_ties_what_top_k_mil_does_not_read_and_no_peers(method, tie):
    torch.manual_seed(0)
    system = build(method, "none", 3, 16, "multilabel").eval()
    falls = leave_one_out(system, system.embed(torch.randn(8, 16, 16)))
    share = (falls == 0).float().mean().item()
    assert share == pytest.approx(12 / 16) if tie else share < 0.05
