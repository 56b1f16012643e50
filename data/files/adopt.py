"""From tables and files in somebody's folder to a dataset folder that refers to them."""

import os
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tfe.errors import StudyError
from data.files.paths import UNFINISHED, write_text
from data.common.pool import each
from data.files.store import SUFFIXES, open_dataset, read_table, write_dataset

UNKNOWN = 1e9  # seconds: stands for a duration that is not known yet, so that tables can be checked
LATE = 0.05  # seconds: a picture that begins later is measured, whatever duration is given
FEW = 8  # videos up to this number are measured before new processes would have started


@dataclass(frozen=True)
class Source:
    """What was found: tables as text (a duration may be empty), and the file of each id."""

    folder: Path
    videos: pd.DataFrame
    segments: pd.DataFrame | None
    files: dict


def is_video(path):
    """Whether the name is that of a video."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def refuse_foreign(out, folder):
    """Raise StudyError where `out` holds anything but an earlier adoption of `folder`."""
    if not out.exists() or (out.is_dir() and all(UNFINISHED in p.name for p in out.iterdir())):
        return
    toml = out / "dataset.toml"
    try:
        source = tomllib.loads(toml.read_text(encoding="utf-8")).get("source")
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        source = None
    if source != str(folder.resolve()):
        raise StudyError(f"{out} holds something else ({source or 'not a dataset'}): "
                         "choose another --name or --out")


def from_tables(folder):
    """Read videos.csv and segments.csv of `folder`, and find the videos."""
    path = folder / "videos.csv"
    videos = read_table(path, ("video_id", "split", "labels"))
    if "duration" not in videos.columns:
        videos.insert(2, "duration", "")
    segments = None
    if (folder / "segments.csv").is_file():
        segments = read_table(folder / "segments.csv", ("video_id", "label", "start", "end"))
    found = sorted(p for p in folder.iterdir() if is_video(p)) or (
        sorted(p for p in (folder / "videos").glob("*") if is_video(p)))
    if not found:
        raise StudyError(f"{folder} holds a videos.csv but no video: put the videos beside it or "
                         f"into {folder / 'videos'}; for features alone, add a dataset.toml")
    listed = set(videos.video_id)
    if not any(p.stem in listed for p in found):
        raise StudyError(f"{path}: no video_id is the name of a file in {found[0].parent} "
                         f"(such as {found[0].stem!r}): write names without their endings")
    unlisted = [p.name for p in found if p.stem not in listed]
    if unlisted:
        say(f"{len(unlisted)} videos are not in {path} and stay out, such as {unlisted[0]}")
    return Source(folder, videos, segments, {p.stem: p for p in found if p.stem in listed})


def write(source, out, name):
    """Write the dataset folder `out`; nothing is written where the tables are not sound."""
    videos = source.videos.assign(duration=source.videos.duration.str.strip())
    if not videos.labels.str.strip(";").any():
        raise StudyError(f"{source.folder / 'videos.csv'} gives no video a label: fill in labels")
    check(source, videos, name)
    times, reasons = measure(source, videos, out)
    videos = videos.assign(duration=[times.get(i, (d or UNKNOWN,))[0]
                                     for i, d in zip(videos.video_id, videos.duration)])
    starts = [times.get(i, (0, 0.0))[1] for i in videos.video_id]
    if any(starts) and "picture_start" not in videos:
        videos = videos.assign(picture_start=starts)
    check(source, videos, name)
    for video_id, reason in reasons.items():
        say(f"left out: {video_id}: {reason}")
    kept = videos[~videos.video_id.isin(reasons)]
    if kept.empty:
        raise StudyError(f"{source.folder}: none of the {len(videos)} videos could be read: "
                         "give videos that play")
    (out / "skipped.csv").unlink(missing_ok=True)  # of an earlier call
    if reasons:
        write_text(out / "skipped.csv", pd.DataFrame(
            reasons.items(), columns=["video_id", "reason"]).to_csv(index=False, lineterminator="\n"))
    segments = source.segments
    if segments is not None:
        segments = segments[segments.video_id.isin(set(kept.video_id))]
    folder = place({i: source.files[i] for i in kept.video_id}, out)
    write_dataset(out, settings(source, videos, name) | {"videos": str(folder)}, kept, segments)
    splits = kept.split.value_counts(sort=False)
    say(f"{name}: {len(kept)} videos (" + ", ".join(f"{n} {s}" for s, n in splits.items())
        + f"), {len(reasons)} left out")


def settings(source, videos, name):
    """The keys of dataset.toml, but for where the videos lie."""
    labels = videos.labels.str.split(";").map(
        lambda names: [n for n in map(str.strip, names) if n])
    single = labels.map(len).eq(1).all()
    return {"name": name, "task": "singlelabel" if single else "multilabel",
            "metric": "accuracy" if single else "map",
            "classes": sorted({n for names in labels for n in names}),
            "source": str(source.folder.resolve()), "licence": "not stated", "synthetic": False}


def check(source, videos, name):
    """Let `open_dataset` check the tables, before a long probe and before anything is written."""
    known = videos.assign(duration=videos.duration.replace("", UNKNOWN))
    with tempfile.TemporaryDirectory() as scratch:
        write_dataset(scratch, settings(source, videos, name), known, source.segments)
        try:
            open_dataset(scratch)
        except StudyError as error:
            raise StudyError(str(error).replace(scratch, str(source.folder))) from None


def measure(source, videos, out):
    """When the picture of a video lasts and begins, `{video_id: (seconds, seconds)}`, and why that
    cannot be had, `{video_id: reason}`.

    Only videos without a duration are decoded, and those not again that an earlier run measured;
    beside them, where intervals are given, videos whose picture begins after the sound, because a
    given duration may be that of either.
    """
    reasons = {i: "no file of that name" for i in videos.video_id if i not in source.files}
    reasons |= {i: "its name is no UTF-8: rename it" for i in videos.video_id
                if i.encode(errors="ignore").decode() != i}
    times, todo, given = {}, {}, {}
    before, made = earlier(out)
    cut = set() if source.segments is None or "picture_start" in videos else {
        *source.segments.video_id}
    for video_id, duration in zip(videos.video_id, videos.duration):
        path = source.files.get(video_id)
        if path is None or video_id in reasons:
            continue
        if duration:
            given |= {path: video_id} if video_id in cut else {}
        elif video_id in before and path.stat().st_mtime < made:
            times[video_id] = before[video_id]
        else:
            todo[path] = video_id
    todo |= {path: given[path] for path, late in seen(late_by, given) if late > LATE}
    for path, (found, reason) in seen(times_of, todo):
        if reason:
            reasons[todo[path]] = reason
        else:
            times[todo[path]] = found
    return times, reasons


def seen(look, paths):
    """Yield `(path, look(path))`, on every core where there are more than a few."""
    if len(paths) <= FEW:
        return ((path, look(path)) for path in paths)
    return each(look, paths, "measuring", "video")


def earlier(out):
    """The times that an earlier run wrote to `out`, and when (seconds since 1970)."""
    try:
        videos = open_dataset(out).videos
    except StudyError:
        return {}, 0.0
    times = zip(videos.duration, videos.picture_start)
    return dict(zip(videos.video_id, times)), (out / "dataset.toml").stat().st_mtime


def times_of(path):
    """`((seconds that the picture lasts, seconds until it begins), "")`, or `(None, why not)`."""
    from data.video.decode import probe

    try:
        facts = probe(path)
        return (round(facts.duration, 3), round(facts.start, 3)), ""
    except StudyError as error:
        return None, str(error)


def late_by(path):
    """Seconds after which the picture begins, by the header; 0 where it cannot be read."""
    from data.video.decode import declared_start

    try:
        return declared_start(path)
    except StudyError:
        return 0.0


def place(files, out):
    """The folder in which each video bears its id: the user's own, or one of links to it."""
    folders = {path.parent for path in files.values()}
    if len(folders) == 1 and all(path.stem == i for i, path in files.items()):
        return folders.pop().resolve()
    links = out / "videos"
    links.mkdir(parents=True, exist_ok=True)
    for link in links.iterdir():
        link.unlink()
    for video_id, path in files.items():
        os.symlink(path.resolve(), links / f"{video_id}{path.suffix}")
    return "videos"


def say(text):
    """Tell the user; stdout is kept for the path."""
    print(text.encode(errors="backslashreplace").decode(), file=sys.stderr)
