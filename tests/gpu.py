"""Everything that wants a card, in pieces of nine minutes at most: `make gpu`, or ITEMS="repeat resume".

A piece is a function `test_PIECE` of tests/test_card.py, run on the card; `make test` runs its small
form on the CPU. It leaves results/local/gpu/PIECE.json, with the card's name, which `make publish
TABLES=gpu` takes. A piece that passed with this commit is not run again; none wants a network.
"""

import argparse
import json
import os
import subprocess
import sys
from time import monotonic
from xml.etree import ElementTree

from book.runs import card, provenance
from data.common.ending import ended
from data.files import reading
from data.files.paths import LOCAL, ROOT, write_text
from tfe.errors import StudyError

PIECES = {
    "systems": "every system of the study makes its steps, in fp32 and bf16",
    "agreement": "losses and gradients of CPU and card, by system",
    "repeat": "the same seed five times, to the bit",
    "resume": "a checkpoint of the CPU, gone on with on the card",
    "processes": "two processes, where there are two cards",
    "bench": "the rows of `make bench` that want a card",
    "paper": "full-size systems: forward, update, peak of memory, beside what was counted",
    "table1": "Table 1 of planted, ten seeds (wants its features; goes on when run again)",
    "charades": "charades-sim, 9,848 videos (wants LISTS=DIR)"}
LIMIT = 540  # seconds of a piece


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="make gpu", description=__doc__.split("\n")[0])
    parser.add_argument("pieces", nargs="*", metavar="PIECE", help="default: all")
    options = parser.parse_args(arguments)
    if unknown := set(options.pieces) - set(PIECES):
        raise StudyError(f"piece {sorted(unknown)[0]!r} is unknown: choose from {', '.join(PIECES)}")
    for name, what in PIECES.items():
        print(f"{state(name):8} {name:10} {what}")
    name, gigabytes = card.ready()
    print(f"\non {name}, {gigabytes:.0f} GB", flush=True)
    wanted = options.pieces or [name for name in PIECES if state(name) != "passed"]
    ends = {name: piece(name) for name in wanted}
    return int(set(ends.values()) - {"passed", "skipped"} != set())


def state(name):
    """How a piece ended with this commit: "passed", "failed", "skipped", "stopped" or "not run"."""
    path = LOCAL / "gpu" / f"{name}.json"
    found = reading.json_object(path) if path.is_file() else {}
    return found.get("state") if found.get("receipt", {}).get("commit") == provenance.commit() else "not run"


def piece(name, device="cuda", limit=LIMIT):
    """Run a piece in a process of its own; write and return how it ended."""
    folder, begun = LOCAL / "gpu", monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / f"{name}.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", "tests/test_card.py",
               "-k", f"test_{name}", f"--junitxml={report}", "-o", "junit_family=xunit1"]
    try:
        code = subprocess.run(command, cwd=ROOT, env={**os.environ, "DEVICE": device}, timeout=limit).returncode
    except subprocess.TimeoutExpired:
        code = None
        print(f"{name}: stopped after {limit / 60:.0f} minutes; run it again, it goes on")
    rows = measured(report) if report.is_file() else []
    report.unlink(missing_ok=True)
    end = "stopped" if code is None else "failed" if code else "passed" if rows else "skipped"
    write_text(folder / f"{name}.json", json.dumps({
        "piece": name, "state": end, "rows": rows, "seconds": round(monotonic() - begun),
        "receipt": provenance.receipt(device)}, indent=1) + "\n")
    return end


def measured(report):
    """What the tests of a piece recorded: `[(quantity, value)]`."""
    return [(each.get("name"), float(each.get("value")))
            for each in ElementTree.parse(report).getroot().iter("property")]


if __name__ == "__main__":
    sys.exit(ended(main))
