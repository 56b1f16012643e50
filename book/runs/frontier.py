"""Recognition and fidelity along training: the rows of a batch, measured after every few epochs.

A head's fidelity changes as it trains on, so that two heads of different ages tell nothing about TFE.
An early-stopped vanilla head is the cheapest rival of all.
"""

from functools import partial

import pandas as pd

from book.runs import fits
from data.common import pool
from data.files.paths import LOCAL, RESULTS, write_csv
from tfe.errors import StudyError

MEASURED = ["value", "fidelity_auc", "attention_auc", "class_attention_auc"]
COLUMNS = ["row", "seed", "epoch", "split", *MEASURED, "every", "key"]


class Watch:
    """Stands in the place of a checkpoint, and measures the system after every few epochs."""

    def __init__(self, system, every, measure):
        self.system, self.every, self.measure, self.lines = system, every, measure, []

    def load(self, start):
        """Nothing to go on from: a fit is begun anew."""

    def save(self, state):
        epoch = len(state["rows"])
        if epoch % self.every == 0:
            self.lines += [{"epoch": epoch, **line} for line in self.measure(self.system)]
            self.system.train()  # measuring put it into its other mode


def run(table, runs, every=2, workers=None):
    """Fit the `batch.Run`s again and watch them; return the lines of all as a frame.

    Epochs count from where the head at which a row begins was begun. Lines are written to
    `results/local/<table>.csv` as fits end; those there, or committed, are not made again while
    their key holds. Oracles, which see other segments than they are asked about, are left out.
    """
    done = [part for folder in (LOCAL, RESULTS) if (path := folder / f"{table}.csv").is_file()
            and len(part := pd.read_csv(path))]
    done = pd.concat([*done, pd.DataFrame(columns=COLUMNS)])
    jobs = {}
    for one in (one for one in runs if one.settings.method != "oracle-mask"):
        begin = one.begin and one.begin.settings
        if begin and one.begin.begin:
            raise StudyError(f"row {one.row} begins at {one.begin.row}, which begins warm itself: "
                             "watch rows whose start is cold")
        jobs[fits.key(one.settings, one.data, one.encoder, begin)] = (one, begin)
    kept = done[done.key.isin(jobs) & (done.every == every)].drop_duplicates(["key", "epoch", "split"])
    waiting = [(key, *job) for key, job in jobs.items() if key not in set(kept.key)]
    print(f"{table}: {len(jobs)} fits, {len(waiting)} to do", flush=True)
    for (key, *_), lines in pool.over_cores(partial(_fit, every=every), waiting, "fits", "fit", workers):
        kept = pd.concat([kept, pd.DataFrame(lines)])
        _write(table, kept, jobs)
    return _write(table, kept, jobs)


def _fit(job, every):
    key, one, begin = job
    watched = []

    def measure(system):
        return [{"split": split, **fits.measured(system, split, one.data, one.encoder)}
                for split in one.splits]

    def watch(system):
        watched.append(Watch(system, every, measure))
        return watched[0]

    fits.fit(one.settings, one.data, one.encoder, (), begin, watch)
    before = begin.plan().epochs if begin else 0
    return [{"row": one.row, "seed": one.settings.seed, **line, "epoch": line["epoch"] + before,
             "every": every, "key": key} for line in watched[0].lines]


def _write(table, lines, jobs):
    """Write lines in the order of the runs; return them as they are read again."""
    path, order = LOCAL / f"{table}.csv", {key: n for n, key in enumerate(jobs)}
    lines = lines.assign(order=lines.key.map(order)).sort_values(["order", "epoch", "split"])
    write_csv(path, lines[COLUMNS], float_format="%.6g")
    return pd.read_csv(path)
