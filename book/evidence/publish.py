"""Tables of `results/local/` become the committed ones, by `publish` alone."""

import shutil
from dataclasses import replace

import pandas as pd

from book.evidence import answer, leaderboard, multiverse, phase, recordings, report, standing
from book.evidence import worlds as elsewhere
from book.runs import batch, worlds
from book.runs import multiverse as search
from data.files import schema, store
from data.files.dataset import open_dataset
from data.files.schema import named, read_yaml
from tfe.errors import StudyError
from data.files.paths import BOOK, LOCAL, RESULTS, ROOT, atomic, write_csv

CARD = ["piece", "state", "quantity", "value", "device", "seconds", "commit"]  # of results/gpu.csv


def publish(name):
    """Copy a table and all that belongs to it from `results/local/` to `results/`.

    The headline, Table 1 with most seeds, is also the answer that the README gives; what it says of real
    recordings is made of their tables. Returns the paths written. Raises StudyError where the table is
    missing or incomplete, or not of the dataset, encoder, profile and seeds of its batch file.
    """
    path = BOOK / "batches" / f"{named(name)}.yaml"
    given = read_yaml(path)
    if "of" in given:
        return _publish_worlds(worlds.read(path))
    if "sets" in given:
        return _publish_board(name, given)
    if "axes" in given:
        return _publish_search(name, path)
    sweep = phase.read(path) if "sweep" in given else None
    grid = sweep.batch if sweep else batch.read(path)
    files = [_made(name, end) for end in (phase.FILES if sweep else standing.FILES)]
    _refuse_other_runs(name, grid, sweep)
    files += [path for path in [LOCAL / f"{name}{report.PEOPLE}"] if path.is_file()]
    written = _copied(files)
    if name in ("headline", "rate"):
        answer.write(ROOT / "README.md", "answer", answer.paragraph(*(
            pd.read_csv(RESULTS / f"{each}.csv") for each in ("headline", "rate_summary", "rate"))))
    if name in recordings.SETS:
        tables = recordings.tables(), pd.read_csv(RESULTS / "headline_summary.csv")
        answer.write(ROOT / "README.md", "recordings", recordings.said(*(
            table[table.split == "test"] for table in tables)))
    return written


def _made(name, end=".csv"):
    """The file of a table in `results/local/`; StudyError where its batch has not made it."""
    path = LOCAL / f"{name}{end}"
    if not path.is_file():
        raise StudyError(f"{path} is missing: run `python -m book batch {BOOK.name}/batches/{name}.yaml` first")
    return path


def _refuse_other_runs(name, grid, sweep=None):
    """StudyError where a table is not of the rows, points and settings of its batch file, or sweep."""
    frame = pd.read_csv(LOCAL / f"{name}.csv")
    lacking = {point.row for point in grid.points()} - set(frame.row)
    if lacking:
        raise StudyError(f"{LOCAL / name}.csv has no row {sorted(lacking)[0]!r}: run the batch "
                         "in full before you publish it")
    if sweep and len(frame[list(phase.KNOBS)].drop_duplicates()) != len(sweep.points()):
        raise StudyError(f"{LOCAL / name}.csv: other points than {name}.yaml: run the batch in full before you "
                         "publish it")
    cell, agreed = ["row", "split"], {"seed": set(grid.seeds)}
    if sweep:
        cell += phase.KNOBS
    else:
        agreed |= {"dataset": {grid.dataset}, "profile": {grid.profile}, "encoder": {grid.encoder}}
    for key, wanted in agreed.items():
        if any(set(values) != wanted for _, values in frame.groupby(cell)[key]):
            raise StudyError(f"{LOCAL / name}.csv: a row has another {key} than {name}.yaml: run "
                             "the batch as it stands before you publish it")


def _copied(files):
    """Copy files of `results/local/` to `results/`, each at once; return the paths written."""
    for path in files:
        with atomic(RESULTS / path.name) as temporary:
            shutil.copyfile(path, temporary)
    return [RESULTS / path.name for path in files]


def _publish_board(name, given):
    """A leaderboard's cells that have all their seeds; the chapter calls the others not run.

    Rows of the others go to a file of their own, from which another machine goes on.
    Before it has chosen, the rows so far of its search alone, which count as done on any machine. What is
    committed of sets that are not here stays, where the file names them.
    """
    ends = [".csv", ".json", *(f"_search_{each}.csv" for each in given["development"])]
    there = [end for end in ends if (LOCAL / f"{name}{end}").is_file()]
    if there and not {*ends[:2]} & {*there}:
        return _copied([LOCAL / f"{name}{end}" for end in there])
    files = [_made(name, end) for end in ends]
    if schema.read(files[1]).get("profile") != given.get("profile", "default"):
        raise StudyError(f"{files[1]}: another profile than {name}.yaml: run the batch as it stands")
    frame, wanted = leaderboard.read(files[0]), {
        each: set(one.get("seeds") or given["seeds"]) for each, one in given["sets"].items()}
    asked = pd.Series([seed in wanted.get(each, ()) for each, seed in zip(frame.dataset, frame.seed)],
                      frame.index)
    whole = asked & frame.groupby(["dataset", "row"]).seed.transform(
        lambda seeds: wanted.get(seeds.name[0], {None}) <= set(seeds))
    if not whole.any():
        raise StudyError(f"{files[0]}: no cell has the seeds of {name}.yaml: run the batch as it stands")
    before, rest = leaderboard.read(RESULTS / files[0].name), RESULTS / f"{name}{leaderboard.UNFINISHED}"
    rows = [one["row"] for one in given["methods"]]
    mine = before.row.isin(rows) & before.dataset.isin({*wanted} & {*frame.dataset})
    _refuse_loss(files[0], frame, before[mine], ["dataset", "row", "seed"])
    table = _beside_others(frame[whole], before, frame.dataset, wanted)
    # Hundreds of lines a set: four digits, and what a run says of its mask on its first line alone.
    table.loc[table.duplicated(["row", "key"]), leaderboard.TELL] = None
    write_csv(RESULTS / files[0].name, table, float_format="%.4g")
    unfinished = frame[~whole & frame.dataset.isin(wanted)]
    if len(lines := _beside_others(unfinished, leaderboard.read(rest), frame.dataset, wanted)):
        write_csv(rest, lines, float_format="%.4g")
    else:
        rest.unlink(missing_ok=True)
    _copied(files[1:])
    if name == "peers":
        answer.write(ROOT / "README.md", "peers", leaderboard.answered(table, given))
    return [RESULTS / path.name for path in files] + [rest] * rest.is_file()


def _publish_worlds(places):
    """The rows so far of what a search chose, on the sets that were here; those of other sets stay."""
    made, receipt = (_made(places.table, end) for end in (".csv", ".json"))
    frame, before = (worlds.read_table(folder / made.name) for folder in (LOCAL, RESULTS))
    mine = before.dataset.isin({*frame.dataset} & {*places.sets}) & before.method.isin(places.rows)
    _refuse_loss(made, frame, before[mine], ["dataset", "method", "config", "seed"])
    both = _beside_others(frame, before, frame.dataset, places.sets)
    write_csv(RESULTS / made.name, both, float_format="%.6g")
    if places.table == "worlds":
        answer.write(ROOT / "README.md", "worlds", elsewhere.said(places, both))
    return [RESULTS / made.name, *_copied([receipt])]


def _beside_others(lines, before, here, wanted):
    """Lines of the sets that are here, and of the other `wanted` ones what was committed, in their order."""
    stays = before[before.dataset.isin(wanted) & ~before.dataset.isin(here)]
    return pd.concat([part for part in (lines, stays) if len(part)] or [lines]).sort_values(
        "dataset", key=lambda names: names.map(list(wanted).index), kind="stable")


def _refuse_loss(made, frame, before, cell):
    """StudyError where a table lacks committed rows: runs that someone made, maybe on another machine."""
    here, there = (pd.MultiIndex.from_frame(each[cell]) for each in (frame, before))
    if lost := int((~there.isin(here)).sum()):
        raise StudyError(f"{made} lacks {lost} rows of {RESULTS / made.name}: run the batch as it stands first")


def _publish_search(name, path):
    """The rows of a search so far: they count as done on any machine. With its last stage, what it says."""
    verse, made = search.read(path), _made(name)
    frame = search.read_table(made)
    _refuse_loss(made, frame, search.read_table(RESULTS / made.name), search.CELL)
    written = _copied([made])
    others = multiverse.asked_since() if name == "multiverse" else {}
    runs, summary = multiverse.as_table(verse, frame, others)
    if len(runs):
        written += _copied([LOCAL / f"{name}.json"])
    for end, table in (("_final", runs), ("_final_summary", summary)):
        if len(table) and name not in multiverse.FURTHER.values():  # those stand in the first search's summary
            written.append(RESULTS / f"{name}{end}.csv")
            write_csv(written[-1], table, float_format="%.6g")
    if name == "multiverse":
        answer.write(ROOT / "README.md", "searched", multiverse.answered(verse, frame, others))
    return written


def publish_card():
    """Put what `make gpu` found on this machine's card into results/gpu.csv, a line a quantity.

    Lines of other cards stay. Returns the paths written; StudyError where nothing ran on a card.
    """
    found = [schema.read(path) for path in sorted((LOCAL / "gpu").glob("*.json"))]
    found = [one for one in found if one["receipt"]["device"].startswith("cuda") and one["rows"]]
    if not found:
        raise StudyError(f"{LOCAL / 'gpu'} holds no piece that ran on a card: run `make gpu` first")
    lines = pd.DataFrame([
        (one["piece"], one["state"], *row, one["receipt"]["device"], one["seconds"],
         one["receipt"]["commit"]) for one in found for row in one["rows"]], columns=CARD)
    before = pd.read_csv(RESULTS / "gpu.csv")
    stays = ~(before.piece.isin(lines.piece) & before.device.isin([*lines.device, "not run"]))
    both = pd.concat([before[stays], lines]).sort_values("piece", kind="stable")
    write_csv(RESULTS / "gpu.csv", both, float_format="%.6g")
    return [RESULTS / "gpu.csv"]


def publish_heads(name):
    """Write the first seed's head of the rows that ship to `results/heads/`; yield the folders.

    Raises StudyError where the batch has not been run here.
    """
    from book.runs import heads

    grid = batch.read(BOOK / "batches" / f"{named(name)}.yaml")
    dataset = open_dataset(grid.folder)
    runs = [run for run in batch.plan(replace(grid, seeds=grid.seeds[:1]), dataset, grid.encoder)
            if run.row in heads.SHIPPED]
    if any(run.metrics is None for run in runs):
        raise StudyError(f"{name}: not all rows have run here with seed {grid.seeds[0]}: run "
                         f"`python -m book batch {BOOK.name}/batches/{name}.yaml` first")
    yield from heads.publish(runs, dataset, store.open_features(dataset, grid.encoder))
