"""A little of each suite in one process, which imports once: what `make test` tries."""

from reliability import adoption, faults, kills, repeats, reports, together, videos


def suite(trials=None, seed=0, only=None):
    """The cases of every other suite, small; the arguments are the suites' own, and not heeded."""
    yield from kills.suite(trials=2)
    yield from faults.suite(trials=4, only=["training", "features"])
    yield from together.suite(trials=1, only=["features"])
    yield from repeats.suite(trials=2, only=["training", "features"])
    yield from videos.suite(trials=8)
    yield from adoption.suite(trials=4)
    yield from reports.suite(only=["G"])
