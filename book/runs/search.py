"""The leaderboard's runs: every method tuned alike, then measured on every set, by one file.

`book/batches/peers.yaml` names methods, what each may vary, and sets. The search is that of
`book.runs.multiverse`, a set at a time: configuration n draws a value on each axis, is fitted once, and
judged on val. What is best over the development sets is fitted with more seeds on every set that is
here, and read, located and probed on test. A fit that is done is not done again.
"""

from dataclasses import field, replace
from functools import cached_property, partial
from importlib.util import find_spec
from typing import Annotated

import numpy as np
import pandas as pd
import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass

from book.evidence import leaderboard
from book.runs import finals, fits, multiverse, provenance
from data.common import pool
from data.files.paths import DATA, LOCAL, RESULTS, write_csv, write_json
from data.files.schema import STRICT, Name, Seed, Seeds, Text, checked, read_yaml
from tfe import systems
from tfe.errors import StudyError

Axes = dict[Text, Annotated[list, Field(min_length=1)]]  # {"schedule.lr": [...]}, entry lr of schedule
SMOKE = {"profile": "smoke", "configurations": 2, "seeds": [0], "read": 20}
EPOCHS = "schedule.epochs"  # an axis that a try of the smoke profile leaves to its profile: two


@dataclass(frozen=True, config=STRICT)
class Set:
    """A dataset: whose features, how many folds, the command that makes it; its folder, if not data/.

    Its own `seeds` and number of videos to `read`, if not the board's; of how many seeds L2X and AIL
    explain the plain heads.
    """

    encoder: Name
    folds: PositiveInt | None = None
    seeds: Seeds | None = None
    read: PositiveInt | None = None
    explained: NonNegativeInt = 0
    made: Text | None = None
    folder: str | None = None


@dataclass(frozen=True, config=STRICT)
class Method:
    """A row: fields of `Settings` that stay, axes of its own, and the package that it needs."""

    row: Text
    backbone: str
    method: str
    search: Axes = field(default_factory=dict)
    settings: dict = field(default_factory=dict)
    needs: Name | None = None


@dataclass(frozen=True, config=STRICT)
class Reading(multiverse.Multiverse):
    """The search on one set: a multiverse whose dataset may be a fold, or lie elsewhere."""

    table: Text
    dataset: str


class Places:
    """Where the `sets` of a file lie, and which of its `seeds` each takes."""

    def seeds_of(self, name):
        """The seeds of a set: its own, or else the file's."""
        return self.sets[name].seeds or self.seeds

    def fold(self, name, seed):
        """The fold of a set that a seed is tested on; None where it has none."""
        folds = self.sets[name].folds
        return seed % folds + 1 if folds else None

    def folder(self, name, seed=0):
        """Where a set lies, a path as text: of one with folds, the fold of this seed."""
        folder, fold = DATA / (self.sets[name].folder or name), self.fold(name, seed)
        return str(folder / f"fold{fold}" if fold else folder)


@dataclass(frozen=True, config=STRICT)
class Board(Places):
    """A file of a leaderboard; `starts`: the settings of the heads where warm starts begin.

    beside: rows that are run as all others, shown, and not ranked.
    """

    table: Text
    draws: Seed
    configurations: PositiveInt
    search_seed: Seed
    seeds: Seeds
    development: Annotated[list[Name], Field(min_length=1)]
    sets: Annotated[dict[Name, Set], Field(min_length=1)]
    starts: dict[str, dict]
    search: Axes
    methods: Annotated[list[Method], Field(min_length=1)]
    beside: list[Text] = field(default_factory=list)
    read: PositiveInt = 200
    profile: str = "default"
    device: str = "cpu"

    @property
    def rows(self):
        """The names of the methods, in the order of the file."""
        return [method.row for method in self.methods]

    def job(self, name, row, config, seed):
        """The `finals.Job` of a cell's seed."""
        one, (settings, begin) = self.sets[name], self.settings(row, config, seed)
        plain = settings.method == "vanilla"
        return finals.Job(settings, begin, self.folder(name, seed), one.encoder, one.read or self.read,
                          self.draws, plain and seed in self.seeds_of(name)[:one.explained])

    def reading(self, name):
        """The search on one set, as `multiverse.run` takes it."""
        usual, axes, methods = {"profile": self.profile, "device": self.device}, {}, []
        left_out = [EPOCHS] if self.profile == "smoke" else []
        for method in self.methods:
            own = {f"{method.row}: {axis}": (axis, values) for axis, values in method.search.items()
                   if axis not in left_out}
            shared = {axis: (axis, values) for axis, values in self.search.items()
                      if axis not in (*method.search, *left_out)}
            axes |= {key: [_value(axis, value) for value in values]
                     for key, (axis, values) in (shared | own).items()}
            methods.append({"row": method.row, "backbone": method.backbone, "method": method.method,
                            "axes": [*shared, *own], "settings": usual | method.settings})
        return checked(Reading, {
            "table": f"{self.table}_search_{name}", "dataset": self.folder(name),
            "encoder": self.sets[name].encoder, "draws": self.draws, "seed": self.search_seed,
            "configurations": self.configurations, "axes": axes, "methods": methods,
            "starts": {backbone: usual | given for backbone, given in self.starts.items()},
            # Of the other stages of a multiverse there are none.
            "best": 1, "more_seeds": [0], "final_seeds": [0], "final_splits": ["test"]}, name)

    def settings(self, row, config, seed):
        """`(Settings, those of its start or None)` of a method's configuration."""
        method = next(method for method in self._tuned.methods if method.row == row)
        return self._tuned.settings(method, config, seed)

    @cached_property
    def _tuned(self):
        """The search that settings are of, on whichever set: its draws are made once."""
        return self.reading(self.development[0])


def _value(axis, value):
    outer, _, inner = axis.partition(".")
    return {"value": str(value), "kind": "silent", "set": {outer: {inner: value} if inner else value}}


def read(path, **overrides):
    """The `Board` of a file; `overrides` that are not None replace its entries.

    Raises StudyError, in one line, for what in it is missing, unknown, of another type, or cannot be
    built.
    """
    given = read_yaml(path) | {key: value for key, value in overrides.items() if value is not None}
    board = checked(Board, given, path)
    if odd := sorted(set(board.development) - set(board.sets)):
        raise StudyError(f"{path}: development names {odd[0]}, which is none of `sets`: add it there")
    if odd := sorted(set(board.beside) - set(board.rows)):
        raise StudyError(f"{path}: beside names {odd[0]}, which is no row of `methods`: mend its name")
    if overrides.get("seeds"):  # a set with seeds of its own has as many of those
        board = replace(board, sets={name: replace(one, seeds=one.seeds and one.seeds[:len(board.seeds)])
                                     for name, one in board.sets.items()})
    if len(set(board.rows)) < len(board.rows):
        raise StudyError(f"{path}: two methods have one name: give each a `row` of its own")
    for method in filter(installed, board.methods):
        for config in range(board.configurations):
            try:
                settings, begin = board.settings(method.row, config, 0)
                settings.plan()
                with torch.device("meta"):  # takes no memory
                    system = settings.build(2, 8, "multilabel")
                    if begin:
                        systems.warm_start(system, begin.build(2, 8, "multilabel").state_dict())
            except Exception as error:  # whatever an unknown option makes a system raise
                raise StudyError(f"{path}: {method.row}, configuration {config}: "
                                 f"{multiverse.one_line(error)}") from None
    return board


def installed(method):
    """Whether the package that a method needs, if any, is there."""
    return not method.needs or find_spec(method.needs.replace("-", "_")) is not None


def on(board, name, folder, encoder):
    """The board of one set alone: searched on its val, measured on its test, in a folder of its name.

    A try of the smoke profile has a table of its own, so that it takes the place of no real one.
    """
    end = "_smoke" if board.profile == "smoke" else ""
    return replace(board, table=f"{name}/{board.table}{end}", development=[name],
                   sets={name: Set(encoder=encoder, folder=str(folder), explained=1)})


def run(board, workers=None):
    """Search, choose, fit and measure what has not been; return the table, a frame.

    Rows go to `results/local/` as they come; those committed in `results/` count as done while their
    key holds. What cannot be run, or breaks, is a row that says why, and is tried again by the next run.
    Raises StudyError where a development set is not here, or lacks a split.
    """
    for name in board.development:
        if not here(board, name):
            raise StudyError(f"{board.folder(name)} is no dataset: {how(board, name)}; every method is "
                             "tuned there")
        _refuse_unsplit(board, name, ("train", "val"))
    for name in filter(partial(here, board), board.sets):  # now, and not after hours of search
        _refuse_unsplit(board, name, ("train", "test"))
    refused = {method.row: reason for method in board.methods if (reason := _unable(board, method))}
    chosen = {}
    if able := [method for method in board.methods if method.row not in refused]:
        tried = replace(board, methods=able)
        chosen = leaderboard.chosen({name: multiverse.run(tried.reading(name), workers, list(range(
            board.configurations))) for name in board.development}, tried.rows)
        refused |= {row: "every configuration diverged or broke on one of the development sets"
                    for row in tried.rows if row not in chosen}
    for row, reason in refused.items():
        print(f"{row}: not run: {reason}")
    write_json(LOCAL / f"{board.table}.json", {
        "development": board.development, "configurations": board.configurations,
        "profile": board.profile, "sets": sorted(name for name in board.sets if here(board, name)),
        "read": {name: one.read or board.read for name, one in board.sets.items()},
        "chosen": {row: {"config": config, **_drawn(board, row, config)}
                   for row, config in chosen.items()},
        **provenance.receipt(board.device)})
    return _finals(board, chosen, refused, workers)


def here(board, name):
    """Whether a set's folder is there, and all its folds."""
    return all((DATA / board.folder(name, fold) / "dataset.toml").is_file()
               for fold in range(board.sets[name].folds or 1))


def how(board, name):
    """How a set that is not here comes there, in words."""
    made = board.sets[name].made
    return f"`{made}` makes it" if made else "give its folder"


def _refuse_unsplit(board, name, splits):
    dataset, *_, rows, _ = fits.opened(board.folder(name), board.sets[name].encoder)
    lacking = [split for split in splits if not len(rows[split])]
    if lacking:
        raise StudyError(f"{dataset.folder / 'videos.csv'}: no video of split {lacking[0]} has "
                         "features: every method is tuned on val and measured on test: give videos "
                         "that split")


def _unable(board, method):
    """Why a method cannot take the development sets, in words; None where it can."""
    if not installed(method):
        return f"it needs the package {method.needs}: `.venv/bin/python -m pip install {method.needs}`"
    reasons = (_unfit(board, name, board.settings(method.row, config, 0)[0])
               for name in board.development for config in range(board.configurations))
    return next(filter(None, reasons), None)


def _unfit(board, name, settings):
    """Why a system cannot take a set's features, in words; None where it can."""
    dataset, x, *_ = fits.opened(board.folder(name), board.sets[name].encoder)
    try:
        system = settings.build(len(dataset.classes), x.shape[2], dataset.task).train()
        system.classify(system.embed(torch.from_numpy(np.array(x[:2], np.float32))))
    except (RuntimeError, ValueError, IndexError) as error:
        return f"{name}: {multiverse.one_line(error)}"


def _drawn(board, row, config):
    """What a method's configuration is, `{axis: value}` in words."""
    method = next(method for method in board._tuned.methods if method.row == row)
    return {axis.removeprefix(f"{row}: "): value.value
            for axis, value in board._tuned.values(method, config).items()}


def _finals(board, chosen, refused, workers):
    """Fit and measure the chosen on every set, and write all rows after each fit.

    Rows of further seeds that an earlier run measured stay. refused: `{row: why}`, of those without a choice.
    """
    path, lines, waiting = LOCAL / f"{board.table}.csv", [], {}
    done, measured_on = {}, {}
    for file in (RESULTS / f"{board.table}{leaderboard.UNFINISHED}", RESULTS / path.name, path):
        table = leaderboard.read(file)
        table = table[~table.status.astype(str).str.startswith(multiverse.NOT_RUN)]
        for (key, _), part in table.groupby(["key", "row"]):  # two rows may be one fit
            done[key] = part.to_dict("records")
        for cell, part in table.groupby(["dataset", "row"]):
            measured_on[cell] = measured_on.get(cell, set()) | set(part.seed.astype(int).tolist())
    for name in board.sets:
        if not here(board, name):
            print(f"{name}: not run: its data are not here; {how(board, name)}")
            continue
        for row in board.rows:
            config = chosen.get(row, 0)
            reason = refused.get(row) or _unfit(board, name, board.settings(row, config, 0)[0])
            for seed in sorted({*board.seeds_of(name), *measured_on.get((name, row), ())}):
                job = board.job(name, row, config, seed)
                if seed not in board.seeds_of(name) and job.key not in done:
                    continue
                line = {"key": job.key, "dataset": name, "row": row, "config": chosen.get(row),
                        "fold": board.fold(name, seed)}
                lines.append((line, finals.refused(job, reason) if reason else None))
                waiting |= {} if reason or job.key in done else {job.key: job}
    print(f"{board.table}: {len(lines)} final fits, {len(waiting)} to do", flush=True)

    def write():
        table = [{**measured, **line} for line, lost in lines
                 for measured in lost or done.get(line["key"], ())]
        write_csv(path, pd.DataFrame(table, columns=leaderboard.COLUMNS), float_format="%.6g")
    for (key, _), measured in pool.over_cores(_final, waiting.items(), "finals", "fit", workers):
        done[key] = measured
        write()
    write()
    return leaderboard.read(path)


def _final(named):
    """In a worker: the lines of one final fit, by the code that its key names."""
    key, job = named
    multiverse.refuse_changed(key, job.key)
    return finals.lines(job)
