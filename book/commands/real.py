"""Table 1's rows on real recordings: dataset, features, runs and table of each set.

    python -m book real                       every set whose files are here
    python -m book real grid --from ~/grid    one set, out of its published files
    python -m book real --from ~/recordings   sets in folders of their names

What is not here is left out, and the last screen says what it is and where to get it. Exit code 2
where nothing could be run.
"""

import sys
from importlib import import_module
from textwrap import wrap

from book.commands import batch
from book.evidence.recordings import SETS
from data import __main__ as door
from data.common import command
from data.common.recordings import sources
from data.files.paths import BOOK, DATA
from tfe.errors import StudyError

VIDEOS = ("utd_mhad", "composed", "grid")  # the others bring features
MADE_OF = {"composed": "utd_mhad"}
ENCODER = "efficientnet-lite0"


def arguments(parser):
    parser.add_argument("sets", nargs="*", metavar="SET",
                        help=f"of {', '.join(SETS)} (default: all)")
    parser.add_argument("--from", dest="given", metavar="DIR", type=command.folder,
                        help="the folder of the sets' folders; of one set, its own will do")
    parser.add_argument("--encoder", default=ENCODER, help="for videos (default: %(default)s)")
    parser.add_argument("--seeds", type=batch.seeds, help="as of `book batch`")
    parser.add_argument("--profile", help="smoke, default or paper (default: the batch file's)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")


def run(options):
    """Do every set whose files are here, and say what is left out; return the exit code.

    A set that fails says why, and the others go on.
    """
    names, lacking, codes = options.sets or SETS, [], []
    if unknown := sorted(set(names) - set(SETS)):
        raise StudyError(f"{unknown[0]!r} is no set of recordings: choose of {', '.join(SETS)}")
    for number, name in enumerate(names, 1):
        print(f"[{number} of {len(names)}] {name}", flush=True)
        try:
            code = one(name, options, alone=len(names) == 1)
        except StudyError as error:
            print(f"error: {error}", file=sys.stderr)
            code = 2
        (lacking.append(name) if code is None else codes.append(code))
    if lacking:
        print(screen(lacking))
    return max(codes, default=2)


def one(name, options, alone):
    """Dataset, features, runs and table of a set; return the exit code, None without its files."""
    if not prepare(name, options.given, alone):
        return None
    if name in VIDEOS:
        door.run(["features", "--data", str(DATA / name), "--encoder", options.encoder,
                  "--device", options.device])
    return batch.of_file(BOOK / "batches" / f"{name}.yaml", data=DATA / name, seeds=options.seeds,
                         encoder=options.encoder if name in VIDEOS else None,
                         profile=options.profile, device=options.device)


def prepare(name, given, alone):
    """Make the dataset folder of a set, if need be; return whether it is there."""
    if any((DATA / name / part).is_file() for part in ("dataset.toml", "fold1/dataset.toml")):
        return True
    if name in MADE_OF:
        if not prepare(MADE_OF[name], given, alone):
            return False
        asked = []
    else:
        folder = sources.beside(name, given) or (given if alone else None)
        if folder is None:
            return False
        asked = ["--from", str(folder)]
    import_module(f"data.{name}").main(asked)
    return True


def screen(lacking):
    """One screen: which sets are left out, where their files are had, and what to do then."""
    lines = ["left out, because their files are not here:", ""]
    for name in lacking:
        where = sources.SOURCES.get(name) or made_of(MADE_OF[name], lacking)
        lines += [f"  {name}", *wrap(where, 90, initial_indent="      ",
                                     subsequent_indent="      ", break_on_hyphens=False)]
    return "\n".join([*lines, "", "Put each into a folder of its name in DIR, then: make "
                      "reproduce-real FROM=DIR", "or one alone: make reproduce-real "
                      f"DATASET={lacking[0]} FROM=ITS-FOLDER",
                      "UCF101 and HMDB-51: make reproduce-table2 DATASET=ucf101; Charades: make "
                      "reproduce-table1 DATASET=charades"])


def made_of(name, lacking):
    """What a set is made of, in words, and where that is had if no other line says so."""
    where = "" if name in lacking else f": {sources.SOURCES[name]}"
    return f"made of the videos of {name}{where}"
