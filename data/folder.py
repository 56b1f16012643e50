"""Adopt a folder of videos, or a dataset folder of your own.

  python -m data folder ~/clips                     writes data/clips/ and prints its path; where that
                                                    is another folder's, data/clips-HASH/
  python -m data folder ~/clips --name my-clips     ... under another name
  python -m data folder ~/my-dataset                holds a dataset.toml: checked, path printed

Nothing is copied or changed in the folder: the study reads the videos where they lie. Of its forms
the first that fits is taken:
  1. dataset.toml, videos.csv [, segments.csv] and videos/ or features/: a dataset already
  2. videos.csv [, segments.csv] and the videos, beside it or in videos/
       videos.csv:    video_id,split,duration,labels   video_id is the file's name without .mp4;
                      split is train, val, test or shifted; duration, in seconds, may be left out;
                      labels are class names, several joined by ";"
       segments.csv:  video_id,label,start,end         when each label is shown, in seconds
  3. names that say it:  SPLIT__CLASS_NN.ext           train__typing_07.mp4
                    or:  SPLIT/CLASS/name.ext          train/typing/kitchen.mp4
The last line on stdout is the path of the dataset folder; all else goes to stderr. What is in the
folder and is not taken stands in left_out.csv with its reason; intervals are cut at the end of their
video, and counted. What looks like a slip, such as durations in milliseconds, is said.
"""

import hashlib
import re
import sys
from pathlib import Path

import pandas as pd

from data.common import command
from data.common.doubts import doubts
from data.files import adopt
from data.files.dataset import SPLITS, open_dataset
from data.files.paths import DATA
from data.files.reading import nfc, refuse
from tfe.errors import StudyError

NAMED = re.compile(r"(?P<split>[a-z]+)__(?P<label>.+)_\d+")
# The study's own datasets and packages in data/, whose places nobody's folder takes.
OWN = {name for path in Path(__file__).parent.glob("*.py")
       for name in (path.stem, path.stem.replace("_", "-"))} | {
    "archives", "common", "encoders", "files", "video", "smoke", "composed-rehearsal",
    "rehearsal-clips"}
FORMS = ("videos.csv (video_id,split,duration,labels), or names SPLIT__CLASS_NN.ext, or folders "
         "SPLIT/CLASS/name.ext; SPLIT is train, val, test or shifted")


def main(arguments=None):
    """Print the path of the dataset folder that the arguments ask for, made if need be."""
    options = parser().parse_args(arguments)
    folder = options.folder
    if not folder.is_dir():
        raise StudyError(f"{folder} is not a folder: give the folder that holds the videos")
    if (folder / "dataset.toml").is_file():
        check_dataset(folder)
        print(folder.resolve())
        return
    out = options.out or home(folder, options.name)
    adopt.refuse_foreign(out, folder)
    source = (adopt.from_tables if (folder / "videos.csv").is_file() else from_names)(folder)
    name = options.name or (folder.resolve() if options.out else out).name
    adopt.write(source, out, {"name": name})
    tell(open_dataset(out))
    print(out.resolve())


def parser():
    """The command line."""
    p = command.parser("folder", __doc__, "data/<name>")
    p.add_argument("folder", type=command.folder, metavar="DIR", help="the folder to adopt")
    p.add_argument("--name", help="the dataset's name (default: the folder's name)")
    return p


def home(folder, name=None):
    """`data/NAME` for a folder; the study's own names, and those of other folders, are left alone."""
    own = name or adopt.fitting(folder.resolve().name)
    taken = own in OWN or re.fullmatch(r"(ucf101|hmdb51)-split\d", own)
    if not taken and (name or adopt.ours(DATA / own, folder)):
        return DATA / own
    if name:
        raise StudyError(f"--name {name}: the study has something of that name: choose another")
    told_apart = hashlib.sha256(str(folder.resolve()).encode(errors="replace")).hexdigest()[:8]
    return DATA / f"{own}-{told_apart}"


def check_dataset(folder):
    """Raise StudyError unless `folder` is a sound dataset with something to learn from."""
    dataset = open_dataset(folder)
    if not dataset.files and not any((folder / "features").glob("*/features.npy")):
        raise StudyError(f"{folder} has neither videos nor features: put videos into "
                         f"{folder / 'videos'} or features into {folder / 'features'}/NAME")
    adopt.notice(dataset)
    tell(dataset)
    print(f"{dataset.name}: {len(dataset.videos)} videos in the table, {len(dataset.files)} files, "
          f"{len(dataset.classes)} classes, {dataset.task}", file=sys.stderr)


def tell(dataset):
    """Say what in a dataset may be a slip."""
    for sentence in doubts(dataset):
        adopt.say(f"{dataset.name}: {sentence}")


def from_names(folder):
    """Read splits and classes from the names of the videos below `folder`."""
    rows, files, left_out, faults = [], {}, {}, []
    for path in adopt.files_below(folder):
        shown = str(path.relative_to(folder))
        if reason := adopt.unfit(path):
            left_out[shown] = reason
            continue
        video_id, split, label = said_by(path.relative_to(folder))
        if fault := wrong(folder, video_id, split, label):
            faults.append((shown, *fault))
        elif video_id in files:
            faults.append((shown, f"differs from {files[video_id].name} only in its ending",
                           "rename or remove one"))
        else:
            rows.append((video_id, split, "", label))
            files[video_id] = path
    if not rows and not faults:
        raise adopt.no_video(folder, f"put videos there, with {FORMS}")
    refuse(f"{folder}:", faults)
    videos = pd.DataFrame(rows, columns=["video_id", "split", "duration", "labels"])
    return adopt.Source(folder, videos, None, files, left_out)


def said_by(path):
    """The id, split and class that a path says; the latter are empty where it does not."""
    parts, stem = [nfc(part) for part in path.parts], nfc(path.stem)
    match = NAMED.fullmatch(stem) if len(parts) == 1 else None
    if match:
        return stem, match["split"], match["label"]
    if len(parts) == 3:
        return adopt.fitting("__".join((*parts[:2], stem))), parts[0], parts[1]
    return stem, "", ""


def wrong(folder, video_id, split, label):
    """`(what is wrong, the remedy)`, or None."""
    if split not in SPLITS:
        return "does not say its split and class", f"give {folder} {FORMS}"
    if ";" in label:
        return "a class name cannot hold ';'", "rename it"
    return None
