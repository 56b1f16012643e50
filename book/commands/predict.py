"""Show a video of your own to trained heads: class scores, and where in time each of them looks.

    python -m book predict clip.mp4                      the picture, as the paper's Fig. 4
    python -m book predict clip.mp4 --row BIKE+TFE       a row of your newest table, or as it ships
    python -m book predict lecture.mp4 --intervals       when, in seconds: csv, json, picture, page

Intervals come from the fall of a class's logit when a segment is left out; thresholds are chosen
on val of the heads' dataset, at an IoU of .5. A video is shown in windows as long as those that the
heads learnt from, which overlap by half; one of minutes is always answered so.
"""

import json
import re
from os import fsencode
from pathlib import Path

import pandas as pd
import torch

from book import plots
from book.runs import heads, reel, sights, walk, when
from data.files.paths import LOCAL, write_csv, write_text
from data.video import decode
from tfe.errors import StudyError

MINUTES = 60  # seconds: a longer video is no clip, and is always answered by intervals
FEW = 20  # intervals that are printed


def arguments(parser):
    parser.add_argument("video", metavar="VIDEO")
    parser.add_argument("--run", action="append", default=[], metavar="KEY", dest="keys",
                        help="the head of this run of results/local/, once or more (default: the heads "
                        "that ship with the study, trained on synthetic videos)")
    parser.add_argument("--row", action="append", default=[], metavar="ROW", dest="rows",
                        help="the head of this row of a table in results/local/, its first seed, or "
                        "else as it ships, once or more")
    parser.add_argument("--table", help="of --row: table1, or clips/table1 (default: the newest "
                        "that has the row)")
    parser.add_argument("--intervals", action="store_true",
                        help="when: class, start, end, score, as csv and json")
    parser.add_argument("--readout", choices=when.READOUTS, default="leave-one-out",
                        help="what the intervals are read from (default: %(default)s)")
    parser.add_argument("--window", type=float, metavar="SECONDS", help="how long a window lasts "
                        "(default: the median of the videos that the heads learnt from)")
    parser.add_argument("--out", metavar="PNG", type=Path,
                        help="default: results/local/predict/VIDEO.png; other files lie beside it")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or auto (default: %(default)s)")


def run(options):
    name = readable(Path(options.video).name)
    out = options.out or LOCAL / "predict" / f"{re.sub(r'[^A-Za-z0-9._-]+', '_', name)}.png"
    if out.suffix.lower() != ".png":
        raise StudyError(f"--out {out} is no png: give a name that ends in .png")
    if options.window is not None and not 0.1 <= options.window <= 3600:
        raise StudyError(f"--window {options.window}: give 0.1 to 3600 seconds")
    shown = [*map(heads.of_run, options.keys),
             *(heads.of_row(row, options.table) for row in options.rows)]
    plots.style()
    if options.intervals or decode.announced_seconds(options.video) > MINUTES:
        return say_when(options, name, out, shown or heads.published(heads.SHIPPED))
    frames, seen, note = sights.see(options.video, shown, options.device)
    fig = sights.picture(frames, seen, f"{name}\n{note.split(':')[0].rstrip('.')}; white is high")
    plots.save(fig, out)
    table = sights.likeliest(seen).to_markdown(index=False)
    print(f"{name}\n{table}\n{note}\nwrote {readable(out)}")


def say_when(options, name, out, shown):
    """Show the video in windows; print and write the intervals."""
    torch.set_num_threads(1)  # decoding takes the other core; small heads gain nothing from more
    film, walks, tried = walk.see(options.video, shown, options.readout, options.window,
                                  options.device)
    note = sights.trained_on(shown)
    found = table_of(walks)
    plots.save(reel.picture(film, walks, f"{name}\nwhite is high, bars are intervals"), out)
    write_text(out.with_suffix(".html"), reel.page(film, walks, f"{name}. {note}"))
    write_csv(out.with_suffix(".csv"), found, float_format="%.6g")
    write_text(out.with_suffix(".json"), json.dumps({
        "video": name, "seconds": film.seconds, "heads": [
            {"row": head.row, "dataset": head.card["dataset"], **each}
            for head, each in zip(shown, tried)],
        "intervals": json.loads(found.to_json(orient="records"))}, indent=1) + "\n")
    print(f"{name}\n{longest(found)}\n\n{measured(shown, tried)}\n{note}\n{broken(film)}"
          f"wrote {readable(out)}, and .html, .csv, .json beside it")


def table_of(walks):
    """The intervals of all heads, `head,class,start,end,score`, in seconds."""
    parts = [each.intervals.assign(head=each.row).rename(columns={"label": "class"})
             for each in walks]
    return pd.concat(parts)[["head", "class", "start", "end", "score"]].reset_index(drop=True)


def longest(found):
    """The surest intervals, as a table in order of time, and how many others there are."""
    if found.empty:
        return "no interval: no class is likely enough"
    sure = found.nlargest(FEW, "score").sort_values(["head", "start"], kind="stable")
    text = sure.to_markdown(index=False, floatfmt=("", "", ".2f", ".2f", ".2f"))
    return text + f"\nthe surest {FEW} of {len(found)} intervals" * (len(found) > FEW)


def measured(shown, tried):
    """How well such intervals meet the true ones, on test of what the heads learnt from."""
    names = {"recall": "recall at IoU .5", "guess": "a uniform guess", "oracle": "the oracle",
             "precision": "precision"}
    lines = [{"head": head.row, "on": f"{head.card['dataset']}, test",
              **{text: each[key] for key, text in names.items()}}
             for head, each in zip(shown, tried) if "recall" in each]
    if not lines:
        return "What the heads learnt from has no true intervals: nothing says how good these are."
    return pd.DataFrame(lines).to_markdown(index=False, floatfmt=".2f")


def broken(film):
    """A line for a video that breaks off."""
    missing = film.segments - film.read
    return f"Not a sound file: the last {missing} of {film.segments} segments are missing.\n" * (
        missing > 0)


def readable(name):
    """A file's name as one line of printable text, whatever bytes it is made of."""
    text = fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else "?" for c in text)
