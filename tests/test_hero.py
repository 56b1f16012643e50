"""The picture that opens the book: of a committed head and a video chosen by rule, and as its words say."""

import numpy as np
import pytest
from PIL import Image

from book.evidence import hero
from book.runs import heads
from data.common.generators import storyboard
from data.files.paths import RESULTS, ROOT


@pytest.fixture(scope="module")
def found():
    head, story = heads.published([hero.ROW])[0], hero.video()
    return story, head.card["classes"], hero.seen(story, head)


def test_the_words_under_the_picture_are_true_of_it(found):
    story, classes, (mask, salient, non_salient) = found
    truth = storyboard.shown_at(story, story.actions, len(mask)).any(0)
    (name,) = {classes[event.kind] for event in story.actions}
    at = classes.index(name)
    assert mask[truth].mean() < mask[~truth].mean() and truth[mask.argmax()] == 0  # it looks elsewhere
    assert salient[at] > .9 and non_salient[at] < .2
    said = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert "The mask keeps other segments than those that show the action" in said and name in said


def test_the_committed_picture_is_drawn_again_and_small(found, tmp_path):
    path = hero.write(tmp_path)
    ours, committed = (np.asarray(Image.open(p).convert("RGB"), float)
                       for p in (path, RESULTS / hero.NAME))
    assert ours.shape == committed.shape and abs(ours - committed).mean() < 2
    assert path.stat().st_size < 200_000


def test_the_action_is_outlined_where_the_truth_has_it_and_nowhere_else(found):
    story, _, (mask, *_) = found
    outlined = np.split(hero.outline(story, len(mask)), len(mask), axis=1)
    truth = storyboard.shown_at(story, story.actions, len(mask)).any(0)
    assert [frame.any() for frame in outlined] == truth.tolist()
    assert all(frame.mean() < .1 for frame in outlined)  # an object, not the frame
