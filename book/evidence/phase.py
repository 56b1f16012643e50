"""When does TFE help? Many small fits over the knobs of planted features, in one process a core.

A point is a setting of the knobs; at every point each method is fitted once a seed, on the same
features for all methods, so that differences are paired. Features are synthetic: what an ideal encoder
would give, and noise (`data.common.generators.features`).
"""

from dataclasses import field
from functools import partial
from itertools import product
from math import prod
from typing import Annotated, Literal

import pandas as pd
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass

from book.evidence import statistics
from book.runs import provenance
from book.runs.settings import Settings
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
FILES = (".csv", "_summary.csv", ".json")


@dataclass(frozen=True, config=STRICT)
class Sweep:
    """A batch file that sweeps knobs: its table's name, methods to fit, grids of knobs, and seeds.

    Each grid is `{"knob": [values], ...}` around the standard setting, `KNOBS`.
    """

    table: Name
    rows: Annotated[list[dict[Literal["backbone", "method"], str]], Field(min_length=1)]
    sweep: Annotated[list[dict[Literal[tuple(KNOBS)], Annotated[list[Knob], Field(min_length=1)]]],
                     Field(min_length=1)]
    seeds: Seeds
    profile: str = "default"
    schedule: dict = field(default_factory=dict)

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
    rows = [tuple(sorted(row.items())) for row in sweep.rows]
    for what, listed in (("rows", rows), ("seeds", sweep.seeds)):
        if len(set(listed)) < len(listed):
            raise StudyError(f"{path}: {what} names one twice, which would count twice")
    points = sum(prod(map(len, grid.values())) for grid in sweep.sweep)
    if points * len(rows) * len(sweep.seeds) > RUNS:
        raise StudyError(f"{path}: sweep x rows x seeds are more than {RUNS:,} fits: write fewer")
    for row in sweep.rows:
        given = {**row, "profile": sweep.profile, "schedule": sweep.schedule}
        try:
            checked(Settings, given, "row").plan()
        except StudyError as error:
            raise StudyError(f"{path}: {error}") from None
    return sweep


def run(sweep, workers=None, folder=LOCAL):
    """Fit what has not been fitted; write `NAME.csv`, `NAME_summary.csv` and the receipt.

    Goes on where it was interrupted, unless the code has changed since.
    """
    name, path = sweep.table, folder / f"{sweep.table}.csv"
    code = provenance.sources(__file__, {row["backbone"] for row in sweep.rows})
    receipt = {**provenance.receipt("cpu", 1), "code": code, "dataset": "planted features",
               "synthetic": True, "profile": sweep.profile, "schedule": sweep.schedule,
               "standard": KNOBS, "test_videos": TESTED}
    jobs = [{**point, "method": row["method"], "backbone": row["backbone"], "seed": seed}
            for point in sweep.points() for row in sweep.rows for seed in sweep.seeds]
    done = _done(path, receipt)
    waiting = [job for job in jobs if _key(job) not in done]
    rows = [row for job in jobs for row in done.get(_key(job), [])]
    print(f"{name}: {len(jobs)} fits, {len(jobs) - len(waiting)} done already", flush=True)
    fit = partial(_fit, profile=sweep.profile, schedule=sweep.schedule)
    fitted = pool.over_cores(fit, waiting, "fits", "fit", workers)
    for number, (job, measured) in enumerate(fitted, 1):
        rows += measured
        if number % 20 == 0 or number == len(waiting):
            _write(path, rows, receipt)
    lines = differences(pd.DataFrame(rows))
    write_csv(folder / f"{name}_summary.csv", lines, float_format="%.6g")
    return lines


def _fit(job, profile, schedule):
    """One fit: a row for `test` and one for `shifted`."""
    torch.set_num_threads(1)
    world = {"rho": job["rho"], "snr": job["snr"], "share": job["share"], "seed": job["seed"]}
    x, targets, _ = planted_features(job["videos"], split="train", **world)
    training.seed_everything(job["seed"])
    settings = Settings(
        job["backbone"], job["method"], profile=profile, schedule=schedule,
        disentangler={"k": job["k"]} if job["method"] in systems.GAMES else {})
    system = settings.build(targets.shape[1], x.shape[2], "multilabel")
    history = training.fit(system, x, targets, settings.plan(), seed=job["seed"])
    rows = []
    for split in ("test", "shifted") if history.status != "diverged" else ():
        x, targets, truth = planted_features(TESTED, split=split, **world)
        found = evaluation.measure(evaluation.predict(system, x, targets), targets, truth,
                                   "multilabel")
        rows.append({**job, "split": split, "value": 100 * found["value"],
                     "fidelity_auc": found["fidelity"]["auc"], "status": history.status,
                     "loss_n": history.rows[-1].get("loss_n"), "uninformed": history.prior_ce})
    return rows


def differences(frame, baseline="vanilla"):
    """Paired differences of every method to `baseline`, one line a point, method and split."""
    lines, where = [], [*KNOBS, "backbone", "split"]
    for keys, cell in frame.groupby(where):
        by_method = {method: part.set_index("seed") for method, part in cell.groupby("method")}
        for method in sorted(set(by_method) - {baseline}):
            ours = by_method[method]
            line = {**dict(zip(where, keys)), "method": method,
                    "runaway": int((ours.status == "runaway").sum())}
            for column, prefix in (("value", ""), ("fidelity_auc", "auc_")):
                pair = statistics.paired_by_seed(ours[column], by_method[baseline][column])
                if pair:
                    mean, base = pair["means"]
                    line |= {f"{prefix}{baseline}": base, f"{prefix}ours": mean, **{
                        prefix + name: pair[name] for name in ("difference", "low", "high", "p")},
                        "seeds": pair["seeds"]}
            lines.append(line)
    lines = pd.DataFrame(lines)
    for prefix in ("", "auc_"):
        lines[f"{prefix}holm"] = statistics.holm(lines[f"{prefix}p"])
    return lines


def _key(job):
    return (job["method"], job["backbone"], *(float(job[name]) for name in ("seed", *KNOBS)))


def _done(path, receipt):
    """The rows of earlier fits by their key; none where other code or settings made them."""
    beside = path.with_suffix(".json")
    if not (path.is_file() and beside.is_file()):
        return {}
    made = reading.json_object(beside)
    if any(made.get(key) != receipt[key] for key in ("code", "profile", "schedule", "test_videos")):
        return {}
    frame = pd.read_csv(path).astype({"k": int, "videos": int, "seed": int})
    done = {}
    for row in frame.astype(object).where(frame.notna(), None).to_dict("records"):
        done.setdefault(_key(row), []).append(row)
    return done


def _write(path, rows, receipt):
    """Rows first: a receipt never stands beside rows that others made."""
    frame = pd.DataFrame(rows).sort_values([*KNOBS, "backbone", "method", "seed", "split"])
    write_csv(path, frame, float_format="%.6g")
    write_json(path.with_suffix(".json"), receipt)
