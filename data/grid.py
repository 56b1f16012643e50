"""Make `grid`: 1.28 seconds of one speaker's mouth, at random places, with the words and their times.

  python -m data grid --from DIR              writes data/grid/
  python -m data grid --from DIR --crops 3    three crops of each video

DIR holds the official speaker, unpacked (s1/bbaf2n.mpg and its bbaf2n.align, in any folders), or a
dataset folder of such videos. All is one speaker: it is split by utterance, 60/10/30 by the hash of
its name where no split is given, and says nothing of other people.

Every sentence has six words in one order (command, colour, preposition, letter, digit, adverb), so
that in a whole video a word's place follows from the word: `book.evidence.position`. Crops of 32
frames at random places take most of that away. A crop bears the words of which it shows at least
half.
"""

import hashlib
from itertools import islice

import numpy as np
import pandas as pd

from data.common.pool import fill
from data.common.recordings import sources
from data.files.dataset import SUFFIXES, open_dataset, write_dataset
from data.video.decode import pictures
from data.video.writing import write_video
from tfe.errors import StudyError

WORDS = ("bin lay place set blue green red white at by in with a b c d e f g h i j k l m n o p q r "
         "s t u v x y z zero one two three four five six seven eight nine again now please soon"
         ).split()
SILENCE = ("sil", "sp")
FRAMES, FPS, CLOCK = 32, 25, 25_000  # of a crop; a second; ticks of an .align a second


def main(arguments=None):
    """Make the dataset that the arguments describe, or say what is missing."""
    p = sources.parser("grid", __doc__)
    p.add_argument("--crops", type=int, default=1, metavar="N", help="of each video (default 1)")
    p.add_argument("--seed", type=int, default=0, help="another seed, other crops (default 0)")
    options = p.parse_args(arguments)
    if options.crops < 1 or options.seed < 0:
        raise StudyError(f"--crops {options.crops} --seed {options.seed}: give 1 and 0 or more")
    folder = sources.found("grid", options.folder)
    read = adopted if (folder / "dataset.toml").is_file() else official
    crops = [crop for number in range(options.crops)
             for crop in cut(*read(folder), number, options.seed)]
    fill(options.out / "videos", {crop[0]: crop for crop in crops}, write_crop, "cutting", "crop")
    videos = pd.DataFrame([(name, split, FRAMES / FPS, ";".join(sorted({w for w, _, _ in words})))
                           for name, _, split, _, words in crops],
                          columns=["video_id", "split", "duration", "labels"])
    segments = pd.DataFrame([(name, *word) for name, _, _, _, words in crops for word in words],
                            columns=["video_id", "label", "start", "end"])
    write_dataset(options.out, {
        "name": "grid", "task": "multilabel", "metric": "map", "classes": WORDS,
        "source": "GRID corpus, speaker 1 (Cooke et al. 2006), crops of 1.28 s, re-encoded",
        "licence": "CC BY 4.0", "synthetic": False, "seed": options.seed}, videos, segments)
    print(f"{options.out}: {len(videos)} crops, {len(segments)} words")


def adopted(folder):
    """Files, splits and words, `{video: ...}`, of a dataset folder."""
    dataset = open_dataset(folder)
    words = {name: list(zip(own.label, own.start, own.end))
             for name, own in dataset.segments.groupby("video_id")}
    return dataset.files, dict(zip(dataset.videos.video_id, dataset.videos.split)), words


def official(folder):
    """As `adopted`, of the official files; videos without an .align are left out."""
    aligned = {path.stem: path for path in sorted(folder.rglob("*.align"))}
    files = {path.stem: path for path in sorted(folder.rglob("*"))
             if path.stem in aligned and path.suffix.lower() in SUFFIXES}
    if not files:
        raise StudyError(f"{folder} holds no video with its .align: get {sources.SOURCES['grid']}")
    return files, {name: split(name) for name in files}, {
        name: words(aligned[name]) for name in files}


def split(name):
    """The split of an utterance, by the hash of its name."""
    part = hashlib.sha256(name.encode()).digest()[0] / 256
    return "train" if part < 0.6 else "val" if part < 0.7 else "test"


def words(path):
    """`[(word, start, end)]` in seconds, silence left out."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        start, end, word = (line.split() + ["", "", ""])[:3]
        if word in WORDS and start.isdigit() and end.isdigit():
            found.append((word, int(start) / CLOCK, int(end) / CLOCK))
        elif line.strip() and word not in SILENCE:
            raise StudyError(f"{path} line {number}: {line.strip()!r} is no `start end word` of "
                             "GRID: copy it again")
    return found


def cut(files, splits, spoken, number, seed):
    """Crop `number` of each video: `[(name, file, split, first frame, words in its seconds)]`."""
    found = []
    for video, path in sorted(files.items()):
        draw = np.random.default_rng([seed, number, *video.encode()])
        first = int(draw.integers(75 - FRAMES + 1))  # every video has 75 frames
        own = []
        for word, start, end in spoken.get(video, ()):
            a, b = np.clip(np.array([start, end]) - first / FPS, 0, FRAMES / FPS)
            if 2 * (b - a) >= end - start:
                own.append((word, round(float(a), 3), round(float(b), 3)))
        found.append((f"{video}_{number}", path, splits[video], first, own))
    return found


def write_crop(crop, path):
    """Write the frames of a crop to `path`."""
    _, video, _, first, _ = crop
    frames = list(islice(pictures(video), first, first + FRAMES))
    if len(frames) < FRAMES:
        raise StudyError(f"{video} has no {first + FRAMES} frames: copy it again")
    write_video(path, frames, FPS, {"crf": "18", "preset": "veryfast"})
