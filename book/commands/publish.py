"""Make the tables of results/local/ the committed ones."""

from book.evidence.publish import publish, publish_card, publish_heads


def arguments(parser):
    parser.add_argument("tables", nargs="+", metavar="TABLE", help="e.g. table1; gpu: what `make gpu` found")
    parser.add_argument("--heads", action="store_true", help="instead: make the first seed's trained "
                        "heads of these tables the committed ones, in results/heads/")


def run(options):
    for name in options.tables:
        made = publish_card() if name == "gpu" else (publish_heads if options.heads else publish)(name)
        for path in made:
            print(f"wrote {path.name}")
