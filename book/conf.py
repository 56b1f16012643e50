"""The site: built by `make book` from the committed, executed notebooks; nothing is executed."""

import json
from importlib.metadata import files

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
    status.status, status.versions, status.chapter_times, status.not_run, status.silent,
    status.axes, status.older, status.reliability, status.contents, status.answer)}
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


class AltText(SphinxPostTransform):
    """Give each figure the alternative text that `plots.show` stored with its picture.

    MyST-NB takes it from the cell's metadata alone; ours lies in the output's.
    """

    default_priority = 400

    def run(self, **kwargs):
        from docutils import nodes

        stored = _alt_texts(self.env.doc2path(self.env.docname))
        pictures = [n for n in self.document.findall(nodes.image)
                    if "jupyter_execute" in n["uri"]]
        for picture, alt in zip(pictures, stored, strict=True):
            picture["alt"] = alt


def _alt_texts(path):
    """The alternative texts of a notebook's pictures, in order."""
    import nbformat

    if not str(path).endswith(".ipynb"):
        return []
    cells = nbformat.read(path, 4).cells
    return [output.metadata.get("image/png", {}).get("alt") or output.metadata.get("alt", "")
            for cell in cells for output in cell.get("outputs", [])
            if "image/png" in output.get("data", {})]


def add_foot(app, name, source):
    """Say under a chapter what it was made of: its stamp, in words."""
    if name[:2].isdigit():
        notebook = json.loads(source[0])
        prose = "\n".join("".join(cell["source"]) for cell in notebook["cells"]
                          if cell["cell_type"] == "markdown")
        notebook["cells"].append({
            "cell_type": "markdown", "id": "made-of", "metadata": {},
            "source": status.made_of(name, notebook["metadata"]["tfe"]["reads"], prose)})
        source[0] = json.dumps(notebook)


def setup(app):
    app.connect("source-read", add_foot)
    app.add_post_transform(AltText)
