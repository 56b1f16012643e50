"""The official lists: every form is read, every known trap met, every bad line refused by name."""

import pytest

from data.common.lists import readers
from tfe.errors import StudyError

CLASSES = "1 ApplyEyeMakeup\r\n2 HandstandPushups\r\n"
UCF = {"classInd.txt": CLASSES,
       # The files' own spelling differs from their folder's; the last line has no newline.
       "trainlist01.txt": "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\r\n"
                          "HandstandPushups/v_HandStandPushups_g08_c01.avi 2",
       "testlist01.txt": "HandstandPushups/v_HandStandPushups_g01_c02.avi\r\n\r\n"}
TSN = {"train_rgb_split_1.txt": "shoot_ball/A (1)_shoot_ball_u_nm_np1_fr_med_0 60 1\n"
                                "chew/#2_Gum!_chew_h_nm_np1_fr_med_0 79 0",
       "val_rgb_split_1.txt": "chew/M&M;-)_chew_h_nm_np1_fr_med_1 30 0\n"}
TAGGED = {"chew_test_split1.txt": "#2_Gum!_chew_h_nm_np1_fr_med_0.avi 1 \n"
                                  "M&M;-)_chew_h_nm_np1_fr_med_1.avi 2 \n"
                                  "Third_chew_h_nm_np1_fr_med_2.avi 0 \n",
          "shoot_ball_test_split1.txt": "A (1)_shoot_ball_u_nm_np1_fr_med_0.avi 1"}
HEADER = "id,subject,scene,actions,length\n"
CHARADES = {"Charades_v1_classes.txt": "c000 Holding a phone/camera\nc001 Opening a door\n",
            "Charades_v1_train.csv": HEADER
            + "AAAAA,S1,Kitchen,c000 1.00 4.00;c001 0.00 31.50;c000 9.00 10.00,30.0\r\n"
            + "BBBBB,S1,Stairs,,12.5\r\n"
            + "CCCCC,S2,Stairs,c001 18.00 10.00;c000 8.00 9.00,7.5",
            "Charades_v1_test.csv": HEADER + "DDDDD,S3,Kitchen,c001 0.50 2.00,3.0\n"}
SETS = {"ucf101": UCF, "hmdb51": TSN, "charades": CHARADES}


def lay(folder, files):
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def read(name, folder, files=None):
    return readers.READERS[name](lay(folder, SETS[name] if files is None else files))


def test_ucf101(tmp_path):
    listing = read("ucf101", tmp_path)
    assert listing.classes == ["ApplyEyeMakeup", "HandstandPushups"] and listing.segments is None
    assert listing.videos.values.tolist() == [
        ["v_ApplyEyeMakeup_g08_c01", "train", "ApplyEyeMakeup",
         "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi", "ApplyEyeMakeup_g08"],
        ["v_HandStandPushups_g08_c01", "train", "HandstandPushups",
         "HandstandPushups/v_HandStandPushups_g08_c01.avi", "HandStandPushups_g08"],
        ["v_HandStandPushups_g01_c02", "test", "HandstandPushups",
         "HandstandPushups/v_HandStandPushups_g01_c02.avi", "HandStandPushups_g01"]]


def test_a_list_whose_folders_are_spelt_as_its_files(tmp_path):
    """Some copies of the lists say HandStandPushups throughout; the class stays one."""
    other = {name: text.replace("HandstandPushups/", "HandStandPushups/")
             for name, text in UCF.items()}
    assert set(read("ucf101", tmp_path, other).videos.labels) == set(
        read("ucf101", tmp_path).classes)


def test_hmdb51_in_both_forms_and_one_folder_down(tmp_path):
    counted, tagged = (read("hmdb51", tmp_path / "one"),
                       read("hmdb51", tmp_path / "two", TAGGED))
    assert readers.hmdb51(tmp_path).videos.equals(tagged.videos)  # wherever below they lie
    assert counted.classes == tagged.classes == ["chew", "shoot_ball"]
    key = ["video_id", "split", "labels", "member", "group"]
    assert (counted.videos.set_index("video_id").sort_index()[key[1:]].values.tolist()
            == tagged.videos.set_index("video_id").sort_index()[key[1:]].values.tolist())
    assert counted.videos.duration.tolist() == [2.0, pytest.approx(79 / 30), 1.0]
    assert counted.videos.group.tolist() == ["shoot_ball/A (1)", "chew/#2_Gum!", "chew/M&M;-)"]
    assert counted.videos.member[2] == "chew/M&M;-)_chew_h_nm_np1_fr_med_1.avi"
    assert list(tagged.notes.values()) == [1] and "duration" not in tagged.videos


def test_charades_cuts_what_is_past_the_end_and_leaves_out_what_is_backwards(tmp_path):
    listing = read("charades", tmp_path)
    videos = listing.videos.set_index("video_id")
    assert videos.labels.to_dict() == {
        "AAAAA": "Holding a phone/camera;Opening a door", "BBBBB": "",
        "CCCCC": "Opening a door;Holding a phone/camera", "DDDDD": "Opening a door"}
    assert videos.group.tolist() == ["S1", "S1", "S2", "S3"]
    assert videos.member["DDDDD"] == "DDDDD.mp4"
    assert listing.segments.values.tolist() == [
        ["AAAAA", "Holding a phone/camera", 1, 4], ["AAAAA", "Opening a door", 0, 30],
        ["AAAAA", "Holding a phone/camera", 9, 10], ["DDDDD", "Opening a door", 0.5, 2]]
    # 5 + 1 listed = 4 kept + 1 backwards + 1 after the end; 1 of the kept was cut.
    assert list(listing.notes.values()) == [5, 1, 1, 1, 1, 1, 0]


@pytest.mark.parametrize("name, file, text, words", [
    ("ucf101", "classInd.txt", None, "classInd.txt is missing.*RecognitionTask.zip"),
    ("ucf101", "testlist01.txt", None, "testlist01.txt is missing"),
    ("ucf101", "trainlist01.txt", " \r\n", "trainlist01.txt is empty"),
    ("ucf101", "trainlist01.txt", b"v_\xff\xfe", "trainlist01.txt cannot be read as text"),
    ("ucf101", "classInd.txt", "1 A\n3 B\n", "classInd.txt line 2.*class 2"),
    ("ucf101", "classInd.txt", "1 A\n2 A\n", "classInd.txt line 2"),
    ("ucf101", "trainlist01.txt", "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 2\n",
     "trainlist01.txt line 1.*its number"),
    ("ucf101", "trainlist01.txt", "Fishing/v_Fishing_g08_c01.avi 1\n", "line 1.*Fishing"),
    ("ucf101", "trainlist01.txt", "ApplyEyeMakeup/clip.avi 1\n", "line 1.*clip"),
    ("ucf101", "testlist01.txt", "ApplyEyeMakeup/../v_ApplyEyeMakeup_g01_c01.avi\n",
     "line 1.*CLASS/NAME"),
    ("ucf101", "testlist01.txt", "v_ApplyEyeMakeup_g01_c01.avi\n", "line 1.*CLASS/NAME"),
    ("ucf101", "testlist01.txt", "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi\n",
     "g08_c01' is listed twice, in train and test"),
    ("hmdb51", "val_rgb_split_1.txt", None, "val_rgb_split_1.txt is missing"),
    ("hmdb51", "val_rgb_split_1.txt", "chew/a_chew_0 30\n", "line 1.*number of frames"),
    ("hmdb51", "val_rgb_split_1.txt", "chew/a_chew_0 x 0\n", "line 1.*number of frames"),
    ("hmdb51", "val_rgb_split_1.txt", "chew/a_chew_0 30 7\n", "line 1.*one place"),
    ("hmdb51", "val_rgb_split_1.txt", "chew/a_clap_0 30 0\n", "line 1.*'chew'"),
    ("hmdb51", "val_rgb_split_1.txt", "../a_.._0 30 0\n", "line 1.*CLASS/NAME"),
    ("hmdb51", "chew_test_split1.txt", "a_chew_0.avi 3\n", "chew_test_split1.txt line 1.*0, 1 or"),
    ("hmdb51", "chew_test_split1.txt", "a_chew_0.avi\n", "line 1.*0, 1 or 2"),
    ("hmdb51", "chew_test_split1.txt", "a_chew_0.avi 1\na_chew_0.avi 1\n", "listed twice"),
    ("hmdb51", "chew_test_split1.txt", "a_chew_0.avi 0\n", "name no video"),
    ("charades", "Charades_v1_test.csv", None, "Charades_v1_test.csv is missing.*prior.allenai"),
    ("charades", "Charades_v1_test.csv", "id,actions\nA,\n", "lacks the column 'subject'"),
    ("charades", "Charades_v1_classes.txt", "c000 A\nc000 B\n", "classes.txt line 2"),
    ("charades", "Charades_v1_classes.txt", "0 A\n", "classes.txt line 1.*c012"),
    ("charades", "Charades_v1_test.csv", HEADER + "D,S,K,c009 1 2,3\n", "video 1.*c009"),
    ("charades", "Charades_v1_test.csv", HEADER + "D,S,K,c001 1,3\n", "video 1.*a start"),
    ("charades", "Charades_v1_test.csv", HEADER + "D,S,K,c001 1 x,3\n", "video 1.*'x'"),
    ("charades", "Charades_v1_test.csv", HEADER + "D,S,K,c001 1 2,nan\n", "video 1.*'nan'"),
    ("charades", "Charades_v1_test.csv", HEADER + "D,S,K,c001 1 2,0\n", "video 1.*'0'"),
    ("charades", "Charades_v1_test.csv", HEADER + "../D,S,K,,3\n", "video 1: id is '../D'"),
    ("charades", "Charades_v1_test.csv", HEADER + "AAAAA,S,K,,3\n", "twice, in train and test"),
])
def test_each_bad_list_is_refused_in_one_line(tmp_path, name, file, text, words):
    files = {k: v for k, v in SETS[name].items() if k != file} | ({} if text is None
                                                                  else {file: text})
    with pytest.raises(StudyError, match=words) as caught:
        read(name, tmp_path, files)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("split", [0, 4, "1"])
def test_another_split_is_refused(tmp_path, split):
    for reader in (readers.ucf101, readers.hmdb51):
        with pytest.raises(StudyError, match="use 1, 2 or 3"):
            reader(tmp_path, split)


@pytest.mark.shared
@pytest.mark.parametrize("name, counts", [
    ("ucf101", (101, 9537, 3783)), ("hmdb51", (51, 3570, 1530)), ("charades", (157, 7985, 1863))])
def test_the_official_lists_hold_what_is_published(shared, name, counts):
    listing = readers.READERS[name](shared / "annotations" / name)
    split = listing.videos.split
    assert (len(listing.classes), (split == "train").sum(), (split == "test").sum()) == counts
    assert (listing.videos.groupby("group").split.nunique() == 1).all()  # no group in both
    if name != "charades":
        assert set(listing.videos.labels) == set(listing.classes)
    else:
        of_train = listing.segments.video_id.isin(set(listing.videos.video_id[split == "train"]))
        assert (of_train.sum(), (~of_train).sum()) == (49809 - 7, 16691)
        counts = list(listing.notes.values())
        assert counts[:4] + counts[5:] == [49809, 16691, 7, 0, 174, 49]
    if name == "hmdb51":
        assert (listing.videos.value_counts(["labels", "split"]).unstack()[["train", "test"]]
                == [70, 30]).all(axis=None)
