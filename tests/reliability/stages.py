"""The five pieces of work that the suites interrupt, each small enough for hundreds of trials.

A stage is `prepare(folder)`, done once, and `work(folder)`, done in a child that may be killed. Whenever
a unit of the stage's work begins, a video, an epoch, a run or a table, that is logged.
"""

import hashlib
import json
import os
from contextlib import ExitStack
from dataclasses import dataclass
from functools import wraps
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import papermill
import torch

from data import planted
from data.common.generators import render
from book import plots
from book.evidence import report, summary
from book.runs import batch
from book.runs.checkpoint import Checkpoint
from data.common import pool
from data.encoders import features, parts, recipes, store_key
from data.files.dataset import open_dataset
from tfe import systems, training
from data.files.paths import ROOT, UNFINISHED

SETTINGS = store_key.settings_of("efficientnet-lite0", resolution=32, segments=4)
PLAN = training.Schedule(epochs=4, batch_size=4, lr=1e-3, weight_decay=0.2, warmup_epochs=1)
ROWS = [{"row": "BIKE", "backbone": "bike", "method": "vanilla"},
        {"row": "BIKE+TFE", "backbone": "bike", "method": "tfe", "against": "BIKE"}]
UNITS = "units.log"
KERNELS = os.environ.get("KERNELS") == "real"  # runs by papermill, with warm kernels
BYPRODUCTS = {UNITS, "kernel.log", *(["run.ipynb"] if KERNELS else [])}  # it tells times


@dataclass(frozen=True)
class Stage:
    prepare: object
    work: object
    unit: str


def few(videos):
    """The generator's arguments for so many training videos, and one to test on."""
    return ["--train", str(videos), "--val", "0", "--test", "1", "--shifted", "0"]


def made_features(folder):
    planted.main(["--features-only", "--out", str(folder / "toy"), "--train", "12", "--val", "0",
                  "--test", "8", "--shifted", "0"])


def rendered(folder):
    planted.main(["--out", str(folder / "toy"), *few(2)])
    (folder / "toy" / "videos" / "train_0001.mp4").write_bytes(b"no video")


def nothing(folder):
    pass


def render_work(folder):
    planted.main(["--out", str(folder / "toy"), *few(2)])


def features_work(folder):
    features.extract(open_dataset(folder / "toy"), SETTINGS)


def training_work(folder):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(12, 6, 10)).astype(np.float32)
    targets = (draw.random((12, 3)) < 0.4).astype(np.float32)
    training.seed_everything(0)
    system = systems.build("tfe", "bike", 3, 10, "multilabel")
    training.fit(system, x, targets, PLAN, seed=0, checkpoint=Checkpoint(folder / "run"))


def runs_of(folder):
    dataset = open_dataset(folder / "toy")
    grid = batch.Batch("toy", str(folder / "toy"), "planted", [0], ROWS, profile="smoke",
                       splits=["test"])
    with patch.object(batch, "LOCAL", folder):
        return dataset, batch.plan(grid, dataset, "planted")


def batch_work(folder):
    failed = batch.execute(runs_of(folder)[1])
    if failed:
        raise OSError(failed[0][1])


def ran(folder):
    made_features(folder)
    batch_work(folder)


def report_work(folder):
    begun("table")
    dataset, runs = runs_of(folder)
    report.write("toy", dataset, runs, ["test"], folder / "report")


STAGES = {"render": Stage(nothing, render_work, "video"),
          "features": Stage(rendered, features_work, "video"),
          "training": Stage(nothing, training_work, "epoch"),
          "batch": Stage(made_features, batch_work, "run"),
          "report": Stage(ran, report_work, "table")}

_log = None  # a descriptor, and the unit that is counted: a run has epochs, which are not


def begun(unit):
    """Note that a unit of work begins; one short line appended is never torn."""
    if _log and _log[1] == unit:
        os.write(_log[0], b".")


def begin_log(folder, unit):
    global _log
    _log = os.open(folder / UNITS, os.O_CREAT | os.O_WRONLY | os.O_APPEND), unit


def units(folder):
    path = folder / UNITS
    return path.stat().st_size if path.is_file() else 0


def counted(unit, function):
    @wraps(function)
    def counting(*arguments):
        begun(unit)
        return function(*arguments)
    return counting


def in_process(notebook, output, parameters, **_):
    """In Jupyter's place: the notebook's cells as one script, its parameters filled in.

    What Jupyter adds is seconds a trial; with KERNELS=real in the environment it is not replaced.
    """
    source = (Path(notebook).with_suffix(".py")).read_text(encoding="utf-8")
    head, _, rest = source.partition('# %% tags=["parameters"]')
    given, _, rest = rest.partition("\n# %%")
    given += "".join(f"\n{name} = {value!r}" for name, value in parameters.items())
    script = Path(output).with_suffix(".code.py")
    exec(compile(given + "\n# %%" + rest, str(script), "exec"), {"__name__": "run"})
    Path(output).write_text(json.dumps({"metadata": {"papermill": {"parameters": parameters}}}))


def warm():
    """Load everything once, and put forks in place of fresh processes: a trial then takes no second."""
    torch.set_num_threads(1)
    stack, encoder = ExitStack(), recipes.load("efficientnet-lite0", 32)
    for module, name, value in (
            (pool, "get_context", lambda _: get_context("fork")), (pool, "cores", lambda: 1),
            (recipes, "load", lambda *_, **__: encoder), (summary, "REPEATS", 5),
            (papermill, "execute_notebook", papermill.execute_notebook if KERNELS else in_process),
            (plots, "show", lambda *_, **__: None),
            (render, "write_video", counted("video", render.write_video)),
            (parts, "_encode", counted("video", parts._encode)),
            (batch, "_papermill", counted("run", batch._papermill)),
            (training, "_epoch_generators",
             counted("epoch", training._epoch_generators))):
        stack.enter_context(patch.object(module, name, value))
    os.chdir(ROOT / "book")
    return stack


def artifacts(folder):
    """`{path: hash}` of all that a stage made, without seconds, logs and unfinished files."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in BYPRODUCTS and UNFINISHED not in str(path):
            content = path.read_bytes()
            if path.suffix == ".json":
                content = json.dumps(timeless(json.loads(content))).encode()
            if path.suffix == ".csv" and b"seconds" in content.split(b"\n")[0]:
                content = pd.read_csv(path).drop(columns="seconds").to_csv().encode()
            found[str(path.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return found


def timeless(value):
    if isinstance(value, dict):
        return {key: timeless(each) for key, each in value.items() if key != "seconds"}
    return value
