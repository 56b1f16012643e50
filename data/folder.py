"""Adopt a folder of videos, or a dataset folder of your own.

  python -m data folder ~/clips                     writes data/clips/ and prints its path
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
The last line on stdout is the path of the dataset folder; all else goes to stderr. Videos that
cannot be read are listed and left out.
"""

import argparse
import re
import sys
from pathlib import Path

from tfe.errors import StudyError, ended
from data.files.paths import DATA

NAMED = re.compile(r"(?P<split>[a-z]+)__(?P<label>.+)_\d+")
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
    from data.files import adopt

    out = options.out or DATA / (options.name or folder.resolve().name)
    adopt.refuse_foreign(out, folder)
    if (folder / "videos.csv").is_file():
        source = adopt.from_tables(folder)
    else:
        source = from_names(folder)
    adopt.write(source, out, options.name or folder.resolve().name)
    print(out.resolve())


def parser():
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m data folder", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=lambda name: Path(name).expanduser(), metavar="DIR",
                   help="the folder to adopt")
    p.add_argument("--out", type=Path, metavar="DIR",
                   help="the dataset folder to write (default: data/<name>)")
    p.add_argument("--name", help="the dataset's name (default: the folder's name)")
    return p


def check_dataset(folder):
    """Raise StudyError unless `folder` is a sound dataset with something to learn from."""
    from data.files.store import open_dataset

    dataset = open_dataset(folder)
    if not dataset.files and not any((folder / "features").glob("*/features.npy")):
        raise StudyError(f"{folder} has neither videos nor features: put videos into "
                         f"{folder / 'videos'} or features into {folder / 'features'}/NAME")
    print(f"{dataset.name}: {len(dataset.videos)} videos in the table, {len(dataset.files)} files, "
          f"{len(dataset.classes)} classes, {dataset.task}", file=sys.stderr)


def from_names(folder):
    """Read splits and classes from the names of the videos below `folder`."""
    import pandas as pd

    from data.files.adopt import Source, is_video
    from data.files.store import SPLITS

    rows, files = [], {}
    for path in sorted(p for p in folder.rglob("*") if is_video(p)):
        parts = path.relative_to(folder).parts
        named = NAMED.fullmatch(path.stem) if len(parts) == 1 else None
        if named:
            split, label, video_id = named["split"], named["label"], path.stem
        elif len(parts) == 3:
            split, label, video_id = parts[0], parts[1], "__".join((*parts[:2], path.stem))
        else:
            split, label, video_id = "", "", path.stem
        if split not in SPLITS:
            raise StudyError(f"{path} does not say its split and class: give {folder} {FORMS}")
        if ";" in label:
            raise StudyError(f"{path}: a class name cannot hold ';': rename it")
        if video_id in files:
            raise StudyError(f"{path} and {files[video_id]} differ only in their endings: "
                             "rename or remove one")
        rows.append((video_id, split, "", label))
        files[video_id] = path
    if not rows:
        raise StudyError(f"{folder} holds no video: put videos there, with {FORMS}")
    videos = pd.DataFrame(rows, columns=["video_id", "split", "duration", "labels"])
    return Source(folder, videos, None, files)


if __name__ == "__main__":
    sys.exit(ended(main))
