"""The schema of a file: a dataclass says what belongs into it, `checked` holds a file against that.

A dataclass of `pydantic.dataclasses` with `config=STRICT` gives types and ranges as annotations;
with `config=OPEN` the file may hold notes of its own beside them, but no misspelt entry.
"""

import json
import re
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, PositiveInt, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from data.files import reading
from tfe.errors import StudyError

STRICT = ConfigDict(extra="forbid", strict=True)  # "5" is no number, and a typo no option
OPEN = ConfigDict(extra="ignore", strict=True)
NAME = r"^\w[\w.-]{0,80}$"  # what files are named by: no path
Name = Annotated[str, Field(pattern=NAME)]
Text = Annotated[str, Field(min_length=1, max_length=200)]
SEEDS = 1000  # of a batch, at most
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Seeds = Annotated[list[Seed], Field(min_length=1, max_length=SEEDS)]
RUNS = 100_000  # of a batch, at most: more would be a slip of the pen
HALF = 65504  # the largest number of float16, in which features are kept


@dataclass(frozen=True, config=OPEN)
class DatasetFile:
    """`dataset.toml`: what a dataset folder says of itself."""

    task: Literal["multilabel", "singlelabel"]
    classes: Annotated[list[Text], Field(min_length=1, max_length=100_000)]
    name: Text | None = None
    metric: Literal["map", "accuracy"] | None = None
    source: str | None = None
    licence: str | None = None
    synthetic: bool = False
    videos: str | None = None


@dataclass(frozen=True, config=OPEN)
class MetaFile:
    """`meta.json`: what a feature store says of its making."""

    encoder: Text | None = None
    origin: str | None = None
    T: PositiveInt | None = None
    d: PositiveInt | None = None
    sampling: dict | str | None = None
    resolution: PositiveInt | None = None
    weights_sha256: str | None = None
    versions: dict[str, str] | None = None
    sha256: dict[Literal["features.npy", "index.csv"], str] | None = None


@dataclass(frozen=True, config=OPEN)
class MetricsFile:
    """`metrics.json`: what a run measured."""

    splits: dict[str, dict]
    status: Literal["finished", "runaway", "diverged"]
    features: dict
    receipt: dict
    seconds: float
    prior_ce: float | None
    history: list[dict[str, float]]


@dataclass(frozen=True, config=STRICT)
class Archive:
    """An entry of `archives.json`, `{name of an archive: its size and hash}`."""

    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


def checked(kind, given, where):
    """`given`, out of a file, as an instance of `kind`: a dataclass, or a type of such.

    Raises StudyError, in one line that begins with `where`, for the first entry that is missing,
    unknown, or of another type or range than the dataclass says.
    """
    known = [one.name for one in fields(kind)] if is_dataclass(kind) else []
    for name in given if known else ():
        meant = name not in known and get_close_matches(str(name)[:80], known, 1, 0.8)
        if meant:
            raise StudyError(f"{where}: unknown key {str(name)[:80]!r}: did you mean {meant[0]}?")
    try:
        # As JSON, because strict Python input would have to be an instance already.
        return TypeAdapter(kind).validate_json(json.dumps(given, default=str), strict=True)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(map(str, fault["loc"]))[:80]
        if fault["type"] == "missing":
            raise StudyError(f"{where}: {name} is missing: add a line `{name}: ...`") from None
        if fault["type"] == "unexpected_keyword_argument":
            raise StudyError(f"{where}: unknown key {name!r}: use {', '.join(known)}") from None
        raise StudyError(f"{where}: {name}: {fault['msg'][:200]}") from None


def array(path, x):
    """Raise StudyError unless `x`, the array in `path`, is of floats `(N, T, d)` that torch reads."""
    if not hasattr(x, "dtype"):
        raise StudyError(f"{path} is an npz, several arrays: save the one array by np.save")
    if x.dtype.kind != "f" or x.ndim != 3 or not x.size:
        raise StudyError(f"{path} has shape {x.shape} of {x.dtype}: it must be (N, T, d) of "
                         "floats, none of them 0")
    if not x.dtype.isnative or x.dtype.itemsize > 8:
        raise StudyError(f"{path} is of {x.dtype.str}, which torch cannot read: save it as float16")


def named(name):
    """The name of a table, which files are called by; StudyError where it could lead elsewhere."""
    if not re.fullmatch(NAME.strip("^$"), name):
        raise StudyError(f"{name[:80]!r} is no name of a table: write one such as table1, no path")
    return name


def read(path, kind=None):
    """A JSON or TOML file, as `reading` gives it, held against `kind` if given; as a dict.

    Raises StudyError, in one line, where it is missing, too large, not well formed, or holds other
    things than `kind` says.
    """
    path = Path(path)
    if not path.is_file():
        raise StudyError(f"{path} is missing, or is no file")
    found = (reading.toml if path.suffix == ".toml" else reading.json_object)(path)
    if kind:
        checked(kind, found, path)
    return found


def read_yaml(path):
    """A batch file, of runs or of a sweep, as a dict."""
    if not Path(path).is_file():
        raise StudyError(f"{path} is missing: name a file like book/batches/table1.yaml")
    return reading.yaml_object(path)
