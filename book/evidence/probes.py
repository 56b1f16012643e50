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

    train, test: frozen embeddings `(N, T, d)`. The approximator is the backbone's own, with new
    weights, so that nothing but training tells it from the critic A_N. The guide that MSQNet's
    approximator takes beside z is withheld: it is computed from x and would tell the label past z.
    Texts (a tuple of tensors) are given as they are: they know nothing of x.
    """
    seed_everything(seed)
    reader = backbone.make_approximator().to(train.device)
    optimiser = torch.optim.AdamW(reader.parameters(), lr=RATE, weight_decay=0.0)
    guided = torch.is_tensor(context)
    withheld = torch.zeros_like(context) if guided else context
    for _ in range(STEPS):
        rows = torch.randint(len(train), (BATCH,)).to(train.device)
        guide = withheld[rows] if guided else withheld
        optimiser.zero_grad(set_to_none=True)
        backbone.loss(reader(train[rows], guide)[0], targets[rows]).backward()
        optimiser.step()
    reader.eval()
    with torch.no_grad():
        guide = torch.zeros_like(test_context) if guided else test_context
        logits = reader(test, guide)[0]
        loss = backbone.loss(logits, test_targets).item()
        scores = backbone.scores(logits).cpu().numpy()
    measure = metrics.mean_average_precision if backbone.task == "multilabel" else metrics.accuracy
    return measure(test_targets.cpu().numpy(), scores), loss


def probe(system, features, targets, train, test):
    """The answers to all three questions, as a flat dict; `train` and `test` are rows.

    `probe_z_s`, `probe_z_n`, `probe_x`: the metric of a fresh reader in 0..1, each with its `_loss`;
    `critic_loss`: that of A_N itself on the same videos; `dependence` and `dependence_permuted`:
    `squared_loss_information` of z_S and z_N, of the same video and of different ones; `cosine`: the
    mean cosine of z_S and z_N, segment by segment.
    """
    device = next(system.parameters()).device
    y = torch.as_tensor(np.asarray(targets), dtype=torch.float32, device=device)
    seen, held = (embeddings(system, features[rows]) for rows in (train, test))
    found = {}
    for name in ("z_s", "z_n", "x"):
        value, loss = fresh(system.backbone, seen[name], held[name], y[train], y[test],
                            seen["context"], held["context"])
        found |= {f"probe_{name}": value, f"probe_{name}_loss": loss}
    with torch.no_grad():
        logits = system.non_salient(held["z_n"], held["context"])[0]
        found["critic_loss"] = system.backbone.loss(logits, y[test]).item()
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
