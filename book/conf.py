"""The site: built by `make book` from the committed, executed notebooks; nothing is executed."""

import json
import re
from importlib.metadata import files

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

from book import status

project = "Temporal fidelity"
author = "The authors of this study"
copyright = "2026, the authors of this study (MIT)"
language = "en"

extensions = ["myst_nb", "sphinx_design", "sphinx_copybutton", "sphinxcontrib.bibtex"]
# Sphinx must see one file of each pair: the executed notebook.
include_patterns = ["*.md", "[0-9][0-9]_*.ipynb", "lab.ipynb", "run.ipynb"]
nb_execution_mode = "off"
nb_render_markdown_format = "myst"  # captions carry formulas
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist", "attrs_inline",
                          "substitution"]
# Reference pages print tables that are made from the committed results here and now.
myst_substitutions = {made.__name__: made() for made in (
    status.status, status.versions, status.chapter_times, status.footprint, status.not_run,
    status.repeats, status.silent, status.axes, status.printed_axes, status.reliability, status.contents,
    status.answer)}
myst_heading_anchors = 3
bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "plain"
bibtex_reference_style = "author_year"
nitpicky = True

html_theme = "sphinx_book_theme"
html_title = "Temporal fidelity"
# Formulas need no network: one file of MathJax, from an installed package, and none is asked for.
html_static_path = ["_static", *(str(file.locate()) for file in files("sphinx-mathjax-offline")
                                 if file.name == "tex-svg.js")]
mathjax_path = "tex-svg.js"
html_css_files = ["book.css"]
html_js_files = ["book.js"]
html_copy_source = False
html_theme_options = {"show_toc_level": 2, "navbar_persistent": [],  # else two search boxes
                      "home_page_in_toc": True, "use_download_button": False}
copybutton_prompt_text = "$ "


class Pictures(SphinxPostTransform):
    """Give each figure what `plots.show` stored with its picture: alternative text, and class `film`.

    MyST-NB takes them from the cell's metadata alone; ours lie in the output's.
    """

    default_priority = 400

    def run(self, **kwargs):
        stored = _stored(self.env.doc2path(self.env.docname))
        pictures = [n for n in self.document.findall(nodes.image)
                    if "jupyter_execute" in n["uri"]]
        for picture, given in zip(pictures, stored, strict=True):
            picture["alt"] = given.get("alt", "")
            picture["classes"] += ["film"] * bool(given.get("film"))


def _stored(path):
    """The metadata of a notebook's pictures, in order."""
    import nbformat

    if not str(path).endswith(".ipynb"):
        return []
    cells = nbformat.read(path, 4).cells
    return [output.metadata | output.metadata.get("image/png", {})
            for cell in cells for output in cell.get("outputs", [])
            if "image/png" in output.get("data", {})]


class FirstUse(SphinxPostTransform):
    """Link a term of the glossary where a page first uses it."""

    default_priority = 400
    # Words that mostly stand in their everyday sense, and places where no link belongs.
    EVERYDAY = {"bar", "encoder", "excess", "interval", "law", "literal", "reading", "row", "trained on"}
    CLOSED = nodes.title, nodes.reference, nodes.literal, nodes.literal_block, nodes.math, nodes.raw

    def run(self, **kwargs):
        self.left = {name: f"#{anchor}" for name, _, kind, _, anchor, _ in
                     self.env.get_domain("std").get_objects()
                     if kind == "term" and name not in self.EVERYDAY}
        if self.env.docname == "glossary":
            return
        for text in list(self.document.findall(nodes.Text)):
            if not any(isinstance(around, self.CLOSED) for around in _around(text)):
                text.parent.replace(text, list(self.linked(text.astext())))

    def linked(self, text):
        """The nodes of a text: its words, and links from the terms that the page had not used yet."""
        names = sorted(self.left, key=len, reverse=True)
        forms = [re.escape(name).replace(r"\-", "[- ]") for name in names]
        # A name with a capital is one: "mAP" is no map.
        forms = [form if name != name.lower() else f"(?i:{form})" for name, form in zip(names, forms)]
        found = names and re.search(rf"(?<![\w-])(?:{'|'.join(f'({form})' for form in forms)})(?=s?\b)", text)
        if not found:
            yield nodes.Text(text)
            return
        place = self.left.pop(names[found.lastindex - 1])
        yield nodes.Text(text[:found.start()])
        yield nodes.reference("", found[0], internal=True, classes=["term"], refuri=(
            self.app.builder.get_relative_uri(self.env.docname, "glossary") + place))
        yield from self.linked(text[found.end():])


def _around(node):
    """The nodes that hold a node, from the nearest on."""
    while node := node.parent:
        yield node


def dress(app, name, source):
    """Fold a chapter's cells that draw or say something, and print its stamp, in words, under it."""
    if name[:2].isdigit():
        notebook = json.loads(source[0])
        for cell in notebook["cells"]:
            if status.folded(cell):
                cell["metadata"].setdefault("tags", []).append("hide-input")
        prose = "\n".join("".join(cell["source"]) for cell in notebook["cells"]
                          if cell["cell_type"] == "markdown")
        notebook["cells"].append({
            "cell_type": "markdown", "id": "made-of", "metadata": {},
            "source": status.made_of(name, notebook["metadata"]["tfe"]["reads"], prose)})
        source[0] = json.dumps(notebook)


def setup(app):
    app.connect("source-read", dress)
    app.add_post_transform(Pictures)
    app.add_post_transform(FirstUse)
