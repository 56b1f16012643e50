"""What guessing gets on a dataset, and which rises in fidelity have to be doubted."""

import numpy as np

from book.evidence.verdicts import verdict


def level(targets, metric):
    """Per cent that a metric has by chance on videos with labels `targets` `(N, C)`.

    Accuracy: one in as many classes. mAP: what an order at random has on average, which is for a class
    that P of N videos show
        (P-1)/(N-1) + H/N * (1 - (P-1)/(N-1)),    H = 1 + 1/2 + ... + 1/N;
    classes that no video shows are left out, as in the metric.
    """
    number, classes = targets.shape
    if metric == "accuracy":
        return 100 / classes
    shown = targets.sum(0)
    after = (shown[shown > 0] - 1) / max(number - 1, 1)  # P(a video shows it | another one does)
    harmonic = (1 / np.arange(1, number + 1)).sum()
    return 100 * float(np.mean(after + harmonic / number * (1 - after)))


def doubts(lines, levels, little):
    """A sentence for each rise in fidelity by TFE between heads that recognise little, or at its cost.

    lines: summaries of one split, one after the other, with a column `data`; levels: chance by `data`, in
    per cent; little: points above it.
    """
    value = lines.set_index(["data", "row"]).value
    for line in lines[lines.method == "tfe"].to_dict("records"):
        if verdict(line, "auc_") != "higher":
            continue
        row, data, chance = line["row"], line["data"], levels[line["data"]]
        low, high = sorted(value[data, line[key]] for key in ("row", "against"))
        if high < chance + little:
            yield (f"On {data}, {row} gained fidelity, but its head and the control recognise little more than "
                   f"chance: {low:.1f} and {high:.1f}, chance {chance:.1f}.")
        elif line["difference_high"] < 0:
            yield (f"On {data}, {row} gained fidelity, and recognises {-line['difference']:.1f} points less "
                   "than its control.")
