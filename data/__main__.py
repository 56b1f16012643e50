"""The command line of the data: `python -m data NAME ...`, `features` and `census`, with --help.

NAME is a script of this folder: `python -m data planted --help`.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path

from data.common.isolation import isolate
from data.common.ending import ended

HERE = Path(__file__).parent


def run(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and (script := arguments[0].replace("-", "_")) in scripts():
        return import_module(f"data.{script}").main(arguments[1:])
    options = parser().parse_args(arguments)
    return options.command(options)


def main(arguments=None):
    """Run one command; return its exit code: 0, 1 (something differs), 2 (bad input), 130 (Ctrl-C)."""
    return ended(run, arguments)


def scripts():
    """The names of the datasets' scripts."""
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def parser():
    top = argparse.ArgumentParser(prog="python -m data", description=__doc__.partition("\n")[0],
                                  epilog=f"datasets: {', '.join(scripts())}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name, function, text, **more):
        one = commands.add_parser(name, help=text, description=text, **more)
        one.set_defaults(command=function)
        return one

    one = command("features", features, "Turn a dataset's videos into a feature store: 16 segments "
                  "a video, a frozen encoder, every core; goes on where it was interrupted.",
                  epilog="several GPUs or machines: torchrun --nproc-per-node N -m data features ...; "
                  "each process encodes a shard, process 0 merges, and any may be started again")
    one.add_argument("--data", required=True, metavar="DIR", help="the dataset folder")
    one.add_argument("--encoder", default="efficientnet-lite0", help="default: %(default)s")
    one.add_argument("--resolution", type=int, help="pixels a side (default: the encoder's own)")
    one.add_argument("--segments", type=int, default=16, metavar="T", help="default: %(default)s")
    one.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    one.add_argument("--engine", default="auto", help="torch, openvino, or auto: OpenVINO on a CPU "
                     "where it is installed; a store keeps its own (default: %(default)s)")
    one.add_argument("--workers", type=int, help="processes (default: one a core)")
    one.add_argument("--feed", action=argparse.BooleanOptionalAction, help="one encoder takes what "
                     "threads decode (default: on a GPU)")
    one.add_argument("--strict", action="store_true", help="leave out videos with damaged frames or "
                     "with another number of frames than they announce")

    one = command("census", census, "Check a dataset: its official lists against the published "
                  "counts, its folder against the lists, every file by decoding a frame. Exit code "
                  "1 where something differs.",
                  epilog="example: python -m data census charades --lists DIR")
    one.add_argument("dataset", nargs="?", metavar="DATASET",
                     help="ucf101, hmdb51, charades, or the name of another folder in data/")
    one.add_argument("--data", metavar="DIR", help="its folder, if elsewhere")
    one.add_argument("--lists", metavar="DIR", help="the folder of its unpacked official lists; "
                     "they are checked alone where the dataset is not made yet")
    one.add_argument("--workers", type=int, help="processes that decode (default: one a core)")
    one.add_argument("--weights", action="store_true",
                     help="instead: which encoders' weights are here, and are they the right ones")
    return top


def features(options):
    """Make the features of a dataset's videos, and say how many, and which videos raise doubts."""
    import pandas as pd

    from data.encoders import features, skips, store_key
    from data.files.dataset import open_dataset

    dataset = open_dataset(options.data)
    own = store_key.of_the_users_own(dataset, options.encoder)
    if own:
        print(f"features of {dataset.name}: those in {own} are used as they are")
        return
    settings = store_key.as_stored(
        store_key.settings_of(options.encoder, options.resolution, options.segments), dataset,
        options.engine, options.device)
    made, kept, skipped = features.extract(dataset, settings, options.device, options.workers,
                                           options.feed, options.strict)
    folder = dataset.folder / "features" / options.encoder
    print(f"features of {dataset.name} by {options.encoder} ({settings['engine']}): {made} made, "
          f"{kept} up to date, {skipped} skipped" + (f" (see {folder / 'skipped.csv'})" if skipped else ""))
    doubts = skips.doubts(folder)
    if len(doubts):
        damaged = pd.to_numeric(doubts.damaged).gt(0).sum()
        print(f"{len(doubts)} videos hold damaged frames ({damaged}) or another number of frames than "
              f"they announce: see {folder / 'lengths.csv'}"
              + ("" if options.strict else "; --strict leaves them out"))


def census(options):
    """Check a dataset; return the exit code."""
    from data.common.lists import census

    return census.run(options)


if __name__ == "__main__":
    isolate()
    sys.exit(main())
