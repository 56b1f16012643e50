"""What a command costs before it does anything, against importing everything at the top."""

import subprocess
import sys

from bench import Case, item

from data.files.paths import ROOT

EAGER = "import torch, pandas, av, tfe.training, data.video.decode, data.encoders.features, book.evidence.report"


def python(*words):
    return lambda: subprocess.run([sys.executable, *words], cwd=ROOT, check=True, capture_output=True)


@item("cli", allowed=0.3, unit="s", clock="wall", why="python -m book --help, at most 0.3 s; the plain way "
      "imports torch, pandas and the modules of every command first")
def help_text(smoke):
    return Case(python("-c", EAGER), python("-m", "book", "--help"))


@item("import", allowed=2.0, unit="s", clock="wall", why="import tfe, at most 2 s; against the same")
def importing(smoke):
    return Case(python("-c", EAGER), python("-c", "import tfe"))
