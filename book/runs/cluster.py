"""The same runs as jobs of a cluster, or as jobs of this machine, through submitit."""

import time

from tqdm import tqdm

from tfe.errors import StudyError
from data.files.paths import LOCAL

TRIES = 2  # a node may fail once


def run(function, items, what, *, partition, at_once, minutes=240):
    """Yield `(item, function(item), None)` as jobs end, or `(item, None, reason)` for a lost one.

    `partition` is a Slurm partition, or "local" for submitit's own executor on this machine;
    `at_once` jobs run side by side. What submitit pickles are these items and the result, in
    `results/local/jobs/`, both ours. A job that is lost (killed, node gone, out of time) is submitted
    again, once. Raises StudyError where Slurm is not there.
    """
    executor = _executor(partition, at_once, minutes)
    waiting, running, tries = list(items), {}, {}
    with tqdm(total=len(waiting), desc=what, unit="run", disable=None) as progress:
        while waiting or running:
            # Slurm itself holds an array back; the local executor would start everything at once.
            batch = len(waiting) if partition != "local" else at_once - len(running)
            now, waiting = waiting[:batch], waiting[batch:]
            if now:
                for item, job in zip(now, executor.map_array(function, now)):
                    running[job] = item
                    tries[item[0]] = tries.get(item[0], 0) + 1
            for job in [job for job in running if job.done()]:
                item = running.pop(job)
                try:
                    result, reason = job.result(), None
                except Exception as error:  # submitit raises its own kinds for what a job died of
                    result, reason = None, " ".join(f"{type(error).__name__}: {error}".split())[:300]
                    if tries[item[0]] < TRIES:
                        waiting.append(item)
                        continue
                progress.update()
                yield item, result, reason
            time.sleep(0.2)


def _executor(partition, at_once, minutes):
    import submitit

    cluster = "local" if partition == "local" else "slurm"
    try:
        executor = submitit.AutoExecutor(folder=LOCAL / "jobs" / "%j", cluster=cluster)
    except RuntimeError as error:
        raise StudyError(f"--slurm {partition}: {error}: run it where sbatch is, or give "
                         "--slurm local") from None
    executor.update_parameters(timeout_min=minutes, cpus_per_task=1, name="tfe")
    if cluster == "slurm":
        executor.update_parameters(slurm_partition=partition, slurm_array_parallelism=at_once)
    return executor
