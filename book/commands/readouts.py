"""Where trained heads look, asked five ways of the finished runs of a batch, or of one run.

    python -m book readouts book/batches/table1.yaml         which read-out of a head to trust
    python -m book readouts FILE --ask masks                 does a mask tell the label?
    python -m book readouts FILE --ask explainers            L2X and AIL beside a head's own
    python -m book readouts FILE --ask reliance              does a head rely on what leave one out shows?
    python -m book readouts FILE --ask centring              single-label heads on plain, centred logits
    python -m book readouts 0123456789abcdef                 of one run of results/local/

A line a run, split and read-out goes into results/local/readouts.csv, masks.csv, explainers.csv,
reliance.csv, centring.csv, with a receipt beside it, of the same name in json.
"""

from functools import partial
from pathlib import Path

import pandas as pd

from book.commands.batch import grid_of, seeds
from book.evidence import centring, explainers, readouts, reliance, tell
from book.runs import batch, heads, protocols, provenance
from data.common import pool
from data.files import store
from data.files.dataset import SPLITS, open_dataset
from data.files.paths import LOCAL, write_csv, write_json
from tfe.errors import StudyError


def arguments(parser):
    parser.add_argument("what", metavar="BATCH|RUN", help="a file of book/batches/, or a run's key")
    parser.add_argument("--ask", choices=QUESTIONS, default="readouts",
                        help="default: %(default)s")
    parser.add_argument("--data", metavar="DIR", help="a dataset folder instead of the file's")
    parser.add_argument("--encoder", help="whose features (default: the file's)")
    parser.add_argument("--seeds", type=seeds, help="as for `batch`; 1: the first of each row")
    parser.add_argument("--profile", help="of the runs: smoke, default or paper")
    parser.add_argument("--device", help="of the runs: cpu, cuda or auto")
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=["test"],
                        help="default: test")
    parser.add_argument("--workers", type=int, help="runs at a time (default: one a core)")
    parser.add_argument("--out", type=Path, metavar="FILE",
                        help="default: results/local/readouts.csv, named by --ask")


def run(options):
    runs = finished(options)
    function = partial(of_run, question=options.ask, splits=options.splits)
    found = dict(pool.over_cores(function, runs, options.ask, "run", options.workers))
    lines = [table for key in runs for table in found[key]]  # in the order of the batch
    if not lines:
        raise StudyError(f"{options.what}: no run to ask: `python -m book batch FILE` makes them; "
                         "--ask masks wants heads with a mask, --ask reliance true intervals")
    table, out = pd.concat(lines, ignore_index=True), options.out or LOCAL / f"{options.ask}.csv"
    write_csv(out, table.round(6))
    write_json(out.with_suffix(".json"), receipt(table))
    print(means(table).to_markdown(index=False, floatfmt=".3f"))
    print(f"wrote {out}")


def finished(options):
    """The `(row, key)` of each run that can be read: no oracle, which sees segments rearranged."""
    if Path(options.what).suffix not in (".yaml", ".yml"):
        return [(None, options.what)]
    grid = grid_of(options.what, options)
    runs = batch.plan(grid, open_dataset(grid.folder), grid.encoder)
    able = [one for one in runs if one.metrics and one.metrics["status"] != "diverged"
            and one.settings.method != "oracle-mask"]
    print(f"{grid.table}: {len(able)} of {len(runs)} runs; the others are oracles, diverged, or "
          "have not finished")
    return [(one.row, one.folder.name) for one in able]


def of_run(named, question, splits):
    """The tables of one finished run, one for each of the splits that its data have."""
    row, key = named
    head, given = heads.of_run(key, row), heads.parameters(LOCAL / key / "run.ipynb")
    dataset, tables = open_dataset(given["data"]), []
    features = store.open_features(dataset, given["encoder"])
    views = protocols.views(features.x, head.card.get("protocol", "single-view"))
    rows, x = dataset.rows(features.video_ids), views[len(views) // 2]  # the clip it learnt from
    for split in (split for split in splits if len(rows[split])):
        table = QUESTIONS[question](head.system, x, dataset, features.video_ids, rows, split)
        named = {"row": head.row, "method": head.card["method"], "backbone": head.card["backbone"],
                 "dataset": dataset.name, "split": split, "seed": head.card["seed"], "run": key}
        tables += [pd.DataFrame(named, index=table.index).join(table)] if len(table) else []
    return tables


def receipt(table):
    """Of which runs a table is, on what data, and what read them."""
    keys = list(dict.fromkeys(table.run))
    dataset = open_dataset(heads.of_run(keys[0]).source[0])
    return {"dataset": dataset.name, "dataset_key": dataset.key, "synthetic": dataset.synthetic,
            "runs": keys, **provenance.receipt()}


def _readouts(system, x, dataset, ids, rows, split):
    at = rows[split]
    return readouts.measure(system, x[at], dataset.targets(ids)[at], dataset, [ids[n] for n in at])


def _masks(system, x, dataset, ids, rows, split):
    found = tell.tells(system, x, dataset.targets(ids), rows["train"], rows[split],
                       _shown(dataset, ids, x))
    return pd.DataFrame([found] if found else [])


def _explainers(system, x, dataset, ids, rows, split):
    return explainers.compared(system, x, rows["train"], rows[split], _shown(dataset, ids, x))


def _reliance(system, x, dataset, ids, rows, split):
    truth = dataset.truth(ids, x.shape[1])
    return pd.DataFrame([] if truth is None else [reliance.measure(
        system, x, dataset.targets(ids), truth, rows["train"], rows[split])])


def _shown(dataset, ids, x):
    """Which segments show any action, `(N, T)`; None where nobody knows."""
    truth = dataset.truth(ids, x.shape[1])
    return None if truth is None else truth.any(axis=1)


def _centring(system, x, dataset, ids, rows, split):
    at = rows[split]
    names = [ids[n] for n in at]
    return pd.DataFrame([centring.compared(system, x[at], dataset.targets(names),
                                           dataset.truth(names, x.shape[1]))])


QUESTIONS = {"readouts": _readouts, "masks": _masks, "explainers": _explainers, "reliance": _reliance,
             "centring": _centring}


def means(table):
    """Means over runs; of read-outs, the place of each in its row by either judge, 1 the best."""
    by = [name for name in ("row", "split", "readout", "picks") if name in table]
    shown = table.drop(columns=["seed", *(name for name in table if name.startswith("tiou_0"))])
    lines = shown.groupby(by, sort=False).mean(numeric_only=True).reset_index()
    for judge in [name for name in ("aopcr", "auc") if name in lines and "readout" in by]:
        own = lines[judge].where(lines.aopcr.notna())  # truth and noise are no read-outs of a head
        lines[f"place by {judge}"] = own.groupby([lines.row, lines.split]).rank(ascending=False)
    return lines
