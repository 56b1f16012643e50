"""What a real benchmark takes on one card: batch, accumulation, memory, hours, disk, the command.

    python -m book plan --dataset charades --backbone bike --card 24

Memory and operations were counted (results/memory.csv); hours assume half of the rate that the
card's maker states, and cores enough to decode.
"""

from book.evidence import plan
from tfe import backbones


def arguments(parser):
    parser.add_argument("--dataset", choices=plan.ARCHIVES, default="charades")
    parser.add_argument("--backbone", choices=backbones.NAMES, default="bike")
    parser.add_argument("--method", choices=("vanilla", "tfe"), default="tfe")
    parser.add_argument("--card", type=int, choices=plan.CARDS, help="memory in GB (default: all)")
    parser.add_argument("--epochs", type=int, help="default: 100, as in the paper")
    parser.add_argument("--count", action="store_true", help="count memory again (minutes)")


def run(options):
    if options.count:
        plan.count()
    for card in [options.card] if options.card else plan.CARDS:
        name, rate, _ = plan.CARDS[card]
        table = plan.ways(options.dataset, options.backbone, card, options.epochs, options.method)
        print(f"{card} GB, as {name} ({rate / 1e12:.0f} TFLOP/s stated):\n")
        print(table.to_markdown(index=False, floatfmt=".3g"), end="\n\n")
    epochs = f" EPOCHS={options.epochs}" * bool(options.epochs)
    table = "table1" if options.dataset == "charades" else "table2"
    target = f"make reproduce-{table} DATASET={options.dataset} FROM=DIR"
    trained = f"{target} PROFILE=paper BACKBONE={options.backbone}{epochs}"
    print(f"the encoder trained:  {trained}\nthe head trained:     {trained} TUNE=head\n"
          f"features once:        {target}")
