"""The command line: `python -m book COMMAND`, each command with its --help.

A command is a file of `book/commands/`: `arguments(parser)` says what it takes, `run(options)` does it.
"""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from importlib import import_module

from data.common.isolation import isolate
from data.common.ending import ended

COMMANDS = {
    "batch": "run a grid of papermill runs, and collect the table and a figure",
    "predict": "show a video of your own to trained heads",
    "report": "draw committed figures again, judge the claims, verify tables",
    "frontier": "recognition and fidelity along training, of a batch's rows",
    "readouts": "where trained heads look: read-outs, masks, explainers, judged",
    "publish": "make the tables of results/local/ the committed ones",
    "theorems": "check every statement of the theory, into results/theorems.csv",
    "cost": "Table 4: parameters and FLOPs, into results/table4.csv",
    "annotations": "what is in each benchmark, into results/annotations.csv",
    "comparability": "what the peers' metrics do, into results/comparability.csv",
    "plan": "what a real benchmark takes on one card",
    "reproduce": "the whole way for a real benchmark, from archives to its table",
    "real": "Table 1's rows on real recordings, from their files to the tables"}


def run(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    top = ArgumentParser(prog="python -m book", description=__doc__.partition("\n")[0])
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        parser = commands.add_parser(name, help=text, formatter_class=RawDescriptionHelpFormatter)
        if name in arguments[:1]:  # the others need not load, torch above all
            module = import_module(f"book.commands.{name}")
            parser.description = module.__doc__
            module.arguments(parser)
            parser.set_defaults(run=module.run)
    options = top.parse_args(arguments)
    return options.run(options)


def main(arguments=None):
    """Run one command; return its exit code: 0, 1 (a run failed), 2 (bad input), 130 (Ctrl-C)."""
    return ended(run, arguments)


if __name__ == "__main__":
    isolate()
    sys.exit(main())
