"""Runs as jobs through submitit's local executor: two at a time, one lost on purpose; and Slurm."""

import pandas as pd
import pytest
import submitit
import yaml
from test_batch import GRID
from test_multiverse import TINY

from book.evidence import report
from book.runs import array, batch, cluster, multiverse
from data.common import pool
from data.files.dataset import open_dataset
from tfe import StudyError


@pytest.fixture
def runs(toy, tmp_path, monkeypatch):
    for module in (batch, cluster):
        monkeypatch.setattr(module, "LOCAL", tmp_path)
    # It waits so long, in seconds, for what a lost job may still write to a slow disk.
    monkeypatch.setattr(submitit.Job, "_results_timeout_s", 1)
    path = tmp_path / "toy.yaml"
    path.write_text(GRID.format(data=toy, k=4, tau=0.5))
    return batch.plan(batch.read(path), open_dataset(toy), "planted")[:3]


def test_a_lost_job_is_submitted_again_and_the_batch_completes(runs, monkeypatch, toy):
    submitted, lost = [], []
    usual, sleep = cluster._executor, cluster.time.sleep

    def executor(*arguments):
        made = usual(*arguments)
        map_array = made.map_array

        def recorded(*what):
            jobs = map_array(*what)
            submitted.extend(jobs)
            return jobs

        made.map_array = recorded
        return made

    def lose_one(seconds):
        assert sum(not job.done() for job in submitted) <= 2
        if submitted and not lost:
            lost.append(submitted[0])
            submitted[0].cancel()
        sleep(seconds)

    monkeypatch.setattr(cluster, "_executor", executor)
    monkeypatch.setattr(cluster.time, "sleep", lose_one)
    assert batch.execute(runs, workers=2, slurm="local") == []
    assert len(runs) == 3 and len(submitted) == 4 and lost
    assert all(run.metrics and (run.folder / "run.ipynb").is_file() for run in runs)
    assert len(report.table("toy", open_dataset(toy), runs, ["test"])) == 3

    submitted.clear()  # what is finished is not run again
    assert batch.execute(runs, workers=2, slurm="local") == [] and submitted == []


def test_a_job_lost_twice_is_listed_with_its_reason(runs, monkeypatch):
    usual = cluster._executor

    def executor(*arguments):
        made = usual(*arguments)
        map_array = made.map_array

        def doomed(*what):
            jobs = map_array(*what)
            for job in jobs:
                job.cancel()
            return jobs

        made.map_array = doomed
        return made

    monkeypatch.setattr(cluster, "_executor", executor)
    ((run, reason),) = batch.execute(runs[:1], workers=2, slurm="local")
    assert run is runs[0] and reason and run.metrics is None


def test_without_slurm_the_error_says_where_to_go(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # no sbatch here, even where Slurm is installed
    with pytest.raises(StudyError, match="--slurm gpu: .*run it where sbatch is, or give"):
        batch.execute(runs, slurm="gpu")


def test_a_search_as_jobs_has_the_rows_of_one_on_the_cores(toy, tmp_path, monkeypatch):
    cold = TINY | {"methods": [TINY["methods"][0]], "configurations": 1, "final_seeds": [20]}  # no start is written
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(cold))
    monkeypatch.setattr(cluster, "LOCAL", tmp_path)
    monkeypatch.setattr(multiverse, "DATA", toy.parent)
    verse, tables = multiverse.read(path), []
    for partition in ("local", None):
        for name in ("LOCAL", "RESULTS"):
            monkeypatch.setattr(multiverse, name, tmp_path / str(partition))
        with array.as_jobs(partition):
            tables.append(multiverse.run(verse, 2).drop(columns="seconds"))
    pd.testing.assert_frame_equal(*tables)
    assert len(tables[0]) == 3 and len(list((tmp_path / "jobs").rglob("*_result.pkl"))) == 3


@pytest.fixture
def at_once(monkeypatch):
    """A cluster whose jobs run here and now, but for those of the items that it returns, which are lost."""
    down = []
    monkeypatch.setattr(cluster, "run", lambda function, items, what, **_: (
        (item, None, "node down") if item[1] in down else (item, function(item), None) for item in items))
    return down


def test_of_a_search_lost_jobs_are_counted_when_the_others_are_there(at_once):
    usual, ended = pool.over_cores, []
    at_once.append({"point": 1})
    with pytest.raises(StudyError, match=r"fits: 1 of 2 jobs were lost \(node down\): start again"), (
            array.as_jobs("gpu")):
        ended.extend(pool.over_cores(len, [{"point": 1}, {"point": 2, "seed": 0}], "fits", "fit"))
    assert ended == [({"point": 2, "seed": 0}, 2)] and pool.over_cores is usual


def test_what_a_user_can_mend_stops_a_search_in_its_own_words(at_once):
    def refuse(item):
        raise StudyError("the data changed: start it again")
    with pytest.raises(StudyError, match="^the data changed: start it again$"), array.as_jobs("gpu"):
        next(pool.over_cores(refuse, [1, 2], "fits", "fit"))


def test_a_search_that_is_done_asks_for_no_cluster(monkeypatch):
    monkeypatch.setattr(cluster, "run", lambda *_, **__: pytest.fail("a cluster was asked"))
    with array.as_jobs("gpu"):
        assert list(pool.over_cores(len, [], "fits", "fit")) == []
