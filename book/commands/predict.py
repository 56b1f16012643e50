"""Show a video of your own to trained heads: class scores, and where in time each of them looks.

    python -m book predict clip.mp4
"""

import re
from os import fsencode
from pathlib import Path

from book import plots
from book.runs import sights
from data.files.paths import LOCAL, atomic
from tfe.errors import StudyError


def arguments(parser):
    parser.add_argument("video", metavar="VIDEO")
    parser.add_argument("--run", action="append", default=[], metavar="KEY", dest="keys",
                        help="the head of this run of results/local/, once or more (default: the heads "
                        "that ship with the study, trained on synthetic videos)")
    parser.add_argument("--out", metavar="PNG", type=Path,
                        help="default: results/local/predict/VIDEO.png")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or auto (default: %(default)s)")


def run(options):
    frames, seen, note = sights.see(options.video, options.keys, options.device)
    name = readable(Path(options.video).name)
    out = options.out or LOCAL / "predict" / f"{re.sub(r'[^A-Za-z0-9._-]+', '_', name)}.png"
    if out.suffix.lower() != ".png":
        raise StudyError(f"--out {out} is no png: give a name that ends in .png")
    plots.style()
    fig = sights.picture(frames, seen, f"{name}\n{note.split(':')[0].rstrip('.')}; white is high")
    with atomic(out) as temporary:
        fig.savefig(temporary, metadata={"Software": None})
    table = sights.likeliest(seen).to_markdown(index=False)
    print(f"{name}\n{table}\n{note}\nwrote {readable(out)}")


def readable(name):
    """A file's name as one line of printable text, whatever bytes it is made of."""
    text = fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else "?" for c in text)
