"""The command line: `python -m book COMMAND`, each command with its --help."""

import argparse
import sys
from pathlib import Path

from tfe.errors import StudyError, ended


def run(arguments=None):
    options = parser().parse_args(arguments)
    return options.command(options)


def main(arguments=None):
    """Run one command; return its exit code: 0, 1 (a run failed), 2 (bad input), 130 (Ctrl-C)."""
    return ended(run, arguments)


def parser():
    top = argparse.ArgumentParser(prog="python -m book", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name, function, text, **more):
        one = commands.add_parser(name, help=text, description=text, **more)
        one.set_defaults(command=function)
        return one

    one = command("batch", batch, "Run a grid of papermill runs, skip what is done, and collect "
                  "the table and a figure into results/local/.",
                  epilog="example: python -m book batch book/batches/table1.yaml --seeds 0,1,2")
    one.add_argument("file", help="a file of book/batches/")
    one.add_argument("--data", metavar="DIR", help="a dataset folder instead of the file's")
    one.add_argument("--encoder", help="whose features (default: the file's; where the dataset "
                     "holds features alone, those)")
    one.add_argument("--seeds", type=_seeds, help="how many, or which: 5, or 0,3,7")
    one.add_argument("--profile", help="smoke, default or paper")
    one.add_argument("--device", help="cpu, cuda or auto")
    one.add_argument("--workers", type=int, help="runs at a time (default: one a core; on a GPU, "
                     "which they share, four)")
    one.add_argument("--slurm", metavar="PARTITION", help="as a job array on this partition of "
                     "Slurm; \"local\": as jobs of this machine")

    one = command("predict", predict, "Show a video of your own to trained heads: class scores, and "
                  "a picture of where in time vanilla and TFE look.",
                  epilog="example: python -m book predict clip.mp4")
    one.add_argument("video", metavar="VIDEO")
    one.add_argument("--run", action="append", default=[], metavar="KEY", help="the head of this "
                     "run of results/local/, once or more (default: the heads that ship with the "
                     "study, trained on synthetic videos)")
    one.add_argument("--out", metavar="PNG", help="default: results/local/predict/VIDEO.png")
    one.add_argument("--device", default="cpu", help="cpu, cuda or auto (default: %(default)s)")

    one = command("report", report, "Draw the committed figures again, judge the claims, or make "
                  "one random run of every committed table again and compare.",
                  epilog="example: python -m book report --verify table1")
    one.add_argument("tables", nargs="*", metavar="TABLE", help="default: all that are committed")
    one.add_argument("--figures", action="store_true", help="draw the figures again")
    one.add_argument("--claims", action="store_true", help="judge the paper's claims again by the "
                     "committed results, into results/claims.csv")
    one.add_argument("--verify", action="store_true", help="make a run of each table again")
    one.add_argument("--seed", type=int, help="chooses the runs (default: at random, and printed)")

    one = command("publish", publish, "Make the tables of results/local/ the committed ones.")
    one.add_argument("tables", nargs="+", metavar="TABLE", help="e.g. table1")
    one.add_argument("--heads", action="store_true", help="instead: make the first seed's trained "
                     "heads of these tables the committed ones, in results/heads/")

    one = command("theorems", theorems, "Check every statement of the theory on finite tables and "
                  "write results/theorems.csv; every verdict is recomputed.")
    one.add_argument("--out", metavar="FILE", help="default: results/theorems.csv")
    return top


def _seeds(text):
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: write 5, or 0,3,7") from None
    seeds = list(range(numbers[0])) if len(numbers) == 1 and "," not in text else numbers
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise argparse.ArgumentTypeError(f"{text!r}: write 1 or more different seeds, 0 or above")
    return seeds


def batch(options):
    from book.evidence.publish import beside_committed
    from book.evidence import phase, report
    from book.runs import batch
    from data.files import store
    from data.files.paths import LOCAL
    from data.files.schema import read_yaml

    if "sweep" in read_yaml(options.file):
        for name in ("data", "encoder", "seeds", "profile", "device", "slurm"):
            if getattr(options, name):
                raise StudyError(f"--{name} is not for {options.file}, whose runs share a process and "
                                 "make their own features: change the file instead")
        print(phase.run(phase.read(options.file), options.workers).to_markdown(index=False, floatfmt=".3f"))
        return 0
    data = options.data and str(Path(options.data).resolve())
    grid = batch.read(options.file, dataset=data, encoder=options.encoder,
                      seeds=options.seeds, profile=options.profile, device=options.device)
    dataset = store.open_dataset(grid.folder)
    runs = batch.plan(grid, dataset, _encoder(dataset, options.encoder, grid.encoder))
    waiting = sum(run.metrics is None for run in runs)
    if not waiting and report.is_current(grid.table, runs):
        print(f"{grid.table}: all {len(runs)} runs are done already; nothing to do\n")
        print((LOCAL / f"{grid.table}.md").read_text(encoding="utf-8"))
        print(beside_committed(grid.table))
        return 0
    print(f"{grid.table}: {len(runs)} runs, {len(runs) - waiting} done already", flush=True)
    failed = batch.execute(runs, options.workers, options.slurm)
    for run, reason in failed:
        print(f"failed: {run.row}, seed {run.settings.seed}: {reason}", file=sys.stderr)
    print(report.write(grid.table, dataset, runs, grid.splits))
    print(beside_committed(grid.table))
    return 1 if failed else 0


def _encoder(dataset, asked, usual):
    """The features to use: those asked for; else the usual; else a user's only ones."""
    if asked:
        return asked
    there = sorted(path.parent.name for path in dataset.folder.glob("features/*/meta.json"))
    return there[0] if len(there) == 1 and usual not in there else usual


def predict(options):
    from book.runs import predict

    predict.run(options.video, options.run, options.out, options.device)


def report(options):
    from book.evidence import verify
    from book.evidence import report

    if not (options.figures or options.claims or options.verify):
        raise StudyError("report what? Say --figures, --claims or --verify")
    if options.figures:
        for path in report.redraw(options.tables):
            print(f"drew {path.name}")
    if options.claims:
        from book.evidence.claims import ledger
        from book.theory import theorems

        rows = theorems.claims() + ledger()
        theorems.record(rows)
        print(f"wrote {len(rows)} claims to claims.csv")
    if not options.verify:
        return 0
    from random import SystemRandom

    seed = SystemRandom().randrange(10**6) if options.seed is None else options.seed
    print(f"--seed {seed}")
    equal = True
    for name in options.tables or verify.tables():
        both = verify.verify(name, seed)
        print(f"\n{name}\n{both.to_markdown(index=False)}", flush=True)
        equal &= both.equal.all()
    print("\nequal, each within what `allowed` says" if equal else "\nDIFFERENT: see above")
    return 0 if equal else 1


def publish(options):
    from book.evidence.publish import publish, publish_heads

    if options.heads:
        for name in options.tables:
            for folder in publish_heads(name):
                print(f"wrote {folder.name}")
        return
    for name in options.tables:
        for path in publish(name):
            print(f"wrote {path.name}")


def theorems(options):
    from book.theory import theorems
    from data.files.paths import RESULTS

    out = Path(options.out or RESULTS / "theorems.csv")
    rows = theorems.run(out)
    for row in rows:
        print(f"{row['verdict']:6} {row['statement']}")
    theorems.record(theorems.claims(out), out.with_name("claims.csv"))
    print(f"wrote {len(rows)} statements to {out.name}, and what they say of the paper's claims to "
          "claims.csv")


if __name__ == "__main__":
    sys.exit(main())
