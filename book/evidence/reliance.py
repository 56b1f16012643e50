"""Does a head rely on the action, or does leave one out only say so?

Leave one out looks past a segment that another can stand in for. A head that is punished for what the
rest tells of the label may thus look more faithful and rely on the same segments. What is measured
here tells these apart, over pairs of a video and a class of its own, T segments, n of them true:

- auc: leave one out, as everywhere, of these pairs.
- auc_bare: leave one out in a video of which one true segment is left, drawn, and all that are not
  true. No other of its own action can stand in for it.
- joint: how often the logit falls more without the true segments than without n others in a row, ties
  half; joint_ratio: the mean fall without the others, as a share of that without the true.
- singly: the falls of true segments one by one, summed, as a share of their fall together, where n > 1.
  A mean over segments has (T - n) / (T - 1); less says that segments stand in for each other.
- auc_single: what the head says of a video of one segment. It has never seen such a video.

And three exchanges in a trained TFE, each with leave one out and with its metric, `value_...`: what
carries the fidelity? Each counts only where its metric holds.

- new_reader: A_S is trained afresh on D's frozen z_S, and knows nothing of the game.
- past_d: it is trained afresh on what D reads, and D is left out.
- flat_mask: every row of the mask holds the same weight everywhere, and all else stays.
"""

from copy import deepcopy

import numpy as np
import torch
from torch import nn

from book.evidence import probes, readouts, tell
from tfe import fidelity
from tfe.disentangler import Disentangler
from tfe.systems import leave_one_out

ASKED = 200  # pairs at most, drawn alike for every system
DRAWS = 4  # places of n others, a pair


def measure(system, features, targets, truth, train, test):
    """All of the above of one system on the rows `test`, a flat dict; `pairs`: how many were asked.

    features `(N, T, f)`, targets `(N, C)`, truth `(N, C, T)`; readers are taught on the rows `train`.
    A pair without a true segment, or with more than half of them true, is left out: `skipped` counts
    those. Without a pair nothing else is told; what a system does not have is left out.
    """
    system.eval()
    truth, labelled = np.asarray(truth)[test].astype(bool), np.asarray(targets)[test] > 0
    many = truth.sum(2)
    pairs = np.argwhere(labelled & (many > 0) & (many <= truth.shape[2] // 2))
    counts = {"pairs": min(len(pairs), ASKED), "skipped": int(labelled.sum()) - len(pairs)}
    if not len(pairs):
        return counts
    videos, classes = np.random.default_rng(0).permutation(pairs)[:ASKED].T
    shown, x = truth[videos, classes], _tensor(system, features[test])

    def read(which, read_out):
        asked = which.embed(x[videos]).detach()
        saliency = read_out(which, asked)[np.arange(len(videos)), classes].cpu().numpy()
        return fidelity.score(saliency, shown)["auc"]

    embedded = system.embed(x[videos]).detach()
    falls = leave_one_out(system, embedded)[np.arange(len(videos)), classes].cpu().numpy()
    found = {"auc": fidelity.score(falls, shown)["auc"],
             "auc_bare": bare(system, embedded, classes, shown),
             "auc_single": read(system, readouts.single),
             **together(system, embedded, classes, falls, shown)}
    for name, twin in twins(system, features[train], targets[train]).items():
        found |= {f"auc_{name}": read(twin, leave_one_out),
                  f"value_{name}": _value(twin, x, _tensor(system, targets[test]))}
    return {**found, **counts}


def twins(system, features, targets):
    """The three exchanges, `{name: copy of the system}`; none where there is no D of Eq. (6).

    Readers are taught on features `(N, T, f)` and targets `(N, C)`.
    """
    if not isinstance(getattr(system, "disentangler", None), Disentangler):
        return {}
    seen, y = probes.embeddings(system, features), _tensor(system, targets)
    new, past, flat = (deepcopy(system) for _ in range(3))
    new.salient, past.salient = (_Unguided(probes.reader(
        system.backbone, seen[name], y, seen["context"])) for name in ("z_s", "x"))
    past.disentangler = _Past()
    split, mask = flat.disentangler.split, system.disentangler.split.mask
    split.mask = lambda logits, generator=None: mask(logits, generator).mean(
        -1, keepdim=True).expand_as(logits)  # each row keeps its sum
    return {"new_reader": new.eval(), "past_d": past.eval(), "flat_mask": flat}


class _Unguided(nn.Module):
    """A reader as it was trained: without the guide, which is computed from x and tells the label."""

    def __init__(self, reader):
        super().__init__()
        self.reader = reader

    def forward(self, z, context=None):
        return self.reader(z, probes.withheld(context, len(z)))


class _Past(nn.Module):
    """In D's place: x is handed on."""

    def forward(self, x, generator=None, both=True):
        return x, None, None

    def saliency(self, x):
        return x.new_zeros(x.shape[:2])


@torch.no_grad()
def fall(system, x, classes, gone):
    """How much the logit of a class falls without some segments, `(P,)`.

    x `(P, T, d)`, classes `(P,)`; gone `(P, T)`, bool: the segments to leave out, not all of them.
    """
    whole, found = readouts.logits(system, x), np.empty(len(x))
    for size in np.unique(gone.sum(1)):
        at = np.nonzero(gone.sum(1) == size)[0]
        kept = torch.as_tensor(np.nonzero(~gone[at])[1].reshape(len(at), -1), device=x.device)
        left = readouts.logits(system, x[torch.as_tensor(at).unsqueeze(1), kept], kept)
        found[at] = (whole[at, classes[at]] - left[range(len(at)), classes[at]]).cpu().numpy()
    return found


def bare(system, x, classes, shown, seed=0):
    """`auc_bare` of pairs: x `(P, T, d)`, classes `(P,)`, shown `(P, T)`, bool, where the action is."""
    one = (np.random.default_rng(seed).random(shown.shape) * shown).argmax(1)
    rest, segments = shown.copy(), np.arange(shown.shape[1])
    rest[range(len(one)), one] = False
    falls = np.stack([fall(system, x, classes, rest | (segments == t)) for t in segments], axis=1)
    mine = falls[range(len(one)), one, None]
    wins = ((mine > falls) + 0.5 * (mine == falls)) * ~shown
    return float((wins.sum(1) / (~shown).sum(1)).mean())


def together(system, x, classes, falls, shown, seed=0):
    """`joint`, `joint_ratio` and `singly`: what the true segments do together; arguments as of `bare`.

    falls `(P, T)`: those of leave one out. The others are the same pattern elsewhere in the video, where
    it meets no true segment; a pair without such a place is not asked.
    """
    draw, whole, beaten, others = np.random.default_rng(seed), fall(system, x, classes, shown), [], []
    for _ in range(DRAWS):
        moved = np.stack([_elsewhere(each, draw) for each in shown])
        able = moved.any(1)
        if not able.any():
            break
        less = fall(system, x[able], classes[able], moved[able])
        beaten.append(((whole[able] > less) + 0.5 * (whole[able] == less)).mean())
        others.append(less.mean() / whole[able].mean())
    several = shown.sum(1) > 1
    apart, at_once = (falls * shown)[several].sum(), whole[several].sum()
    return {"joint": float(np.mean(beaten or np.nan)), "joint_ratio": float(np.mean(others or np.nan)),
            "singly": float(apart / at_once) if at_once > 0 else float("nan")}


def _elsewhere(shown, draw):
    """The pattern `(T,)` moved round the video to a place, drawn, where it meets nothing true."""
    places = [moved for by in range(1, len(shown)) if not ((moved := np.roll(shown, by)) & shown).any()]
    return places[draw.integers(len(places))] if places else np.zeros_like(shown)


@torch.no_grad()
def _value(system, features, targets):
    return tell.scored(system.backbone, system.classify(system.embed(features))[0], targets)


def _tensor(system, values):
    return torch.as_tensor(np.asarray(values), dtype=torch.float32,
                           device=next(system.parameters()).device)
