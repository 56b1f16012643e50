"""`make theorems`: examine every statement, write results/theorems.csv, and judge the claims."""

from pathlib import Path

import pandas as pd

from book.theory import statements, statements_budget  # noqa: F401, the latter adds to the register
from data.files.paths import RESULTS, write_text
from tfe.errors import StudyError

COLUMNS = ("statement", "distribution", "method", "cases", "worst", "verdict")

# id, where the paper claims it, the claim in our words, the statements that it needs, those that
# save a part of it, and the chapter and section that show it.
CLAIMS = (
    ("eq1-compresses", "Eq. (1), section 3.1.1",
     "minimising Eq. (1), weights equal, keeps what z_S tells of y", ("IB.informative",), (),
     "02_bottleneck, Eq. (1) with its printed weights"),
    ("minimum", "Theorem 1, sketch", "the global minimum of L_DIB is -H(y)",
     ("T1.minimum", "T1.minimum.functional"), ("T1.minimum.functional",),
     "03_theorem1, Where the sketch breaks"),
    ("excess", "Theorem 1, sketch",
     "for y = f(x) an excess below delta bounds each of the three terms by delta", ("T1.terms",),
     (), "03_theorem1, Where the sketch breaks"),
    ("union", "Theorem 1, sketch", "x is the union of z_S and z_N at the optimum", ("T1.union",),
     (), "03_theorem1, Where the sketch breaks"),
    ("three-delta", "Theorem 1, sketch", "H(x) - I(x;z_N,y) < 3 delta", ("T1.step",), (),
     "03_theorem1, Where the sketch breaks"),
    ("theorem-1", "Theorem 1, section 3.1.2", "minimising L_DIB compresses maximally",
     ("T1.theorem", "T1.eight", "T1.stochastic"), (), "03_theorem1, Every pair of encoders"),
    ("constant-25", "Theorem 1, sketch", "25 delta, if the step before it is granted (4 will do)",
     ("T1.granted",), (), "03_theorem1, exercise 2"),
    ("theorem-1-repaired", "Theorem 1, with the completeness term of Pan et al. (2021)",
     "the left side is at most twice the excess; 2 is tight; the minimum is reached",
     ("T1.repaired", "T1.constant", "T1.tight", "T1.attained"), (), "03_theorem1, The repair"),
    ("theorem-2-necessity", "Theorem 2, section 3.1.3", "the optimum of L_DIB minimises L1",
     ("T2.necessity", "T2.necessity.budget"), ("T2.necessity",), "04_theorem2, Necessity"),
    ("theorem-2-sufficiency", "Theorem 2, sketch", "minimising L1 also minimises I(z_S;z_N)",
     ("T2.sufficiency",), (), "04_theorem2, Sufficiency"),
    ("eq4", "Eqs. (4) and (5)", "the adversarial game minimises L1",
     ("G.response", "G.bounded"), ("G.response",),
     "08_game, At best response the game is L1, exactly"),
    ("eq12", "Eq. (12)", "D's objective L_S - L_N has a minimum", ("G.bounded",), (),
     "08_game, L_N has no ceiling"),
    ("selects", "Section 3.1.2", "L_DIB separates the relevant segments from the others",
     ("B.supersets", "B.unique", "B.scene"), ("B.unique",),
     "05_budget, Fixed masks, independent segments"),
    ("exclusive", "Section 3.2.2", "the mask makes z_S and z_N exclude each other",
     ("B.excludes",), (), "05_budget, What the network keeps"),
    ("spurious", "Sections 1 and 2", "the framework suppresses spurious correlations",
     ("B.spurious", "B.context"), ("B.context",),
     "05_budget, A shortcut is label information"),
)


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
    _write(pd.DataFrame(rows, columns=COLUMNS), out_path)
    return rows


def record(rows, path=RESULTS / "claims.csv"):
    """Put claims into the ledger `path`, atomically: rows of the same id are replaced."""
    claims = pd.DataFrame(rows, columns=["id", "where", "claim", "verdict", "evidence"])
    if path.is_file():
        stored = pd.read_csv(path, dtype=str, keep_default_na=False)
        claims = pd.concat([claims, stored[~stored.id.isin(claims.id)]])
    _write(claims, path)


def _write(table, path):
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def load(path=RESULTS / "theorems.csv"):
    """The rows of a theorems.csv as `{id: row}`. Raises StudyError where it is not there."""
    path = Path(path)
    if not path.is_file():
        raise StudyError(f"{path} is missing: make it with `make theorems`")
    rows = pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records")
    return {row["statement"].partition(":")[0]: row for row in rows}


def claims(path=RESULTS / "theorems.csv"):
    """The rows of results/claims.csv about the theory, judged by the verdicts in `path`.

    `confirmed` where every statement that the claim needs holds, `narrowed` where those that
    save a part of it hold, `refuted` otherwise.
    """
    verdict = {name: row["verdict"] == "holds" for name, row in load(path).items()}
    rows = []
    for name, where, claim, needs, saves, evidence in CLAIMS:
        missing = [s for s in needs + saves if s not in verdict]
        if missing:
            raise StudyError(f"{path} has no statement {missing[0]!r}: run `make theorems` again")
        judged = ("confirmed" if all(verdict[s] for s in needs)
                  else "narrowed" if saves and all(verdict[s] for s in saves) else "refuted")
        rows.append(dict(id=name, where=where, claim=claim, verdict=judged, evidence=evidence))
    return rows
