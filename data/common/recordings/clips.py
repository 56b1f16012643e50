"""Trimmed clips to compose of: who is in them, how long they are, which classes are labelled."""

import re
from functools import partial

import numpy as np
import pandas as pd

from data.common.pool import over_cores
from data.common.recordings.composing import Law
from data.video.decode import probe
from tfe.errors import StudyError

SHORT = 0.05  # of the clips are shorter than the longest piece, and left out
SHORTEST = 0.6  # of the longest piece
PARTS = ("train", "val", "test")


def table(source):
    """The clips of a single-label dataset, a line each.

    Columns: `video_id, split, label, group, frames, fps, height, width`. Of a film in two splits the
    clips of one are left out. Raises StudyError for a dataset of another task, and where a person of
    the column `group` is in two splits.
    """
    if source.task != "singlelabel":
        raise StudyError(f"{source.folder} is multilabel: clips of one action each can be joined")
    clips = source.videos[source.videos.video_id.isin(set(source.files))].copy()
    clips["label"], given = clips.labels.str[0], "group" in clips
    if not given:
        clips["group"] = [group(c.video_id, c.label, c.split) for c in clips.itertuples()]
    clips = with_val(clips[clips.split.isin(PARTS)], source.folder)
    astray = clips.split != clips.groupby("group").split.transform(lambda own: own.mode()[0])
    if given and astray.any():
        raise StudyError(f"{source.folder / 'videos.csv'}: group {clips.group[astray].iloc[0]!r} is "
                         "in two splits: give each person or group one split")
    clips = clips[~astray]  # a film of HMDB-51 may train one class and test another
    lengths = dict(over_cores(partial(length, source.files), clips.video_id, "measuring", "clip",
                        threads=True))
    facts = pd.DataFrame([lengths[name] for name in clips.video_id],
                         columns=["frames", "fps", "height", "width"], index=clips.index)
    return clips[["video_id", "split", "label", "group"]].join(facts)


def length(files, name):
    """Frames, frames a second, height and width of a clip, by decoding it."""
    facts = probe(files[name])
    return facts.decoded_frames, facts.fps, facts.height, facts.width


def group(name, label, split):
    """UCF101's group and HMDB-51's film, by a clip's name; else its split, which mixes people."""
    if match := re.fullmatch(r"v_.+_(g\d+)_c\d+", name):
        return match[1]
    film, of_class, _ = name.rpartition(f"_{label}_")
    return film if of_class else split


def with_val(clips, folder):
    """The clips with a split val: where there is none, every eighth group of train goes there."""
    if (clips.split == "val").any():
        return clips
    groups = sorted(set(clips.group[clips.split == "train"]))
    if len(groups) < 2:
        raise StudyError(f"{folder} has no split val, and train has one group alone: give a val")
    return clips.assign(split=clips.split.mask(
        clips.group.isin(groups[1::8]) & (clips.split == "train"), "val"))


def law(clips, **given):
    """The `Law` of a set of clips, at their usual rate, and the side of its pictures."""
    most = int(clips.frames.quantile(SHORT))
    side = min(160, int(clips[["height", "width"]].min(axis=1).iloc[0])) // 2 * 2
    return Law(round(clips.fps.median()), int(np.ceil(SHORTEST * most)), most, **given), side


def classes(clips, seed):
    """Half of the classes, which are labelled: drawn among those that every split has."""
    there = sorted(set.intersection(*(set(clips.label[clips.split == part]) for part in PARTS)))
    if len(there) < 2:
        raise StudyError("train, val and test share fewer than two classes: give other clips")
    rng = np.random.default_rng([seed, len(there)])
    return sorted(there[c] for c in rng.permutation(len(there))[:len(there) // 2])


def pools(clips, labelled):
    """`{split: [(group, {class: clips} of labelled classes, and of the others)]}`.

    A group with fewer than two classes of either kind is joined with the like of its split.
    """
    found = {}
    for part, own in clips.groupby("split"):
        kinds = own.groupby("group").label.agg(lambda names: (
            len(set(names) & set(labelled)), len(set(names) - set(labelled))))
        poor = own.group.map(lambda name: min(kinds[name]) < 2)
        found[part] = []
        for name, members in own.groupby(own.group.mask(poor, f"{part} mixed")):
            of = {label: list(zip(each_of.video_id, each_of.frames.astype(int)))
                  for label, each_of in members.groupby("label")}
            halves = [{label: of[label] for label in of if (label in labelled) == wanted}
                      for wanted in (True, False)]
            if all(halves):
                found[part].append((name, *halves))
        if not found[part]:
            raise StudyError(f"{part} has no group with labelled and unlabelled classes: give more "
                             "clips, or another --seed")
    return found
