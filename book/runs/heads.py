"""Trained heads as small files: written from a run, checked when read, rebuilt to classify.

A head is a folder: `head.json`, the card, and a safetensors file a module, none of them a megabyte.
Matrices are kept in 8 bits with a scale a row; what that costs is measured and stands in the card.
"""

import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import save_file

from book.runs import when
from book.runs.checkpoint import tensors, weights
from book.runs.settings import Settings
from data.files import schema, store
from data.files.dataset import open_dataset
from tfe import evaluation
from tfe.errors import StudyError
from data.files.paths import LOCAL, RESULTS, atomic, write_json

PUBLISHED = RESULTS / "heads"
# The rows of Table 1 whose heads ship with the study.
SHIPPED = ("Mean pooling", "Gated MIL", "MSQNet trained on", "MSQNet+TFE", "BIKE trained on",
           "BIKE+TFE")


@dataclass(frozen=True)
class Head:
    """A trained system and its card: on what it was trained, and what it takes.

    `source`: the folder of the dataset that it learnt from, and whose features; None where it
    ships.
    """

    system: torch.nn.Module = field(repr=False)
    card: dict = field(repr=False)
    source: tuple | None = field(default=None, repr=False)

    @property
    def row(self):
        return self.card["row"]


def of_run(key, row=None):
    """The head of a finished run, `results/local/<key>/`; `row` names it (default: its method).

    Raises StudyError for a key that is none, a run that has not finished or has no weights, and
    where its dataset is gone.
    """
    folder = LOCAL / key
    if not re.fullmatch("[0-9a-f]{16}", key) or not (folder / "metrics.json").is_file():
        raise StudyError(f"run {key!r} is no finished run: name a folder of results/local/, such "
                         "as `make reproduce-table1` leaves")
    given = parameters(folder / "run.ipynb")
    settings = {name: value for name, value in asdict(Settings.of(given, folder)).items()
                if value != {}}
    metrics = schema.read(folder / "metrics.json", schema.MetricsFile)
    dataset, made = open_dataset(given["data"]), metrics["features"]
    if "d" not in made:  # a user's meta.json need not say it
        made["T"], made["d"] = store.open_features(dataset, given["encoder"]).x.shape[1:]
    card = {"row": row or f"{settings['method']} ({settings['backbone']})",
            **settings, "dataset": dataset.name,
            "synthetic": dataset.synthetic, "task": dataset.task, "classes": dataset.classes,
            "seconds": float(dataset.videos.duration[dataset.videos.split == "train"].median()),
            "features": {name: made.get(name) for name in
                         ("encoder", "weights_sha256", "resolution", "T", "d", "sampling")},
            "status": metrics["status"], "receipt": metrics["receipt"]}
    path = folder / "checkpoint.safetensors"
    if not path.is_file():
        raise StudyError(f"{path} is missing: the run diverged before its first epoch ended")
    return Head(_built(card, weights(folder), path), card, (given["data"], given["encoder"]))


def of_row(row, table=None):
    """The head of a row of a table in `results/local/`, its first seed; or else the one that ships.

    table: as `table1`, or `clips/table1` for a dataset of one's own (default: the newest that has
    the row). Raises StudyError where there is none, with the rows that there are.
    """
    known = set()
    for name, frame in _tables():
        known |= set(frame.row) if table in (None, name) else set()
        mine = frame[frame.row == row].sort_values("seed", kind="stable")
        if table in (None, name) and len(mine):
            return of_run(mine.key.iloc[0], row)
    if table is None and (PUBLISHED / slug(row) / "head.json").is_file():
        return read(PUBLISHED / slug(row))
    known = known or {read(path.parent).row for path in PUBLISHED.glob("*/head.json")}
    raise StudyError(f"no row {row[:80]!r} in {table or 'any table of results/local/'}: name one of "
                     f"{', '.join(sorted(known))[:400]}")


def _tables():
    """The tables of `results/local/` that name their runs, `(name, frame)`, the newest first."""
    paths = [*LOCAL.glob("*.csv"), *LOCAL.glob("*/*.csv")]
    for path in sorted(paths, key=lambda path: -path.stat().st_mtime):
        with open(path, encoding="utf-8") as file:
            columns = file.readline().strip().split(",")
        if {"row", "seed", "key"} <= set(columns):
            yield str(path.relative_to(LOCAL).with_suffix("")), pd.read_csv(path, dtype={"key": str})


def parameters(path):
    """What papermill handed to the notebook of a run."""
    try:
        given = schema.read(path)["metadata"]["papermill"]["parameters"]
        return {**given, "data": str(given["data"]), "encoder": str(given["encoder"])}
    except (KeyError, TypeError):
        raise StudyError(f"{path} is no notebook of a run (it notes no parameters): run it "
                         "again") from None


def write(head, folder):
    """Write a head to `folder`: its modules first, `head.json` with their hashes last."""
    hashes = {}
    for name, module in head.system.named_children():
        path = folder / f"{name}.safetensors"
        with atomic(path) as temporary:
            save_file(_packed(module.state_dict()), temporary)
        hashes[path.name] = store.sha256(path)
    write_json(folder / "head.json", {**head.card, "sha256": hashes})


def read(folder):
    """Read a head that `write` wrote, for classifying.

    Raises StudyError, naming the file, where one is missing, is not the one that `head.json` was
    written for, or does not fit the system that it describes.
    """
    folder = Path(folder)
    try:
        card = schema.read(folder / "head.json")
        hashes = {str(name): str(digest) for name, digest in card["sha256"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StudyError(f"{folder / 'head.json'} cannot be read ({type(error).__name__}): fetch "
                         "the head again") from None
    weights = {}
    for name, digest in hashes.items():
        path = folder / name
        if Path(name).name != name or not path.is_file() or store.sha256(path) != digest:
            raise StudyError(f"{path} is not the file that head.json was written for: fetch the "
                             "head again")
        found = _unpacked(tensors(path)[0])
        weights |= {f"{path.stem}.{key}": value for key, value in found.items()}
    return Head(_built(card, weights, folder), card)


def published(rows):
    """The heads of these rows that ship with the study, in that order."""
    return [read(PUBLISHED / slug(row)) for row in rows]


def slug(row):
    """A row's name as a folder's: `MSQNet+TFE` becomes `msqnet-tfe`."""
    return re.sub(r"[^a-z0-9]+", "-", row.lower()).strip("-")


def publish(runs, dataset, features, split="test"):
    """Write the first seed of each row of `runs` to `results/heads/`; yield the folders.

    The metric on `split` is measured as trained and as written, and both stand in the card.
    """
    at = dataset.rows(features.video_ids)[split]
    targets = dataset.targets(features.video_ids)[at]
    for run in {run.row: run for run in reversed(runs)}.values():
        head, folder, x = of_run(run.folder.name, run.row), PUBLISHED / slug(run.row), features.x[at]

        def value(system, x=x):
            return evaluation.measure(evaluation.predict(system, x, targets), targets, None,
                                      dataset.task)["value"]

        write(head, folder)
        measured = {"metric": dataset.metric, "split": split, "as_trained": value(head.system),
                    "as_published": value(read(folder).system)}
        card = {**head.card, "measured": measured,
                "when": when.tried(read(folder), dataset, features)}
        write(Head(head.system, card), folder)
        yield folder


def _built(card, weights, where):
    """The system that a card describes, with these weights."""
    system = Settings.of(card, where).build(len(card["classes"]), card["features"]["d"],
                                            card["task"])
    try:
        system.load_state_dict(weights)
    except RuntimeError as error:  # names or shapes that do not fit, a line each
        reason = " ".join(str(error).split())[:200]
        raise StudyError(f"{where}: the weights do not fit the system ({reason}): they are of "
                         "another version of the study") from None
    return system.eval()


def _packed(tensors):
    """Matrices as int8 with a float32 scale a row, everything else as it is."""
    packed = {}
    for name, value in tensors.items():
        if value.ndim < 2:
            packed[name] = value.contiguous()
            continue
        scale = value.flatten(1).abs().amax(1).clamp_min(1e-12) / 127
        steps = value / scale.view(-1, *[1] * (value.ndim - 1))
        packed[name], packed[f"{name}:scale"] = steps.round().to(torch.int8), scale
    return packed


def _unpacked(packed):
    return {name: value if f"{name}:scale" not in packed else
            value.float() * packed[f"{name}:scale"].view(-1, *[1] * (value.ndim - 1))
            for name, value in packed.items() if not name.endswith(":scale")}
