"""Does the model use what a read-out points at? Segments taken out, or kept alone (ERASER).

With p(y | x) the probability of a video's true classes and r the read-out's first segments,

    comprehensiveness = p(y | x) - p(y | x without r)     large: r was needed
    sufficiency       = p(y | x) - p(y | r alone)         small: r was enough

averaged over several sizes of r (DeYoung et al. 2020). Both ask the model itself, so no true
interval is needed; and neither tells whether the model is right to use what it uses.
"""

import numpy as np
import torch

# The sizes of r, as parts of the T segments.
PARTS = (1 / 16, 1 / 8, 1 / 4, 1 / 2)


@torch.no_grad()
def erasure(system, features, targets, saliency, seed=0):
    """Both measures of a read-out, and of segments in random order; a flat dict of means.

    features `(N, T, f)`, targets `(N, C)`, saliency `(N, T)`, larger is more salient; ties fall at
    random. Videos without a true class are left out. Keys: comprehensiveness, sufficiency,
    chance_comprehensiveness, chance_sufficiency.
    """
    system.eval()
    labelled = np.asarray(targets).sum(1) > 0
    like = dict(dtype=torch.float32, device=next(system.parameters()).device)
    x = system.embed(torch.as_tensor(np.asarray(features)[labelled], **like))
    truth = torch.as_tensor(np.asarray(targets)[labelled], **like)
    rows = torch.arange(len(x), device=x.device).unsqueeze(1)

    def probability(chosen):
        kept = chosen.sort(dim=1).values  # in the order of time, each at its own place
        scores = system.backbone.scores(system.classify(x[rows, kept], kept)[0])
        return ((scores * truth).sum(1) / truth.sum(1)).mean().item()

    ties = np.random.default_rng(seed).random(x.shape[:2])
    first = np.lexsort((ties, -np.asarray(saliency)[labelled]), axis=1)
    orders = {"": first, "chance_": ties.argsort(axis=1)}
    orders = {name: torch.as_tensor(each, device=x.device) for name, each in orders.items()}
    whole, measured = probability(orders[""]), {}
    for name, order in orders.items():
        drops = [(whole - probability(order[:, count:]), whole - probability(order[:, :count]))
                 for count in (max(1, round(part * x.shape[1])) for part in PARTS)]
        without, alone = np.mean(drops, axis=0)
        measured |= {f"{name}comprehensiveness": float(without), f"{name}sufficiency": float(alone)}
    return measured
