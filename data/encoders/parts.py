"""Videos to parts: the features of one video each, kept in a folder until the store is packed.

A part is `<sha256 of the video>.npy`; beside it may lie `.json`, where frames are damaged or
their number is in doubt, or instead of it `.txt`, why there is none.
"""

import json
import os
import resource
import sys
import time
from dataclasses import asdict
from functools import partial
from io import BytesIO

import numpy as np

from data.common import pool
from data.encoders import recipes
from data.files.paths import write_text
from tfe.errors import StudyError


def load(part):
    """The features in a part, `(T, d)` float16; None where it is not there, or not whole."""
    try:
        return np.load(part, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None


def _save(part, features):
    """Write a part, renamed into place but not synced to the disk, on which the cores would wait.

    What a power cut leaves of it `load` refuses; the store itself is synced.
    """
    content, temporary = BytesIO(), part.with_name(f".{part.name}-{os.getpid()}")
    np.save(content, features)
    part.parent.mkdir(parents=True, exist_ok=True)
    temporary.write_bytes(content.getvalue())
    os.replace(temporary, part)


def encode(dataset, todo, folder, settings, device, workers, feed):
    """Make the parts of `todo`, `{video_id: sha256}`, that are not in `folder` yet.

    Returns `{video_id: reason}` for what could not be read. With `feed`, threads decode for one
    encoder; else each process decodes and encodes videos of its own.
    """
    jobs, reasons = [], {}
    for video_id, sha in todo.items():
        part = folder / f"{sha}.npy"
        if (reason := part.with_suffix(".txt")).is_file():
            reasons[video_id] = reason.read_text(encoding="utf-8")
        elif load(part) is None:
            jobs.append((dataset.files[video_id], part))
    way = by_threads if feed else by_processes
    results = way(f"features of {dataset.name}", jobs, settings, device, workers) if jobs else ()
    return reasons | {path.stem: reason for (path, _), reason in results if reason}


def by_processes(what, jobs, settings, device, workers):
    """Yield `(job, reason)` from processes that decode and encode a video at a time.

    Prints which part of their time, from their start to the last video, they computed.
    """
    begun, used = time.perf_counter(), _used_by_children()
    # One thread a process: decoding and small batches scale by processes alone.
    yield from pool.over_cores(_encode, jobs, what, "video", workers, _start_worker,
                               (settings, device))
    share = (_used_by_children() - used) / (time.perf_counter() - begun) / min(workers, len(jobs))
    print(f"{what}: cores busy {share:.0%} of the time", file=sys.stderr)


def _used_by_children():
    """Seconds of processor time of the processes that this one started and that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _start_worker(settings, device):
    import torch

    global _work
    torch.set_num_threads(1)
    _work = _encoder(settings, device), settings["sampling"]


def _encode(job):
    """In a worker: decode, encode, keep the part; return None, or why there is none."""
    encoder, sampling = _work
    return _finish(job, encoder, _decode(sampling, job))


def by_threads(what, jobs, settings, device, workers):
    """Yield `(job, reason)`: threads decode a few videos ahead, and this one encodes.

    For a GPU. Threads, because FFmpeg decodes without Python's lock, and frames need no copy.
    Prints which part of its time the encoder waited.
    """
    encoder = _encoder(settings, device)
    results = pool.over_cores(partial(_decode, settings["sampling"]), jobs, what, "video", workers,
                              ahead=2 * workers, threads=True)
    begun, waited = time.perf_counter(), 0.0
    asked = begun
    for job, decoded in results:
        waited += time.perf_counter() - asked
        yield job, _finish(job, encoder, decoded)
        asked = time.perf_counter()
    share = waited / (time.perf_counter() - begun)
    print(f"{what}: the encoder waited {share:.0%} of the time for frames", file=sys.stderr)


def _encoder(settings, device):
    return recipes.load(settings["encoder"], settings["resolution"], str(device),
                        engine=settings["engine"])


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


def _finish(job, encoder, decoded):
    """Keep the part of a decoded video, or the reason why there is none; return that."""
    reason = decoded if isinstance(decoded, str) else _write(job, encoder, *decoded)
    if reason:
        write_text(job[1].with_suffix(".txt"), reason)
    return reason


def _write(job, encoder, frames, lengths):
    """Encode the frames and write the part; return None, or why the video is skipped."""
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
        note = asdict(lengths) | {"doubt": lengths.doubt}
        write_text(part.with_suffix(".json"), json.dumps(note))
    _save(part, features)
