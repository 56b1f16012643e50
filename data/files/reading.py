"""What comes from outside, read with care: text, tables, TOML and JSON, refused in one line each."""

import csv
import io
import json
import re
import tomllib
import unicodedata
from pathlib import Path

import pandas as pd
import yaml

from tfe.errors import StudyError

LARGEST = 2**28  # bytes: a list of three million videos has fewer
LARGEST_SETTINGS = {"YAML": 2**18, "TOML": 2**24, "JSON": 2**26}  # bytes
SHOWN = 20  # faults of one list that are printed; the others are counted


def nfc(name):
    """A name in the form in which names are compared: two machines may write an accent differently."""
    return unicodedata.normalize("NFC", name)


def text(path, largest=LARGEST):
    """The text of a UTF-8 file, in NFC and without a byte order mark."""
    path = Path(path)
    with open(path, "rb") as file:
        raw = file.read(largest + 1)
    if len(raw) > largest:
        raise StudyError(f"{path} has more than {largest:,} bytes: give a smaller file")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise StudyError(f"{path} is UTF-16: save it as UTF-8")
    try:
        return nfc(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line, before = raw.count(b"\n", 0, error.start) + 1, raw[:error.start].split(b"\n")[-1]
        raise StudyError(f"{path} line {line}: the byte {raw[error.start]:#x} after "
                         f"{before[-30:].decode()!r} is not UTF-8: save the file as UTF-8") from None


def toml(path):
    """A TOML file as a dictionary."""
    return _parsed(path, "TOML", tomllib.loads)


def json_object(path):
    """A JSON file that holds a table of names and values, as a dictionary."""
    return _parsed(path, "JSON", json.loads)


def yaml_object(path):
    """A YAML file of names and values, as a dictionary; without aliases, and 1e-3 is a number."""
    return _parsed(path, "YAML", lambda text: yaml.load(text, _Yaml))


def _parsed(path, form, parse):
    try:
        found = parse(text(path, LARGEST_SETTINGS[form]))
    except StudyError:
        raise
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:200]
        raise StudyError(f"{path} is not valid {form} ({reason}): mend it") from None
    if not isinstance(found, dict):
        raise StudyError(f"{path} is no table of names and values: write one, an entry a line")
    return found


class _Yaml(yaml.SafeLoader):
    """YAML without aliases, which make gigabytes of a few lines, and without keys given twice."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it holds an alias; write out what it stands for")
        return super().compose_node(parent, index)

    def construct_mapping(self, node, deep=False):
        found = super().construct_mapping(node, deep)
        if len(found) < len(node.value):
            raise yaml.YAMLError(f"a key stands twice near line {node.start_mark.line + 1}")
        return found


# YAML 1.1 takes 1e-3 for text.
_Yaml.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"),
                            list("-+0123456789"))


def table(path, columns):
    """A csv file as text cells; the index counts the file's lines, the header being line 1.

    Raises StudyError where one of `columns` is not there, where a row is longer or shorter than the
    header, but for empty cells at its end, or where a cell of `columns` holds a line break: a quote
    that is not closed swallows the rows after it.
    """
    path = Path(path)
    if not path.is_file():
        raise StudyError(f"{path} is missing: write it with the columns {','.join(columns)}")
    lines = csv.reader(io.StringIO(text(path), newline=""), strict=True)
    rows, begin = {}, 1
    try:
        for row in lines:
            if row:
                rows[begin] = row
            begin = lines.line_num + 1
    except csv.Error as error:
        raise StudyError(f"{path} line {begin}: cannot be read as csv ({error}): close each quote, "
                         "or remove it") from None
    header = [name.strip() for name in rows.pop(min(rows), [])] if rows else []
    while header and not header[-1]:
        header.pop()
    missing = [name for name in columns if name not in header]
    if missing:
        raise StudyError(f"{path} {_lacking(header, missing[0])}: its columns must be "
                         f"{','.join(columns)}")
    refuse(path, list(_misshapen(rows, header, columns)))
    frame = pd.DataFrame([row[:len(header)] for row in rows.values()], columns=header, dtype=object,
                         index=list(rows))
    return frame.astype(str)


def _lacking(header, name):
    other = next((mark for mark in ";\t|" if header and mark in header[0]), None)
    if other:
        return (f"separates its cells by {other!r}: save it with ',' between cells and '.' in "
                "numbers")
    return f"lacks the column {name!r}"


def _misshapen(rows, header, columns):
    """The faults of rows that do not fit the header."""
    places = [(name, header.index(name)) for name in columns]
    for line, row in rows.items():
        if len(row) < len(header) or any(cell.strip() for cell in row[len(header):]):
            yield (line, f"{len(row)} cells where the header has {len(header)}",
                   "write as many, and put a cell that holds a comma in quotes")
            continue
        for name, place in places:
            if "\n" in row[place] or "\r" in row[place]:
                yield (line, f"the cell of {name} holds a line break",
                       "close each quote on its line, or remove it")
    for name in {name for name in header if header.count(name) > 1}:
        yield 1, f"the column {name!r} stands twice", "keep one of them"


def refuse(path, faults):
    """Raise StudyError for the faults of a list, if any: `[(line or file, what is there, remedy)]`."""
    if not faults:
        return
    found = "; ".join((f"line {at}: " if isinstance(at, int) else f"{at}: ") + what
                      for at, what, _ in faults[:SHOWN])
    more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    remedies = "; ".join(dict.fromkeys(remedy for _, _, remedy in faults[:SHOWN]))
    raise StudyError(f"{path} {found}{more}: {remedies}")
