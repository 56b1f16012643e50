"""What is in each benchmark: counts of the official lists, into results/annotations.csv.

    python -m book annotations --lists DIR    DIR holds charades/, hmdb51/, ucf101/, ucf101_24/, or some
                                              of these; half a minute
    python -m book annotations                the planted sets alone; all other rows stay
"""

from pathlib import Path

import numpy as np
import pandas as pd

from book.evidence import annotations
from data.common.lists.readers import hmdb51
from data.files.paths import RESULTS, write_csv


def arguments(parser):
    parser.add_argument("--lists", type=Path, metavar="DIR", help="where the official lists lie")
    parser.add_argument("--out", type=Path, metavar="FILE", default=RESULTS / "annotations.csv",
                        help="default: results/annotations.csv")


def run(options):
    rows = [row for listing in annotations.listings(options.lists)
            for row in annotations.aggregates(listing)]
    if options.lists and (options.lists / "hmdb51").is_dir():
        ids = {i for n in (1, 2, 3) for i in hmdb51(options.lists / "hmdb51", n).videos.video_id}
        name = "videos in any of the three splits"
        rows.append(("hmdb51", "all", name, np.nan, len(ids), annotations.PRINTED["hmdb51"][name]))
    table = pd.DataFrame(rows, columns=annotations.COLUMNS)
    if options.out.is_file():
        kept = pd.read_csv(options.out)
        table = pd.concat([table, kept[~kept.dataset.isin(set(table.dataset))]])
    table = table.sort_values("dataset", kind="stable")
    write_csv(options.out, table)
    print(table[table.split == "all"].drop(columns=["split", "at"]).to_markdown(index=False))
    print(f"wrote {len(table)} rows to {options.out.name}")
