"""Which videos this process encodes, where `torchrun` started several; files are all they share.

A video belongs to the shard `crc32(video_id) mod world`. Every process writes its parts into one
folder and submits a list of what it could not read; process 0 waits for all of them and merges. No
process speaks to another, so that any may die and be started again, on whatever machine sees the
folder.
"""

import json
import os
import sys
import time
import zlib
from dataclasses import dataclass

from data.encoders.parts import load
from data.encoders.store_key import digest
from tfe.device import choose
from tfe.errors import StudyError
from data.files.paths import write_text

PATIENCE = 600  # seconds without any new part after which another shard is taken for dead
POLL = 0.5


@dataclass(frozen=True)
class Shard:
    """The part of one of `world` processes, `local_world` of which run on this machine."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1

    def owns(self, video_id):
        return zlib.crc32(video_id.encode()) % self.world == self.rank

    def device(self, name):
        """The device of this process: with several GPUs in a machine, one each."""
        wanted = name == "cuda" or name == "auto" and choose(name).type == "cuda"
        return f"cuda:{self.local_rank}" if self.local_world > 1 and wanted else name

    def workers(self, asked, cores):
        """Processes that decode: those asked for, else a fair share of the cores."""
        return asked or max(1, cores // self.local_world)

    def of(self, rank):
        return Shard(rank, self.world)


def current():
    """The shard that `torchrun`'s variables name; the whole where there are none."""
    names = "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"
    given = {name: os.environ.get(name, default) for name, default in zip(names, "0101")}
    try:
        shard = Shard(*(int(value) for value in given.values()))
    except ValueError:
        shard = None
    if not shard or not (0 <= shard.rank < shard.world
                         and 0 <= shard.local_rank < shard.local_world):
        said = " ".join(f"{name}={value}" for name, value in given.items())
        raise StudyError(f"{said}: these are no process of torchrun: unset them, or start with "
                         "`torchrun --nproc-per-node N -m data features ...`")
    return shard


def submit(parts, shard, todo, reasons):
    """Say that of `todo`, `{video_id: sha256}`, all parts are there but for `reasons`."""
    write_text(_list(parts, shard), json.dumps({"of": digest(todo), "reasons": reasons}))


def submitted(parts, shard, todo):
    """`{video_id: reason}` of what the shard could not read; None while it is not done."""
    try:
        said = json.loads(_list(parts, shard).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    # A list of an earlier run counts if it speaks of the same videos, all of which are there.
    whole = all(load(parts / f"{sha}.npy") is not None for i, sha in todo.items()
                if i not in said["reasons"])
    return said["reasons"] if said["of"] == digest(todo) and whole else None


def gather(parts, shard, todo):
    """Wait for the other shards; return `{video_id: reason}` of what they could not read.

    Raises StudyError where nothing came for so long that one must have died.
    """
    reasons, last, seen = {}, time.monotonic(), -1
    for rank in range(shard.world):
        other = shard.of(rank)
        its = {i: sha for i, sha in todo.items() if other.owns(i)}
        while its and rank != shard.rank and (found := submitted(parts, other, its)) is None:
            if (there := sum(1 for _ in parts.glob("*.npy"))) != seen:
                seen, last = there, time.monotonic()
                print(f"waiting for shard {rank} of {shard.world}: {there} parts are there",
                      file=sys.stderr)
            if time.monotonic() - last > PATIENCE:
                raise StudyError(f"{parts}: shard {rank} of {shard.world} made nothing for "
                                 f"{PATIENCE:g} s: start again; every shard goes on where it was")
            time.sleep(POLL)
        if its and rank != shard.rank:
            reasons |= found
    return reasons


def _list(parts, shard):
    return parts / f"shard-{shard.rank}-of-{shard.world}"
