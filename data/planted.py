"""Make the dataset `planted`: videos with known actions, intervals and scenes, all synthetic.

  python -m data planted                              the study's set: 1,400 videos, 1-2 minutes
  python -m data planted --rho 0.9 --out data/shortcut      scenes that almost give the label away
  python -m data planted --features-only --out data/smoke --train 48 --val 16 --test 32 --shifted 32

Each video shows 1 to 3 of 12 actions (an action is the texture of a moving object) in a part
`--share` of its time, things that carry no label, and a scene. In train, val and test the scene
is that of the first action with probability `--rho` and uniform otherwise; in `shifted` it is
always uniform, and all else in its videos is as in test: a method that leans on scenes falls there.

It writes dataset.toml, videos.csv (labels), segments.csv (intervals in seconds) and videos/, or
with --features-only features/planted/ instead of videos; and croissant.json, which describes them.
Same arguments, same frames and tables; same videos on processors of one maker with the same PyAV
(`data.video.writing`). It may be stopped at any time: the same command goes on where it was.
"""

import json
from collections import Counter

from data.common import command, croissant
from data.common.generators import render, storyboard
from data.common.generators.features import DISTRACTION, SCENE, SNR, show
from tfe.errors import StudyError
from data.files.paths import DRAWN, UNFINISHED, write_text

# Raise it whenever the same arguments give other storyboards, frames or features; and its date.
GENERATOR, SINCE = 2, "2026-11-23"
STORY = ("seed", "rho", "share", "actions")


def main(arguments=None):
    """Make the dataset that the arguments describe, or say that it is there."""
    options = parser().parse_args(arguments)
    storyboard.check(options.seed, options.rho, options.share, options.actions)
    counts = {split: getattr(options, split) for split in storyboard.SPLITS}
    if min(counts.values()) < 0 or not any(counts.values()):
        raise StudyError("--train, --val, --test, --shifted: give 0 or more videos each, not all 0")
    settings = {"generator": GENERATOR, "name": options.name or options.out.resolve().name,
                **{name: getattr(options, name) for name in STORY}, "videos": counts}
    if options.features_only:
        settings["features"] = {"snr": options.snr}
    begun = begin(options.out, settings)
    stories = [storyboard.storyboard(split, number, **{k: settings[k] for k in STORY})
               for split, count in counts.items() for number in range(count)]
    make(options.out, stories, settings, begun)


def make(folder, stories, settings, begun, script="planted"):
    """Make what is missing of a dataset that shows `stories`; its tables last."""
    if begun and complete(folder, stories, settings):
        print(f"{folder}: all {len(stories)} videos are there, nothing to do")
        return
    if "features" in settings:
        write_planted_features(folder, stories, settings)
    else:
        from data.common import pool  # who reads of the set needs no processes, which a browser lacks

        pool.fill(folder / "videos", {story.video_id: story for story in stories}, render.write_video,
                  "rendering", "video")
    write_tables(folder, stories, settings, script)
    counts = Counter(story.split for story in stories)
    print(f"{folder}: {len(stories)} videos, "
          + ", ".join(f"{count} {split}" for split, count in counts.items()))


def parser():
    """The command line."""
    p = command.parser("planted", __doc__)
    p.add_argument("--name", help="the dataset's name in tables (default: the folder's name)")
    p.add_argument("--seed", type=int, default=0, help="another seed, another dataset (default 0)")
    p.add_argument("--rho", type=float, default=0.5, metavar="P",
                   help="probability that the scene is the action's: 0 independent, 0.9 a "
                   "shortcut (default 0.5)")
    p.add_argument("--share", type=float, default=0.25, metavar="PART",
                   help="part of a video that its actions fill, 0.075 to 0.8 (default 0.25)")
    p.add_argument("--actions", type=int, default=3, metavar="N",
                   help="actions in a video at most; 1 makes a single-label dataset (default 3)")
    for split, count in (("train", 400), ("val", 200), ("test", 400), ("shifted", 400)):
        p.add_argument(f"--{split}", type=int, default=count, metavar="N",
                       help=f"videos in {split} (default {count})")
    p.add_argument("--features-only", action="store_true",
                   help="write features of the same storyboards, without rendering: seconds")
    p.add_argument("--snr", type=float, default=SNR,
                   help="only for features: how far an action stands out from the noise of one "
                   f"segment, in standard deviations (default {SNR:g})")
    return p


def begin(folder, settings):
    """Stamp `folder` with `settings`; say whether the same stamp was there already.

    Raises StudyError where the folder was made with other settings or by something else.
    """
    stamp = folder / DRAWN
    if not stamp.is_file():
        if folder.is_dir() and any(UNFINISHED not in path.name for path in folder.iterdir()):
            raise StudyError(f"{folder} holds something else (no {DRAWN}): choose another --out")
        write_text(stamp, json.dumps(settings, indent=1) + "\n")
        return False
    try:
        found = json.loads(stamp.read_text(encoding="utf-8"))
    except ValueError:
        raise StudyError(f"{stamp} cannot be read: remove the folder and run again") from None
    if found != settings:
        other = [key for key in {**found, **settings} if found.get(key) != settings.get(key)]
        raise StudyError(f"{folder} was made with another {' and '.join(other)} (see {DRAWN}): "
                         "choose another --out, or remove the folder and run again")
    return True


def complete(folder, stories, settings):
    """Whether every file is there. The tables are written last, each file atomically."""
    if not all((folder / name).is_file() for name in ("dataset.toml", croissant.FILE)):
        return False
    if "features" in settings:
        return (folder / "features" / "planted" / "meta.json").is_file()
    return {s.video_id for s in stories} <= {p.stem for p in (folder / "videos").glob("*.mp4")}


def write_planted_features(folder, stories, settings):
    """Write the store `features/planted` of `stories`."""
    from data.files.store import write_features

    x, _, _ = show(stories, settings["seed"], **settings["features"])
    write_features(folder / "features" / "planted", [story.video_id for story in stories], x, {
        "encoder": "planted", "origin": "planted", "T": x.shape[1], "d": x.shape[2],
        "sampling": "the storyboard at the middles of the segments", "scene": SCENE,
        "distraction": DISTRACTION, **{k: v for k, v in settings.items() if k != "features"},
        **settings["features"]})


def write_tables(folder, stories, settings, script):
    """Write videos.csv, segments.csv and dataset.toml, and what machines read of them."""
    from data.files.dataset import TASKS, write_dataset

    videos, segments = tables(stories)
    task = "singlelabel" if settings["actions"] == 1 else "multilabel"
    write_dataset(folder, {
        "name": settings["name"], "task": task, "metric": TASKS[task],
        "classes": list(storyboard.ACTIONS), "source": f"made by data/{script}.py",
        "licence": "that of this repository", "synthetic": True, "generator": GENERATOR,
        **{key: settings[key] for key in STORY}}, videos, segments)
    chosen = ", ".join(f"{key} {settings[key]}" for key in STORY)
    croissant.write(folder, settings["name"],
                    "Moving textured objects; an action is a texture, and its intervals are exact. "
                    f"Made by data/{script}.py with {chosen}.", GENERATOR, SINCE)


def tables(stories):
    """The videos and the segments of `stories`, in the columns of a dataset folder; a clip has none."""
    import pandas as pd

    name = storyboard.ACTIONS.__getitem__
    videos = pd.DataFrame([(s.video_id, s.split, round(s.duration, 6),
                            ";".join(sorted(name(e.kind) for e in s.labelled)), s.scene)
                           for s in stories],
                          columns=["video_id", "split", "duration", "labels", "scene"])
    segments = pd.DataFrame([(s.video_id, name(e.kind), round(e.first / storyboard.FPS, 6),
                              round(e.last / storyboard.FPS, 6))
                             for s in stories if s.only is None for e in s.actions],
                            columns=["video_id", "label", "start", "end"])
    return videos, segments
