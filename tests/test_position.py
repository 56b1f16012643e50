"""The position control: a prior that knows where actions lie, and looks at no video."""

import numpy as np
import pandas as pd
import pytest

from book.evidence import position
from data.files.dataset import open_dataset, write_dataset
from tfe import fidelity
from tfe.errors import StudyError

RNG = np.random.default_rng


def made(folder, rows, segments=True):
    """A dataset of one-second segments, T = 8; rows: `(split, class, segment)` of a video each."""
    videos = pd.DataFrame([(f"v{n}", split, 8, label) for n, (split, label, _) in enumerate(rows)],
                          columns=["video_id", "split", "duration", "labels"])
    events = pd.DataFrame([(f"v{n}", label, at, at + 1) for n, (_, label, at) in enumerate(rows)
                           if at is not None], columns=["video_id", "label", "start", "end"])
    write_dataset(folder, {"task": "singlelabel", "classes": ["a", "b"]}, videos,
                  events if segments else None)
    return open_dataset(folder)


GRAMMAR = [(split, label, at) for split in ("train", "test") for label, at in (("a", 2), ("b", 6))
           for _ in range(5)]


def test_a_fixed_grammar_is_known_by_position_alone(tmp_path):
    found = position.control(made(tmp_path, GRAMMAR), 8)
    assert found["auc"] == 1 and found["pointing"] == 1 and found["learnt_on"] == "train"
    assert found["blind_auc"] == pytest.approx(6.5 / 7)  # two places stand out, and tie
    assert found["chance_mass"] == 1 / 8 and found["pairs"] == 10


def test_places_at_random_give_chance(tmp_path):
    rows = [(split, "ab"[n % 2], int(at)) for split in ("train", "test")
            for n, at in enumerate(RNG(split == "test").integers(0, 8, 800))]
    assert position.control(made(tmp_path, rows), 8)["auc"] == pytest.approx(0.5, abs=0.04)


def test_without_intervals_in_train_each_test_video_is_left_out(tmp_path):
    rows = [(split, label, at if split == "test" else None) for split, label, at in GRAMMAR]
    found = position.control(made(tmp_path, rows), 8)
    assert found["auc"] == 1 and found["learnt_on"] == position.HELD_OUT
    # One video a class: what is left says where the others lie, and never where this one does.
    alone = [("train", "a", None), ("test", "a", 2), ("test", "b", 6)]
    assert position.control(made(tmp_path, alone), 8)["auc"] < 0.5


def test_leaving_out_is_what_a_loop_does():
    truth, positive = RNG(1).random((7, 3, 5)) < 0.3, RNG(2).random((7, 3)) < 0.6
    prior, every = position.held_out(truth, positive)
    for n in range(7):
        others = np.arange(7) != n
        one, all_of_it = position.learnt(truth[others], positive[others])
        np.testing.assert_allclose(prior[n], one)
        np.testing.assert_allclose(every[n], all_of_it)


def test_the_prior_is_scored_as_any_read_out(tmp_path):
    dataset = made(tmp_path, GRAMMAR)
    ids = [f"v{n}" for n in range(10, 20)]
    truth, targets = dataset.truth(ids, 8), dataset.targets(ids)
    prior, _ = position.learnt(dataset.truth([f"v{n}" for n in range(10)], 8),
                               dataset.targets([f"v{n}" for n in range(10)]) > 0)
    told = fidelity.score(np.broadcast_to(prior, truth.shape), truth, targets > 0)
    assert told["mass"] == position.control(dataset, 8)["mass"] > 5 / 8


def test_where_nothing_is_known_there_is_no_control(tmp_path):
    assert position.control(made(tmp_path, GRAMMAR, segments=False), 8) is None
    with pytest.raises(StudyError, match="has no interval of split val"):
        position.control(made(tmp_path, GRAMMAR), 8, "val")
