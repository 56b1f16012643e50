"""Does the model use what a read-out points at? Segments taken out, or kept alone (ERASER).

With p(y | x) the probability of a video's true classes and r the read-out's first segments,

    comprehensiveness = p(y | x) - p(y | x without r)     large: r was needed
    sufficiency       = p(y | x) - p(y | r alone)         small: r was enough

averaged over several sizes of r (DeYoung et al. 2020). Both ask the model itself, so no true
interval is needed; and neither tells whether the model is right to use what it uses.
"""

import numpy as np
import torch
from einops import einsum

# The sizes of r, as parts of the T segments.
PARTS = (1 / 16, 1 / 8, 1 / 4, 1 / 2)


@torch.no_grad()
def erasure(system, features, targets, saliency, falls=None, seed=0):
    """Both measures of a read-out, and of segments in random order; a flat dict of means.

    features `(N, T, f)`, targets `(N, C)`, saliency `(N, T)`, larger is more salient; ties fall at
    random. Videos without a true class are left out. falls: `systems.leave_one_out` of the same
    features, `(N, C, T)`, where it is known: what one segment less does is then not computed again.
    Keys: comprehensiveness, sufficiency, chance_comprehensiveness, chance_sufficiency.
    """
    system.eval()
    labelled = np.asarray(targets).sum(1) > 0
    like = dict(dtype=torch.float32, device=next(system.parameters()).device)
    x = system.embed(torch.as_tensor(np.asarray(features)[labelled], **like))
    truth = torch.as_tensor(np.asarray(targets)[labelled], **like)
    rows = torch.arange(len(x), device=x.device).unsqueeze(1)

    def probability(logits):
        scores = system.backbone.scores(logits)
        return ((scores * truth).sum(1) / truth.sum(1)).mean().item()

    def alone(chosen):
        kept = chosen.sort(dim=1).values  # in the order of time, each at its own place
        return probability(system.classify(x[rows, kept], kept)[0])

    def without(order, count):
        if falls is None or count > 1:
            return alone(order[:, count:])
        return probability(whole - falls[rows.squeeze(1), :, order[:, 0]])

    if falls is not None:
        falls = torch.as_tensor(np.asarray(falls)[labelled], **like)
    ties = np.random.default_rng(seed).random(x.shape[:2])
    first = np.lexsort((ties, -np.asarray(saliency)[labelled]), axis=1)
    orders = {"": first, "chance_": ties.argsort(axis=1)}
    orders = {name: torch.as_tensor(each, device=x.device) for name, each in orders.items()}
    whole, measured = system.classify(x)[0], {}
    for name, order in orders.items():
        left = [(without(order, count), alone(order[:, :count]))
                for count in (max(1, round(part * x.shape[1])) for part in PARTS)]
        drops = probability(whole) - np.mean(left, axis=0)
        measured |= dict(zip((f"{name}comprehensiveness", f"{name}sufficiency"), drops.tolist()))
    return measured


def headline(predictions, targets):
    """The leave-one-out falls summed over the true classes, `(N, T)`: their order alone counts."""
    targets = np.asarray(targets)
    return einsum(predictions["leave_one_out"], targets, "n c t, n c -> n t")
