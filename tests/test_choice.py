"""Methods over data sets against closed forms: ranks, who is told apart, and what is advised."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from book import plots
from book.evidence import choice, statistics

SETS = [f"set{n}" for n in range(9)]


def table(methods, sets=SETS, step=0.1):
    """Methods in a clear order: each a step below the one before, on every set."""
    luck = np.random.default_rng(0).normal(0, 1e-3, (len(sets), methods))
    return pd.DataFrame(0.9 - step * np.arange(methods) + luck, sets, list("ABCDEFGHIJKLMN")[:methods])


def test_the_critical_difference_is_that_of_published_tables():
    # Demsar 2006, Table 5: q of Nemenyi's test at .05 for 2, 5 and 10 methods.
    for methods, q in ((2, 1.960), (5, 2.728), (10, 3.164)):
        found = choice.critical_difference(methods, 14)
        assert found == pytest.approx(q * np.sqrt(methods * (methods + 1) / 84), abs=2e-3)


def test_ranks_share_ties_and_their_bars_end_where_ranks_do():
    wide = pd.DataFrame({"A": [9, 5, 7], "B": [8, 5, 6], "C": [1, 4, 6.5], "never": [np.nan] * 3})
    lines = choice.ranks(wide).set_index("row")
    assert lines["rank"].to_dict() == pytest.approx({"A": 3.5 / 3, "B": 6.5 / 3, "C": 8 / 3})
    assert (lines.kinds == 3).all() and list(lines.index) == ["A", "B", "C"]
    chi2 = stats.friedmanchisquare([9, 5, 7], [8, 5, 6], [1, 4, 6.5]).statistic
    assert lines.p.iloc[0] == pytest.approx(stats.f.sf(2 * chi2 / (3 * 2 - chi2), 2, 4))
    assert lines.low.min() >= 1 and lines.high.max() <= 3


def test_of_two_kinds_alone_the_p_is_that_of_shuffled_ranks():
    draw = np.random.default_rng(0)
    first = np.arange(1, 14)
    ranked = pd.DataFrame([first, first + draw.normal(0, 3, 13)]).rank(axis=1)
    spread = lambda second: (first + second).var()  # Friedman's statistic grows with it
    shuffled = [spread(draw.permutation(ranked.iloc[1])) for _ in range(4000)]
    exact = np.mean(np.array(shuffled) >= spread(ranked.iloc[1].to_numpy()))
    assert exact < 0.05 < stats.friedmanchisquare(*ranked.T.to_numpy()).pvalue
    assert choice.friedman(ranked) == pytest.approx(exact, abs=0.01)
    alike = pd.DataFrame([first, first])
    assert choice.friedman(alike) == 0 and np.isnan(choice.friedman(alike * 0 + 7))


def test_a_missing_cell_costs_its_method_and_an_unfinished_set_itself_and_both_are_said():
    wide = table(5)
    wide.loc["set3", "B"] = np.nan
    wide.loc["begun"] = [0.5, 0.6, np.nan, np.nan, np.nan]
    assert list(choice.complete(wide)) == list("ACDE") and len(choice.complete(wide)) == 9
    assert choice.left_out({"AUC": wide}) == ["not ranked: begun: 3 of 5 methods have no value",
                                              "not ranked: B: no value on set3"]
    assert choice.left_out({"AUC": wide, "mAP": table(5)})[1] == "not ranked by AUC: B: no value on set3"
    assert choice.ranks(wide).kinds[0] == 9


def test_a_diverged_cell_ranks_last_in_its_set_and_is_never_near():
    wide = table(4, step=0)
    wide.loc["set0", "A"] = -np.inf
    lines = choice.ranks(wide).set_index("row")
    assert lines.each["A"]["set0"] == 4 and lines.lost["A"] == 1 and np.isfinite(lines.behind["A"])
    assert "A" not in choice.near(lines.reset_index(), 1)


def test_sets_of_one_generator_count_once():
    wide = table(3, ["planted", "planted-rho0", "planted-rho9", "other"])
    wide.loc["planted-rho9 (synthetic)"] = 0.0
    wide = wide.rename({"planted": "planted (synthetic)", "planted-rho0": "planted-rho0 (synthetic)"})
    found = choice.kinds(wide.drop("planted-rho9"))
    assert list(found.index) == ["planted (synthetic)", "other"]
    assert found.A.iloc[0] == pytest.approx(wide.A.iloc[[0, 1, 4]].mean())
    assert choice.kind("utd_mhad") == choice.kind("composed")  # the same recordings
    wide.iloc[1, 0] = -np.inf  # one diverged is the whole kind's
    assert choice.kinds(wide).A.iloc[0] == -np.inf


def test_ranks_are_made_within_a_set_and_averaged_over_its_kind_and_made_again():
    wide = pd.DataFrame({"A": [10.0, 51, 52], "B": [90.0, 50, 50], "C": [0.0, 0, 60]},
                        ["planted", "planted-rho0", "other"])
    found = choice.places(wide)  # by the mean of percents B would be the first on planted sets
    assert found.loc["planted"].to_dict() == {"A": 1.5, "B": 1.5, "C": 3.0}
    assert found.loc["other"].to_dict() == {"A": 2.0, "B": 3.0, "C": 1.0}
    wide.loc["planted-rho9"] = [51, 50, 0]
    assert choice.places(wide).loc["planted"].to_dict() == {"A": 1.0, "B": 2.0, "C": 3.0}
    line = choice.gains(wide, ["A"], ["B", "C"]).iloc[0]
    assert (line.peer, line.above, line.kinds) == ("B", 2, 2)
    assert choice.places(wide + 1e-9 * np.arange(3)).equals(choice.places(wide))


def test_equal_up_to_a_last_digit_is_a_tie():
    wide = pd.DataFrame({"A": [0.1 + 0.2, 0.3], "B": [0.3, 0.3], "C": [0.2, 0.2]}, ["one", "two"])
    assert (choice.places(wide)[["A", "B"]] == 1.5).all(axis=None)


def test_the_first_is_held_against_each_by_demsars_z_after_holm():
    lines = choice.ranks(table(5)).set_index("row")
    p = 2 * stats.norm.sf(np.arange(1, 5) / np.sqrt(5 * 6 / (6 * 9)))  # a clear order is ranks 1 to 5
    assert np.isnan(lines.holm["A"])
    assert lines.holm[["B", "C", "D", "E"]].to_numpy() == pytest.approx(statistics.holm(p))
    assert lines.told.to_dict() == {"A": False, "B": False, "C": True, "D": True, "E": True}


def test_nine_kinds_tell_the_last_of_fourteen_apart():
    # Wilcoxon's signed ranks could not, were all differences of one sign: 13 x 2 / 2^9 > .05.
    lines = choice.ranks(table(14)).set_index("row")
    assert lines.told["N"] and not lines.told["B"] and 13 * 2 / 2 ** 9 > 0.05


def test_without_friedman_nothing_is_told_apart():
    luck = pd.DataFrame(np.random.default_rng(1).normal(size=(9, 4)), SETS, list("ABCD"))
    lines = choice.ranks(luck)
    assert lines.p[0] > 0.05 and lines.holm.isna().all() and not lines.told.any()
    stood = choice.standing({"AUC": lines}, pd.Series({"A": 1.0}))
    assert "does not reject" in stood["not told apart from it"][0]


@pytest.mark.parametrize("wide", [pd.DataFrame(), pd.DataFrame({"A": [1.0], "B": [2], "C": [3]}),
                                  pd.DataFrame({"A": [1.0, 2], "B": [2, 1]})])
def test_too_little_has_no_rank_and_still_a_figure_and_words(wide):
    wide.index = [f"set{n}" for n in wide.index]
    found = {"AUC": choice.ranks(wide)}
    assert found["AUC"].empty
    plots.png(plots.ranks(found))
    assert "fewer than two kinds" in choice.standing(found, pd.Series(dtype=float))["first"][0]
    assert choice.advice(found, pd.Series(dtype=float)).startswith("no advice")


def test_the_advice_is_the_cheapest_near_the_first_by_all():
    auc = table(4, step=0.1)
    auc["B"] = auc["A"] - 0.01 * np.array([1, -1] * 4 + [1])  # behind by a hair, not told apart
    recognition = 100 * table(4, step=0.001)
    seconds = pd.Series({"A": 30.0, "B": 5, "C": 1, "D": 1})
    found = {"recognition": choice.ranks(recognition), "AUC": choice.ranks(auc)}
    assert choice.advice(found, seconds) == (
        "use B, 5 s a fit: the cheapest near the first by all (by recognition, first: A) (by AUC, first: A); "
        "also near: A")
    stood = choice.standing(found, seconds).set_index("by")
    assert stood.cheapest["AUC"] == "B" and "C" not in stood["not told apart from it"]["AUC"]
    # A plain method that so few sets cannot tell apart is still not near.
    few = choice.ranks(auc.iloc[:3])
    assert not few.told[few.row == "C"].item() and "C" not in choice.near(few, 0.02)
    unknown = seconds.where(seconds != 5)  # B's
    assert choice.advice({"AUC": few}, unknown).startswith("use A, 30 s")
    apart = {"recognition": choice.ranks(100 * table(4)[["D", "C", "B", "A"]].set_axis(list("ABCD"), axis=1)),
             "AUC": choice.ranks(table(4))}
    assert choice.advice(apart, seconds) == ("none is near the first by all: use D by recognition; "
                                             "A by AUC")
    luck = choice.ranks(pd.DataFrame(np.random.default_rng(1).normal(size=(9, 4)), SETS, list("ABCD")))
    unsure = choice.advice({"recognition": choice.ranks(100 * table(4)), "AUC": luck.assign(behind=[0, 0.01, 1, 1])},
                           pd.Series({luck.row[1]: 1.0}))
    assert unsure.endswith(f"{luck.row[1]} by AUC (first: {luck.row[0]}; none told apart)")


def test_what_one_kind_less_does_to_the_advice_stands_beside_it():
    auc, names = table(3), SETS[:4]
    auc["B"] = auc["A"] - 0.001
    recognition, seconds = 100 * auc, pd.Series({"A": 9.0, "B": 1, "C": 1})
    tables = {"recognition": recognition, "AUC": auc, "tIoU mAP": -auc}  # the last decides nothing
    assert choice.without_a_kind(tables, names) == "" and "left out" not in choice.advised(tables, names, seconds)
    auc.loc["set2", "B"] -= 1  # by this kind alone B is not near
    assert choice.without_a_kind(tables, names) == "A, B (without set2)"
    assert choice.advised(tables, names, seconds) == (
        "use A, 9 s a fit: it alone is near the first by all. Leave one kind of sets out, and near the first by all is: A, B (without set2)")
    assert choice.without_a_kind(tables, names[:1]) == ""


def test_a_cost_differs_where_it_is_more_than_twice_another_and_a_gain_not_by_its_last_digit():
    recognition = 100 * table(3, step=0.001)
    found = {"recognition": choice.ranks(recognition), "AUC": choice.ranks(table(3, step=0.001))}
    for cost, use in ((1.9, "use A, 2 s"), (2.1, "use B, 1 s")):
        assert choice.advice(found, pd.Series({"A": cost, "B": 1, "C": 5})).startswith(use)
    wide = pd.DataFrame({"A": [1.0004, 1.0004, 1.0004], "B": [1.0, 1, 1], "C": [0.0, 0, 0]}, ["a", "b", "c"])
    line, = choice.beside({"AUC": wide}, ["A"], ["B", "C"])
    assert "shows no clear difference in AUC" in line


def test_what_tfe_gains_or_loses_beside_the_best_peer():
    wide = table(4).rename(columns={"A": "TFE-plus", "D": "MSQNet+TFE"})
    wide.loc["set0", "TFE-plus"] = -np.inf
    lines = choice.gains(wide, ["TFE-plus", "MSQNet+TFE", "absent"], ["B", "C"])
    assert list(lines.peer) == ["B", "B"] and list(lines.above) == [8, 0] and list(lines.lost) == [1, 0]
    assert lines.gain.tolist() == pytest.approx([0.1, -0.2], abs=2e-3)
    one, two = choice.beside({"AUC": wide, "tIoU mAP": wide}, ["TFE-plus", "MSQNet+TFE"], ["B", "C"])
    assert one.startswith("TFE-plus beside the best peer: lies above in AUC, +0.099 [") and "against B" in one
    assert "diverged on 1" in one and "MSQNet+TFE beside the best peer: lies below in AUC" in two
    other, = choice.beside({"AUC": wide}, ["TFE-plus"], ["C"], "its start trained on")
    assert other.startswith("TFE-plus beside its start trained on: lies above in AUC, +0.200 [")
    assert choice.gains(pd.DataFrame(), ["TFE-plus"], ["B"]).empty


def test_standings_are_of_the_sets_and_the_methods_that_are_asked_for():
    found = choice.standings({"AUC": table(4)}, {"some": SETS[:3], "none": []}, without=["A", "absent"])
    assert list(found["some"]["AUC"].row) == ["B", "C", "D"] and found["some"]["AUC"].kinds[0] == 3
    assert found["none"]["AUC"].empty
