"""From tables and files in somebody's folder to a dataset folder that refers to them.

What is in the folder is kept, or left out and listed with its reason; nothing vanishes. The first file
that is written is `adopted.json`, the last `dataset.toml`: a folder with the first is ours, and what a
killed command left half done in it is replaced by the next.
"""

import hashlib
import json
import os
import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from data.common.pool import over_cores
from data.files import reading
from data.files.dataset import SUFFIXES, TASKS, checked, names_in, write_dataset
from data.files.paths import UNFINISHED, sha256, write_rows, write_text
from data.files.reading import SHOWN, nfc
from tfe.errors import StudyError

MARK, MEASURED, LEFT_OUT = "adopted.json", "measured.csv", "left_out.csv"
ABSENT = "no file of that name"
COLUMNS = ("sha256", "duration", "picture_start")  # of MEASURED
TABLES = ("videos.csv", "segments.csv")
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm")
UNKNOWN = "1e9"  # seconds: stands for a duration that is not known yet, so that tables can be checked
LATE = 0.05  # seconds: a picture that begins later is measured, whatever duration is given
FEW = 8  # videos up to this number are measured before new processes would have started


@dataclass(frozen=True)
class Source:
    """What was found: tables as text (a duration may be empty), the file of each id, and what of the
    folder is left out, `{name: reason}`."""

    folder: Path
    videos: pd.DataFrame
    segments: pd.DataFrame | None
    files: dict
    left_out: dict = field(default_factory=dict)


def unfit(path):
    """Why a file is not taken for a video; "" where it is."""
    if path.is_symlink() and not path.exists():
        return "a link that leads nowhere"
    if path.name.startswith("."):
        return "a hidden file"
    if path.suffix.lower() not in SUFFIXES:
        return f"its ending {path.suffix!r} is none of a video"
    if re.search(r"[\r\n]", path.name):
        return "its name holds a line break: rename it"
    if path.name.encode(errors="ignore").decode() != path.name:
        return "its name is no UTF-8: rename it"
    return "" if path.is_file() else "it is no file"


def files_below(folder):
    """Every file below a folder, but for what a killed writer left."""
    return sorted(path for path in folder.rglob("*") if UNFINISHED not in str(path)
                  and (path.is_symlink() or not path.is_dir()))


def no_video(folder, remedy):
    """The StudyError for a folder without videos: frames as pictures have their own remedy."""
    frames = [path for path in files_below(folder) if path.suffix.lower() in PICTURES]
    if not frames:
        return StudyError(f"{folder} holds no video: {remedy}")
    first = frames[0].parent
    return StudyError(f"{folder} holds no video but {len(frames)} pictures, such as {frames[0]}: make "
                      "each folder of frames a video, as with `ffmpeg -framerate 25 "
                      f"-pattern_type glob -i '{first}/*{frames[0].suffix}' {first}.mp4`")


def ours(out, folder):
    """Whether `out` is free, or an adoption of `folder`, however much of it an earlier call did."""
    if not out.exists() or (out.is_dir() and all(UNFINISHED in p.name for p in out.iterdir())):
        return True
    return made_from(out) == str(folder.resolve())


def made_from(out):
    """The folder that `out` was adopted from; None where it is something else."""
    for name, read in ((MARK, reading.json_object), ("dataset.toml", reading.toml)):
        try:
            return read(out / name).get("source")
        except (OSError, StudyError):
            pass
    return None


def refuse_foreign(out, folder):
    """Raise StudyError where `out` holds anything but an earlier adoption of `folder`."""
    if not ours(out, folder):
        raise StudyError(f"{out} holds something else ({made_from(out) or 'not a dataset'}): "
                         "choose another --name or --out")


def from_tables(folder):
    """Read videos.csv and segments.csv of `folder`, and find the videos beside them and in videos/."""
    path = folder / "videos.csv"
    videos = reading.table(path, ("video_id", "split", "labels"))
    if "duration" not in videos.columns:
        videos.insert(2, "duration", "")
    segments = None
    if (folder / "segments.csv").is_file():
        segments = reading.table(folder / "segments.csv", ("video_id", "label", "start", "end"))
    listed, files, left_out = set(videos.video_id), {}, {}
    there = [p for p in files_below(folder) if p.parent != folder or p.name not in TABLES]
    for found in there:
        video_id, reason = nfc(found.stem), unfit(found)
        if not reason and found.parent not in (folder, folder / "videos"):
            reason = f"neither beside videos.csv nor in {folder / 'videos'}"
        if reason or video_id not in listed:
            left_out[str(found.relative_to(folder))] = reason or "not in videos.csv"
        elif video_id in files:
            raise StudyError(f"{found} and {files[video_id]} are both {video_id!r}: remove one")
        else:
            files[video_id] = found
    if not any(not unfit(p) for p in there):
        raise no_video(folder, f"put the videos beside videos.csv or into {folder / 'videos'}; for "
                               "features alone, add a dataset.toml")
    if not files:
        with_ending = listed & {nfc(p.name) for p in there}
        raise StudyError(f"{path}: no video_id, such as {min(listed, default='')!r}, is the name of a "
                         f"video, such as {next(p.stem for p in there if not unfit(p))!r}: "
                         + ("write names without their endings" if with_ending else
                            "write the names of the files, without folders and endings"))
    return Source(folder, videos, segments, files, left_out)


def write(source, out, settings, times=None):
    """Write the dataset folder `out`; nothing is written where the tables are not sound.

    `settings` are keys of dataset.toml beyond those that follow from the tables; `times(path)` gives
    `((seconds that the picture lasts, seconds after which it begins), "")` or `(None, reason)`, by
    default by decoding.
    """
    videos = source.videos.assign(duration=source.videos.duration.str.strip())
    if not videos.labels.str.strip("; ").any():
        raise StudyError(f"{source.folder / 'videos.csv'} gives no video a label: fill in labels")
    settings = of_tables(source, videos) | settings
    # Before a long measurement; what it will give is not known yet.
    checked(source.folder, settings, videos.assign(duration=videos.duration.replace("", UNKNOWN)),
            source.segments)
    found, reasons, measured = measure(source, videos, out, times or times_of)
    kept = videos[~videos.video_id.isin(reasons)]
    if kept.empty:
        raise StudyError(f"{source.folder}: none of the {len(videos)} videos could be read: give "
                         f"videos that play; the first: {next(iter(reasons.values()))}")
    kept = kept.assign(duration=[found.get(i, (d,))[0]
                                 for i, d in zip(kept.video_id, kept.duration)])
    starts = [found.get(i, (0, 0.0))[1] for i in kept.video_id]
    if any(starts) and "picture_start" not in kept:
        kept = kept.assign(picture_start=starts)
    segments = source.segments
    if segments is not None:
        segments = segments[segments.video_id.isin(set(kept.video_id))]
    sound = checked(source.folder, settings, kept, segments)
    write_text(out / MARK, json.dumps({"source": settings["source"]}, ensure_ascii=False) + "\n")
    write_rows(out / MEASURED, pd.DataFrame(measured, columns=COLUMNS))
    listed = {nfc(Path(name).stem) for name in source.left_out}  # an id's file may stand there
    left_out = source.left_out | {i: why for i, why in reasons.items() if i not in listed}
    write_rows(out / LEFT_OUT, pd.DataFrame(left_out.items(), columns=("name", "reason")))
    where = place({i: source.files[i] for i in kept.video_id}, out)
    write_dataset(out, settings | where, kept, sound.segments)
    report(sound, left_out, out)


def of_tables(source, videos):
    """The keys of dataset.toml that follow from the tables."""
    labels = videos.labels.map(names_in)
    task = "singlelabel" if labels.map(len).eq(1).all() else "multilabel"
    return {"name": source.folder.resolve().name, "task": task, "metric": TASKS[task],
            "classes": sorted({name for names in labels for name in names}),
            "source": str(source.folder.resolve()), "licence": "not stated", "synthetic": False}


def measure(source, videos, out, times):
    """`({video_id: (lasts, begins)}, {video_id: why it is left out}, rows of measured.csv)`.

    Only videos without a duration are opened, and no content again that an earlier run measured (a
    date says nothing: copies keep the dates of their originals); and videos with intervals whose
    picture begins after the sound, for a given duration may be either's.
    """
    reasons = {i: ABSENT for i in videos.video_id if i not in source.files}
    cut = set() if source.segments is None or "picture_start" in videos else {
        *source.segments.video_id}
    files = {i: path for i, path in source.files.items() if i not in reasons}
    given = dict(zip(videos.video_id, videos.duration))
    todo = {path: i for i, path in files.items() if i in given and not given[i]}
    doubtful = {path: i for i, path in files.items() if i in cut and given.get(i)}
    todo |= {path: doubtful[path] for path, late in seen(late_by, doubtful) if late > LATE}
    known, hashes = earlier(out), {}
    for path, video_id in todo.items():
        try:
            hashes[path] = sha256(path)
        except OSError as error:
            reasons[video_id] = f"{path} cannot be read: {error.strerror}"
    todo = {path: todo[path] for path in hashes}
    new = {path: i for path, i in todo.items() if hashes[path] not in known}
    for path, (measured, reason) in seen(times, new):
        if reason:
            reasons[new[path]] = reason
        else:
            known[hashes[path]] = measured
    found = {i: known[hashes[path]] for path, i in todo.items() if hashes[path] in known}
    rows = {hashes[path]: (hashes[path], *known[hashes[path]])
            for path in todo if hashes[path] in known}
    return found, {i: reasons[i] for i in videos.video_id if i in reasons}, rows.values()


def seen(look, paths):
    """Yield `(path, look(path))`, on every core where there are more than a few."""
    if len(paths) <= FEW:
        return ((path, look(path)) for path in paths)
    return over_cores(look, paths, "measuring", "video")


def earlier(out):
    """What an earlier run measured: `{sha256: (lasts, begins)}` in seconds."""
    try:
        table = reading.table(out / MEASURED, COLUMNS)
        return {row.sha256: (float(row.duration), float(row.picture_start))
                for row in table.itertuples(index=False)}
    except (StudyError, ValueError):
        return {}


def absent(out):
    """The ids that an earlier run found no file of."""
    if not (out / LEFT_OUT).is_file():
        return []
    table = reading.table(out / LEFT_OUT, ("name", "reason"))
    return list(table.name[table.reason == ABSENT])


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
    """The key of dataset.toml that says where each video bears its id: in the user's own folder, or in
    one of links to it."""
    folders = {path.parent.resolve() for path in files.values()}
    links = out / "videos"
    if len(folders) == 1 and all(path.stem == i for i, path in files.items()):
        folder = folders.pop()
        return {} if folder == links.resolve() else {"videos": str(folder)}
    links.mkdir(parents=True, exist_ok=True)
    for link in filter(Path.is_symlink, links.iterdir()):
        link.unlink()
    for video_id, path in files.items():
        os.symlink(path.resolve(), links / f"{video_id}{path.suffix}")
    return {}


def fitting(name, most=200):
    """A name of at most so many bytes: longer ones are shortened, and told apart by a hash."""
    raw = name.encode()
    if len(raw) <= most:
        return name
    return f"{raw[:most - 9].decode(errors='ignore')}-{hashlib.sha256(raw).hexdigest()[:8]}"


def report(dataset, left_out, out):
    """Say what was kept, cut and left out."""
    for name, reason in list(left_out.items())[:SHOWN]:
        say(f"left out: {name}: {reason}")
    notice(dataset)
    splits = dataset.videos.split.value_counts(sort=False)
    say(f"{dataset.name}: {len(dataset.videos)} videos ("
        + ", ".join(f"{n} {s}" for s, n in splits.items())
        + f"), {len(left_out)} left out" + (f": see {out / LEFT_OUT}" if left_out else ""))


def notice(dataset):
    """Say how many intervals were cut, and which classes may be one that is written in two ways."""
    for sentence, count in dataset.notes.items():
        if count:
            say(f"{dataset.name}: {count} {sentence}")
    spellings = defaultdict(list)
    for name in dataset.classes:
        spellings[re.sub(r"[\s_-]+", " ", name).casefold()].append(name)
    for names in spellings.values():
        if len(names) > 1:
            say(f"{dataset.name}: {' and '.join(map(repr, names))} count as different classes: "
                "if they are one, write them alike")


def say(text):
    """Tell the user; stdout is kept for the path."""
    print(text.encode(errors="backslashreplace").decode(), file=sys.stderr)
