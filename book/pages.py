"""Every page of the built site, printed by a browser that can reach no host, and joined to one file.

    python book/pages.py --pdf      the whole book as book/_build/temporal-fidelity.pdf

The browser is the system's Chromium; `apt-get install chromium` brings it on Debian.
"""

import argparse
import shutil
import sys
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from data.common.ending import ended
from tfe.errors import StudyError
from data.files.paths import BOOK, atomic

SITE = BOOK / "_build" / "html"
WIDTHS = 390, 1280


def chromium():
    """The path of the system's Chromium, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
                None)


@contextmanager
def browser(local=False):
    """A headless browser that reaches no host, or only this machine; StudyError where there is none."""
    from playwright.sync_api import sync_playwright

    if not chromium():
        raise StudyError("Chromium is not installed: `apt-get install chromium`, or your system's "
                         "package of it")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=[
            "--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND" + ", EXCLUDE 127.0.0.1" * local])
        yield opened
        opened.close()


def look(page, path, width):
    """Open a page at a width; what `pages.js` finds there, and the requests that left the machine."""
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(path.as_uri(), wait_until="load")
    return page.evaluate((BOOK / "pages.js").read_text(encoding="utf-8")) | {
        "outside": [url for url in asked if not url.startswith(("file:", "data:"))]}


A4 = dict(format="A4", print_background=True, scale=0.8,
          margin=dict.fromkeys(("top", "bottom", "left", "right"), "16mm"))


def print_page(path, out):
    """Print one page of HTML into the file `out`."""
    with browser() as opened:
        page = opened.new_page()
        look(page, path, WIDTHS[1])
        with atomic(out) as temporary:
            temporary.write_bytes(page.pdf(**A4))


def print_book(out):
    """Print every page and join them into one PDF with an outline; returns its number of pages.

    The order is the reader's: from the first page, by each page's link to the next.
    """
    from pypdf import PdfReader, PdfWriter
    from tqdm import tqdm

    writer, path = PdfWriter(), SITE / "index.html"
    with browser() as opened, tqdm(desc="printing", unit="page", disable=None) as progress:
        page = opened.new_page()
        while path:
            look(page, path, WIDTHS[1])
            printed = page.pdf(outline=True, tagged=True, **A4)
            writer.append(PdfReader(BytesIO(printed)), outline_item=page.title().split(" — ")[0])
            following = page.evaluate("document.querySelector('link[rel=next]')?.href")
            path = following and SITE / following.rsplit("/", 1)[-1]
            progress.update()
    with atomic(out) as temporary:
        writer.write(temporary)
    return len(writer.pages)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python book/pages.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pdf", type=Path, metavar="FILE", nargs="?", required=True,
                        const=BOOK / "_build" / "temporal-fidelity.pdf",
                        help="print the built site into one file (default: %(const)s)")
    options = parser.parse_args(arguments)
    if not (SITE / "index.html").is_file():
        raise StudyError("book/_build/html is missing: run `make book` first")
    print(f"{print_book(options.pdf)} pages in {options.pdf.name}")


if __name__ == "__main__":
    sys.exit(ended(main))
