"""`make theorems`: examine every statement, write results/theorems.csv, and judge the claims."""

from pathlib import Path

import pandas as pd

from book.theory import statements, statements_budget  # noqa: F401, the latter adds to the register
from data.files.paths import RESULTS, write_csv
from data.files.reading import yaml_object
from tfe.errors import StudyError

COLUMNS = ("statement", "distribution", "method", "cases", "worst", "verdict")


def examine():
    """Run every statement; return rows with the columns of results/theorems.csv."""
    rows = []
    for name, s in statements.STATEMENTS.items():
        cases, worst, holds = s.examine()
        # Rounding noise differs between machines; what lies below the tolerance is 0.
        worst = 0 if abs(worst) < statements.EPS else float(f"{worst:.4g}")
        rows.append(dict(zip(COLUMNS, (f"{name}: {s.text}", s.distribution, s.method, cases,
                                       f"{worst:g}", "holds" if holds else "fails"))))
    return rows


def run(out_path=RESULTS / "theorems.csv"):
    """Write what `examine` finds to `out_path`, atomically; return the rows."""
    rows = examine()
    write_csv(out_path, pd.DataFrame(rows, columns=COLUMNS))
    return rows


def record(rows, path=RESULTS / "claims.csv"):
    """Put claims into the ledger `path`, atomically: rows of the same id are replaced."""
    claims = pd.DataFrame(rows, columns=["id", "where", "claim", "verdict", "evidence"])
    if path.is_file():
        stored = pd.read_csv(path, dtype=str, keep_default_na=False)
        claims = pd.concat([claims, stored[~stored.id.isin(claims.id)]])
    write_csv(path, claims)


def load(path=RESULTS / "theorems.csv"):
    """The rows of a theorems.csv as `{id: row}`. Raises StudyError where it is not there."""
    path = Path(path)
    if not path.is_file():
        raise StudyError(f"{path} is missing: make it with `make theorems`")
    rows = pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records")
    return {row["statement"].partition(":")[0]: row for row in rows}


def claims(path=RESULTS / "theorems.csv"):
    """The rows of results/claims.csv about the theory, judged by the verdicts in `path`.

    What each needs and what saves a part of it stands in `claims.yaml`.
    """
    verdict = {name: row["verdict"] == "holds" for name, row in load(path).items()}
    rows = []
    for name, claim in yaml_object(Path(__file__).with_name("claims.yaml")).items():
        needs, saves = claim["needs"], claim.get("saves", [])
        missing = [s for s in needs + saves if s not in verdict]
        if missing:
            raise StudyError(f"{path} has no statement {missing[0]!r}: run `make theorems` again")
        judged = ("confirmed" if all(verdict[s] for s in needs)
                  else "narrowed" if saves and all(verdict[s] for s in saves) else "refuted")
        rows.append({"id": name, "where": claim["where"], "claim": claim["claim"],
                     "verdict": judged, "evidence": claim["shown"]})
    return rows
