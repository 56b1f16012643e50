"""The README is understood at the first reading, and the lint of sentences counts as it says."""

import pytest

from book import prose
from data.files.paths import ROOT


def test_no_sentence_of_the_readme_is_over_the_limit():
    assert list(prose.findings(ROOT / "README.md")) == []


def test_the_readme_is_one_screen():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 95


@pytest.mark.parametrize("page, many", [
    ("One two three. Four five.\n", [3, 2]), ("A $x + y$ is `a b c` here.", [5]),
    ("See [chapter one](a.ipynb).\n\n- An item\n- Another one", [3, 2, 2]),
    ("```\nno prose here at all\n```\nOne.\n| a | table |\n", [1]),
    ("Is it so? (It is.) \"Well.\" Yes", [3, 2, 1, 1]), ("Of Eqs. (4) and (5) it is 3.5 or .5.", [10])])
def test_words_of_sentences(tmp_path, page, many):
    path = tmp_path / "page.md"
    path.write_text(page)
    assert [len(words) for words in prose.sentences(prose.text(path))] == many


def test_the_prose_of_a_chapter_is_that_of_its_markdown_cells(tmp_path):
    path = tmp_path / "00_a.py"
    path.write_text("# %% [markdown]\n# One two.\n\n# %%\nx = 1  # no prose\n\n# %% [markdown]\n# Three.\n")
    assert [len(words) for words in prose.sentences(prose.text(path))] == [2, 1]


def test_a_long_sentence_and_a_heavy_page_are_named(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("word " * 36 + ".\n")
    assert [line.split(":")[0] for line in prose.findings(path)] == [
        "36.0 words a sentence on average", "36 words"]
