"""Make `charades-sim`: the real labels and intervals of Charades, with simulated features.

  python -m data charades-sim --from DIR                the 9,848 videos, under a minute
  python -m data charades-sim --from DIR --videos 500 --out data/charades-few

DIR holds the official Charades_v1_train.csv, Charades_v1_test.csv and Charades_v1_classes.txt. No
video is needed and none is shown: the feature of segment t, of T = 16, is

    x_t = scene u_scene + snr sum_c v_c [action c covers the middle of t] + n_t

with directions u, v of length 1 in R^dim and standard normal noise n. So results on it are about
the labels' structure, at full scale, and never about Charades: the dataset is called synthetic.
val is carved out of train by person: those whose id's SHA-256 begins below 0x20, about an eighth.
The folder holds Charades' own lists: its licence forbids to pass it on, and git ignores it.
"""

import hashlib

import numpy as np

from data.common import command
from data.common.archives.benchmark import held_out
from data.common.lists.readers import CHARADES, charades
from data.planted import begin
from tfe.errors import StudyError
from data.files.dataset import open_dataset, write_dataset
from data.files.store import write_features

GENERATOR = 1  # raise it whenever the same arguments give other features
SEGMENTS = 16
# Chosen on val before any head was trained, among 0.75, 1, 1.5, 2, 3 and 4: the least at which a
# linear reader taught on single segments (.78 mAP) beats one taught on the mean (.71), while the mean
# lies between .5 and .85. Below, one segment is too noisy for a look at the right one to pay.
SNR = 3.0
SCENE = 4.0  # as in the planted features


def main(arguments=None):
    """Make the dataset that the arguments describe, or say that it is there."""
    options = parser().parse_args(arguments)
    if options.dim < 1 or options.seed < 0 or not 0 <= options.snr < 1e3 or (
            options.videos is not None and options.videos < 1):
        raise StudyError(f"--dim {options.dim} --seed {options.seed} --snr {options.snr} --videos "
                         f"{options.videos}: give --dim and --videos from 1, the others from 0")
    store = options.out / "features" / "simulated"
    if options.lists is None and not (store / "meta.json").is_file():
        raise StudyError(f"charades-sim needs Charades' lists: unpack {CHARADES} and run `python -m "
                         "data charades-sim --from DIR` with the folder in which they lie")
    settings = {"generator": GENERATOR, "dim": options.dim, "snr": options.snr,
                "seed": options.seed, "videos": options.videos}
    listing = charades(options.lists) if options.lists else None  # before anything is written
    if begin(options.out, settings) and (store / "meta.json").is_file():
        print(f"{options.out}: all videos are there, nothing to do")
        return
    videos, segments, classes = chosen(listing, options.videos, options.seed)
    write_dataset(options.out, {
        "name": options.out.resolve().name, "task": "multilabel", "metric": "map",
        "classes": classes, "source": "Charades' lists, with features made by data/charades_sim.py",
        "licence": "Charades: non-commercial, not to be passed on", "synthetic": True,
        # In this table `videos` would name a folder.
        **{key: value for key, value in settings.items() if key != "videos"}}, videos, segments)
    x = simulated(open_dataset(options.out), options.seed, options.snr, options.dim)
    # The store comes last: its meta.json says that the folder is whole.
    write_features(store, list(videos.video_id), x, {
        "encoder": "simulated", "origin": "simulated", "T": SEGMENTS, "d": options.dim,
        "sampling": "the intervals at the middles of the segments", "scene": SCENE, **settings})
    print(f"{options.out}: {len(videos)} videos, " + ", ".join(
        f"{count} {split}" for split, count in videos.split.value_counts(sort=False).items()))


def parser():
    """The command line."""
    p = command.parser("charades-sim", __doc__)
    p.add_argument("--from", dest="lists", type=command.folder, metavar="DIR", help="Charades' lists")
    p.add_argument("--videos", type=int, metavar="N", help="a random subset, the same for a seed")
    p.add_argument("--dim", type=int, default=128, help="length of a feature (default 128)")
    p.add_argument("--snr", type=float, default=SNR, help="how far an action stands out from the "
                   f"noise of one segment, in standard deviations (default {SNR:g})")
    p.add_argument("--seed", type=int, default=0, help="another seed, other features (default 0)")
    return p


def chosen(listing, count, seed):
    """The tables of `count` videos of the listing, or of all: `videos, segments, classes`."""
    videos = listing.videos
    if count is not None:
        if count > len(videos):
            raise StudyError(f"--videos is {count}: the lists hold {len(videos)}")
        rng = np.random.default_rng([seed, len(videos)])
        videos = videos.iloc[np.sort(rng.permutation(len(videos))[:count])]
    split = videos.split.where(~held_out(videos), "val")
    videos = videos.assign(split=split)[["video_id", "split", "duration", "labels", "scene"]]
    segments = listing.segments[listing.segments.video_id.isin(set(videos.video_id))]
    return videos, segments, listing.classes


def simulated(dataset, seed, snr, dim):
    """The features of the dataset's videos, float16 `(N, T, dim)`, in its order.

    A video's noise is its own: it does not depend on which other videos are there.
    """
    videos = dataset.videos
    truth = dataset.truth(list(videos.video_id), SEGMENTS)  # (N, C, T)
    of_class = directions(seed, "class", dataset.classes, dim)
    of_scene = directions(seed, "scene", videos.scene, dim)
    x = np.empty((len(videos), SEGMENTS, dim), np.float16)
    for row, video_id in enumerate(videos.video_id):
        noise = stream(seed, "video", video_id).standard_normal((SEGMENTS, dim))
        x[row] = SCENE * of_scene[row] + snr * truth[row].T @ of_class + noise
    return x


def directions(seed, kind, names, dim):
    """A unit vector a name, `(names, dim)`: the same name has the same vector."""
    vectors = np.array([stream(seed, kind, name).standard_normal(dim) for name in names])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def stream(seed, kind, name):
    """The random generator of one named thing: a function of its three arguments alone."""
    words = np.frombuffer(hashlib.sha256(f"{kind}:{name}".encode()).digest(), "<u4")
    return np.random.default_rng(np.random.SeedSequence([seed, *words.tolist()]))
