"""The site in a browser that can reach no host: at two widths, in light and in dark.

Skipped, with the reason, where no Chromium is installed.
"""

import json
import subprocess
import sys

import pytest

from book import pages
from tfe.paths import BOOK

needs_browser = pytest.mark.skipif(pages.chromium() is None, reason="Chromium is not installed")
SEVERE = {"serious", "critical"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built with warnings as errors."""
    out = tmp_path_factory.mktemp("site")
    built = subprocess.run([sys.executable, "-m", "sphinx", "-b", "html", "-q", "-n", "-W",
                            "--keep-going", str(BOOK), str(out)], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return sorted(path for path in out.glob("*.html") if path.name not in pages.MACHINERY)


@pytest.fixture(scope="module")
def browser():
    with pages.browser() as opened:
        yield opened


def test_every_chapter_has_its_page(site):
    chapters = {path.stem for path in BOOK.glob("[0-9][0-9]_*.ipynb")}
    assert chapters < {path.stem for path in site}


def test_every_chapter_stands_in_a_table_of_contents(site):
    index = site[0].with_name("index.html").read_text(encoding="utf-8")
    missing = [p.stem for p in BOOK.glob("[0-9][0-9]_*.ipynb") if f'href="{p.stem}.html"' not in index]
    assert not missing


@needs_browser
@pytest.mark.parametrize("width", pages.WIDTHS)
def test_every_page_is_whole(site, browser, width):
    page, wrong = browser.new_page(), {}
    for path in site:
        found = pages.look(page, path, width)
        if found["written"] > found["formulas"] or any(
                found[key] for key in ("errors", "unnamed", "unloaded", "outside")) or (
                found["overflow"] > 0):
            wrong[path.name] = found
    page.close()
    assert not wrong, json.dumps(wrong, indent=1)


@needs_browser
@pytest.mark.parametrize("scheme", ("light", "dark"))
def test_no_serious_barrier(site, browser, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page, wrong = browser.new_page(color_scheme=scheme, reduced_motion="reduce"), []
    for path in site:
        pages.look(page, path, pages.WIDTHS[1])
        # A colour in the middle of a transition is no colour of the page.
        page.add_style_tag(content="* { transition: none !important; animation: none !important }")
        # The text is ours; what stands around it is the theme's.
        found = Axe().run(page, context="article.bd-article").response["violations"]
        wrong += [f"{path.name}: {finding['id']}: {finding['nodes'][0]['html'][:120]}"
                  for finding in found if finding["impact"] in SEVERE]
    page.close()
    assert not wrong, "\n".join(wrong)


@needs_browser
def test_sliders_move_the_picture_by_keyboard(site, browser):
    page, sliders = browser.new_page(), 0
    shown = "(f) => [...f.querySelectorAll('img')].filter((i) => !i.hidden).map((i) => i.alt)"
    for path in site:
        pages.look(page, path, pages.WIDTHS[1])
        for figure in page.locator("figure.slide").all():
            before, dial = figure.evaluate(shown), figure.locator("input")
            dial.focus()
            page.keyboard.press("ArrowRight")
            after = figure.evaluate(shown)
            assert len(before) == len(after) == 1 and before != after, path.name
            assert dial.get_attribute("aria-valuetext") == figure.locator("output").inner_text()
            sliders += 1
    page.close()
    assert sliders >= 2
