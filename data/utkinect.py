"""Make `utkinect`: windows of UTKinect-Action3D skeletons, five folds of two people each.

  python -m data utkinect --from DIR                  data/utkinect/fold1 ... fold5
  python -m data utkinect --from DIR --window 128     longer windows

DIR holds actionLabel.txt and joints_s01_e01.txt ... joints_s10_e02.txt (Xia, Chen and Aggarwal
2012; cvrc.ece.utexas.edu/KinectDatasets). Each recording shows ten actions one after the other, so
whole recordings would all bear the same labels. A step is a line of a joints file; its features are
the joints about the hip, in units of the body's size, and how they moved since the line before. No
network has seen a label: these features are not supervised.
"""

import re
from pathlib import Path

import numpy as np
from einops import rearrange

from data.common.recordings import folds
from data.common.recordings.joints import posture
from data.common.recordings.windows import Recording
from tfe.errors import StudyError

SOURCE = {"encoder": "skeleton", "source": "UTKinect-Action3D (Xia, Chen and Aggarwal 2012)",
          "licence": "research"}
JOINTS = 20  # of the first Kinect; the first is the centre of the hips
ACTIONS = ("walk", "sitDown", "standUp", "pickUp", "carry", "throw", "push", "pull", "waveHands",
           "clapHands")


def main(arguments=None):
    """Make the folds, or say what is missing."""
    folds.main(arguments, __doc__, "utkinect", 64, SOURCE, recordings, list(ACTIONS))


def recordings(folder):
    """All recordings, those of persons 1 and 2 in fold 1, of 3 and 4 in fold 2, and so on."""
    folder, found = Path(folder), []
    for name, intervals in labels(folder / "actionLabel.txt").items():
        frames, joints = read_joints(folder / f"joints_{name}.txt")
        at = np.full(len(frames), -1)
        for action, first, last in intervals:
            at[(frames >= first) & (frames <= last)] = ACTIONS.index(action)
        found.append(Recording(name, (int(name[1:3]) + 1) // 2, posture(joints), at))
    return found


def labels(path):
    """`{recording: [(action, first frame, last frame)]}`; an interval of NaN is left out."""
    if not path.is_file():
        raise StudyError(f"{path} is missing: copy it from UTKinect-Action3D")
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if re.fullmatch(r"s\d\d_e\d\d\s*", line):
            of_recording = found.setdefault(line.strip(), [])
        elif match := re.fullmatch(r"(\w+):\s+(\d+|NaN)\s+(\d+|NaN)\s*", line):
            action, first, last = match.groups()
            if not found or action not in ACTIONS:
                raise StudyError(f"{path} line {number}: {action!r} is no action of a recording: "
                                 "copy the file again")
            if "NaN" not in (first, last):
                of_recording.append((action, int(first), int(last)))
        elif line.strip():
            raise StudyError(f"{path} line {number}: {line.strip()!r} is neither a recording nor "
                             "`action: first last`: copy the file again")
    return found


def read_joints(path):
    """Frame numbers `(F,)` and joints `(F, 20, 3)` in metres; a frame that stands twice counts once."""
    if not path.is_file():
        raise StudyError(f"{path} is missing: copy it from UTKinect-Action3D")
    try:
        table = np.loadtxt(path, ndmin=2)
    except ValueError:
        table = np.empty((0, 0))
    if not len(table) or table.shape[1] != 1 + 3 * JOINTS or not np.isfinite(table).all():
        raise StudyError(f"{path}: not a frame number and 60 coordinates a line: copy it again")
    frames, first = np.unique(table[:, 0], return_index=True)
    return frames, rearrange(table[first, 1:], "f (j xyz) -> f j xyz", j=JOINTS, xyz=3)
