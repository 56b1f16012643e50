"""Leave one out of single-label heads on plain and on centred logits, old and new side by side.

Softmax does not see a number added to all logits; the plain fall of one logit does. What separates
the two read-outs of a trained head is nothing that its answer depends on.
"""

import numpy as np
import torch

from tfe import evaluation, fidelity
from tfe.errors import StudyError


@torch.no_grad()
def plain(system, features, batch_size=256):
    """How much each raw logit falls without a segment, features `(N, T, f)` -> array `(N, C, T)`."""
    device, parts = next(system.parameters()).device, []
    for start in range(0, len(features), batch_size):
        rows = np.asarray(features[start:start + batch_size])
        x = system.eval().embed(torch.as_tensor(rows, dtype=torch.float32, device=device))
        whole, places = system.classify(x)[0], torch.arange(x.shape[1], device=device)
        kept = [places[places != t] for t in places]
        parts.append(torch.stack([whole - system.classify(x[:, at], at)[0] for at in kept], dim=-1))
    return torch.cat(parts).cpu().numpy()


def compared(system, features, targets, truth):
    """The metric in 0..1, the AUC of either read-out, and how often they differ; a flat dict.

    features `(N, T, f)`, targets `(N, C)`, truth `(N, C, T)`. `other_top`: the share of videos, of
    those with an answerable truth, in which the two name different most salient segments. Raises
    StudyError where labels do not compete, and where there are no intervals.
    """
    if system.backbone.task != "singlelabel":
        raise StudyError("centring asks heads of one label a video; those of many have no softmax over "
                         "classes: name a single-label batch")
    if truth is None:
        raise StudyError("centring needs intervals: name a dataset that has segments.csv")
    predictions, positive = evaluation.predict(system, features, targets), targets > 0
    read = {"plain": plain(system, features), "centred": predictions["leave_one_out"]}
    found = {f"auc_{name}": fidelity.score(each, truth, positive)["auc"]
             for name, each in read.items()}
    shown = truth[positive]
    told = shown.any(axis=1) & ~shown.all(axis=1)
    tops = [each[positive][told].argmax(axis=1) for each in read.values()]
    return {"value": evaluation.measure(predictions, targets, None, system.backbone.task)["value"],
            **found, "other_top": float((tops[0] != tops[1]).mean())}
