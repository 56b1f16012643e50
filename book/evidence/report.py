"""Runs to a table: one csv row a run and split, a summary with intervals, a page, a figure."""

import json

import numpy as np
import pandas as pd

from book.runs import provenance
from tfe import fidelity
from tfe.errors import StudyError
from data.files.paths import LOCAL, RESULTS, atomic, write_text
from book.evidence.summary import summary

FIDELITY = ("Fidelity: within-video AUC of the leave-one-segment-out read-out against the true "
            "intervals, chance 0.5. ")
FILES = (".csv", "_summary.csv", "_measures.csv", "_strips.csv", ".md", ".json", ".png")
COLUMNS = ("table,row,method,backbone,dataset,split,encoder,profile,seed,rho,k,metric,value,paper,"
           "fidelity_mass,fidelity_auc,fidelity_pointing,chance_mass,chance_pointing,seconds,"
           "device,commit").split(",")
STRIPS = ["video_id", "auc_of_choice", "row", "segment", "truth", "attention", "leave_one_out"]


def table(name, dataset, runs, splits):
    """One row a run and split, in the columns of the study; values in per cent.

    `table` is the table's number, as in results/cited.csv, or the batch's name.

    A diverged run keeps its row, with an empty value. `paper` stays empty where the dataset is
    not the paper's.
    """
    from tfe.systems import DEFAULT_K, GAMES, WITHOUT_TD

    there, rows = set(dataset.videos.split), []
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
                "seconds": round(made["seconds"], 1), "device": made["receipt"]["device"],
                "commit": made["receipt"]["commit"],
                **{f"fidelity_{key}": found.get(key) for key in ("mass", "auc", "pointing")},
                **{key: found.get(key) for key in ("chance_mass", "chance_pointing")}})
    return pd.DataFrame(rows, columns=COLUMNS)


def measures(runs, splits):
    """What else every run measured, one line a run, split and measure; values as measured.

    `attention_*` are the fidelity of the system's own attention, `erasure_*` of `book.evidence.erasure`,
    `probes_*` of `book.evidence.probes`.
    """
    lines = []
    for run in runs:
        for split in splits:
            found = run.metrics["splits"].get(split, {}) if run.metrics else {}
            for group in ("attention_fidelity", "erasure", "probes"):
                lines += [{"row": run.row, "method": run.settings.method, "split": split,
                           "seed": run.settings.seed,
                           "measure": f"{group.removesuffix('_fidelity')}_{name}", "value": value}
                          for name, value in found.get(group, {}).items()]
    return pd.DataFrame(lines, columns=["row", "method", "split", "seed", "measure", "value"])


def page(name, frame, lines, dataset, folds=1):
    """The table as a Markdown page, with a caption that says what was run and on what."""
    kind = "synthetic data" if dataset.synthetic else f"real data: {dataset.settings.get('source')}"
    of_seeds = ("a 95% t interval over seeds, each on the test videos of its own fold"
                f" ({folds} folds). " if folds > 1 else
                "a 95% t interval over seeds on these test videos; \"seeds and videos\": "
                "widened by a bootstrap over the test videos. ")
    unit = {"map": "mAP", "accuracy": "accuracy"}[dataset.metric]
    shown = []
    for line in lines.to_dict("records"):
        shown.append({
            "row": line["row"], "split": line["split"], "seeds": line["seeds"],
            f"{unit} (%)": interval(line, "value", "low", "high"),
            "seeds and videos": interval(line, None, "video_low", "video_high"),
            "against": "" if pd.isna(line["against"]) else line["against"],
            "difference": interval(line, "difference", "difference_low", "difference_high", "+"),
            "fidelity AUC": interval(line, "auc", "auc_low", "auc_high", digits=3),
            "AUC difference": interval(line, "auc_difference", "auc_difference_low",
                                        "auc_difference_high", "+", 3),
            "L_N runaway": f"{line['runaway']} of {line['seeds'] + line['diverged']}"
                           if pd.notna(line.get("loss_n")) else ""})
    shown = pd.DataFrame(shown)
    shown = shown.loc[:, (shown != "").any()]
    caption = (
        f"{name} on {dataset.name} ({kind}; {frame.encoder.iloc[0]} features, profile "
        f"{frame.profile.iloc[0]}, {frame.seed.nunique()} seeds, {frame.device.iloc[0]}). "
        f"{unit} with {of_seeds}\"difference\": to the row in \"against\", paired by seed. "
        + FIDELITY * bool(frame.fidelity_auc.notna().any())
        + "None of these numbers stands beside the paper's: the data are others.")
    return f"{caption}\n\n{shown.to_markdown(index=False, disable_numparse=True)}\n"


def interval(line, value, low, high, sign="", digits=1):
    """`62.1 [61.0, 63.2]` of a line's entries, or nothing where they are absent."""
    if pd.isna(line.get(low, np.nan)) and pd.isna(line.get(value, np.nan)):
        return ""
    middle = f"{line[value]:{sign}.{digits}f} " if value else ""
    if pd.isna(line.get(low, np.nan)):
        return middle.strip()
    return f"{middle}[{line[low]:{sign}.{digits}f}, {line[high]:{sign}.{digits}f}]"


def strips(dataset, runs, split, quantiles=(1 / 6, 3 / 6, 5 / 6)):
    """Saliency along a few videos: one line a video, row and segment; first seed of each row.

    The videos are chosen by rule, not by eye: those at `quantiles` of the within-video AUC of the
    first vanilla row's leave-one-out read-out. Empty where there are no true intervals to tell
    apart. Oracles are left out: they see the segments rearranged.
    """
    first = {}
    for run in runs:
        if (run.metrics and split in run.metrics["splits"]
                and run.settings.method != "oracle-mask"):
            first.setdefault(run.row, run)
    vanilla = next((r for r in first.values() if r.settings.method == "vanilla"), None)
    if dataset.segments is None or vanilla is None or _closed(dataset):
        return pd.DataFrame(columns=STRIPS)
    read = {row: _read_outs(run, split) for row, run in first.items()}
    ids, segments = read[vanilla.row]["video_ids"], read[vanilla.row]["attention"].shape[1]
    truth = dataset.truth(ids, segments).any(axis=1)
    auc = fidelity.per_video(read[vanilla.row]["leave_one_out"], truth)["auc"]
    order = np.argsort(auc, kind="stable")[:np.isfinite(auc).sum()]  # nan sorts last
    if not len(order):  # as where every segment of every window shows some action
        return pd.DataFrame(columns=STRIPS)
    chosen = [order[int(q * len(order))] for q in quantiles]
    return pd.DataFrame([
        {"video_id": ids[n], "auc_of_choice": auc[n], "row": row, "segment": t,
         "truth": int(truth[n, t]), "attention": each["attention"][n, t],
         "leave_one_out": each["leave_one_out"][n, t]}
        for n in chosen for row, each in read.items() for t in range(segments)], columns=STRIPS)


def _read_outs(run, split):
    """A run's read-outs per video `(N, T)`; leave-one-out as the mean over the true classes."""
    arrays = np.load(run.folder / "predictions.npz")
    targets = arrays[f"{split}.targets"]
    falls = (arrays[f"{split}.leave_one_out"] * targets[..., None]).sum(1)
    return {"video_ids": arrays[f"{split}.video_ids"], "attention": arrays[f"{split}.attention"],
            "leave_one_out": falls / np.maximum(targets.sum(1, keepdims=True), 1)}


def write(name, dataset, runs, splits, folder=LOCAL):
    """Write table, summary, page, receipt and figure to `folder`; return the page's text."""
    frame = table(name, dataset, runs, splits)
    if frame.empty:
        raise StudyError(f"{name}: no run finished, so there is no table")
    lines = summary(frame, runs)
    folds = len({run.data for run in runs})
    text = page(name, frame, lines, dataset, folds)
    saliency = strips(dataset, runs, frame.split.iloc[0])
    for suffix, each in ((".csv", frame), ("_summary.csv", lines), ("_strips.csv", saliency),
                         ("_measures.csv", measures(runs, splits))):
        write_text(folder / f"{name}{suffix}", each.to_csv(
            index=False, lineterminator="\n", float_format="%.6g"))
    draw(name, pd.read_csv(folder / f"{name}.csv"), dataset.name, dataset.synthetic,
         dataset.settings, folder)
    finished = next(run.metrics for run in runs if run.metrics)
    receipt = {"dataset": dataset.name, "dataset_key": dataset.key,
               "synthetic": dataset.synthetic,
               "settings": {key: value for key, value in dataset.settings.items()
                            if key != "classes" or not _closed(dataset)},
               "made_of": _made_of(runs), **finished["receipt"]}
    write_text(folder / f"{name}.md", text)
    write_text(folder / f"{name}.json", json.dumps(receipt, indent=1, sort_keys=True) + "\n")
    return text


def draw(name, frame, dataset, synthetic, settings, folder=LOCAL):
    """The figure of a table, from its csv and what its dataset says of itself."""
    from book import plots

    plots.style()
    notes = ["simulated features"] * (frame.encoder.iloc[0] == "simulated")
    notes += ["supervised scores"] * (", supervised" in settings.get("source", ""))
    fig = plots.table(frame, ", ".join([dataset, *notes]), synthetic)
    with atomic(folder / f"{name}.png") as temporary:
        fig.savefig(temporary, metadata={"Software": None})


def redraw(tables=(), folder=RESULTS):
    """Draw the named tables of `folder` that have a figure again, by default all; yield the files."""
    for path in sorted(folder.glob("*.png")):
        if tables and path.stem not in tables:
            continue
        receipt = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        draw(path.stem, pd.read_csv(path.with_suffix(".csv")), receipt["dataset"],
             receipt["synthetic"], receipt["settings"], folder)
        yield path


def _closed(dataset):
    """Whether the licence forbids to pass the dataset's lists on: no id, interval or class is written."""
    return "not to be passed on" in dataset.settings.get("licence", "")


def is_current(name, runs, folder=LOCAL):
    """Whether the table in `folder` was made of exactly these runs, by this code."""
    path = folder / f"{name}.json"
    return all((folder / f"{name}{suffix}").is_file() for suffix in FILES) and json.loads(
        path.read_text(encoding="utf-8"))["made_of"] == _made_of(runs)


def _made_of(runs):
    """What a table depends on: its rows and runs, and the code that adds them up."""
    return {"runs": [[run.row, run.against, run.folder.name] for run in runs],
            "code": provenance.sources(__file__)}
