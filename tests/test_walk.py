"""Windows over a long video: which, how many pictures are held, what is merged; thresholds by val."""

import weakref

import av
import numpy as np
import pandas as pd
import pytest

from book.evidence import localisation
from book.runs import reel, walk, when
from book.runs.heads import Head
from data.encoders import recipes
from data.files.dataset import open_dataset, write_dataset
from data.files.store import open_features, write_features
from data.video import decode
from tfe import StudyError, evaluation, systems

SECONDS, FPS, T = 120, 5, 8
CUT = when.Thresholds("leave-one-out", 0.5, 0.0)


@pytest.fixture(scope="module")
def minutes(tmp_path_factory):
    """Two minutes of 96 x 96 pixels that are red from 0:30 to 0:36, else grey."""
    path = tmp_path_factory.mktemp("minutes") / "minutes.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width = stream.height = 96
        for n in range(SECONDS * FPS):
            picture = np.full((96, 96, 3), 90, np.uint8)
            picture[..., 0] = 250 if 30 <= n / FPS < 36 else 90
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


class Colours:
    """An encoder of three channels."""

    frames_per_segment = 1

    def __call__(self, frames):
        return frames.mean(axis=(1, 2)).astype(np.float32)


@pytest.fixture
def head(monkeypatch):
    """A head that sees one class, red: its score is that of the reddest segment."""
    def predict(system, x, targets):
        red = np.asarray(x, np.float32)[..., 0] - np.asarray(x, np.float32)[..., 1]
        falls = np.stack([red, -1 - 0 * red], axis=1)
        return {"scores": np.stack([red.max(1) / 160, 0.1 + 0 * red[:, 0]], 1).clip(0, 1),
                "leave_one_out": falls, "attention": red}

    monkeypatch.setattr(evaluation, "predict", predict)
    return Head(None, {"row": "Red", "classes": ["red", "other"], "method": "mean-pool",
                       "dataset": "toy"})


def shown(path, head, window=8.0, per=1):
    return walk.walk(path, [head], [CUT], Colours(), {"segments": T, "where": "middle",
                                                      "frames_per_segment": per}, window)


def test_what_streams_is_what_is_sampled(minutes):
    for path_of in ((12, 1, "middle"), (700, 2, "first")):
        streamed = list(decode.stream(minutes, *path_of))
        assert (np.stack(streamed) == decode.sample(minutes, *path_of)).all()
    assert decode.announced_seconds(minutes) == pytest.approx(SECONDS)


def test_windows_overlap_by_half_and_end_with_the_video():
    rows = iter(np.arange(20)[:, None])
    found = list(walk._windows(rows, 8, 4))
    assert [first for first, _ in found] == [0, 4, 8, 12]
    assert found[-1][1].ravel().tolist() == list(range(12, 20))


def test_two_minutes_are_shown_in_windows_and_merged(minutes, head):
    film, (seen,) = shown(minutes, head)
    assert film.segments == film.read == 120 and seen.curves.shape == (2, 120)
    assert film.edges[-1] == pytest.approx(SECONDS)
    assert seen.intervals.label.tolist() == ["red"]  # of pieces in several windows one interval
    assert seen.intervals.start[0] == pytest.approx(30) and seen.intervals.end[0] == pytest.approx(36)
    assert seen.scores[0] > 0.9 and (seen.curves[0] > 0.5).sum() == 6 and not seen.curves[1].any()
    assert len(film.pictures) == walk.PICTURES


def test_pictures_are_let_go_however_long_the_video_is(minutes, head, monkeypatch):
    alive, most, source = [], [], decode.stream

    def counted(*arguments):
        for picture in source(*arguments):
            alive.append(weakref.ref(picture))
            yield picture
            most.append(sum(one() is not None for one in alive))

    monkeypatch.setattr(decode, "stream", counted)
    held = {}
    for window in (8.0, 4.0):  # twice as many windows
        alive.clear(), most.clear()
        film, _ = shown(minutes, head, window)
        held[film.segments] = max(most)
    assert list(held) == [120, 240]
    assert max(held.values()) <= 3 * recipes.BATCH


def test_without_a_window_or_in_a_longer_one_all_is_one(minutes, head):
    assert shown(minutes, head, None)[0].segments == shown(minutes, head, 500)[0].segments == T


def test_windows_without_number_are_refused(minutes, head):
    with pytest.raises(StudyError, match="more than 100,000 segments: give a longer --window"):
        shown(minutes, head, 0.005)


def test_a_video_that_breaks_off_says_where(minutes, head, monkeypatch):
    source = decode.stream
    monkeypatch.setattr(decode, "stream", lambda *a: (p for n, p in enumerate(source(*a)) if n < 50))
    film, (seen,) = shown(minutes, head)
    assert (film.read, film.segments) == (50, 120) and not seen.curves[:, 50:].any()
    monkeypatch.setattr(decode, "stream", lambda *a: (p for n, p in enumerate(source(*a)) if n < 5))
    with pytest.raises(StudyError, match="breaks off: 5 of 120 segments"):
        shown(minutes, head)


def test_the_page_escapes_names_and_scrolls(minutes, head):
    film, walks = shown(minutes, head)
    walks[0].row = "<b>Red"
    text = reel.page(film, walks, "a <video>")
    assert "&lt;b&gt;Red" in text and "a &lt;video&gt;" in text and "<video>" not in text
    assert "overflow-x:auto" in text and 'title="red 0:30 to 0:36, score' in text
    assert text.count("data:image/jpeg") == walk.PICTURES
    fig = reel.picture(film, walks, "a $ title")
    assert len(fig.axes) == 2


@pytest.mark.parametrize("seconds, said", [(0, "0:00"), (61.52, "1:01.5"), (599.99, "10:00"),
                                           (3661, "61:01")])
def test_a_clock(seconds, said):
    assert reel.clock(seconds) == said


@pytest.fixture
def toy(tmp_path):
    """Twelve videos of 8 seconds; class "go" is where the first feature is 1, from 2 to 4 seconds."""
    ids = [f"v{n}" for n in range(12)]
    videos = pd.DataFrame({"video_id": ids, "split": ["train", "val", "test"] * 4, "duration": 8.0,
                           "labels": ["go", "go", "go", "", "", ""] * 2})
    goes = videos.video_id[videos.labels == "go"]
    segments = pd.DataFrame({"video_id": goes, "label": "go", "start": 2.0, "end": 4.0})
    write_dataset(tmp_path / "toy", {"name": "toy", "task": "multilabel",
                                     "classes": ["go", "stop"]}, videos, segments)
    x = np.zeros((12, 8, 2), np.float32)
    x[videos.labels == "go", 2:4, 0] = 1
    x[videos.labels == "go", 6, 0] = 0.45
    write_features(tmp_path / "toy" / "features" / "own", ids, x, {"origin": "user"})
    return tmp_path / "toy"


@pytest.fixture
def goer(toy, monkeypatch):
    def predict(system, x, targets):
        x = np.asarray(x, np.float32)
        falls = np.moveaxis(x, 1, 2)
        return {"scores": 0.2 + 0.6 * falls.max(2), "leave_one_out": falls, "attention": x[..., 0]}

    monkeypatch.setattr(evaluation, "predict", predict)
    return Head(None, {"row": "Goer", "method": "mean-pool"}, (str(toy), "own"))


def test_thresholds_are_those_that_find_what_is_true_on_val(goer):
    told = when.of(goer)
    assert told["recall"] == told["precision"] == told["f1"] == told["oracle"] == 1
    assert told["fraction"] > 0.45 and told["least"] == pytest.approx(0.8) and told["guess"] < 0.6


def test_a_card_that_knows_its_thresholds_is_believed(goer):
    told = {"readout": "leave-one-out", "fraction": 0.3, "least": 0.2}
    assert when.of(Head(None, {"row": "It", "when": told})) == told
    with pytest.raises(StudyError, match="It ships without thresholds for leave-one-out"):
        when.of(Head(None, {"row": "It"}))


def test_without_intervals_labels_choose_and_nothing_is_claimed(goer, toy):
    (toy / "segments.csv").unlink()
    told = when.of(goer)
    assert told == {"readout": "leave-one-out", "fraction": when.USUAL, "iou": when.AT,
                    "least": pytest.approx(0.8)}


def test_what_cannot_be_chosen_is_refused(goer, toy):
    dataset = open_dataset(toy)
    oracle = Head(None, {"row": "O", "method": "oracle-mask"})
    with pytest.raises(StudyError, match="no time can be read from it"):
        when.tried(oracle, dataset, open_features(dataset, "own"))
    text = (toy / "videos.csv").read_text().replace("val", "train")
    (toy / "videos.csv").write_text(text)
    with pytest.raises(StudyError, match="no video of split val has a label"):
        when.of(goer)


def test_the_best_threshold_is_that_of_a_search():
    draw = np.random.default_rng(0)
    scores, hit = draw.integers(0, 6, 30) / 6, draw.random(30) < 0.4
    f1, least = when._best(scores, hit, 20)
    every = {at: 2 * hit[scores >= at].sum() / ((scores >= at).sum() + 20) for at in set(scores)}
    assert f1 == pytest.approx(max(every.values())) == pytest.approx(every[least])


def test_a_readout_of_real_systems_gives_intervals(toy):
    """Not a fake: a head that was built, on the toy's features."""
    dataset = open_dataset(toy)
    features = open_features(dataset, "own")
    head = Head(systems.build("mean-pool", "none", 2, 2, "multilabel"), {"row": "M", "method": "mean-pool"})
    told = when.tried(head, dataset, features)
    assert set(told) == {"readout", "fraction", "least", "iou", "recall", "precision", "f1",
                         "guess", "oracle"}
    seen = evaluation.predict(head.system, np.array(features.x), np.zeros((12, 2)))
    edges = np.tile(np.arange(9.0), (12, 1))
    found = when.intervals(seen, edges, features.video_ids, dataset.classes, CUT)
    assert (found.end > found.start).all() and found.score.between(0, 1).all()
    assert localisation.joined(found).shape == found.shape
