"""L2X and AIL, where the paper's mask and adversary come from, as explainers of a trained head.

The head M stays as it is. An explainer E picks k segments of a video so that an approximator A_S,
which sees these alone, answers as M does of the whole (L2X, Chen et al. 2018). AIL (Liang et al.
2020) adds three things: E reads M's answer, begins from M's gradient, and plays against A_U, which
sees the other segments and is to be wrong about M. True intervals and M itself then judge the picks.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from einops import reduce
from torch import nn

from tfe import evaluation
from tfe.fidelity import per_video
from tfe.khot import hard_khot, relaxed_khot
from tfe.systems import TFE
from tfe.training import seed_everything

WIDTH, TAU, STEPS, BATCH, RATE = 64, 0.5, 400, 32, 1e-3


@dataclass(frozen=True)
class Kind:
    """What an explainer has beside A_S: M's answer as input, M's gradient as prior, an A_U."""

    answer: bool = False
    prior: bool = False
    adversary: float = 0.0  # weight of what A_U must be wrong about


KINDS = {"l2x": Kind(),
         "ail": Kind(answer=True, prior=True, adversary=1e-3)}  # the weight in its authors' code


class Reader(nn.Module):
    """Classes from some segments of a video: x `(B, T, f)`, mask `(B, T)` -> logits `(B, C)`."""

    def __init__(self, feature_dim, classes):
        super().__init__()
        self.embed = nn.Sequential(nn.LayerNorm(feature_dim), nn.Linear(feature_dim, WIDTH),
                                   nn.ReLU())
        self.read = nn.Linear(WIDTH, classes)

    def forward(self, x, mask):
        weight = mask / mask.sum(1, keepdim=True).clamp_min(1e-6)  # none picked: a mean of nothing
        return self.read(torch.einsum("bt,btd->bd", weight, self.embed(x)))


class Explainer(nn.Module):
    """A score of each segment from it, its video's mean and, if told, M's answer: -> `(B, T)`."""

    def __init__(self, feature_dim, classes, kind):
        super().__init__()
        self.kind, self.norm = kind, nn.LayerNorm(feature_dim)
        self.hidden = nn.Linear(2 * feature_dim + classes * kind.answer, WIDTH)
        self.score = nn.Linear(WIDTH, 1)

    def forward(self, x, answer, prior):
        x = self.norm(x)
        seen = [x, x.mean(1, keepdim=True).expand_as(x)]
        seen += [answer.unsqueeze(1).expand(-1, x.shape[1], -1)] if self.kind.answer else []
        scores = self.score(self.hidden(torch.cat(seen, dim=-1)).relu()).squeeze(-1)
        return (scores + prior) / 2 if self.kind.prior else scores


def fitted(system, features, kind, k, seed=0):
    """An explainer of a trained system, fitted on features `(N, T, f)`: what scores new ones.

    kind: a name of KINDS; k: how many segments it picks. Returns `picks(features) -> (N, T)`.
    """
    kind = KINDS[kind]
    x, answer, prior = _explained(system, features)
    seed_everything(seed)
    classes, width = answer.shape[1], x.shape[2]
    explainer = Explainer(width, classes, kind).to(x.device)
    salient, rest = Reader(width, classes).to(x.device), Reader(width, classes).to(x.device)
    readers = torch.optim.Adam([*salient.parameters(), *rest.parameters()], lr=RATE)
    own = torch.optim.Adam(explainer.parameters(), lr=RATE)
    loss = system.backbone.loss
    for _ in range(STEPS):
        rows = torch.randint(len(x), (BATCH,))
        seen, said = x[rows], answer[rows]
        mask = relaxed_khot(explainer(seen, said, prior[rows]), k, TAU)
        fixed = mask.detach()
        _step(readers, loss(salient(seen, fixed), said) + loss(rest(seen, 1 - fixed), said))
        wrong = loss(rest(seen, 1 - mask), _opposite(said, system.backbone.task))
        _step(own, loss(salient(seen, mask), said) + kind.adversary * wrong)

    def picks(features):
        return explainer(*_explained(system, features)).detach().cpu().numpy()
    return picks


def _step(optimiser, loss):
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def _opposite(answer, task):
    """The answer that A_U is to give: all that M's is not, as a distribution where that is one."""
    rest = 1 - answer
    return rest if task == "multilabel" else rest / rest.sum(1, keepdim=True).clamp_min(1e-6)


def _explained(system, features):
    """Features as a tensor, M's scores `(N, C)`, and the log of its gradient's shares `(N, T)`."""
    system.eval()
    like = dict(dtype=torch.float32, device=next(system.parameters()).device)
    x = torch.as_tensor(np.asarray(features), **like)
    at = system.embed(x).detach().requires_grad_()
    logits = system.classify(at)[0]
    answer = system.backbone.scores(logits).detach()
    gradient, = torch.autograd.grad((answer * logits).sum(), at)
    size = reduce((gradient * at).abs().detach(), "b t d -> b t", "sum")
    return x, answer, (size / size.sum(1, keepdim=True).clamp_min(1e-12) + 1e-6).log()


def compared(system, features, train, test, truth=None, k=4, seed=0):
    """Who picks k segments how well: explainers fitted on `train`, tried on `test`, a line each.

    features `(N, T, f)`; truth `(N, T)` bool or None. Beside L2X and AIL, which explain heads
    without a mask, stand the system's `own` attention or mask and `leave_one_out`, both of the
    likeliest class, and `random` picks. Columns: `picks`, and those of `judged`.
    """
    shown, k, classes = features[test], min(k, features.shape[1]), system.backbone.num_classes
    said = evaluation.predict(system, shown, np.zeros((len(shown), classes)))
    best = said["scores"].argmax(1)
    seen = evaluation.predict(system, shown, np.eye(classes)[best])
    found = {"own": seen["attention"],
             "leave_one_out": said["leave_one_out"][np.arange(len(best)), best],
             "random": np.random.default_rng(seed).random(shown.shape[:2])}
    for kind in () if isinstance(system, TFE) else KINDS:
        found[kind] = fitted(system, features[train], kind, k, seed)(shown)
    return pd.DataFrame([{"picks": name, **judged(system, shown, each, k, None if truth is None
                                                  else truth[test])}
                         for name, each in found.items()])


@torch.no_grad()
def judged(system, features, scores, k, truth=None):
    """What k picked segments are worth: by true intervals, and by the head itself; a flat dict.

    features `(N, T, f)`, scores `(N, T)`: the k largest are picked; truth `(N, T)` bool, or None.
    `selected`, `rest`: how often the head's likeliest class stays, of the picked segments alone and
    of the others alone (AIL's FS-M and FU-M). `accuracy`: the share of picked segments that are
    true, with `chance`, and `auc`, over the `videos` whose truth is neither empty nor full.
    """
    system.eval()
    k = min(k, scores.shape[1])
    like = dict(dtype=torch.float32, device=next(system.parameters()).device)
    x = system.embed(torch.as_tensor(np.asarray(features), **like))
    order = torch.as_tensor(np.argsort(-scores, axis=1, kind="stable"), device=x.device)
    likeliest, rows = system.classify(x)[0].argmax(1), torch.arange(len(x)).unsqueeze(1)

    def stays(kept):
        if not kept.shape[1]:
            return float("nan")  # k = T leaves no other segment
        kept = kept.sort(dim=1).values
        answers = system.classify(x[rows, kept], kept)[0].argmax(1)
        return (answers == likeliest).float().mean().item()

    found = {"selected": stays(order[:, :k]), "rest": stays(order[:, k:])}
    if truth is not None:
        auc = per_video(scores, truth)["auc"]
        known = ~np.isnan(auc)
        picked = hard_khot(torch.as_tensor(scores), k).numpy() > 0
        right = (picked & truth).sum(1)[known] / k
        found |= {"accuracy": _mean(right), "chance": _mean(truth[known].mean(1)),
                  "auc": _mean(auc[known]), "videos": int(known.sum())}
    return found


def _mean(values):
    return float(values.mean()) if values.size else float("nan")
