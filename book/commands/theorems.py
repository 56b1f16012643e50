"""Check every statement of the theory on finite tables, and write results/theorems.csv.

Every verdict is computed anew, and what it says of the paper's claims goes into claims.csv beside it.
"""

from pathlib import Path

from book.theory import theorems
from data.files.paths import RESULTS


def arguments(parser):
    parser.add_argument("--out", metavar="FILE", type=Path, default=RESULTS / "theorems.csv",
                        help="default: results/theorems.csv")


def run(options):
    rows = theorems.run(options.out)
    for row in rows:
        print(f"{row['verdict']:6} {row['statement']}")
    theorems.record(theorems.claims(options.out), options.out.with_name("claims.csv"))
    print(f"wrote {len(rows)} statements to {options.out.name}, and what they say of the paper's "
          "claims to claims.csv")
