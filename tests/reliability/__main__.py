"""One suite by hand or from a test: `PYTHONPATH=tests python -m reliability SUITE`."""

import argparse
import json
import sys
from dataclasses import asdict
from importlib import import_module


def main():
    parser = argparse.ArgumentParser(prog="python -m reliability", description=__doc__)
    parser.add_argument("suite", choices=("kills", "faults", "together", "videos", "repeats", "adoption",
                                          "reports", "few"))
    parser.add_argument("--trials", type=int, help="how many (default: the suite's own)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", metavar="CASE")
    options = parser.parse_args()
    from reliability import record, stages

    given = {key: value for key, value in vars(options).items()
             if key != "suite" and value is not None}
    failed = 0
    with stages.warm():
        for case in import_module(f"reliability.{options.suite}").suite(**given):
            record([case])
            print(json.dumps(asdict(case)), flush=True)
            failed += case.trials - case.passed
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
