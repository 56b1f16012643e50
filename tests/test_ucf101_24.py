"""Six classes of UCF101-24 as a dataset with intervals: from clips that are there, or one clear error."""

import pickle

import pytest

from data import ucf101_24
from data.common.ending import ended
from tfe.errors import StudyError
from data.files.dataset import open_dataset


def annotated(*intervals, frames=100):
    return {"numf": frames, "label": 0,
            "annotations": [{"label": 0, "sf": a, "ef": b, "boxes": []} for a, b in intervals]}


@pytest.fixture
def lists(tmp_path):
    folder = tmp_path / "lists"
    folder.mkdir()
    clips = {"Diving/v_Diving_g01_c01": annotated((25, 50)),
             "Diving/v_Diving_g08_c01": annotated((0, 50), (60, 80)),
             "TennisSwing/v_TennisSwing_g01_c02": annotated((10, 60)),
             "Biking/v_Biking_g01_c01": annotated((0, 100))}
    (folder / "pyannot.pkl").write_bytes(pickle.dumps(clips, protocol=4))
    (folder / "testlist01.txt").write_text("Diving/v_Diving_g01_c01\n")
    return folder


@pytest.fixture
def clips(tmp_path):
    for name in ("Diving/v_Diving_g01_c01", "Diving/v_Diving_g08_c01", "Biking/v_Biking_g01_c01"):
        path = tmp_path / "UCF-101" / f"{name}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "UCF-101"


def test_the_sparse_classes_with_their_intervals_and_splits(lists, clips, tmp_path, capsys):
    out = tmp_path / "out"
    ucf101_24.main(["--lists", str(lists), "--from", str(clips), "--out", str(out)])
    made = open_dataset(out)
    assert made.classes == ["Diving", "TennisSwing"] and made.task == "singlelabel"
    assert dict(zip(made.videos.video_id, made.videos.split)) == {
        "v_Diving_g01_c01": "test", "v_Diving_g08_c01": "train"}
    assert made.segments[["video_id", "start", "end"]].values.tolist() == [
        ["v_Diving_g01_c01", 1.0, 2.0], ["v_Diving_g08_c01", 0.0, 2.0],
        ["v_Diving_g08_c01", 2.4, 3.2]]
    assert set(made.files) == set(made.videos.video_id)
    assert "left out: v_TennisSwing_g01_c02" in capsys.readouterr().err


def refused(*arguments):
    with pytest.raises(StudyError) as error:
        ucf101_24.main([str(a) for a in arguments])
    return str(error.value)


def test_without_clips_there_is_one_clear_error(lists, tmp_path, capsys):
    assert "--lists and --from" in refused()
    assert "holds none of the 3 clips" in refused("--lists", lists, "--from", lists)
    assert "is not a folder" in refused("--lists", lists, "--from", tmp_path / "no")
    assert "pyannot.pkl is missing" in refused("--lists", tmp_path / "no", "--from", lists)
    assert ended(ucf101_24.main, []) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.shared
def test_of_the_official_annotation_six_classes_are_left(shared):
    from data.common.lists.tubes import ucf101_24 as read

    listing = read(shared / "annotations" / "ucf101_24")
    videos = listing.videos[listing.videos.labels.isin(ucf101_24.SPARSE)]
    assert videos.labels.nunique() == 6 and len(videos) == 828
