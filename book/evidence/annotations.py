"""What is in each benchmark, in counts: from the official lists to results/annotations.csv.

Aggregates alone, because Charades' licence forbids to pass its lists on. In a row of train or
test, `value` counts what has the `quantity` that `at` says:

    quantity                at                             value
    labels a video          number of labels               videos
    videos a class          the class's rank by size       videos
    videos a group          size of the group              groups
    seconds                 lower edge of a 2 s bin        videos
    share filled            lower edge of a bin of .05     (video, action) pairs
    segments that show it   number, of T = 16              (video, action) pairs
    actions in a segment    number of actions shown        segments
    closest company         lower edge of a bin of .1      classes a, by max_b P(b | a)

A row of `all` is a fact; `paper` is what section 4.1 of the paper prints for it.
"""

from pathlib import Path

import numpy as np

from data import planted, planted_short
from data.common.generators import storyboard
from data.common.lists.readers import Listing, READERS
from data.common.lists.tubes import ucf101_24
from data.files.dataset import Dataset
from tfe.errors import StudyError

SEGMENTS = 16
COLUMNS = ["dataset", "split", "quantity", "at", "value", "paper"]
PRINTED = {  # section 4.1 of the paper
    "ucf101": {"classes": 101, "videos": 13320, "train videos": 9537, "test videos": 3783,
               "groups a class": 25, "smallest group": 4, "largest group": 7},
    "ucf101-24": {"shortest (s)": 4, "longest (s)": 7, "mean length (s)": 5},
    "hmdb51": {"classes": 51, "videos": 5100, "videos in any of the three splits": 5100,
               "train videos": 3570, "test videos": 1530,
               "shortest (s)": 4, "longest (s)": 22, "mean length (s)": 7},
    "charades": {"classes": 157, "videos": 9848, "train videos": 7985, "test videos": 1863,
                 "intervals": 66500,
                 "shortest (s)": 2, "longest (s)": 187, "mean length (s)": 29},
}


def aggregates(listing):
    """The rows of one dataset; see the module's text for what they count."""
    videos, splits = as_dataset(listing).videos, ["train", "test"]
    for split in splits:
        ids = list(videos.video_id[videos.split == split])
        for quantity, counts in distributions(listing, ids):
            yield from ((listing.name, split, quantity, at, int(n), np.nan)
                        for at, n in counts.items() if n)
    printed = PRINTED.get(listing.name, {})
    yield from ((listing.name, "all", name, np.nan, round(float(value), 3), printed.get(name))
                for name, value in facts(listing).items())


def distributions(listing, ids):
    """Yield `(quantity, {at: count})` of the videos `ids`."""
    dataset = as_dataset(listing)
    own = listing.videos.set_index("video_id").loc[ids]
    targets = dataset.targets(ids).astype(bool)  # (N, C)
    yield "labels a video", histogram(targets.sum(axis=1))
    yield "videos a class", dict(enumerate(np.sort(targets.sum(axis=0))[::-1], start=1))
    yield "videos a group", histogram(own.groupby("group").size()) if "group" in own else {}
    yield "seconds", histogram(own.duration, width=2) if "duration" in own else {}
    if targets.sum(axis=1).max() > 1:
        yield "closest company", histogram(closest_company(targets), width=0.1)
    if listing.segments is not None:
        truth = dataset.truth(ids, SEGMENTS)  # (N, C, T)
        here = listing.segments[listing.segments.video_id.isin(set(ids))]
        yield "share filled", histogram(np.minimum(filled(here, own.duration), 0.999), width=0.05)
        yield "segments that show it", histogram(truth.sum(axis=2)[targets])
        yield "actions in a segment", histogram(truth.sum(axis=1).ravel())


def histogram(values, width=1):
    """How many of `values` lie in each bin `[k width, (k + 1) width)`: `{lower edge: count}`."""
    bins, counts = np.unique(np.floor(np.asarray(values) / width + 1e-9), return_counts=True)
    return {round(b * width, 6): n for b, n in zip(bins, counts)}


def filled(segments, duration):
    """The share of its video that each action fills, its intervals united: one number a pair.

    segments: `video_id, label, start, end`; duration: seconds by video_id.
    """
    ordered = segments.sort_values(["video_id", "label", "start"])
    pair = [ordered.video_id, ordered.label]
    # What an interval adds begins where all earlier ones of its pair have ended.
    reached = ordered.groupby(["video_id", "label"]).end.cummax().groupby(pair).shift(fill_value=0)
    added = (ordered.end - np.maximum(ordered.start, reached)).clip(lower=0)
    seconds = added.groupby(pair).sum()
    return seconds / duration[seconds.index.get_level_values(0)].to_numpy()


def closest_company(targets):
    """For each class a that occurs, the largest P(b | a) over the other classes b.

    targets: `(N, C)` bool -> `(C',)`.
    """
    together = targets.T.astype(int) @ targets
    size = np.diag(together).copy()
    np.fill_diagonal(together, 0)
    return together.max(axis=1)[size > 0] / size[size > 0]


def facts(listing):
    """Single numbers, among them those that section 4.1 of the paper prints: `{name: value}`."""
    videos, split = listing.videos, listing.videos.split
    found = {"classes": len(listing.classes), "videos": len(videos),
             "train videos": (split == "train").sum(), "test videos": (split == "test").sum()}
    if listing.name == "ucf101":
        sizes = videos.groupby("group").size()
        found |= {"groups a class": videos.groupby("labels").group.nunique().max(),
                  "smallest group": sizes.min(), "largest group": sizes.max()}
    if "duration" in videos:
        found |= {"shortest (s)": videos.duration.min(), "longest (s)": videos.duration.max(),
                  "mean length (s)": videos.duration.mean()}
    if listing.segments is not None:
        listed = [n for note, n in listing.notes.items() if note.endswith(" intervals")]
        found["intervals"] = sum(listed) or len(listing.segments)
    return found | {note: n for note, n in listing.notes.items() if ":" in note}


def as_dataset(listing):
    """The listing as a dataset folder would hold it, so that labels and truth are computed once."""
    labels = [[name for name in cell.split(";") if name] for cell in listing.videos.labels]
    return Dataset(Path(), listing.name, "multilabel", listing.classes, False,
                   listing.videos.assign(labels=labels, picture_start=0.0), listing.segments, {})


def planted_listing(name, arguments):
    """A planted set as the generator's default arguments make it; synthetic."""
    options = planted.parser().parse_args(arguments)
    stories = [storyboard.storyboard(split, number, options.seed, options.rho, options.share,
                                     options.actions)
               for split in ("train", "test") for number in range(getattr(options, split))]
    videos, segments = planted.tables(stories)
    return Listing(name, list(storyboard.ACTIONS), videos, segments, {})


def listings(folder):
    """Yield what there is to count: the planted sets, and what lies in `folder`, if it is given."""
    yield planted_listing("planted", [])
    yield planted_listing("planted-short", planted_short.DEFAULTS)
    readers = READERS | {"ucf101_24": ucf101_24}
    there = [name for name in readers if folder and (folder / name).is_dir()]
    if folder and not there:
        raise StudyError(f"{folder} holds none of {', '.join(readers)}: give the folder in which "
                         "the folders of the unpacked official lists lie")
    for name in there:
        yield readers[name](folder / name)

