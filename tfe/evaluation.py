"""What a trained system scores on a split: the metric, and fidelity by its read-outs."""

import numpy as np
import torch

from tfe import fidelity, metrics
from tfe.systems import leave_one_out


@torch.no_grad()
def predict(system, features, targets, batch_size=256):
    """What a trained system says of features `(N, T, f)`, or of `clips.Clips`; float32 arrays.

    scores `(N, C)`; leave_one_out `(N, C, T)`, the headline read-out; class_attention `(N, T)`, the
    approximator's (A_S's), mean over true classes; attention `(N, T)`: TFE's mask's, else the same.
    """
    system.eval()  # the mask without noise, and no dropout
    device, parts = next(system.parameters()).device, []
    for start in range(0, len(features), batch_size):
        rows = slice(start, start + batch_size)  # a slice: stored features may be a memory map
        x = torch.as_tensor(np.asarray(features[rows]), dtype=torch.float32, device=device)
        target = torch.as_tensor(targets[rows], dtype=torch.float32, device=device)
        x = system.embed(x)  # once: what leave_one_out drops are its rows, not the encoder's input
        logits, attention, mask = system.classify(x)
        by_class = system.backbone.saliency(attention, target)
        parts.append((system.backbone.scores(logits), leave_one_out(system, x, logits),
                      by_class if mask is None else mask, by_class))
    names = "scores", "leave_one_out", "attention", "class_attention"
    return {name: torch.cat(each).float().cpu().numpy() for name, each in zip(names, zip(*parts))}


def measure(predictions, targets, truth, task):
    """The metric in 0..1, and fidelity where `truth (N, C, T)` is known; a flat dict.

    `fidelity` reads leave_one_out by true class, `attention_fidelity` and
    `class_attention_fidelity` the attentions by video, against segments that show any action.
    """
    scores, many = predictions["scores"], task == "multilabel"
    value = (metrics.mean_average_precision if many else metrics.accuracy)(targets, scores)
    measured = {"metric": "map" if many else "accuracy", "value": value, "videos": len(targets)}
    if many:
        measured["absent_classes"] = int((~np.any(targets, axis=0)).sum())  # no part of the mAP
    if truth is not None:
        measured["fidelity"] = fidelity.score(predictions["leave_one_out"], truth, targets > 0)
        for name in ("attention", "class_attention"):
            measured[f"{name}_fidelity"] = fidelity.score(predictions[name], truth.any(1))
    return measured
