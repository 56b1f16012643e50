"""The command line that the datasets of windows share."""

import pandas as pd

from data.common import command
from data.common.recordings import windows
from tfe.errors import StudyError
from data.files.paths import RESULTS, write_csv


def main(arguments, about, name, window, source, read, classes=None, usual=None):
    """Cut the recordings that `read(folder)` finds into `--out/fold1`, ... and say what they hold.

    about: the script's docstring; window: its default length; source: the settings of
    dataset.toml; classes: names of the labels, by default `action 0`, `action 1`, ...; usual: where
    the published files lie if --from does not say.
    """
    p = command.parser(name, about)
    p.add_argument("--from", dest="folder", type=command.folder, metavar="DIR", default=usual,
                   help="the published files")
    p.add_argument("--window", type=int, default=window, metavar="N",
                   help=f"steps in a window, a multiple of {windows.SEGMENTS} (default {window})")
    p.add_argument("--force", action="store_true",
                   help="also where labels or windows are too few, or too many, to tell apart")
    p.add_argument("--record", action="store_true",
                   help="also write what the test windows hold into results/windows.csv")
    options = p.parse_args(arguments)
    if options.folder is None:
        if (options.out / "fold1" / "dataset.toml").is_file():
            print(f"{options.out}: all folds are there, nothing to do")
            return
        raise StudyError(f"{name} needs published files that are not here: see `python -m "
                         f"data {name} --help`, then give their folder with --from DIR")
    recordings = read(options.folder)
    count = 1 + max(int(r.labels.max()) for r in recordings)
    settings = {"name": name, "classes": classes or [f"action {c}" for c in range(count)], **source}
    found = windows.write(options.out, settings, recordings, options.window, options.force)
    print(f"{options.out}: {len({r.fold for r in recordings})} folds of {len(recordings)} recordings;"
          " test windows: " + ", ".join(f"{key} {value:.3g}" for key, value in found.items()))
    if options.record:
        record({"dataset": name, "window": options.window, "recordings": len(recordings),
                "classes": len(settings["classes"]), **found})


def record(line, path=RESULTS / "windows.csv"):
    """Put the line of one dataset into the table of all; the other lines stay."""
    table = pd.DataFrame([line])
    if path.is_file():
        kept = pd.read_csv(path)
        table = pd.concat([table, kept[kept.dataset != line["dataset"]]]).sort_values("dataset")
    write_csv(path, table, float_format="%.4g")
