"""Terms of a pair of deterministic encoders by counting, one pair at a time."""

from collections import defaultdict
from math import log2


def joint_information(p_x, s, n):
    """I(z_S; z_N) in bits of two partitions of the points of x, given as block names."""
    together, of_s, of_n = defaultdict(float), defaultdict(float), defaultdict(float)
    for p, a, b in zip(p_x, s, n):
        together[a, b] += p
        of_s[a] += p
        of_n[b] += p
    return sum(p * log2(p / (of_s[a] * of_n[b])) for (a, b), p in together.items() if p)
