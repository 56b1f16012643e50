"""What a real benchmark takes on one card: batch, memory, hours and disk, from counted costs."""

import pandas as pd

from book.evidence import memory, shapes
from data.files.paths import RESULTS, write_csv
from tfe import backbones
from tfe.training import PROFILES

# By its memory in GB: a card, and the FLOP/s that its maker states, dense bf16 and fp32.
CARDS = {24: ("RTX 3090", 71e12, 35.6e12), 48: ("RTX A6000", 155e12, 38.7e12),
         80: ("H100", 989e12, 67e12), 141: ("H200", 989e12, 67e12)}
SHARE = 0.5  # of the stated rate: assumed
ROOM = 1.5  # GB that CUDA, its libraries and gaps take beside tensors: assumed
ARCHIVES = {"charades": 13.0, "ucf101": 6.96, "hmdb51": 2.1}  # GB, as their pages say
# A clip goes through the encoder forward, again (only the inputs of blocks are kept), and backward,
# which costs twice the way forward; through a frozen encoder once.
PASSES = {"encoder": 4, "head": 1}
# Of Charades' 66,500 intervals 16,691 are of test, and 7 end before they start.
INTERVALS = 66_500 - 16_691 - 7
SEEDS, ROWS = 3, 4  # of a head; where its vanilla form is published, a row less is trained
WEIGHTS = 4  # GB of published files
STORED = 16 * 768 * 2 / 1e9  # GB of a video's features
ENCODER = "bike", "vanilla", "head"  # whose frozen encoder makes every head's features, in fp32
SIDE = {"msqnet": 224, "bike": 336, "text4vis": 336}  # pixels
KEY = ["backbone", "method", "tune"]
COUNTED, MEASURED = RESULTS / "memory.csv", RESULTS / "gpu.csv"


def videos(dataset):
    """Numbers of the official lists, `{quantity: number}`: results/annotations.csv."""
    lists = pd.read_csv(RESULTS / "annotations.csv")
    lists = lists[(lists.dataset == dataset) & (lists.split == "all")]
    return dict(zip(lists.quantity, lists.value))


def clips(dataset, backbone):
    """Clips an epoch: one a video; for BIKE on Charades one a labelled interval."""
    many = (dataset, backbone) == ("charades", "bike")
    return INTERVALS if many else videos(dataset)["train videos"]


def count():
    """Count parameters, operations and memory of every full-size system into results/memory.csv."""
    rows = []
    for backbone, name in backbones.NAMES.items():
        for method, row in (("vanilla", name), ("tfe", f"{name}+TFE")):
            parameters, flops = shapes.measure(row)
            for tune in PASSES:
                head = {"preset": "paper", "precision": "bf16", "tune": tune}
                fixed, clip = memory.line(method, backbone, **head)
                rows.append((backbone, method, tune, parameters / 1e6, flops / 1e9, fixed / 1e9,
                             memory.trained(method, backbone, **head) / 1e6, clip / 1e9))
    table = pd.DataFrame(rows, columns=[*KEY, "parameters_m", "gflop", "fixed_gb", "trained_m",
                                        "clip_gb"]).round(4)
    write_csv(COUNTED, table)


def counted(backbone, method, tune):
    """The row of results/memory.csv."""
    return pd.read_csv(COUNTED).set_index(KEY).loc[backbone, method, tune]


def seconds(backbone, method, tune, card):
    """Seconds a clip of one training step: as `make gpu` measured on such a card, else reckoned."""
    name, rate, _ = CARDS[card]
    made = pd.read_csv(MEASURED)
    made = made[(made.quantity == f"{method} {backbone}: seconds a clip")
                & made.device.str.contains(name, regex=False)].value
    if tune == "encoder" and len(made):
        return made.iloc[-1]
    return PASSES[tune] * counted(backbone, method, tune).gflop * 1e9 / (SHARE * rate)


def held(cost, clips, parts=1):
    """GB at the peak of a step in so many parts of so many clips; `cost`: a row of `counted`."""
    sums = memory.SUMS * 4e-3 * cost.trained_m if parts > 1 else 0
    return cost.fixed_gb + clips * cost.clip_gb + sums


def part(cost, gigabytes, batch):
    """The most clips at a time, a power of two, that fit; 0 if none do."""
    return max((n for n in (2**p for p in range(12)) if n <= batch
                and held(cost, n, batch // n) <= gigabytes - ROOM), default=0)


def ways(dataset, backbone, card, epochs=None, method="tfe"):
    """The ways to train on a card of so many GB, the dearest first: a DataFrame, a row each.

    The last encodes once for all runs; the small heads on top, which no card needs, are not counted.
    """
    batch, epochs = PROFILES["paper"].batch_size, epochs or PROFILES["paper"].epochs
    disk = 2 * ARCHIVES[dataset] + WEIGHTS  # archives, and what was in them
    frames = batch * 16 * 3 * SIDE[backbone]**2 * 4e-9  # of a batch, float32, in main memory
    everything, rows = videos(dataset)["videos"], []
    for tune in PASSES:
        cost = counted(backbone, method, tune)
        size = part(cost, card, batch)
        parts = batch // size if size else 0
        hours = seconds(backbone, method, tune, card) * clips(dataset, backbone) * epochs / 3600
        checkpoint = 4e-3 * (cost.parameters_m + 2 * cost.trained_m)  # weights, and two moments
        rows.append((f"clips, {tune} trained", size, parts, held(cost, size, parts), frames, hours,
                     disk + ROWS * SEEDS * checkpoint))
    encoder, rate = counted(*ENCODER), SHARE * CARDS[card][2]
    rows.append(("features once, for all runs", 1, 1, held(encoder, 1), frames / batch,
                 everything * encoder.gflop * 1e9 / rate / 3600, disk + everything * STORED))
    return pd.DataFrame(rows, columns=["way", "clips at a time", "accumulate", "memory (GB)",
                                       "main memory (GB)", "hours a run", "disk (GB)"])
