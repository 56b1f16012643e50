"""Which read-out of a head to trust: each held against the head itself, and against true intervals.

A read-out says how much each segment speaks for a class. All are of a trained system and its
embeddings x `(B, T, d)`, and give `(B, C, T)`; None where a system has no such thing:

- attention: the head's own, per class; for TFE that of A_S.
- mask: TFE's mask, or a peer's filter, the same for all classes.
- leave_one_out: how much the class's logit falls without the segment (`tfe.systems`).
- single: the class's logit for the segment alone, at its place.
- gradients: integrated gradients of the logit (Sundararajan et al. 2017), from x = 0; of the pairs
  of a video and a class that are asked for, since each costs a pass of its own; nan elsewhere.
- attention_logit: attention, where above 0, x the logit of the segment alone.

`aopcr` asks the head: does its logit fall faster by this order than by a random one? The measures
of `ranking` and `detection` ask the intervals. A read-out may be right about a head that is wrong.
"""

import numpy as np
import pandas as pd
import torch
from einops import einsum

from book.evidence import detection, localisation, ranking
from tfe.errors import StudyError
from tfe.systems import leave_one_out

STEPS = 16  # of the integral: midpoints, where more change no order
PAIRS = 256  # of a video and a class, whose gradients are taken at a time
ASKED = 1000  # pairs at most whose order the head is asked about: each costs 72 passes at T = 16
LIKELIEST = 3  # classes a video, true or not, whose gradients are taken
SOUGHT = 2  # as many classes as there are labels, times this, get intervals: Charades has seven a video


def logits(system, x, places=None):
    """`(B, C)`, where classes compete less their mean: softmax sees no number added to all."""
    found = system.classify(x, places)[0]
    return found - found.mean(1, keepdim=True) * (system.backbone.task == "singlelabel")


@torch.no_grad()
def attention(system, x):
    return system.classify(x)[1]


@torch.no_grad()
def mask(system, x):
    """TFE's read-out of its mask, or a peer's filter, for every class alike."""
    found = system.classify(x)[2]
    if found is None and hasattr(getattr(system, "approximator", None), "mask"):
        found = system.approximator.mask(system.backbone.temporal(x)).squeeze(1)
    return None if found is None else found.unsqueeze(1).expand(
        -1, system.backbone.num_classes, -1)


@torch.no_grad()
def single(system, x):
    places = torch.arange(x.shape[1], device=x.device)
    return torch.stack([logits(system, x[:, t:t + 1], places[t:t + 1]) for t in places], dim=-1)


def gradients(system, x, wanted):
    """The mean gradient between 0 and x, times x, summed over the width of a segment.

    wanted: `(B, C)`, bool. Videos do not meet, so that the logits of many pairs are one sum.
    """
    found = x.new_full((*wanted.shape, x.shape[1]), torch.nan)
    for videos, classes in zip(*(at.split(PAIRS) for at in wanted.nonzero(as_tuple=True))):
        ends, pairs, total = x[videos].detach(), torch.arange(len(videos), device=x.device), 0
        for part in (torch.arange(STEPS) + 0.5) / STEPS:
            at = (part.item() * ends).requires_grad_()
            total = total + torch.autograd.grad(logits(system, at)[pairs, classes].sum(), at)[0]
        found[videos, classes] = einsum(total / STEPS, ends, "p t d, p t d -> p t")
    return found


def attention_logit(system, x):
    weight = attention(system, x)
    # Below 0 a weight speaks against the class: times a negative logit it would speak for it.
    return None if weight is None else weight.clamp_min(0) * single(system, x)


READOUTS = {"attention": attention, "mask": mask, "leave_one_out": leave_one_out, "single": single,
            "attention_logit": attention_logit}


def likeliest(scores, many=LIKELIEST):
    """The classes of the highest scores `(N, C)` of each video, true or not, an array of indices."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :many]


def read(system, features, targets, batch_size=128):
    """Scores `(N, C)` and each read-out `(N, C, T)` of features `(N, T, f)`, arrays.

    Gradients are those of targets `(N, C)` and of the likeliest classes, nan elsewhere. What a system
    does not have is left out. Raises StudyError for a single segment, which nothing can be ranked
    against.
    """
    if features.shape[1] < 2:
        raise StudyError("T is 1: read-outs rank segments: make features of 2 segments or more")
    system.eval()
    parts, device = [], next(system.parameters()).device
    for start in range(0, len(features), batch_size):
        rows = np.asarray(features[start:start + batch_size])
        with torch.no_grad():
            x = system.embed(torch.as_tensor(rows, dtype=torch.float32, device=device))
            scores = system.backbone.scores(system.classify(x)[0])
        found = {name: read_out(system, x) for name, read_out in READOUTS.items()}
        wanted = targets[start:start + batch_size] > 0
        np.put_along_axis(wanted, likeliest(scores.cpu().numpy()), True, axis=1)
        parts.append({"scores": scores, **found,
                      "gradients": gradients(system, x, torch.as_tensor(wanted, device=device))})
    return {name: torch.cat([part[name] for part in parts]).detach().cpu().numpy()
            for name in parts[0] if parts[0][name] is not None}


@torch.no_grad()
def aopcr(system, features, classes, read_outs, stop=0.5, repeats=3, seed=0, batch_size=512):
    """Area over the perturbation curve, less that of random orders: `{read-out: (P,)}`.

    The mean fall of a class's logit while its most salient segments are left out one by one, up to
    `stop` of them (MILLET, Early et al. 2024, with steps of one segment). One line a pair of a
    video and a class: features `(P, T, f)`, classes `(P,)`, read-outs `{name: (P, T)}`; ties fall
    at random. Nan where `stop` leaves out no segment.
    """
    draw, out = np.random.default_rng(seed), int(stop * features.shape[1])
    size = len(features), features.shape[1]
    ties = draw.random(size)
    orders = {name: np.lexsort((ties, -saliency), axis=1) for name, saliency in read_outs.items()}
    orders |= {n: draw.random(size).argsort(axis=1) for n in range(repeats)}
    areas = {name: np.full(len(features), np.nan) for name in orders}
    for start in range(0, len(features) if out else 0, batch_size):
        rows, device = slice(start, start + batch_size), next(system.parameters()).device
        x = system.embed(torch.as_tensor(np.asarray(features[rows]), dtype=torch.float32,
                                         device=device))
        for name, order in orders.items():
            areas[name][rows] = _area(system, x, torch.as_tensor(classes[rows], device=device),
                                      torch.as_tensor(order[rows], device=device), out)
    chance = np.mean([areas[n] for n in range(repeats)], axis=0)
    return {name: areas[name] - chance for name in read_outs}


def _area(system, x, classes, order, out):
    """The mean fall of the logits of `classes` `(B,)`, the whole video's own fall of 0 counted."""
    rows = torch.arange(len(x), device=x.device)
    whole, falls = logits(system, x)[rows, classes], 0
    for removed in range(1, out + 1):
        kept = order[:, removed:].sort(dim=1).values  # in the order of time, each at its place
        left = logits(system, x[rows.unsqueeze(1), kept], kept)
        falls = falls + whole - left[rows, classes]
    return (falls / (out + 1)).cpu().numpy()


def measure(system, features, targets, dataset, ids):
    """One line a read-out of one system on a split's videos: what both judges say, a table.

    Columns: readout, aopcr, the measures of `ranking` and counts of pairs that these leave out,
    `tiou_0.1` ... and their mean, `tiou_map`. Pairs are a video and each of its labels; a video
    without a label has none, and `unlabelled` counts those. Without intervals only aopcr is known;
    it is the mean of ASKED pairs at most, drawn alike for every system. With them, two lines more say
    what the head's classes allow: "oracle" reads the true intervals, "random" noise; neither has an aopcr.
    """
    found, truth = read(system, features, targets), dataset.truth(ids, features.shape[1])
    scores, (videos, classes) = found.pop("scores"), np.nonzero(targets)
    if not len(videos):
        raise StudyError(f"{dataset.folder / 'videos.csv'}: no video of this split has a label: "
                         "choose another split")
    asked = np.sort(np.random.default_rng(0).permutation(len(videos))[:ASKED])
    areas = aopcr(system, features[videos[asked]], classes[asked],
                  {name: saliency[videos, classes][asked] for name, saliency in found.items()})
    if truth is not None:
        found |= {"oracle": truth.astype(float), "random": np.random.default_rng(0).random(truth.shape)}
    best, lines = likeliest(scores, _sought(targets)), []
    for name, saliency in found.items():
        line = {"readout": name, "aopcr": float(areas[name].mean()) if name in areas else np.nan,
                "unlabelled": int((targets.sum(1) == 0).sum())}
        if truth is not None:
            line |= ranking.score(saliency[videos, classes], truth[videos, classes])
            # An action that fills its video has no least and largest segment: truth stays as it is.
            line |= _located(saliency if name == "oracle" else localisation.rescaled(saliency),
                             scores, best, dataset, ids)
        lines.append(line)
    return pd.DataFrame(lines)


def _sought(targets):
    """How many likely classes of each video get intervals, so that on no set most true ones are missed."""
    return max(LIKELIEST, int(np.ceil(SOUGHT * (targets > 0).sum(1).mean())))


def _located(saliency, scores, best, dataset, ids):
    """Localisation by the classes `best` `(N, n)` of each video: `{tiou_...: 0..1}`.

    Gradients give no interval of a class beyond LIKELIEST of which they were not taken.
    """
    videos, classes = np.repeat(np.arange(len(scores)), best.shape[1]), best.ravel()
    ids = np.asarray(ids)
    found = detection.intervals(
        saliency[videos, classes], scores[videos, classes],
        detection.edges(dataset, ids, saliency.shape[2])[videos], ids[videos],
        np.asarray(dataset.classes)[classes])
    truth = dataset.segments[dataset.segments.video_id.isin(set(ids.tolist()))]
    values = detection.mean_average_precision(found, truth)
    return {**{f"tiou_{at}": value for at, value in values.items()},
            "tiou_map": float(np.mean(list(values.values())))}
