"""The answer in sentences: each verdict is reached by runs that say so, and the README holds it."""

import numpy as np
import pandas as pd
import pytest

from book.evidence import answer
from data.files.paths import ROOT
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
            lines.append((row, seed, "test", 70 + value + noise, .8 + auc + noise / 100))
    return pd.DataFrame(lines, columns=["row", "seed", "split", "value", "fidelity_auc"])


@pytest.mark.parametrize("effects, said", [
    ({}, "TFE raised neither head's mAP: both stayed equal within 1 point."),
    ({"MSQNet+TFE": (-5, 0, .1), "BIKE+TFE": (0, 0, 9)},
     "TFE raised neither head's mAP: MSQNet's fell by 5.0 points and BIKE's shows no clear difference."),
    ({"BIKE+TFE": (3, 0, .1)},
     "TFE raised only BIKE's mAP: MSQNet's stayed equal within 1 point and BIKE's rose by 3.0 points."),
    ({"MSQNet+TFE": (2, 0, .1), "BIKE+TFE": (3, 0, .1)},
     "TFE raised both heads' mAP: MSQNet's rose by 2.0 points and BIKE's rose by 3.0 points.")])
def test_a_sentence_says_what_the_runs_say(effects, said):
    assert answer.sentence(answer.contrasts(runs(**effects)), "TFE") == said


def test_fidelity_and_costs_have_sentences_of_their_own():
    lines = answer.contrasts(runs(**{"BIKE+TFE": (0, .1, .1), "MSQNet+TFE from scratch": (-25, 0, 1)}))
    assert answer.sentence(lines, "TFE", "auc_").endswith("and BIKE's rose by 0.100 AUC.")
    assert answer.sentence(lines, "from scratch").startswith(
        "TFE from scratch lowered only MSQNet's mAP: MSQNet's fell by ")
    assert "over 10 seeds" in answer.paragraph(lines)


def test_the_caption_of_a_table_says_what_each_reading_gives():
    table = runs(3, **{"MSQNet+TFE": (-5, 0, .1)}).assign(metric="map")
    said = answer.caption(table)
    assert "TFE raised neither head's mAP: MSQNet's fell by 5.0 points" in said
    assert all(f" {opening} " in f" {said}" for *_, opening in answer.QUESTIONS.values())
    assert answer.caption(table[table.row.isin(["BIKE", "MSQNet"])]) == ""
    assert answer.caption(table.assign(metric="accuracy")) == "" == answer.caption(table[table.seed < 2])


def test_an_interval_that_does_not_outlive_the_correction_is_no_clear_difference():
    lines = answer.contrasts(runs(**{"BIKE+TFE": (2.5, 0, 3)}))
    line = lines[(lines.question == "TFE") & (lines["head"] == "BIKE")].iloc[0]
    assert line.difference_low > 0 and line.holm > .05
    assert answer.verdict(line) == "no clear difference"


def test_questions_whose_rows_were_not_run_are_left_out():
    some = runs()
    lines = answer.contrasts(some[some.row.isin(["BIKE", "BIKE trained on", "MSQNet"])])
    assert lines[["question", "head"]].values.tolist() == [["training on", "BIKE"]]
    assert answer.contrasts(some[some.row == "BIKE"]).empty


def test_the_readme_holds_the_answer_and_the_rows(tmp_path):
    readme, made = tmp_path / "README.md", runs()
    readme.write_text("before\n<!-- answer: how -->\nyesterday\n<!-- /answer -->\nafter\n")
    summary = pd.DataFrame([{"row": row, "split": split, "value": 70.0, "low": 69, "high": 71}
                            for row in sorted(ROWS) for split in ("test", "shifted")]).assign(
        against=None)
    for _ in range(2):  # again: the same
        answer.write(readme, made, summary)
    text = readme.read_text()
    assert text.startswith("before\n<!-- answer: how -->\nOn synthetic videos, over 10 seeds, TFE")
    assert text.endswith("<!-- /answer -->\nafter\n") and "yesterday" not in text
    assert text.count("70.0 [69.0, 71.0]") == len(ROWS)
    readme.write_text("no marks")
    with pytest.raises(StudyError, match="lacks the marks"):
        answer.write(readme, made, summary)


def test_the_answer_in_the_readme_is_that_of_the_committed_headline():
    headline = pd.read_csv(ROOT / "results" / "headline.csv")
    lines = answer.contrasts(headline)
    if "TFE" not in set(lines.get("question", ())):
        pytest.skip("the committed headline has no warm start yet")
    assert answer.paragraph(lines) in (ROOT / "README.md").read_text(encoding="utf-8")
