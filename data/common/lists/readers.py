"""The official lists of UCF101, HMDB-51 and Charades, read into one form and checked line by line.

Each reader takes the folder of the unpacked lists, or one above it, and returns a `Listing`. What
it mends it counts in `notes`; what it cannot mend it refuses with the file and the line.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from data.common.lists.lines import REMEDY, file, lines, member, seconds
from tfe.errors import StudyError
from data.files import reading
from data.files.dataset import within

HMDB51_FPS = 30  # every clip of HMDB-51 was brought to this rate; its TSN lists give frames
UCF101 = "UCF101TrainTestSplits-RecognitionTask.zip (www.crcv.ucf.edu)"
HMDB51 = "test_train_splits.rar (serre-lab.clps.brown.edu), or TSN's lists,"
CHARADES = "Charades.zip (prior.allenai.org/projects/charades)"


@dataclass(frozen=True)
class Listing:
    """What the official lists of a dataset say.

    `videos` has the columns `video_id, split` (train or test), `labels` (class names joined by
    `;`), `member` (the file as the official archive names it), `group` (videos of one group are
    alike, and must not cross splits) and, where the lists tell, `duration` in seconds; Charades'
    has `scene` too. `segments` has `video_id, label, start, end` in seconds, or is None. `notes`
    says what was met and what was done: `{sentence: how often}`.
    """

    name: str
    classes: list
    videos: pd.DataFrame = field(repr=False)
    segments: pd.DataFrame | None = field(repr=False)
    notes: dict


def ucf101(folder, split=1):
    """Read `classInd.txt`, `trainlist0N.txt` and `testlist0N.txt` of split N, 1 to 3."""
    _check(split)
    classes = []
    for where, line in lines(file(folder, "classInd.txt", UCF101)):
        number, _, name = line.partition(" ")
        if number != str(len(classes) + 1) or not name or name in classes:
            raise StudyError(f"{where}: {line!r} is not class {len(classes) + 1} and its name: "
                             f"{REMEDY}")
        classes.append(name)
    # The folder HandstandPushups holds v_HandStandPushups_*: a class is told by its folder.
    number = {name.casefold(): n for n, name in enumerate(classes, start=1)}
    rows = []
    for part in ("train", "test"):
        for where, line in lines(file(folder, f"{part}list{split:02d}.txt", UCF101)):
            path, _, given = line.partition(" ")
            home, video_id = member(where, path)
            own = number.get(home.casefold())
            group = re.fullmatch(r"v_(.+_g\d+)_c\d+", video_id)
            if own is None or given not in ("", str(own)) or not group:
                raise StudyError(f"{where}: {line!r} is no clip with its number: {REMEDY}")
            rows.append((video_id, part, classes[own - 1], path, group[1]))
    return Listing("ucf101", classes, _table("ucf101", rows), None, {})


def hmdb51(folder, split=1):
    """Read split N, 1 to 3: official `CLASS_test_splitN.txt`, or TSN's `*_rgb_split_N.txt`.

    Class names are those of the archive's folders, such as `brush_hair`.
    """
    _check(split)
    official = sorted(path for path in Path(folder).rglob(f"*_test_split{split}.txt")
                      if not path.name.startswith("."))
    clips, notes = _tagged(official, split) if official else (_counted(folder, split), {})
    rows = []
    for where, part, label, video_id, *duration in clips:
        # SOURCE_CLASS_attributes_number: within a class, clips of one source film are alike.
        source, of_class, _ = video_id.rpartition(f"_{label}_")
        if not of_class:
            raise StudyError(f"{where}: {video_id!r} does not bear its class {label!r}: {REMEDY}")
        rows.append((video_id, part, label, f"{label}/{video_id}.avi", f"{label}/{source}",
                     *duration))
    return Listing("hmdb51", sorted({label for _, _, label, *_ in rows}),
                   _table("hmdb51", rows, "duration"), None, notes)


def charades(folder, _=1):
    """Read `Charades_v1_{train,test}.csv` and `Charades_v1_classes.txt`; there is one split.

    Intervals are cut to their videos; a label stays, for it is what the video is scored by.
    """
    names = {}
    for where, line in lines(file(folder, "Charades_v1_classes.txt", CHARADES)):
        code, _, name = line.partition(" ")
        if not re.fullmatch(r"c\d{3}", code) or code in names or not name or ";" in name:
            raise StudyError(f"{where}: {line!r} is not a new class such as 'c012 A': {REMEDY}")
        names[code] = name
    rows, events = [], []
    for part in ("train", "test"):
        path = file(folder, f"Charades_v1_{part}.csv", CHARADES)
        table = reading.table(path, ("id", "subject", "scene", "actions", "length"))
        for number, row in enumerate(table.itertuples(index=False), start=1):
            where = f"{path} video {number}"
            if not re.fullmatch(r"[0-9A-Za-z]+", row.id):  # it becomes the name of a file
                raise StudyError(f"{where}: id is {row.id!r}: {REMEDY}")
            own = [_event(where, text, names) for text in row.actions.split(";") if text.strip()]
            labels = ";".join(dict.fromkeys(label for label, _, _ in own))
            rows.append((row.id, part, labels, f"{row.id}.mp4", row.subject,
                         seconds(where, row.length, least=0.01), row.scene))
            events += [(row.id, *event) for event in own]
    videos = _table("charades", rows, "duration", "scene")
    segments = pd.DataFrame(events, columns=["video_id", "label", "start", "end"])
    test = segments.video_id.isin(set(videos.video_id[videos.split == "test"]))
    notes = {"train intervals": int((~test).sum()), "test intervals": int(test.sum())}
    segments, cut = within(segments, videos)
    notes |= cut
    empty = videos[videos.labels == ""].split
    notes |= {f"{part} videos without an action: kept, without a label": int((empty == part).sum())
              for part in ("train", "test")}
    return Listing("charades", list(names.values()), videos, segments, notes)


READERS = {"ucf101": ucf101, "hmdb51": hmdb51, "charades": charades}


def _tagged(paths, split):
    """HMDB-51's own form: a file a class, `NAME.avi TAG`; 1 is train, 2 test, 0 neither."""
    clips, unused = [], 0
    for path in paths:
        label = path.name.removesuffix(f"_test_split{split}.txt")
        for where, line in lines(path):
            name, _, tag = line.rpartition(" ")
            if tag not in ("0", "1", "2"):
                raise StudyError(f"{where}: {line!r} does not end in 0, 1 or 2: {REMEDY}")
            _, video_id = member(where, f"{label}/{name.strip()}")
            if tag == "0":
                unused += 1
            else:
                clips.append((where, ("train", "test")[int(tag) - 1], label, video_id))
    return clips, {"clips in neither train nor test of this split: left out": unused}


def _counted(folder, split):
    """The form of TSN's lists: `CLASS/NAME FRAMES NUMBER`, a file for train and one for val."""
    number = {}
    for part, name in (("train", "train"), ("test", "val")):
        for where, line in lines(file(folder, f"{name}_rgb_split_{split}.txt", HMDB51)):
            path, frames, given = (line.rsplit(maxsplit=2) + ["", ""])[:3]
            label, video_id = member(where, path)
            if not frames.isdigit() or number.setdefault(label, given) != given:
                raise StudyError(f"{where}: {line!r} is not a path, a number of frames and the "
                                 "number of the class: take both lists from one place")
            yield where, part, label, video_id, int(frames) / HMDB51_FPS


def _event(where, text, names):
    """An action of Charades, `c092 11.90 21.20`: its label, start and end."""
    code, *times = text.split()
    if code not in names or len(times) != 2:
        raise StudyError(f"{where}: {text!r} is not a known class, a start and an end: {REMEDY}")
    return names[code], *(seconds(where, time) for time in times)


def _table(name, rows, *more):
    """The `videos` of a listing; an id that is listed twice is refused."""
    if not rows:
        raise StudyError(f"{name}: the lists name no video: {REMEDY}")
    columns = ["video_id", "split", "labels", "member", "group", *more]
    table = pd.DataFrame(rows, columns=columns[:len(rows[0])])
    if (twice := table.video_id.duplicated()).any():
        video_id = table.video_id[twice].iloc[0]
        splits = " and ".join(table.split[table.video_id == video_id])
        raise StudyError(f"{name}: {video_id!r} is listed twice, in {splits}: {REMEDY}")
    return table


def _check(split):
    if split not in (1, 2, 3):
        raise StudyError(f"split is {split!r}: use 1, 2 or 3")
