"""Make `sfinge3d`: windows of 72 untrimmed hand recordings with 13 gestures, five folds.

  python -m data sfinge3d --from DIR                  data/sfinge3d/fold1 ... fold5
  python -m data sfinge3d --from DIR --window 128     longer windows

DIR holds the official Sequences/ (1.txt ... 72.txt and sequencesGT.csv), or sequences.npz with an
array a number and sequencesGT.csv. A line has the 20 joints of a hand, 3 coordinates and 4 numbers
of a quaternion each, 20 lines a second; the features are `joints.described` of the coordinates.
Who was recorded is not said. Numbers that follow one another may be one person, so that a fold is a
stretch of numbers. A step is a line: a window of 64 is 3.2 seconds.
"""

import re
from pathlib import Path

import numpy as np
from einops import rearrange

from data.common.recordings import folds, sources
from data.common.recordings.joints import described
from data.common.recordings.windows import Recording
from tfe.errors import StudyError

SOURCE = {"encoder": "joints", "source": "SFINGE 3D, version 1 (Caputo et al. 2020)",
          "licence": "none stated; please cite", "fps": 20}
GESTURES = ("one", "two", "three", "four", "OK", "pinch", "grab", "expand", "tap", "swipe left",
            "swipe right", "swipe V", "swipe O")
JOINTS, FOLDS = 20, 5
TRUTH = "sequencesGT.csv"


def main(arguments=None):
    """Make the folds, or say what is missing."""
    folds.main(arguments, __doc__, "sfinge3d", 64, SOURCE, recordings, list(GESTURES),
               sources.beside("sfinge3d"))


def recordings(folder):
    """All recordings; the numbers of a fold follow one another."""
    paths = sorted(Path(folder).rglob(TRUTH))
    if not paths:
        raise StudyError(f"{folder} holds no {TRUTH}: get {sources.SOURCES['sfinge3d']}")
    found, truth = [], intervals(paths[0])
    for place, (number, own) in enumerate(sorted(truth.items())):
        hand = lines(paths[0].parent, number)
        at = np.full(len(hand), -1)
        for gesture, first, last in own:
            at[first:last + 1] = gesture - 1  # two end a line after the recording does
        found.append(Recording(f"{number:02d}", 1 + place * FOLDS // len(truth),
                               described(hand), at))
    return found


def intervals(path):
    """`{recording: [(gesture from 1, first line, last line)]}`, lines from 0."""
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        cells = [int(cell) for cell in re.findall(r"\d+", line)]
        if not line.strip():
            continue
        own = list(zip(cells[2::3], cells[3::3], cells[4::3]))
        if len(cells) < 2 or len(cells) != 2 + 3 * cells[1] or not all(
                1 <= gesture <= len(GESTURES) and first <= last for gesture, first, last in own):
            raise StudyError(f"{path} line {number}: not a number, a count, and for each gesture "
                             "its label, first and last line: copy it again")
        found[cells[0]] = own
    if not found:
        raise StudyError(f"{path} is empty: copy it again")
    return found


def lines(folder, number):
    """The hand `(F, 20, 3)` of a recording, from its own file or from sequences.npz."""
    path = folder / f"{number}.txt"
    path = path if path.is_file() else folder / "sequences.npz"
    try:
        table = (np.loadtxt(path, delimiter=",", ndmin=2) if path.suffix == ".txt" else
                 np.load(path, allow_pickle=False)[str(number)].astype(float))
    except (OSError, ValueError, KeyError):
        table = np.empty((0, 0))
    if table.ndim != 2 or not len(table) or table.shape[1] != 7 * JOINTS or not np.isfinite(
            table).all():
        raise StudyError(f"{path} holds no recording {number} of 140 finite numbers a line: copy "
                         "it again")
    return rearrange(table, "f (j place) -> f j place", j=JOINTS)[..., :3]
