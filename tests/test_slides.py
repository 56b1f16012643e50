"""The slides are the chapters' own words and figures, in one file that asks nobody for anything."""

import re

import nbformat

from book import slides
from data.files.paths import BOOK

CHAPTERS = sorted(BOOK.glob("[0-9][0-9]*_*.ipynb"))


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
    made = slides.chapter(BOOK / "06_khot.ipynb")
    assert sum('type="range"' in slide for slide in made) == 2
    assert "<td>fails</td>" in slides.section("##", "T", "| a |\n|---|\n| fails |")


def test_formulas_go_to_the_renderer_and_links_lose_their_target():
    made = slides.section("#", "T", r"As $a < b$, see [chapter 3](03_theorem1.ipynb).")
    assert r"\(a &lt; b\)" in made and "chapter 3" in made and "ipynb" not in made


def test_the_picture_of_the_readme_opens_the_slides():
    first = slides.deck(CHAPTERS[:1]).partition("</section>")[0]
    assert "<h1>Temporal fidelity" in first and "data:image/png" in first
    assert "the action “diagonal” outlined" in first
