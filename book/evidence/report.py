"""Runs to a table: one csv row a run and split, a summary with intervals, a page, a figure."""

import json
from functools import cache

import pandas as pd

from book import plots
from book.evidence import answer, chance, people, position, standing, statistics
from book.evidence.strips import is_closed, strips
from book.evidence.summary import MARGINS, summary
from book.evidence.verdicts import interval, intervals
from data.files import reading
from data.files.dataset import open_dataset
from data.files.paths import LOCAL, RESULTS, write_csv, write_json, write_text
from tfe.errors import StudyError
from tfe.systems import DEFAULT_K, GAMES, WITHOUT_TD

SHARED = "Seeds on one fold are averaged first: the interval is over folds. "
FEW = f"Of fewer than {statistics.FEWEST} seeds no interval is printed: they do not tell the spread. "
EQUAL = (f"\"=\": equal within {MARGINS['value']:g} point or {MARGINS['fidelity_auc']:g} AUC, by two "
         "one-sided tests at 5 %. ")
WORDS = ("\"Higher\", \"lower\": not equal, and the p value, corrected by Holm's rule over these questions and "
         "both measures, is below 0.05; an interval is of its line alone. ")
TEN = "results/headline.md has the rows with TFE and their controls with ten seeds. "
COLLAPSED = "\"collapsed\": runs that answer every video alike. "
FIDELITY = ("Fidelity: within-video AUC of the leave-one-segment-out read-out against the true "
            "intervals, chance 0.5. ")
PEOPLE = "_people.csv"  # of datasets alone that say who is in a video
COLUMNS = ("table,row,method,backbone,dataset,split,encoder,profile,seed,rho,k,metric,value,paper,"
           "fidelity_mass,fidelity_auc,fidelity_pointing,chance_mass,chance_pointing,seconds,"
           "device,commit,start,depth,below,key,position_auc,chance").split(",")


def table(name, dataset, runs, splits):
    """One row a run and split, in the columns of the study; values in per cent.

    `table` is the table's number, as in results/cited.csv, or the batch's name.

    A diverged run keeps its row, with an empty value. `paper` stays empty where the dataset is
    not the paper's.
    """
    there, rows, blind = set(dataset.videos.split), [], cache(_blind)
    for run in runs:
        made, given = run.metrics, run.settings
        if made is None:
            continue
        for split in splits:
            measured = made["splits"].get(split, {})
            if split not in there or not (measured or made["status"] == "diverged"):
                continue
            found = measured.get("fidelity", {})
            rows.append({
                "table": name.removeprefix("table"), "row": run.row, "method": given.method,
                "backbone": given.backbone, "dataset": dataset.name, "split": split,
                "encoder": run.encoder, "profile": given.profile, "seed": given.seed,
                "rho": dataset.settings.get("rho"), "metric": dataset.metric,
                "k": (given.disentangler.get("k", DEFAULT_K)
                      if given.method in GAMES and given.method not in WITHOUT_TD else None),
                "value": 100 * measured["value"] if measured else None, "paper": None,
                **blind(run.data, split, made["features"].get("T") if found else None),
                "start": given.start, "key": run.folder.name, **_reading(run),
                "seconds": round(made["seconds"], 1), "device": made["receipt"]["device"],
                "commit": made["receipt"]["commit"],
                **{f"fidelity_{key}": found.get(key) for key in ("mass", "auc", "pointing")},
                **{key: found.get(key) for key in ("chance_mass", "chance_pointing")}})
    return pd.DataFrame(rows, columns=COLUMNS)


def _blind(folder, split, segments):
    """What is known of a dataset, or a fold of it, without looking at a video: chance, and the position prior.

    The prior knows only where in the window actions tend to lie; `segments`: None where no AUC is asked for.
    """
    dataset = open_dataset(folder)
    ids = dataset.videos.video_id[dataset.videos.split == split]
    prior = position.control(dataset, segments, split) if segments else None
    return {"chance": chance.level(dataset.targets(list(ids)), dataset.metric),
            "position_auc": prior and prior["auc"]}


def _reading(run):
    """What of a TFE row the paper leaves open: what stays below D, and whose gradient trains it."""
    if run.settings.method not in GAMES:
        return {}
    below = run.settings.game.get("encoder", GAMES[run.settings.method].encoder)
    return {"depth": run.settings.depth, "below": {"disentangler": "D", "salient": "L_S",
                                                   "approximators": "A", "none": "nobody"}[below]}


def measures(runs, splits):
    """What else every run measured, one line a run, split and measure; values as measured.

    `attention_*` are the fidelity of the system's own attention, `erasure_*` of `book.evidence.erasure`,
    `probes_*` of `book.evidence.probes`.
    """
    lines = []
    for run in runs:
        for split in splits:
            found = run.metrics["splits"].get(split, {}) if run.metrics else {}
            for group in ("attention_fidelity", "class_attention_fidelity", "erasure", "probes"):
                lines += [{"row": run.row, "method": run.settings.method, "split": split,
                           "seed": run.settings.seed,
                           "measure": f"{group.removesuffix('_fidelity')}_{name}", "value": value}
                          for name, value in found.get(group, {}).items()]
    return pd.DataFrame(lines, columns=["row", "method", "split", "seed", "measure", "value"])


def page(name, frame, lines, receipt):
    """The table as a Markdown page, with a caption that says what was run and on what.

    receipt: what `write` keeps beside the table. Its `rates`, of each row, are shown because a row that
    hardly trains looks like one that does no harm.
    """
    settings, folds = receipt["settings"], receipt["folds"]
    kind = "synthetic data" if receipt["synthetic"] else f"real data: {settings.get('source')}"
    of_seeds = ("a 95% t interval over seeds, each on the test videos of its own fold"
                f" ({folds} folds). " + SHARED * (frame.seed.nunique() > folds) if folds > 1 else
                "a 95% t interval over seeds on these test videos; \"seeds and videos\": "
                "widened by a bootstrap over the test videos. ")
    by_fold = frame.assign(seed=frame.seed % folds) if folds > 1 else frame  # as `batch.plan` deals them
    unit = {"map": "mAP", "accuracy": "accuracy"}[frame.metric.iloc[0]]
    words = intervals(lines, f"{unit} (%)")
    shown = pd.concat([
        lines[["row", "split", "seeds"]],
        lines.row.map(lambda row: f"{receipt['rates'][row]:.0e}".replace("e-0", "e-")).rename("rate"), words.iloc[:, 0],
        lines.apply(interval, axis=1, name="video").rename("seeds and videos"),
        lines.against.fillna(""), words.iloc[:, 1:],
        lines.apply(_runaway, axis=1).rename("L_N runaway"),
        lines.apply(_collapsed, axis=1).rename("collapsed")], axis=1)
    shown = shown.loc[:, (shown != "").any()]
    caption = (
        f"{name} on {receipt['dataset']} ({kind}; {frame.encoder.iloc[0]} features, profile "
        f"{frame.profile.iloc[0]}, {frame.seed.nunique()} seeds, {frame.device.iloc[0]}). "
        f"{unit} with {of_seeds}\"difference\": to the row in \"against\", paired by seed. "
        + EQUAL * bool(lines.filter(regex="equal$").eq(True).any(axis=None))
        + FEW * bool((lines.seeds < statistics.FEWEST).any()) + COLLAPSED * ("collapsed" in shown)
        + FIDELITY * bool(frame.fidelity_auc.notna().any())
        + _positions(frame) + (told := answer.caption(by_fold)) + WORDS * bool(told)
        + TEN * ((name, receipt["dataset"]) == ("table1", "planted"))
        + "None of these numbers stands beside the paper's: the data are others.")
    return f"{caption}\n\n{shown.to_markdown(index=False, disable_numparse=True)}\n"


def _positions(frame):
    """What the position control reaches on each split, in a sentence; a mean over the runs' folds."""
    known = frame.reindex(columns=["split", "position_auc"]).dropna()  # older tables lack the column
    known = known.groupby("split", sort=False).position_auc.mean()
    words = ", ".join(f"{auc:.3f} ({split})" for split, auc in known.items())
    return f"A prior that knows only where in a video actions lie has AUC {words}. " * bool(words)


def _runaway(line):
    """How many of a row's runs ended with an L_N that ran away, where there is an A_N."""
    many = line.seeds + line.diverged
    return f"{line.runaway} of {many}" if pd.notna(line.get("loss_n")) else ""


def _collapsed(line):
    """How many of a row's runs answer every video alike, if any."""
    count = line.get("collapsed")
    return f"{count:.0f} of {line.seeds}" if pd.notna(count) else ""


def write(name, dataset, runs, splits, folder=LOCAL):
    """Write table, summary, page, receipt and figure to `folder`; return the page's text."""
    frame = table(name, dataset, runs, splits)
    if frame.empty:
        raise StudyError(f"{name}: no run finished, so there is no table")
    lines = summary(frame, runs)
    saliency = strips(dataset, runs, frame.split.iloc[0])
    for suffix, each in ((".csv", frame), ("_summary.csv", lines), ("_strips.csv", saliency),
                         ("_measures.csv", measures(runs, splits))):
        write_csv(folder / f"{name}{suffix}", each, float_format="%.6g")
    if len(found := people.by_person(dataset, runs, frame.split.iloc[0])):
        write_csv(folder / f"{name}{PEOPLE}", found, float_format="%.6g")
    finished = next(run.metrics for run in runs if run.metrics)
    made = dataset.folder / "receipt.json"
    receipt = {"dataset": dataset.name, "dataset_key": dataset.key,
               "synthetic": dataset.synthetic,
               "dataset_receipt": reading.json_object(made) if made.is_file() else None,
               "settings": {key: value for key, value in dataset.settings.items()
                            if key != "classes" or not is_closed(dataset)},
               "engine": finished["features"].get("engine"), "made_of": standing.made_of(runs),
               "rates": {run.row: run.settings.plan().lr for run in runs},
               "folds": len({run.data for run in runs}), **finished["receipt"]}
    text = page(name, frame, lines, receipt)
    draw(name, pd.read_csv(folder / f"{name}.csv"), receipt, folder)
    write_text(folder / f"{name}.md", text)
    write_json(folder / f"{name}.json", receipt)
    return text


def draw(name, frame, receipt, folder):
    """The figure of a table, from its csv and its receipt."""
    plots.style()
    notes = ["simulated features"] * (frame.encoder.iloc[0] == "simulated")
    notes += ["supervised scores"] * (", supervised" in receipt["settings"].get("source", ""))
    fig = plots.points(frame, ", ".join([receipt["dataset"], *notes]), receipt["synthetic"])
    plots.save(fig, folder / f"{name}.png")


def redraw(tables=(), folder=RESULTS):
    """Make page and figure of the named tables of `folder`, by default of all, again; yield the files."""
    for path in sorted(folder.glob("*.png")):
        if not path.with_suffix(".json").is_file() or (tables and path.stem not in tables):
            continue
        receipt = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        frame, lines = (pd.read_csv(folder / f"{path.stem}{suffix}.csv") for suffix in ("", "_summary"))
        write_text(path.with_suffix(".md"), page(path.stem, frame, lines, receipt))
        draw(path.stem, frame, receipt, folder)
        yield from (path.with_suffix(".md"), path)
