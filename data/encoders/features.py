"""Videos to a feature store: every core, one video at a time, resumable, bad files listed.

Parts lie in a folder named by the settings (`store_key`) until the store is packed, so that an
interrupted run goes on where it stopped, and other settings can never mix with these.
"""

import shutil
from contextlib import nullcontext

import numpy as np

from data.common import pool
from data.encoders import engines, parts, shards, skips, store_key
from data.files import store
from data.files.paths import alone
from tfe.device import choose
from tfe.errors import StudyError


def extract(dataset, settings, device="cpu", workers=None, feed=None, strict=False):
    """Make, or bring up to date, the store of `dataset` with `settings` (of `store_key`).

    Under `torchrun` each process encodes its shard, and process 0 merges. With `feed` one encoder
    takes what threads decode, which is the way on a GPU (the default there); without, each process
    does both. `strict` leaves out videos with damaged frames or another number of frames than they
    announce. Returns `(made, kept, skipped)`: numbers of videos, of the shard in all processes but
    0. Raises StudyError where the folder holds a store made otherwise, where its engine cannot
    start, or where no video could be read.
    """
    shard = shards.current()
    device = shard.device(device)
    if device != "cpu":  # importing torch takes a second, which a store that is up to date need not wait
        device = str(choose(device))
    folder = dataset.folder / "features" / settings["encoder"]
    how = (device, shard.workers(workers, pool.cores()),
           device.startswith("cuda") if feed is None else feed)
    with nullcontext() if shard.rank else alone(folder):
        known = store_key.known_rows(dataset, folder, settings)
        hashes = {i: store.sha256(dataset.files[i]) for i in dataset.videos.video_id
                  if i in dataset.files and (shard.rank == 0 or shard.owns(i))}
        skipped = skips.read(folder, strict)
        todo = {i: sha for i, sha in hashes.items() if sha not in known and (i, sha) not in skipped}
        own = {i: sha for i, sha in todo.items() if shard.owns(i)}
        if own:
            engines.require(settings, folder)
        unpacked = folder / f"parts-{store_key.digest(settings)}"
        if shard.rank:
            reasons = _hand_over(dataset, own, unpacked, settings, shard, how)
            return len(own) - len(reasons), len(hashes) - len(own), len(reasons)
        reasons = {i: "no file of that name in the videos folder"
                   for i in dataset.videos.video_id if i not in hashes}
        reasons |= {i: skipped[i, sha] for i, sha in hashes.items() if (i, sha) in skipped}
        reasons |= parts.encode(dataset, own, unpacked, settings, *how)
        reasons |= shards.gather(unpacked, shard, todo)
        doubts = skips.doubts(folder, unpacked)
        if strict:
            doubt = dict(zip(doubts.sha256, doubts.doubt))
            reasons |= {i: skips.STRICT + doubt[sha] for i, sha in hashes.items() if sha in doubt}
        rows = _pack(dataset, folder, unpacked, settings, known, hashes, reasons, doubts)
        made = len(set(todo) - set(reasons))
        return made, len(rows) - made, len(reasons)


def _hand_over(dataset, own, unpacked, settings, shard, how):
    """Encode the videos of a shard for process 0; return the reasons of what is skipped."""
    reasons = shards.submitted(unpacked, shard, own) if own else {}
    if reasons is None:
        reasons = parts.encode(dataset, own, unpacked, settings, *how)
        shards.submit(unpacked, shard, own, reasons)
    return reasons


def _pack(dataset, folder, unpacked, settings, known, hashes, reasons, doubts):
    """Write the store of all videos without a reason against them; return their ids."""
    order = list(dataset.videos.video_id)
    rows = [i for i in order if i not in reasons]
    if not rows:
        shutil.rmtree(unpacked, ignore_errors=True)
        first = next(reasons[i] for i in order)
        raise StudyError(f"{dataset.folder}: none of the {len(order)} videos could be read; the "
                         f"first: {first}")
    skips.write(folder, {i: reasons[i] for i in order if i in reasons}, hashes)
    skips.write_lengths(folder, doubts, hashes)
    if [known.get(hashes[i]) for i in rows] != list(range(len(known))):
        old = np.load(folder / "features.npy", mmap_mode="r") if known else None
        x = np.stack([old[known[hashes[i]]] if hashes[i] in known
                      else np.load(unpacked / f"{hashes[i]}.npy") for i in rows])
        store.write_features(folder, rows, x, settings, [hashes[i] for i in rows])
    shutil.rmtree(unpacked, ignore_errors=True)
    return rows
