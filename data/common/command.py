"""The command line that every dataset's script begins with."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

from data.files.paths import DATA


def parser(name, about, out=None):
    """A parser for `python -m data NAME` that shows the script's text, with the option --out.

    out: the default in words, where the script works it out itself; else it is `data/NAME`.
    """
    p = ArgumentParser(prog=f"python -m data {name}", description=about,
                       formatter_class=RawDescriptionHelpFormatter)
    p.add_argument("--out", type=Path, default=None if out else DATA / name, metavar="DIR",
                   help=f"the folder to make (default: {out or f'data/{name}'})")
    return p


def folder(text):
    """The folder that an argument names; ~ is the user's own."""
    return Path(text).expanduser()
