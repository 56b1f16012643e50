"""All pairs of deterministic encoders of eight points, against counting one pair at a time."""

import numpy as np
from bench import Case, item


@item("enumerate", peers=(), allowed=5e6 / 4140**2, unit="us",
      why="4,140 x 4,140 pairs of encoders of 8 points, all "
      "five terms, at most 5 s; a pair. The plain way counts one of the terms, for 3,000 pairs")
def enumerate_pairs(smoke):
    from baselines.pairs import joint_information

    from book.theory import enumeration

    p_xy = np.random.default_rng(0).dirichlet(np.ones(16)).reshape(8, 2)
    codes, p_x = enumeration.partitions(8).tolist(), p_xy.sum(1).tolist()
    some = np.random.default_rng(1).integers(0, 4140, (3000, 2)).tolist()

    def baseline():
        for i, j in some:
            joint_information(p_x, codes[i], codes[j])
    return Case(baseline, lambda: enumeration.all_pairs(p_xy), pieces=(3000, 4140**2))
