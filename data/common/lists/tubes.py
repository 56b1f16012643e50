"""The corrected temporal annotation of 24 classes of UCF101, read as a `Listing`.

The file is a pickle: it is read by an unpickler that knows arrays and nothing else.
"""

import pickle
from pathlib import Path

import pandas as pd

from data.common.lists.lines import REMEDY, file, lines
from data.common.lists.readers import Listing
from tfe.errors import StudyError

SOURCE = "pyannot.pkl and testlist01.txt of github.com/gurkirt/corrected-UCF101-Annots"
FPS = 25  # as UCF101's paper says; some clips run at 30, so that seconds are nominal
ARRAYS = {("numpy._core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "scalar"),
          ("numpy", "ndarray"), ("numpy", "dtype")}


class ArraysOnly(pickle.Unpickler):
    """Refuses every global but those that numpy's arrays and scalars are made of."""

    def find_class(self, module, name):
        module = module.replace("numpy.core", "numpy._core")  # its name since numpy 2
        if (module, name) not in ARRAYS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no array")
        return super().find_class(module, name)


def ucf101_24(folder):
    """The clips of 24 classes with the intervals in which the action is seen, in nominal seconds.

    Raises StudyError where a file is missing or is not what it should be.
    """
    path = file(folder, "pyannot.pkl", SOURCE)
    test = {line for _, line in lines(file(Path(path).parent, "testlist01.txt", SOURCE))}
    rows, events = [], []
    try:
        with open(path, "rb") as opened:
            clips = ArraysOnly(opened, encoding="latin1").load()
        for name, clip in sorted(clips.items()):
            label, _, video_id = str(name).partition("/")
            rows.append((video_id, "test" if name in test else "train", label, f"{name}.avi",
                         video_id.rpartition("_")[0], int(clip["numf"]) / FPS))
            events += [(video_id, label, int(tube["sf"]) / FPS, int(tube["ef"]) / FPS)
                       for tube in clip["annotations"]]
    except (pickle.UnpicklingError, EOFError, AttributeError, KeyError, TypeError,
            ValueError) as error:
        raise StudyError(f"{path} is not the annotation of 24 classes ({error}): "
                         f"{REMEDY}") from None
    videos = pd.DataFrame(rows, columns=["video_id", "split", "labels", "member", "group",
                                         "duration"])
    return Listing("ucf101-24", sorted(set(videos.labels)), videos,
                   pd.DataFrame(events, columns=["video_id", "label", "start", "end"]), {})
