"""Measure the items beside their baselines, one after the other, and write results/bench.csv.

`--profile smoke` is quick: it writes no committed file, and fails where a ratio is worse than the
committed one by more than `WORSE`.
"""

import argparse
import csv
import sys
import traceback
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import monotonic

from bench import _scaling, collect
from bench._measure import device, measure

from data.common.ending import ended
from tfe.errors import StudyError
from data.files.paths import LOCAL, RESULTS, atomic
from book.runs.provenance import commit

COLUMNS = ("item", "baseline", "ours", "ratio", "limit", "unit", "device", "threads", "commit")
NOTES = ("item", "verdict", "rounds", "ratio_low", "ratio_high", "why")
WORSE = 1.5
LIBRARIES = ["torch", "pandas", "sklearn.metrics", "tfe.training"]  # slow to import


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.split("\n")[0])
    parser.add_argument("items", nargs="*", metavar="ITEM", 
                        help="default: all but those that take minutes, and the curves of growth")
    parser.add_argument("--profile", choices=("default", "smoke"), default="default")
    options = parser.parse_args(arguments)
    known, smoke = collect(), options.profile == "smoke"
    if unknown := set(options.items) - set(known):
        raise StudyError(f"item {sorted(unknown)[0]!r} is unknown: choose from {', '.join(known)}")
    wanted = [name for name in known if name in options.items
              or not options.items and not known[name].asked]
    made, failed, committed, begun = [], [], read(RESULTS / "bench.csv"), monotonic()
    folder, keep = (LOCAL, None) if smoke else (RESULTS, list(known))
    for number, name in enumerate(wanted, 1):
        print(f"[{number}/{len(wanted)}, {monotonic() - begun:.0f} s] {name}", flush=True)
        try:
            row = alone(name, smoke) | {"commit": commit()}
            if smoke and regressions([row], committed):  # once more: a neighbour may have come between
                row = min(row, alone(name, smoke) | {"commit": commit()}, key=lambda row: row["ratio"])
        except Exception:  # one item that breaks must not cost the others
            traceback.print_exc()
            failed.append(name)
            continue
        print(line(row), flush=True)
        if "ratio" not in row and name in measured(committed):
            print(f"         kept as it was measured elsewhere: {row['why']}", flush=True)
            continue
        made.append(row)  # written at once: an interrupted run loses nothing
        merge(folder / "bench.csv", COLUMNS, rows(row), keep)
        merge(folder / "bench_notes.csv", NOTES, [note(row)], keep)
    if not options.items:
        grow(folder / "bench_scaling.csv", smoke)
    print(f"{len(wanted)} items in {monotonic() - begun:.0f} s", flush=True)
    worse = regressions(made, committed) if smoke else []
    for text in worse:
        print(f"worse: {text}", file=sys.stderr)
    for name in failed:
        print(f"failed: {name}", file=sys.stderr)
    return 1 if worse or failed else 0


def grow(path, smoke):
    """Measure how cost grows, in a fresh process, and write it atomically."""
    curves = fresh(_scaling.curves, smoke)
    where = {"device": device("cpu"), "threads": 1, "commit": commit()}
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _scaling.COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | where for row in curves)


def alone(name, smoke):
    """Measure an item in a fresh process, where nothing of the others is loaded or warm."""
    if collect()[name].device == "cuda" == device("cuda"):  # no GPU: nothing to measure
        return measure(name, smoke)
    return fresh(measure, name, smoke)


def fresh(function, *arguments):
    """Call a function in a process that has imported libraries and done nothing with them."""
    context = get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(function, *arguments).result()


def rows(row):
    """What was measured as rows of bench.csv: the time, and the peak of memory in MB."""
    common = {key: row[key] for key in ("item", "device", "threads", "commit")}
    numbers = {key: digits(row.get(key)) for key in ("baseline", "ours", "ratio", "limit")}
    yield common | numbers | {"unit": row["unit"]}
    if "memory" in row:
        baseline, ours = row["memory"]
        yield common | {"item": f"{row['item']}-memory", "unit": "MB", "limit": "",
                        "baseline": digits(baseline), "ours": digits(ours),
                        "ratio": digits(ours / baseline if baseline else None)}


def note(row):
    """What stands beside a row: whether its limit is met, how sure that is, and what to know."""
    return {"item": row["item"], "verdict": verdict(row), "rounds": row.get("rounds", ""),
            "ratio_low": digits(row.get("low")), "ratio_high": digits(row.get("high")),
            "why": row["why"]}


def verdict(row):
    if "ratio" not in row:
        return "not run"
    if row["limit"] is None:
        return "no limit"
    return "met" if row["ratio"] <= row["limit"] else "not met"


def digits(value):
    """Four significant digits as text; empty for what is not known."""
    return "" if value is None or value != value else f"{value:.4g}"


def line(row):
    numbers = " ".join(f"{key} {digits(row.get(key)) or '-'}"
                       for key in ("baseline", "ours", "ratio", "limit"))
    return f"{verdict(row):8} {row['item']}: {numbers} {row['unit']}, {row['device']}"


def merge(path, columns, new, keep=None):
    """Put rows into a csv file in place of those of the same item, atomically.

    Rows of items that did not run now stay; where `keep` lists the items that exist, rows of
    others go, and the order is that of the list.
    """
    table = {row["item"]: row for row in read(path)} | {row["item"]: row for row in new}
    if keep is not None:
        names = [each for name in keep for each in (name, f"{name}-memory")]
        table = {name: table[name] for name in names if name in table}
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table.values())


def read(path):
    """The rows of a csv file; none where there is no file."""
    if not Path(path).is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def measured(table):
    """`{item: ratio}` of the rows that have one."""
    return {row["item"]: float(row["ratio"]) for row in table if row["ratio"]}


def regressions(made, committed):
    """The items whose ratio is worse than the committed one by more than `WORSE`, in words."""
    before = measured(committed)
    return [f"{row['item']}: {row['ratio']:.3g}, committed {before[row['item']]:.3g}"
            for row in made if "ratio" in row and row["item"] in before
            and row["ratio"] > WORSE * before[row["item"]]]


if __name__ == "__main__":
    sys.exit(ended(main))
