"""The site in a browser that can reach no host: at two widths, in light and in dark.

Skipped, with the reason, where no Chromium is installed.
"""

import json
import re
import subprocess
import sys
from functools import cache
from html import unescape
from urllib.parse import unquote

import nbformat
import pytest

from book import pages
from data.files.paths import BOOK

needs_browser = pytest.mark.skipif(pages.chromium() is None, reason="Chromium is not installed")
MACHINERY = {"genindex.html", "search.html"}  # pages of the theme that carry none of the book's text
SEVERE = {"serious", "critical"}
SCHEMES = "dark", "light"  # the next page opens in the last, as a reader's does


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built with warnings as errors."""
    out = tmp_path_factory.mktemp("site")
    built = subprocess.run([sys.executable, "-m", "sphinx", "-b", "html", "-q", "-n", "-W",
                            "--keep-going", str(BOOK), str(out)], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return sorted(path for path in out.glob("*.html") if path.name not in MACHINERY)


@pytest.fixture(scope="module")
def browser():
    with pages.browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def seen(site, browser):
    """What a browser finds on each page, which it opens once a width: `{name: {what: found}}`."""
    from axe_playwright_python.sync_playwright import Axe

    page, axe, found = browser.new_page(reduced_motion="reduce"), Axe(), {}
    for path in site:
        found[path.name] = one = {width: pages.look(page, path, width) for width in pages.WIDTHS}
        one["blank"] = page.locator("thead tr").evaluate_all(
            "(rows) => rows.filter((r) => [...r.cells].slice(1).every((c) => !c.innerText.trim())"
            " && r.cells.length > 2).length")
        # A colour in the middle of a transition is no colour of the page.
        page.add_style_tag(content="* { transition: none !important; animation: none !important }")
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function(f"document.documentElement.dataset.theme == '{scheme}'")
            # The text is ours; what stands around it is the theme's.
            barriers = axe.run(page, context="article.bd-article").response["violations"]
            one[scheme] = [f"{barrier['id']}: {barrier['nodes'][0]['html'][:120]}"
                           for barrier in barriers if barrier["impact"] in SEVERE]
    page.close()
    return found


def test_every_chapter_has_its_page(site):
    chapters = {path.stem for path in BOOK.glob("[0-9][0-9]_*.ipynb")}
    assert chapters < {path.stem for path in site}


def test_every_chapter_stands_in_a_table_of_contents(site):
    index = site[0].with_name("index.html").read_text(encoding="utf-8")
    missing = [p.stem for p in BOOK.glob("[0-9][0-9]_*.ipynb") if f'href="{p.stem}.html"' not in index]
    assert not missing


def test_the_first_page_maps_every_chapter(site):
    index = site[0].with_name("index.html").read_text(encoding="utf-8")
    table = index[index.index('id="the-chapters"'):]
    assert all(f'href="{path.stem}.html"' in table for path in BOOK.glob("[0-9][0-9]_*.ipynb"))


def test_every_chapter_names_what_it_was_made_of(site):
    for path in BOOK.glob("[0-9][0-9]_*.ipynb"):
        page = (site[0].parent / f"{path.stem}.html").read_text(encoding="utf-8")
        foot = page[page.rindex("What this chapter was made of"):]
        missing = [name for name in nbformat.read(path, 4).metadata.tfe.reads
                   if name.startswith(("tfe/", "results/")) and name not in foot]
        assert not missing, path.stem


def lost(page):
    """The links of a page that lead to no file or to no place in one."""
    text = page.read_text(encoding="utf-8")
    for link in {unescape(link) for link in re.findall(r'<a [^>]*?href="([^"]+)"', text)}:
        if re.match(r"[a-z]+:", link):
            continue
        name, _, place = unquote(link).partition("#")
        target = page.parent / name if name else page
        if not target.is_file() or (place and target.suffix == ".html" and place not in places(target)):
            yield link


@cache
def places(page):
    """What a link may lead to on a page."""
    return set(re.findall(r'id="([^"]+)"', page.read_text(encoding="utf-8")))


def test_every_link_inside_leads_somewhere(site, tmp_path):
    assert {path.name: links for path in site if (links := list(lost(path)))} == {}
    (tmp_path / "a.html").write_text('<a href="b.html">b</a> <a href="#c">c</a> <a href="#d">d</a>'
                                     '<p id="d">')
    assert sorted(lost(tmp_path / "a.html")) == ["#c", "b.html"]


def test_a_term_is_linked_where_a_page_first_uses_it_and_only_there(site):
    terms = {path.name: re.findall(r'class="term[^"]*" href="glossary.html#(term-[^"]+)"',
                                   path.read_text(encoding="utf-8")) for path in site}
    assert {"term-Holm", "term-fidelity"} <= set(terms["12_table1.html"])
    assert "term-gated-MIL" in terms["19_fidelity.html"] and not terms["glossary.html"]
    assert all(len(found) == len(set(found)) for found in terms.values())


def test_cells_that_draw_or_say_something_are_folded_and_others_are_not(site):
    for path in BOOK.glob("[0-9][0-9]_*.ipynb"):
        page = (site[0].parent / f"{path.stem}.html").read_text(encoding="utf-8")
        cells = nbformat.read(path, 4).cells
        folded = sum("hide-input" in cell.metadata.get("tags", []) or "plots.style()" in cell.source or any(
            {"image/png", "text/markdown"} & {*output.get("data", {})} for output in cell.get("outputs", []))
            for cell in cells if cell.cell_type == "code")
        assert page.count('hide above-input"') == folded > 1, path.stem


@needs_browser
def test_no_table_has_an_empty_line_in_its_header(seen):
    assert {name: one["blank"] for name, one in seen.items() if one["blank"]} == {}


@needs_browser
@pytest.mark.parametrize("width", pages.WIDTHS)
def test_every_page_is_whole(seen, width):
    never = "errors", "unnamed", "unloaded", "outside"
    wrong = {name: found for name, one in seen.items() if (found := one[width])["overflow"] > 0
             or found["written"] > found["formulas"] or any(found[key] for key in never)}
    assert not wrong, json.dumps(wrong, indent=1)


@needs_browser
@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_serious_barrier(seen, scheme):
    assert {name: one[scheme] for name, one in seen.items() if one[scheme]} == {}


@needs_browser
def test_sliders_move_the_picture_by_keyboard(site, browser):
    page, names = browser.new_page(), []
    shown = "(f) => [...f.querySelectorAll('img')].filter((i) => !i.hidden).map((i) => i.alt)"
    for path in (path for path in site if '<figure class="slide' in path.read_text(encoding="utf-8")):
        pages.look(page, path, pages.WIDTHS[1])
        for figure in page.locator("figure.slide").all():
            before, dial = figure.evaluate(shown), figure.locator("input")
            dial.focus()
            page.keyboard.press("ArrowRight")
            after = figure.evaluate(shown)
            assert len(before) == len(after) == 1 and before != after, path.name
            assert dial.get_attribute("aria-valuetext") == figure.locator("output").inner_text()
            names.append(figure.locator("label").inner_text())
            assert page.get_by_role("slider", name=names[-1]).count() == 1  # as a screen reader sees it
            page.keyboard.press("End")
            assert figure.evaluate(shown) == [figure.locator("img").last.get_attribute("alt")]
    page.close()
    assert {"beta", "temperature", "k", "shortcut"} <= set(names)
