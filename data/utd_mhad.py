"""Make `utd_mhad`: 861 depth videos of 27 actions, trimmed, trained and tested on other people.

  python -m data utd_mhad --from DIR        writes data/utd_mhad/

DIR holds the official Depth/ (a1_s1_t1_depth.mat, and so on), of which 120 x 120 videos are made,
depth scaled clip by clip to 8 bits; or it is a dataset folder of such videos, which are linked.
Persons 1, 3 and 5 train, 7 is val, 2, 4, 6 and 8 are the test. A clip is one action with a little rest
at either end: of these, `python -m data composed` makes untrimmed videos. The names of the classes
follow the order of the dataset's page.
"""

import re
from functools import partial

import numpy as np
import pandas as pd
from scipy import io

from data.common.pool import over_cores
from data.common.recordings import sources
from data.files.dataset import open_dataset, write_dataset
from data.video.writing import write_video
from tfe.errors import StudyError

ACTIONS = ("swipe_left", "swipe_right", "wave", "clap", "throw", "arm_cross", "basketball_shoot",
           "draw_x", "draw_circle_cw", "draw_circle_ccw", "draw_triangle", "bowling", "boxing",
           "baseball_swing", "tennis_swing", "arm_curl", "tennis_serve", "push", "knock", "catch",
           "pickup_throw", "jog", "walk", "sit_to_stand", "stand_to_sit", "lunge", "squat")
NAME = re.compile(r"a(\d+)_s(\d)_t\d")
FPS = 30


def main(arguments=None):
    """Make the dataset that the arguments describe, or say what is missing."""
    options = sources.parser("utd_mhad", __doc__).parse_args(arguments)
    folder = sources.found("utd_mhad", options.folder)
    lasts = linked if (folder / "dataset.toml").is_file() else converted
    videos = pd.DataFrame(lasts(folder, options.out), columns=["video_id", "duration"])
    said = videos.video_id.map(NAME.fullmatch)
    if wrong := [name for name, match in zip(videos.video_id, said) if match is None
                 or not 1 <= int(match[1]) <= len(ACTIONS)]:
        raise StudyError(f"{folder} is not utd_mhad: {wrong[0]!r} names no action, person and "
                         "trial: give another folder")
    videos.insert(1, "split", said.map(lambda match: split(int(match[2]))))
    videos["labels"] = said.map(lambda match: ACTIONS[int(match[1]) - 1])
    videos["group"] = said.map(lambda match: f"s{match[2]}")
    write_dataset(options.out, {
        "name": "utd_mhad", "task": "singlelabel", "metric": "accuracy", "classes": list(ACTIONS),
        "source": "UTD-MHAD (Chen et al. 2015), depth in 8 bits, 120 x 120, re-encoded",
        "licence": "none stated; please cite", "synthetic": False}, videos)
    print(f"{options.out}: {len(videos)} depth videos of {videos.group.nunique()} people, "
          f"{videos.labels.nunique()} actions")


def split(person):
    """The split of a person, by number."""
    return "val" if person == 7 else "train" if person % 2 else "test"


def linked(folder, out):
    """`[(video, seconds)]` of a dataset folder, whose videos are linked to."""
    dataset = open_dataset(folder)
    sources.link(dataset.folder / "videos", out / "videos")
    return list(zip(dataset.videos.video_id, dataset.videos.duration))


def converted(folder, out):
    """`[(video, seconds)]` of the official files, each made a video."""
    files = [path for path in sorted(folder.rglob("a*_depth.mat"))]
    if not files:
        raise StudyError(f"{folder} holds no a*_depth.mat: get {sources.SOURCES['utd_mhad']}")
    made = over_cores(partial(convert, out / "videos"), files, "converting", "video")
    return sorted((path.stem.removesuffix("_depth"), frames / FPS) for path, frames in made)


def convert(videos, path):
    """Make the video of a depth file; return its number of frames."""
    try:
        # Arrays alone: loadmat runs nothing that a file brings along.
        depth = np.asarray(io.loadmat(path, variable_names=["d_depth"])["d_depth"], np.float32)
        square = depth[::2, 40:280:2].transpose(2, 0, 1)  # 240 x 320 millimetres, frames last
        low, high = square[square > 0].min(), square.max()
    except Exception as error:  # loadmat raises many kinds on a broken file
        raise StudyError(f"{path} holds no d_depth (240, 320, frames) ({error}): copy it again"
                         ) from None
    grey = np.clip(255 * (square - low) / max(high - low, 1), 0, 255).astype(np.uint8)
    write_video(videos / f"{path.stem.removesuffix('_depth')}.mp4",
                (np.repeat(frame[..., None], 3, axis=2) for frame in grey), FPS)
    return len(grey)
