"""Which read-out of each trained head to trust, by the head and by true intervals.

    python -m book readouts book/batches/table1.yaml    every run of a batch that has finished
    python -m book readouts 0123456789abcdef            one run of results/local/

One line a run, split and read-out goes into results/local/readouts.csv.
"""

from pathlib import Path

import pandas as pd
from tqdm import tqdm

from book.evidence import readouts
from book.runs import batch, heads, protocols
from data.files import store
from data.files.dataset import SPLITS, open_dataset
from data.files.paths import LOCAL, write_text
from tfe.errors import StudyError


def arguments(parser):
    parser.add_argument("what", metavar="BATCH|RUN", help="a file of book/batches/, or a run's key")
    parser.add_argument("--data", metavar="DIR", help="a dataset folder instead of the file's")
    parser.add_argument("--encoder", help="whose features (default: the file's)")
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=["test"],
                        help="default: test")
    parser.add_argument("--out", type=Path, metavar="FILE", default=LOCAL / "readouts.csv",
                        help="default: results/local/readouts.csv")


def run(options):
    lines = [table for row, key in tqdm(finished(options), unit="run", disable=None)
             for table in of_run(row, key, options.splits)]
    if not lines:
        raise StudyError(f"{options.what}: no run of it has finished: run `python -m book batch "
                         "FILE` first")
    table = pd.concat(lines, ignore_index=True).round(6)
    write_text(options.out, table.to_csv(index=False, lineterminator="\n"))
    print(ranked(table).to_markdown(index=False, floatfmt=".3f"))
    print(f"wrote {options.out}")


def finished(options):
    """The row and key of each run that can be read: no oracle, which sees segments rearranged."""
    if Path(options.what).suffix not in (".yaml", ".yml"):
        return [(None, options.what)]
    grid = batch.read(options.what, dataset=options.data and str(Path(options.data).resolve()))
    dataset = open_dataset(grid.folder)
    runs = batch.plan(grid, dataset, options.encoder or grid.encoder)
    able = [one for one in runs if (one.metrics or {"status": "diverged"})["status"] != "diverged"
            and one.settings.method != "oracle-mask"]
    print(f"{grid.table}: {len(able)} of {len(runs)} runs; the others are oracles, diverged, or "
          "not finished")
    return [(one.row, one.folder.name) for one in able]


def of_run(row, key, splits):
    """The table of one finished run on each of the splits that its data have."""
    head, given = heads.of_run(key, row), heads.parameters(LOCAL / key / "run.ipynb")
    dataset = open_dataset(given["data"])
    features = store.open_features(dataset, given["encoder"])
    views = protocols.views(features.x, head.card.get("protocol", "single-view"))
    x, rows = views[len(views) // 2], dataset.rows(features.video_ids)  # the clip it learnt from
    targets = dataset.targets(features.video_ids)
    for split in (split for split in splits if len(rows[split])):
        at = rows[split]
        table = readouts.measure(head.system, x[at], targets[at], dataset,
                                 [features.video_ids[n] for n in at])
        for place, (name, value) in enumerate({
                "row": head.row, "method": head.card["method"], "backbone": head.card["backbone"],
                "dataset": dataset.name, "split": split, "seed": head.card["seed"],
                "run": key}.items()):
            table.insert(place, name, value)
        yield table


def ranked(table):
    """Means over runs, and the place of each read-out of a row by either judge, 1 the best."""
    judges = [name for name in ("aopcr", "auc", "auprc", "tiou_map") if name in table]
    means = table.groupby(["row", "split", "readout"], sort=False)[judges].mean().reset_index()
    for name in [name for name in ("aopcr", "auc") if name in table]:
        means[f"place by {name}"] = means.groupby(["row", "split"])[name].rank(ascending=False)
    return means
