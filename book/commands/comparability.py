"""What the peers' metrics do to the same scores, into results/comparability.csv.

    python -m book comparability --lists DIR    Charades' official lists in DIR; two minutes
    python -m book comparability                planted labels alone; Charades' rows stay
"""

from pathlib import Path

import pandas as pd

from book.evidence.comparability import charades, planted, simulate
from data.files.paths import RESULTS, write_csv


def arguments(parser):
    parser.add_argument("--lists", metavar="DIR", help="the folder with Charades_v1_test.csv")
    parser.add_argument("--out", type=Path, metavar="FILE", default=RESULTS / "comparability.csv",
                        help="default: results/comparability.csv")


def run(options):
    parts = [simulate("planted test (synthetic)", planted())]
    if options.lists:
        parts.insert(0, simulate("Charades test", charades(options.lists)))
    elif options.out.is_file():
        parts.insert(0, pd.read_csv(options.out).query("labels == 'Charades test'"))
    table = pd.concat(parts, ignore_index=True).round(3)
    write_csv(options.out, table)
    print(table.pivot_table(index=["measure", "batch"], columns=["labels", "prior", "strength"],
                            values="value").round(1).to_markdown())
    print(f"wrote {options.out}")
