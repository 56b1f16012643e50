"""Per-frame class scores of Lea et al.'s temporal convolutional networks, as their repository has
them: one .mat file a split, with the scores S and labels Y of that split's test recordings.
"""

from pathlib import Path

import numpy as np
from scipy import io

from data.common.recordings.windows import Recording
from tfe.errors import StudyError

REPOSITORY = "github.com/colincsl/TemporalConvolutionalNetworks"


def recordings(folder, scores, splits, count):
    """The test recordings of splits 1 to `count`, each scored by a model that never saw it.

    folder: the repository's features; scores: the subfolder of the .mat files; splits: that of
    the official lists, which give the recordings their names. Labels start at 0.
    """
    found = []
    for fold in range(1, count + 1):
        path, names = mat(Path(folder) / scores, fold), Path(folder) / splits / f"Split_{fold}"
        listed = (names / "test.txt").read_text(encoding="utf-8").split() if (
            names / "test.txt").is_file() else None
        if listed is None:
            raise StudyError(f"{names / 'test.txt'} is missing: copy the splits of {REPOSITORY}")
        try:
            # Arrays alone: loadmat runs nothing that a file brings along.
            arrays = io.loadmat(path, variable_names=["S", "Y"])
            steps, labels = (list(arrays[name].ravel()) for name in "SY")
        except Exception as error:  # loadmat raises many kinds on a broken file
            raise StudyError(f"{path} holds no scores S and labels Y ({error}): copy it again")
        if not len(steps) == len(labels) == len(listed):
            raise StudyError(f"{path} has {len(steps)} recordings, {names / 'test.txt'} names "
                             f"{len(listed)}: take both from one version of {REPOSITORY}")
        for name, x, y in zip(listed, steps, labels):
            x, y = np.asarray(x, float), np.asarray(y).ravel().astype(int)
            if x.ndim != 2 or len(x) != len(y) or not np.isfinite(x).all():
                raise StudyError(f"{path}: {name} has scores {x.shape} and {len(y)} labels: one "
                                 "finite row of scores a label is needed")
            if y.min() < 0 or y.max() >= x.shape[1]:
                raise StudyError(f"{path}: {name} has labels {y.min()} to {y.max()} and "
                                 f"{x.shape[1]} scores: labels must count from 0")
            found.append(Recording(name, fold, x, y))
    return found


def mat(folder, fold):
    """The file of one split: `1.mat` or `Split_1.mat`."""
    for path in (folder / f"{fold}.mat", folder / f"Split_{fold}.mat"):
        if path.is_file():
            return path
    raise StudyError(f"{folder / f'{fold}.mat'} is missing: copy the features of {REPOSITORY}")
