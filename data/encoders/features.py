"""Videos to a feature store: every core, one video at a time, resumable, bad files listed.

A feature is keyed by the hash of its video and by the settings that made it (encoder and its
weights' hash, resolution, sampling, decoder). Parts lie in a folder named by the settings until
the store is packed, so that an interrupted run goes on where it stopped, and other settings can
never mix with these.
"""

import hashlib
import json
import resource
import shutil
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from importlib.metadata import version

import numpy as np

from data.common import pool
from data.encoders import recipes, shards, skips
from data.files import store
from tfe.device import choose
from tfe.errors import StudyError
from data.files.paths import alone, write_text


def settings_of(encoder, resolution=None, segments=16, where="middle"):
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
            "versions": {"av": version("av")}}


def of_the_users_own(dataset, encoder):
    """The folder of features that are not ours to make: that encoder's, or all that there is.

    None where the videos are to be encoded.
    """
    for meta in sorted(dataset.folder.glob("features/*/meta.json")):
        made = _read(meta)
        if made.get("origin") != "tfe" and (meta.parent.name == encoder or not dataset.files):
            return meta.parent
    return None


def _read(meta):
    """The settings in a `meta.json`, which a user may have written by hand."""
    try:
        made = json.loads(meta.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StudyError(f"{meta} is not valid JSON ({error}): mend it") from None
    if not isinstance(made, dict):
        raise StudyError(f"{meta} is no table of names and values: write "
                         '{"origin": "user"} for features of your own')
    return made


def extract(dataset, settings, device="cpu", workers=None, feed=None, strict=False):
    """Make, or bring up to date, the store of `dataset` with `settings` (from `settings_of`).

    Under `torchrun` each process encodes its shard, and process 0 merges. With `feed` one process
    encodes what the others decode, which is the way on a GPU (the default there); without, each
    does both. `strict` leaves out videos with damaged frames or another number of frames than they
    announce. Returns `(made, kept, skipped)`: numbers of videos, of the shard in all processes but 0.
    Raises StudyError where the folder holds a store made otherwise, or where no video could be
    read.
    """
    shard = shards.here()
    device = choose(shard.device(device))
    folder = dataset.folder / "features" / settings["encoder"]
    with nullcontext() if shard.rank else alone(folder):
        return _extract(dataset, folder, settings, shard, device, workers, feed, strict)


def _extract(dataset, folder, settings, shard, device, workers, feed, strict):
    known = _known(dataset, folder, settings)
    parts = folder / f"parts-{_digest(settings)}"
    hashes = {i: store.sha256(dataset.files[i]) for i in dataset.videos.video_id
              if i in dataset.files and (shard.rank == 0 or shard.owns(i))}
    old_skips = skips.read(folder, strict)
    todo = {i: sha for i, sha in hashes.items()
            if sha not in known and old_skips.get((i, sha)) is None}
    own = {i: sha for i, sha in todo.items() if shard.owns(i)}
    encode = partial(_encode_all, dataset, own, parts, settings, device,
                     shard.workers(workers, pool.cores()),
                     device.type == "cuda" if feed is None else feed)
    if shard.rank:
        reasons = shards.handed_in(parts, shard, own) if own else {}
        if reasons is None:
            reasons = encode()
            shards.hand_in(parts, shard, own, reasons)
        return len(own) - len(reasons), len(hashes) - len(own), len(reasons)
    reasons = {i: "no file of that name in the videos folder"
               for i in dataset.videos.video_id if i not in hashes}
    reasons |= {i: old_skips[i, sha] for i, sha in hashes.items() if (i, sha) in old_skips}
    reasons |= encode() | shards.gather(parts, shard, todo)
    doubts = skips.doubts(folder, parts)
    if strict:
        doubt = dict(zip(doubts.sha256, doubts.doubt))
        reasons |= {i: skips.STRICT + doubt[sha] for i, sha in hashes.items() if sha in doubt}
    reasons = {i: reasons[i] for i in dataset.videos.video_id if i in reasons}
    rows = [i for i in dataset.videos.video_id if i not in reasons]
    if not rows:
        shutil.rmtree(parts, ignore_errors=True)
        raise StudyError(f"{dataset.folder}: none of the {len(dataset.videos)} videos could be "
                         f"read; the first: {next(iter(reasons.values()))}")
    skips.write(folder, reasons, hashes)
    skips.write_lengths(folder, doubts, hashes)
    unchanged = not todo and [known.get(hashes[i], (None,))[0] for i in rows] == [
        *range(len(known))]
    if not unchanged:
        old = np.load(folder / "features.npy", mmap_mode="r") if known else None
        x = np.stack([old[known[hashes[i]][0]] if hashes[i] in known
                      else np.load(parts / f"{hashes[i]}.npy") for i in rows])
        store.write_features(folder, rows, x, settings, [hashes[i] for i in rows])
    shutil.rmtree(parts, ignore_errors=True)
    return len(set(todo) - set(reasons)), len(rows) - len(set(todo) - set(reasons)), len(reasons)


def _known(dataset, folder, settings):
    """Rows that a store with the same settings already holds: `{sha256: (row,)}`."""
    meta = folder / "meta.json"
    if not meta.is_file():
        return {}
    made = _read(meta)
    if made.get("origin") != "tfe":
        raise StudyError(f"{folder} holds features of your own (origin: {made.get('origin')}): "
                         "keep them elsewhere before you make others under this name")
    differs = [key for key in settings if made.get(key) != settings[key]]
    if differs:
        key = differs[0]
        raise StudyError(f"{folder} was made with {key} = {made.get(key)!r}, not "
                         f"{settings[key]!r}: delete that folder, or keep the old settings")
    if any(store.stale(folder, made)):  # the last write was interrupted: nothing to rely on
        return {}
    store.open_features(dataset, settings["encoder"])  # its checks
    index = store.read_table(folder / "index.csv", ("row", "video_id", "sha256"))
    return {sha: (int(row),) for row, sha in zip(index.row, index.sha256)}


def _encode_all(dataset, todo, parts, settings, device, workers, feed):
    """Encode what has no part yet; return `{video_id: reason}` for what could not be read."""
    jobs, reasons = [], {}
    for video_id, sha in todo.items():
        part = parts / f"{sha}.npy"
        told = _told(part)
        if told.is_file():
            reasons[video_id] = told.read_text(encoding="utf-8")
        elif not part.is_file():
            jobs.append((dataset.files[video_id], part))
    way = _fed if feed else _apart
    results = way(f"features of {dataset.name}", jobs, settings, device, workers)
    for (path, _), reason in results:
        if reason:
            reasons[path.stem] = reason
    return reasons


def _told(part):
    """Where an interrupted run finds why a video has no part."""
    return part.with_suffix(".txt")


def _apart(what, jobs, settings, device, workers):
    """Each process decodes and encodes its videos, so that none waits for another's frames.

    Prints which part of their time the processes computed.
    """
    if not jobs:
        return
    begun, used = time.perf_counter(), _used_by_children()
    # One thread a process: decoding and small batches scale by processes alone.
    yield from pool.each(_encode, jobs, what, "video", workers, _start_worker, (settings, device))
    share = (_used_by_children() - used) / (time.perf_counter() - begun) / min(workers, len(jobs))
    print(f"{what}: cores busy {share:.0%} of the time", file=sys.stderr)


def _used_by_children():
    """Seconds of processor time of the processes that this one started and that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _fed(what, jobs, settings, device, workers):
    """Processes decode, a few videos ahead, and this one encodes.

    Prints which part of its time it waited for frames.
    """
    if not jobs:
        return
    encoder = recipes.load(settings["encoder"], settings["resolution"], str(device))
    results = pool.each(partial(_decode, settings["sampling"]), jobs, what, "video", workers,
                        ahead=2 * workers)
    begun, waited = None, 0.0
    while True:
        asked = time.perf_counter()
        job, decoded = next(results, (None, None))
        # The wait for the first is the start of the processes.
        begun, waited = (time.perf_counter(), 0.0) if begun is None else (
            begun, waited + time.perf_counter() - asked)
        if job is None:
            break
        yield job, _done(job, encoder, decoded)
    share = waited / max(time.perf_counter() - begun, 1e-9)
    print(f"{what}: the encoder waited {share:.0%} of the time for frames", file=sys.stderr)


def _start_worker(settings, device):
    import torch

    global _work
    torch.set_num_threads(1)
    _work = (recipes.load(settings["encoder"], settings["resolution"], str(device)),
             settings["sampling"])


def _encode(job):
    """In a worker: sample, encode, write the part; return None, or why the video was skipped."""
    encoder, sampling = _work
    return _done(job, encoder, _decode(sampling, job))


def _done(job, encoder, decoded):
    """Leave the part of a video that was decoded, or the reason why there is none; return that."""
    reason = decoded if isinstance(decoded, str) else _write(job, encoder, *decoded)
    if reason:
        write_text(_told(job[1]), reason)
    return reason


def _decode(sampling, job):
    """The frames of a video and its lengths, or why there are none."""
    from data.video import decode

    path, _ = job
    try:
        return decode.measured_sample(path, **sampling)
    except StudyError as error:
        return str(error)
    except Exception as error:  # whatever is wrong with this video, the others go on
        return f"{path}: {type(error).__name__}: {error}"


def _write(job, encoder, frames, lengths):
    """Encode the frames and write the part; return None, or why the video was skipped."""
    path, part = job
    try:
        features = encoder(frames).astype(np.float16)
    except StudyError as error:
        return str(error)
    except RuntimeError as error:  # such as memory: no fault of this video, so nobody skips it
        raise StudyError(f"the encoder failed at {path} ({error}): mend that, or choose another "
                         "--device, and start the same command again") from None
    if not np.isfinite(features).all():
        return f"{path}: its features are not finite"
    if lengths.doubt:  # before the part, whose presence says "done"
        write_text(part.with_suffix(".json"), json.dumps(asdict(lengths) | {"doubt": lengths.doubt}))
    store.save_array(part, features)


def _digest(settings):
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
