"""The dataset folder and the feature store: read with care, written atomically, resumable.

A dataset folder holds `dataset.toml`, `videos.csv`, optionally `segments.csv`, and videos or
features or both. A store is `features/<encoder>/` with `features.npy` (float16, `(N, T, d)`),
`index.csv`, `meta.json` and, where videos were skipped, `skipped.csv`.
"""

import hashlib
import json
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from tfe.errors import StudyError
from data.files.paths import atomic, write_text

SPLITS = ("train", "val", "test", "shifted")
TASKS = {"multilabel": "map", "singlelabel": "accuracy"}
SUFFIXES = (".mp4", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".mov", ".m4v", ".gif")


@dataclass(frozen=True)
class Dataset:
    """A dataset folder, checked when it is opened.

    `videos` has the columns `video_id, split, duration, labels, picture_start`: `labels` is a list
    of class names, `duration` how many seconds the picture lasts, `picture_start` how many a player
    has played, of sound alone, when it begins (0 where the table does not say). `segments`, where
    there are any, has `video_id, label, start, end` in seconds as a player shows them.
    """

    folder: Path
    name: str
    task: str
    classes: list
    synthetic: bool
    videos: pd.DataFrame = field(repr=False)
    segments: pd.DataFrame | None = field(repr=False)
    settings: dict = field(repr=False)

    @property
    def metric(self):
        return TASKS[self.task]

    @cached_property
    def files(self):
        """Where the video of each id lies: `{video_id: Path}`, for the videos that are there."""
        folder = self.folder / self.settings.get("videos", "videos")
        wanted, found = set(self.videos.video_id), {}
        for path in sorted(folder.glob("*")):
            if path.suffix.lower() in SUFFIXES and path.stem in wanted:
                if path.stem in found:
                    raise StudyError(f"{path} and {found[path.stem].name} share one video_id: "
                                     "rename one of them")
                found[path.stem] = path
        return found

    @cached_property
    def key(self):
        """A short hash of the dataset's tables."""
        tables = (self.folder / name for name in ("dataset.toml", "videos.csv", "segments.csv"))
        return _digest(sha256(path) for path in tables if path.is_file())

    def rows(self, video_ids):
        """Which of `video_ids` belong to each split: `{split: array of positions}`."""
        split = self.videos.set_index("video_id").split
        return {name: np.flatnonzero((split[list(video_ids)] == name).to_numpy())
                for name in SPLITS}

    def targets(self, video_ids):
        """Labels as numbers: multi-hot `(N, C)` float32, also where the task is single-label."""
        column = {name: c for c, name in enumerate(self.classes)}
        labels = self.videos.set_index("video_id").labels
        targets = np.zeros((len(video_ids), len(self.classes)), np.float32)
        for row, video_id in enumerate(video_ids):
            targets[row, [column[name] for name in labels[video_id]]] = 1
        return targets

    def truth(self, video_ids, segments):
        """Which of the T segments of a video show which action: `(N, C, T)` bool.

        A segment shows an action when the action covers the segment's middle, the moment that
        is sampled. None where the dataset has no `segments.csv`.
        """
        if self.segments is None:
            return None
        column = {name: c for c, name in enumerate(self.classes)}
        videos = self.videos.set_index("video_id")
        begins, duration = videos.picture_start, videos.duration
        row = {video_id: n for n, video_id in enumerate(video_ids)}
        middles = (np.arange(segments) + 0.5) / segments
        truth = np.zeros((len(video_ids), len(self.classes), segments), bool)
        for event in self.segments.itertuples(index=False):
            if event.video_id in row:
                at = begins[event.video_id] + middles * duration[event.video_id]
                truth[row[event.video_id], column[event.label]] |= (
                    (at >= event.start) & (at < event.end))
        return truth


def open_dataset(folder):
    """Read and check the dataset folder; return a `Dataset`.

    Raises StudyError, naming the file and the remedy, for a missing file or column, an unknown
    class or split, a duplicate or missing id, and a segment outside its video.
    """
    folder = Path(folder)
    toml = folder / "dataset.toml"
    if not toml.is_file():
        raise StudyError(f"{toml} is missing: make the dataset first (`make data "
                         "DATASET=planted`, or `python -m data folder DIR` for your own)")
    try:
        settings = tomllib.loads(toml.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(f"{toml} is not valid TOML ({error}): mend it") from None
    task, classes = settings.get("task"), settings.get("classes")
    if task not in TASKS:
        raise StudyError(f"{toml}: task is {task!r}: set it to one of {', '.join(TASKS)}")
    if (not isinstance(classes, list) or not all(isinstance(name, str) for name in classes)
            or not classes or len(set(classes)) != len(classes)):
        raise StudyError(f"{toml}: classes must be a list of different names: mend it")
    videos = _read_videos(folder / "videos.csv", task, classes)
    segments = _read_segments(folder / "segments.csv", videos, classes)
    return Dataset(folder, settings.get("name", folder.name), task, list(classes),
                   bool(settings.get("synthetic", False)), videos, segments, settings)


def read_table(path, columns):
    """Read a csv file as text cells and check that `columns` are there."""
    if not path.is_file():
        raise StudyError(f"{path} is missing: write it with the columns {','.join(columns)}")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise StudyError(f"{path} cannot be read as csv ({error}): mend it") from None
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise StudyError(f"{path} lacks the column {missing[0]!r}: its columns must be "
                         f"{','.join(columns)}")
    return table


def _numbers(path, table, column):
    """A column as finite floats."""
    numbers = pd.to_numeric(table[column], errors="coerce").astype(float)
    wrong = ~np.isfinite(numbers)
    if wrong.any():
        line = int(np.flatnonzero(wrong)[0])
        raise StudyError(f"{path} line {line + 2}: {column} is {table[column].iloc[line]!r}: "
                         "write a finite number of seconds")
    return numbers


def _read_videos(path, task, classes):
    table = read_table(path, ("video_id", "split", "duration", "labels"))
    if table.empty:
        raise StudyError(f"{path} lists no video: add a line for each video")
    repeated = table.video_id[table.video_id.duplicated()]
    if len(repeated):
        raise StudyError(f"{path}: video_id {repeated.iloc[0]!r} stands twice: keep one line of it")
    if "picture_start" not in table.columns:
        table["picture_start"] = "0"
    table = table.assign(duration=_numbers(path, table, "duration"),
                         picture_start=_numbers(path, table, "picture_start"),
                         labels=[[n for n in map(str.strip, cell.split(";")) if n]
                                 for cell in table.labels])
    for line, row in enumerate(table.itertuples(index=False), start=2):
        labels = row.labels
        if not row.video_id or row.duration <= 0:
            raise StudyError(f"{path} line {line}: video_id is {row.video_id!r}, duration "
                             f"{row.duration}: give a name, and seconds above 0")
        if row.split not in SPLITS:
            raise StudyError(f"{path} line {line}: split is {row.split!r}: use one of "
                             f"{', '.join(SPLITS)}")
        for name in labels:
            if name not in classes:
                raise StudyError(f"{path} line {line}: unknown class {name!r}: add it to classes "
                                 "in dataset.toml or correct it")
        if task == "singlelabel" and len(labels) != 1:
            raise StudyError(f"{path} line {line}: {len(labels)} labels where the task is "
                             "singlelabel: give exactly one")
    return table


def _read_segments(path, videos, classes):
    if not path.is_file():
        return None
    table = read_table(path, ("video_id", "label", "start", "end"))
    table = table.assign(start=_numbers(path, table, "start"), end=_numbers(path, table, "end"))
    ends = (videos.duration + videos.picture_start).set_axis(videos.video_id)
    for line, row in enumerate(table.itertuples(index=False), start=2):
        where = f"{path} line {line}"
        if row.video_id not in ends.index:
            raise StudyError(f"{where}: video_id {row.video_id!r} is not in videos.csv: "
                             "add it there or remove the line")
        if row.label not in classes:
            raise StudyError(f"{where}: unknown class {row.label!r}: add it to classes in "
                             "dataset.toml or correct it")
        # Half a frame of slack, because durations and intervals are often rounded apart.
        if not 0 <= row.start < row.end <= ends[row.video_id] + 0.05:
            raise StudyError(f"{where}: the segment {row.start}-{row.end} s lies outside the video "
                             f"(0-{ends[row.video_id]} s): correct it")
    return table


def write_dataset(folder, settings, videos, segments=None):
    """Write a dataset folder's tables; `dataset.toml` last, so that its presence says "done".

    `settings` become the keys of `dataset.toml` (strings, bools, numbers, lists of strings);
    `videos` and `segments` are tables in the columns of `Dataset`, labels joined by `;`.
    """
    folder = Path(folder)
    write_text(folder / "videos.csv", videos.to_csv(index=False, lineterminator="\n"))
    if segments is not None:
        write_text(folder / "segments.csv", segments.to_csv(index=False, lineterminator="\n"))
    # JSON's strings, numbers, bools and lists of them are TOML's as well.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()]
    write_text(folder / "dataset.toml", "\n".join(lines) + "\n")


@dataclass(frozen=True)
class Features:
    """A feature store, opened as a memory map: `x` float16 `(N, T, d)` and the row's video ids."""

    folder: Path
    x: np.ndarray = field(repr=False)
    video_ids: list = field(repr=False)
    meta: dict = field(repr=False)

    @property
    def encoder(self):
        return self.meta["encoder"]

    @cached_property
    def key(self):
        """A short hash of the features themselves and of what they say of their making."""
        return _digest(sha256(self.folder / name)
                       for name in ("features.npy", "index.csv", "meta.json"))


def open_features(dataset, encoder):
    """Open `features/<encoder>` of a dataset as a memory map, checked against its index.

    Raises StudyError where a file is missing, the shapes disagree, an id is unknown or repeated,
    or a value is not finite.
    """
    folder = dataset.folder / "features" / encoder
    array, meta_path = folder / "features.npy", folder / "meta.json"
    for path in (array, folder / "index.csv", meta_path):
        if not path.is_file():
            raise StudyError(f"{path} is missing: make the features first "
                             f"(`python -m data features --data {dataset.folder} "
                             f"--encoder {encoder}`), or write the three files yourself")
    try:
        x = np.load(array, mmap_mode="r", allow_pickle=False)
        meta = dict(json.loads(meta_path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, EOFError) as error:
        raise StudyError(f"{folder}: features.npy or meta.json cannot be read ({error}): "
                         "make them anew") from None
    index = read_table(folder / "index.csv", ("row", "video_id"))
    ids = list(index.video_id)
    rows = [str(n) for n in range(len(ids))]
    if x.dtype.kind != "f" or x.ndim != 3 or len(x) != len(ids) or list(index.row) != rows:
        raise StudyError(f"{array} has shape {x.shape} of {x.dtype} and index.csv {len(ids)} rows: "
                         "they must be (N, T, d) of floats and rows 0 to N-1")
    if meta.get("T", x.shape[1]) != x.shape[1] or meta.get("d", x.shape[2]) != x.shape[2]:
        raise StudyError(f"{meta_path} says T = {meta.get('T')}, d = {meta.get('d')}, but "
                         f"features.npy has shape {x.shape}: correct one of them")
    if name := next(stale(folder, meta), None):
        raise StudyError(f"{folder / name} is not the file that meta.json was written for (an "
                         "interrupted write?): delete meta.json and make the features anew")
    if len(set(ids)) != len(ids) or set(ids) - set(dataset.videos.video_id):
        raise StudyError(f"{folder / 'index.csv'}: a video_id stands twice or is not in "
                         "videos.csv: correct the index")
    for start in range(0, len(x), 256):
        if not np.isfinite(x[start:start + 256]).all():
            raise StudyError(f"{array}: rows {start} to {start + 255} hold NaN or infinity: "
                             "make the features anew")
    return Features(folder, x, ids, {"encoder": encoder, **meta})


def stale(folder, meta):
    """Names of the files in a store that are not those that its `meta.json` was written for."""
    return (name for name, made in meta.get("sha256", {}).items() if sha256(folder / name) != made)


def write_features(folder, video_ids, x, meta, hashes=None):
    """Write a store: `features.npy`, `index.csv` and, last, `meta.json` with the hashes of both.

    Each file is written atomically; where it stops in between, the hashes tell.
    """
    folder = Path(folder)
    save_array(folder / "features.npy", np.asarray(x, np.float16))
    index = pd.DataFrame({"row": range(len(video_ids)), "video_id": video_ids})
    if hashes is not None:
        index["sha256"] = hashes
    write_text(folder / "index.csv", index.to_csv(index=False, lineterminator="\n"))
    meta = {**meta, "sha256": {n: sha256(folder / n) for n in ("features.npy", "index.csv")}}
    write_text(folder / "meta.json", json.dumps(meta, indent=1, sort_keys=True) + "\n")


def save_array(path, x):
    """Write an array as npy, atomically; raises OSError where the disk is full.

    Through Python's `write`, because numpy's own `tofile` says nothing of a disk that fills up
    within its last buffer, and leaves a file cut short.
    """
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.save(SimpleNamespace(write=file.write), x, allow_pickle=False)


def _digest(hashes):
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]


def sha256(path):
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
