"""One item, measured in a process of its own: time in turns, and the peak of memory."""

import ctypes
import gc
import os
import re
from functools import partial
from importlib import metadata
from pathlib import Path
from statistics import geometric_mean, median, quantiles
from time import perf_counter, process_time

from bench import Case, Known, NotRun, Seconds, collect
from book.runs.provenance import processor

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
BUDGET = {False: 9.0, True: 0.5}  # seconds of timing an item: full, smoke
ROUNDS = {False: (4, 400), True: (1, 60)}  # at least, at most


def measure(name, smoke):
    """A dict of what is known of the item `name` once it has run, or of why it has not."""
    item = collect()[name]
    row = {"item": name, "unit": item.unit, "threads": item.threads, "limit": item.limit,
           "device": device(item.device), "why": "; ".join([item.why, *versions(item.peers)])}
    try:
        if item.device == "cuda":
            _want_cuda()
        _set_threads(item.threads)
        cases = item.prepare(smoke)
    except NotRun as wanted:
        return row | {"device": f"{item.device}: not run", "why": f"not run: {wanted}"}
    if isinstance(cases, Known):
        told = {name: value for name, value in vars(cases).items() if value is not None}
        return row | told | {"ratio": cases.ours / cases.baseline, "limit": _limit(item, cases.baseline)}
    cases = [cases] if isinstance(cases, Case) else cases
    row["why"] = "; ".join([row["why"], *(case.note for case in cases if case.note)])
    peaks = [(_peak(case.baseline, item.device), _peak(case.ours, item.device)) for case in cases]
    laps = _in_turns(cases, _clock(item), BUDGET[smoke], ROUNDS[smoke])
    units = [[pieces * SECONDS[item.unit] for pieces in case.pieces] for case in cases]
    laps = [[[lap / unit for lap in side] for side, unit in zip(*both)] for both in zip(laps, units)]
    baseline, ours = (geometric_mean(median(side) for side in sides) for sides in zip(*laps))
    low, high = _quartiles(laps)
    return row | {"baseline": baseline, "ours": ours, "ratio": ours / baseline,
                  "limit": _limit(item, baseline), "rounds": len(laps[0][0]), "low": low, "high": high,
                  "memory": [max(side) for side in zip(*peaks)]}


def _limit(item, baseline):
    """The highest good ratio: the item's own, or what its allowance makes of this baseline."""
    return item.limit if item.allowed is None else item.allowed / baseline


def versions(modules):
    """`name version` of each installed distribution that brings one of the modules."""
    brings = metadata.packages_distributions()
    return [f"{name} {metadata.version(name)}" for module in modules for name in brings.get(module, ())]


def _in_turns(cases, clock, budget, rounds):
    """Time both sides of every case in turn, the first mover changing; `[(seconds, seconds)]`."""
    laps, start = [([], []) for _ in cases], perf_counter()
    least, most = rounds
    while len(laps[0][0]) < most and (
            len(laps[0][0]) < least or perf_counter() - start < budget):
        ours_first = len(laps[0][0]) % 2
        for case, (baseline, ours) in zip(cases, laps):
            gc.collect()
            for turn in (ours_first, 1 - ours_first):
                (ours if turn else baseline).append(clock(case.ours if turn else case.baseline))
    return laps


def _quartiles(laps):
    """The quartiles of the ratio over the rounds: how far a single round can be trusted."""
    rounds = [geometric_mean(ours[n] / baseline[n] for baseline, ours in laps)
              for n in range(len(laps[0][0]))]
    if len(rounds) == 1:
        return rounds * 2
    cut = quantiles(rounds, n=4, method="inclusive")
    return cut[0], cut[2]


def _clock(item):
    """How to time a call in seconds: by the item's clock, or on the GPU by its own events.

    Processor time leaves out what neighbours on a busy machine take.
    """
    if item.device != "cuda":
        return partial(_call, process_time if item.clock == "cpu" else perf_counter)
    import torch

    def events(call):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end) * 1e-3
    return events


def _call(clock, call):
    start = clock()
    own = call()
    return own if isinstance(own, Seconds) else clock() - start


def _peak(call, device):
    """MB that a call needs at its peak beyond what is held before it; nan where it cannot be told.

    On CPU it is resident memory, with what earlier calls have freed given back first.
    """
    gc.collect()
    if device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # starts the peak anew
    except (OSError, AttributeError):
        call()
        return float("nan")
    before = _status("VmRSS")
    call()
    return _status("VmHWM") - before


def _status(field):
    """A field of this process's status, in MB."""
    text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return int(re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024 / 1e6


def _set_threads(threads):
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch

    torch.set_num_threads(threads)


def _want_cuda():
    import torch

    if not torch.cuda.is_available():
        raise NotRun("no CUDA device is at hand")


def device(kind):
    """The device in words: its model, and whether a processor multiplies bf16 by itself."""
    if kind == "cuda":
        import torch

        return f"cuda ({torch.cuda.get_device_name()})" if torch.cuda.is_available() else "cuda"
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "cpu"
    bf16 = next((flag for flag in ("amx_bf16", "avx512_bf16") if flag in text), "no bf16")
    return f"cpu ({processor()}; {bf16})"
