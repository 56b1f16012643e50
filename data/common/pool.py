"""One function over many items on every core, with a progress bar."""

import os
import signal
import sys
import threading
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from multiprocessing import connection, get_context, parent_process

from tqdm import tqdm

from tfe.errors import StudyError


def over_cores(function, items, what, unit, workers=None, initializer=None, initargs=(),
               ahead=None, threads=False):
    """Yield `(item, function(item))` as the results come, computed by one process a core.

    `function` and `initializer(*initargs)`, which runs once in every process, must be importable.
    At most `ahead` items are in hand at a time (default: 8 a process): large results must not pile
    up. With `threads` this process's threads compute, for functions that leave Python's lock alone.
    Stops cleanly: on an error or Ctrl-C the workers end what they have in hand, and they end with
    their parent even when that was killed.
    """
    items = list(items)
    bar = {"total": len(items), "desc": what, "unit": unit, "disable": None, "file": sys.stderr}
    if not items:
        return
    workers = min(workers or cores(), len(items))
    pool = _pool(workers, threads, initializer, initargs)
    try:
        waiting = iter(items)
        first = islice(waiting, ahead or 8 * workers)
        running = {pool.submit(function, item): item for item in first}
        with tqdm(**bar) as progress:
            while running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    item = running.pop(future)
                    running |= {pool.submit(function, more): more for more in islice(waiting, 1)}
                    try:
                        result = future.result()
                    except BrokenProcessPool:
                        raise StudyError(f"{what}: a process was killed from outside, as where memory "
                                         "is short: start again with fewer --workers") from None
                    yield item, result
                    progress.update()
    finally:
        pool.shutdown(cancel_futures=True)


def fill(folder, jobs, write, doing, unit):
    """Make the videos that `folder` lacks: `write(job, path)` for each of `jobs`, `{name: job}`."""
    missing = [(job, path) for name, job in jobs.items()
               if not (path := folder / f"{name}.mp4").is_file()]
    for _ in over_cores(partial(_written, write), missing, doing, unit):
        pass


def _written(write, job_and_path):
    write(*job_and_path)


def _pool(workers, threads, initializer, initargs):
    if not threads:
        try:
            return ProcessPoolExecutor(workers, get_context("spawn"), _start_worker,
                                       (initializer, initargs))
        except OSError as error:  # processes talk by semaphores, which are files there
            print(f"/dev/shm: {error.strerror}: this process alone instead of {workers}",
                  file=sys.stderr)
            workers = 1
    return ThreadPoolExecutor(workers, initializer=initializer, initargs=initargs)


def cores():
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _start_worker(initializer, initargs):
    """Leave Ctrl-C to the parent, and end when the parent ends, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if initializer:
        initializer(*initargs)


def _end_with_parent():
    connection.wait([parent_process().sentinel])
    os._exit(1)
