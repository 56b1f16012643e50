"""Recognition and fidelity along training: the rows of a batch file, watched as they train.

    python -m book frontier book/batches/table1.yaml

A line a run, epoch and split goes into results/local/<table>_frontier.csv, what they ran on into the .json
beside it. What is there already is not made again.
"""

from book.commands.batch import seeds
from book.runs import batch, frontier, provenance
from data.files.dataset import SPLITS, open_dataset
from data.files.paths import LOCAL, write_json


def arguments(parser):
    parser.add_argument("file", help="a file of book/batches/")
    parser.add_argument("--seeds", type=seeds, help="as for `batch`")
    parser.add_argument("--every", type=int, default=2, metavar="EPOCHS", help="default: %(default)s")
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=["val", "test"],
                        help="default: val test")
    parser.add_argument("--workers", type=int, help="fits at a time (default: one a core)")


def run(options):
    grid = batch.read(options.file, seeds=options.seeds, splits=options.splits)
    dataset = open_dataset(grid.folder)
    runs = batch.plan(grid, dataset, grid.encoder)
    table = f"{grid.table}_frontier"
    found = frontier.run(table, runs, options.every, options.workers)
    write_json(LOCAL / f"{table}.json", {
        "dataset": grid.dataset, "encoder": grid.encoder, "synthetic": dataset.synthetic,
        "seeds": list(grid.seeds), "every": options.every, "splits": options.splits,
        **provenance.receipt(grid.device)})
    last = found[found.epoch == found.groupby(["row", "seed"]).epoch.transform("max")]
    print(last.groupby(["row", "split"], sort=False)[frontier.MEASURED].mean().to_markdown(floatfmt=".3f"))
    print(f"wrote {LOCAL / table}.csv")
