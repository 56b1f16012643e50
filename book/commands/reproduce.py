"""The whole way for a real benchmark: archives, dataset folder, features, runs, the table.

    python -m book reproduce table1 charades                  frozen CLIP ViT-L/14 at 336 px, on a GPU
    python -m book reproduce table2 ucf101 --from ~/archives  takes the archives from there
    python -m book reproduce table2 hmdb51 --encoder efficientnet-lite0 --profile default
                                                              a small frozen encoder, on any machine
    python -m book reproduce table1 charades --profile paper  the encoder trained, on a GPU, for days

First it looks for everything that it will want: archives (in the folder of --from, or among those
that `make data DATASET=...` downloaded), weights, a GPU, a reader of rar. If something is not there
it says what, how large it is and where to get it, and ends with exit code 2. It downloads archives
only with --download. What was interrupted goes on, a run at its last epoch. Chapter 24 has hours.
"""

import importlib
import sys
from pathlib import Path
from shutil import disk_usage
from textwrap import wrap

from book.commands import batch
from book.evidence import plan
from book.runs import batch as runs_of
from book.runs import benchmarks, card
from data import __main__ as features
from data.common import command
from data.common.archives import download, rar
from data.common.archives.acquire import Work, home_of_lists
from data.common.archives.benchmark import ARCHIVES, folder_of
from data.encoders import recipes, weights
from data.files.paths import BOOK
from data.files.dataset import SUFFIXES, open_dataset
from tfe import backbones, training
from tfe.device import choose
from tfe.errors import StudyError

TABLES = {"table1": ("charades",), "table2": ("ucf101", "hmdb51"),
          "table3": ("charades", "ucf101", "hmdb51")}
PAPER = "clip-l14-336"  # the encoder of BIKE and Text4Vis in their best rows


def arguments(parser):
    parser.add_argument("table", choices=TABLES, help="which table")
    parser.add_argument("dataset", choices=TABLES["table3"])
    parser.add_argument("--from", dest="given", metavar="DIR", type=command.folder,
                        help="the folder with the archives, or with the unpacked lists and videos")
    parser.add_argument("--download", action="store_true", help="download archives that are missing")
    parser.add_argument("--split", type=int, choices=(1, 2, 3), help="of ucf101 and hmdb51 (default 1)")
    parser.add_argument("--encoder", default=PAPER, help="whose frozen features (default: %(default)s)")
    parser.add_argument("--profile", help="smoke, default or paper (default: the batch file's)")
    parser.add_argument("--seeds", type=batch.seeds,
                        help="how many, or which: 5, or 0,3,7, or 5, for seed 5 alone")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="the dataset folder (default: as data/*.py)")
    parser.add_argument("--archives", type=Path, default=ARCHIVES, metavar="DIR",
                        help="where downloads lie (default: data/archives)")
    parser.add_argument("--sources", type=Path, metavar="FILE", help="as of data/*.py")
    parser.add_argument("--backbone", choices=backbones.NAMES, help="of --profile paper: one alone")
    parser.add_argument("--epochs", type=int, help="of --profile paper (default: 100)")
    parser.add_argument("--accumulate", type=int, help="of --profile paper: into how many parts "
                        "a batch is cut (default: what the card holds)")
    parser.add_argument("--tune", choices=plan.PASSES, default="encoder",
                        help="of --profile paper: what is trained (default: %(default)s)")
    parser.add_argument("--trust", nargs="+", default=[], metavar="NAME", help="weight files "
                        "without a published hash whose source you trust")
    parser.add_argument("--preset", choices=("paper", "narrow"), default="paper",
                        help="of --profile paper; narrow: a rehearsal, tiny systems, random weights")
    parser.add_argument("--batch", type=Path, metavar="FILE",
                        help="the runs (default: book/batches/TABLE.yaml)")


def run(options):
    """Do the whole way, or print what is missing for it; return the exit code."""
    name = options.dataset
    if name not in TABLES[options.table]:
        raise StudyError(f"{options.table} has no {name}: choose {' or '.join(TABLES[options.table])}")
    out = options.out or folder_of(name, options.split or 1)
    whole = options.profile == "paper" and options.encoder == PAPER  # frames in, not features
    lacking = [*(() if options.download else of_data(options, out)),
               *(of_training(options, out) if whole else of_encoder(options))]
    if lacking:
        print(screen(options, lacking))
        return 2
    make_dataset(options, out)
    if whole:
        return train(options, open_dataset(out))
    features.run(["features", "--data", str(out), "--encoder", options.encoder,
                  "--device", options.device])
    file = options.batch or BOOK / "batches" / f"{options.table}.yaml"
    return batch.of_file(file, data=out, encoder=options.encoder, seeds=options.seeds,
                         profile=options.profile, device=options.device)


def chosen(options):
    """What `benchmarks` is to run."""
    names = [options.backbone] if options.backbone else benchmarks.TABLES[options.table]
    return benchmarks.Options(options.dataset, tuple(names), tuple(options.seeds or range(plan.SEEDS)),
                              "cuda" if options.device == "auto" else options.device, options.preset,
                              tuple(options.trust), options.tune)


def train(options, dataset):
    """Fine-tune row by row, a run at a time, and print the table; return the exit code."""
    given, size = chosen(options), training.PROFILES["paper"].batch_size
    gigabytes = None if given.device == "cpu" else card.ready()[1]
    parts = {name: options.accumulate or (
        benchmarks.parts(name, gigabytes, size, options.tune) if gigabytes else 1)
             for name in given.backbones}
    runs = benchmarks.runs(given, dataset, parts, {"epochs": options.epochs} if options.epochs else {})
    done = sum(run.metrics is not None for run in runs)
    cut = ", ".join(f"{name} {n}" for name, n in parts.items())
    print(f"{len(runs)} runs, {done} done already; a batch of {size} in parts: {cut}", flush=True)
    failed = runs_of.execute(runs, workers=1, after=lambda run: batch.say_row(run, runs))
    for run, reason in failed:
        print(f"failed: {run.row}, seed {run.settings.seed}: {reason}", file=sys.stderr)
    print(benchmarks.write(f"{options.table}_{options.dataset}", given, dataset, runs))
    return 1 if failed else 0


def of_training(options, out):
    """What is missing to fine-tune: weights, your word for them, a card, room on the disk."""
    given = chosen(options)
    files = {name for backbone in given.backbones for scratch in (False, True)
             for name in given.files(backbone, scratch)}
    for name in sorted(files | ({"bpe_simple_vocab_16e6.txt.gz"} if files else set())):
        try:
            path = weights.find(name)
        except StudyError as error:
            told = str(error).partition(": ")[2].removesuffix(" (TFE_WEIGHTS names another folder)")
            yield name, "", told.removeprefix(f"get {name} ")
            continue
        if path.suffix == ".pt" and not weights.pinned(path) and path.name not in options.trust:
            yield (f"your word for {path.name}", "", "no hash of it is published: if you trust "
                   f"{weights.FILES[path.name].source}, add TRUST={path.name}")
    try:
        if given.device != "cpu":
            card.ready()
    except StudyError as error:
        yield "a GPU", "", str(error)
    free = disk_usage(next(place for place in (out, *out.parents) if place.exists())).free / 1e9
    if free < (wanted := plan.ARCHIVES[options.dataset]) and options.preset == "paper":
        yield "room on the disk", f"{wanted:.0f} GB", f"{free:.0f} GB are free in {out.parent}"


def make_dataset(options, out):
    """Make the dataset folder, by the dataset's own script."""
    given = [*(["--from", str(options.given)] if options.given else []),
             *(["--sources", str(options.sources)] if options.sources else [])]
    split = ["--split", str(options.split or 1)] if options.dataset != "charades" else []
    # A folder that is there is complete: asked for nothing, it would go and look for more.
    if given or options.download or not (out / "dataset.toml").is_file():
        importlib.import_module(f"data.{options.dataset}").main(
            [*given, *split, "--out", str(out), "--archives", str(options.archives)])


def of_data(options, out):
    """What is missing to make the dataset folder: `(what, size, where)`."""
    if (out / "dataset.toml").is_file():
        return
    module = importlib.import_module(f"data.{options.dataset}")
    page, lists, videos = download.sources(options.dataset, options.sources)
    work = Work(getattr(module, options.dataset.upper()), out, options.given,
                options.archives / options.dataset, page)
    chosen = work.choose(videos)
    if not work.find(lists.name) and home_of_lists(work) is None:
        yield lists.name, lists.large, page
    loose = options.given.rglob("*") if options.given else ()
    if not work.find(chosen.name) and not any(path.suffix.lower() in SUFFIXES for path in loose):
        yield " or ".join(video.name for video in videos), chosen.large, page
    if any(archive.name.endswith(".rar") for archive in (lists, chosen)):
        try:
            rar.reader()
        except StudyError as error:
            yield "a reader of .rar", "small", str(error).partition(": ")[2]


def of_encoder(options):
    """What is missing to encode: weights, a GPU, or the encoder itself."""
    recipe = recipes.ENCODERS.get(options.encoder)
    if recipe:
        try:
            recipes.read_weights(recipe) if recipe.package else weights.find(recipe.file)
        except StudyError as error:
            yield f"weights of {options.encoder}", "", str(error).rpartition(": ")[2]
    if options.encoder == PAPER and choose(options.device).type != "cuda":
        yield "a GPU that torch sees", "", "another machine, or torch's CUDA build"


def screen(options, lacking):
    """One screen: what is missing, how large, where to get it, and what to do then."""
    place = options.given or options.archives / options.dataset
    target = f"make reproduce-{options.table} DATASET={options.dataset}"
    lines = [f"{options.table} on {options.dataset} wants what is not here:", ""]
    for what, size, where in lacking:
        lines += [f"  {what}" + f" ({size})" * bool(size),
                  *wrap(where, 90, initial_indent="      ", subsequent_indent="      ",
                        break_long_words=False, break_on_hyphens=False)]
    lines += ["", f"Archives go to {place}, or to a folder DIR with FROM=DIR;",
              f"`make data DATASET={options.dataset}` downloads them. Weights go to {weights.folder()},",
              "or to the folder that TFE_WEIGHTS names. Then type the same command again.",
              "With a small frozen encoder, on any machine:",
              f"  {target} ENCODER=efficientnet-lite0 PROFILE=default"]
    return "\n".join(lines)
