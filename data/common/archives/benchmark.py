"""From official archives, or from what lies in a folder, to a dataset folder: the way of all three.

First the lists are had and read, then the videos of which they speak, then the tables are written,
`dataset.toml` last.
"""

import argparse
import hashlib
from pathlib import Path

import pandas as pd

from data.common.archives import acquire, download, rar
from data.files import adopt
from data.common.lists.census import look
from data.common import pool
from tfe.errors import StudyError
from data.files.paths import DATA, alone, write_text
from data.files.store import SUFFIXES, TASKS, open_dataset, read_table, write_dataset

ARCHIVES = DATA / "archives"
ABSENT = "not in the archive"


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
    gone = [i for i, reason in _absent(work.out).items() if reason == ABSENT]
    missing = acquire.videos(work, videos, listing.videos, gone,
                             folder_of(work.benchmark.name) / "videos")
    tables(work, listing, missing, split)


def parser(benchmark, text):
    """The command line of a benchmark's script."""
    several = benchmark.splits > 1
    p = argparse.ArgumentParser(prog=f"python data/{benchmark.name}.py", description=text,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--from", dest="given", type=lambda name: Path(name).expanduser(), metavar="DIR",
                   help="take archives, or unpacked lists and videos, from DIR; download nothing")
    p.add_argument("--out", type=Path, metavar="DIR", help="the dataset folder to make (default: "
                   f"data/{benchmark.name}" + ", or data/NAME-splitN" * several + ")")
    if several:
        p.add_argument("--split", type=int, default=1, choices=range(1, benchmark.splits + 1),
                       help="the official split (default 1: it has the sizes that the paper prints)")
    p.add_argument("--val", action="store_true", help="set an eighth of train apart as val, by whole "
                   "groups, to choose settings on (default: all of train is trained on)")
    p.add_argument("--archives", type=Path, default=ARCHIVES, metavar="DIR",
                   help="where downloads are kept (default: data/archives)")
    p.add_argument("--sources", type=Path, metavar="FILE",
                   help="addresses and hashes of your own, in the form of data/common/sources.toml")
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


def tables(work, listing, missing, split):
    """Write the tables of what is there, and absent.csv of what is not."""
    out, videos = work.out, listing.videos
    reasons = dict.fromkeys(sorted(missing), ABSENT)
    if "duration" not in videos:
        seconds = _seconds(out, set(videos.video_id) - missing)
        reasons |= {i: reason for i, (_, reason) in sorted(seconds.items()) if reason}
        videos = videos.assign(duration=[seconds.get(i, (None,))[0] for i in videos.video_id])
    kept = videos[~videos.video_id.isin(list(reasons))]
    if kept.empty:
        raise StudyError(f"{out / 'videos'}: none of the {len(videos)} videos can be read; the first: "
                         f"{next(iter(reasons.values()))}")
    _write_absent(out, videos, reasons)
    segments = listing.segments
    if segments is not None:
        segments = segments[segments.video_id.isin(set(kept.video_id))]
    task = work.benchmark.task
    columns = ["video_id", "split", "duration", "labels", *(["scene"] if "scene" in kept else [])]
    write_dataset(out, {
        "name": out.resolve().name, "task": task, "metric": TASKS[task], "classes": listing.classes,
        "source": work.page, "licence": work.benchmark.licence, "synthetic": False,
        **({"official_split": split} if work.benchmark.splits > 1 else {})}, kept[columns], segments)
    open_dataset(out)
    counts = kept.split.value_counts(sort=False).items()
    print(f"{out}: {len(kept)} videos (" + ", ".join(f"{n} {name}" for name, n in counts) + ")"
          + (f"; {len(reasons)} that are listed are not there: see {out / 'absent.csv'}"
             if reasons else ""))


def _absent(out):
    """What an earlier call could not have: `{video_id: reason}`."""
    path = out / "absent.csv"
    if not path.is_file():
        return {}
    table = read_table(path, ("video_id", "split", "reason"))
    return dict(zip(table.video_id, table.reason))


def _write_absent(out, videos, reasons):
    if not reasons:
        (out / "absent.csv").unlink(missing_ok=True)
        return
    rows = videos.set_index("video_id").split
    table = pd.DataFrame([(i, rows[i], reason) for i, reason in reasons.items()],
                         columns=["video_id", "split", "reason"])
    write_text(out / "absent.csv", table.to_csv(index=False, lineterminator="\n"))


def _seconds(out, ids):
    """Lengths of the videos, `{video_id: (seconds, why there is none)}`, on every core.

    Those that an earlier call measured are not opened again.
    """
    before, made = adopt.earlier(out)
    paths = [path for path in sorted((out / "videos").glob("*"))
             if path.stem in ids and path.suffix.lower() in SUFFIXES]
    known = {p.stem: (before[p.stem][0], "") for p in paths
             if p.stem in before and p.stat().st_mtime < made}
    todo = [path for path in paths if path.stem not in known]
    looks = ((path, _length(path)) for path in todo)
    if len(todo) > adopt.FEW:
        looks = pool.each(_length, todo, "lengths", "video")
    return known | {path.stem: found for path, found in looks}


def _length(path):
    """`(seconds, "")`: as declared, else as decoded; or `(None, why it cannot be read)`."""
    declared, reason = look(path)
    if declared or reason:
        return declared and round(declared, 3), reason
    times, reason = adopt.times_of(path)
    return times and times[0], reason
