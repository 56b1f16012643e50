"""Run a grid of papermill runs, skip what is done, and collect the table and a figure.

    python -m book batch book/batches/table1.yaml --seeds 0,1,2

All goes into results/local/; tables of another dataset than the file's into results/local/DATASET/,
with a picture: three of its videos, chosen by a rule, and where each head looks in them.
"""

import re
import sys
from argparse import ArgumentTypeError, Namespace
from hashlib import sha256
from pathlib import Path
from statistics import mean

import pandas as pd
from tqdm import tqdm

from book.evidence import standing
from book.runs import array, batch
from data.files.adopt import fitting
from data.files.dataset import open_dataset
from data.files.paths import DATA, LOCAL, write_text
from data.files.schema import SEEDS, read_yaml
from tfe.errors import StudyError

ENCODER = "efficientnet-lite0"  # of a dataset of one's own that has several


def arguments(parser):
    parser.add_argument("file", help="a file of book/batches/")
    parser.add_argument("--data", metavar="DIR", help="a dataset folder instead of the file's")
    parser.add_argument("--encoder", help="whose features (default: the file's; where the dataset "
                        "holds features alone, those)")
    parser.add_argument("--seeds", type=seeds, help="how many, or which: 5 means 0,1,2,3,4; "
                        "0,3,7 these; and 5, with its comma the seed 5 alone")
    parser.add_argument("--profile", help="smoke, default or paper")
    parser.add_argument("--device", help="cpu, cuda or auto")
    parser.add_argument("--workers", type=int, help="runs at a time (default: one a core; on a GPU, "
                        "which they share, four)")
    parser.add_argument("--config", type=configs, metavar="N", help="of a file that draws "
                        "configurations, these alone: 37, or 0,3,7")
    parser.add_argument("--slurm", metavar="PARTITION", help="as a job array on this partition of "
                        "Slurm; \"local\": as jobs of this machine")


def seeds(text):
    """The seeds that "5", "0,3,7" or, for seed 5 alone, "5," asks for."""
    try:
        numbers = [int(part) for part in text.removesuffix(",").split(",")]
    except ValueError:
        raise ArgumentTypeError(f"{text[:80]!r}: write 5, or 0,3,7, or 5, for seed 5"
                                ) from None
    chosen = numbers if "," in text else list(range(min(numbers[0], SEEDS + 1)))
    if not 0 < len(chosen) <= SEEDS or len(set(chosen)) < len(chosen) or min(chosen) < 0:
        raise ArgumentTypeError(f"{text[:80]!r}: write 1 to {SEEDS} different seeds, 0 or above")
    return chosen


def configs(text):
    """The configurations that "37" or "0,3,7" names."""
    try:
        return seeds(text if "," in text else f"{text},")
    except ArgumentTypeError:
        raise ArgumentTypeError(f"{text[:80]!r}: write one configuration's number, 37, or several "
                                "different ones, 0,3,7") from None


def run(options):
    """Do what a file of `book/batches/` describes, whichever kind it is; return the exit code."""
    given = read_yaml(options.file)
    for entry, other in (("sweep", run_sweep), ("axes", run_multiverse), ("of", run_worlds),
                         ("sets", run_board)):
        if entry in given:
            with array.as_jobs(options.slurm):
                return other(options)
    if options.config is not None:
        raise StudyError(f"--config is not for {options.file}, which draws no configurations: leave "
                         "it out")
    grid = grid_of(options.file, options)
    dataset = open_dataset(grid.folder)
    runs = batch.plan(grid, dataset, options.encoder or features_of(dataset, grid.encoder))
    folder = home(dataset, batch.read(options.file).folder)
    waiting = sum(run.metrics is None for run in runs)
    if not waiting and standing.is_current(grid.table, runs, folder):
        print(f"{grid.table}: all {len(runs)} runs are done already; nothing to do\n")
        print((folder / f"{grid.table}.md").read_text(encoding="utf-8"))
        print(standing.beside_committed(grid.table, folder))
        return 0
    from book.evidence import report  # here: drawing is not for a second start to import

    print(f"{grid.table}: {len(runs)} runs, {len(runs) - waiting} done already", flush=True)
    failed = batch.execute(runs, options.workers, options.slurm, lambda run: say_row(run, runs))
    for run, reason in failed:
        print(f"failed: {run.row}, seed {run.settings.seed}: {reason}", file=sys.stderr)
    print(report.write(grid.table, dataset, runs, grid.splits, folder))
    print(standing.beside_committed(grid.table, folder))
    if folder != LOCAL:
        print(show_strips(folder, grid.table, dataset))
    ended = [(run.row, run.metrics["status"]) for run in runs if run.metrics]
    lost = {row for row, _ in ended} - {row for row, status in ended if status != "diverged"}
    for row in sorted(lost):
        print(f"diverged: every run of {row}; lower its learning rate, or scale its features",
              file=sys.stderr)
    return 1 if failed or lost else 0


def grid_of(file, options):
    """The `Batch` of a file, with what the command line says in the place of its entries."""
    return batch.read(file, dataset=options.data and str(Path(options.data).resolve()),
                      encoder=options.encoder, seeds=options.seeds, profile=options.profile,
                      device=options.device)


def of_file(file, **given):
    """Run a batch file out of another command: `given` are options of this one."""
    return run(Namespace(file=file, workers=None, slurm=None, config=None, **given))


def home(dataset, usual=None):
    """The folder of a dataset's tables: results/local/ for the batch file's own, `usual`, and below
    it for any other. One that holds those of another dataset of that name is left alone."""
    mine = dataset.folder.resolve()
    if usual and mine == usual.resolve():
        return LOCAL
    name = re.sub(r"[^\w-]+", "_", fitting(dataset.name)).strip("_") or "own"
    name += "_" * bool(re.fullmatch("[0-9a-f]{16}", name))  # a run's folder is called so
    for folder in (LOCAL / name, LOCAL / f"{name}-{sha256(str(mine).encode()).hexdigest()[:8]}"):
        mark = folder / "dataset.txt"
        if not folder.exists() or mark.is_file() and mark.read_text(encoding="utf-8") == f"{mine}\n":
            break
    write_text(mark, f"{mine}\n")
    return folder


def show_strips(folder, table, dataset):
    """Draw a table's strips beside it, and name them on its page; return what the page says."""
    from book import plots
    from book.evidence import strips

    path, page = folder / f"{table}_strips.png", folder / f"{table}.md"
    saliency = pd.read_csv(path.with_suffix(".csv"), dtype={"video_id": str})
    if saliency.empty:
        return f"No picture: nothing tells the videos of {dataset.name} apart."
    plots.style()
    plots.save(strips.picture(dataset, saliency), path)
    said = (f"{path.name}: {strips.rule(saliency)}. Fall of the true classes' logits when a segment "
            "is left out, first seed of each row; white is high.")
    write_text(page, f"{page.read_text(encoding='utf-8')}\n{said}\n\n![{said}]({path.name})\n")
    return said


def say_row(run, runs):
    """Print the means of a row when the last of its runs has ended: a first look, before the table."""
    found = [other.metrics for other in runs if other.row == run.row]
    split = run.splits[0]
    if all(found) and (measured := [m["splits"][split] for m in found if split in m["splits"]]):
        means = f"{measured[0]['metric']} {100 * mean(m['value'] for m in measured):.1f}"
        if "fidelity" in measured[0]:
            means += f", fidelity AUC {mean(m['fidelity']['auc'] for m in measured):.3f}"
        tqdm.write(f"{run.row}: {means} ({split}, mean of {len(measured)} seeds)", file=sys.stderr)


def run_sweep(options):
    """A sweep of knobs: fit what has not been, and print means and differences at each point."""
    _refuse(options, "data", "encoder", "seeds", "profile", "device", "config")
    from book.evidence import phase

    lines = phase.run(phase.read(options.file), options.workers)
    print(lines.to_markdown(index=False, floatfmt=".3f"))


def run_multiverse(options):
    """A search over readings of the text: fit what has not been, and print its means on `val`."""
    _refuse(options, "data", "encoder", "seeds", "profile", "device")
    from book.runs import multiverse

    verse = multiverse.read(options.file)
    frame = multiverse.run(verse, options.workers, options.config)
    print(multiverse.means(frame).reset_index().to_markdown(index=False, floatfmt=".3f"))


def run_worlds(options):
    """What a search chose, on other sets: fit what has not been, and hold it against its rivals there."""
    _refuse(options, "data", "encoder", "seeds", "profile", "device", "config")
    from book.evidence import verdicts
    from book.evidence import worlds as evidence
    from book.runs import worlds

    places = worlds.read(options.file)
    lines = evidence.table(places, worlds.run(places, options.workers))
    if len(lines):
        print(verdicts.readable(lines.assign(split=lines.dataset), "metric").to_markdown())


def run_board(options):
    """A leaderboard: on the sets of its file, or on one of your own; `smoke` tries all of it."""
    _refuse(options, "config")
    from book.evidence import leaderboard
    from book.runs import search
    from book.runs.multiverse import NOT_RUN

    smoke = options.profile == "smoke"
    given = {"seeds": options.seeds, "profile": options.profile, "device": options.device}
    board = search.read(options.file, **(search.SMOKE if smoke else {}) | {
        name: value for name, value in given.items() if value is not None})
    if smoke or options.data:
        dataset = open_dataset(options.data or DATA / "smoke")
        board = search.on(board, home(dataset).name, dataset.folder.resolve(),
                          options.encoder or features_of(dataset, ENCODER))
    elif options.encoder:
        raise StudyError("--encoder goes with --data: every set of the file names its own")
    frame = search.run(board, options.workers)
    wanted = {name: board.seeds_of(name) for name in board.sets}
    print(leaderboard.page(frame, wanted, board.rows, board.beside))
    print(f"wrote results/local/{board.table}.csv")
    return int(frame.status.astype(str).str.startswith(NOT_RUN).all())


def _refuse(options, *names):
    for name in names:
        if getattr(options, name):
            raise StudyError(f"--{name} is not for {options.file}, whose runs share a process: change "
                             "the file instead")


def features_of(dataset, usual):
    """The encoder whose features to use: the usual one, or else a user's only one.

    Raises StudyError where a user has several, and none is the usual one's.
    """
    stored = sorted(path.parent.name for path in dataset.folder.glob("features/*/meta.json"))
    if len(stored) > 1 and usual not in stored:
        raise StudyError(f"{dataset.folder / 'features'} has several folders, {', '.join(stored)}: name one by "
                         "--encoder (of make: ENCODER=)")
    return stored[0] if len(stored) == 1 else usual
