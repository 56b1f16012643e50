"""What a teacher relies on: readings fit their time, sheets name exercises, every yes has its test."""

import re

import pytest

from book import assignments, prose
from data.files.paths import BOOK, ROOT

MINUTES, PACE = 30, 100  # of a reading; words a minute, of a text with formulas
QUESTIONS = re.findall(r"^\*\*(.+?\?|.+?\.)\*\* (.+?)(?=\n\n|\Z)",
                       (BOOK / "questions.md").read_text(encoding="utf-8"), re.M | re.S)


def words(stem, aside, folder):
    """The words of a chapter's sections before its exercises, but for those that begin with a title `aside`.

    A formula in a line counts by its parts, as it is read; headings, tables and displayed formulas do not.
    """
    text = (BOOK / f"{stem}.py").read_text(encoding="utf-8").partition("# ## Exercises")[0]
    head, *sections = text.split("\n# ## ")
    kept = [section for section in sections if not section.startswith(tuple(aside))]
    assert len(kept) == len(sections) - len(aside), f"{stem} has no section of its own for each of {aside}"
    part = folder / "part.py"
    part.write_text("\n# %% [markdown]\n# ## ".join([head, *kept]), encoding="utf-8")
    return len(prose.text(part).split())


def test_a_reading_can_be_read_in_its_time(tmp_path):
    lines = re.findall(r"^\| \d\. [^|]+\|([^|]+)\|([^|]+)\|", (BOOK / "course.md").read_text(), re.M)
    assert len(lines) == 4
    for read, look in lines:
        stems, titles = (re.findall(r"\[([^]]+)\]\((\w+)\.ipynb\)", cell) for cell in (read, look))
        assert stems and sum(words(stem, [title for title, of in titles if of == stem], tmp_path)
                             for _, stem in stems) <= MINUTES * PACE


def test_a_sheet_names_exercises_that_exist_and_says_rightly_which_are_checked():
    page = (BOOK / "assignments.md").read_text(encoding="utf-8")
    sheets = re.findall(r"^\| \d\. [^|]+\|([^|]+)\|([^|]+)\|", page, re.M)
    assert len(sheets) == 4
    for coded, argued in sheets:
        for names, known in ((coded, assignments.checked), (argued, lambda s: assignments.exercises(s)[1])):
            for chapter, number in re.findall(r"(\d\d)\.(\d)", names):
                (path,) = BOOK.glob(f"{chapter}_*.py")
                assert int(number) in known(path.stem), f"{chapter}.{number}"


def test_the_computed_answers_of_the_quiz():
    text = (BOOK / "quiz.md").read_text(encoding="utf-8")
    assert f"{16 * (1 - (15 / 16) ** 4):.2f}" in text and f"{2.78 * 1.7 / 5 ** 0.5:.2f}" in text


@pytest.mark.parametrize("question, answer", QUESTIONS, ids=[q for q, _ in QUESTIONS])
def test_every_answer_leads_on_and_every_yes_has_its_test(question, answer):
    named = re.findall(r"\(`(tests/\w+\.py)(?:::(\w+))?`\)", answer)
    assert named or not re.match(r"Yes|No\b", answer)
    for path, function in named:
        assert f"def {function}" in (ROOT / path).read_text(encoding="utf-8")
    assert re.search(r"`(make|\.venv/bin/)|\]\(\w+\.(md|ipynb)\)", answer) or named


def test_the_page_has_the_questions_of_the_threads():
    assert len(QUESTIONS) >= 20
