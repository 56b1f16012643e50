"""Archives, lists and videos of a benchmark: out of a folder that is given, or downloaded."""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from data.common.archives import download
from data.common.archives.extract import KINDS, plain, unpack
from data.common.lists.lines import REMEDY
from data.common.lists.readers import READERS
from tfe.errors import StudyError
from data.files import schema
from data.files.paths import sha256, write_json
from data.files.dataset import SUFFIXES

RECORD = "archives.json"  # sizes and hashes of the archives that a folder was made of


@dataclass(frozen=True)
class Benchmark:
    """What is peculiar to one benchmark.

    `lists` holds the forms of its lists, each as patterns of file names; the first form is that of
    the official archive.
    """

    name: str
    task: str
    licence: str
    lists: tuple
    splits: int  # how many official splits it has


@dataclass
class Work:
    """One call of a benchmark's script: the folders that it reads from, and the one that it writes."""

    benchmark: Benchmark
    out: Path
    given: Path | None  # the folder of --from: then nothing is downloaded
    archives: Path  # where downloads are kept
    page: str
    hashes: dict = field(default_factory=dict)  # of archives used now whose hash nobody published

    def choose(self, sources):
        """The first of `sources` that lies in a folder already, else the first."""
        return next((source for source in sources if self.find(source.name)), sources[0])

    def find(self, name):
        """The path of the file `name` in the folder of --from, or among the downloads; or None."""
        return next((p for p in sorted((self.given or self.archives).rglob(name)) if p.is_file()),
                    None)

    def archive(self, sources):
        """The path of one of `sources`, checked: out of --from, or downloaded."""
        source = self.choose(sources)
        path = self.find(source.name)
        if path:
            download.check(path, source)
        elif self.given is not None:
            names = " or ".join(each.name for each in sources)
            raise StudyError(f"{self.given} holds neither {names} nor what is in it: fetch it from "
                             f"{self.page}, or leave --from out to download it")
        else:
            print(f"fetching {source.name} ({source.large}) into {self.archives}", flush=True)
            path = download.fetch(source, self.archives)
        if not source.hash:
            self._compare(path)
        return path

    def _compare(self, path):
        """Compare an archive of unknown hash with the one that was first used here."""
        found = {"size": path.stat().st_size, "sha256": sha256(path)}
        if self._recorded().get(path.name, found) != found:
            raise StudyError(f"{path} is not the file of that name of which {self.out} was made (see "
                             f"{RECORD} there): take that one, or choose another --out")
        self.hashes[path.name] = found

    def _recorded(self):
        record = self.out / RECORD
        found = schema.read(record) if record.is_file() else {}
        schema.checked(dict[str, schema.Archive], found, record)
        return found

    def record(self):
        """Write down the hashes of what proved sound."""
        if self.hashes:
            write_json(self.out / RECORD, self._recorded() | self.hashes)


def listing(work, source, split):
    """The official lists, read; they are unpacked to `lists/` where they lie in an archive."""
    read = READERS[work.benchmark.name]
    if home := home_of_lists(work):
        return read(home, split)
    # Under another name until they were read: half of the lists would pass for all of them.
    part, form = work.out / "lists.part", work.benchmark.lists[0]

    def place(name):
        file = Path(name.rpartition("/")[2])
        wanted = any(file.match(pattern) for pattern in form) and file.name[0] != "."
        return part / file if wanted else None
    archive = work.archive([source])
    try:
        if not list(unpack(archive, place)):
            raise StudyError(f"{archive} holds no {form[0]}: fetch the archive from {work.page}")
        listed = read(part, split)
        os.replace(part, work.out / "lists")
    finally:
        shutil.rmtree(part, ignore_errors=True)
    work.record()
    return listed


def home_of_lists(work):
    """The folder, at any depth, in which the unpacked lists lie in one of their forms; or None."""
    return next((path.parent for folder in (work.given, work.out / "lists") if folder
                 for form in work.benchmark.lists
                 for path in sorted(folder.rglob(form[0])) if path.name[0] != "."
                 and all(any(path.parent.glob(each)) for each in form)), None)


def videos(work, sources, listed, known_absent=(), sibling=None):
    """Bring the listed videos into `videos/`; return the ids of those that could not be had.

    They are taken from the folder `sibling` of another split, from the folder that is given, and
    out of an archive, in this order. Those of `known_absent` are not sought again.
    """
    folder = work.out / "videos"
    wanted = {plain(video_id): video_id for video_id in listed.video_id}
    if len(wanted) < len(listed):
        raise StudyError(f"{work.benchmark.name}: listed videos differ in capitals alone: {REMEDY}")
    there = {plain(path.stem) for path in folder.glob("*") if _is_video(path)}
    missing = set(wanted) - there
    if sibling and sibling != folder:
        missing -= _adopt(sibling, folder, {name: wanted[name] for name in missing}, os.link)
    if work.given:
        missing -= _adopt(work.given, folder, {name: wanted[name] for name in missing}, os.symlink)
    sought = missing - {plain(video_id) for video_id in known_absent}
    if sought and (not work.given or work.find(work.choose(sources).name)
                   or len(missing) == len(wanted)):
        archive = work.archive(sources)
        classes = {plain(path.partition("/")[0]) for path in listed.member}
        waiting = {plain(path.partition("/")[0]) for path, video_id in zip(
            listed.member, listed.video_id) if plain(video_id) in sought}
        for path in _unpacked(archive, folder, wanted, classes - waiting):
            missing.discard(plain(path.stem))
        if len(missing) == len(wanted):
            raise StudyError(f"{archive} holds none of the {len(wanted)} listed videos: fetch the "
                             f"archive from {work.page}")
        work.record()
    return {wanted[name] for name in missing}


def _is_video(path):
    return path.suffix.lower() in SUFFIXES and path.is_file()


def _adopt(source, folder, wanted, link):
    """Link the videos below `source` that are wanted into `folder`; return their plain names."""
    found = {}
    for path in sorted(source.rglob("*")) if wanted else ():
        name = plain(path.stem)
        if name in wanted and _is_video(path):
            if name in found:
                raise StudyError(f"{path} and {found[name]} are both {wanted[name]}: remove one")
            found[name] = path
    for name, path in found.items():
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{wanted[name]}{path.suffix.lower()}"
        target.unlink(missing_ok=True)  # a link that leads nowhere any more
        try:
            link(path.resolve(), target)
        except OSError:  # no hard link leads to another disk
            os.symlink(path.resolve(), target)
    return set(found)


def _unpacked(archive, folder, wanted, done=(), nested=True):
    """Unpack the wanted videos, and yield their paths.

    Archives within the archive are unpacked, too, one after another, but for those of classes in
    `done`.
    """
    inner = folder.parent / ".inner"

    def place(name):
        suffix, stem = Path(name).suffix.lower(), plain(Path(name).stem)
        if suffix in SUFFIXES and stem in wanted:
            return folder / f"{wanted[stem]}{suffix}"
        if nested and suffix in KINDS and stem not in done:
            return inner / Path(name).name
        return None
    for path in unpack(archive, place):
        if path.parent == folder:
            yield path
            continue
        try:
            yield from _unpacked(path, folder, wanted, nested=False)
        except StudyError as error:
            raise StudyError(str(error).replace(str(path), f"{archive}: {path.name} in it")) from None
        finally:
            path.unlink(missing_ok=True)
            if not any(inner.iterdir()):
                inner.rmdir()
