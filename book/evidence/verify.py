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

SAME = 1e-5  # the share of a value that the six digits of the csv leave open
# On another processor (or one that the table does not name) sums are taken in another order; twenty
# epochs let that grow to some 1e-4 of a value, and one video may change sides.
ANOTHER = 1e-2
COMPARED = ["value", "fidelity_auc", "fidelity_mass", "fidelity_pointing"]


def tables():
    """The committed tables of runs that a batch file can make again."""
    return sorted(path.stem for path in (BOOK / "batches").glob("*.yaml")
                  if (RESULTS / f"{path.stem}.csv").is_file() and not batch.sweep(path))


def verify(name, seed):
    """Make one randomly chosen run of a committed table again; return the two, side by side.

    A frame with `row, split, seed, measure, committed, again, off, allowed, equal`. `off` is the
    share of the value by which the two differ; `allowed` is SAME where both were made on one kind of
    processor, as the column `device` names it, and ANOTHER where not. Raises StudyError where the
    dataset is not there, or the run fails.
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
    both = again.melt([*keys, "device"], COMPARED, "measure", "again").merge(
        committed.melt([*keys, "device"], COMPARED, "measure", "committed"), on=[*keys, "measure"])
    both["off"] = (both.again - both.committed).abs() / both.committed.abs().clip(lower=0.1)
    both["allowed"] = np.where(both.device_x == both.device_y, SAME, ANOTHER)
    nothing = both.again.isna() & both.committed.isna()  # a value that neither could measure
    both["equal"] = nothing | (both.off <= both.allowed)
    return both[[*keys, "measure", "committed", "again", "off", "allowed", "equal"]]
