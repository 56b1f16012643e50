"""What people reported, kind by kind: how many tests hold each kind, and how many of them pass."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from reliability import Case

from data.files.paths import ROOT

# A kind, and in each file the names of its tests; none: all tests of the file.
KINDS = {
    "A: a file that is not what the code assumes": {
        "video": "the_film_is_the_stream_of_most_packets "
            "without_sound_a_player_starts_with_the_picture "
            "a_picture_that_begins_after_the_sound_keeps_its_start pixels_are_made_square "
            "a_turned_anamorphic_clip_is_stretched_before_it_is_turned",
        "folder": "intervals_are_read_as_a_player_shows_them "
            "a_picture_that_begins_with_the_sound_adds_no_column",
        "adoption": "a_clip_that_is_replaced_under_an_old_date_is_measured_anew"},
    "B: videos or classes that vanish or split": {
        "adoption": "kept_and_left_out_are_everything_in_the_folder "
            "listed_videos_are_found_beside_the_list_and_in_videos "
            "folders_of_frames_are_named_with_the_remedy "
            "what_the_decoder_reads_is_adopted_by_its_ending two_forms_of_an_accent_are_one_class "
            "every_container_of_the_decoder_has_an_ending_in_the_list "
            "a_broken_row_is_named_by_its_line",
        "doubts": "videos_without_features_are_counted"},
    "C: the caller's environment": {
        "isolation": "", "environment": "a_python_too_old_is_one_line"},
    "D: an adoption that failed": {
        "adoption": "a_name_too_long_for_a_file_is_shortened "
            "stopped_at_any_write_the_same_command_mends_it "
            "two_folders_of_one_name_and_one_of_ours_all_work"},
    "E: faults that are known before training": {
        "batch": "what_every_run_would_stumble_over_is_refused_before_any "
            "features_of_another_length_are_tried_before_any_run",
        "hostile": "hostile_features a_damaged_checkpoint_is_told_before_its_batch "
            "a_class_that_train_lacks_is_told"},
    "F: messages that name the wrong cause": {
        "adoption": "empty_cells_at_the_ends_of_rows_mean_nothing another_mark_between_cells_is_named "
            "another_encoding_is_named all_faults_of_a_list_are_counted_and_twenty_shown "
            "marks_of_byte_order_are_no_fault a_value_that_is_none_is_named_by_row_and_video",
        "isolation": "an_error_of_the_disk_names_its_file"},
    "G: one rule for every list": {
        "adoption": "intervals_are_cut_to_their_videos_and_counted_as_for_charades",
        "lists": "charades_cuts_what_is_past_the_end_and_leaves_out_what_is_backwards"},
    "H: numbers that cannot be": {
        "adoption": "classes_that_differ_in_capitals_are_told", "fonts": "",
        "batch": "an_interval_ends_where_its_measure_does "
            "an_interval_over_videos_too_ends_where_its_measure_does "
            "one_number_is_how_many_seeds_and_with_a_comma_which "
            "two_seeds_have_no_interval_on_the_page_and_it_says_why"},
    "I: files that attack or are merely wrong": {
        "hostile": "a_hostile_batch_file a_hostile_dataset hostile_features a_hostile_run "
            "a_hostile_record_of_archives a_table_s_name_is_no_path what_a_message_quotes_is_cut "
            "a_rate_as_people_write_it_is_a_number",
        "batch": "seeds_must_be_different_numbers",
        "extract": "a_zip_damaged_in_any_compression_is_named a_tar_damaged_in_any_compression_is_named"},
    "J: what a decoder hides": {
        "video": "damaged_frames_are_counted a_file_of_which_little_is_left_says_so",
        "features": "damaged_frames_are_counted_and_left_out_when_asked",
        "predict": "a_video_of_which_one_frame_is_left_says_so"},
    "K: statistics and read-outs that mislead": {
        "batch": "an_oracle_that_could_not_learn_is_left_out_and_said "
            "a_run_that_answers_every_video_alike_is_counted collapsed_runs_stand_beside_their_row",
        "systems": "what_is_added_to_all_logits_is_no_reason_for_a_single_label "
            "stored_features_arrive_at_any_scale the_embedding_of_stored_features_is_not_linear",
        "doubts": "a_slip_is_said_when_a_folder_is_adopted_and_when_it_is_checked "
            "one_video_under_two_names_in_two_splits_is_said a_batch_says_so_before_its_runs "
            "a_metric_that_is_not_the_tasks_is_refused",
        "provenance": "other_splits_measure_the_same_run_again_and_train_nothing",
        "predict": "a_run_on_features_that_say_little_of_themselves_is_refused_in_one_line",
        "isolation": "a_log_keeps_what_it_holds"}}


def suite(trials=None, seed=0, only=None):
    """One case a kind, named in full or by its letter; `trials`: the first so many of its tests."""
    for kind in KINDS:
        if not only or kind in only or kind[0] in only:
            held, failures = ran(list(selected(kind))[:trials])
            yield Case("reports", kind, held, held - len(failures), len(failures), "tests that fail",
                       tuple(failures))


def selected(kind):
    """What pytest is told to run."""
    for file, names in KINDS[kind].items():
        path = f"tests/test_{file}.py"
        yield from [f"{path}::test_{name}" for name in names.split()] or [path]


def ran(tests):
    """How many tests ran, those skipped left out, and what failed; RuntimeError if one is gone."""
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "tests.xml"
        ended = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                                f"--junitxml={path}", *tests], cwd=ROOT, capture_output=True, text=True)
        if ended.returncode not in (0, 1):
            raise RuntimeError(f"{ended.stdout[-500:]}{ended.stderr[-500:]}")
        cases = [case for case in ElementTree.parse(path).iter("testcase") if case.find("skipped") is None]
    return len(cases), [case.get("name") for case in cases
                        if case.find("failure") is not None or case.find("error") is not None]
