"""Are the committed numbers those that the commands make? One run of a table, made again."""

import random
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from tfe import batch, report, store
from tfe.errors import StudyError
from tfe.paths import BOOK, RESULTS

COMPARED = ["value", "fidelity_auc", "fidelity_mass", "fidelity_pointing"]


def tables():
    """The committed tables of runs that a batch file can make again."""
    return sorted(path.stem for path in (BOOK / "batches").glob("*.yaml")
                  if (RESULTS / f"{path.stem}.csv").is_file() and not batch.sweep(path))


def verify(name, seed):
    """Make one randomly chosen run of a committed table again; return the two, side by side.

    A frame with `row, split, seed, measure, committed, again, equal`. Equal means to the six digits
    that the csv holds: the promise for one kind of device and number of threads. Raises StudyError
    where the dataset is not there, or the run fails.
    """
    committed = pd.read_csv(RESULTS / f"{name}.csv")
    grid = batch.read(BOOK / "batches" / f"{name}.yaml",
                      seeds=sorted(int(s) for s in committed.seed.unique()))
    dataset = store.open_dataset(batch.dataset_folder(grid))
    run = random.Random(seed).choice(batch.plan(grid, dataset, grid["encoder"]))
    with TemporaryDirectory() as out:
        alone = replace(run, folder=Path(out), parameters={**run.parameters, "out": out})
        for _, reason in batch.execute([alone]):
            raise StudyError(f"{name}, {run.row}, seed {run.parameters['seed']}: {reason}")
        again = report.table(name, dataset, [alone], grid["splits"])
    keys = ["row", "split", "seed"]
    both = again.melt(keys, COMPARED, "measure", "again").merge(
        committed.melt(keys, COMPARED, "measure", "committed"), on=[*keys, "measure"])
    both["equal"] = np.isclose(both.again, both.committed, rtol=1e-5, atol=1e-6, equal_nan=True)
    return both[[*keys, "measure", "committed", "again", "equal"]]
