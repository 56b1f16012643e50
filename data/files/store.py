"""The feature store: read with care, written atomically.

A store is `features/<encoder>/` with `features.npy` (float16, `(N, T, d)`), `index.csv`, `meta.json`
and, where videos were skipped, `skipped.csv`. What makes a stored feature up to date is decided in
`data/encoders/store_key.py`; here files are only written, read and checked.
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from data.files import reading, schema
from data.files.paths import atomic, digest, sha256, write_csv, write_json
from tfe.errors import StudyError


@dataclass(frozen=True)
class Features:
    """A feature store, opened as a memory map: `x` float16 `(N, T, d)` and the row's video ids."""

    folder: Path
    x: np.ndarray = field(repr=False)
    video_ids: list = field(repr=False)
    meta: dict = field(repr=False)

    @property
    def encoder(self):
        return self.meta["encoder"]

    @cached_property
    def key(self):
        """A short hash of the features themselves and of what they say of their making."""
        return digest(sha256(self.folder / name)
                       for name in ("features.npy", "index.csv", "meta.json"))


def open_features(dataset, encoder):
    """Open `features/<encoder>` of a dataset as a memory map, checked against its index.

    Raises StudyError where a file is missing, the shapes disagree, an id is unknown or repeated,
    or a value is not finite.
    """
    if Path(encoder).name != encoder:
        raise StudyError(f"encoder {encoder[:80]!r} is a path: name a folder of "
                         f"{dataset.folder / 'features'}")
    folder = dataset.folder / "features" / encoder
    array, meta_path = folder / "features.npy", folder / "meta.json"
    for path in (array, folder / "index.csv", meta_path):
        if not path.is_file():
            raise StudyError(f"{path} is missing: make the features first "
                             f"(`python -m data features --data {dataset.folder} "
                             f"--encoder {encoder}`), or write the three files yourself")
    meta = schema.read(meta_path, schema.MetaFile)
    try:
        x = np.load(array, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header is evaluated, and raises whatever it likes
        raise StudyError(f"{array} cannot be read ({str(error)[:200]}): make it anew") from None
    schema.array(array, x)
    index = reading.table(folder / "index.csv", ("row", "video_id"))
    ids = list(index.video_id)
    rows = [str(n) for n in range(len(ids))]
    if len(x) != len(ids) or list(index.row) != rows:
        raise StudyError(f"{array} has shape {x.shape} of {x.dtype} and index.csv {len(ids)} rows: "
                         "they must be (N, T, d) of floats and rows 0 to N-1")
    if meta.get("T", x.shape[1]) != x.shape[1] or meta.get("d", x.shape[2]) != x.shape[2]:
        raise StudyError(f"{meta_path} says T = {meta.get('T')}, d = {meta.get('d')}, but "
                         f"features.npy has shape {x.shape}: correct one of them")
    if name := next(stale(folder, meta), None):
        raise StudyError(f"{folder / name} is not the file that meta.json was written for (an "
                         "interrupted write?): delete meta.json and make the features anew")
    if len(set(ids)) != len(ids) or set(ids) - set(dataset.videos.video_id):
        raise StudyError(f"{folder / 'index.csv'}: a video_id stands twice or is not in "
                         "videos.csv: correct the index")
    wrong = [n for start in range(0, len(x), 256) for n in start + np.flatnonzero(
        ~(np.abs(x[start:start + 256]).max(axis=(1, 2)) <= schema.HALF))]
    if wrong:
        named = ", ".join(f"{n} ({ids[n]})" for n in wrong[:reading.SHOWN])
        raise StudyError(f"{array}: NaN, infinity or more than {schema.HALF} in {len(wrong)} of "
                         f"{len(x)} rows, such as {named}: scale them, or take these videos out of "
                         "it and of index.csv")
    return Features(folder, x, ids, {"encoder": encoder, **meta})


def stale(folder, meta):
    """Names of the files in a store that are not those that its `meta.json` was written for."""
    return (name for name, made in meta.get("sha256", {}).items() if sha256(folder / name) != made)


def write_features(folder, video_ids, x, meta, hashes=None):
    """Write a store: `features.npy`, `index.csv` and, last, `meta.json` with the hashes of both.

    Each file is written atomically; where it stops in between, the hashes tell.
    """
    folder = Path(folder)
    save_array(folder / "features.npy", np.asarray(x, np.float16))
    index = pd.DataFrame({"row": range(len(video_ids)), "video_id": video_ids})
    if hashes is not None:
        index["sha256"] = hashes
    write_csv(folder / "index.csv", index)
    meta = {**meta, "sha256": {n: sha256(folder / n) for n in ("features.npy", "index.csv")}}
    write_json(folder / "meta.json", meta)


def save_array(path, x):
    """Write an array as npy, atomically; raises OSError where the disk is full.

    Through Python's `write`, because numpy's own `tofile` says nothing of a disk that fills up
    within its last buffer, and leaves a file cut short.
    """
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.save(SimpleNamespace(write=file.write), x, allow_pickle=False)
