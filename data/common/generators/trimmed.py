"""Trimmed clips of one moving texture each, by invented people: a rehearsal for sets of real clips.

A person is a scene. Clips begin and end at rest: the scene alone. All is synthetic.
"""

import pandas as pd

from data.common.generators import render
from data.common.generators.scene import SCENES
from data.common.generators.storyboard import ACTIONS, FPS, Event, Storyboard, stream
from data.common.pool import fill
from data.files.dataset import write_dataset

LENGTH = range(32, 49)  # frames
REST = 8  # frames at either end


def write_clips(out, people=8, kinds=len(ACTIONS), trials=2, seed=0):
    """Write a dataset folder of clips `aA_sP_tT`: odd people train, the last odd one is val, even
    ones are the test."""
    odd = [p for p in range(1, people + 1) if p % 2]
    rows, stories = [], []
    for person in range(1, people + 1):
        split = "test" if person % 2 == 0 else "val" if person == odd[-1] else "train"
        for kind in range(kinds):
            for trial in range(1, trials + 1):
                number = (person * SCENES + kind) * 100 + trial
                frames = int(stream(seed, split, number, "events").choice(LENGTH))
                name = f"a{kind + 1}_s{person}_t{trial}"
                stories.append(Storyboard(name, split, number, seed, frames, person % SCENES,
                                          (Event(kind, REST, frames - REST),), ()))
                rows.append((name, split, round(frames / FPS, 6), ACTIONS[kind], f"s{person}"))
    fill(out / "videos", {story.video_id: story for story in stories}, render.write_video,
         "rendering", "clip")
    write_dataset(out, {
        "name": out.name, "task": "singlelabel", "metric": "accuracy", "synthetic": True,
        "classes": list(ACTIONS[:kinds]), "source": "made by data/composed.py --from rehearsal",
        "licence": "that of this repository"},
        pd.DataFrame(rows, columns=["video_id", "split", "duration", "labels", "group"]))
