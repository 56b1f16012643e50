"""The same seed, the same bits: the five stages again and again in fresh processes."""

from reliability import Case, stages
from reliability.trials import clean, prepared, run


def suite(trials=20, seed=0, only=None):
    """One case a stage: how many of `trials` repetitions gave the bytes of the first."""
    for name in only or stages.STAGES:
        with prepared(stages.STAGES[name]) as fresh:
            _, _, wanted = clean(stages.STAGES[name], fresh)
            failures = []
            for trial in range(trials):
                folder = fresh()
                run(stages.STAGES[name], folder)
                if stages.artifacts(folder) != wanted:
                    failures.append(f"trial {trial}: other bytes")
        yield Case("repeats", f"{name}: same seed on cpu with 1 thread", trials,
                   trials - len(failures), len(failures), "runs of other bits", tuple(failures))
