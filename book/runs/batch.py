"""Batches: a grid of parameters, every point of it one papermill run of `book/run.ipynb`.

A run's key is the hash of its parameters, its data and the code it runs; its folder is
`results/local/<key>/`. What is there already is not run again, so an interrupted batch goes on,
and a run is shared by all batches that name it.
"""

import hashlib
import json
import os
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from itertools import product
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import yaml

from book.runs import provenance
from data.common import pool
from data.files import store
from tfe.device import choose
from tfe.errors import StudyError
from data.files.paths import BOOK, DATA, LOCAL, atomic, write_text

KEYS = {"table", "dataset", "folds", "encoder", "profile", "seeds", "rows", "grid", "device",
        "splits"}
ROW = {"row", "against"}
# Files that draw or describe a run; no number of it can depend on them.
NEUTRAL = {"book/plots.py", "book/runs/provenance.py", "data/files/paths.py", "tfe/errors.py"}
PARAMETERS = {"backbone", "method", "game", "disentangler", "head", "schedule", "profile",
              "protocol"}


@dataclass(frozen=True)
class Run:
    """One point of the grid: its row, papermill parameters and folder; the row to compare with."""

    row: str
    parameters: dict
    folder: Path
    against: str | None = None

    @property
    def metrics(self):
        """What the run measured, or None where it has not finished: its notebook comes last."""
        path = self.folder / "metrics.json"
        finished = path.is_file() and (self.folder / "run.ipynb").is_file()
        return json.loads(path.read_text(encoding="utf-8")) if finished else None


def read(path, **overrides):
    """Read a batch file; `overrides` that are not None replace its entries."""
    path = Path(path)
    if not path.is_file():
        raise StudyError(f"{path} is missing: name a file like book/batches/table1.yaml")
    try:
        batch = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise StudyError(f"{path} is not valid YAML ({' '.join(str(error).split())}): mend it")
    if not isinstance(batch, dict) or not batch.get("rows") or "table" not in batch:
        raise StudyError(f"{path}: give `table` and a list of `rows`")
    unknown = set(batch) - KEYS | {key for row in batch["rows"] for key in row} - PARAMETERS - ROW
    if unknown:
        raise StudyError(f"{path}: unknown key {sorted(unknown)[0]!r}: use "
                         f"{', '.join(sorted(KEYS | ROW | PARAMETERS))}")
    names = {row.get("row") for row in batch["rows"]}
    for row in batch["rows"]:
        if "row" not in row or row.get("against", row["row"]) not in names:
            raise StudyError(f"{path}: every row needs a name in `row`, and `against` must name "
                             "another row")
    given = {key: value for key, value in overrides.items() if value is not None}
    batch = {"splits": ["test", "shifted"]} | batch | given
    for key in ("dataset", "encoder", "seeds"):
        if key not in batch:
            raise StudyError(f"{path}: {key} is missing: add a line `{key}: ...`")
    for row in batch["rows"]:
        if not {"backbone", "method"} <= set(row):
            raise StudyError(f"{path}: row {row['row']} needs a backbone and a method")
    seeds = range(batch["seeds"]) if isinstance(batch["seeds"], int) else batch["seeds"]
    return batch | {"seeds": list(seeds)}


def sweep(path):
    """A batch file that sweeps knobs (`sweep:`, see `book.evidence.phase`), or None for one of runs."""
    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return None  # `read` says what is wrong with it
    return found if isinstance(found, dict) and "sweep" in found else None


def dataset_folder(batch):
    """Where a batch's dataset lies, or its first fold: a folder by its path, or `data/<name>`."""
    named = Path(str(batch["dataset"]))
    folder = named if named.is_absolute() or len(named.parts) > 1 else DATA / named
    return folder / "fold1" if "folds" in batch else folder


def worlds(batch, dataset):
    """What the seeds take in turn: this dataset, or the folds beside it."""
    if "folds" not in batch:
        return [dataset]
    folder = dataset.folder.parent
    return [store.open_dataset(folder / f"fold{n}") for n in range(1, batch["folds"] + 1)]


def plan(batch, dataset, encoder):
    """All runs of a batch on a dataset: rows x grid x seeds, each seed on the next fold.

    Raises StudyError, before anything runs, for what every run would stumble over: an empty
    split, a k above T, an unknown option or profile, a device that is not there.
    """
    folds = [(fold, store.open_features(fold, encoder)) for fold in worlds(batch, dataset)]
    for fold, features in folds:
        _check_splits(batch, fold, features)
    choose(batch.get("device", "cpu"))
    code = {path: digest for path, digest in provenance.sources(BOOK / "run.py").items()
            if path not in NEUTRAL}
    runs = []
    for row in batch["rows"]:
        if row.get("method") == "oracle-mask" and dataset.segments is None:
            print(f"{row['row']}: left out, because {dataset.name} has no segments.csv")
            continue
        for point in _grid(batch.get("grid", {})):
            for seed in batch["seeds"]:
                fold, features = folds[seed % len(folds)]
                parameters = {"encoder": encoder, "profile": batch.get("profile", "default"),
                              "device": batch.get("device", "cpu"), "seed": seed, "threads": 1,
                              "splits": batch["splits"],
                              **_merged({k: v for k, v in row.items() if k not in ROW}, point)}
                identity = json.dumps([parameters, fold.key, features.key, code,
                                       metadata.version("torch")], sort_keys=True)
                _rehearse(row["row"], parameters, fold, features)
                folder = LOCAL / hashlib.sha256(identity.encode()).hexdigest()[:16]
                against = row.get("against") and _named(row["against"], point)
                runs.append(Run(_named(row["row"], point), {
                    **parameters, "data": str(fold.folder.resolve()), "out": str(folder)},
                    folder, against))
    return runs


def _check_splits(batch, dataset, features):
    """Something to train on, and something to measure."""
    there = {split for split, rows in dataset.rows(features.video_ids).items() if len(rows)}
    for wanted in ({"train"}, set(batch["splits"])):
        if not wanted & there:
            raise StudyError(f"{dataset.folder / 'videos.csv'}: no video of split "
                             f"{' or '.join(sorted(wanted))} has features: add some")


def _rehearse(row, parameters, dataset, features):
    """Build the run's system and show it two videos: what fails here would fail in every run."""
    given = json.dumps({k: v for k, v in parameters.items() if k != "seed"}, sort_keys=True)
    try:
        _built(given, len(dataset.classes), features.x.shape[1:], dataset.task)
    except (StudyError, TypeError, ValueError, RuntimeError, LookupError) as error:
        raise StudyError(f"row {row} with features of T = {features.x.shape[1]}: {error}: correct "
                         "the batch file") from None


@cache
def _built(given, classes, shape, task):
    import torch

    from tfe import systems, training

    given = json.loads(given)
    if given["profile"] not in training.PROFILES:
        raise StudyError(f"profile {given['profile']!r} is unknown: choose one of "
                         f"{', '.join(training.PROFILES)}")
    replace(training.PROFILES[given["profile"]], **given.get("schedule", {}))
    system = systems.build(given["method"], given["backbone"], classes, shape[1], task,
                           game=given.get("game"), disentangler=given.get("disentangler"),
                           head=given.get("head"))
    x = torch.zeros(2, *shape)
    system.train().classify(system.embed(x))
    systems.leave_one_out(system.eval(), x)


def names(batch):
    """The rows that a batch's table has when it was run in full."""
    return {_named(row["row"], point) for row in batch["rows"]
            for point in _grid(batch.get("grid", {}))}


def _named(row, point):
    return row + "".join(f", {key} {value}" for key, value in point.items())


def _grid(grid):
    """The points of a grid `{"disentangler.k": [2, 4], ...}`, as dicts."""
    return [dict(zip(grid, values)) for values in product(*grid.values())]


def _merged(parameters, point):
    """Parameters with a grid point's values, where "a.b" names entry b of the dict a."""
    merged = {key: dict(value) if isinstance(value, dict) else value
              for key, value in parameters.items()}
    for name, value in point.items():
        outer, _, inner = name.partition(".")
        if inner:
            merged.setdefault(outer, {})[inner] = value
        else:
            merged[outer] = value
    return merged


def execute(runs, workers=None, slurm=None):
    """Run what has not run yet; return `(run, reason)` for what failed.

    On all cores of this machine, or as a job array of the Slurm partition `slurm` ("local": as jobs
    of this machine).
    """
    todo = {run.folder: run for run in runs if run.metrics is None}
    jobs = [(folder, run.parameters) for folder, run in todo.items()]
    if not workers and any(choose(run.parameters["device"]).type == "cuda" for run in todo.values()):
        workers = 4  # they share its memory
    # One thread a process: small heads gain nothing from more.
    if slurm:
        from book.runs import cluster

        results = ((job, reason or lost) for job, reason, lost in cluster.each(
            _papermill, jobs, "runs", partition=slurm, at_once=workers or pool.cores()))
    else:
        results = pool.each(_papermill, jobs, "runs", "run", workers)
    return [(todo[folder], reason) for (folder, _), reason in results if reason]


def _papermill(job):
    """In a worker: execute the run's notebook, twice at most; return why it failed, or None.

    Bad input would fail again, so it is not tried twice.
    """
    import papermill
    from traitlets.config import Config

    folder, parameters = job
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "kernel.log", "w") as log:  # what a kernel says while it starts and stops
        os.dup2(log.fileno(), 2)
    os.environ["OMP_NUM_THREADS"] = str(parameters["threads"])
    engine = "warm" if parameters["device"] == "cpu" else None  # CUDA does not survive a fork
    for _ in range(2):
        # Kernels that start side by side fight over TCP ports, and over connection files in one
        # folder: each gets sockets and a folder of its own.
        with TemporaryDirectory() as runtime:
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
    write_text(folder / "failed.txt", reason + "\n")
    return reason
