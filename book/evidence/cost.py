"""Table 4: what the systems cost, as printed, as rebuilt from stated conventions, and in truth."""

from functools import partial
from itertools import product
from math import ceil

import pandas as pd

from book.evidence import ledger

# The paper's Table 4: 1e9 FLOPs, 1e6 parameters.
PRINTED = {"MSQNet": (1303.9, 220.4), "MSQNet+TFE": (1301.4, 216.2),
           "BIKE": (1864.7, 230.4), "BIKE+TFE": (1864.4, 211.5)}
SYSTEMS = {"MSQNet": ledger.msqnet, "MSQNet+TFE": partial(ledger.msqnet, tfe=True),
           "BIKE": ledger.bike, "BIKE+TFE": partial(ledger.bike, tfe=True)}
# A multiply-accumulate is 2 operations. The printed rows fit 2 for MSQNet, and 1 for BIKE.
PER_MAC = {"MSQNet": 2, "MSQNet+TFE": 2, "BIKE": 1, "BIKE+TFE": 1}


def total(pieces, column):
    """The sum of one column of a ledger, e.g. `total(ledger.bike(), "params")`."""
    return sum(getattr(piece, column) for piece in pieces)


def table4():
    """Table 4 by closed forms: a DataFrame `row, quantity, unit, printed, rebuilt, true`.

    GFLOP is 1e9 operations for one video, M is 1e6 parameters. `rebuilt` counts what hooks see, at
    `PER_MAC` operations; `true` counts everything, at 2.
    """
    rows = []
    for row, (flops, params) in PRINTED.items():
        pieces = SYSTEMS[row]()
        rows += [(row, "FLOPs", "GFLOP", flops, PER_MAC[row] * total(pieces, "seen_macs") / 1e9,
                  2 * total(pieces, "macs") / 1e9),
                 (row, "parameters", "M", params, total(pieces, "seen_params") / 1e6,
                  total(pieces, "params") / 1e6)]
    return pd.DataFrame(rows, columns=["row", "quantity", "unit", "printed", "rebuilt", "true"])


# The grid of disentanglers: width of a head, whether W_Q, W_K, W_V are seen, hidden width of f_S
# and f_N in head widths and of f_DS and f_DN in d, and whether one branch is counted or both.
RATIOS = ("none", "linear", 0.5, 1, 2, 4)
GRID = {"heads": (1, 2, 4, 8), "width": ("narrow", "full"), "projections_seen": (False, True),
        "head_ratio": RATIOS, "ratio": RATIOS, "branches": (1, 2)}


def seen_units(heads, width, projections_seen, head_ratio, ratio, branches):
    """Weights of a disentangler that a counter by hooks sees, in d^2; None where it has no shape.

    One head is both narrow and full: it counts as full. Full heads are wider than d together, so
    that f_DS and f_DN must not be the identity.
    """
    head = 1 if width == "full" else 1 / heads  # in d, as all widths here
    inner = heads * head
    if (heads, width) == (1, "narrow") or (ratio == "none" and inner != 1):
        return None
    networks = heads * _weights(head_ratio, head, head) + _weights(ratio, inner, 1)
    return projections_seen * 3 * inner + branches * networks


def _weights(ratio, inputs, outputs):
    """Of no network, of one linear map, or of a network `ratio` times as wide as its output."""
    if ratio == "none":
        return 0
    return inputs * outputs if ratio == "linear" else ratio * outputs * (inputs + outputs)


def fitting(units=16):
    """The configurations of `GRID` with `units` x d^2 seen weights, and how many were tried.

    16 d^2 at 16 tokens explains both +TFE rows of Table 4. Returns `(DataFrame, tried)`.
    """
    seen = {point: seen_units(*point) for point in product(*GRID.values())}
    tried = {point: value for point, value in seen.items() if value is not None}
    fit = [point for point, value in tried.items() if value == units]
    return pd.DataFrame(fit, columns=list(GRID)), len(tried)


def agrees(printed, rebuilt):
    """How a rebuilt value gives the printed digit: "rounded", "rounded up", or "no"."""
    if round(rebuilt, 1) == printed:
        return "rounded"
    return "rounded up" if ceil(10 * rebuilt) / 10 == printed else "no"

