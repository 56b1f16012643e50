"""The schema of a file: a dataclass says what belongs into it, `checked` holds a file against that.

A dataclass of `pydantic.dataclasses` with `config=STRICT` gives types and ranges as annotations.
"""

import json
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from tfe.errors import StudyError

STRICT = ConfigDict(extra="forbid", strict=True)  # "5" is no number, and a typo no option
Name = Annotated[str, Field(pattern=r"^\w[\w.-]{0,80}$")]  # what files are named by: no path


def checked(kind, given, where):
    """`given`, a dict out of a file, as an instance of the dataclass `kind`.

    Raises StudyError, in one line that begins with `where`, for the first entry that is missing,
    unknown, or of another type or range than the dataclass says.
    """
    try:
        # As JSON, because strict Python input would have to be an instance already.
        return TypeAdapter(kind).validate_json(json.dumps(given, default=str), strict=True)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(map(str, fault["loc"]))[:80]
        if fault["type"] == "missing":
            raise StudyError(f"{where}: {name} is missing: add a line `{name}: ...`") from None
        if fault["type"] == "unexpected_keyword_argument":
            known = ", ".join(one.name for one in fields(kind))
            raise StudyError(f"{where}: unknown key {name!r}: use one of {known}") from None
        raise StudyError(f"{where}: {name}: {fault['msg'][:200]}") from None


def read_yaml(path):
    """A batch file, of runs or of a sweep, as a dict."""
    if not Path(path).is_file():
        raise StudyError(f"{path} is missing: name a file like book/batches/table1.yaml")
    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise StudyError(f"{path} is not valid YAML ({' '.join(str(error).split())[:200]}): mend it")
    if not isinstance(found, dict):
        raise StudyError(f"{path}: write `table: ...`, `rows: ...` and so on, an entry a line")
    return found
