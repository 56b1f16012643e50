"""Make `composed`: untrimmed videos with exact intervals, out of any set of trimmed clips.

  python -m data composed                         data/composed of utd_mhad: 400 + 100 + 300 videos
  python -m data composed --from ucf101           data/composed-ucf101; hmdb51 likewise
  python -m data composed --from DIR --out DIR2   of any single-label dataset folder
  python -m data composed --from rehearsal        of generated clips, all synthetic

A video of 8 to 60 s joins pieces of clips of one person or group: 1 to 3 actions, which fill a part
`--share` of it, among `--distractors` stretches of actions without a label, and rests. Half of the
classes are labelled, drawn by `--seed`; the others never are. Who is in train is in no other split:
groups stand in the source's videos.csv (column `group`), or in the names of ucf101 and hmdb51. A
group of too few classes is joined with its like. Without a val, every eighth group of train is val.

Cuts tell nothing, by construction: lengths of pieces and joins (`--joins`: gap, fade, none) are
drawn alike whatever is shown; receipt.json says what a reader of the cuts alone finds. An interval
goes from the first frame of an action's first piece to the last of its last one, short joins inside
included; pieces.csv has every piece. Same source and arguments, same frames and tables; same videos
on processors of one maker with the same PyAV.
"""

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from data import utd_mhad
from data.common import command
from data.common.generators.storyboard import STREAMS
from data.common.generators.trimmed import write_clips
from data.common.recordings import clips, composing, cuts, joining, sources
from data.files.dataset import open_dataset, write_dataset
from data.files.paths import DATA, write_csv, write_text
from data.planted import begin
from tfe.errors import StudyError

GENERATOR = 1  # raise it whenever the same arguments give other videos
OPTIONS = ("share", "actions", "distractors", "joins")


def main(arguments=None):
    """Make the dataset that the arguments describe, or say what is missing."""
    options = parser().parse_args(arguments)
    given = {name: getattr(options, name) for name in OPTIONS}
    counts = {part: getattr(options, part) for part in clips.PARTS}
    check(options.seed, counts, **given)
    source = source_of(options.source)
    out = options.out or DATA / ("composed" if source.name == "utd_mhad" else
                                 f"composed-{source.name.removesuffix('-clips')}")
    settings = {"generator": GENERATOR, "name": out.resolve().name, "source": source.name,
                "source_key": source.key, "seed": options.seed, **given,
                "joins": list(options.joins), "count": counts}
    if begin(out, settings) and (out / "receipt.json").is_file() and sum(counts.values()) == len(
            list((out / "videos").glob("*.mp4"))):
        print(f"{out}: all {sum(counts.values())} videos are there, nothing to do")
        return
    table = clips.table(source)
    law, side = clips.law(table, **given)
    long_enough = table[table.frames >= law.most]
    labelled = clips.classes(long_enough, options.seed)
    pools = clips.pools(long_enough, labelled)
    plan = {f"{part}_{n:04d}": drawn(pools[part], part, n, options.seed, law)
            for part, count in counts.items() for n in range(count)}
    joining.render(out / "videos", source.files, plan, side, law.fps)
    write_tables(out, settings, source, labelled, plan, law)
    receipt = {**settings, "law": asdict(law), "side": side, "clips": len(table),
               "too_short": len(table) - len(long_enough), "labelled": labelled,
               "boundaries": joining.compared(out / "videos", source.files, plan, side),
               "cuts": cuts.control({name: pieces for name, (_, pieces) in plan.items()},
                                    {name: name.partition("_")[0] for name in plan}),
               "versions": {name: version(name) for name in ("av", "numpy", "scikit-learn")}}
    write_text(out / "receipt.json", json.dumps(receipt, indent=1) + "\n")
    print(f"{out}: {len(plan)} videos of {len(long_enough)} clips; the cuts alone give "
          + ", ".join(f"{name} {value:.3f}" for name, value in receipt["cuts"].items()))


def parser():
    """The command line."""
    p = command.parser("composed", __doc__, "data/composed, or data/composed-SET")
    p.add_argument("--from", dest="source", default="utd_mhad", metavar="SET",
                   help="utd_mhad (default), ucf101, hmdb51, rehearsal, or a dataset folder")
    p.add_argument("--share", type=float, default=0.25, metavar="PART",
                   help="part of a video that its actions fill, .075 to .8 (default .25)")
    p.add_argument("--actions", type=int, default=3, metavar="N", help="at most (default 3)")
    p.add_argument("--distractors", type=int, default=3, metavar="N",
                   help="stretches of actions without a label, where they fit (default 3)")
    p.add_argument("--joins", type=lambda text: tuple(text.split(",")), default=composing.JOINS,
                   metavar="KINDS", help="of gap,fade,none (default: all three)")
    p.add_argument("--seed", type=int, default=0, help="another seed, other videos (default 0)")
    for part, count in zip(clips.PARTS, (400, 100, 300)):
        p.add_argument(f"--{part}", type=int, default=count, metavar="N",
                       help=f"videos in {part} (default {count})")
    return p


def check(seed, counts, share, actions, distractors, joins):
    """Refuse settings that no video can follow."""
    if not 0.075 <= share <= 0.8 or not joins or not set(joins) <= set(composing.JOINS) or min(
            actions, distractors + 1, seed + 1, *counts.values()) < 1:
        raise StudyError("give --share from .075 to .8, --joins of gap,fade,none, --actions from "
                         "1, --distractors and --seed from 0, and a video or more in every split")


def source_of(name):
    """The dataset of the clips; what can be made here is made."""
    folder = Path(name).expanduser() if "/" in name or name == "." else DATA / (
        "rehearsal-clips" if name == "rehearsal" else name)
    if name == "rehearsal":
        write_clips(folder)
    elif name == "utd_mhad" and not (folder / "dataset.toml").is_file() and sources.beside(name):
        utd_mhad.main([])
    if not (folder / "dataset.toml").is_file():
        how = (f"get {sources.SOURCES[name]}, and run `python -m data {name} --from DIR`"
               if name in sources.SOURCES else f"make it by `python -m data {name}`, or adopt your "
               "folder by `python -m data folder DIR`")
        raise StudyError(f"composed needs clips in {folder}, which are not here: {how}; or "
                         "rehearse with --from rehearsal")
    return open_dataset(folder)


def drawn(pools, part, number, seed, law):
    """The group and the pieces of video `number` of a split: groups take turns."""
    name, labelled, others = pools[number % len(pools)]
    rng = np.random.default_rng([seed, clips.PARTS.index(part), number, STREAMS["events"]])
    return name, composing.compose(rng, labelled, others, law)


def write_tables(out, settings, source, labelled, plan, law):
    """Write videos.csv, segments.csv, pieces.csv and, last, dataset.toml."""
    videos, segments, rows = [], [], []
    for name, (group, pieces) in plan.items():
        events = composing.intervals(pieces)
        lasts = (pieces[-1].first + pieces[-1].frames) / law.fps
        videos.append((name, name.partition("_")[0], round(lasts, 6),
                       ";".join(sorted(label for label, _, _ in events)), group))
        segments += [(name, label, round(first / law.fps, 6), round(last / law.fps, 6))
                     for label, first, last in events]
        rows += [{"video_id": name, **asdict(piece)} for piece in pieces]
    write_csv(out / "pieces.csv", pd.DataFrame(rows))
    write_dataset(out, {
        "name": settings["name"], "task": "multilabel", "metric": "map", "classes": labelled,
        "source": f"clips of {source.settings.get('source')}, joined by data/composed.py",
        "licence": source.settings.get("licence", "not stated"), "synthetic": source.synthetic,
        **{key: settings[key] for key in ("generator", "seed", *OPTIONS)}},
        pd.DataFrame(videos, columns=["video_id", "split", "duration", "labels", "group"]),
        pd.DataFrame(segments, columns=["video_id", "label", "start", "end"]))
