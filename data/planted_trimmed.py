"""Make `planted-trimmed`: trained on clips cut to one action each, tested on whole videos; synthetic.

  python -m data planted-trimmed        the study's set: a clip an action of `planted`'s first 200
                                        videos, and the 800 videos of its test and shifted; minutes

The paper explains its smaller gain on BIKE by finer supervision: BIKE is trained on clips cut from
long videos, MSQNet on whole videos (section 4.3). Here one head can have either: the storyboards,
frames, test videos and options are those of `data/planted.py`, and training alone differs. A clip
bears its own action's label and no other, and all of its segments show it. 200 videos give as many
clips as `planted` has videos in train, so that both take as many steps. There is no val.
"""

import sys
from dataclasses import dataclass
from functools import partial

import pandas as pd

from data import planted
from data.common.generators import render, storyboard
from tfe.errors import StudyError
from data.files.paths import DATA
from data.common.pool import over_cores
from data.files.dataset import write_dataset

DEFAULTS = ["--out", str(DATA / "planted-trimmed"), "--name", "planted-trimmed",
            "--train", "200", "--val", "0"]


@dataclass(frozen=True)
class Clip:
    """The frames of one action of a storyboard."""

    story: storyboard.Storyboard
    number: int

    @property
    def video_id(self):
        return f"{self.story.video_id}_{self.number}"

    @property
    def event(self):
        return self.story.actions[self.number]


def main(arguments=None):
    """Make the dataset; what is given on the command line overrides the defaults."""
    options = planted.parser().parse_args(
        DEFAULTS + list(sys.argv[1:] if arguments is None else arguments))
    storyboard.check(options.seed, options.rho, options.share, options.actions)
    if options.features_only or options.val:
        raise StudyError("planted-trimmed has neither planted features nor a split val: leave "
                         "--features-only and --val out")
    story = {name: getattr(options, name) for name in planted.STORY}
    counts = {split: getattr(options, split) for split in ("train", "test", "shifted")}
    settings = {"generator": planted.GENERATOR, "name": options.name, **story, "trimmed": counts}
    begun = planted.begin(options.out, settings)
    stories = {split: [storyboard.storyboard(split, n, **story) for n in range(count)]
               for split, count in counts.items()}
    clips = [Clip(one, n) for one in stories["train"] for n in range(len(one.actions))]
    whole, videos = stories["test"] + stories["shifted"], options.out / "videos"
    wanted = {one.video_id for one in [*clips, *whole]}
    if begun and (options.out / "dataset.toml").is_file() and wanted <= {
            path.stem for path in videos.glob("*.mp4")}:
        print(f"{options.out}: all {len(wanted)} videos are there, nothing to do")
        return
    missing = [clip for clip in clips if not (videos / f"{clip.video_id}.mp4").is_file()]
    for _ in over_cores(partial(write_into, videos), missing, "rendering", "clip"):
        pass
    planted.render_missing(options.out, whole)
    write_tables(options.out, clips, whole, settings)
    print(f"{options.out}: {len(clips)} clips train, {len(whole)} whole videos test and shifted")


def write_into(folder, clip):
    """Render `clip` to `<folder>/<video_id>.mp4`."""
    render.write_video(clip.story, folder / f"{clip.video_id}.mp4", clip.event.first,
                       clip.event.last)


def write_tables(folder, clips, whole, settings):
    """Write the tables: those of the whole videos as `planted` has them, and a line a clip."""
    videos, segments = planted.tables(whole)
    trimmed = pd.DataFrame([
        (clip.video_id, "train", round((clip.event.last - clip.event.first) / storyboard.FPS, 6),
         storyboard.ACTIONS[clip.event.kind], clip.story.scene) for clip in clips],
        columns=videos.columns)
    write_dataset(folder, {
        "name": settings["name"], "task": "multilabel", "metric": "map",
        "classes": list(storyboard.ACTIONS), "source": "made by data/planted_trimmed.py",
        "licence": "that of this repository", "synthetic": True, "generator": planted.GENERATOR,
        **{key: settings[key] for key in planted.STORY}},
        pd.concat([trimmed, videos], ignore_index=True), segments)
