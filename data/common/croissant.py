"""What a planted set is, for machines: its tables and videos as Croissant, ML Commons' format 1.0."""

from data.files.paths import sha256, write_json

FILE = "croissant.json"
CONTEXT = {  # as the specification gives it
    "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/", "conformsTo": "dct:conformsTo",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    **{name: {"@id": f"cr:{name}", "@type": "@json"} for name in ("data", "examples")},
    **{name: f"cr:{name}" for name in (
        "citeAs", "column", "equivalentProperty", "extract", "field", "fileObject", "fileProperty",
        "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField",
        "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate",
        "separator", "source", "subField", "transform")}}
# The columns of each table: type, what they say, and what else Croissant knows of them.
TABLES = {
    "videos": {
        "video_id": ("Text", "the video's name; its file is videos/NAME.mp4", {}),
        "split": ("Text", "train, val, test, or shifted, where the scene is independent of labels", {}),
        "duration": ("Float", "seconds that the picture lasts", {}),
        "labels": ("Text", "the actions shown", {"repeated": True}),
        "scene": ("Integer", "the number of the background", {})},
    "segments": {
        "video_id": ("Text", "the video", {"references": {"field": {"@id": "videos/video_id"}}}),
        "label": ("Text", "the action shown", {}),
        "start": ("Float", "seconds at which it begins", {}),
        "end": ("Float", "seconds at which it has ended", {})}}
KEYS = {"videos": {"key": {"@id": "videos/video_id"}}, "segments": {}}


def write(folder, name, about, version, since):
    """Describe a planted folder whose other files are written in its `croissant.json`.

    about: what was chosen, in words; version: the generator's, since: the date from which it holds.
    Tables and planted features carry their SHA-256: the seed determines it. Videos are a set of
    files, for which Croissant has none.
    """
    files = [folder / f"{table}.csv" for table in TABLES] + sorted(folder.glob("features/planted/*.npy"))
    videos = {"@type": "cr:FileSet", "@id": "mp4", "name": "mp4", "includes": "videos/*.mp4",
              "encodingFormat": "video/mp4", "description": "one file a video, H.264 without sound"}
    write_json(folder / FILE, {
        "@context": CONTEXT, "@type": "sc:Dataset", "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name, "version": f"{version}.0.0", "datePublished": since, "isLiveDataset": False,
        "description": f"Synthetic: computed, not filmed; no person is shown. {about}",
        "keywords": ["synthetic", "video", "action recognition", "temporal localization"],
        "license": "https://spdx.org/licenses/MIT",
        "creator": {"@type": "sc:Organization", "name": "The authors of the study of temporal fidelity"},
        "citeAs": "CITATION.cff of the study of temporal fidelity, whose generator made the data",
        "distribution": [*(_file(folder, path) for path in files),
                         *[videos] * (folder / "videos").is_dir()],
        "recordSet": [{"@type": "cr:RecordSet", "@id": table, "name": table, **KEYS[table],
                       "field": [_field(table, column) for column in TABLES[table]]}
                      for table in TABLES]})


def _file(folder, path):
    name = path.relative_to(folder).as_posix()
    return {"@type": "cr:FileObject", "@id": name, "name": name, "contentUrl": name,
            "contentSize": f"{path.stat().st_size} B", "sha256": sha256(path),
            "encodingFormat": "text/csv" if path.suffix == ".csv" else "application/octet-stream"}


def _field(table, column):
    kind, text, more = TABLES[table][column]
    split = {"transform": {"separator": ";"}} if "repeated" in more else {}
    return {"@type": "cr:Field", "@id": f"{table}/{column}", "name": column, "description": text,
            "dataType": f"sc:{kind}", **more,
            "source": {"fileObject": {"@id": f"{table}.csv"}, "extract": {"column": column}, **split}}
