"""Ranks over data sets against closed forms; cells, gaps and the bar, on rows whose answer is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from book import plots
from book.evidence import leaderboard


def rows(cells, readout="leave_one_out", **more):
    """A leaderboard's rows of `{(set, row): (values, aucs)}`, a value a seed."""
    lines = [{"dataset": name, "row": row, "method": "tfe-plus" if "TFE" in row else row, "seed": seed,
              "status": "diverged" if np.isnan(value) else "finished", "value": value, "auc": auc,
              "readout": None if np.isnan(value) else readout, "key": f"{name}{row}{seed}", **more}
             for (name, row), (values, aucs) in cells.items()
             for seed, (value, auc) in enumerate(zip(values, aucs))]
    return pd.DataFrame(lines, columns=leaderboard.COLUMNS)


def test_the_critical_difference_is_that_of_published_tables():
    # Demsar 2006, Table 5: q of Nemenyi's test at .05 for 2, 5 and 10 methods.
    for methods, q in ((2, 1.960), (5, 2.728), (10, 3.164)):
        found = leaderboard.critical_difference(methods, 14)
        assert found == pytest.approx(q * np.sqrt(methods * (methods + 1) / 84), abs=2e-3)


def test_ranks_share_ties_and_leave_out_what_is_not_run():
    wide = pd.DataFrame({"A": [9, 5, 7, 1], "B": [8, 5, 6, np.nan], "C": [1, 4, 6.5, 3],
                         "never": [np.nan] * 4})
    lines = leaderboard.ranks(wide).set_index("row")
    assert lines["rank"].to_dict() == pytest.approx({"A": 3.5 / 3, "B": 6.5 / 3, "C": 8 / 3})
    assert (lines.sets == 3).all() and list(lines.index) == ["A", "B", "C"]
    friedman = stats.friedmanchisquare([9, 5, 7], [8, 5, 6], [1, 4, 6.5])
    assert lines.p.iloc[0] == pytest.approx(friedman.pvalue)
    assert (lines.high - lines.low).iloc[0] == pytest.approx(leaderboard.critical_difference(3, 3))


@pytest.mark.parametrize("wide", [pd.DataFrame(), pd.DataFrame({"A": [1], "B": [2], "C": [3]}),
                                  pd.DataFrame({"A": [1, 2], "B": [2, 1]})])
def test_too_little_has_no_rank_and_still_a_figure(wide):
    assert leaderboard.ranks(wide).empty
    plots.png(plots.ranks({"AUC": leaderboard.ranks(wide)}))


def test_without_a_file_all_is_said_to_be_not_run(tmp_path):
    frame = leaderboard.read(tmp_path / "peers.csv")
    assert len(leaderboard.missing(frame, ["a", "b"], ["A"], 5)) == 2
    assert leaderboard.cells(frame, "auc").empty and leaderboard.trusted(frame).empty
    assert leaderboard.told(frame).empty and leaderboard.cleared(frame, "TFE-plus").empty
    assert "Not run in full" in leaderboard.page(frame, ["a"], ["A"], 5)


def test_the_page_of_one_set_has_intervals_and_that_of_several_has_ranks():
    cells = {(name, row): ([50 + n, 51 + n, 52 + n], [.6, .6, .6]) for name in "ab"
             for n, row in enumerate(("A", "B", "C"))}
    frame = rows(cells, aopcr=1.0, tiou_map=0.5)
    page = leaderboard.page(frame, ["a", "b"], ["A", "B", "C"], 3)
    assert "Mean ranks of recognition" in page and "Not run" not in page
    alone = leaderboard.page(frame[frame.dataset == "a"], ["a"], ["A", "B", "C"], 3)
    assert "51.0 [48.5, 53.5]" in alone and "Mean ranks" not in alone


def test_a_diverged_seed_empties_its_cell_and_is_counted():
    frame = rows({("a", "A"): ([50, np.nan], [.6, np.nan]), ("a", "B"): ([40, 60], [.7, .9])})
    for measure, b in (("value", 50), ("auc", .8)):
        wide = leaderboard.cells(frame, measure)
        assert np.isnan(wide.A["a"]) and wide.B["a"] == pytest.approx(b)
    found = leaderboard.missing(frame, ["a"], ["A", "B", "C"], 2)
    assert found.to_dict("list") == {"dataset": ["a", "a"], "row": ["A", "C"], "seeds": [2, 0],
                                     "diverged": [1, 0]}


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


def test_the_bar_asks_for_more_than_every_rival_and_little_less_recognition():
    luck = np.array([-.01, 0, .01])
    cells = {("clear", "TFE-plus"): (70 + luck, .9 + luck), ("clear", "A"): (70 - luck, .8 - luck),
             ("clear", "B"): (70.5 - luck, .7 - luck), ("one", "TFE-plus"): (70 + luck, .9 + luck),
             ("one", "A"): (70 - luck, .8 - luck), ("one", "B"): (72 + luck, .7 + luck),
             ("without", "A"): (70 + luck, .8 + luck)}
    found = leaderboard.cleared(rows(cells), "TFE-plus").set_index("dataset")
    assert found.met.to_dict() == {"clear": True, "one": False} and found.unbeaten["one"] == 1


def test_the_two_judges_of_a_read_out():
    frame = pd.concat([rows({(name, "A"): ([50, 50], [auc, auc])}, readout, aopcr=aopcr)
                       for name, readout, auc, aopcr in (
                           ("a", "attention", .9, .1), ("a", "single", .6, .3),
                           ("b", "attention", .9, .4), ("b", "single", .6, .1))])
    assert leaderboard.trusted(frame).to_dict("records") == [
        {"row": "A", "by_intervals": "attention", "by_head": "attention", "agree": 0.5}]
