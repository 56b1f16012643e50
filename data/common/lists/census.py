"""Does a dataset hold what its official lists, and the numbers published of it, say?

Every check is a row: what was expected, what was found, and an example of what is wrong.
"""

from pathlib import Path

import pandas as pd

from data.common import pool
from data.common.lists.readers import READERS
from data.files.dataset import SUFFIXES, open_dataset
from tfe.errors import StudyError
from data.files.paths import DATA

# As the datasets' own papers and pages have them, split 1 where there are several.
PUBLISHED = {
    "ucf101": {"classes": 101, "train videos": 9537, "test videos": 3783},
    "hmdb51": {"classes": 51, "train videos": 3570, "test videos": 1530},
    "charades": {"classes": 157, "train videos": 7985, "test videos": 1863,
                 "train intervals": 49809, "test intervals": 16691},
}
SLACK = 1.0, 0.05  # a length may be off by a second or by this share before it is reported


def run(options):
    """Print the table; return 0 where everything is as expected, else 1."""
    if options.weights:
        table = weights()
    elif options.dataset:
        table = census(options.dataset, options.data, options.lists, options.workers)
    else:
        raise StudyError(f"census of what? Name a dataset ({', '.join(PUBLISHED)}) or --weights")
    print(table.drop(columns="sound").to_markdown(index=False))
    print("all as expected" if table.sound.all() else f"{(~table.sound).sum()} differ: see above")
    return 0 if table.sound.all() else 1


def census(name, folder=None, lists=None, workers=None):
    """Check the lists, the folder, or both; a row a check, `sound` where it is as expected.

    Raises StudyError where neither is there.
    """
    folder = Path(folder or DATA / name)
    made = (folder / "dataset.toml").is_file()
    dataset = open_dataset(folder) if made or not lists else None
    split = dataset.settings.get("official_split", 1) if dataset else 1
    listing = _listing(name, lists, split) if lists else None
    rows = list(of_lists(listing)) if listing else []
    if dataset:  # else the lists are checked alone: the folder is not yet made
        rows += of_tables(name, dataset, listing)
        rows += of_files(dataset, workers)
    table = pd.DataFrame(rows, columns=["check", "expected", "found", "example"])
    return table.assign(sound=table.expected == table.found)


def of_lists(listing):
    """The lists against the published numbers, and whether train and test are apart."""
    split, groups = listing.videos.split, listing.videos.groupby("group").split.nunique()
    found = {"classes": len(listing.classes), "train videos": int((split == "train").sum()),
             "test videos": int((split == "test").sum()), **listing.notes}
    for what, expected in PUBLISHED[listing.name].items():
        yield f"{what} in the lists", expected, found[what], ""
    yield "groups in both train and test", 0, *_faults(groups.index[groups > 1])


def of_tables(name, dataset, listing):
    """The folder's tables against the lists, else against the published numbers."""
    videos = dataset.videos.set_index("video_id")
    split = videos.split.replace("val", "train")  # val is carved out of train
    if listing is None:
        found = {"classes": len(dataset.classes), "train videos": int((split == "train").sum()),
                 "test videos": int((split == "test").sum())}
        for what, count in found.items():
            if name in PUBLISHED:
                yield f"{what} in the folder", PUBLISHED[name][what], count, ""
        return
    listed = listing.videos.set_index("video_id")
    both = listed.index.intersection(videos.index)
    labels = listed.labels.str.split(";").map(lambda names: sorted(filter(None, names)))
    moved = split[both] != listed.split[both]
    relabelled = videos.labels[both].map(sorted) != labels[both]
    yield "listed videos that the folder lacks", 0, *_faults(listed.index.difference(videos.index))
    yield "videos that are not listed", 0, *_faults(videos.index.difference(listed.index))
    yield "videos in another split than listed", 0, *_faults(both[moved])
    yield "videos with other labels than listed", 0, *_faults(both[relabelled])


def of_files(dataset, workers=None):
    """The folder's files: all there, none too many, each decodes, lengths as in videos.csv."""
    if not dataset.files and any(dataset.folder.glob("features/*/meta.json")):
        return  # features alone: there are no videos to look at
    duration = dataset.videos.set_index("video_id").duration
    there = (dataset.folder / dataset.settings.get("videos", "videos")).glob("*")
    surplus = {p.stem for p in there if p.suffix.lower() in SUFFIXES} - set(duration.index)
    yield "videos without a file", 0, *_faults(duration.index.difference(list(dataset.files)))
    yield "files of no video", 0, *_faults(surplus)
    looks = pool.over_cores(look, dataset.files.values(), "decoding", "video", workers)
    seconds, reasons = {}, {}
    for path, (declared, reason) in looks:
        (reasons if reason else seconds)[path.stem] = reason or declared
    off = [i for i, declared in seconds.items() if declared is not None
           and abs(declared - duration[i]) > max(SLACK[0], SLACK[1] * duration[i])]
    yield "files that do not decode", 0, *_faults(reasons.values())
    yield "files that last otherwise than videos.csv says", 0, *_faults(off)


def look(path):
    """`(declared seconds or None, "")`, or `(None, why no frame can be decoded)`."""
    from data.video.decode import glance  # here, because PyAV would slow every --help

    try:
        return glance(path), ""
    except StudyError as error:
        return None, str(error)


def weights():
    """Which weights are here: a row a file, `sound` unless it is another file than expected.

    An encoder's package is expected to be installed; published weights are a user's to bring.
    """
    from data.encoders import recipes
    from data.encoders import weights as published

    rows = []
    for recipe in recipes.ENCODERS.values():
        if recipe.package is None:
            continue
        try:
            recipes.read_weights(recipe)
            state = "present"
        except StudyError as error:
            state = str(error)
        rows.append((recipe.file, f"the package {recipe.package}", recipe.sha256[:14], state,
                     state == "present"))
    rows += [(*row, row[-1] != "wrong hash") for row in published.census()]
    return pd.DataFrame(rows, columns=["file", "source", "sha256", "state", "sound"])


def _listing(name, lists, split):
    if name not in READERS:
        raise StudyError(f"{name!r} has no official lists: use one of {', '.join(READERS)}, or "
                         "leave --lists out")
    return READERS[name](lists, split)


def _faults(wrong):
    """How many there are, and the first of them."""
    wrong = sorted(wrong)
    return len(wrong), wrong[0] if wrong else ""
