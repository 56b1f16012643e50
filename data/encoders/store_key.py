"""The feature store's key: a feature depends on its video's hash and on the settings here, no more.

The settings (encoder and its weights' hash, resolution, sampling, decoder, engine) are the store's
`meta.json`; the hashes stand in its `index.csv`.
"""

import hashlib
import json
from importlib.metadata import version

from data.encoders import engines, recipes
from data.files import reading, store
from tfe.device import choose
from tfe.errors import StudyError


def settings_of(encoder, resolution=None, segments=16, engine="torch"):
    """Everything that a feature depends on beside its video: the store's `meta.json`."""
    if encoder not in recipes.ENCODERS:
        raise StudyError(f"encoder {encoder!r} is unknown: choose one of "
                         f"{', '.join(recipes.ENCODERS)}")
    recipe = recipes.ENCODERS[encoder]
    if segments < 1 or (resolution is not None and resolution < 32):
        raise StudyError(f"segments is {segments}, resolution {resolution}: give 1 segment or "
                         "more, and 32 pixels or more")
    return {"origin": "tfe", "encoder": encoder, "weights_sha256": recipe.identity(), "T": segments,
            "d": recipe.dim, "resolution": resolution or recipe.resolution,
            "sampling": {"segments": segments, "where": "middle",
                         "frames_per_segment": recipe.frames_per_segment},
            "engine": engine, "versions": {"av": version("av"), **engines.versions(engine)}}


def as_stored(settings, dataset, wish, device):
    """`settings` with the engine that `wish` (of `engines.NAMES`) means for this dataset.

    With "auto" a store that is there keeps the engine, and its version, that made it.
    """
    meta = dataset.folder / "features" / settings["encoder"] / "meta.json"
    if wish == "auto" and meta.is_file():
        found = read_meta(meta)
        if found["origin"] == "tfe":
            versions = {k: v for k, v in found["versions"].items() if k != "av"}
            return settings | {"engine": found["engine"],
                               "versions": settings["versions"] | versions}
    engine = engines.choose(wish, choose(device).type)
    return settings | {"engine": engine,
                       "versions": settings["versions"] | engines.versions(engine)}


def of_the_users_own(dataset, encoder):
    """The folder of features that are not ours to make: that encoder's, or all that there is.

    None where the videos are to be encoded.
    """
    for meta in sorted(dataset.folder.glob("features/*/meta.json")):
        own = read_meta(meta)["origin"] != "tfe"
        if own and (meta.parent.name == encoder or not dataset.files):
            return meta.parent
    return None


def known_rows(dataset, folder, settings):
    """Rows that a store with the same settings already holds: `{sha256: row}`."""
    meta = folder / "meta.json"
    if not meta.is_file():
        return {}
    found = read_meta(meta)
    if found["origin"] != "tfe":
        raise StudyError(f"{folder} holds features of your own (origin: {found['origin']}): "
                         "keep them elsewhere before you make others under this name")
    for key in settings:
        if found.get(key) != settings[key]:
            raise StudyError(f"{folder} was made with {key} = {found.get(key)!r}, not "
                             f"{settings[key]!r}: delete that folder, or keep the old settings")
    if any(store.stale(folder, found)):  # the last write was interrupted: nothing to rely on
        return {}
    store.open_features(dataset, settings["encoder"])  # its checks
    index = reading.table(folder / "index.csv", ("row", "video_id", "sha256"))
    return {sha: int(row) for row, sha in zip(index.row, index.sha256)}


def read_meta(meta):
    """The settings in a `meta.json`, which a user may have written by hand."""
    # Stores from before there was a choice of engines do not name theirs.
    return {"origin": None, "engine": "torch", "versions": {}} | reading.json_object(meta)


def digest(settings):
    """A short name of anything that JSON can hold: of the settings, for a folder of parts."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
