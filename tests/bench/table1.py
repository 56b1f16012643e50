"""From a fresh clone to Table 1, stage by stage, against what each stage took before it was made cheap.

The stages share a clone, with an empty home, and each wants the one before it:

    make bench ITEMS="table1-setup table1-features table1-runs table1-again run-overhead"
"""

import json
import os
import shutil
import subprocess
from contextlib import suppress
from time import perf_counter

from bench import Known, NotRun, item

from data.files.paths import LOCAL, ROOT

CLONE = LOCAL / "bench" / "clone"
SHOWN = "seconds on two cores, nothing else at work; before: the committed way of 2026-11, same machine"


def stage(before, *words):
    """How long a command takes in the clone, beside the seconds that its stage took before."""
    home = CLONE.parent / "home"
    home.mkdir(exist_ok=True)
    begun = perf_counter()
    subprocess.run(words, cwd=CLONE, check=True, env={**os.environ, "HOME": str(home)})
    return Known(before, perf_counter() - begun)


def wanted(path):
    if not (CLONE / path).exists():
        raise NotRun(f"{path} is not in the clone yet: name the stages before it as well")


@item("table1-setup", peers=(), limit=40 / 112, unit="s", asked=True, why=f"make setup; {SHOWN} (pip alone)")
def setup(smoke):
    with suppress(FileNotFoundError):
        shutil.rmtree(CLONE.parent)
    subprocess.run(["git", "clone", "--quiet", ROOT, CLONE], check=True)
    return stage(112, "make", "setup")


@item("table1-features", peers=(), limit=130 / 272, unit="s", asked=True,
      why=f"make features: 1,400 synthetic videos rendered, decoded and encoded; {SHOWN}")
def features(smoke):
    wanted(".venv/.ready")
    return stage(272, "make", "features")


@item("table1-runs", peers=(), limit=730 / 510, unit="s", asked=True,
      why=f"make reproduce-table1 after that, three seeds; before: 35 runs with a third of the training, "
      f"so that all stages may take 900 s; {SHOWN}")
def runs(smoke):
    wanted("data/planted/features/efficientnet-lite0/meta.json")
    return stage(510, "make", "reproduce-table1")


@item("table1-again", peers=(), limit=5 / 8, unit="s", asked=True,
      why=f"make reproduce-table1 once more, which "
      f"says that there is nothing to do; {SHOWN}")
def again(smoke):
    wanted("results/local/table1.csv")
    return stage(8, "make", "reproduce-table1")


@item("run-overhead", peers=(), limit=1 / 0.65, unit="s", asked=True,
      why="processor time of the runs, two at a "
      "time, against the seconds in them that train: at most 1 / 65%")
def overhead(smoke):
    wanted("results/local/table1.csv")
    trained = [json.loads(path.read_text())["seconds"]
               for path in CLONE.glob("results/local/*/metrics.json")]
    spans = [path.stat().st_mtime for path in CLONE.glob("results/local/*/run.ipynb")]
    first = min(path.stat().st_mtime for path in CLONE.glob("results/local/*/kernel.log"))
    return Known(sum(trained), 2 * (max(spans) - first))
