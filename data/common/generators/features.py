"""Planted features: what an ideal encoder would give for a storyboard, and noise.

A segment's feature is a sum of directions in R^d, one for the scene, one for each event that
covers the segment's middle, and standard normal noise:

    x_t = scene u_scene + snr sum_a v_a [a shown at t] + distraction sum_b w_b [b shown at t] + n_t

All directions have length 1, so `snr` is the detectability d' of an action in one segment: how
many standard deviations of the noise lie between the segments that show it and those that do not.
"""

import numpy as np

from data.common.generators import storyboard as story
from data.common.generators.scene import SCENES
from tfe.errors import StudyError

SEGMENTS, DIM = story.SEGMENTS, 64
# The difficulty, frozen by the same rule as the videos' (`render.py`). Four deviations in one of
# 16 segments are a quarter of one in the mean, so that a look at the right segments pays.
SNR = 4.0
SCENE = 4.0
DISTRACTION = 4.0


def planted_features(n, seed=0, rho=0.5, share=0.25, snr=SNR, *, split="train", actions=3,
                     scene=SCENE, distraction=DISTRACTION, segments=SEGMENTS, dim=DIM):
    """Features of the first `n` videos of a split, without any video.

    Returns `x (n, segments, dim)` float32, `targets (n, 12)` float32 (multi-hot) and `truth
    (n, 12, segments)` bool. The same `seed` gives every split the same directions; everything
    but the changed parameter stays the same from call to call, so sweeps are paired.
    """
    story.check(seed, rho, share, actions)
    if split not in story.SPLITS:
        raise StudyError(f"split is {split!r}: use one of {', '.join(story.SPLITS)}")
    stories = [story.storyboard(split, i, seed, rho, share, actions) for i in range(n)]
    return show(stories, seed, snr, scene, distraction, segments, dim)


def show(stories, seed, snr=SNR, scene=SCENE, distraction=DISTRACTION, segments=SEGMENTS,
         dim=DIM):
    """The features, targets and truth of `stories`; shapes as in `planted_features`."""
    n, classes = len(stories), len(story.ACTIONS)
    of_action, of_scene, of_distractor = directions(seed, dim)
    x = np.empty((n, segments, dim), np.float32)
    truth = np.zeros((n, classes, segments), bool)
    for row, one in enumerate(stories):
        distracts = story.shown_at(one, one.distractors, segments)  # (events, T)
        truth[row, [e.kind for e in one.actions]] = story.shown_at(one, one.actions, segments)
        x[row] = (scene * of_scene[one.scene] + snr * truth[row].T @ of_action
                  + distraction * distracts.T @ of_distractor[[e.kind for e in one.distractors]]
                  + one.stream("features").standard_normal((segments, dim)))
    # An action has one interval; a label stays a label where few segments miss the interval.
    targets = np.zeros((n, classes), np.float32)
    for row, one in enumerate(stories):
        targets[row, [e.kind for e in one.actions]] = 1
    return x, targets, truth


def directions(seed, dim):
    """Unit vectors for the actions, the scenes and the distractors, `(number, dim)` each."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0, 0, 0]))  # no video's stream
    sizes = (len(story.ACTIONS), SCENES, story.DISTRACTORS)
    vectors = rng.standard_normal((sum(sizes), dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.split(vectors, np.cumsum(sizes)[:-1])
