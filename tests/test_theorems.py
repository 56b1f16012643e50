"""The runner: rows and verdicts are recomputed, claims follow the verdicts alone."""

import csv

import pytest

from book.theory import theorems
from tfe.errors import StudyError
from data.files.paths import BOOK, RESULTS

FAILS = {"T1.minimum", "T1.union", "T1.step", "T1.theorem", "T1.eight", "T1.stochastic",
         "T1.deterministic", "T1.noisy", "T2.sufficiency", "T2.necessity.budget",
         "T2.conditional.budget", "B.scene", "B.plain", "B.excludes", "B.leak",
         "B.complete.xor", "B.complete.shared", "B.spurious", "G.bounded",
         "IB.informative"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("results") / "theorems.csv"
    theorems.run(path)
    return path


def test_verdicts(made):
    rows = theorems.load(made)
    assert {name for name, row in rows.items() if row["verdict"] == "fails"} == FAILS
    assert {row["verdict"] for row in rows.values()} == {"holds", "fails"}
    assert float(rows["T1.constant"]["worst"]) == pytest.approx(2, abs=2e-3)
    assert float(rows["T1.deterministic"]["worst"]) == pytest.approx(0.5033)
    assert float(rows["T1.theorem"]["worst"]) == 1


def test_columns_and_the_committed_file(made):
    with open(made, newline="") as file:
        reader = csv.DictReader(file)
        assert tuple(reader.fieldnames) == theorems.COLUMNS
        rows = list(reader)
    assert all(int(row["cases"]) > 0 and row["distribution"] and row["method"] for row in rows)
    committed = theorems.load(RESULTS / "theorems.csv")
    assert {n: r["verdict"] for n, r in committed.items()} == {
        n: r["verdict"] for n, r in theorems.load(made).items()}


def test_claims_follow_the_verdicts(made, tmp_path):
    judged = {row["id"]: row["verdict"] for row in theorems.claims(made)}
    assert judged["theorem-1"] == "refuted"
    assert judged["theorem-1-repaired"] == "confirmed"
    assert judged["theorem-2-necessity"] == "narrowed"
    assert judged["theorem-2-sufficiency"] == "refuted"
    turned = tmp_path / "theorems.csv"
    turned.write_text(made.read_text().replace(",holds", ",x").replace(",fails", ",holds")
                      .replace(",x", ",fails"))
    again = {row["id"]: row["verdict"] for row in theorems.claims(turned)}
    assert again["theorem-1"] == "confirmed"
    assert again["theorem-1-repaired"] == "refuted"


def test_claims_need_the_file_and_every_statement(made, tmp_path):
    with pytest.raises(StudyError, match="absent.csv is missing.*make theorems"):
        theorems.claims(tmp_path / "absent.csv")
    short = tmp_path / "short.csv"
    short.write_text("".join(made.read_text().splitlines(keepends=True)[:3]))
    with pytest.raises(StudyError, match="has no statement"):
        theorems.claims(short)


def test_evidence_names_a_heading_of_a_chapter(made):
    for row in theorems.claims(made):
        chapter, _, heading = row["evidence"].partition(", ")
        text = (BOOK / f"{chapter}.py").read_text(encoding="utf-8")
        if heading.startswith("exercise "):
            assert f"# **{heading.split()[1]}.**" in text
        else:
            assert f"# ## {heading}\n" in text.replace("$\\mathcal L_1$", "L1")
