"""Two tables beside a store's features: videos that have none, and videos in doubt.

`skipped.csv` lists the videos without features and why; `lengths.csv` those that hold damaged frames or
another number of frames than they announce.
"""

import json

import pandas as pd

from data.files import reading
from data.files.paths import write_rows

STRICT = "--strict: "  # how the reason begins that a later call without --strict forgets
COLUMNS = ("sha256", "declared", "indexed", "decoded")


def read(folder, strict=False):
    """What was skipped before, and why: `{(video_id, sha256): reason}`."""
    path = folder / "skipped.csv"
    if not path.is_file():
        return {}
    table = reading.table(path, ("video_id", "sha256", "reason"))
    return {(r.video_id, r.sha256): r.reason for r in table.itertuples(index=False)
            if r.sha256 and (strict or not r.reason.startswith(STRICT))}


def write(folder, reasons, hashes):
    """List in `skipped.csv` the videos without features, `{video_id: reason}`."""
    table = pd.DataFrame([(i, hashes.get(i, ""), reason) for i, reason in reasons.items()],
                         columns=["video_id", "sha256", "reason"])
    write_rows(folder / "skipped.csv", table)


def doubts(folder, parts=None):
    """Videos that hold damaged frames, or another number of frames than they announce.

    A table of `sha256, declared, indexed, decoded` frames, how many are `damaged`, and the `doubt`
    in words: what `lengths.csv` of the store says, and what the notes in `parts` add.
    """
    path, rows = folder / "lengths.csv", []
    if path.is_file():
        rows += reading.table(path, COLUMNS).to_dict("records")
    for note in parts.glob("[!.]*.json") if parts else ():
        rows.append({"sha256": note.stem, **json.loads(note.read_text(encoding="utf-8"))})
    # Stores of earlier versions lack the last two columns.
    table = pd.DataFrame(rows, columns=[*COLUMNS, "damaged", "doubt"], dtype=object)
    return table.drop_duplicates("sha256", keep="last").fillna({"doubt": "its lengths disagree"})


def write_lengths(folder, doubts, hashes):
    """List `doubts` in `lengths.csv`, for the videos `{video_id: sha256}`."""
    videos = pd.DataFrame(hashes.items(), columns=["video_id", "sha256"])
    write_rows(folder / "lengths.csv", videos.merge(doubts, on="sha256"))
