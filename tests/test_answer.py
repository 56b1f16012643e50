"""The answer in sentences: each verdict is reached by runs that say so, and the README holds it."""

import numpy as np
import pandas as pd
import pytest

from book.evidence import answer, leaderboard, recordings, worlds
from book.evidence.verdicts import verdict
from book.runs import worlds as runs_elsewhere
from data.files.paths import BOOK, RESULTS, ROOT
from data.files.schema import read_yaml
from tfe.errors import StudyError

ROWS = {f"{head}{end}" for head in answer.HEADS
        for end in ("", " trained on", "+TFE", "+TFE, no adversary", "+TFE, -L_N below D",
                    "+TFE from scratch")}


def runs(seeds=10, **effects):
    """Runs of Table 1's rows at 70 mAP and .8 AUC; effects: `{row: (mAP, AUC, spread)}` added."""
    draw, lines = np.random.default_rng(0), []
    for row in sorted(ROWS):
        value, auc, spread = effects.get(row, (0, 0, .01))
        for seed in range(seeds):
            noise = spread * draw.normal()
            lines.append((row, seed, "test", 70 + value + noise, .8 + auc + noise / 100, .6 + noise / 100))
    return pd.DataFrame(lines, columns=["row", "seed", "split", "value", "fidelity_auc", "fidelity_mass"])


@pytest.mark.parametrize("effects, said", [
    ({}, "mAP is equal within 1 point on both heads."),
    ({"MSQNet+TFE": (-5, 0, .1), "BIKE+TFE": (0, 0, 9)},
     "MSQNet's mAP is lower by 5.0 points, BIKE's shows no clear difference."),
    ({"BIKE+TFE": (3, 0, .1)},
     "MSQNet's mAP is equal within 1 point, BIKE's is higher by 3.0 points."),
    ({"MSQNet+TFE": (2, 0, .1), "BIKE+TFE": (3, 0, .1)},
     "MSQNet's mAP is higher by 2.0 points, BIKE's is higher by 3.0 points.")])
def test_a_sentence_says_what_the_runs_say(effects, said):
    assert answer.sentence(answer.contrasts(runs(**effects)), "TFE") == (
        f"With TFE, beside the head trained on for as long: {said}")


def test_fidelity_and_costs_have_sentences_of_their_own():
    lines = answer.contrasts(runs(**{"BIKE+TFE": (0, .1, .1), "MSQNet+TFE from scratch": (-25, 0, 1)}))
    assert answer.sentence(lines, "TFE", "auc_").endswith("BIKE's is higher by 0.100.")
    assert answer.sentence(lines, "from scratch").startswith(
        "With TFE from scratch, at another depth and with -L_N below D, beside the plain head: MSQNet's mAP is lower")


def test_the_answer_says_where_fidelity_began_if_training_on_lost_some_and_tfe_kept_less():
    lost = {"BIKE trained on": (0, -.1, .1)}
    said = answer.paragraph(runs(**lost, **{"BIKE+TFE": (0, -.05, .1)}))
    assert "over 10 seeds" in said and "one learning rate" not in said and "MSQNet's fidelity is higher because" not in said
    assert "because it lost less: the head had 0.800 before; it ended at 0.750 with TFE and 0.700 without" in said
    assert "lost less" not in answer.paragraph(runs(**lost, **{"BIKE+TFE": (0, .05, .1)}))
    assert "lost less" not in answer.paragraph(runs(**lost, **{"BIKE+TFE": (0, -.1, .1)}))  # as much


@pytest.mark.parametrize("effects, said", [
    ({}, "In the default reading, TFE raised recognition on neither head. By AUC, fidelity ended above the "
         "control's on neither head. By mass, it did so on neither head."),
    ({"MSQNet+TFE": (3, .1, .1), "BIKE+TFE": (0, .1, .1)},
     "In the default reading, TFE raised recognition on MSQNet alone. By AUC, fidelity ended above the "
     "control's on both heads. By mass, it")])
def test_the_answer_in_short(effects, said):
    assert answer.paragraph(runs(**effects)).startswith(said)


def test_the_caption_of_a_table_says_what_each_reading_gives():
    table = runs(3, **{"MSQNet+TFE": (-5, 0, .1)}).assign(metric="map")
    said = answer.caption(table)
    assert "for as long: MSQNet's mAP is lower by 5.0 points" in said and "because" not in said
    assert all(f" {opening}: " in f" {said}" for *_, opening in answer.QUESTIONS.values())
    assert "without, each at the rate of its row, in mAP and AUC: MSQNet -5.0 [-" in said
    assert "-L_N below D in both, in mAP and AUC: MSQNet +0.0 [-0.0, +0.0] = and +0.000" in said
    assert answer.caption(table[table.row.isin(["BIKE", "MSQNet"])]) == ""
    assert answer.caption(table.assign(metric="accuracy")) == "" == answer.caption(table[table.seed < 2])


def test_an_interval_that_does_not_outlive_the_correction_is_no_clear_difference():
    lines = answer.contrasts(runs(**{"BIKE+TFE": (2.5, 0, 3)}))
    line = lines[(lines.question == "TFE") & (lines["head"] == "BIKE")].iloc[0]
    assert line.difference_low > 0 and line.holm > .05
    assert verdict(line) == "no clear difference"


def test_a_clear_difference_within_the_margin_is_equal():
    lines = answer.contrasts(runs(**{"BIKE+TFE": (-.4, 0, .1)}))
    line = lines[(lines.question == "TFE") & (lines["head"] == "BIKE")].iloc[0]
    assert line.difference_high < 0 and line.holm < .05 and verdict(line) == "equal"


def test_questions_whose_rows_were_not_run_are_left_out():
    some = runs()
    lines = answer.contrasts(some[some.row.isin(["BIKE", "BIKE trained on", "MSQNet"])])
    assert lines[["question", "head"]].values.tolist() == [["training on", "BIKE"]]
    assert answer.contrasts(some[some.row == "BIKE"]).empty


def at_one_rate(**changed):
    """A summary's lines of the run at one rate, equal in both measures unless `changed`."""
    line = {"row": "MSQNet+TFE", "against": "MSQNet trained on", "split": "test", "difference": -.4, "auc_difference": .001, "holm": .5,
            "auc_holm": .5, "equal": True, "auc_equal": True}
    return pd.DataFrame([line | changed, line | {"split": "shifted", "equal": False}])


@pytest.mark.parametrize("changed, said", [
    ({}, "MSQNet's mAP is equal within 1 point. MSQNet's AUC is equal within 0.02."),
    ({"equal": False, "holm": .01}, "MSQNet's mAP is lower by 0.4 points. MSQNet's AUC is equal within 0.02."),
    ({"auc_equal": False}, "MSQNet's mAP is equal within 1 point. MSQNet's AUC shows no clear difference.")])
def test_what_is_left_at_one_rate(changed, said):
    assert f"best for TFE. {said}" in answer.paragraph(runs(), at_one_rate(**changed))
    by_mass = answer.paragraph(runs(), at_one_rate(**changed), runs(**{"MSQNet+TFE": (0, 0, 9)}))
    assert by_mass.endswith(f"{said} MSQNet's mass shows no clear difference.")


def test_the_readme_holds_the_answer(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- answer: how -->\nyesterday\n<!-- /answer -->\nafter\n")
    for _ in range(2):  # again: the same
        answer.write(readme, "answer", answer.paragraph(runs(), at_one_rate()))
    text = readme.read_text()
    assert text.startswith("before\n<!-- answer: how -->\nIn the default reading, TFE raised ")
    assert "On synthetic videos, over 10 seeds" in text and "AUC is equal within 0.02.\n" in text
    assert text.endswith("<!-- /answer -->\nafter\n") and "yesterday" not in text
    readme.write_text("no marks")
    with pytest.raises(StudyError, match="lacks the marks"):
        answer.write(readme, "answer", "today")


def test_the_answer_in_the_readme_is_that_of_the_committed_results():
    said = answer.paragraph(*(pd.read_csv(ROOT / "results" / f"{name}.csv")
                              for name in ("headline", "rate_summary", "rate")))
    assert said in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_says_of_real_recordings_what_their_tables_say():
    said = recordings.said(*(table[table.split == "test"] for table in (
        recordings.tables(), pd.read_csv(ROOT / "results" / "headline_summary.csv"))))
    assert said in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_says_of_other_sets_what_their_table_says():
    places = runs_elsewhere.read(BOOK / "batches" / "worlds.yaml")
    said = worlds.said(places, runs_elsewhere.read_table(RESULTS / "worlds.csv"))
    assert said and said in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_advises_what_the_leaderboard_does():
    said = leaderboard.answered(leaderboard.read(RESULTS / "peers.csv"), read_yaml(BOOK / "batches" / "peers.yaml"))
    assert said in (ROOT / "README.md").read_text(encoding="utf-8")


def test_cases_of_real_recordings_are_counted_by_their_verdicts():
    def line(row, gain, p, auc=np.nan, against=" trained on"):
        return {"row": row, "against": row[:-4] + against, "difference": gain, "holm": p, "equal": abs(gain) < 1, "auc_difference": auc,
                "auc_holm": p, "difference_low": gain - 1, "difference_high": gain + 2,
                "auc_difference_low": auc - .01, "auc_difference_high": auc + .01}

    synthetic = pd.DataFrame({"row": ["MSQNet+TFE", "BIKE+TFE"], "auc_difference": [0, .2]})
    said = recordings.said(pd.DataFrame([
        line("MSQNet+TFE", 3, .01, -.1), line("BIKE+TFE", -2, .01, .1), line("MSQNet+TFE", .5, .01),
        line("BIKE+TFE", 4, .2), line("BIKE+TFE from scratch", -9, .01), line("BIKE", 9, .01),
        line("BIKE+TFE", 9, .01, against="")]), synthetic)  # not against the head trained on
    assert "recognition in 1 of 4 cases, lowered it in 1, and left it equal in 1;" in said
    assert "fidelity in 1 of 2 cases, lowered it in 1, and left it equal in none." in said
    assert "in 1 of 1 cases" in said and "from +3.0 to +6.0 points" in said
    assert "MSQNet's recognition in 1 (0) cases, its AUC in 0 (1); BIKE's recognition in 1 (0) cases, its AUC in 1 (0)." in said
    assert said.endswith("in none of 1 cases, lowered it in 1, and left it equal in none.")


def test_rows_of_one_verdict_stand_together():
    lines = pd.DataFrame([{"row": row, "difference": gain, "holm": p} for row, gain, p in (
        ("A", -3, .01), ("B", 2, .5), ("C", -1, .02), ("D", 1, .01))])
    assert answer.of_rows(lines, "accuracy") == (
        "accuracy fell for A, C. It shows no clear difference for B. It rose for D")


def test_the_difference_of_each_seed_has_the_mean_of_the_answer():
    table = runs(**{"MSQNet+TFE": (-5, 0, .1)})
    each = answer.each_seed(table)
    assert each.groupby(["head", "measure"]).size().eq(10).all() and each.measure.nunique() == 3
    mine = each[(each["head"] == "MSQNet") & (each.measure == "mAP")].difference
    lines = answer.contrasts(table)
    assert mine.mean() == pytest.approx(lines.difference[lines.question == "TFE"].iloc[0])
