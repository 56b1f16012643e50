"""The multiverse: many readings of one method, drawn at random and tuned alike on `val`.

A file (`book/batches/multiverse.yaml`) names the axes on which the paper's text leaves room, and the
methods that are searched over them. Configuration n of a method takes on each of its axes the value
that the file's seed draws for (n, axis): methods that share an axis share the draw. What an earlier
configuration of the method has is drawn again, so that all have as many different tries.

Three stages: every configuration once on `val`; the best of each method with more seeds; and the two
configurations that the rules in the file choose, with fresh seeds, on the splits held back till then.
"""

import zlib
from dataclasses import field, replace
from functools import cached_property, partial
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field, PositiveInt
from pydantic.dataclasses import dataclass

from book.runs import fits, provenance
from book.runs.settings import Settings
from data.common import pool
from data.files.paths import DATA, LOCAL, RESULTS, write_json, write_text
from data.files.reading import json_object
from data.files.schema import STRICT, Name, Seed, Seeds, Text, checked, read_yaml
from tfe.errors import StudyError

KINDS = ("printed", "silent", "departs")  # what the paper says of a value
NOT_RUN = "not run"  # begins the status of a fit that broke, and then says why
TRIES = 200  # draws until a configuration is as an earlier one: it has few values left
MEASURED = ["value", "fidelity_auc", "attention_auc", "class_attention_auc", "status", "loss_n",
            "uninformed", "seconds", "device"]
CELL = ["method", "config", "stage", "seed", "split"]
COLUMNS = ["backbone", "method", "config", "stage", "seed", "split", *MEASURED, "key"]


@dataclass(frozen=True, config=STRICT)
class Value:
    """A value of an axis: its name, what the paper says of it, and the settings that make it."""

    value: Text
    kind: Literal[KINDS]
    set: dict


@dataclass(frozen=True, config=STRICT)
class Method:
    """A method to search: fields of `Settings` that stay, and the axes that do not."""

    row: Text
    backbone: str
    method: str
    axes: Annotated[list[Text], Field(min_length=1)]
    settings: dict = field(default_factory=dict)


@dataclass(frozen=True, config=STRICT)
class Named:
    """A configuration that joins the drawn ones: its method, and the value of each of its axes.

    A value is named, or given whole where its axis has none of that name.
    """

    row: Text
    values: dict[str, Text | Value]


@dataclass(frozen=True, config=STRICT)
class Multiverse:
    """A file of readings; `starts`: by backbone, the settings of the heads where warm starts begin.

    A start is a vanilla head, unless it names another `method`. `more`: configurations that are not drawn;
    they are counted on from the drawn ones, and are among the best whatever the search gave.
    """

    table: Name
    dataset: Name
    encoder: Name
    draws: Seed
    configurations: PositiveInt
    seed: Seed
    best: PositiveInt
    more_seeds: Seeds
    final_seeds: Seeds
    final_splits: list[Text]
    starts: dict[str, dict]
    axes: Annotated[dict[str, Annotated[list[Value], Field(min_length=1)]], Field(min_length=1)]
    methods: Annotated[list[Method], Field(min_length=1)]
    more: list[Named] = field(default_factory=list)

    def values(self, method, config):
        """The value of each axis of a method in configuration `config`, `{axis: Value}`."""
        if config < self.configurations:
            return self._drawn[method.row][config]
        named = self.more[config - self.configurations].values
        if odd := set(named) ^ set(method.axes):
            raise StudyError(f"more: {method.row[:80]} has other axes: name its value of {sorted(odd)[0][:80]}, "
                             "or leave it out")
        return {axis: value if isinstance(value, Value) else self._value(axis, value)
                for axis, value in named.items()}

    def _value(self, axis, name):
        by_name = {one.value: one for one in self.axes[axis]}
        if name not in by_name:
            raise StudyError(f"more: {axis} has no value {name[:80]!r}: choose of {', '.join(by_name)}, or give it "
                             "whole")
        return by_name[name]

    def joined(self, row):
        """The numbers of a method's configurations in `more`."""
        return [self.configurations + n for n, one in enumerate(self.more) if one.row == row]

    @cached_property
    def _drawn(self):
        """The values of all configurations, `{row: [{axis: Value}]}`, no two alike while others are left."""
        found = {}
        for method in self.methods:
            mine = found[method.row] = []
            for config in range(self.configurations):
                tries = (self._draw(method, config, again) for again in range(TRIES))
                mine.append(next((one for one in tries if one not in mine), self._draw(method, config)))
        return found

    def _draw(self, method, config, again=0):
        """TFE's even configurations draw among what the text prints or leaves open: printed readings."""
        drawn = {}
        for axis in method.axes:
            draw = np.random.default_rng([self.draws, config, zlib.crc32(axis.encode()), again])
            allowed = [value for value in self.axes[axis]
                       if method.method != "tfe" or config % 2 or value.kind != "departs"]
            drawn[axis] = allowed[draw.integers(len(allowed))]
        return drawn

    def settings(self, method, config, seed):
        """`(Settings, those of its start or None)` of a configuration."""
        given = dict(method.settings)
        for value in self.values(method, config).values():
            given = _merged(given, value.set)
        given = {"backbone": method.backbone, "method": method.method, "seed": seed, **given}
        begin = self._start(method, seed) if given.get("start") == "warm" else None
        return checked(Settings, given, f"{method.row}, configuration {config}"), begin

    def _start(self, method, seed):
        """The settings of the head where a method begins, with this seed."""
        if method.backbone not in self.starts:
            raise StudyError(f"{method.row[:80]} may begin warm: name the head of backbone "
                             f"{method.backbone[:80]} where it begins in `starts`")
        given = {"method": "vanilla", **self.starts[method.backbone]}
        if given["method"] not in ("vanilla", method.method) and method.method != "tfe-plus":
            raise StudyError(f"{method.row[:80]} cannot begin at {str(given['method'])[:80]}: start it cold")
        return checked(Settings, {**given, "backbone": method.backbone, "seed": seed},
                       f"starts: {method.backbone}")


def _merged(one, other):
    """Two dicts of settings, and the dicts in them, as one."""
    return one | {key: {**one.get(key, {}), **value} if isinstance(value, dict) else value
                  for key, value in other.items()}


def read(path):
    """The `Multiverse` of a file. StudyError in one line for what in it is missing or unknown."""
    found = checked(Multiverse, read_yaml(path), path)
    if odd := {one.row for one in found.more} - {method.row for method in found.methods}:
        raise StudyError(f"{path}: more names {sorted(odd)[0][:80]!r}, which is no row of `methods`")
    for method in found.methods:
        for axis in method.axes:
            if axis not in found.axes:
                raise StudyError(f"{path}: {method.row[:80]} names the axis {axis[:80]!r}, which is "
                                 f"none: choose of {', '.join(found.axes)}"[:400])
        for config in [*range(found.configurations), *found.joined(method.row)]:
            try:
                settings, begin = found.settings(method, config, found.seed)
                settings.plan()
            except StudyError as error:
                raise StudyError(f"{path}: {error}") from None
    return found


def run(verse, workers=None, configs=None):
    """Run what has not run yet, stage by stage; return the rows as a frame.

    Rows are written to `results/local/` as they come, and those that are committed in `results/`
    count as done while their key holds. A fit that breaks is a row that says why; the next run tries it
    again. configs: of the first stage these alone, and no other stage.
    Raises StudyError where one of them does not exist.
    """
    wanted = configs or range(verse.configurations + len(verse.more))
    if odd := [config for config in wanted if config >= verse.configurations + len(verse.more)]:
        raise StudyError(f"configuration {odd[0]} does not exist: choose of 0 to "
                         f"{verse.configurations + len(verse.more) - 1}")
    data = str(DATA / verse.dataset)
    done = {(row["key"], row["split"]): {name: row[name] for name in MEASURED}
            for folder in (RESULTS, LOCAL)
            for row in read_table(folder / f"{verse.table}.csv").to_dict("records")
            if not str(row["status"]).startswith(NOT_RUN)}
    every = {method.row: [config for config in (*range(verse.configurations), *verse.joined(method.row))
                          if config in wanted] for method in verse.methods}
    jobs = _jobs(verse, "search", every, [verse.seed], ["val"])
    frame = _complete(verse, jobs, done, data, workers)
    if configs:
        return frame
    first = best(frame[frame.config < verse.configurations], verse.best)
    first = {row: numbers + verse.joined(row) for row, numbers in first.items()}
    jobs += _jobs(verse, "best", first, verse.more_seeds, ["val"])
    frame = _complete(verse, jobs, done, data, workers)
    by_row = chosen(verse, frame)
    write_json(LOCAL / f"{verse.table}.json", _chosen_once(verse, by_row, fits.opened(data, verse.encoder)[0].synthetic))
    picked = {row: set(by_rule.values()) for row, by_rule in by_row.items()}
    jobs += _jobs(verse, "final", picked, verse.final_seeds, verse.final_splits)
    return _complete(verse, jobs, done, data, workers)


def _chosen_once(verse, by_row, synthetic):
    """Before a split that was held back is read: what was chosen, by which plan, on what. It stays."""
    for path in (folder / f"{verse.table}.json" for folder in (RESULTS, LOCAL)):
        if path.is_file() and (said := json_object(path))["chosen"] != by_row:
            raise StudyError(f"{path} names another choice than the rows give: begin a search of another name")
        if path.is_file():
            return said
    plan = RESULTS / "plan.md"
    return {"chosen": by_row, "plan": provenance.digest(plan) if plan.is_file() else None, "dataset": verse.dataset,
            "encoder": verse.encoder, "synthetic": synthetic, **provenance.receipt()}


def _jobs(verse, stage, configs, seeds, splits):
    """Configuration by configuration over all methods: what is there is comparable at any time."""
    by_row = {method.row: method for method in verse.methods}
    most = max((number for numbers in configs.values() for number in numbers), default=-1)
    return [(stage, by_row[row], config, seed, splits) for config in range(most + 1)
            for row, numbers in configs.items() if config in numbers for seed in seeds]


def _complete(verse, jobs, done, data, workers):
    """Fit what is not done, and write the rows of all jobs after each fit; return them as a frame."""
    lines, waiting = [], {}
    for stage, method, config, seed, splits in jobs:
        settings, begin = verse.settings(method, config, seed)
        key = fits.key(settings, data, verse.encoder, begin)  # configurations may be equal
        lines += [{"backbone": method.backbone, "method": method.row, "config": config,
                   "stage": stage, "seed": seed, "split": split, "key": key,
                   **{axis: value.value for axis, value in verse.values(method, config).items()}}
                  for split in splits]
        if any((key, split) not in done for split in splits):
            waiting[key] = (settings, begin, tuple(splits))
    print(f"{verse.table}: {len(jobs)} fits, {len(waiting)} to do", flush=True)
    one = partial(fit, data=data, encoder=verse.encoder)
    fitted = pool.over_cores(one, [(key, *job) for key, job in waiting.items()], "fits", "fit", workers)
    for (key, *_), measured in fitted:
        done |= {(key, row["split"]): row for row in measured}
        _write(verse, lines, done)  # at once: an interruption loses the fits in hand alone
    return _write(verse, lines, done)


def fit(job, data, encoder):
    """In a worker: the rows of one fit, `(key, settings, start, splits)`, by the code that its key names."""
    key, settings, begin, splits = job
    refuse_changed(key, fits.key(settings, data, encoder, begin))
    device = provenance.receipt(settings.device, settings.threads)["device"]
    try:
        measured = fits.fit(settings, data, encoder, splits, begin)[0]
    except StudyError:  # what a user can mend stops the others as well
        raise
    except (RuntimeError, ValueError, IndexError) as error:  # one fit of many: the others go on
        measured = [{"split": split, "status": f"{NOT_RUN}: {one_line(error)}"} for split in splits]
    return [row | {"device": device} for row in measured]


def one_line(error):
    """What an error says, of any length and lines, for a cell of a table."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def refuse_changed(key, now):
    """In a worker, which may have begun after the keys were made: run no other code, no other data."""
    if key != now:
        raise StudyError("the code or the data changed while the batch ran: start it again")


def read_table(path):
    """The rows of a multiverse as they were written, a frame; none where there is no file."""
    if not path.is_file():
        return pd.DataFrame(columns=COLUMNS)
    frame = pd.read_csv(path, dtype=str)
    numbers = ["config", "seed", *(name for name in MEASURED if name not in ("status", "device"))]
    return frame.assign(**{name: pd.to_numeric(frame[name]) for name in numbers})


def _write(verse, lines, done):
    """Write what of the lines is done to `results/local/`; return it as it is read again.

    Rows of other stages and configurations that are there stay: whoever runs one alone loses none.
    """
    path = LOCAL / f"{verse.table}.csv"
    frame = pd.DataFrame([line | done[line["key"], line["split"]] for line in lines
                          if (line["key"], line["split"]) in done], columns=[*COLUMNS, *verse.axes])
    there, mine = read_table(path), pd.MultiIndex.from_frame(pd.DataFrame(lines)[CELL])
    others = there[~pd.MultiIndex.from_frame(there[CELL]).isin(mine)]
    both = pd.concat([frame, others]) if len(others) else frame
    write_text(path, both.to_csv(index=False, lineterminator="\n", float_format="%.6g"))
    return read_table(path).head(len(frame))  # a resumed search chooses by the same digits


def means(frame):
    """The mean over seeds of what a frame measured on `val`, one line a method and configuration."""
    on_val = frame[(frame.split == "val") & frame.value.notna()]
    return on_val.groupby(["method", "config"], sort=False).agg(
        value=("value", "mean"), fidelity_auc=("fidelity_auc", "mean"), seeds=("seed", "nunique"))


def best(frame, many):
    """The configurations of each method that are best on `val`, `{method: [config]}`."""
    lines = means(frame).reset_index()
    return {row: part.nlargest(many, "value").config.tolist()
            for row, part in lines.groupby("method", sort=False)}


def chosen(verse, frame, within=1.0):
    """The configurations that go on to the test, `{method: {rule: config}}`, of those with all seeds.

    "recognition": the highest mean on `val`. "fidelity": the highest fidelity among those whose mean
    on `val` lies within `within` points of the vanilla head's best, tuned alike.
    """
    lines = means(frame).reset_index()
    lines = lines[lines.seeds == 1 + len(verse.more_seeds)]
    backbone = {method.row: method.backbone for method in verse.methods}
    vanilla = {method.backbone: lines[lines.method == method.row].value.max()
               for method in verse.methods if method.method == "vanilla"}
    found = {}
    for row, part in lines.groupby("method", sort=False):
        part = part.set_index("config")
        found[row] = {"recognition": int(part.value.idxmax())}
        level = vanilla.get(backbone[row], part.value.max())
        near = part[part.value >= level - within]
        if len(near):
            found[row]["fidelity"] = int(near.fidelity_auc.idxmax())
    return found
