"""Exercises check answers: the solution passes, typical wrong answers fail and hear why."""

import re
import subprocess
import sys

import nbformat
import pytest

from book import assignments
from data.files.paths import BOOK
from tfe.errors import StudyError

STEMS = [path.stem for path in sorted(BOOK.glob("[0-9][0-9]_*.py"))]
ALL = [(f"{assignments.prefix(stem)}.{number}", entry) for stem in STEMS
       for number, entry in assignments.checked(stem).items()]
each = pytest.mark.parametrize("name, entry", ALL, ids=[name for name, _ in ALL])


def hint(name, entry, answer):
    """The hint that an answer gets, or None if it is right."""
    names = {}
    exec(entry.get("given", ""), names)
    exec(answer, names)
    return assignments.failure(assignments.ok(name, entry), names)


@each
def test_the_solution_passes_and_three_wrong_answers_hear_why(name, entry):
    assert hint(name, entry, entry["solution"]) is None
    assert len(set(entry["wrong"])) >= 3
    heard = [hint(name, entry, wrong) for wrong in entry["wrong"]]
    assert all(heard) and not any("Error" in one for one in heard), heard


@each
def test_a_blank_is_no_answer(name, entry, capsys):
    names = {}
    exec(entry.get("given", ""), names)
    try:
        exec(entry["blank"], names)
    except Exception:
        pass  # some blanks do not run before they are filled in
    assert assignments.failure(assignments.ok(name, entry), names)
    assignments.check(name, {})
    assert capsys.readouterr().out == f"{name}: {entry['ask']}\n"


def test_half_of_the_exercises_check_an_answer_and_one_a_chapter_is_to_be_coded():
    assert len(ALL) >= 30
    for stem in STEMS:
        blanks = [entry["blank"] for entry in assignments.checked(stem).values()]
        assert blanks, stem
        numbers = set(assignments.checked(stem))
        assert numbers <= set(assignments.exercises(stem)[1])
        said = re.search(r"^# \*Exercises? ([\d, and]+) checks? an answer: .*check\(\"(\w+)\.\d+\"\)",
                         (BOOK / f"{stem}.py").read_text(encoding="utf-8"), re.M)
        assert said and {int(n) for n in re.findall(r"\d+", said[1])} == numbers
        assert said[2] == assignments.prefix(stem)


def test_an_answer_in_a_notebook_is_found_by_its_name(capsys):
    exec("from book.assignments import check\nimport numpy as np\n"
         "critical = lambda e: (1 - 2 * e) ** -2\ncheck('02.2')", {})
    assert capsys.readouterr().out == "02.2: right\n"
    with pytest.raises(StudyError, match="give one of 00.1"):
        assignments.check("02.9")


def test_handouts_hold_blanks_and_no_solution(tmp_path):
    assignments.write(["03_theorem1", "11_data"], tmp_path)
    student, solved = (nbformat.read(tmp_path / folder / "11_data.ipynb", 4)
                       for folder in ("student", "solutions"))
    for page, inside in ((student, False), (solved, True)):
        nbformat.validate(page)
        text = "\n".join(cell.source for cell in page.cells)
        assert ("comb(T - m, k)" in text) is inside and ("binom{16-m}" in text) is inside
        assert "Solution" not in text and "<details>" not in text
        assert text.count('check("11.') == len(assignments.checked("11_data"))
    sheet = (tmp_path / "assignments.html").read_text()
    assert "What is the chance" in sheet and "binom{16-m}" not in sheet and "AABC" not in sheet
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", sheet.partition("<script>")[0])


def test_the_solved_notebook_runs_and_every_answer_is_right(tmp_path):
    page = assignments.notebook("03_theorem1", solved=True)
    script = "\n".join(cell.source for cell in page.cells if cell.cell_type == "code")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          cwd=BOOK.parent)
    assert done.stdout == "03.1: right\n03.4: right\n", done.stderr


def test_a_test_file_has_otters_form(tmp_path):
    """As otter-grader 7 reads it: `OK_FORMAT`, one suite of doctests, no set-up, code and hint."""
    assignments.write(["11_data"], tmp_path)
    found = {}
    exec((tmp_path / "tests" / "q11_1.py").read_text(), found)
    (suite,) = found["test"]["suites"]
    assert found["OK_FORMAT"] is True and found["test"]["name"] == "q11_1"
    assert suite["type"] == "doctest" and not suite["setup"] and not suite["teardown"]
    assert all(case["code"].startswith(">>> ") and case["failure_message"] for case in suite["cases"])
