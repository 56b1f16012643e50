"""What is said of videos beside their features: `skipped.csv` and `lengths.csv` of a store."""

import json

import pandas as pd

from data.files import store
from data.files.paths import write_text


def read(folder):
    """What was skipped before, and why: `{(video_id, sha256): reason}`."""
    path = folder / "skipped.csv"
    if not path.is_file():
        return {}
    table = store.read_table(path, ("video_id", "sha256", "reason"))
    return {(r.video_id, r.sha256): r.reason for r in table.itertuples(index=False) if r.sha256}


def write(folder, reasons, hashes):
    """List in `skipped.csv` the videos without features, `{video_id: reason}`."""
    table = pd.DataFrame([(i, hashes.get(i, ""), reason) for i, reason in reasons.items()],
                         columns=["video_id", "sha256", "reason"])
    _write_table(folder / "skipped.csv", table)


def write_lengths(folder, parts, hashes):
    """List in `lengths.csv` the videos that hold another number of frames than they claim."""
    path, columns = folder / "lengths.csv", ("sha256", "declared", "indexed", "decoded")
    claims = {}
    if path.is_file():
        claims = {row[0]: row for row in store.read_table(path, columns)[list(columns)].to_numpy()}
    for note in parts.glob("[!.]*.json"):
        claims[note.stem] = [note.stem, *json.loads(note.read_text(encoding="utf-8")).values()]
    rows = [(i, *claims[sha]) for i, sha in hashes.items() if sha in claims]
    table = pd.DataFrame(rows, columns=["video_id", *columns])
    _write_table(path, table)


def _write_table(path, table):
    """Write a table that exists only while it has rows, and only where it changes."""
    if table.empty:
        path.unlink(missing_ok=True)
        return
    text = table.to_csv(index=False, lineterminator="\n")
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
