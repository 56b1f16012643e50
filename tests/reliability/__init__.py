"""What the study survives: kills, faults of the disk, damaged videos, two commands at once, reports.

  PYTHONPATH=tests python -m reliability kills --trials 40         any suite by hand

Each suite is a function `(trials, seed) -> [Case]`, run in a process of its own that has everything
imported and forks a child a trial, because starting torch anew would cost more than all else. Tests
run them small in `make test` and in full in `make test-all`; both write what they saw to the file
that RELIABILITY names (default: results/local/reliability.csv).
"""

import csv
import os
from dataclasses import asdict, dataclass

from data.files.paths import LOCAL, ROOT, alone, write_text
from book.runs.provenance import receipt

COLUMNS = ("suite", "case", "trials", "passed", "worst", "unit", "device", "commit")


@dataclass
class Case:
    """One line of the record. `worst` is the worst that was seen, in `unit`; `failures` say more."""

    suite: str
    case: str
    trials: int
    passed: int
    worst: float
    unit: str
    failures: tuple = ()


def record(cases):
    """Put cases into the file of figures, in place of older lines of the same suite and case."""
    path = ROOT / os.environ.get("RELIABILITY", LOCAL / "reliability.csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    here = receipt()
    with alone(path.parent):  # tests run side by side
        rows = {}
        if path.is_file():
            with open(path, newline="", encoding="utf-8") as file:
                rows = {(row["suite"], row["case"]): row for row in csv.DictReader(file)}
        for case in cases:
            row = {**asdict(case), "device": here["device"], "commit": here["commit"]}
            row["worst"] = f"{case.worst:.3g}"
            rows[case.suite, case.case] = {name: row[name] for name in COLUMNS}
        lines = [",".join(COLUMNS)]
        lines += [",".join(f"{row[name]}" for name in COLUMNS) for _, row in sorted(rows.items())]
        write_text(path, "\n".join(lines) + "\n")
