"""When does TFE help? Many small fits over the knobs of planted features, in one process a core.

A point is a setting of the knobs; at every point each row is fitted once a seed, on the same
features for all rows, so that differences are paired. Features are synthetic: what an ideal encoder
would give, and noise (`data.common.generators.features`).
"""

from dataclasses import replace
from functools import partial
from itertools import product
from math import prod
from typing import Annotated, Literal

import pandas as pd
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass

from book.evidence import summary
from book.runs import batch, provenance
from data.common import pool
from data.common.generators.features import planted_features
from data.files import reading
from data.files.paths import LOCAL, write_csv, write_json
from data.files.schema import RUNS, STRICT, Name, Seeds, checked, read_yaml
from tfe import evaluation, systems, training
from tfe.errors import StudyError

Knob = Annotated[int | float, Field(ge=0, le=100_000)]
KNOBS = {"rho": 0.5, "snr": 4.0, "share": 0.25, "k": 4, "videos": 300}
TESTED = 300  # test videos, and as many shifted ones
SPLITS = ("test", "shifted")
FILES = (".csv", "_summary.csv", ".json")


@dataclass(frozen=True, config=STRICT)
class Sweep:
    """A batch file that sweeps knobs: rows as of a batch (`book.runs.batch.Batch`), and seeds.

    Each grid of `sweep` is `{"knob": [values], ...}` around the standard setting, `KNOBS`.
    """

    table: Name
    rows: Annotated[list[dict], Field(min_length=1)]
    sweep: Annotated[list[dict[Literal[tuple(KNOBS)], Annotated[list[Knob], Field(min_length=1)]]],
                     Field(min_length=1)]
    seeds: Seeds
    profile: str = "default"

    @property
    def batch(self):
        """Its rows and seeds, at whichever point."""
        return batch.Batch(self.table, "planted features", "planted", self.seeds, self.rows, self.profile)

    def points(self):
        """All combinations of each grid, other knobs as in `KNOBS`; one that two share comes once."""
        found = {}
        for grid in self.sweep:
            for values in product(*grid.values()):
                point = KNOBS | dict(zip(grid, values))
                found[tuple(point.values())] = point
        return list(found.values())


def read(path):
    """The `Sweep` of a file; StudyError in one line for what in it is missing, unknown or twice."""
    sweep = checked(Sweep, read_yaml(path), path)
    points = sum(prod(map(len, grid.values())) for grid in sweep.sweep)
    if points * len(sweep.rows) * len(sweep.seeds) > RUNS:
        raise StudyError(f"{path}: sweep x rows x seeds are more than {RUNS:,} fits: write fewer")
    try:
        batch.refuse_ambiguous(sweep.batch)
        made = []
        for row in sweep.batch.points():
            if row.begin and row.begin not in made:
                raise StudyError(f"row {row.row}: `from` names a row below it: move that one up")
            row.settings.plan()
            made.append(row.row)
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from None
    return sweep


def run(sweep, workers=None, folder=LOCAL):
    """Fit what has not been fitted; write `NAME.csv`, `NAME_summary.csv` and the receipt.

    Goes on where it was interrupted, unless the code, the versions or the processor have changed since.
    """
    name, path, rows = sweep.table, folder / f"{sweep.table}.csv", list(sweep.batch.points())
    code = provenance.sources(__file__, {
        part for row in rows for part in (row.settings.backbone, row.settings.method)})
    receipt = {**provenance.receipt("cpu", 1), "code": code, "dataset": "planted features",
               "synthetic": True, "profile": sweep.profile, "rows": sweep.rows,
               "standard": KNOBS, "test_videos": TESTED}
    jobs = [{**point, "seed": seed} for point in sweep.points() for seed in sweep.seeds]
    done = _done(path, receipt)
    waiting = [job for job in jobs if _key(job) not in done]
    found = [line for job in jobs for line in done.get(_key(job), [])]
    print(f"{name}: {len(jobs)} points and seeds of {len(rows)} fits each, "
          f"{len(jobs) - len(waiting)} done already", flush=True)
    for _, measured in pool.over_cores(partial(_fit, rows=rows), waiting, "fits", "point", workers):
        found += measured
        _write(path, found, receipt)
    _write(path, found, receipt)
    lines = differences(pd.DataFrame(found), {row.row: row.against for row in rows})
    write_csv(folder / f"{name}_summary.csv", lines, float_format="%.6g")
    return lines


def _fit(job, rows):
    """All rows at one point with one seed, a line a row and split; a fit that diverged has no value."""
    torch.set_num_threads(1)
    world = {name: job[name] for name in ("rho", "snr", "share", "seed")}
    x, targets, _ = planted_features(job["videos"], split="train", **world)
    shown = {split: planted_features(TESTED, split=split, **world) for split in SPLITS}
    ended, lines = {}, []
    for row in rows:
        settings = replace(row.settings, seed=job["seed"])
        if settings.method in systems.GAMES:
            settings = replace(settings, disentangler={**settings.disentangler, "k": job["k"]})
        training.seed_everything(job["seed"])
        system = settings.build(targets.shape[1], x.shape[2], "multilabel")
        if row.begin:
            systems.warm_start(system, ended[row.begin])
        history = training.fit(system, x, targets, settings.plan(), seed=job["seed"])
        ended[row.row] = system.state_dict()
        for split, (features, labels, truth) in shown.items():
            line = {**job, "row": row.row, "method": settings.method, "backbone": settings.backbone,
                    "split": split, "value": None, "fidelity_auc": None, "status": history.status,
                    "loss_n": history.rows[-1].get("loss_n"), "uninformed": history.prior_ce}
            if history.status != "diverged":
                found = evaluation.measure(evaluation.predict(system, features, labels), labels, truth,
                                           "multilabel")
                line |= {"value": 100 * found["value"], "fidelity_auc": found["fidelity"]["auc"]}
            lines.append(line)
    return lines


def differences(frame, against):
    """Means, and paired differences to the row that each is held against, a line a point, row and split.

    against: `{row: row or None}`. Columns beside the knobs: those of `summary.compared`, and how many
    fits ran away or diverged.
    """
    lines = []
    for keys, cell in frame.groupby([*KNOBS, "split"]):
        for row, other in against.items():
            own = cell[cell.row == row]
            lines.append({**dict(zip((*KNOBS, "split"), keys)), "row": row, "against": other,
                          "seeds": own.value.count(),
                          **{word: int((own.status == word).sum()) for word in ("runaway", "diverged")},
                          **summary.compared(own, cell[cell.row == other])})
    return summary.corrected(pd.DataFrame(lines))


def _key(job):
    return tuple(float(job[name]) for name in ("seed", *KNOBS))


def _done(path, receipt):
    """The lines of earlier fits by their point and seed; none where other code or rows made them."""
    beside = path.with_suffix(".json")
    if not (path.is_file() and beside.is_file()):
        return {}
    made = reading.json_object(beside)
    if any(made.get(key) != receipt[key] for key in (
            "code", "profile", "rows", "test_videos", "versions", "device")):
        return {}
    frame = pd.read_csv(path).astype({"k": int, "videos": int, "seed": int})
    done = {}
    for line in frame.astype(object).where(frame.notna(), None).to_dict("records"):
        done.setdefault(_key(line), []).append(line)
    return {key: lines for key, lines in done.items() if len(lines) == len(SPLITS) * len(receipt["rows"])}


def _write(path, lines, receipt):
    """Lines first: a receipt never stands beside lines that others made."""
    frame = pd.DataFrame(lines).sort_values([*KNOBS, "seed"], kind="stable")
    write_csv(path, frame, float_format="%.6g")
    write_json(path.with_suffix(".json"), receipt)
