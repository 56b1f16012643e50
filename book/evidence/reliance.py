"""Does a head rely on the action, or does leave one out only say so?

Leave one out looks past a segment that another can stand in for. A head that is punished for what the
rest tells of the label may thus look more faithful and rely on the same segments. What is measured
here tells these apart, over pairs of a video and a class of its own, T segments, n of them true:

- auc: leave one out, as everywhere; auc_1, auc_2_3, auc_4: of pairs with so many true segments (4: or
  more). More segments, more redundancy.
- auc_single: of the logit of a segment alone, which no other can stand in for.
- joint: how often the logit falls more without all true segments than without n others, ties half.
- singly: the falls of true segments one by one, summed, as a share of their fall together. A mean over
  segments has (T - n) / (T - 1); less says that segments stand in for each other.

And two exchanges in a trained TFE, each by leave one out: what carries the fidelity?

- auc_new_reader: A_S is trained afresh on D's frozen z_S, and knows nothing of the game.
- auc_flat_mask: every row of the mask holds the same weight everywhere, and all else stays.
"""

from copy import deepcopy

import numpy as np
import torch
from torch import nn

from book.evidence import probes, readouts
from tfe import fidelity
from tfe.disentangler import Disentangler
from tfe.systems import leave_one_out

SIZES = {"auc_1": (1, 1), "auc_2_3": (2, 3), "auc_4": (4, np.inf)}
DRAWS = 8  # of other segments, a pair


def measure(system, features, targets, truth, train, test):
    """All of the above of one system on the rows `test`, a flat dict, `pairs` the number scored.

    features `(N, T, f)`, targets `(N, C)`, truth `(N, C, T)`; the reader is taught on the rows
    `train`. A pair without a true segment, or with more than half of them true, is left out:
    `skipped` counts those. What a system or a set does not have is left out or nan.
    """
    system.eval()
    x = system.embed(_tensor(system, features[test])).detach()
    truth, labelled = np.asarray(truth)[test].astype(bool), np.asarray(targets)[test] > 0
    many = truth.sum(2)
    videos, classes = np.nonzero(labelled & (many > 0) & (many <= truth.shape[2] // 2))
    shown, many = truth[videos, classes], many[videos, classes]
    falls = _falls(system, x)[videos, classes]
    found = {"auc": _auc(falls, shown)}
    found |= {name: _auc(*(part[(low <= many) & (many <= high)] for part in (falls, shown)))
              for name, (low, high) in SIZES.items()}
    found["auc_single"] = _auc(readouts.single(system, x).cpu().numpy()[videos, classes], shown)
    found |= _together(system, x[videos], classes, falls, shown)
    if isinstance(getattr(system, "disentangler", None), Disentangler):
        twins = {"auc_new_reader": with_new_reader(system, features[train], targets[train]),
                 "auc_flat_mask": with_flat_mask(system)}
        found |= {name: _auc(_falls(twin, x)[videos, classes], shown) for name, twin in twins.items()}
    return {**found, "pairs": len(videos), "skipped": int(labelled.sum()) - len(videos)}


def with_new_reader(system, features, targets):
    """A copy of a TFE whose A_S was trained afresh on frozen z_S of features `(N, T, f)`."""
    twin, seen = deepcopy(system), probes.embeddings(system, features)
    twin.salient = _Unguided(probes.reader(system.backbone, seen["z_s"], _tensor(system, targets),
                                           seen["context"]))
    return twin.eval()


def with_flat_mask(system):
    """A copy of a TFE whose mask looks nowhere: each row keeps its sum, spread over all segments."""
    twin = deepcopy(system)
    split, mask = twin.disentangler.split, system.disentangler.split.mask
    split.mask = lambda logits, generator=None: mask(logits, generator).mean(
        -1, keepdim=True).expand_as(logits)
    return twin


class _Unguided(nn.Module):
    """A reader as it was trained: without the guide, which is computed from x and tells the label."""

    def __init__(self, reader):
        super().__init__()
        self.reader = reader

    def forward(self, z, context=None):
        return self.reader(z, probes.withheld(context, len(z)))


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


def _together(system, x, classes, falls, shown, seed=0):
    """`joint` and `singly`: what the true segments do together, and what that tells of redundancy."""
    draw, together = np.random.default_rng(seed), fall(system, x, classes, shown)
    beaten = []
    for _ in range(DRAWS):
        # True segments come last, so that the n first are others.
        order = np.argsort(draw.random(shown.shape) + shown, axis=1)
        others = np.empty_like(shown)
        np.put_along_axis(others, order, np.arange(shown.shape[1]) < shown.sum(1)[:, None], axis=1)
        less = fall(system, x, classes, others)
        beaten.append((together > less) + 0.5 * (together == less))
    return {"joint": float(np.mean(beaten)), "singly": float((falls * shown).sum() / together.sum())}


def _falls(system, x):
    return leave_one_out(system, x).cpu().numpy()


def _auc(saliency, truth):
    return fidelity.score(saliency, truth)["auc"]


def _tensor(system, values):
    return torch.as_tensor(np.asarray(values), dtype=torch.float32,
                           device=next(system.parameters()).device)
