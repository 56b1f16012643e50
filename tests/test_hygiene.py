"""The repository as a stranger gets it: no trace of a machine, no secret, tables as agreed."""

import csv
import os
import re
import subprocess
import sys
from collections import defaultdict

import pytest
from test_book import MACHINE

from book.evidence import leaderboard
from data.files.paths import RESULTS, ROOT

SECRET = re.compile(
    r"AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|hf_[A-Za-z0-9]{30}|xox[abp]-[0-9]{8}"
    r"|sk-[A-Za-z0-9]{32}|-----BEGIN [A-Z ]*PRIVATE KEY-----|https?://[^/\s:@]+:[^/\s@]+@")
RUNS = ("table,row,method,backbone,dataset,split,encoder,profile,seed,rho,k,metric,value,paper,"
        "fidelity_mass,fidelity_auc,fidelity_pointing,chance_mass,chance_pointing,seconds,device,"
        "commit")
READING = ",start,depth,below,key,position_auc,chance"  # some not yet in tables that are older
COLUMNS = {
    "table1.csv": RUNS, "table2.csv": RUNS, "table3.csv": RUNS,
    "table4.csv": "row,quantity,unit,printed,rebuilt,true",
    "cited.csv": "table,method,dataset,metric,value,source",
    "bench.csv": "item,baseline,ours,ratio,limit,unit,device,threads,commit",
    "bench_notes.csv": "item,verdict,rounds,ratio_low,ratio_high,why",
    "bench_scaling.csv": "quantity,axis,value,ms,device,threads,commit",
    "theorems.csv": "statement,distribution,method,cases,worst,verdict",
    "claims.csv": "id,where,claim,verdict,evidence",
    "parity.csv": "system,part,official_commit,relative_error,shape,size,seed,torch",
    "reported.csv": "system,dataset,metric,value,protocol,source",
    "gpu.csv": "piece,state,quantity,value,device,seconds,commit",
    "memory.csv": "backbone,method,tune,parameters_m,gflop,fixed_gb,trained_m,clip_gb",
    "peers.csv": ",".join(leaderboard.COLUMNS),
    "comparability.csv": "labels,videos,classes,prior,strength,measure,batch,seeds,value,difference,"
                         "low,high",
}
METHODS = {"vanilla", "tfe", "tfe-bounded", "tfe-plus", "mean-pool", "gated-mil", "topk-mil",
           "oracle-mask", *(f"variant{n}" for n in range(1, 6))}
BACKBONES = {"msqnet", "bike", "text4vis", "none"}
PRINTED = {"charades", "ucf101", "hmdb51"}  # the datasets of the paper's tables


@pytest.fixture(scope="module")
def listed():
    """The files that are in the repository or on their way into it."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others",
               "--exclude-standard"]
    try:
        names = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: which files belong to the repository is not known")
    return [name for name in names.split("\0") if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def texts(listed):
    """{path: text} of those that are text."""
    contents = {name: (ROOT / name).read_bytes() for name in listed}
    return {name: content.decode("utf-8") for name, content in contents.items()
            if b"\0" not in content}


def where(pattern, texts):
    """`file:line: match` for each match."""
    return [f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
            for name, text in texts.items() for match in pattern.finditer(text)]


def test_no_file_names_a_folder_of_some_machine(texts):
    assert where(MACHINE, texts) == []


def test_no_file_holds_a_secret(texts):
    assert where(SECRET, texts) == []


def test_a_path_and_a_secret_would_be_found():
    spoilt = {"a": "one\ncd /" + "home/me/x", "b": "https://me:word" + "@host/",
              "c": "AKIA" + "A" * 16}
    assert where(MACHINE, spoilt) == ["a:2: /" + "home/"]
    assert [found[:2] for found in where(SECRET, spoilt)] == ["b:", "c:"]


def test_no_pickle_and_no_video_is_committed(listed):
    refused = re.compile(r"\.(pkl|pickle|pt|pth|ckpt|npz|mp4|avi|mkv|webm|mpg)$")
    assert [name for name in listed if refused.search(name)] == []


def test_the_readme_names_both_commands(texts):
    for command in ("make reproduce-table1", "make test"):
        assert command in texts["README.md"]


def rows(name):
    """The rows of a result file; skips where the study has not made it yet."""
    if not (RESULTS / name).is_file():
        pytest.skip(f"results/{name} is not made yet")
    with open(RESULTS / name, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        return reader.fieldnames, list(reader)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_result_file_has_the_agreed_columns_and_no_hole(name):
    columns, table = rows(name)
    found = ",".join(columns)
    assert found.startswith(COLUMNS[name]) and (COLUMNS[name] + READING).startswith(found)
    assert found == COLUMNS[name] or COLUMNS[name] == RUNS  # others have no columns more
    assert table and all(None not in row and None not in row.values() for row in table)


@pytest.mark.parametrize("name", ["table1.csv", "table2.csv", "table3.csv"])
def test_runs_speak_the_vocabulary(name):
    table = rows(name)[1]
    assert {row["table"] for row in table} == {name[5]}
    assert {row["method"] for row in table} <= METHODS
    assert {row["backbone"] for row in table} <= BACKBONES
    assert {row["metric"] for row in table} <= {"map", "accuracy"}
    assert {row["profile"] for row in table} <= {"default", "paper"}


@pytest.mark.parametrize("name", ["table1.csv", "table2.csv", "table3.csv"])
def test_every_cell_has_five_seeds_once(name):
    cells = defaultdict(list)
    for row in rows(name)[1]:
        key = "row", "method", "backbone", "dataset", "split", "encoder", "profile", "rho", "k"
        cells[tuple(row[column] for column in key)].append(row["seed"])
    assert {cell: seeds for cell, seeds in cells.items()
            if len(seeds) < 5 or len(set(seeds)) < len(seeds)} == {}


@pytest.mark.parametrize("name", ["table1.csv", "table2.csv", "table3.csv"])
def test_a_printed_number_stands_only_beside_its_own_dataset(name):
    table = rows(name)[1]
    assert [row for row in table if row["paper"] and row["dataset"] not in PRINTED] == []


def test_a_foreign_package_called_data_does_not_win(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "__init__.py").write_text("raise SystemExit('the foreign one')\n")
    done = subprocess.run([sys.executable, "-m", "data", "--help"], cwd=ROOT, capture_output=True,
                          text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 0 and "planted_short" in done.stdout
