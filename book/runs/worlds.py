"""What a search chose, elsewhere: trained anew on other sets, where nothing is tuned, and measured on test."""

from dataclasses import field
from functools import cached_property
from typing import Annotated

import pandas as pd
from pydantic import Field
from pydantic.dataclasses import dataclass

from book.runs import fits, multiverse, provenance
from book.runs.search import Places, Set, here, how
from data.common import pool
from data.files.paths import BOOK, LOCAL, RESULTS, write_csv, write_json
from data.files.reading import json_object
from data.files.schema import STRICT, Name, Seeds, Text, checked, read_yaml
from tfe.errors import StudyError

SPLIT = "test"
COLUMNS = ["dataset", "synthetic", "metric", "fold", "backbone", "method", "config", "seed", "split",
           *multiverse.MEASURED, "key"]


@dataclass(frozen=True, config=STRICT)
class Worlds(Places):
    """A file of sets; `of`: the search whose choices go there; `heads`: the order in which heads go.

    also: searches of one method each, whose choices go there as rivals, by the names of those rivals.
    """

    table: Name
    of: Name
    seeds: Seeds
    sets: Annotated[dict[Name, Set], Field(min_length=1)]
    heads: list[Name] = field(default_factory=list)
    also: dict[Text, Name] = field(default_factory=dict)

    @cached_property
    def search(self):
        """The search whose choices go to the sets."""
        return _search(self.of)

    @cached_property
    def rows(self):
        """What goes to the sets, `{row: (its search, its method, {rule: configuration})}`.

        Rivals go by their names.
        """
        own = _chosen(self.of)
        found = {method.row: (self.search, method, own[method.row]) for method in self.search.methods}
        for name, other in self.also.items():
            (method,), (rules,) = _search(other).methods, _chosen(other).values()
            found[name] = _search(other), method, rules
        return found

    def turn(self, head):
        """When a head's fits come: by `heads`, those that are not named last."""
        return [*self.heads, head].index(head)


def _search(name):
    return multiverse.read(BOOK / "batches" / f"{name}.yaml")


def _chosen(name):
    """What a search chose, `{method: {rule: configuration}}`."""
    for folder in (RESULTS, LOCAL):
        if (path := folder / f"{name}.json").is_file():
            return json_object(path)["chosen"]
    raise StudyError(f"{name}.json is missing: run `python -m book batch {BOOK.name}/batches/{name}.yaml` "
                     "until it has chosen")


def read(path):
    """The `Worlds` of a file. StudyError in one line for what in it is missing or unknown."""
    return checked(Worlds, read_yaml(path), path)


def run(worlds, workers=None):
    """Fit what has not been, set by set, and return the rows as a frame.

    Rows go to `results/local/` as they come; those committed in `results/` count as done while their key
    holds. A set that is not here is named and left out; a fit that breaks is a row that says why. The receipt
    says what was chosen and by which plan, and where fits were begun last; each row names its own device.
    """
    lines, waiting = [], {}
    path = LOCAL / f"{worlds.table}.csv"
    done = {row["key"]: {name: row[name] for name in multiverse.MEASURED}
            for folder in (RESULTS, LOCAL) for row in read_table(folder / path.name).to_dict("records")
            if not str(row["status"]).startswith(multiverse.NOT_RUN)}
    for name, one in worlds.sets.items():
        if not here(worlds, name):
            print(f"{name}: not run: its data are not here; {how(worlds, name)}")
            continue
        for row, verse, method, config, seed in (
                (row, verse, method, config, seed) for row, (verse, method, rules) in worlds.rows.items()
                for config in sorted({*rules.values()}) for seed in worlds.seeds_of(name)):
            settings, begin = verse.settings(method, config, seed)
            data = worlds.folder(name, seed)
            dataset, key = fits.opened(data, one.encoder)[0], fits.key(settings, data, one.encoder, begin)
            lines.append({"dataset": name, "synthetic": dataset.synthetic, "metric": dataset.metric,
                          "fold": worlds.fold(name, seed), "backbone": method.backbone,
                          "method": row, "config": config, "seed": seed, "key": key})
            if key not in done:
                waiting[key] = (settings, begin, data, one.encoder)
    waiting = dict(sorted(waiting.items(), key=lambda job: worlds.turn(job[1][0].backbone)))
    print(f"{worlds.table}: {len(lines)} fits, {len(waiting)} to do", flush=True)
    plan, receipt = RESULTS / "plan.md", path.with_suffix(".json")
    if waiting or not receipt.is_file():
        write_json(receipt, {
            "chosen": {row: rules for row, (_, _, rules) in worlds.rows.items()}, "of": worlds.of, "also": worlds.also,
            "plan": provenance.digest(plan) if plan.is_file() else None, **provenance.receipt("cpu", 1)})

    def write():
        table = [{"split": SPLIT, **line, **done[line["key"]]} for line in lines if line["key"] in done]
        write_csv(path, pd.DataFrame(table, columns=COLUMNS), float_format="%.6g")
    for (key, *_), (measured,) in pool.over_cores(
            _fitted, [(key, *job) for key, job in waiting.items()], "worlds", "fit", workers):
        done[key] = measured
        write()
    write()
    return read_table(path)


def _fitted(job):
    key, settings, begin, data, encoder = job
    return multiverse.fit((key, settings, begin, (SPLIT,)), data, encoder)


def read_table(path):
    """The rows as they were written, a frame; none where there is no file."""
    return pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=COLUMNS)
