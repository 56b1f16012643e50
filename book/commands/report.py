"""Make the committed pages and figures again, judge the claims, or make runs again and compare.

    python -m book report --verify table1
"""

from random import SystemRandom

from book.evidence import claims, hero, report, verify
from book.theory import theorems
from data.files.schema import named
from tfe.errors import StudyError


def arguments(parser):
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="default: all that are committed")
    parser.add_argument("--figures", action="store_true", help="make pages and figures again from "
                        "their csv files, and hero: the picture that opens the book")
    parser.add_argument("--claims", action="store_true", help="judge the paper's claims again by the "
                        "committed results, into results/claims.csv")
    parser.add_argument("--verify", action="store_true", help="make one random run of each table again; not of "
                        "those that sweep knobs or go over sets, as phase, worlds and peers do")
    parser.add_argument("--seed", type=int, help="chooses the runs (default: at random, and printed)")


def run(options):
    if not (options.figures or options.claims or options.verify):
        raise StudyError("report what? Say --figures, --claims or --verify")
    for name in options.tables:
        named(name)
    if options.figures:
        for path in report.redraw(options.tables):
            print(f"made {path.name}")
        if not options.tables or "hero" in options.tables:
            print(f"made {hero.write().name}")
    if options.claims:
        rows = theorems.claims() + claims.ledger()
        theorems.record(rows)
        print(f"wrote {len(rows)} claims to claims.csv")
    return run_again(options) if options.verify else 0


def run_again(options):
    seed = SystemRandom().randrange(10**6) if options.seed is None else options.seed
    print(f"--seed {seed}", flush=True)
    names, different, left_out = options.tables or verify.tables(), [], []
    for name in names:
        try:
            both = verify.verify(name, seed)
        except StudyError as error:  # most often a dataset that is not here: the other tables go on
            if options.tables:
                raise
            left_out.append(name)
            print(f"\n{name}: not compared: {error}", flush=True)
            continue
        print(f"\n{name}\n{both.to_markdown(index=False)}", flush=True)
        different += [] if both.equal.all() else [name]
    print(f"\nDIFFERENT: {', '.join(different)}" if different else
          f"\nequal, each within what `allowed` says: {len(names) - len(left_out)} of {len(names)} tables")
    if left_out:
        print(f"not compared: {', '.join(left_out)}")
    return 1 if different else 2 if left_out else 0
