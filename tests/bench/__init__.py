"""What a thing costs, as a ratio to the plain way of doing it: `make bench`.

A file of this folder holds the items of one subject, functions that `@item` registers:

    @item("decode", limit=0.55)
    def decode(smoke):
        clips = ...                              # preparation is not timed
        return [Case(lambda: all_frames(clip), lambda: video.sample(clip, 16)) for clip in clips]

Baseline and ours take turns in one process, so that a busy machine slows both; what counts is the
ratio of their medians. The plain ways lie in `tests/baselines/`, where tests hold them equal to ours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

ITEMS = {}


class NotRun(Exception):
    """What an item wants and is not here, e.g. NotRun("cuda") or NotRun("openvino")."""


class Seconds(float):
    """What a call gives back that has timed itself, so that its own start-up is left out."""


@dataclass(frozen=True)
class Case:
    """The two ways to do one piece of work. `pieces` is how many of them a call of each does; `note`
    is what turned out in preparation, for the row's why."""

    baseline: Callable
    ours: Callable
    pieces: tuple = (1, 1)
    note: str = ""


@dataclass(frozen=True)
class Known:
    """Two numbers in the item's unit that are known when it is prepared, e.g. parameters, or seconds
    of what is run only once. `memory` is the peak of each in MB, where it was looked at."""

    baseline: float
    ours: float
    memory: tuple | None = None


@dataclass(frozen=True)
class Item:
    """A row of results/bench.csv.

    limit: the highest ratio ours / baseline that is good enough, where `allowed` is None; else
    `allowed`, in `unit`, is what ours may take at most, whatever the baseline. unit: "s", "ms" or "us" a
    piece; of `Known` numbers, anything. threads: of torch and of the libraries under it. device: "cpu"
    or "cuda". why: what to know beside the number, and why it misses its limit where it does; the
    versions of `peers`, modules that it is held against, are added. clock: "cpu", the processor time of
    this process, which neighbours cannot take; "wall" where others work for it or it waits.
    """

    name: str
    prepare: Callable  # smoke: bool -> Known, Case, or Cases, whose geometric means count
    limit: float | None = None
    allowed: float | None = None
    unit: str = "ms"
    threads: int = 1
    clock: str = "cpu"
    device: str = "cpu"
    peers: tuple = ("torch",)
    asked: bool = False  # takes minutes: run only where it is asked for by name
    why: str = ""


def item(name, **settings):
    """Register a function `smoke -> Case | [Case]` as the item `name`; `settings` as in `Item`."""
    def register(prepare):
        ITEMS[name] = Item(name, prepare, **settings)
        return prepare
    return register


def collect():
    """Import every file of this folder; return `{name: Item}` in the order of files and functions."""
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        import_module(f"{__name__}.{path.stem}")
    return ITEMS
