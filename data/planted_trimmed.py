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

from data import planted
from data.common.generators import storyboard
from tfe.errors import StudyError
from data.files.paths import DATA

DEFAULTS = ["--out", str(DATA / "planted-trimmed"), "--name", "planted-trimmed",
            "--train", "200", "--val", "0"]


def main(arguments=None):
    """Make the dataset; what is given on the command line overrides the defaults."""
    options = planted.parser().parse_args(
        DEFAULTS + list(sys.argv[1:] if arguments is None else arguments))
    storyboard.check(options.seed, options.rho, options.share, options.actions)
    if options.features_only or options.val:
        raise StudyError("planted-trimmed has videos and no val: omit --features-only and --val")
    story = {name: getattr(options, name) for name in planted.STORY}
    counts = {split: getattr(options, split) for split in ("train", "test", "shifted")}
    settings = {"generator": planted.GENERATOR, "name": options.name, **story, "trimmed": counts}
    begun = planted.begin(options.out, settings)
    whole = [storyboard.storyboard(split, n, **story)
             for split, count in counts.items() for n in range(count)]
    clips = [one.clip(n) for one in whole if one.split == "train" for n in range(len(one.actions))]
    tested = [one for one in whole if one.split != "train"]
    planted.make(options.out, clips + tested, settings, begun, "planted_trimmed")
