"""Make `msrc12`: windows of 8 seconds of body joints with 12 gestures, tested on other people.

  python -m data msrc12 --from DIR        writes data/msrc12/

DIR holds the official data/ (P1_1_1A_p01.csv with its .tagstream, and so on): features `joints` are
made here (`joints.described`). Or it is a dataset folder with features `body-stats` of such windows,
which is taken over as it is. Both have the windows of 240 lines, 30 a second, from the first line in
which the body is seen, that hold at least one action point.

People of odd number train (1, 11 and 21 are val), those of even number are the test. A recording
shows one gesture, again and again, so that a window has one label. The truth is a point, the moment
at which the gesture is recognised. Intervals are the point +- .333 s, a part of the gesture only:
fidelity measured against them is too low.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from einops import rearrange, reduce

from data.common.recordings import sources
from data.common.recordings.joints import described
from data.files.dataset import open_dataset, write_dataset
from data.files.store import open_features, write_features
from tfe.errors import StudyError

GESTURES = ("lift outstretched arms", "duck", "push right", "goggles", "wind it up", "shoot", "bow",
            "throw", "had enough", "change weapon", "beat both", "kick")
VAL = (1, 11, 21)
LINES, FPS, SEGMENTS, REACH = 240, 30, 16, 10  # an interval reaches so many lines to either side
TICK = 1000 / 49875  # microseconds of a tick of the tags' clock, by the official load_tagstream.m
PERSON = re.compile(r"P\d_\d_\d+A?_p(\d\d)")


def main(arguments=None):
    """Make the dataset that the arguments describe, or say what is missing."""
    options = sources.parser("msrc12", __doc__).parse_args(arguments)
    folder = sources.found("msrc12", options.folder)
    given = (folder / "dataset.toml").is_file()
    videos, segments, x, meta = taken_over(folder) if given else cut(folder)
    person = videos.video_id.map(lambda name: int(PERSON.search(name)[1]))
    videos = videos.assign(group=person.map("p{:02d}".format), split=person.map(split))
    store = options.out / "features" / meta["encoder"]
    write_features(store, list(videos.video_id), x, meta)
    write_dataset(options.out, {
        "name": "msrc12", "task": "singlelabel", "metric": "accuracy", "classes": list(GESTURES),
        "source": "MSRC-12 Kinect gesture data set (Fothergill et al. 2012)", "synthetic": False,
        "licence": "Microsoft Research, non-commercial"}, videos, segments)
    print(f"{options.out}: {len(videos)} windows of {person.nunique()} people, {len(segments)} "
          f"intervals, features {meta['encoder']}")


def split(person):
    """The split of a person, by number."""
    return "val" if person in VAL else "train" if person % 2 else "test"


def taken_over(folder):
    """Tables, features and their meta of a dataset folder that somebody made of the recordings."""
    dataset = open_dataset(folder)
    features = open_features(dataset, "body-stats")
    strange = [name for name in dataset.videos.video_id if not PERSON.search(name)]
    if strange or dataset.classes != list(GESTURES):
        raise StudyError(f"{folder} is not msrc12: its classes or {strange[:1]} differ: give "
                         "another folder")
    videos = dataset.videos.assign(labels=dataset.videos.labels.str.join(";"))
    videos = videos.set_index("video_id").loc[features.video_ids].reset_index()
    meta = {key: value for key, value in features.meta.items() if key != "sha256"}
    return videos.drop(columns="picture_start"), dataset.segments, features.x, meta


def cut(folder):
    """Tables, features and their meta of the official files; without tags there is no window."""
    videos, segments, x = [], [], []
    for path in sorted(folder.rglob("P*.csv")):
        tags = path.with_suffix(".tagstream")
        if PERSON.fullmatch(path.stem) and tags.is_file():
            steps, label, points = recording(path, tags)
            for start in range(0, len(steps) - LINES + 1, LINES):
                own = [p - start for p in points if start <= p < start + LINES]
                if own:
                    name = f"{path.stem}_{start:05d}"
                    videos.append((name, LINES / FPS, label))
                    segments += [(name, label, round(max(p - REACH, 0) / FPS, 3),
                                  round(min(p + REACH, LINES) / FPS, 3)) for p in own]
                    x.append(reduce(steps[start:start + LINES], "(t n) d -> t d", "mean",
                                    t=SEGMENTS))
    if not videos:
        raise StudyError(f"{folder} holds no P*.csv with its .tagstream: get "
                         f"{sources.SOURCES['msrc12']}")
    return (pd.DataFrame(videos, columns=["video_id", "duration", "labels"]),
            pd.DataFrame(segments, columns=["video_id", "label", "start", "end"]), np.stack(x),
            {"encoder": "joints", "origin": "msrc12", "T": SEGMENTS, "d": x[0].shape[1],
             "sampling": f"means of {LINES // SEGMENTS} lines"})


def recording(path, tags):
    """Features a line from the first with a body, the gesture, and the lines of its points.

    No line where the body is never seen; no point where there is no tag.
    """
    try:
        table = np.loadtxt(path, ndmin=2)
        ticks, names = zip(*(line.split(";") for line in ["0;G1 ", *Path(tags).read_text(
            encoding="utf-8").split("\n")[1:]] if line.strip()))
        label = GESTURES[int(re.match(r"G(\d+) ", names[-1])[1]) - 1]
        joints = rearrange(table[:, 1:], "f (j four) -> f j four", j=20, four=4)[..., :3]
    except (ValueError, TypeError, IndexError):
        raise StudyError(f"{path} or its .tagstream is not a time and 80 numbers a line, and a "
                         "tick;gesture: copy them again") from None
    seen = joints.any(axis=(1, 2))
    first = int(seen.argmax()) if seen.any() else len(seen)
    at = np.abs(table[:, :1] - np.array(ticks[1:], float) * TICK).argmin(axis=0)
    return described(joints[first:]), label, at - first
