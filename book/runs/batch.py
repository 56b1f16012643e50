"""Batches: a grid of settings, every point of it one papermill run of `book/run.ipynb`.

A run's key is the hash of its settings, its data and the code it runs; its folder is
`results/local/<key>/`. What is there already is not run again, so an interrupted batch goes on,
and a run is shared by all batches that name it.
"""

import hashlib
import json
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib import metadata
from itertools import product
from math import prod
from pathlib import Path
from shutil import copyfile
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveInt
from pydantic.dataclasses import dataclass as typed

from book.runs import checkpoint, cluster, protocols, provenance
from book.runs.settings import Settings
from data.common import ending, isolation, pool
from data.files import schema, store
from data.files.dataset import SPLITS, open_dataset
from data.files.paths import BOOK, DATA, LOCAL, atomic, write_text
from data.files.schema import RUNS, SEEDS, STRICT, MetricsFile, Name, Text, checked, read_yaml
from tfe import systems
from tfe.device import choose
from tfe.errors import StudyError


LINKS = ("against", "from")  # what in a row names another row
MOST = 500_000_000  # parameters of a system: with its optimiser it would not fit a GPU


@typed(frozen=True, config=STRICT)
class Batch:
    """A batch file: its table's name, the data, and rows x grid x seeds of runs.

    A row is a dict: `row`, its name; `against`, the row to compare with; `from`, the row of a head (of
    `tfe.systems.warm_start`) at whose end, seed by seed, it begins; and fields of `Settings`.
    The grid is `{"disentangler.k": [2, 4], ...}`, "a.b" being entry b of the dict a.
    """

    table: Name
    dataset: Text
    encoder: Name
    seeds: schema.Seeds
    rows: Annotated[list[dict], Field(min_length=1)]
    profile: str = "default"
    device: str = "cpu"
    grid: dict[str, Annotated[list, Field(min_length=1)]] = field(default_factory=dict)
    splits: Annotated[list[Literal[SPLITS]], Field(min_length=1)] = field(
        default_factory=lambda: ["test", "shifted"])  # where to measure
    measures: list[str] | None = None  # of every row that names none of its own (`Settings`)
    folds: PositiveInt | None = None

    @property
    def folder(self):
        """Where the dataset lies, or its first fold: a folder by its path, or `data/<name>`."""
        named = Path(self.dataset)
        folder = named if named.is_absolute() or len(named.parts) > 1 else DATA / named
        return folder / "fold1" if self.folds else folder

    def points(self):
        """Yield a `Point` for each of rows x grid, with seed 0."""
        usual = {"profile": self.profile, "device": self.device}
        usual |= {} if self.measures is None else {"measures": self.measures}
        for row in self.rows:
            given = {key: value for key, value in row.items() if key not in ("row", *LINKS)}
            given |= {"start": "warm"} if "from" in row else {}
            for values in product(*self.grid.values()):
                point = dict(zip(self.grid, values))
                suffix = "".join(f", {key} {value}" for key, value in point.items())
                others = (row.get(link) and row[link] + suffix for link in LINKS)
                yield Point(row["row"] + suffix, *others, checked(
                    Settings, usual | _with(given, point), f"row {row['row']}"))


@dataclass(frozen=True)
class Point:
    """A row of a batch at one point of its grid; `against` and `begin`: names of other rows."""

    row: str
    against: str | None
    begin: str | None
    settings: Settings


def _with(given, point):
    """A row's settings with those of a grid's point."""
    for name, value in point.items():
        outer, _, inner = name.partition(".")
        within = given.get(outer, {})
        if inner and not isinstance(within, dict):
            raise StudyError(f"grid: {name[:80]!r} asks for options, but {outer[:80]} has none")
        given = given | {outer: {**within, inner: value} if inner else value}
    return given


@dataclass(frozen=True)
class Run:
    """One run of a batch: its row, settings, data and folder; the row to compare with."""

    row: str
    settings: Settings
    data: str  # the dataset's folder
    encoder: str
    splits: tuple
    folder: Path
    against: str | None = None
    begin: "Run | None" = None  # the run at whose end it begins

    @property
    def parameters(self):
        """What papermill hands to the notebook."""
        return {**asdict(self.settings), "data": self.data, "encoder": self.encoder,
                "splits": list(self.splits), "out": str(self.folder),
                "begin": str(self.begin.folder) if self.begin else ""}

    @property
    def metrics(self):
        """What the run measured, or None where it has not finished or lacks one of the splits."""
        found = self.stored()
        return found if found and (found["status"] == "diverged"
                                   or set(self.splits) <= set(found["splits"])) else None

    def stored(self):
        """What is measured so far, on whatever splits: the run's notebook comes last."""
        path = self.folder / "metrics.json"
        finished = path.is_file() and (self.folder / "run.ipynb").is_file()
        return schema.read(path, MetricsFile) if finished else None


def read(path, **overrides):
    """Read a batch file as a `Batch`; `overrides` that are not None replace its entries.

    Raises StudyError, in one line, for whatever in it is missing, unknown or of another type.
    """
    given = read_yaml(path) | {key: value for key, value in overrides.items() if value is not None}
    if type(many := given.get("seeds")) is int:
        given["seeds"] = list(range(min(many, SEEDS + 1)))
    batch = checked(Batch, given, path)
    try:
        refuse_ambiguous(batch)
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from None
    return batch


def refuse_ambiguous(batch):
    """Raise StudyError for runs that would count twice, or that no row could be told by."""
    names = [row.get("row") for row in batch.rows]
    if not all(isinstance(name, str) and name.strip() and len(name) <= 200 for name in names) or (
            len(set(names)) < len(names)):
        raise StudyError("every row needs a name of its own in `row`, a text of 200 characters "
                         "at most")
    for what, listed in (("seeds", batch.seeds), ("splits", batch.splits)):
        if len(set(listed)) < len(listed):
            raise StudyError(f"{what} names one twice, which would count twice: write each once")
    if len(names) * len(batch.seeds) * prod(map(len, batch.grid.values())) > RUNS:
        raise StudyError(f"rows x grid x seeds are more than {RUNS:,} runs: write fewer")
    for key, instead in (("seed", "`seeds: [...]` for the batch"), ("start", "`from: <row>`")):
        if key in {*batch.grid, *(key for row in batch.rows for key in row)}:
            raise StudyError(f"write {instead}, no `{key}` for a row")
    for row, link in product(batch.rows, LINKS):
        if row.get(link, row["row"]) not in names:
            raise StudyError(f"row {row['row']}: `{link}` must name another row")
    begins = {row["row"]: row["from"] for row in batch.rows if "from" in row}
    for row, begin in begins.items():
        passed = {row}
        while begin in begins and begin not in passed:
            passed.add(begin)
            begin = begins[begin]
        if begin in passed:
            raise StudyError(f"row {row}: `from` leads back to row {begin}: name a row that begins "
                             "cold")
    points = [point.row for point in batch.points()]
    if len(set(points)) < len(points):
        raise StudyError("two points of rows x grid have one name: write each value of a grid once")


def plan(batch, dataset, encoder):
    """All runs of a batch on a dataset: rows x grid x seeds, each seed on the next fold.

    Raises StudyError, before anything runs, for what every run would stumble over: an empty
    split, a k above T, an unknown option, a device that is not there.
    """
    folds = [dataset] if not batch.folds else [
        open_dataset(dataset.folder.parent / f"fold{n + 1}") for n in range(batch.folds)]
    folds = [(fold, store.open_features(fold, encoder)) for fold in folds]
    splits = [_splits(batch, *fold) for fold in folds]
    choose(batch.device)
    for where, (fold, features) in zip(splits, folds):
        _refuse_unscorable(fold, features, where)
        for sentence in unlike_the_table(fold, features):
            print(f"{features.folder}: {sentence}")
    points, runs = {point.row: point for point in batch.points()}, {}

    def run(point, seed):
        if (point.row, seed) not in runs:
            which = seed % len(folds)
            begin = run(points[point.begin], seed) if point.begin else None
            runs[point.row, seed] = _run(point, seed, begin, encoder, splits[which], *folds[which])
            checkpoint.check(runs[point.row, seed].folder)
        return runs[point.row, seed]

    ordered = []
    for point in points.values():
        if point.settings.method == "oracle-mask" and (reason := _untrue(dataset)):
            print(f"{point.row}: left out, because {dataset.name} {reason}")
            continue
        mine = [run(point, seed) for seed in batch.seeds]
        if any(each.metrics is None for each in mine):  # a row that is done was rehearsed
            for fold, features in folds:
                _rehearse(point, points.get(point.begin), fold, features)
        if point.settings.head.get("preset", "small") != "small":
            print(f"{point.row}: its class text is random, as a full-size head on stored features has "
                  "none; frames give it the text (`make reproduce-table1 DATASET= PROFILE=paper`)")
        ordered += mine
    return ordered


def _untrue(dataset):
    """Why an oracle would not learn from what it is tried on, in words; None where it would."""
    if dataset.segments is None:
        return "has no segments.csv"
    train = dataset.videos.video_id[dataset.videos.split == "train"]
    if not dataset.segments.video_id.isin(set(train)).any():
        return "has no intervals in train: whole videos in training, cut ones in test"


def _refuse_unscorable(dataset, features, splits):
    """Raise StudyError for a split whose metric is not defined or says nothing; print what is odd."""
    rows, path = dataset.rows(features.video_ids), dataset.folder / "videos.csv"
    targets = dataset.targets(features.video_ids)
    if dataset.task == "singlelabel" and len(dataset.classes) < 2:
        raise StudyError(f"{dataset.folder / 'dataset.toml'} has one class, which every answer "
                         "hits: add videos of another class")
    if dataset.settings.get("metric", dataset.metric) != dataset.metric:
        raise StudyError(f"{dataset.folder / 'dataset.toml'}: task {dataset.task} is measured by "
                         f"{dataset.metric}, not {dataset.settings['metric']}: correct one of them")
    learnt = targets[rows["train"]].any(axis=0)
    for split in splits:
        shown = targets[rows[split]]
        if not shown.any():
            raise StudyError(f"{path}: no video of split {split} has a label, so that nothing can "
                             "be scored: write its labels, or leave the split out (`splits: [...]`)")
        unseen = [name for name, odd in zip(dataset.classes, shown.any(axis=0) & ~learnt) if odd]
        if unseen:
            print(f"{path}: {len(unseen)} of {len(dataset.classes)} classes of split {split} have "
                  f"no video in train, and count as they are scored: {', '.join(unseen[:5])[:200]}")
    if not learnt.any():
        raise StudyError(f"{path}: no video of split train has a label: write their labels")
    if dataset.task == "singlelabel" and learnt.sum() < 2:
        raise StudyError(f"{path}: all videos of split train are of one class: add others")


def unlike_the_table(dataset, features):
    """Yield sentences: videos without features, and videos of two splits that have the same ones."""
    bare = dataset.videos[~dataset.videos.video_id.isin(set(features.video_ids))]
    if len(bare):
        splits = bare.split.value_counts(sort=False).items()
        yield (f"{len(bare)} of {len(dataset.videos)} videos have no features and count nowhere "
               f"({', '.join(f'{n} of {split}' for split, n in splits)}), such as "
               f"{bare.video_id.iloc[0]!r}")
    split, first, twice = dataset.videos.set_index("video_id").split, {}, []
    for video_id, x in zip(features.video_ids, features.x):
        other = first.setdefault(hashlib.sha256(x.tobytes()).digest(), video_id)
        if split[other] != split[video_id]:
            twice.append(f"{other!r} ({split[other]}) and {video_id!r} ({split[video_id]})")
    if twice:
        yield (f"{len(twice)} videos have to the bit the features of one of another split, such as "
               f"{twice[0]}: one video under two names is remembered, not recognised; leave one out")


def _run(point, seed, begin, encoder, splits, dataset, features):
    settings = replace(point.settings, seed=seed)
    code = provenance.sources(BOOK / "run.py", (settings.backbone, settings.method))
    identity = json.dumps([asdict(settings), begin and begin.folder.name, encoder, dataset.key,
                           features.key, code, metadata.version("torch")], sort_keys=True)
    return Run(point.row, settings, str(dataset.folder.resolve()), encoder, splits,
               LOCAL / hashlib.sha256(identity.encode()).hexdigest()[:16], point.against, begin)


def _splits(batch, dataset, features):
    """The splits to measure of those that are there; there must be one, and something to train on."""
    there = {split for split, rows in dataset.rows(features.video_ids).items() if len(rows)}
    for wanted in ({"train"}, set(batch.splits)):
        if not wanted & there:
            raise StudyError(f"{dataset.folder / 'videos.csv'}: no video of split "
                             f"{' or '.join(sorted(wanted))} has features: add some")
    return tuple(split for split in batch.splits if split in there)


def _rehearse(point, begin, dataset, features):
    """Build a row's system and show it two videos: what fails here would fail in every run."""
    where = f"row {point.row} with features of T = {features.x.shape[1]}"
    try:
        fewer = _tried(json.dumps(asdict(point.settings)), begin and json.dumps(asdict(begin.settings)),
                       len(dataset.classes), features.folder, dataset.task)
    except Exception as error:  # whatever an option of the wrong kind makes torch raise
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise StudyError(f"{where}: {reason}: correct the batch file, or make other features") from None
    if fewer:
        raise StudyError(f"{where}: its backbone {point.settings.backbone} has {fewer} positions, one a "
                         f"segment: make features of {fewer} segments or fewer, or leave the row out")


@cache
def _tried(given, begin, classes, folder, task):
    """Of how many segments features must be, where these have more than the system takes."""
    settings = Settings(**json.loads(given))
    if (settings.start == "warm") != bool(begin):
        raise StudyError("a warm start needs `from: <row>`, the vanilla row to begin at")
    settings.plan()
    first = np.load(folder / "features.npy", mmap_mode="r", allow_pickle=False)[:2]
    x = torch.from_numpy(np.array(protocols.views(first, settings.protocol)[0], np.float32))
    with torch.device("meta"):  # takes no memory
        planned = settings.build(classes, x.shape[2], task)
    size = sum(parameter.numel() for parameter in planned.parameters())
    if size > MOST:
        raise StudyError(f"the system would have {size:,} parameters, more than {MOST:,}")
    system = settings.build(classes, x.shape[2], task)
    places = len(getattr(system.backbone, "position", x[0]))  # learnt, or as many as are asked for
    if places < x.shape[1]:
        return places
    if begin:
        head = Settings(**json.loads(begin))
        if head.backbone != settings.backbone:  # shapes alone would not tell Text4Vis from BIKE
            raise StudyError(f"`from` names a head of {head.backbone}: name one of {settings.backbone}")
        systems.warm_start(system, head.build(classes, x.shape[2], task).state_dict())
    system.train().classify(system.embed(x))
    systems.leave_one_out(system.eval(), system.embed(x))
    return None


def execute(runs, workers=None, slurm=None, after=lambda run: None):
    """Run what has not run yet, call `after` with each that ended; return `(run, reason)` of failures.

    On all cores of this machine, or as a job array of the Slurm partition `slurm` ("local": as jobs
    of this machine). What others begin at runs before them.
    """
    begins = {run.begin.folder: run.begin for run in runs if run.begin and run.metrics is None}
    failed = execute(list(begins.values()), workers, slurm, after) if begins else []
    lost = {run.folder for run, _ in failed} | {
        folder for folder, run in begins.items() if (run.metrics or {}).get("status") == "diverged"
        or not (folder / "checkpoint.safetensors").is_file()}
    todo = {run.folder: run for run in runs if run.metrics is None
            and run.folder not in {one.folder for one, _ in failed}}
    for run in [run for run in todo.values() if run.begin and run.begin.folder in lost]:
        failed.append((todo.pop(run.folder), f"it begins at row {run.begin.row}, which did not finish"))
    jobs = [(folder, _parameters(run)) for folder, run in todo.items()]
    if not workers and any(choose(run.settings.device).type == "cuda" for run in todo.values()):
        workers = 4  # they share its memory
    # One thread a process: small heads gain nothing from more.
    if slurm:
        results = ((job, reason or lost) for job, reason, lost in cluster.run(
            _papermill, jobs, "runs", partition=slurm, at_once=workers or pool.cores()))
    else:
        results = pool.over_cores(_papermill, jobs, "runs", "run", workers)
    for (folder, _), reason in results:
        failed += [(todo[folder], reason)] if reason else []
        after(todo[folder])
    return failed


def _parameters(run):
    """A run's parameters; one that has been trained for other splits measures those as well."""
    splits = dict.fromkeys([*run.splits, *(run.stored() or {"splits": ()})["splits"]])
    return run.parameters | {"splits": list(splits)}


def _papermill(job):
    """In a worker: execute the run's notebook; return why it failed, or None."""
    folder, parameters = job
    folder.mkdir(parents=True, exist_ok=True)
    with _errors_into(folder / "kernel.log"):  # what a kernel says while it starts and stops
        reason = _executed(folder, parameters)
    if reason:
        write_text(folder / "failed.txt", reason + "\n")
    return reason


@contextmanager
def _errors_into(path):
    own = os.dup(2)
    with open(path, "w") as log:
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(own, 2)
        os.close(own)


def _executed(folder, parameters):
    """Execute a run's notebook, twice at most: bad input would fail again, so it is not."""
    import papermill
    from traitlets.config import Config

    notebook = parameters.pop("notebook", "run")
    os.environ["OMP_NUM_THREADS"] = str(parameters["threads"])
    engine = "warm" if parameters["device"] == "cpu" else None  # CUDA does not survive a fork
    for _ in range(2):
        # Kernels that start side by side fight over TCP ports, and over connection files in one
        # folder: each gets sockets and a folder of its own.
        with isolation.sockets() as runtime:
            os.environ["JUPYTER_RUNTIME_DIR"] = runtime
            settings = {"KernelManager": {"transport": "ipc", "ip": f"{runtime}/kernel"},
                        "NotebookClient": {"shutdown_kernel": "immediate"}}  # all is on disk
            try:
                with atomic(folder / "run.ipynb") as temporary:
                    try:
                        papermill.execute_notebook(
                            str(BOOK / f"{notebook}.ipynb"), str(temporary), parameters, cwd=str(BOOK),
                            engine_name=engine, request_save_on_cell_execute=False,
                            progress_bar=False, log_output=False, config=Config(settings))
                    except papermill.PapermillExecutionError:
                        copyfile(temporary, folder / "failed.ipynb")  # for whoever asks why
                        raise
                for name in ("failed.txt", "failed.ipynb"):  # of an earlier try
                    (folder / name).unlink(missing_ok=True)
                return None
            except papermill.PapermillExecutionError as error:
                reason = ending.of_card(error.evalue) or f"{error.ename}: {error.evalue}"
                if error.ename == "StudyError":
                    break
            except Exception as error:  # whatever ended this run, the others go on
                reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return reason
