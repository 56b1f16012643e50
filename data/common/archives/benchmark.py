"""From official archives, or from what lies in a folder, to a dataset folder: the way of all three.

First the lists are had and read, then the videos of which they speak, then the tables are written,
`dataset.toml` last.
"""

import hashlib
from pathlib import Path

import pandas as pd

from data.common import command
from data.common.archives import acquire, download, rar
from data.common.lists.census import look
from data.files import adopt
from data.files.dataset import TASKS
from data.files.paths import DATA, alone
from tfe.errors import StudyError

ARCHIVES = DATA / "archives"


def main(benchmark, text, arguments=None):
    """Make the dataset folder that the arguments describe, or bring it up to date."""
    options = parser(benchmark, text).parse_args(arguments)
    split = getattr(options, "split", 1)
    out = options.out or folder_of(benchmark.name, split)
    if options.given is not None and not options.given.is_dir():
        raise StudyError(f"{options.given} is not a folder: give --from the folder that holds the "
                         "archives, or the unpacked lists and videos")
    page, lists, videos = download.sources(benchmark.name, options.sources)
    work = acquire.Work(benchmark, out, options.given, options.archives / benchmark.name, page)
    if work.choose(videos).name.endswith(".rar") and not work.given:
        rar.reader()  # its absence is told before gigabytes are fetched
    with alone(out):
        make(work, lists, videos, split, options.val)


def make(work, lists, videos, split, val):
    """Lists, videos, tables: each step finds what an earlier call did."""
    listing = acquire.listing(work, lists, split)
    for sentence, count in listing.notes.items():
        print(f"{work.benchmark.name}: {count} {sentence}")
    if val:
        listing.videos.loc[held_out(listing.videos), "split"] = "val"
    acquire.videos(work, videos, listing.videos, adopt.absent(work.out),
                   folder_of(work.benchmark.name) / "videos")
    tables(work, listing, split)


def parser(benchmark, text):
    """The command line of a benchmark's script."""
    several = benchmark.splits > 1
    p = command.parser(benchmark.name, text,
                       f"data/{benchmark.name}" + ", or data/NAME-splitN" * several)
    p.add_argument("--from", dest="given", type=command.folder, metavar="DIR",
                   help="take archives, or unpacked lists and videos, from DIR; download nothing")
    if several:
        p.add_argument("--split", type=int, default=1, choices=range(1, benchmark.splits + 1),
                       help="the official split (default 1: it has the sizes that the paper prints)")
    p.add_argument("--val", action="store_true", help="set an eighth of train apart as val, by whole "
                   "groups, to choose settings on (default: all of train is trained on)")
    p.add_argument("--archives", type=Path, default=ARCHIVES, metavar="DIR",
                   help="where downloads are kept (default: data/archives)")
    p.add_argument("--sources", type=Path, metavar="FILE",
                   help="addresses and hashes of your own, as in data/common/archives/sources.toml")
    return p


def folder_of(name, split=1):
    """The usual folder of a benchmark's split."""
    return DATA / (name if split == 1 else f"{name}-split{split}")


def held_out(videos):
    """Which training videos are val where one is wanted: an eighth of the groups, or about.

    By the SHA-256 of the group's name alone, so that no person and no film is in both, and the
    choice depends on nothing else.
    """
    chosen = videos.group.map(lambda name: hashlib.sha256(name.encode()).digest()[0] < 0x20)
    return chosen & (videos.split == "train")


def tables(work, listing, split):
    """Write the tables of what is there, and left_out.csv of what is not."""
    files = {path.stem: path for path in sorted((work.out / "videos").glob("*"))
             if not adopt.unfit(path)}
    videos = listing.videos.assign(duration=listing.videos.get("duration", pd.Series(dtype=str)))
    columns = ["video_id", "split", "duration", "labels", *(["scene"] if "scene" in videos else [])]
    adopt.write(adopt.Source(work.out, videos.fillna("").astype(str)[columns],
                             listing.segments, files), work.out, {
        "name": work.out.resolve().name, "task": work.benchmark.task,
        "metric": TASKS[work.benchmark.task], "classes": listing.classes, "source": work.page,
        "licence": work.benchmark.licence,
        **({"official_split": split} if work.benchmark.splits > 1 else {})}, length)


def length(path):
    """How long a picture lasts and when it begins, `((seconds, seconds), "")`; else `(None, reason)`.

    By the header's word the picture begins at once. Where the header is silent, the video is decoded.
    """
    declared, reason = look(path)
    if declared or reason:
        return declared and (round(declared, 3), 0.0), reason
    return adopt.times_of(path)
