"""The statements about masks: the budget, masks computed from x, shortcuts; and the game's two.

They stand in the register of `book.theory.statements`.
"""

from itertools import product

import numpy as np

from book.theory import toys
from book.theory.enumeration import masks
from book.theory.information import Joint, disentangled_bottleneck, encode
from book.theory.statements import EPS, minimisers, statement, tables

MASKS = "all masks"
FOUR = "x1 x2 x3 x4"


def independent_laws(count, seed=0):
    """Four independent random bits whose label is a random function of two of them."""
    rng = np.random.default_rng(seed)
    while count:
        label = rng.integers(0, 2, (2, 2))
        if (label[0] != label[1]).any() and (label[:, 0] != label[:, 1]).any():
            count -= 1
            yield Joint.of(FOUR + " y", lambda *b: (*b, label[b[0], b[1]]),
                           *rng.dirichlet([2, 2], 4))


def conditional_laws(count, segments=3, labels=3, seed=0):
    """Segments that are independent given y: random p(y) and random binary p(x_t|y)."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        table = rng.dirichlet(np.ones(labels))
        for _ in range(segments):
            table = table[..., None, :] * rng.dirichlet(np.ones(2), labels).T
        yield Joint(table, " ".join([*(f"x{t + 1}" for t in range(segments)), "y"]))


def selectors():
    """All 6,561 ways to choose one of three segments from the eight values of x = three bits.

    Yields the choice, (8,), the value that it shows, and the codes z_S (which segment, and its
    value) and z_N (which is missing, and the others' values).
    """
    x = np.array(list(product([0, 1], repeat=3)))
    others = np.array([[row[[u for u in range(3) if u != t]] @ [2, 1] for t in range(3)]
                       for row in x])
    points = np.arange(8)
    for choice in product(range(3), repeat=8):
        choice = np.array(choice)
        shown = x[points, choice]
        yield choice, shown, 2 * choice + shown, 4 * choice + others[points, choice]


def embedded(draws, residual=True, per_row=True, size=4, seed=0):
    """Eqs. (10), (11) with hard masks, k = 1 and identities for f, on the 16 values of four bits.

    Every draw has random embeddings, positions and weights; `per_row=False` has one query for all
    rows. Yields the joint law of x, z_S and z_N, with equal embeddings as one code.
    """
    rng = np.random.default_rng(seed)
    bits = np.array(list(product([0, 1], repeat=4)))
    for _ in range(draws):
        x = rng.normal(size=(2, size))[bits] + rng.normal(size=(4, size))        # (16, T, d)
        query, key, value = (x @ w for w in rng.normal(size=(3, size, size)))
        query = query if per_row else rng.normal(size=(1, size))
        chosen = (query @ key.transpose(0, 2, 1)).argmax(-1)                     # (16, Q)
        shown = np.take_along_axis(value, chosen[..., None], 1)                  # m x W_V
        yield encode(np.full((16, 1), 1 / 16), z_S=_code(shown + residual * x),
                     z_N=_code(value.sum(1, keepdims=True) - shown + residual * x))


def _code(z):
    """Embeddings (N, ...) as integer names, equal names where they are equal."""
    return np.unique(z.reshape(len(z), -1).round(9), axis=0, return_inverse=True)[1].ravel()


def only(name, text, words, joint, objective, wanted, method=MASKS + " (worst: how many masks tie)"):
    """Register: of the masks over x1 x2 x3 `wanted` minimises an objective, and no other does."""
    @statement(name, text, words, method)
    def _():
        chosen, terms = masks(joint, "x1 x2 x3")
        best = chosen[minimisers(getattr(terms, objective))]
        return len(chosen), len(best), len(best) == 1 and best[0].tolist() == wanted


@statement("B.supersets", "the minimisers of Eq. (2) are exactly the supersets of R",
           "20 laws of 4 independent segments, R two of them", MASKS)
def _():
    wrong = 0
    for joint in independent_laws(20):
        chosen, terms = masks(joint, FOUR)
        wrong += int((minimisers(terms.dib) != chosen[:, :2].all(1)).sum())
    return 20 * 16, wrong, wrong == 0


@statement("B.unique", "under |M| = |R| the relevant set R is the only minimiser",
           "20 laws of 4 independent segments, R two of them", MASKS)
def _():
    wrong = 0
    for joint in independent_laws(20):
        chosen, terms = masks(joint, FOUR)
        pairs = chosen.sum(1) == 2
        wrong += int((minimisers(terms.dib[pairs]) != chosen[pairs, :2].all(1)).sum())
    return 20 * 6, wrong, wrong == 0


@statement("B.scene", "supersets of R minimise Eq. (2) where segments share a scene bit",
           "three segments, a shared scene", MASKS + " (worst: supersets that do not)")
def _():
    chosen, terms = masks(toys.shared_scene(), "x1 x2 x3")
    missed = int((~minimisers(terms.dib) & chosen[:, 0]).sum())
    return len(chosen), missed, missed == 0


only("B.everything", "the mask of all segments is the only minimiser of Eq. (2)",
     "three segments, a shared scene", toys.shared_scene(), "dib", [True, True, True], MASKS)


@statement("T2.necessity.budget", "under |M| = k every minimiser of Eq. (2) minimises L1",
           "x1 noise, x2 = (y, n), x3 = n; k = 1", MASKS)
def _():
    chosen, terms = masks(toys.shared_nuisance(), "x1 x2 x3")
    one = chosen.sum(1) == 1
    worst = float(terms.l1[one][minimisers(terms.dib[one])].max() - terms.l1[one].min())
    return int(one.sum()), worst, worst < EPS


@statement("T2.conditional", "with segments independent given y, Eq. (2) is 2 I(z_N;y) - I(x;y)",
           "200 random laws of three segments", MASKS)
def _():
    worst = 0.0
    for joint in conditional_laws(200):
        _, terms = masks(joint, "x1 x2 x3")
        worst = max(worst, np.abs(terms.dib - 2 * terms.I_Ny + joint.I("x1 x2 x3; y")).max())
    return 200 * 8, float(worst), worst < EPS


@statement("T2.conditional.free", "with segments independent given y, and a mask that leaves "
           "nothing of y, L1 and Eq. (2) have the same minimisers", "200 random laws, all masks",
           MASKS)
def _():
    wrong = 0
    for joint in conditional_laws(200):
        _, terms = masks(joint, "x1 x2 x3")
        wrong += int((minimisers(terms.dib) != minimisers(terms.l1)).sum())
    return 200 * 8, wrong, wrong == 0


@statement("T2.conditional.budget", "with segments independent given y, L1 and Eq. (2) have the "
           "same minimisers under |M| = k", "redundant views, k = 1", MASKS)
def _():
    chosen, terms = masks(toys.redundant_views(), "x1 x2 x3")
    one = chosen.sum(1) == 1
    worst = float(terms.l1[one][terms.dib[one].argmin()] - terms.l1[one].min())
    return int(one.sum()), worst, worst < EPS


@statement("B.residual", "Eq. (10) with the residual keeps all of x: I(x;z_S) = H(x)",
           "four fair bits, k = 1", "400 random draws of the weights (worst: the least I(x;z_S))")
def _():
    kept = [joint.I("x; z_S") for joint in embedded(400)]
    return len(kept), min(kept), min(kept) > 4 - EPS


@statement("B.plain", "Eq. (10) without the residual keeps all of x: I(x;z_S) = H(x)",
           "four fair bits, k = 1", "400 random draws of the weights (worst: the least I(x;z_S))")
def _():
    kept = [joint.I("x; z_S") for joint in embedded(400, residual=False)]
    return len(kept), min(kept), min(kept) > 4 - EPS


@statement("B.excludes", "z_S and z_N of Eqs. (10) and (11) share nothing: I(z_S;z_N) = 0",
           "four fair bits, k = 1", "400 random draws of the weights (worst: the most shared)")
def _():
    shared = [joint.I("z_S; z_N") for joint in embedded(400)]
    return len(shared), max(shared), max(shared) < EPS


@statement("B.leak", "where the shown value alone tells nothing of y, z_S tells nothing",
           "three fair bits, y = x1, k = 1", "all 6,561 selectors (worst: I(z_S;y))")
def _():
    p_xy = np.repeat(np.eye(2), 4, 0) / 8
    leaks = [0.0]
    for _, shown, z_S, _ in selectors():
        if encode(p_xy, v=shown).I("v; y") < EPS:
            leaks.append(encode(p_xy, z_S=z_S).I("z_S; y"))
    return 3 ** 8, max(leaks), max(leaks) < EPS


@statement("B.leak.exact", "where one segment tells y, exact Eq. (2) picks that fixed segment "
           "and no leaking selector", "three fair bits, y = x1, k = 1", "all 6,561 selectors")
def _():
    p_xy = np.repeat(np.eye(2), 4, 0) / 8
    found = [(disentangled_bottleneck(encode(p_xy, z_S=z_S, z_N=z_N)).dib, choice.max())
             for choice, _, z_S, z_N in selectors()]
    dib, largest = np.array(found).T
    best = minimisers(dib)
    return 3 ** 8, int(best.sum()), best.sum() == 1 and largest[best][0] == 0


only("B.complete.xor", "the completeness term makes R the only minimising mask",
     "y = x2 xor x3, x1 noise", toys.independent_segments(3, lambda b: b[1] ^ b[2]),
     "complete", [False, True, True])


only("B.complete.scene", "the completeness term makes R the only minimising mask",
     "three segments, a shared scene", toys.shared_scene(), "complete", [True, False, False])


@statement("B.complete.shared", "the completeness term makes R the only minimising mask",
           "x1 noise, x2 = (y, n), x3 = n", MASKS + " (worst: segments in the smallest minimiser)")
def _():
    chosen, terms = masks(toys.shared_nuisance(), "x1 x2 x3")
    sizes = chosen[minimisers(terms.complete)].sum(1)
    return len(chosen), int(sizes.min()), sizes.min() == 1


@statement("B.spurious", "minimisers of Eq. (2) leave a context that predicts y in z_N",
           "x1 = y, x2 = y with probability .55 to .95", MASKS + " (worst: bits gained by the "
           "mask that takes the context as well)")
def _():
    gains = []
    for context in np.linspace(.55, .95, 9):
        _, terms = masks(toys.spurious_context(1.0, context), "x1 x2")
        gains.append(float(terms.dib[1] - terms.dib[3]))  # masks {1} and {1, 2}
    return 4 * len(gains), max(gains), max(gains) < EPS


@statement("B.context", "minimisers of Eq. (2) may leave a context that is independent of y",
           "x1 = y, x2 a fair coin", MASKS)
def _():
    _, terms = masks(toys.spurious_context(1.0, 0.5), "x1 x2")
    worst = float(terms.dib[1] - terms.dib.min())
    return 4, worst, worst < EPS


@statement("G.response", "at A's best response Eq. (4) is L1", "20 random x of 6 points, y = f(x)",
           "2,000 random stochastic pairs (worst: the difference in bits)")
def _():
    import torch
    from book.theory import game
    from book.theory.search import random_encoders, stochastic_terms
    worst = 0.0
    for seed, p_xy in enumerate(tables(20, 6, 3, True)):
        law = torch.as_tensor(p_xy)
        codes = [random_encoders(6, 4, 100, 2 * seed + part) for part in (0, 1)]
        l_s, l_n = (game.cross_entropy(law, z, game.best_response(law, z)) for z in codes)
        gap = (l_s - l_n) / np.log(2) - stochastic_terms(p_xy, *codes).l1
        worst = max(worst, float(gap.abs().max()))
    return 2000, worst, worst < EPS


@statement("G.bounded", "Eq. (4) with a critic that is not the best response stays above -H(y)",
           "two fair bits", "critics that are wrong with odds 2 to 2^40 (worst: the lowest, bits)")
def _():
    import torch
    from book.theory import game
    law = torch.as_tensor(toys.two_bits().marginal("x y"))
    z_N = torch.eye(2, dtype=torch.float64).repeat_interleave(2, 0)[None]  # z_N = y
    values = []
    for odds in 2.0 ** np.arange(1, 41):
        wrong = torch.tensor([[[1, odds], [odds, 1]]], dtype=torch.float64) / (1 + odds)
        values.append(-float(game.cross_entropy(law, z_N, wrong)) / np.log(2))
    return len(values), min(values), min(values) >= -1 - EPS
