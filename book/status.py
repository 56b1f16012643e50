"""Parts of the pages that are made from committed files whenever the site is built."""

import json
import re

import nbformat
import pandas as pd

from book import notebooks
from book.evidence import multiverse
from book.runs.multiverse import read, read_table
from data.files.paths import BOOK, LOCAL, RESULTS, ROOT
from data.files.reading import json_object

NOTEBOOKS = "[0-9][0-9]_*.ipynb"


def contents():
    """The map of the book: every chapter that exists, and the question that it opens with."""
    lines = ["| | chapter | question |", "|---|---|---|"]
    for path in sorted(BOOK.glob(NOTEBOOKS)):
        prose = notebooks.prose(nbformat.read(path, 4).cells)
        number, title = re.search(r"^# (\d+)\. (.+)$", prose, re.M).groups()
        question = re.search(r"\*\*Question\.?\*\*\s+(.+?)(?=\n\s*\n|\Z)", prose, re.S)
        words = " ".join(question.group(1).split()) if question else ""
        if len(words) > 180:  # what leads up to the question stays in the chapter
            words = " ".join(sentence for sentence in re.split(r"(?<=[.?])\s+(?=[A-Z])", words)
                             if sentence.endswith("?"))
        lines.append(f"| {number} | [{title}]({path.name}) | {words} |")
    return "\n".join(lines)


def answer():
    """The answer in three paragraphs, as `make publish` wrote it into the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"<!-- answer:.*?-->\s*(.*?)<!-- /answer -->", text, re.S).group(1)
    return block.strip()


def folded(cell):
    """Whether a page folds a cell away: code that sets up, draws, or says a sentence; the text leads."""
    shown = json.dumps([output.get("data", {}) for output in cell.get("outputs", [])])
    return cell["cell_type"] == "code" and bool("plots.style()" in "".join(cell["source"]) or re.search(
        r'"image/png"|"text/markdown"|<figure class=', shown))


def made_of(stem, reads, prose):
    """The foot of a chapter's page: the code and results it was made of, the claims it bears on.

    reads: `{path from the root: digest}`, the stamp of the executed notebook; prose: its text.
    """
    def files(folders):
        return ", ".join(f"{{download}}`{path} <../{path}>`" for path in reads
                         if path.startswith(folders)) or "none"

    named = {int(number) for run in re.findall(r"Eqs?\.\s((?:\(\d+\)|,|and|to|\s)+)", prose)
             for number in re.findall(r"\d+", run)}
    equations = ", ".join(f"({number})" for number in sorted(named)) or "none"
    claims = pd.read_csv(RESULTS / "claims.csv")
    here = claims[claims.evidence.str.startswith(f"{stem},")]
    judged = "; ".join(f"{row.where}: {row.verdict}" for row in here.itertuples())
    return "\n".join([
        ":::{dropdown} What this chapter was made of", ":class-container: made-of", "",
        f"**Source**: {{download}}`book/{stem}.py <{stem}.py>`, which says whatever is said here.",
        "", f"**Equations of the paper** that it names ([symbols](notation.md)): {equations}",
        "", f"**Code**: {files(('tfe/', 'book/evidence/', 'book/theory/', 'data/'))}", "",
        f"**Results**: {files('results/')}", "",
        f"**Claims of the paper judged on it** ([all](26_claims.ipynb)): {judged or 'none'}.",
        ":::"])


def _receipts():
    """The committed receipts, `(file, what it says)` each."""
    for path in sorted(RESULTS.glob("*.json")):
        yield path, json_object(path)


def status():
    """One line a committed batch: what it ran on, how many runs, for how long, where."""
    lines = []
    for path, receipt in _receipts():
        runs = path.with_suffix(".csv")
        if "device" not in receipt or not runs.is_file():
            continue
        runs = pd.read_csv(runs)
        # A fit is measured on several splits or read-outs; a search names its fits by their keys.
        once = (runs.drop_duplicates("key") if "config" in runs
                else runs.drop_duplicates(["row", "seed"]) if "row" in runs
                else runs[runs.split == runs.split.iloc[0]])
        minutes = f"{once.seconds.sum() / 60:.1f}" if "seconds" in once else "not recorded"
        encoder = runs.encoder.iloc[0] if "encoder" in runs else receipt.get("encoder")
        no_video = encoder in (None, "planted", "simulated")
        if "dataset" in receipt:
            of = {"dataset": receipt["dataset"], "data": "real" if not receipt["synthetic"] else
                  f"synthetic {'features' if no_video else 'videos'}"}
        else:  # a leaderboard, whose rows say it
            of = {"dataset": f"{runs.dataset.nunique()} sets", "data": " and ".join(
                "synthetic" if made else "real" for made in sorted(runs.synthetic.unique()))}
        lines.append({"batch": path.stem, **of,
                      "runs": len(once), "training, minutes": minutes,
                      "device": receipt["device"].split(" (")[0], "commit": receipt["commit"]})
    return pd.DataFrame(lines).to_markdown(index=False)


def versions():
    """The versions that the committed batches were run with, as their receipts name them."""
    found = {}
    for _, receipt in _receipts():
        if "versions" in receipt:
            for name, version in {"Python": receipt["python"], **receipt["versions"]}.items():
                found.setdefault(name, set()).add(version)
    return "; ".join(f"{name} {', '.join(sorted(them))}" for name, them in found.items())


def chapter_times():
    """What each chapter cost when it was last measured, in seconds of one core."""
    times = pd.read_csv(RESULTS / "chapters.csv")
    each = ", ".join(f"{row.chapter} {row.core_seconds}" for row in times.itertuples())
    return (f"{each}. Together {times.core_seconds.sum()}, on {times.device[0]}, "
            f"commit {times.commit[0]}.")


def footprint():
    """What executing the whole book takes: time, memory, and the files that it reads."""
    costs = pd.read_csv(RESULTS / "chapters.csv")
    largest = costs.loc[costs.peak_gb.idxmax()]
    read = sum(file.stat().st_size for file in RESULTS.glob("**/*")
               if file.is_file() and LOCAL not in file.parents)
    return (f"{len(costs)} notebooks take {costs.core_seconds.sum()} seconds of one core. In "
            f"{costs.peak_gb.count()} of them memory was measured: the largest process, of "
            f"{largest.chapter}, peaks at {largest.peak_gb:.1f} GB. They read {read / 1e6:.0f} MB of "
            "committed results.")


def not_run():
    """Claims that wait for a benchmark, and what would test them."""
    claims = pd.read_csv(RESULTS / "claims.csv")
    waiting = claims[claims.verdict == "not testable here"]
    together = waiting.groupby(["where", "evidence"], sort=False).claim.agg("; ".join).reset_index()
    return together[["where", "claim", "evidence"]].rename(
        columns={"evidence": "what would test it"}).to_markdown(index=False)


def reliability():
    """What the suites of kills, faults and damage saw."""
    table = pd.read_csv(RESULTS / "reliability.csv")
    table["worst"] = table.worst.map("{:g}".format) + " " + table.unit
    return (table[["suite", "case", "trials", "passed", "worst"]].to_markdown(index=False)
            + f"\n\nOn {table.device.iloc[0]}, commit {', '.join(sorted(set(table.commit)))}.")


def repeats():
    """How often one seed gave the same bits on a card; says so where none was at hand."""
    cards = pd.read_csv(RESULTS / "gpu.csv").dropna(subset="value").query("piece == 'repeat'")
    return " ".join(f"On {card.device}, one seed's fits were {card.quantity}: {card.value:.0f}."
                    for card in cards.itertuples()) or "On a GPU repeats were **not run**."


def silent():
    """Where the paper leaves a choice: what it says, ours, why, and the other way."""
    return pd.read_csv(RESULTS / "choices.csv").fillna("").to_markdown(index=False)


def axes(printed=False):
    """The axes of the multiverse: what the text says of each value, and what it does in both heads."""
    verse = read(BOOK / "batches" / "multiverse.yaml")
    lines = multiverse.readings(verse, read_table(RESULTS / f"{verse.table}.csv"))
    table = multiverse.told(verse, lines[lines.printed] if printed else lines, ["MSQNet+TFE", "BIKE+TFE"])
    drawn = (table.iloc[:, 3:] != "").any(axis=1)
    return table[drawn].to_markdown(index=False)


def printed_axes():
    """The same of printed readings alone."""
    return axes(printed=True)
