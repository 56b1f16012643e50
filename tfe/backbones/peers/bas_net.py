"""BaS-Net (Lee, Uh, Byun, AAAI 2020): one classifier sees a video twice, plain and filtered.

An extra class is the background. Of the plain video the classifier is taught that there is some,
of the filtered video that there is none: the filter can only obey by suppressing it.
"""

import torch
from torch import nn
from torch.nn import functional as F

from tfe.backbones.pooling import EmbeddedMeanPool


class System(EmbeddedMeanPool):
    """BaS-Net on embedded features; a score is the softmax over classes and background.

    k: the strongest segments that a class's score is the mean of, an eighth of T there. alpha: the
    weight of the filter's sum. hidden, filtered: widths, `dim` and a quarter of it as there.
    """

    def __init__(self, num_classes, *, k=2, alpha=1e-4, hidden=None, filtered=None, **options):
        super().__init__(num_classes, **options)
        self.k, self.alpha = k, alpha
        self.hidden, self.filtered = hidden or self.dim, filtered or max(1, self.dim // 4)

    def make_approximator(self):
        return Suppression(self.num_classes, self.dim, self.hidden, self.filtered, self.k)

    def loss(self, logits, target, reduction="mean"):
        """As `Backbone.loss`; in training of `Suppression`'s three rows, for any task."""
        if logits.ndim == 2:
            return super().loss(logits, target, reduction)
        plain, filtered, size = logits.unbind(1)
        each = self.alpha * size[:, 0]
        for odds, background in ((plain, 1.0), (filtered, 0.0)):
            wanted = F.normalize(F.pad(target, (0, 1), value=background), p=1, dim=1)
            each = each + F.binary_cross_entropy_with_logits(
                odds, wanted, reduction="none").mean(1)
        return each.mean() if reduction == "mean" else each


class Suppression(nn.Module):
    """z `(B, T, d)` -> log-odds of the filtered video's classes `(B, C)`, its scores `(B, C, T)`.

    In training the first is `(B, 3, C + 1)`: log-odds of classes and background of the plain and of
    the filtered video, and the sum over segments of the filter.
    """

    def __init__(self, num_classes, dim, hidden, filtered, k):
        super().__init__()
        self.filter = nn.Sequential(nn.Linear(dim, filtered), nn.LeakyReLU(),
                                    nn.Linear(filtered, 1), nn.Sigmoid())
        self.classifier = nn.Sequential(
            nn.Conv1d(dim, hidden, 3, padding=1), nn.LeakyReLU(),
            nn.Conv1d(hidden, hidden, 3, padding=1), nn.LeakyReLU(), nn.Dropout(0.7),
            nn.Conv1d(hidden, num_classes + 1, 1, bias=False))
        self.k = k

    def mask(self, z):
        """The filter: `(B, T, d)` -> `(B, 1, T)` in 0..1."""
        return self.filter(z).mT

    def forward(self, z, context=None):
        weight = self.mask(z)
        scores = self.classifier(weight * z.mT)
        odds = self.odds(scores)
        if not self.training:
            return odds[:, :-1], scores[:, :-1]
        size = weight.sum(-1).expand_as(odds)
        return torch.stack((self.odds(self.classifier(z.mT)), odds, size), dim=1), scores[:, :-1]

    def odds(self, scores):
        """Log-odds of the softmax over classes `(B, C + 1)`, of scores `(B, C + 1, T)`."""
        pooled = scores.topk(min(self.k, scores.shape[-1]), dim=-1).values.mean(-1)
        itself = torch.eye(pooled.shape[1], dtype=torch.bool, device=pooled.device)
        others = pooled.unsqueeze(1).masked_fill(itself, -torch.inf).logsumexp(-1)
        return pooled - others
