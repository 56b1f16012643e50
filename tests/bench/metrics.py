"""Macro mAP of a whole test set against scikit-learn's, class by class."""

import numpy as np
from bench import Case, item


@item("map", peers=("sklearn",), limit=0.25,
      why="1,863 videos x 157 classes, float32 scores; equal to 1e-12 with and "
      "without ties")
def mean_average_precision(smoke):
    from sklearn.metrics import average_precision_score

    from tfe import metrics

    draw = np.random.default_rng(0)
    targets = draw.random((1863, 157)) < 0.056
    scores = draw.normal(size=targets.shape).astype(np.float32) + targets
    return Case(lambda: average_precision_score(targets, scores, average="macro"),
                lambda: metrics.mean_average_precision(targets, scores))
