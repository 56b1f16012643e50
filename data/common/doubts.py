"""What in a sound dataset may be a slip of its maker: said, not refused, for it may be meant."""

import re
from collections import Counter

from data.video.decode import announced_seconds
from tfe.errors import StudyError

LOOKED_AT = 20  # videos whose files are opened: a slip of the unit is in all of them
APART = 2  # times a duration may be its file's: headers and edits differ by less


def doubts(dataset):
    """Yield a sentence for each doubt about labels, intervals and durations, with what to write."""
    yield from _of_labels(dataset)
    if dataset.segments is not None and len(dataset.segments):
        yield from _of_intervals(dataset)
    yield from _of_durations(dataset)


def _of_labels(dataset):
    many = dataset.videos.labels.map(lambda names: len(set(names)))
    if dataset.task == "multilabel" and many.max() == 1:
        yield (f"no video has two labels and {(many == 0).sum()} have none, and the metric is mAP: for "
               "accuracy give each video one label, once")
    parts = {name: re.split(r"\s*[,|/+&]\s*", name) for name in dataset.classes}
    often = Counter(part for each in parts.values() for part in set(each))
    joined = [name for name, each in parts.items() if len(each) > 1 and all(often[p] > 1 for p in each)]
    if joined:
        yield (f"{len(joined)} classes seem to be several, such as {joined[0]!r}: join the labels of a "
               "video by ';'")


def _of_intervals(dataset):
    labels, lasts = dataset.videos.set_index("video_id").labels, dataset.videos.duration
    odd = [(event.label, event.video_id) for event in dataset.segments.itertuples()
           if event.label not in labels[event.video_id]]
    if odd:
        yield (f"{len(odd)} of {len(dataset.segments)} intervals are of a class that their video does "
               f"not bear, such as {odd[0][0]!r} in {odd[0][1]!r}: add it to the labels in videos.csv")
    if dataset.segments.end.max() <= 1 < lasts.median() / APART:
        yield "every interval ends within the first second: write seconds, not shares of the video"


def _of_durations(dataset):
    files = list(dataset.files.items())
    files = files[::-(-len(files) // LOOKED_AT) or 1]
    given, wrong = dataset.videos.set_index("video_id").duration, []
    for video_id, path in files:
        try:
            lasts = announced_seconds(path)
        except StudyError:  # a video that cannot be read is told where it is encoded
            continue
        if not given[video_id] / APART <= lasts <= given[video_id] * APART:
            wrong.append(f"{video_id!r}: {given[video_id]:g}, and {lasts:.3g} by its file")
    if len(wrong) > len(files) / 2:  # one alone may be the file's fault
        yield (f"the durations of {len(wrong)} of {len(files)} videos that were looked at are not those "
               f"of their files, such as {wrong[0]}: write seconds, or leave the column out")
