"""A final fit of the leaderboard: one system, trained, and read on `test` every way that it has.

A line of its table is a read-out, or who picked segments for it (`book.evidence.explainers`).
"""

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from book.evidence import explainers, readouts, tell
from book.runs import fits, provenance
from book.runs.multiverse import NOT_RUN, one_line
from book.runs.settings import Settings
from data.files import store


@dataclass(frozen=True)
class Job:
    """What is fitted on which data, and what is asked of it."""

    settings: Settings
    begin: Settings | None  # of the head where a warm start begins
    data: str
    encoder: str
    read: int  # how many videos of a split are read at most: the metric is of all
    draws: int  # the seed that draws them, the same for every system
    explained: bool  # whether L2X and AIL explain it

    @property
    def key(self):
        """That of the fit, the code that reads it, and what is asked."""
        identity = [fits.key(self.settings, self.data, self.encoder, self.begin), self.read, self.draws,
                    self.explained, provenance.sources(__file__)]
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]

    def drawn(self, rows):
        """At most `read` of these rows, in their order."""
        return np.sort(np.random.default_rng(self.draws).permutation(rows)[:self.read])


def lines(job):
    """Fit and read: a list of dicts. One of status "not run: ..." for what refuses or breaks, and why."""
    try:
        return [_named(job) | line for line in _measured(job)]
    except (RuntimeError, ValueError, IndexError) as error:  # StudyErrors too: the other cells go on
        return refused(job, error)


def refused(job, reason):
    """The line of a fit that is not made, and why."""
    return [_named(job) | {"status": f"{NOT_RUN}: {one_line(reason)}"}]


def _named(job):
    dataset, *_ = fits.opened(job.data, job.encoder)
    return {"method": job.settings.method, "backbone": job.settings.backbone,
            "seed": job.settings.seed, "synthetic": dataset.synthetic, "metric": dataset.metric}


def _measured(job):
    (ended,), system = fits.fit(job.settings, job.data, job.encoder, ["test"], job.begin)
    dataset, stored, targets, truth, rows, _ = fits.opened(job.data, job.encoder)
    if ended["status"] == "diverged":
        return [ended]
    ids, at = np.array(store.open_features(dataset, job.encoder).video_ids), job.drawn(rows["test"])
    x = np.array(stored)  # which may be a map of a file that nobody may write
    shown = None if truth is None else truth.any(axis=1)
    ended |= {"read": len(at), "absent_classes": int((~targets[rows["test"]].any(axis=0)).sum()),
              **(tell.tells(system, x, targets, rows["train"], at, shown) or {})}
    found = readouts.measure(system, x[at], targets[at], dataset, list(ids[at])).to_dict("records")
    if job.explained:
        picked = explainers.compared(system, x, job.drawn(rows["train"]), at, shown)
        found += picked.rename(columns={"picks": "explainer"}).to_dict("records")
    return [ended | line for line in found]
