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
from pathlib import Path
from shutil import copyfile
from typing import Annotated

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass as typed

from book.runs import cluster, provenance
from book.runs.settings import Settings
from data.common import isolation, pool
from data.files import store
from data.files.dataset import open_dataset
from data.files.paths import BOOK, DATA, LOCAL, atomic, write_text
from data.files.schema import STRICT, Name, checked, read_yaml
from tfe import systems
from tfe.device import choose
from tfe.errors import StudyError


@typed(frozen=True, config=STRICT)
class Batch:
    """A batch file: its table's name, the data, and rows x grid x seeds of runs.

    A row is a dict: `row`, its name; `against`, the row to compare with; and fields of `Settings`.
    The grid is `{"disentangler.k": [2, 4], ...}`, "a.b" being entry b of the dict a.
    """

    table: Name
    dataset: str
    encoder: str
    seeds: Annotated[list[NonNegativeInt], Field(min_length=1)]
    rows: Annotated[list[dict], Field(min_length=1)]
    profile: str = "default"
    device: str = "cpu"
    grid: dict[str, list] = field(default_factory=dict)
    splits: list[str] = field(default_factory=lambda: ["test", "shifted"])  # where to measure
    folds: PositiveInt | None = None

    @property
    def folder(self):
        """Where the dataset lies, or its first fold: a folder by its path, or `data/<name>`."""
        named = Path(self.dataset)
        folder = named if named.is_absolute() or len(named.parts) > 1 else DATA / named
        return folder / "fold1" if self.folds else folder

    def points(self):
        """Yield `(row's name, its baseline's name or None, Settings)`, rows x grid, with seed 0."""
        usual = {"profile": self.profile, "device": self.device}
        for row in self.rows:
            given = {key: value for key, value in row.items() if key not in ("row", "against")}
            for values in product(*self.grid.values()):
                point = dict(zip(self.grid, values))
                suffix = "".join(f", {key} {value}" for key, value in point.items())
                yield (row["row"] + suffix, row.get("against") and row["against"] + suffix,
                       checked(Settings, usual | _with(given, point), f"row {row['row']}"))


def _with(given, point):
    """A row's settings with those of a grid's point."""
    for name, value in point.items():
        outer, _, inner = name.partition(".")
        given = given | {outer: {**given.get(outer, {}), inner: value} if inner else value}
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

    @property
    def parameters(self):
        """What papermill hands to the notebook."""
        return {**asdict(self.settings), "data": self.data, "encoder": self.encoder,
                "splits": list(self.splits), "out": str(self.folder)}

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
        return json.loads(path.read_text(encoding="utf-8")) if finished else None


def read(path, **overrides):
    """Read a batch file as a `Batch`; `overrides` that are not None replace its entries.

    Raises StudyError, in one line, for whatever in it is missing, unknown or of another type.
    """
    given = read_yaml(path) | {key: value for key, value in overrides.items() if value is not None}
    if isinstance(given.get("seeds"), int):
        given["seeds"] = list(range(given["seeds"]))
    batch = checked(Batch, given, path)
    names = [row.get("row") for row in batch.rows]
    if len({str(name) for name in names}) < len(names) or None in names:
        raise StudyError(f"{path}: every row needs a name of its own in `row`")
    for row in batch.rows:
        if row.get("against", row["row"]) not in names:
            raise StudyError(f"{path}: row {row['row']}: `against` must name another row")
    try:
        list(batch.points())
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from None
    return batch


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
    runs = []
    for row, against, settings in batch.points():
        if settings.method == "oracle-mask" and dataset.segments is None:
            print(f"{row}: left out, because {dataset.name} has no segments.csv")
            continue
        for fold, features in folds:
            _rehearse(row, settings, fold, features)
        for seed in batch.seeds:
            which = seed % len(folds)
            runs.append(_run(row, against, replace(settings, seed=seed), encoder, splits[which],
                             *folds[which]))
    return runs


def _run(row, against, settings, encoder, splits, dataset, features):
    code = provenance.sources(BOOK / "run.py", (settings.backbone, settings.method))
    identity = json.dumps([asdict(settings), encoder, dataset.key, features.key, code,
                           metadata.version("torch")], sort_keys=True)
    return Run(row, settings, str(dataset.folder.resolve()), encoder, splits,
               LOCAL / hashlib.sha256(identity.encode()).hexdigest()[:16], against)


def _splits(batch, dataset, features):
    """The splits to measure of those that are there; there must be one, and something to train on."""
    there = {split for split, rows in dataset.rows(features.video_ids).items() if len(rows)}
    for wanted in ({"train"}, set(batch.splits)):
        if not wanted & there:
            raise StudyError(f"{dataset.folder / 'videos.csv'}: no video of split "
                             f"{' or '.join(sorted(wanted))} has features: add some")
    return tuple(split for split in batch.splits if split in there)


def _rehearse(row, settings, dataset, features):
    """Build a row's system and show it two videos: what fails here would fail in every run."""
    try:
        _tried(json.dumps(asdict(settings)), len(dataset.classes), features.x.shape[1:], dataset.task)
    except (StudyError, TypeError, ValueError, RuntimeError, LookupError) as error:
        raise StudyError(f"row {row} with features of T = {features.x.shape[1]}: {error}: correct "
                         "the batch file") from None


@cache
def _tried(given, classes, shape, task):
    settings, x = Settings(**json.loads(given)), torch.zeros(2, *shape)
    settings.plan()
    system = settings.build(classes, shape[1], task)
    system.train().classify(system.embed(x))
    systems.leave_one_out(system.eval(), system.embed(x))


def execute(runs, workers=None, slurm=None):
    """Run what has not run yet; return `(run, reason)` for what failed.

    On all cores of this machine, or as a job array of the Slurm partition `slurm` ("local": as jobs
    of this machine).
    """
    todo = {run.folder: run for run in runs if run.metrics is None}
    jobs = [(folder, _parameters(run)) for folder, run in todo.items()]
    if not workers and any(choose(run.settings.device).type == "cuda" for run in todo.values()):
        workers = 4  # they share its memory
    # One thread a process: small heads gain nothing from more.
    if slurm:
        results = ((job, reason or lost) for job, reason, lost in cluster.run(
            _papermill, jobs, "runs", partition=slurm, at_once=workers or pool.cores()))
    else:
        results = pool.each(_papermill, jobs, "runs", "run", workers)
    return [(todo[folder], reason) for (folder, _), reason in results if reason]


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
                            str(BOOK / "run.ipynb"), str(temporary), parameters, cwd=str(BOOK),
                            engine_name=engine, request_save_on_cell_execute=False,
                            progress_bar=False, log_output=False, config=Config(settings))
                    except papermill.PapermillExecutionError:
                        copyfile(temporary, folder / "failed.ipynb")  # for whoever asks why
                        raise
                for name in ("failed.txt", "failed.ipynb"):  # of an earlier try
                    (folder / name).unlink(missing_ok=True)
                return None
            except papermill.PapermillExecutionError as error:
                reason = f"{error.ename}: {error.evalue}"
                if error.ename == "StudyError":
                    break
            except Exception as error:  # whatever ended this run, the others go on
                reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return reason
