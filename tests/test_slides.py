"""The slides are the chapters' own words and figures, in one file that asks nobody for anything."""

import re

import nbformat
import pytest

from book import pages, slides
from data.files.paths import BOOK

CHAPTERS = sorted(BOOK.glob("[0-9][0-9]_*.ipynb"))


def pictures(path):
    return sum("image/png" in (data := output.get("data", {}))
               or '<figure class="slide' in data.get("text/html", "")
               for cell in nbformat.read(path, 4).cells for output in cell.get("outputs", []))


def test_every_chapter_gives_its_title_its_figures_and_its_summary():
    for path in CHAPTERS:
        made = slides.chapter(path)
        title = re.search(r"^# (.+)$", "\n".join(
            cell.source for cell in nbformat.read(path, 4).cells), re.M).group(1)
        assert re.sub(r"[$\\].*", "", title)[:12] in made[0]
        assert sum("<img" in slide for slide in made) == pictures(path)
        assert "Summary" in made[-1]


def test_the_file_asks_no_host():
    text = slides.deck(CHAPTERS[:2])
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", text.partition("<script>")[0])
    assert text.count("<section>") == text.count("</section>") > 4


def test_a_slider_comes_along_and_a_table_is_a_table():
    made = slides.chapter(BOOK / "07_khot.ipynb")
    assert sum('type="range"' in slide for slide in made) == 2
    assert "<td>fails</td>" in slides.section("##", "T", "| a |\n|---|\n| fails |")


def test_formulas_go_to_the_renderer_and_links_lose_their_target():
    made = slides.section("#", "T", r"As $a < b$, see [chapter 3](03_theorem1.ipynb).")
    assert r"\(a &lt; b\)" in made and "chapter 3" in made and "ipynb" not in made


def test_the_picture_of_the_readme_opens_the_slides():
    first = slides.deck(CHAPTERS[:1]).partition("</section>")[0]
    assert "<h1>Temporal fidelity" in first and "data:image/png" in first
    assert "the action “diagonal” outlined" in first


def test_the_theorems_the_lazy_pair_and_the_repair_are_on_slides_with_numbers():
    made = slides.chapter(BOOK / "03_theorem1.ipynb")
    assert any("Theorem 1 (the paper" in slide for slide in made)
    assert any("Theorem (repaired)" in slide and "2" in slide for slide in made)
    assert any("A lazy pair" in slide and "<table" in slide for slide in made)
    notes = [slide for slide in made if "<aside>" in slide]
    assert len(notes) > len(made) / 2


@pytest.fixture(scope="module")
def deck(tmp_path_factory):
    path = tmp_path_factory.mktemp("slides") / "slides.html"
    path.write_text(slides.deck(CHAPTERS))
    return path


@pytest.mark.skipif(pages.chromium() is None, reason="Chromium is not installed")
@pytest.mark.parametrize("size", [(1280, 720), (1024, 768)], ids=str)
def test_no_slide_is_higher_than_the_screen_and_none_is_too_small_to_read(deck, size):
    with pages.browser() as opened:
        page = opened.new_page(viewport=dict(zip(("width", "height"), size)))
        page.goto(deck.as_uri(), wait_until="load")
        page.wait_for_function("window.fitted")
        found = page.evaluate("""[...document.querySelectorAll('section')].map((s) => [
            s.querySelector('h1, h2, figcaption').textContent.slice(0, 50),
            s.scrollHeight - s.clientHeight, parseFloat(getComputedStyle(s).fontSize)])""")
    assert [slide for slide in found if slide[1] > 1 or slide[2] < 13] == []
    assert len(found) > 6 * len(CHAPTERS)
