"""The ledger: every claim of the paper that can be pointed at, judged by a rule from a results file.

A verdict is computed, never typed: change the file and the verdict follows. Where the file that a rule
reads is not there, or the claim is about a benchmark that nobody has run here, the verdict is "not
testable here" and the evidence says what would test it.
"""

import json
from pathlib import Path

import pandas as pd

from book.evidence.rules import CONFIRMED, NARROWED, REFUTED, RULES, UNSEEN, UNTESTED, load
from data.files.paths import RESULTS
from data.files.reading import yaml_object

# Where the printed rows stand, by table.
PRINTED = {1: "12_table1, The literature rows of the paper's Table 1",
           2: "13_table2, The literature rows of the paper's Table 2", 3: "14_table3, The printed rows"}


def printed(folder):
    """The paper's own cells of Tables 1 to 3: claims about benchmarks that were not run here."""
    cited, ablation = pd.read_csv(folder / "cited.csv"), pd.read_csv(folder / "reported.csv")
    ablation = ablation[ablation.source == "the paper, Table 3"].rename(
        columns={"system": "method"}).assign(table=3)
    for cell in pd.concat([cited[cited.source.str.contains("own row")], ablation]).itertuples():
        yield {"id": f"table{cell.table}-{cell.method}-{cell.dataset}".lower().replace(" ", "-"),
               "where": f"Table {cell.table}", "verdict": UNTESTED,
               "claim": f"{cell.method} reaches {cell.value} on {cell.dataset}",
               "evidence": f"{PRINTED[cell.table]}: not run: needs the videos of {cell.dataset} and the full-size "
                           f"head; the small heads on them: make reproduce-table{cell.table} DATA=DIR"}


def costs(folder):
    """The eight numbers of Table 4: the true cost, or that of the modules a counter by hooks sees."""
    if not (folder / "table4.csv").is_file():
        return
    for cell in load(folder, "table4").itertuples():
        near, seen = (abs(cell.printed / value - 1) < error
                      for value, error in ((cell.true, 0.01), (cell.rebuilt, 0.001)))
        yield {"id": f"table4-{cell.row}-{cell.quantity}".lower().replace(" ", "-"),
               "where": "Table 4",
               "verdict": CONFIRMED if near else NARROWED if seen else REFUTED,
               "claim": f"{cell.row} costs {cell.printed} {cell.unit} of {cell.quantity}",
               "evidence": f"17_table4, The eight numbers: true {cell.true:.1f} {cell.unit}; "
                           f"modules that a counter by hooks sees: {cell.rebuilt:.1f}"}


def listed():
    """The entries of `claims.yaml`, `{id: entry}`; those of several heads once a head."""
    found = {}
    for name, entry in yaml_object(Path(__file__).with_name("claims.yaml")).items():
        text = json.dumps(entry)
        for head in entry.get("heads", [""]):
            found[name.format(head=head.lower())] = json.loads(text.replace("{head}", head))
    return found


def reading(folder, given):
    """In which readings the rows of TFE that a rule is `given` were run, ahead of what it says of them.

    "" where a rule is given no table, or names the readings itself.
    """
    named = {*map(given.get, ("row", "ours", "other")), *given.get("rows", [])} - {None}
    itself = "heads" in given or "more" in given and not named
    if itself or not (folder / f"{given.get('name')}.csv").is_file():
        return ""
    runs = load(folder, given["name"])
    runs = runs[runs.row.isin(named) | (not named)].dropna(subset="below")
    found = dict.fromkeys(
        f"{'from scratch' if run.start == 'cold' else 'warm'}, {run.below.replace('D', '-L_N')} below D"
        for run in runs.itertuples())
    return f"{'; '.join(found)}: " if found else ""


def ledger(folder=RESULTS):
    """The rows of `claims.csv` about the experiments; those on the theory come from `book.theory`."""
    rows = []
    for name, entry in listed().items():
        try:
            verdict, words = RULES[entry["rule"]](folder, **entry.get("given", {}))
        except LookupError as error:
            verdict, words = UNTESTED, str(error.args[0])
        of_one = reading(folder, entry.get("given", {}))
        if of_one and verdict == REFUTED:  # one reading is not every reading
            verdict = UNSEEN
        rows.append({"id": name, "where": entry["where"], "claim": entry["claim"],
                     "verdict": verdict, "evidence": f"{entry['shown']}: {of_one}{words}"})
    return rows + [*costs(folder), *printed(folder)]
