"""Videos to a feature store: every core, one video at a time, resumable, bad files listed.

A feature is keyed by the hash of its video and by the settings that made it (encoder and its
weights' hash, resolution, sampling, decoder, engine). Parts lie in a folder named by the settings
until the store is packed, so that an interrupted run goes on where it stopped, and other settings
can never mix with these.
"""

import hashlib
import json
import shutil
from contextlib import nullcontext
from importlib.metadata import version

import numpy as np

from data.common import pool
from data.encoders import engines, parts, recipes, shards, skips
from data.files import reading, store
from data.files.paths import alone
from tfe.device import choose
from tfe.errors import StudyError


def settings_of(encoder, resolution=None, segments=16, where="middle", engine="torch"):
    """Everything that a feature depends on beside its video: the store's `meta.json`."""
    if encoder not in recipes.ENCODERS:
        raise StudyError(f"encoder {encoder!r} is unknown: choose one of "
                         f"{', '.join(recipes.ENCODERS)}")
    recipe = recipes.ENCODERS[encoder]
    if segments < 1 or (resolution is not None and resolution < 32):
        raise StudyError(f"segments is {segments}, resolution {resolution}: give 1 segment or "
                         "more, and 32 pixels or more")
    return {"origin": "tfe", "encoder": encoder, "weights_sha256": recipe.identity(), "T": segments,
            "d": recipe.dim, "resolution": resolution or recipe.resolution,
            "sampling": {"segments": segments, "where": where,
                         "frames_per_segment": recipe.frames_per_segment},
            "engine": engine, "versions": {"av": version("av"), **engines.versions(engine)}}


def as_stored(settings, dataset, wish, device):
    """`settings` with the engine that `wish` (of `engines.NAMES`) means for this dataset.

    With "auto" a store that is there keeps the engine, and its version, that made it.
    """
    meta = dataset.folder / "features" / settings["encoder"] / "meta.json"
    if wish == "auto" and meta.is_file():
        found = _read(meta)
        if found["origin"] == "tfe":
            versions = {k: v for k, v in found["versions"].items() if k != "av"}
            return settings | {"engine": found["engine"],
                               "versions": settings["versions"] | versions}
    engine = engines.choose(wish, choose(device).type)
    return settings | {"engine": engine,
                       "versions": settings["versions"] | engines.versions(engine)}


def of_the_users_own(dataset, encoder):
    """The folder of features that are not ours to make: that encoder's, or all that there is.

    None where the videos are to be encoded.
    """
    for meta in sorted(dataset.folder.glob("features/*/meta.json")):
        own = _read(meta)["origin"] != "tfe"
        if own and (meta.parent.name == encoder or not dataset.files):
            return meta.parent
    return None


def _read(meta):
    """The settings in a `meta.json`, which a user may have written by hand."""
    # Stores from before there was a choice of engines do not name theirs.
    return {"origin": None, "engine": "torch", "versions": {}} | reading.json_object(meta)


def extract(dataset, settings, device="cpu", workers=None, feed=None, strict=False):
    """Make, or bring up to date, the store of `dataset` with `settings` (from `settings_of`).

    Under `torchrun` each process encodes its shard, and process 0 merges. With `feed` one encoder
    takes what threads decode, which is the way on a GPU (the default there); without, each process
    does both. `strict` leaves out videos with damaged frames or another number of frames than they
    announce. Returns `(made, kept, skipped)`: numbers of videos, of the shard in all processes but
    0. Raises StudyError where the folder holds a store made otherwise, where its engine cannot
    start, or where no video could be read.
    """
    shard = shards.current()
    device = choose(shard.device(device))
    folder = dataset.folder / "features" / settings["encoder"]
    how = (device, shard.workers(workers, pool.cores()),
           device.type == "cuda" if feed is None else feed)
    with nullcontext() if shard.rank else alone(folder):
        known = _known(dataset, folder, settings)
        hashes = {i: store.sha256(dataset.files[i]) for i in dataset.videos.video_id
                  if i in dataset.files and (shard.rank == 0 or shard.owns(i))}
        skipped = skips.read(folder, strict)
        todo = {i: sha for i, sha in hashes.items() if sha not in known and (i, sha) not in skipped}
        own = {i: sha for i, sha in todo.items() if shard.owns(i)}
        if own:
            engines.require(settings, folder)
        unpacked = folder / f"parts-{_digest(settings)}"
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


def _known(dataset, folder, settings):
    """Rows that a store with the same settings already holds: `{sha256: row}`."""
    meta = folder / "meta.json"
    if not meta.is_file():
        return {}
    found = _read(meta)
    if found["origin"] != "tfe":
        raise StudyError(f"{folder} holds features of your own (origin: {found['origin']}): "
                         "keep them elsewhere before you make others under this name")
    for key in settings:
        if found.get(key) != settings[key]:
            raise StudyError(f"{folder} was made with {key} = {found.get(key)!r}, not "
                             f"{settings[key]!r}: delete that folder, or keep the old settings")
    if any(store.stale(folder, found)):  # the last write was interrupted: nothing to rely on
        return {}
    store.open_features(dataset, settings["encoder"])  # its checks
    index = reading.table(folder / "index.csv", ("row", "video_id", "sha256"))
    return {sha: int(row) for row, sha in zip(index.row, index.sha256)}


def _digest(settings):
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
