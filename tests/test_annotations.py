"""The counts of chapter 11: each against its definition, and nothing of the lists in the file."""

import pickle

import numpy as np
import pandas as pd
import pytest
from test_lists import CHARADES, lay

from book.__main__ import main
from book.evidence import annotations
from data.common.lists.readers import charades
from data.common.lists.tubes import ucf101_24
from tfe.errors import StudyError
from data.files.paths import RESULTS


@pytest.fixture
def listing(tmp_path):
    return charades(lay(tmp_path, CHARADES))


def test_the_counts_of_a_list_that_can_be_counted_by_hand(listing):
    rows = pd.DataFrame(annotations.aggregates(listing), columns=annotations.COLUMNS)
    train = rows[rows.split == "train"].groupby("quantity")[["at", "value"]].agg(list)
    assert train.loc["labels a video"].tolist() == [[0, 2], [1, 2]]
    assert train.loc["videos a class"].tolist() == [[1, 2], [2, 2]]
    assert train.loc["videos a group"].tolist() == [[1, 2], [1, 1]]
    assert train.loc["seconds"].tolist() == [[6, 12, 30], [1, 1, 1]]
    assert train.loc["closest company"].tolist() == [[1.0], [2]]
    # AAAAA, 30 s: one action in 1-4 and 9-10 s, 4/30 of it; the other throughout.
    assert train.loc["share filled"].tolist() == [[0.1, 0.95], [1, 1]]
    # Middles at 0.94, 2.81, ..., 8.44, 10.31 s: one lies in 1-4 s, none in 9-10 s. In CCCCC
    # neither action is seen: its intervals are backwards or after the end.
    assert train.loc["segments that show it"].tolist() == [[0, 1, 16], [2, 1, 1]]
    assert train.loc["actions in a segment"].tolist() == [[0, 1, 2], [32, 15, 1]]
    facts = rows[rows.split == "all"].set_index("quantity")
    assert facts.value["intervals"] == 6 and facts.paper["intervals"] == 66500
    assert facts.value["longest (s)"] == 30


def test_the_filled_share_unites_intervals():
    rng = np.random.default_rng(0)
    start = rng.integers(0, 90, 40)
    segments = pd.DataFrame({"video_id": rng.choice(["a", "b"], 40), "start": start,
                             "label": rng.choice(["x", "y"], 40),
                             "end": np.minimum(start + rng.integers(1, 20, 40), 100)})
    found = annotations.filled(segments, pd.Series({"a": 100.0, "b": 200.0}))
    for (video_id, label), share in found.items():
        seconds = {s for e in segments.itertuples() if (e.video_id, e.label) == (video_id, label)
                   for s in range(e.start, e.end)}
        assert share == pytest.approx(len(seconds) / {"a": 100, "b": 200}[video_id])
    assert len(found) == 4


def test_the_closest_company_is_a_conditional_probability():
    targets = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]], bool)
    # P(b | a) = 2/4; given b or c, a is certain; the fourth class never occurs.
    assert annotations.closest_company(targets).tolist() == [0.5, 1, 1]


def test_edges_of_bins_count_upwards():
    assert annotations.histogram([0.3, 0.1 + 0.2, 0.7], width=0.1) == {0.3: 2, 0.7: 1}


def test_rows_of_absent_lists_stay(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(annotations, "listings", lambda folder: iter(
        [charades(lay(tmp_path / "charades", CHARADES))]))
    out = tmp_path / "annotations.csv"
    old = pd.read_csv(RESULTS / "annotations.csv")
    old.to_csv(out, index=False)
    assert main(["annotations", "--out", str(out)]) == 0
    new = pd.read_csv(out)
    assert (new.dataset != "charades").sum() == (old.dataset != "charades").sum()
    assert new[(new.dataset == "charades") & (new.quantity == "videos")].value.tolist() == [4]


def test_a_folder_without_lists_is_refused(tmp_path, capsys):
    assert main(["annotations", "--lists", str(tmp_path), "--out", str(tmp_path / "x.csv")]) == 2
    assert "holds none of ucf101, hmdb51, charades" in capsys.readouterr().err
    assert not (tmp_path / "x.csv").exists()


class Harmful:
    def __reduce__(self):
        return print, ("run",)


@pytest.mark.parametrize("content", [pickle.dumps(Harmful()), pickle.dumps({"a/v_a_g01_c01": {}}),
                                     pickle.dumps([1]), b"", b"no pickle"])
def test_another_pickle_is_refused_and_never_run(tmp_path, content, capsys):
    lay(tmp_path, {"pyannot.pkl": content, "testlist01.txt": "a/v_a_g01_c01\n"})
    with pytest.raises(StudyError, match="pyannot.pkl is not the annotation"):
        ucf101_24(tmp_path)
    assert "run" not in capsys.readouterr().out


def test_tubes_are_intervals(tmp_path):
    clip = {"numf": 100, "label": 0, "annotations": [
        {"label": 0, "sf": np.uint8(25), "ef": np.uint8(75), "boxes": np.zeros((50, 4))}]}
    lay(tmp_path, {"pyannot.pkl": pickle.dumps({"a/v_a_g01_c01": clip}, protocol=4),
                   "testlist01.txt": "a/v_a_g01_c01\n"})
    listing = ucf101_24(tmp_path)
    assert listing.videos.values.tolist() == [["v_a_g01_c01", "test", "a", "a/v_a_g01_c01.avi",
                                               "v_a_g01", 4.0]]
    assert listing.segments.values.tolist() == [["v_a_g01_c01", "a", 1.0, 3.0]]


def test_the_committed_file_counts_and_names_no_video():
    table = pd.read_csv(RESULTS / "annotations.csv")
    assert list(table) == annotations.COLUMNS
    assert not table.duplicated(["dataset", "split", "quantity", "at"]).any()
    counts = table[table.split != "all"]
    assert table["at"].dtype == float and counts["at"].notna().all() and (counts.value > 0).all()
    for (dataset, split), part in counts.groupby(["dataset", "split"]):
        sums = part.groupby("quantity").value.sum()
        own = table[(table.dataset == dataset) & (table.quantity == f"{split} videos")]
        assert sums["labels a video"] == own.value.item()
        if "actions in a segment" in sums:
            assert sums["actions in a segment"] == own.value.item() * annotations.SEGMENTS


def test_the_committed_planted_rows_are_those_of_the_generator():
    rows = [row for one in annotations.listings(None) for row in annotations.aggregates(one)]
    same(rows, pd.read_csv(RESULTS / "annotations.csv"))


@pytest.mark.shared
@pytest.mark.parametrize("name", ["ucf101", "hmdb51", "charades", "ucf101_24"])
def test_the_committed_rows_are_those_of_the_official_lists(shared, name):
    readers = annotations.READERS | {"ucf101_24": ucf101_24}
    rows = annotations.aggregates(readers[name](shared / "annotations" / name))
    same(rows, pd.read_csv(RESULTS / "annotations.csv"))


def same(rows, table):
    """Every row stands in the committed table, with the same value."""
    key = ["dataset", "split", "quantity", "at"]
    rows = pd.DataFrame(rows, columns=annotations.COLUMNS)
    both = rows.fillna({"at": -1}).merge(table.fillna({"at": -1}), "left", key)
    assert both.value_x.tolist() == both.value_y.tolist()
