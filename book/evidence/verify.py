"""Are the committed numbers those that the commands make? One run of a table, made again."""

import random
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from scipy import stats

from book.evidence import report
from book.runs import batch, fits, multiverse, provenance
from data.files.dataset import open_dataset
from data.files.reading import json_object
from data.files.schema import read_yaml
from tfe.errors import StudyError
from data.files.paths import BOOK, DATA, RESULTS

SAME = 1e-5  # the share of a value that the six digits of the csv leave open
COMPARED = ["value", "fidelity_auc", "fidelity_mass", "fidelity_pointing"]


def tables():
    """The committed tables of runs that a batch file can make again."""
    return sorted(path.stem for path in (BOOK / "batches").glob("*.yaml")
                  if (RESULTS / f"{path.stem}.csv").is_file() and not {"sweep", "sets"} & set(read_yaml(path)))


def verify(name, seed):
    """Make one randomly chosen run of a committed table again; return the two, side by side.

    A frame with `row, split, seed, measure, committed, again, allowed, equal`: `allowed` is how far
    the two may differ. Made on one kind of processor, as the column `device` names it, of features by
    one engine, they are the same to the six digits that the csv holds. Another processor or engine
    takes sums in another order; the epochs of a game amplify that as they would another seed (Table
    1's TFE rows moved by up to a tenth), so that the run then has to be one that the row's seeds would
    not be surprised by: within their 99% prediction interval. Raises StudyError where the dataset is
    not there, or the run fails.
    """
    path = BOOK / "batches" / f"{name}.yaml"
    committed, again, one_engine = (_fit if "axes" in read_yaml(path) else _run)(name, path, seed)
    keys = ["row", "split", "seed"]
    compared = [measure for measure in COMPARED if measure in committed]
    both = again.melt([*keys, "device"], compared, "measure", "again").merge(
        committed.melt([*keys, "device"], compared, "measure", "committed"), on=[*keys, "measure"])
    if both.empty:
        raise StudyError(f"{RESULTS / name}.csv has no run of {again.row[0]}, seed "
                         f"{again.seed[0]}: run {name}.yaml in full and publish it again")
    same = (both.device_x == both.device_y) & one_engine
    spread = (committed.melt(["row", "split"], compared, "measure", "found")
              .groupby(["row", "split", "measure"]).found.agg(_surprising))
    other = both.merge(spread.rename("other").reset_index(), on=["row", "split", "measure"]).other
    rounding = SAME * both.committed.abs() + 1e-6
    both["allowed"] = np.where(same, rounding, rounding + other)
    nothing = both.again.isna() & both.committed.isna()  # what neither could measure
    both["equal"] = nothing | ((both.again - both.committed).abs() <= both["allowed"])
    return both[[*keys, "measure", "committed", "again", "allowed", "equal"]]


def _run(name, path, seed):
    """A batch's committed rows, those of one run made again, and whether one engine made the features."""
    committed = pd.read_csv(RESULTS / f"{name}.csv")
    grid = batch.read(path, seeds=sorted(int(s) for s in committed.seed.unique()))
    dataset = open_dataset(grid.folder)
    run = random.Random(seed).choice(batch.plan(grid, dataset, grid.encoder))
    with TemporaryDirectory() as out:
        alone = replace(run, folder=Path(out))
        for _, reason in batch.execute([alone]):
            raise StudyError(f"{name}, {run.row}, seed {run.settings.seed}: {reason}")
        again = report.table(name, dataset, [alone], grid.splits)
        made = json_object(RESULTS / f"{name}.json"), alone.stored()["features"]
    # torch alone before an engine was named
    return committed, again, len({receipt.get("engine") or "torch" for receipt in made}) == 1


def _fit(name, path, seed):
    """The same of a search (`multiverse`): a row is there a configuration of a method.

    Its features are by the same engine: the key, which names what they are made of, must hold.
    """
    verse = multiverse.read(path)
    committed = multiverse.read_table(RESULTS / f"{name}.csv")
    committed["row"] = committed.method + ", configuration " + committed.config.astype(str)
    device = provenance.receipt()["device"]
    seeds = committed.groupby(["row", "split"]).seed.transform("nunique")
    told = committed[(committed.device == device) | (seeds > 1)]  # one value made elsewhere has no spread
    if told.empty:
        raise StudyError(f"{RESULTS / name}.csv: no row was made on {device}, and none has two seeds: "
                         f"run {path.name}")
    one = told.iloc[random.Random(seed).randrange(len(told))]
    method = next(method for method in verse.methods if method.row == one.method)
    settings, begin = verse.settings(method, one.config, int(one.seed))
    data = str(DATA / verse.dataset)
    if fits.key(settings, data, verse.encoder, begin) != one.key:
        raise StudyError(f"{RESULTS / name}.csv, {one.row}: made by other code, or of other features: "
                         f"run {path.name}")
    rows, _ = fits.fit(settings, data, verse.encoder, [one.split], begin)
    again = pd.DataFrame(rows, columns=["split", *COMPARED]).assign(row=one.row, seed=one.seed, device=device)
    return committed, again, True


def _surprising(values):
    """How far one more run may lie from any of these runs and still be no surprise, at 99%.

    Two draws of one normal law differ by sqrt(2) standard deviations, as estimated from `values`, times
    Student's t; 0 where there are fewer than two values.
    """
    values = values.dropna()
    if len(values) < 2:
        return 0.0
    return float(stats.t.ppf(0.995, len(values) - 1) * values.std() * np.sqrt(2))
