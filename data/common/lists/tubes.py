"""The corrected temporal annotation of 24 classes of UCF101, a pickle, read as a `Listing`."""

import pickle
from pathlib import Path

import pandas as pd

from data.common.lists.lines import REMEDY, file, lines
from data.common.lists.readers import Listing
from data.files.pickles import ArrayUnpickler
from tfe.errors import StudyError

SOURCE = "pyannot.pkl and testlist01.txt of github.com/gurkirt/corrected-UCF101-Annots"
FPS = 25  # as UCF101's paper says; some clips run at 30, so that seconds are nominal


def ucf101_24(folder):
    """The clips of 24 classes with the intervals in which the action is seen, in nominal seconds.

    Raises StudyError where a file is missing or is not what it should be.
    """
    path = file(folder, "pyannot.pkl", SOURCE)
    test = {line for _, line in lines(file(Path(path).parent, "testlist01.txt", SOURCE))}
    rows, events = [], []
    try:
        with open(path, "rb") as opened:
            clips = ArrayUnpickler(opened, encoding="latin1").load()
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
