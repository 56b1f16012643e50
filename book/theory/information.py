"""Exact information measures of finite joint tables, in bits, and the paper's Eqs. (1) and (2).

A `Joint` is a table with one named axis per variable. Its measures are asked for as they are
written: `joint.H("x | y")`, `joint.I("z_S; z_N | y")`.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from tfe.errors import StudyError

TOLERANCE = 1e-6  # how far from one the sum of a table may be: float32 tables pass


def distribution(p, name="p"):
    """Return `p` as float64 after checking that it is a probability table of any shape.

    Raises StudyError, naming the argument, where an entry is not a finite number or is negative,
    or where the entries do not sum to one.
    """
    try:
        p = np.asarray(p, dtype=np.float64)
    except (TypeError, ValueError):
        raise StudyError(f"{name} is not a table of numbers: give an array with one axis per "
                         "variable") from None
    if not np.isfinite(p).all():
        raise StudyError(f"{name} holds NaN or infinity: give finite probabilities")
    if (p < 0).any():
        raise StudyError(f"{name} holds a negative entry ({p.min():.3g}): give probabilities")
    if abs(p.sum() - 1) > TOLERANCE:
        raise StudyError(f"{name} sums to {p.sum():.6g}, not 1: divide it by its sum")
    return p


def surprise(p):
    """Elementwise `-p log2 p`, with `0 log 0 = 0`; bits, any shape, unchecked."""
    return -p * np.log2(p, out=np.zeros_like(p), where=p > 0)


def entropy(p):
    """Shannon entropy of a table of any shape, in bits. Raises StudyError as `distribution`."""
    return float(surprise(distribution(p)).sum()) + 0.0  # never -0.0


def mutual_information(joint):
    """`I(a;b)` in bits of a two-axis table `p(a, b)`.

    Raises StudyError where `joint` has not two axes, or is no probability table.
    """
    joint = distribution(joint, "joint")
    if joint.ndim != 2:
        raise StudyError(f"joint has {joint.ndim} axes, not 2: sum the others out, or name them "
                         "(Joint)")
    return Joint(joint, "a b").I("a; b")


class Joint:
    """A joint law with named axes: `Joint(table, "x y z")`. `names` is a tuple of strings.

    Raises StudyError where `table` is no probability table, or the names are not one for each
    axis, or one stands twice.
    """

    def __init__(self, table, names):
        self.table = distribution(table, "table")
        self.names = tuple(names.split())
        if len(self.names) != self.table.ndim or len(set(self.names)) != len(self.names):
            raise StudyError(f"names {names!r}: the table has {self.table.ndim} axes: give one "
                             "different name for each, with spaces between")

    @classmethod
    def of(cls, names, function, *sources):
        """The law of `function(u1, u2, ...)`, a tuple of integers, for independent sources.

        A source is a size (uniform on `0 .. size - 1`) or a vector of probabilities.
        """
        laws = [np.full(s, 1 / s) if np.ndim(s) == 0 else distribution(s, f"sources[{i}]")
                for i, s in enumerate(sources)]
        cells = list(np.ndindex(*(len(law) for law in laws)))
        values = np.array([function(*cell) for cell in cells])
        table = np.zeros(values.max(0) + 1)
        weights = [np.prod([law[u] for law, u in zip(laws, cell)]) for cell in cells]
        np.add.at(table, tuple(values.T), weights)
        return cls(table, names)

    def marginal(self, names):
        """The table `p(names)`, with its axes in the order asked for. `"x y"` or `"x, y"`."""
        kept = self._split(names, names)
        if len(set(kept)) != len(kept):
            raise StudyError(f"names {names!r}: one stands twice: give each axis once")
        table = self.table.sum(tuple(a for a, n in enumerate(self.names) if n not in kept))
        order = [n for n in self.names if n in kept]
        return table.transpose([order.index(n) for n in kept])

    def H(self, query):
        """Entropy in bits: `"x z"`, or conditional `"x z | y"`."""
        groups, given = self._parse(query)
        if len(groups) != 1:
            raise StudyError(f"H({query!r}): an entropy has no ';': ask I for an information")
        return self._entropy(groups[0] + given) - self._entropy(given)

    def I(self, query):  # noqa: E743, the name that the subject gives it
        """Mutual information in bits: `"x; y"`, conditional `"x; y | z"`.

        Three groups, `"x; y; z"`, give the interaction information `I(x;y) - I(x;y|z)`, the
        middle of the Venn-like picture. It is signed: -1 for `z = x xor y`, +1 for three copies.
        """
        groups, given = self._parse(query)
        if len(groups) < 2:
            raise StudyError(f"I({query!r}): an information needs ';' between its groups")
        value = -self._entropy(given)
        for size in range(1, len(groups) + 1):
            for chosen in combinations(groups, size):
                # Inclusion and exclusion over the groups, as for the areas of a Venn picture.
                value -= (-1) ** size * self._entropy(sum(chosen, given))
        return max(value, 0.0) if len(groups) == 2 else value

    def _entropy(self, names):
        kept = set(names)
        away = tuple(axis for axis, name in enumerate(self.names) if name not in kept)
        return float(surprise(self.table.sum(away)).sum()) + 0.0

    def _parse(self, query):
        left, _, right = query.partition("|")
        groups = [self._split(group, query) for group in left.split(";")]
        if not all(groups):
            raise StudyError(f"{query!r}: a group is empty: write for example 'x; y | z'")
        return groups, self._split(right, query)

    def _split(self, text, query):
        names = tuple(text.replace(",", " ").split())
        for name in names:
            if name not in self.names:
                raise StudyError(f"{query!r}: no axis is named {name!r}: this table has "
                                 f"{', '.join(self.names)}")
        return names

    def __repr__(self):
        sizes = ", ".join(f"{n}: {s}" for n, s in zip(self.names, self.table.shape))
        return f"Joint({sizes})"


def channel(code, size, name="code"):
    """An encoder of `size` points as a channel `p(z|x)`, shape (size, |z|).

    `code` is a vector of integer names (deterministic) or already such a channel (stochastic).
    Raises StudyError for other shapes, negative names, or rows that are not distributions.
    """
    code = np.asarray(code)
    if code.ndim == 1 and len(code) == size and code.dtype.kind in "iub" and code.min() >= 0:
        return np.eye(int(code.max()) + 1)[code.astype(int)]
    if code.ndim != 2 or len(code) != size:
        raise StudyError(f"{name} has shape {code.shape}: give {size} integer names >= 0, or a "
                         f"channel of shape ({size}, |z|)")
    for x, row in enumerate(code):
        distribution(row, f"{name}[{x}]")
    return code.astype(np.float64)


def encode(p_xy, **codes):
    """The joint law of `x, y` and its codes, `Joint` with the axes `x y` and the codes' names.

    `p_xy` is (|x|, |y|); every keyword is an encoder as `channel` takes it, for instance
    `encode(p_xy, z_S=[0, 0, 1, 1], z_N=[0, 1, 0, 1])`. Each code sees x alone, so that
    `z_S - x - y`, `z_N - x - y` and `z_S - x - z_N` are Markov chains, as the paper has them.
    """
    table = p_xy = distribution(p_xy, "p_xy")
    if p_xy.ndim != 2:
        raise StudyError(f"p_xy has {p_xy.ndim} axes, not 2: flatten the segments into one axis")
    for name, code in codes.items():
        # One more last axis for each code; x stays first.
        p_zx = channel(code, len(p_xy), name)
        table = table[..., None] * p_zx.reshape(len(p_xy), *[1] * (table.ndim - 1), -1)
    return Joint(table, " ".join(["x", "y", *codes]))


@dataclass(frozen=True)
class Terms:
    """What Eqs. (1) and (2) ask of a pair of encoders: bits, numbers or arrays over many pairs.

    `H_y` is H(y); `I_xS` is I(x;z_S), `I_Sy` is I(z_S;y), `I_Ny` is I(z_N;y), `I_SN` is
    I(z_S;z_N), and `H_x_Ny` is H(x|z_N,y).
    """

    H_y: Any
    I_xS: Any
    I_Sy: Any
    I_Ny: Any
    I_SN: Any
    H_x_Ny: Any

    @property
    def ib(self):
        """Eq. (1): I(x;z_S) - I(z_S;y)."""
        return self.I_xS - self.I_Sy

    @property
    def l1(self):
        """The first part of Eq. (2), of which Theorem 2 speaks: -I(z_S;y) + I(z_N;y)."""
        return -self.I_Sy + self.I_Ny

    @property
    def l2(self):
        """The second part of Eq. (2): I(z_S;z_N)."""
        return self.I_SN

    @property
    def dib(self):
        """Eq. (2), L_DIB."""
        return self.l1 + self.l2

    @property
    def complete(self):
        """Eq. (2) with the completeness term of Pan et al. (2021) restored: L_DIB + H(x|z_N,y).

        Theirs is -I(x;z_N,y), which differs by the constant H(x): so the minimum is -H(y) too.
        """
        return self.dib + self.H_x_Ny

    @property
    def incompression(self):
        """The left side of Theorem 1: |I(x;z_S) - H(y)| + |I(z_S;y) - H(y)|."""
        return abs(self.I_xS - self.H_y) + abs(self.I_Sy - self.H_y)


def information_bottleneck(joint, beta=1.0):
    """Eq. (1), `I(x;z_S) - beta I(z_S;y)` in bits, of a `Joint` with x, y, z_S; beta is 1 there."""
    return joint.I("x; z_S") - beta * joint.I("z_S; y")


def disentangled_bottleneck(joint):
    """The `Terms` of a `Joint` with the axes x, y, z_S, z_N: `.dib` is Eq. (2), `.l1 + .l2`."""
    return Terms(joint.H("y"), joint.I("x; z_S"), joint.I("z_S; y"), joint.I("z_N; y"),
                 joint.I("z_S; z_N"), joint.H("x | z_N, y"))
