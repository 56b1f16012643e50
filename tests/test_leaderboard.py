"""The leaderboard's cells, names, gaps and bar, on rows whose answer is known."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from book.evidence import choice, leaderboard
from data.files.paths import BOOK
from data.files.schema import read_yaml
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
    assert leaderboard.endings(frame).empty and leaderboard.seconds(frame).empty and not leaderboard.fallen(frame)
    assert leaderboard.intervals(frame, "aopcr").empty and not any(leaderboard.scopes(frame).values())
    assert all(choice.ranks(wide).empty for wide in leaderboard.panels(leaderboard.marked(frame)).values())
    bar = leaderboard.cleared(frame, "TFE-plus", ["A"], {"a": [0]})
    assert bar.empty and leaderboard.verdict(bar, "TFE-plus").endswith("not run.")
    assert "Not run in full" in leaderboard.page(frame, {"a": [0]}, ["A"])


def test_the_page_of_one_set_has_intervals_and_that_of_several_has_ranks():
    cells = {(name, row): ([50 + n, 51 + n, 52 + n], [.6, .6, .6]) for name in "ab"
             for n, row in enumerate(("A", "B", "C"))}
    frame = rows(cells, aopcr=1.0, tiou_map=0.5)
    page = leaderboard.page(frame, dict.fromkeys("ab", [0, 1, 2]), ["A", "B", "C"])
    assert "Mean ranks of recognition" in page and "Not run" not in page
    assert "Mean ranks" not in leaderboard.page(
        frame, dict.fromkeys("ab", [0, 1, 2]), ["A", "B", "C"], ["C"])  # of two methods there are none
    alone = leaderboard.page(frame[frame.dataset == "a"], {"a": [0, 1, 2]}, ["A", "B", "C"])
    assert "51.0 [48.5, 53.5]" in alone and "Mean ranks" not in alone and "AOPCR" in alone
    assert "Highest mean: recognition C; AUC, leave one out A; " in alone
    held = leaderboard.page(frame[frame.dataset == "a"], {"a": [0, 1, 2]}, ["A", "B", "C"], ["C"])
    assert "C (control)" in held and "Highest mean: recognition B; " in held
    blind = leaderboard.page(frame[frame.dataset == "a"].assign(auc=np.nan, tiou_map=np.nan), {}, ["A", "B", "C"])
    assert "AUC" not in blind and "AOPCR" in blind and "Highest mean: recognition C. One set" in blind


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
        {"row": "A", "status": "diverged", "runs": 1, "of": 2},
        {"row": "B", "status": "runaway", "runs": 2, "of": 2}]
    assert leaderboard.seconds(frame).to_dict() == {"A": 2, "B": 2}


def test_runs_that_learn_little_beside_their_own_cell_are_named():
    frame = rows({("a", "A"): ([40, 42, 4], [.6] * 3), ("a", "B"): ([4, 4, 4], [.7] * 3),
                  ("b", "A"): ([40, 19, np.nan], [.6, .6, np.nan])})
    assert leaderboard.fallen(frame) == ["A on a: 1 of 3 runs recognise less than half of its median"]
    assert leaderboard.page(frame, {}, []).endswith("half of its median.")


def test_a_warm_row_costs_the_fit_of_its_start_as_well():
    frame = rows({(name, row): ([1], [1]) for name in "ab" for row in ("Plus", "Head", "Other")})
    frame["seconds"] = frame.row.map({"Plus": 3.0, "Head": 10.0, "Other": 5.0})
    assert leaderboard.seconds(frame, {"Plus": "Head", "Other": "absent"}).to_dict() == {
        "Plus": 13, "Head": 10, "Other": 5}
    assert leaderboard.seconds(frame, {"Plus": "Head"}).idxmin() == "Other"
    plan = read_yaml(BOOK / "batches" / "peers.yaml")
    assert leaderboard.begun(plan["methods"], plan["starts"]) == {
        "MSQNet+TFE": "MSQNet", "BIKE+TFE": "BIKE", "TFE-plus": "Gated MIL",
        "Gated MIL trained on": "Gated MIL"}


def test_seeds_on_one_fold_are_one_value_and_lost_seeds_are_counted():
    frame = rows({("a", "A"): ([50, 52, 60, 70], [.5] * 4), ("a", "B"): ([50, 52, np.nan, 70], [.5] * 4)})
    frame["fold"] = [1, 1, 2, 3] * 2
    assert leaderboard.cells(frame).A["a"] == pytest.approx((51 + 60 + 70) / 3)
    assert leaderboard.cells(frame).B["a"] == -np.inf
    low, high = stats.t.interval(.95, 2, (51 + 60 + 70) / 3, stats.sem([51, 60, 70]))
    assert leaderboard.intervals(frame)["a"]["A"] == f"60.3 [{low:.1f}, {high:.1f}]"
    frame.loc[frame.row == "B", "status"] = ["finished", "finished", "not run: why", "finished"]
    assert leaderboard.intervals(frame)["a"]["B"].endswith("3 of 4 seeds")
    assert leaderboard.intervals(frame[frame.value.notna()])["a"]["B"].endswith("3 of 4 seeds")


def test_every_synthetic_set_is_named_so_and_so_are_supervised_scores():
    frame = pd.concat([rows({(name, "A"): ([50], [.5])}, synthetic=made, metric=metric)
                       for name, made, metric in (("mine", True, "map"), ("gtea", False, "map"),
                                                  ("real", False, "accuracy"))])
    found = leaderboard.marked(frame)
    assert list(found.dataset) == ["mine (synthetic)", "gtea (supervised scores)", "real"]
    assert leaderboard.mark("planted-rho0") == "planted-rho0 (synthetic)"  # not run yet
    sets = leaderboard.scopes(found)
    assert sets["real sets"] == ["gtea (supervised scores)", "real"]
    assert sets["synthetic sets"] == ["mine (synthetic)"] and sets["sets of several labels"] == found.dataset[:2].tolist()


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


def bar(frame, seeds=(0, 1, 2), rivals="AB", **more):
    wanted = dict.fromkeys(frame.dataset, seeds)
    rivals = [row for row in rivals if row in set(frame.row)]
    return leaderboard.cleared(frame, "TFE-plus", rivals, wanted, **more).set_index("dataset")


def test_the_bar_asks_for_more_than_every_rival_and_little_less_recognition():
    frame = by_both({
        ("clear", "TFE-plus"): (70 + LUCK, .9 + LUCK), ("clear", "A"): (70 - LUCK, .8 - LUCK),
        ("clear", "B"): (70.5 - LUCK, .7 - LUCK), ("one", "TFE-plus"): (70 + LUCK, .9 + LUCK),
        ("one", "A"): (70 - LUCK, .8 - LUCK), ("one", "B"): (72 + LUCK, .7 + LUCK),
        ("without", "A"): (70 + LUCK, .8 + LUCK)})
    found = bar(frame)
    assert found.met.to_dict() == {"clear": True, "one": False} and found.unbeaten["one"] == "B"
    gone = leaderboard.cleared(frame, "TFE-plus", ["A", "B"], {"clear": [0, 1, 2]})
    assert list(gone.dataset) == ["clear"]  # the file does not name the other set any more


def test_a_win_by_one_read_out_alone_is_none():
    cells = {("a", "TFE-plus"): (70 + LUCK, .9 + LUCK), ("a", "A"): (70 - LUCK, .8 - LUCK)}
    own = cells | {("a", "A"): (70 - LUCK, .95 - LUCK)}
    found = bar(by_both(cells, own))
    assert not found.met["a"] and found.unbeaten["a"] == "all"
    assert bar(by_both(cells, own), readouts=["leave_one_out"]).met.all()


def test_the_bar_fails_without_all_seeds_and_no_survivor_makes_up_for_it():
    cells = {("a", "TFE-plus"): (70 + LUCK, .9 + LUCK), ("a", "A"): (70 - LUCK, .8 - LUCK)}
    assert bar(by_both(cells)).met["a"] and not bar(by_both(cells), range(4)).met["a"]
    lost = cells | {("a", "TFE-plus"): ([70, 70, 70, np.nan], [.9, .91, .9, np.nan]),
                    ("a", "A"): ([70] * 4, [.8, .81, .8, .8])}
    found = bar(by_both(lost), range(4))
    assert not found.met["a"] and not found.whole["a"]
    assert "on a it lacks seeds" in leaderboard.verdict(found.reset_index(), "TFE-plus")


def test_a_rival_that_was_not_run_in_full_is_not_beaten_and_a_diverged_one_is():
    ours, low = {("a", "TFE-plus"): (70 + LUCK, .9 + LUCK)}, (70 - LUCK, .8 - LUCK)
    frame = by_both(ours | {("a", "A"): low})
    found = leaderboard.cleared(frame, "TFE-plus", ["A", "never"], {"a": [0, 1, 2]})
    assert not found.met[0] and (found.unbeaten[0], found.lacking[0]) == ("never", "never")
    assert "on a it cannot win, as seeds are lacking of never" in leaderboard.verdict(found, "TFE-plus")
    some = pd.concat([frame, rows({("a", "B"): low}), rows({("a", "B"): low}, "attention")[:2]])
    assert bar(some).lacking["a"] == "B"  # a seed by one read-out
    gone = pd.concat([frame, rows({("a", "B"): ([np.nan] * 3, [np.nan] * 3)})])
    found = bar(gone)
    assert found.met["a"] and (found.diverged["a"], found.lacking["a"]) == ("B", "")
    assert "diverged of B, which counts as beaten" in leaderboard.verdict(found.reset_index(), "TFE-plus")
    part = by_both(ours | {("a", "A"): ([70, np.nan, 70], [.8, np.nan, .8])})
    assert not bar(part).met["a"] and bar(part).lacking["a"] == ""  # two pairs have no interval


def test_pairs_of_the_bar_are_folds_where_a_set_has_them():
    frame = by_both({("a", "TFE-plus"): ([70, 70, 70, 70], [.9, .91, .9, .91]),
                     ("a", "A"): ([70, 70, 70, 70], [.8, .8, .8, .8])})
    assert bar(frame, range(4)).met["a"]
    frame["fold"] = [1, 2, 1, 2] * 4  # two folds have no interval
    assert not bar(frame, range(4)).met["a"]


def judged(won, real=(), scored=()):
    """Lines of `leaderboard.cleared` of sets of as many kinds, won as `won` says."""
    names = [f"set{n}{' (supervised scores)' if n in scored else ''}" for n in range(len(won))]
    names = [f"gtea{name[4:]}" if "(" in name else name for name in names]
    return pd.DataFrame({"dataset": names, "synthetic": [n not in (*real, *scored) for n in range(len(won))],
                         "lacking": "", "diverged": "", "whole": True, "met": won})


@pytest.mark.parametrize("won, real, scored, said", [
    ([1, 1, 1, 1, 0], [0], [], "met"), ([1, 1, 1, 1, 0], [4], [], "not met"),
    ([1, 1, 1, 1, 0], [], [0], "not met"), ([1, 1, 1, 0, 0], [0, 1, 2], [], "not met")])
def test_the_bar_takes_four_kinds_and_a_real_one_without_supervised_scores(won, real, scored, said):
    words = leaderboard.verdict(judged(np.array(won, bool), real, scored), "TFE-plus")
    assert words.endswith(f": {said}.")


def test_sets_of_one_generator_are_one_kind_which_is_won_on_all_of_them():
    lines = judged(np.ones(5, bool), real=[4])
    lines.dataset = ["planted (synthetic)", *(f"planted-rho{n} (synthetic)" for n in range(3)), "real"]
    assert leaderboard.verdict(lines, "TFE-plus").startswith("TFE-plus clears the bar on 2 of 2 kinds")
    lines.loc[1, "met"] = False
    words = leaderboard.verdict(lines, "TFE-plus")
    assert words.startswith("TFE-plus clears the bar on 1 of 2 kinds") and words.endswith(": not met, and with 2 run it could not be.")


def test_the_two_judges_of_a_read_out():
    frame = pd.concat([rows({(name, "A"): ([50, 50], [auc, auc])}, readout, aopcr=aopcr)
                       for name, readout, auc, aopcr in (
                           ("a", "attention", .9, .1), ("a", "single", .6, .3),
                           ("b", "attention", .9, .4), ("b", "single", .6, .1))])
    assert leaderboard.trusted(frame).to_dict("records") == [
        {"row": "A", "by_intervals": "attention", "margin": "+0.300 over single", "clear": False,
         "by_head": "attention", "head_margin": "+0.050 over single", "agree": 0.5}]


def test_read_outs_are_judged_over_kinds_of_sets():
    """Two planted sets outvote no other kind."""
    aucs = {"planted": (.8, .9), "planted-rho0": (.8, .9), "b": (.8, .5), "c": (.7, .4)}
    frame = pd.concat([rows({(name, "A"): ([50], [auc])}, readout, aopcr=aopcr)
                       for name, both in aucs.items()
                       for readout, auc, aopcr in zip(("attention", "single"), both, (2.0, 1.0))])
    found = leaderboard.trusted(frame).iloc[0]
    assert found.by_intervals == "attention" and found.agree == pytest.approx(2 / 3)
    assert found.margin.startswith("+0.167 [")


def test_the_margin_of_a_read_out_has_an_interval_over_kinds_of_sets():
    frame = pd.concat([rows({(name, "A"): ([50], [auc])}, readout, aopcr=1.0)
                       for name, best in (("a", .8), ("b", .9), ("c", .7))
                       for readout, auc in (("attention", best), ("single", .5))])
    assert leaderboard.trusted(frame).margin[0] == "+0.300 [+0.052, +0.548] over single"
    assert leaderboard.trusted(frame).clear[0] and not leaderboard.trusted(frame[frame.dataset != "b"]).clear[0]


def test_what_a_mask_hides_is_a_lead_on_the_picked_segments_beyond_that_on_all():
    frame = pd.concat([rows({(name, "A"): ([50], [.6])}, probe=probe, probe_permuted=.5, probe_truth=truth,
                            own=.9, evaluator_all=.8, own_selected=.9, evaluator_selected=.6)
                       for name, probe, truth in (("planted", .5, .7), ("planted-rho0", .7, .7),
                                                  ("b", .7, .7), ("c", .8, np.nan))])
    found = leaderboard.told(frame).iloc[0]
    assert found.encoded == "+0.200 [-0.048, +0.448]"  # three kinds: .1, .2, .3
    assert found.honest == "+0.200" and found.hidden.startswith("+0.200 [")


@pytest.mark.parametrize("method, tie", [("topk-mil", True), ("dsmil", False), ("bas-net", False)])
def test_leave_one_out_ties_what_top_k_mil_does_not_read_and_no_peers(method, tie):
    torch.manual_seed(0)
    system = build(method, "none", 3, 16, "multilabel").eval()
    falls = leave_one_out(system, system.embed(torch.randn(8, 16, 16)))
    share = (falls == 0).float().mean().item()
    assert share == pytest.approx(12 / 16) if tie else share < 0.05


def test_how_sure_a_choice_is_and_where_it_stopped_at_the_end_of_an_axis():
    plan = {"search": {"lr": [0.1, 0.2, 0.3]}, "methods": [{"row": "A", "search": {"k": [1, 2]}}]}
    found = {name: pd.DataFrame({"method": "A", "config": [0, 1, 2], "value": values})
             for name, values in (("a", [80, 79, 60]), ("b", [50, 40, 30]))}
    line = leaderboard.tried(found, plan, {"A": {"config": 0, "lr": "0.3", "k": "2"}}).iloc[0]
    assert (line.useful, line.lead, line["at an end"]) == (1.5, 1.0, "lr 0.3")  # two values have no middle
    assert line.settings == "config: 0, lr: 0.3, k: 2"
