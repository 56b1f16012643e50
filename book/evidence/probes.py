"""What is left in z_S and z_N, asked afresh: not by the critic that D was trained against.

Three questions to a trained system. Can a reader of the critic's own kind, trained anew on frozen
embeddings, still read the label off z_N (AIL's test of unselected features, Liang et al. 2020)? Do
z_S and z_N depend on each other? Do they point the same way?
"""

import numpy as np
import torch
from scipy.spatial.distance import cdist
from torch.nn import functional as F

from tfe import metrics
from tfe.training import seed_everything

STEPS, BATCH, RATE = 200, 32, 1e-3
STREAMS = "z_s", "z_n", "x"


@torch.no_grad()
def embeddings(system, features, batch_size=256):
    """z_S, z_N and x, what D was given, of features `(N, T, f)`: `(N, T, d)` each; and A's context."""
    system.eval()
    device, parts = next(system.parameters()).device, []
    for start in range(0, len(features), batch_size):
        rows = np.asarray(features[start:start + batch_size])
        x, context = system.encode(torch.as_tensor(rows, dtype=torch.float32, device=device))
        z_s, z_n, _ = system.disentangler(x)
        parts.append((z_s, z_n, x, context))
    z_s, z_n, x, context = zip(*parts)
    return {"z_s": torch.cat(z_s), "z_n": torch.cat(z_n), "x": torch.cat(x),
            # A guide is of a video; text is of the classes, and the same for every batch.
            "context": torch.cat(context) if torch.is_tensor(context[0]) else context[0]}


def fresh(backbone, train, test, targets, test_targets, context, test_context, seed=0):
    """The metric on `test` of an approximator trained afresh on `train`, and its loss in nats.

    train, test: frozen embeddings `(N, T, d)`; see `reader` and `read`.
    """
    return read(backbone, reader(backbone, train, targets, context, seed), test, test_targets,
                test_context)


def reader(backbone, z, targets, context, seed=0):
    """An approximator trained afresh on frozen embeddings z `(N, T, d)`, its weights kept still.

    It is the backbone's own, with new weights, so that nothing but training tells it from the
    critic A_N. The guide that MSQNet's approximator takes beside z is withheld: it is computed from
    x and would tell the label past z. Texts (a tuple of tensors) are given as they are: they know
    nothing of x.
    """
    seed_everything(seed)
    new = backbone.make_approximator().to(z.device)
    # Fused: one call a step in place of ten for each of many small weights.
    optimiser = torch.optim.AdamW(new.parameters(), lr=RATE, weight_decay=0.0, fused=True)
    for _ in range(STEPS):
        rows = torch.randint(len(z), (BATCH,)).to(z.device)
        optimiser.zero_grad(set_to_none=True)
        logits = new(z[rows], withheld(context, BATCH))[0]
        backbone.loss(logits, targets[rows]).backward()
        optimiser.step()
    return new.eval().requires_grad_(False)


def read(backbone, reader, z, targets, context):
    """The metric of a reader on z `(N, T, d)`, in 0..1, and its loss in nats."""
    logits = reader(z, withheld(context, len(z)))[0]
    measure = metrics.mean_average_precision if backbone.task == "multilabel" else metrics.accuracy
    return (measure(targets.cpu().numpy(), backbone.scores(logits).cpu().numpy()),
            backbone.loss(logits, targets).item())


def withheld(context, videos):
    """What a reader is told beside z: texts, or zeros `(videos, ...)` in place of a guide."""
    return (context.new_zeros(videos, *context.shape[1:]) if torch.is_tensor(context) else context)


def probe(system, features, targets, train, test):
    """The answers to all three questions on the videos `test`, a flat dict; see `probe_splits`."""
    return probe_splits(system, features, targets, train, {"test": test})["test"]


def probe_splits(system, features, targets, train, splits):
    """The answers to all three questions, `{split: flat dict}`; splits: `{split: rows}`.

    `probe_z_s`, `probe_z_n`, `probe_x`: the metric of a fresh reader in 0..1, each with its `_loss`;
    `critic_loss`: that of A_N itself on the same videos; `dependence` and `dependence_permuted`:
    `squared_loss_information` of z_S and z_N, of the same video and of different ones; `cosine`: the
    mean cosine of z_S and z_N, segment by segment.
    """
    device = next(system.parameters()).device
    y = torch.as_tensor(np.asarray(targets), dtype=torch.float32, device=device)
    seen = embeddings(system, features[train])
    # Trained once, asked in every split.
    readers = {name: reader(system.backbone, seen[name], y[train], seen["context"])
               for name in STREAMS}
    return {split: _answers(system, readers, embeddings(system, features[rows]), y[rows])
            for split, rows in splits.items()}


@torch.no_grad()
def _answers(system, readers, held, targets):
    found = {}
    for name, new in readers.items():
        value, loss = read(system.backbone, new, held[name], targets, held["context"])
        found |= {f"probe_{name}": value, f"probe_{name}_loss": loss}
    logits = system.non_salient(held["z_n"], held["context"])[0]
    found["critic_loss"] = system.backbone.loss(logits, targets).item()
    salient, rest = (held[name].mean(1).cpu().numpy() for name in ("z_s", "z_n"))
    shuffled = np.random.default_rng(0).permutation(len(rest))
    found["dependence"] = squared_loss_information(salient, rest)
    found["dependence_permuted"] = squared_loss_information(salient, rest[shuffled])
    found["cosine"] = F.cosine_similarity(held["z_s"], held["z_n"], dim=-1).mean().item()
    return found


def squared_loss_information(a, b, seed=0, centres=100, ridge=1e-3):
    """Dependence of paired samples a `(N, p)` and b `(N, q)`: squared-loss mutual information.

    SMI = (E_ab[r] - 1) / 2 with r = p(a, b) / (p(a) p(b)), 0 for independent pairs. r is a sum of
    Gaussian kernels, fitted by least squares to pairs against permuted pairs on one half of the
    samples; the other half judges it, by E_ab[r] - E_a E_b[r^2] / 2 - 1/2, which exceeds SMI for
    no r: a lower bound in expectation, loose in many dimensions, at times a little below 0. Compare it
    with that of permuted pairs.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(a))
    fit, judge = order[::2], order[1::2]
    chosen = rng.permutation(fit)[:centres]

    def kernels(z):
        distances = cdist(z, z[chosen], "sqeuclidean")
        return np.exp(-distances / np.median(distances[fit]))

    in_a, in_b = kernels(_standardised(a)), kernels(_standardised(b))

    def moments(rows):
        """E_ab[phi], and E_a E_b[phi phi^T] over all pairs, for phi = k(a) k(b)."""
        gram = (in_a[rows].T @ in_a[rows]) * (in_b[rows].T @ in_b[rows])
        return (in_a[rows] * in_b[rows]).mean(0), gram / len(rows) ** 2

    joint, product = moments(fit)
    weights = np.linalg.solve(product + ridge * np.eye(len(joint)), joint)
    joint, product = moments(judge)
    return float(joint @ weights - weights @ product @ weights / 2 - 0.5)


def _standardised(z):
    z = np.asarray(z, dtype=float).reshape(len(z), -1)
    return (z - z.mean(0)) / np.maximum(z.std(0), 1e-9)
