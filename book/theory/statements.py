"""The statements behind the bottleneck and the two theorems, each as a computation.

A function decorated with `statement` returns `cases, worst, holds`: how many cases it went
through, the worst of them, and whether the statement stood. Nothing here knows the answer.
The statements about masks and budgets stand in `statements_budget.py`.
"""

from dataclasses import dataclass
from itertools import chain
from typing import Callable

import numpy as np

from book.theory import toys
from book.theory.enumeration import all_pairs, partitions
from book.theory.information import Joint, channel, disentangled_bottleneck, encode

EPS = 1e-9  # bits; ties are counted in float64
STATEMENTS = {}


@dataclass(frozen=True)
class Statement:
    """What is claimed, of which distributions, how it is examined, and the examination."""

    text: str
    distribution: str
    method: str
    examine: Callable


def statement(name, text, distribution, method):
    """Register the decorated examination under `name`."""
    def register(examine):
        STATEMENTS[name] = Statement(text, distribution, method, examine)
        return examine
    return register


def tables(count, points, labels, functional, seed=0):
    """Random p(x, y), (points, labels); with `functional`, y is a function of x onto all labels."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        p_xy = rng.dirichlet(np.ones(points))[:, None] * rng.dirichlet(np.ones(labels), points)
        if functional:
            label = rng.permutation(np.arange(points) % labels)
            p_xy = p_xy.sum(1, keepdims=True) * channel(label, points)
        yield p_xy


def excess(terms):
    """a + b + c + d: the repaired objective above -H(y)."""
    return terms.complete + terms.H_y


def _grid(terms, name):
    return np.broadcast_to(getattr(terms, name), terms.I_SN.shape)


def minimisers(value):
    """Where `value` is at its minimum, ties included."""
    return value < value.min() + EPS


# Laws of (x, y) by what they are called in results/theorems.csv, each drawn anew when it is asked for.
F_TEXT, N_TEXT = "20 random x of 6 points, y = f(x)", "20 random x of 5 points, noisy y"
FUNCTIONAL = dict(count=20, points=6, labels=3, functional=True)
NOISY = dict(count=20, points=5, labels=2, functional=False)
LAWS = {F_TEXT: lambda: tables(**FUNCTIONAL), N_TEXT: lambda: tables(**NOISY),
        "two fair bits": lambda: [toys.two_bits().marginal("x y")],
        "three points": lambda: [toys.three_points().marginal("x y")],
        "a fair label and two fair nuisance bits, 8 points": lambda: [np.repeat(np.eye(2), 4, 0) / 8]}
PAIRS = "all pairs of partitions"
DESCENT = "gradient descent on stochastic encoders, 16 starts"


def below(name, text, *laws, measure, bound=EPS, note="", method=PAIRS):
    """Register: `measure(p_xy, terms)` stays below `bound` in every pair of partitions of `laws`."""
    @statement(name, text, "; ".join(laws) + note, method)
    def _():
        cases, worst = 0, -np.inf
        for p_xy in chain.from_iterable(LAWS[law]() for law in laws):
            terms = all_pairs(p_xy).terms
            cases, worst = cases + terms.I_SN.size, max(worst, float(measure(p_xy, terms)))
        return cases, worst, worst < bound


def ties(name, text, objective, other, many, loose):
    """Register: so `many` pairs of two fair bits minimise an objective, `loose` with another above 0."""
    @statement(name, text, "two fair bits", PAIRS)
    def _():
        terms = all_pairs(toys.two_bits().marginal("x y")).terms
        best = minimisers(getattr(terms, objective))
        found = int((_grid(terms, other)[best] > EPS).sum())
        return terms.I_SN.size, found, int(best.sum()) == many and found == loose


def _loosest(_, terms):
    """The largest left side of Theorem 1 at a minimum of Eq. (2)."""
    return _grid(terms, "incompression")[minimisers(terms.dib)].max()


below("IB.constant", "Eq. (1) is at least 0 and a constant z_S minimises it", N_TEXT,
      measure=lambda p, t: max(-t.ib.min(), abs(t.ib[0, 0])))  # 0: the constant


@statement("IB.informative", "every minimiser of Eq. (1) tells something of y", N_TEXT, PAIRS)
def _():
    cases, least = 0, np.inf
    for p_xy in tables(**NOISY):
        terms = all_pairs(p_xy).terms
        cases, least = cases + len(terms.ib), min(least, terms.I_Sy[minimisers(terms.ib)].min())
    return cases, least, least > EPS


below("T1.infimum", "the minimum of Eq. (2) is -I(x;y)", F_TEXT, N_TEXT,
      measure=lambda p, t: abs(t.dib.min() + Joint(p, "x y").I("x; y")))

below("T1.minimum", "the minimum of Eq. (2) is -H(y)", N_TEXT,
      measure=lambda p, t: t.dib.min() + t.H_y)

below("T1.minimum.functional", "the minimum of Eq. (2) is -H(y)", F_TEXT,
      measure=lambda p, t: abs(t.dib.min() + t.H_y))

below("T1.terms", "an excess of Eq. (2) below delta bounds each of its three terms by delta", F_TEXT,
      measure=lambda p, t: (np.maximum(np.maximum(t.H_y - t.I_Sy, t.I_Ny), t.I_SN)
                            - (t.dib - t.dib.min())).max())


def _lost_at_the_minimum():
    """Of each minimiser of Eq. (2) on two fair bits: H(x|z_S,z_N) and H(x|z_N,y); and of how many."""
    p_xy, codes = toys.two_bits().marginal("x y"), partitions(4)
    block = all_pairs(p_xy)
    best = block.where(minimisers(block.terms.dib))
    return [(encode(p_xy, z_S=codes[i], z_N=codes[j]).H("x | z_S z_N"),
             float(block.terms.H_x_Ny[0, j])) for i, j in best], block.terms.I_SN.size


@statement("T1.union", "at a minimum of Eq. (2), z_S and z_N together give x back",
           "two fair bits", PAIRS)
def _():
    found, cases = _lost_at_the_minimum()
    worst = max(lost for lost, _ in found)
    return cases, worst, worst < EPS


@statement("T1.step", "an excess below delta and x from (z_S, z_N) give H(x|z_N,y) < 3 delta",
           "two fair bits", PAIRS)
def _():
    found, cases = _lost_at_the_minimum()
    worst = max(left for lost, left in found if lost < EPS)
    return cases, worst, worst < EPS


below("T1.theorem", "Theorem 1: minimisers of Eq. (2) compress maximally", "two fair bits",
      measure=_loosest)

ties("T1.six", "six pairs minimise Eq. (2), and three of them do not compress maximally",
     "dib", "incompression", many=6, loose=3)

below("T1.eight", "Theorem 1: minimisers of Eq. (2) compress maximally",
      "a fair label and two fair nuisance bits, 8 points", method="all 4,140 x 4,140 pairs",
      measure=_loosest)


@statement("T1.stochastic", "an excess of Eq. (2) below .001 bounds the left side by .025",
           "two fair bits", DESCENT)
def _():
    from book.theory.search import search
    found = search(toys.two_bits().marginal("x y"),
                   lambda t: 30 * (t.dib + t.H_y) - t.incompression, starts=16)
    worst = found.terms.incompression if found.terms.dib + found.terms.H_y < 1e-3 else 0.0
    return 16, worst, worst < 0.025


below("T1.repaired", "with the completeness term, the left side is at most 2 (a+b+c+d)", F_TEXT,
      measure=lambda p, t: (t.incompression - 2 * excess(t)).max())


def _above_the_sharper_bound(p_xy, t):
    i_xy = Joint(p_xy, "x y").I("x; y")
    left = abs(t.I_xS - i_xy) + abs(t.I_Sy - i_xy)
    return (left - (2 * (i_xy - t.I_Sy) + t.I_SN + t.H_x_Ny)).max()


below("T1.sharper", "with the completeness term, the left side is at most 2a + c + d", N_TEXT,
      note=" (I(x;y) in place of H(y))", measure=_above_the_sharper_bound)


def _random_ratio(p_xy, size, count, ratio):
    from book.theory.search import random_encoders, stochastic_terms
    codes = (random_encoders(len(p_xy), size, count, seed) for seed in (0, 1))
    return float(ratio(stochastic_terms(p_xy, *codes)).max())


@statement("T1.constant", "the left side is at most 2 (a+b+c+d) (worst: the largest ratio)",
           "two fair bits", "40,000 random stochastic pairs, and " + DESCENT)
def _():
    from book.theory.search import search
    p_xy = toys.two_bits().marginal("x y")
    found = search(p_xy, lambda t: -t.incompression / (excess(t) + 1e-3), starts=16)
    worst = max(_random_ratio(p_xy, 4, 40_000, lambda t: t.incompression / excess(t)),
                found.terms.incompression / excess(found.terms))
    return 40_016, worst, worst < 2 + EPS


@statement("T1.granted", "granting H(x|z_N,y) < 3 delta, the left side is below 4 delta",
           "two fair bits", "40,000 random stochastic pairs (worst: the largest ratio)")
def _():
    worst = _random_ratio(toys.two_bits().marginal("x y"), 4, 40_000, lambda t: t.incompression
                          / (t.dib + t.H_y).maximum(t.H_x_Ny / 3))
    return 40_000, worst, worst < 4 + EPS


@statement("T1.tight", "the constant 2 is attained: z_S a noisy copy of y, z_N = n",
           "two fair bits", "binary symmetric channels, flips .001 to .499")
def _():
    p_xy, flips = toys.two_bits().marginal("x y"), np.linspace(.001, .499, 250)
    ratios = []
    for flip in flips:
        noisy = np.array([[1 - flip, flip]] * 2 + [[flip, 1 - flip]] * 2)
        terms = disentangled_bottleneck(encode(p_xy, z_S=noisy, z_N=[0, 1, 0, 1]))
        ratios.append(terms.incompression / excess(terms))
    worst = float(np.abs(np.array(ratios) - 2).max())
    return len(flips), worst, worst < 1e-6


@statement("T1.attained", "where y = f(x), stochastic encoders bring a+b+c+d to 0",
           F_TEXT, "the functional representation, built")
def _():
    sums = [excess(disentangled_bottleneck(encode(p, z_S=p.argmax(1),
                                                  z_N=toys.functional_representation(p))))
            for p in tables(**FUNCTIONAL)]
    return len(sums), max(sums), max(sums) < EPS


below("T1.deterministic", "deterministic encoders bring a+b+c+d to 0", "three points",
      measure=lambda p, t: excess(t).min())


@statement("T1.noisy", "where y is not a function of x, the repaired minimum is -I(x;y)",
           "a fair bit and its copy, flipped with .1", DESCENT)
def _():
    from book.theory.search import search
    p_xy = np.array([[.45, .05], [.05, .45]])
    worst = search(p_xy, lambda t: t.complete, starts=16).value + Joint(p_xy, "x y").I("x; y")
    return 16, worst, worst < 1e-3


below("T2.necessity", "every minimiser of Eq. (2) minimises L1", F_TEXT, N_TEXT, bound=2 * EPS,
      measure=lambda p, t: t.l1[minimisers(t.dib)].max() - t.l1.min())

below("T2.sufficiency", "every minimiser of L1 minimises L2 = I(z_S;z_N)", "two fair bits",
      measure=lambda p, t: t.l2[minimisers(t.l1)].max())

ties("T2.twelve", "twelve pairs minimise L1, and six of them do not minimise Eq. (2)",
     "l1", "l2", many=12, loose=6)


@statement("T2.identity", "at a minimiser of L1, I(z_S;z_N) = I(z_S;z_N|y)",
           F_TEXT, "z_N the functional representation, z_S every partition that tells y")
def _():
    cases, worst = 0, 0.0
    for p_xy in tables(**FUNCTIONAL):
        z_N = toys.functional_representation(p_xy)
        for code in partitions(6):
            joint = encode(p_xy, z_S=code, z_N=z_N)
            if joint.H("y | z_S") < EPS:
                cases += 1
                worst = max(worst, abs(joint.I("z_S; z_N") - joint.I("z_S; z_N | y")))
    return cases, worst, worst < EPS


@statement("T2.rank", "dependent rows p(y|x) leave a z_N that is free of y but not of x",
           N_TEXT, "z_N along the null space (worst: the smallest I(x;z_N))")
def _():
    informed = []
    for p_xy in tables(**NOISY):
        z_N = toys.hidden_from(p_xy)
        joint = encode(p_xy, z_N=z_N)
        informed.append(joint.I("x; z_N") if joint.I("z_N; y") < EPS else 0.0)
    return len(informed), min(informed), min(informed) > 1e-6


@statement("T2.rank.full", "independent rows p(y|x) leave no such z_N: I(z_N;y) > 0 where "
           "I(x;z_N) > 0", "6 random x of 3 points, y of 4",
           DESCENT + " (worst: the least I(z;y)/I(x;z))")
def _():
    from book.theory.search import search
    least = min(search(p, lambda t: (t.I_Sy + 1e-9) / (t.I_xS + 1e-9), (3, 1), 16, 300).value
                for p in tables(6, 3, 4, False))
    return 6 * 16, least, least > 1e-4
