"""Does the mask tell the label? A selector can write the class into which segments it picks.

Three readers that know nothing of how the system was trained. A probe sees masks alone, no feature:
what it reads of the label, beyond what masks of other videos and the true intervals would tell it,
the mask has encoded (Jethani et al. 2021). An evaluator, taught on random subsets of segments,
sees the picked ones: a class that only the system's own reader finds in them was encoded as well.
Puli et al. (2024) show that either alone can miss it.
"""

import numpy as np
import torch
from einops import rearrange
from torch import nn

from book.evidence.explainers import Reader
from tfe import metrics
from tfe.systems import TFE, Plus
from tfe.training import seed_everything

WIDTH, STEPS, BATCH, RATE = 64, 300, 32, 3e-3


@torch.no_grad()
def masks(system, features, batch_size=256):
    """The mask of each video `(N, R, T)`, R rows or classes of it; None for a system without one.

    features `(N, T, f)`. Of TFE the mask of Eq. (8) as at test, of a peer its filter.
    """
    system.eval()
    reader, parts = getattr(system, "approximator", None), []
    if not (isinstance(system, TFE) or hasattr(reader, "mask")):
        return None
    like = dict(dtype=torch.float32, device=next(system.parameters()).device)
    for start in range(0, len(features), batch_size):
        x = system.embed(torch.as_tensor(np.asarray(features[start:start + batch_size]), **like))
        x = system.backbone.temporal(x)
        m = reader.mask(x) if reader else system.disentangler(x, both=False)[2]
        parts.append(rearrange(m, "b ... t -> b (...) t"))
    return torch.cat(parts)


def tells(system, features, targets, train, test, truth=None, k=4, seed=0):
    """What masks say of the label, a flat dict of the metric in 0..1; None without a mask.

    features `(N, T, f)`, targets `(N, C)`; train, test: rows; truth `(N, T)`, where any action is.
    `probe`: of masks alone; `probe_permuted`: of masks that belong to other videos; `probe_truth`:
    of true intervals as masks, which honestly tell what length and place do. `evaluator_selected`,
    `_random`, `_rest`, `_all`: of the k segments that the mask holds most, of k others, of all but the
    k, of every segment. `own`, `own_selected`: the system's own answer, of all segments and of the k at
    their places. An evaluator is weaker than a system; so what the mask hides is its own lead on the k
    less that on all. TFE-plus has a mask a class, and so k segments a class, by which that class alone is
    judged. Where a split shows one class alone, its metric says nothing.
    """
    found = masks(system, features)
    if found is None:
        return None
    like = dict(dtype=torch.float32, device=found.device)
    y, x = torch.as_tensor(targets, **like), torch.as_tensor(np.asarray(features), **like)
    shuffled = np.random.default_rng(seed)
    strange = found.clone()
    for rows in (train, test):
        strange[rows] = found[shuffled.permutation(rows)]
    shown = {"probe": found, "probe_permuted": strange}
    if truth is not None:
        shown["probe_truth"] = torch.as_tensor(truth, **like).unsqueeze(1)
    said = {name: probed(system.backbone, each, y, train, test, seed)
            for name, each in shown.items()}
    reader = evaluator(system.backbone, x[train], y[train], seed)
    # Rows of TFE's mask serve every class together; the mean of masks that classes have is none's.
    held = found[test] if isinstance(system, Plus) else found[test].mean(1, keepdim=True)
    orders = {"selected": held.argsort(dim=-1, descending=True, stable=True),
              "random": torch.as_tensor(shuffled.random(held.shape), **like).argsort(dim=-1)}
    k = min(k, held.shape[-1])
    kept = {name: torch.zeros_like(held).scatter_(-1, order[..., :k], 1.0)
            for name, order in orders.items()}
    kept |= {"rest": 1 - kept["selected"], "all": torch.ones_like(held)}
    with torch.no_grad():
        shown, at = system.embed(x[test]), orders["selected"][..., :k].sort(dim=-1).values
        each = torch.arange(len(at), device=at.device).unsqueeze(1)
        answers = {f"evaluator_{name}": _by_row(lambda row, mask=mask: reader(x[test], mask[:, row]), mask)
                   for name, mask in kept.items()}
        answers["own"] = system.classify(shown)[0]
        answers["own_selected"] = _by_row(
            lambda row: system.classify(shown[each, at[:, row]], at[:, row])[0], at)
        return said | {name: scored(system.backbone, logits, y[test]) for name, logits in answers.items()}


def _by_row(answer, rows):
    """Logits `(N, C)` of segments picked for all classes, or of each class by its own: rows `(N, R, ...)`."""
    if rows.shape[1] == 1:
        return answer(0)
    return torch.stack([answer(c)[:, c] for c in range(rows.shape[1])], dim=1)


def probed(backbone, shown, y, train, test, seed=0):
    """The metric on `test` of a fresh network that sees `shown` `(N, R, T)` and no feature."""
    seed_everything(seed)
    flat = shown.flatten(1)
    flat = (flat - flat[train].mean(0)) / flat[train].std(0).clamp_min(1e-3)
    reader = nn.Sequential(nn.Linear(flat.shape[1], WIDTH), nn.ReLU(), nn.Dropout(0.3),
                           nn.Linear(WIDTH, y.shape[1])).to(flat.device)
    _taught(reader, lambda rows: (flat[train][rows],), backbone, y[train])
    with torch.no_grad():
        return scored(backbone, reader.eval()(flat[test]), y[test])


def evaluator(backbone, x, y, seed=0):
    """A reader taught on random subsets of segments, of every size alike (EVAL-X)."""
    seed_everything(seed)
    reader = Reader(x.shape[2], y.shape[1]).to(x.device)

    def subsets(rows):
        noise, size = torch.rand(len(rows), x.shape[1]), torch.randint(x.shape[1], (len(rows), 1))
        return x[rows], (noise.argsort(1) <= size).to(x)  # one segment at least
    _taught(reader, subsets, backbone, y)
    return reader.eval()


def _taught(reader, shown, backbone, y):
    optimiser = torch.optim.AdamW(reader.parameters(), lr=RATE, weight_decay=1e-2)
    for _ in range(STEPS):
        rows = torch.randint(len(y), (BATCH,))
        optimiser.zero_grad(set_to_none=True)
        backbone.loss(reader(*shown(rows)), y[rows]).backward()
        optimiser.step()


def scored(backbone, logits, y):
    """The task's metric of logits `(N, C)`, in 0..1."""
    measure = metrics.mean_average_precision if backbone.task == "multilabel" else metrics.accuracy
    return measure(y.cpu().numpy(), backbone.scores(logits).cpu().numpy())
