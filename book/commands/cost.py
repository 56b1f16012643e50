"""Table 4: count every system on the meta device, hold it against its ledger, write results/table4.csv."""

from pathlib import Path

from book.evidence import cost, shapes
from data.files.paths import RESULTS, write_csv
from tfe.errors import StudyError


def arguments(parser):
    parser.add_argument("--out", metavar="FILE", type=Path, default=RESULTS / "table4.csv",
                        help="default: results/table4.csv")


def run(options):
    for row, pieces in cost.SYSTEMS.items():
        params, flops = shapes.measure(row)
        if (params, flops) != (cost.total(pieces(), "params"), 2 * cost.total(pieces(), "macs")):
            raise StudyError(f"book/evidence/ledger.py: {row} does not add up to the count of its "
                             f"layers, {params} parameters and {flops} FLOPs: mend its closed form")
    table = cost.table4()
    write_csv(options.out, table.round(3))
    table["printed digit"] = [cost.agrees(*cell) for cell in zip(table.printed, table.rebuilt)]
    print(table.to_markdown(index=False, floatfmt=("", "", "", ".1f", ".3f", ".3f")))
    fit, tried = cost.fitting()
    print(f"\n{len(fit)} of {tried} disentanglers of the grid fit both +TFE rows equally well.\n"
          "True figures are for the default one, counted operation by operation.")
