"""The dataset folder: `dataset.toml`, `videos.csv`, optionally `segments.csv`, and the videos."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from data.files import reading, schema
from data.files.paths import digest, sha256, write_csv, write_text
from data.files.reading import nfc
from tfe.errors import StudyError

SPLITS = ("train", "val", "test", "shifted")
TASKS = {"multilabel": "map", "singlelabel": "accuracy"}
# Of every container in `data.video.decode.FORMATS`.
SUFFIXES = (".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".m2v",
            ".vob", ".ts", ".mts", ".m2ts", ".m2t", ".wmv", ".asf", ".flv", ".ogv", ".gif", ".h264",
            ".264", ".hevc", ".265", ".ivf", ".obu")


@dataclass(frozen=True)
class Dataset:
    """A dataset folder, checked when it is opened.

    `videos` has the columns `video_id, split, duration, labels, picture_start`: `labels` is a list
    of class names, `duration` how many seconds the picture lasts, `picture_start` how many a player
    has played, of sound alone, when it begins (0 where the table does not say). `segments`, where
    there are any, has `video_id, label, start, end` in seconds as a player shows them. `notes` says
    how many intervals were cut or left out, `{sentence: how many}`.
    """

    folder: Path
    name: str
    task: str
    classes: list
    synthetic: bool
    videos: pd.DataFrame = field(repr=False)
    segments: pd.DataFrame | None = field(repr=False)
    settings: dict = field(repr=False)
    notes: dict = field(default_factory=dict, repr=False)

    @property
    def metric(self):
        return TASKS[self.task]

    @cached_property
    def files(self):
        """Where the video of each id lies: `{video_id: Path}`, for the videos that are there."""
        folder = self.folder / self.settings.get("videos", "videos")
        wanted, found = set(self.videos.video_id), {}
        for path in sorted(folder.glob("*")):
            if path.suffix.lower() in SUFFIXES and (name := nfc(path.stem)) in wanted:
                if name in found:
                    raise StudyError(f"{path} and {found[name].name} share one video_id: "
                                     "rename one of them")
                found[name] = path
        return found

    @cached_property
    def key(self):
        """A short hash of the dataset's tables."""
        tables = (self.folder / name for name in ("dataset.toml", "videos.csv", "segments.csv"))
        return digest(sha256(path) for path in tables if path.is_file())

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

    Raises StudyError, naming the file and the remedy, for a missing file or column, and for all faults
    of a table at once: an unknown class or split, a duplicate or missing id, no finite seconds.
    """
    folder = Path(folder)
    path = folder / "dataset.toml"
    if not path.is_file():
        raise StudyError(f"{path} is missing: make the dataset first (`make data "
                         "DATASET=planted`, or `python -m data folder DIR` for your own)")
    segments = folder / "segments.csv"
    return checked(folder, reading.toml(path),
                   reading.table(folder / "videos.csv", ("video_id", "split", "duration", "labels")),
                   reading.table(segments, ("video_id", "label", "start", "end"))
                   if segments.is_file() else None)


def checked(folder, settings, videos, segments=None):
    """The `Dataset` of these settings and tables of text cells, as `reading.table` gives them."""
    path = folder / "dataset.toml"
    schema.checked(schema.DatasetFile, settings, path)
    task, classes = settings["task"], settings["classes"]
    if len(set(classes)) != len(classes):
        raise StudyError(f"{path}: classes must be a list of different names: mend it")
    if videos.empty:
        raise StudyError(f"{folder / 'videos.csv'} lists no video: add a line for each video")
    videos = videos.assign(labels=videos.labels.map(names_in),
                           picture_start=videos.get("picture_start", "0"))
    reading.refuse(folder / "videos.csv", list(_faults_of_videos(videos, task, set(classes))))
    videos = videos.assign(duration=videos.duration.map(float),
                           picture_start=videos.picture_start.map(float)).reset_index(drop=True)
    settings, notes = {"source": "its source is not stated"} | settings, {}
    if segments is not None:
        reading.refuse(folder / "segments.csv",
                       list(_faults_of_segments(segments, set(videos.video_id), set(classes))))
        segments, notes = within(segments.assign(start=segments.start.map(float),
                                                 end=segments.end.map(float)), videos)
    return Dataset(folder, settings.get("name", folder.name), task, list(classes),
                   settings.get("synthetic", False), videos, segments, settings, notes)


def names_in(cell):
    """The class names of a cell of labels."""
    return [name for name in map(str.strip, cell.split(";")) if name]


def _faults_of_videos(videos, task, classes):
    seen = set()
    for row in videos.itertuples():
        line = row.Index
        if not row.video_id:
            yield line, "video_id is empty", "give a name"
        if row.video_id in seen:
            yield line, f"video_id {row.video_id!r} stands twice", "keep one line of it"
        seen.add(row.video_id)
        if not _seconds(row.duration) > 0:
            yield (line, f"duration is {row.duration!r}",
                   "write a finite number of seconds above 0")
        if not _seconds(row.picture_start) >= 0:
            yield (line, f"picture_start is {row.picture_start!r}",
                   "write a finite number of seconds, 0 or more")
        if row.split not in SPLITS:
            yield line, f"split is {row.split!r}", f"use one of {', '.join(SPLITS)}"
        if len(row.labels) > len(classes):
            yield (line, f"{len(row.labels)} labels of {len(classes)} classes",
                   "write each label once")
        yield from _unknown(line, row.labels[:len(classes)], classes)
        if task == "singlelabel" and len(row.labels) != 1:
            yield (line, f"{len(row.labels)} labels where the task is singlelabel",
                   "give exactly one")


def _faults_of_segments(segments, videos, classes):
    for row in segments.itertuples():
        line = row.Index
        if row.video_id not in videos:
            yield (line, f"video_id {row.video_id!r} is not in videos.csv",
                   "add it there or remove the line")
        yield from _unknown(line, [row.label], classes)
        for name in ("start", "end"):
            if not _seconds(getattr(row, name)) >= 0:
                yield (line, f"{name} is {getattr(row, name)!r}",
                       "write a finite number of seconds, 0 or more")


def _unknown(line, names, classes):
    for name in names:
        if name not in classes:
            yield (line, f"unknown class {name!r}",
                   "add it to classes in dataset.toml or correct it")


def _seconds(cell):
    """A finite number, or NaN."""
    try:
        number = float(cell)
    except ValueError:
        number = np.nan
    return number if np.isfinite(number) else np.nan


def within(segments, videos):
    """The intervals cut to their videos, and `{sentence: how many}` were cut or left out.

    One rule for everybody's lists: an interval is cut at the end of its video; one of which nothing
    is left goes, while its label stays.
    """
    lasts = (videos.duration + videos.get("picture_start", 0)).set_axis(videos.video_id)
    backwards = segments.end <= segments.start
    end = np.minimum(segments.end, segments.video_id.map(lasts))
    gone = end <= segments.start
    notes = {"intervals that end before they start: left out": int(backwards.sum()),
             "intervals that start after their video: left out": int((gone & ~backwards).sum()),
             "intervals that end after their video: cut": int((~gone & (segments.end > end)).sum())}
    return segments.assign(end=end)[~gone].reset_index(drop=True), notes


def write_dataset(folder, settings, videos, segments=None):
    """Write a dataset folder's tables; `dataset.toml` last, so that its presence says "done".

    `settings` become the keys of `dataset.toml` (strings, bools, numbers, lists of strings);
    `videos` and `segments` are tables in the columns of `Dataset`, labels joined by `;`.
    """
    folder = Path(folder)
    write_csv(folder / "videos.csv", videos)
    if segments is not None:
        write_csv(folder / "segments.csv", segments)
    # JSON's strings, numbers, bools and lists of them are TOML's as well.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()]
    write_text(folder / "dataset.toml", "\n".join(lines) + "\n")
