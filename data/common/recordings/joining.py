"""The pictures of a composed video: pieces of clips and the joins between them, encoded once."""

from functools import lru_cache, partial

import av
import numpy as np

from data.common.pool import fill
from data.common.recordings.composing import REST_FRAMES
from data.video.decode import pictures
from data.video.writing import write_video
from tfe.errors import StudyError

X264 = {"crf": "18", "preset": "veryfast", "g": "48"}
TRIED, CLOSE = 8, 8.0  # videos whose boundaries are decoded; grey levels by which x264 may differ


def render(videos, files, plan, side, fps):
    """Write what is not there of `plan`, `{video_id: (group, pieces)}`, group by group."""
    jobs = {name: (pieces, {piece.clip: files[piece.clip] for piece in pieces})
            for name, (_, pieces) in sorted(plan.items(), key=lambda item: (item[1][0], item[0]))}
    fill(videos, jobs, partial(write, side, fps), "composing", "video")


def compared(videos, files, plan, side):
    """What decoding some videos at the boundaries of their pieces gives, as a flat dict."""
    names = list(plan)[::max(1, len(plan) // TRIED)][:TRIED]
    apart = np.concatenate([boundaries(videos / f"{name}.mp4", plan[name][1], files, side)
                            for name in names])
    if apart.max() > CLOSE:
        raise StudyError(f"{videos}: a boundary is {apart.max():.1f} grey levels from its clip: "
                         "remove the folder and run again")
    return {"videos": len(names), "pieces": len(apart), "mean_difference": round(apart.mean(), 3),
            "largest_difference": round(apart.max(), 3)}


def shown(piece, clip):
    """The frames of a piece out of those of its clip, `(frames, side, side, 3)`."""
    if piece.clip_first >= 0:
        return clip[piece.clip_first:piece.clip_first + piece.frames]
    turn = min(REST_FRAMES, len(clip)) - 1
    return clip[turn - np.abs(np.arange(piece.frames) % (2 * turn) - turn)]


def frames(pieces, load):
    """Yield the frames of a video; `load(clip)` gives those of a clip."""
    before = None
    for piece in pieces:
        own = shown(piece, load(piece.clip))
        for n in range(1, piece.join_frames + 1):
            part = n / (piece.join_frames + 1)
            yield (np.zeros_like(before) if piece.join == "gap" else
                   np.rint((1 - part) * before + part * own[0]).astype(np.uint8))
        yield from own
        before = own[-1]


@lru_cache(maxsize=64)  # a person's clips come up again and again
def clip_frames(path, side):
    """All frames of a clip, their centre square at `side` pixels, uint8 `(F, side, side, 3)`."""
    return np.stack([squared(picture, side) for picture in pictures(path)])


def squared(picture, side):
    """The centre square of a picture, resized."""
    short = min(picture.shape[:2])
    top, left = ((size - short) // 2 for size in picture.shape[:2])
    square = np.ascontiguousarray(picture[top:top + short, left:left + short])
    if short == side:
        return square
    frame = av.VideoFrame.from_ndarray(square, format="rgb24")
    return frame.reformat(side, side, interpolation="AREA").to_ndarray(format="rgb24")


def write(side, fps, job, path):
    """Write a video to `path`, encoded once; job: its pieces and the files of their clips."""
    pieces, files = job
    write_video(path, frames(pieces, lambda clip: clip_frames(files[clip], side)), fps, X264)


def boundaries(path, pieces, files, side):
    """How far a written video is from its clips at the ends of its pieces, in grey levels.

    Decodes the whole video; returns `(P, 2)`: the mean absolute difference of each piece's first
    and last picture from the clip's. Raises StudyError where the number of frames differs.
    """
    video = clip_frames.__wrapped__(path, side).astype(int)
    if len(video) != pieces[-1].first + pieces[-1].frames:
        raise StudyError(f"{path} has {len(video)} frames, not those of its pieces: remove it, and "
                         "run the same command again")
    apart = []
    for piece in pieces:
        own = shown(piece, clip_frames(files[piece.clip], side))
        apart.append([np.abs(video[piece.first + at] - own[at]).mean()
                      for at in (0, piece.frames - 1)])
    return np.array(apart)
