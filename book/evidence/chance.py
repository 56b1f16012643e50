"""What guessing gets on a dataset, and which rises in fidelity lie between heads that do little better."""

from book.evidence.verdicts import verdict


def level(receipt):
    """Per cent that a table's metric has by chance, as its receipt tells; nan where it does not.

    Accuracy: one in as many classes. mAP: that of shuffled labels (`data.common.recordings.cuts`).
    """
    settings, made = receipt["settings"], receipt.get("dataset_receipt") or {}
    if settings["metric"] == "accuracy" and "classes" in settings:
        return 100 / len(settings["classes"])
    return 100 * made.get("cuts", {}).get("chance_map", float("nan"))


def rises(lines, levels, little):
    """A sentence for each rise in fidelity by TFE whose two heads both recognise little.

    lines: summaries of one split, one after the other, with a column `data`; levels: chance by `data`, in
    per cent; little: points above it.
    """
    value = lines.set_index(["data", "row"]).value
    for line in lines[lines.method == "tfe"].to_dict("records"):
        chance = levels[line["data"]]
        low, high = sorted(value[line["data"], line[key]] for key in ("row", "against"))
        if verdict(line, "auc_") == "higher" and high < chance + little:
            yield (f"On {line['data']}, both heads of the rise of {line['row']} recognise little more "
                   f"than chance ({low:.1f} and {high:.1f}, chance {chance:.1f}).")
