"""Enumeration against brute force, the named counterexamples, and the search beside it."""

from itertools import product

import numpy as np
import pytest
import torch

from book.theory import toys
from book.theory.enumeration import all_pairs, masks, pairs, partitions
from tfe.errors import StudyError
from book.theory.information import Joint, disentangled_bottleneck, encode
from book.theory.search import random_encoders, search, stochastic_terms
from book.theory.statements import _grid as grid

BELL = [1, 2, 5, 15, 52, 203, 877, 4140, 21147]
TWO_BITS = toys.two_bits().marginal("x y")


@pytest.mark.parametrize("points", range(1, 10))
def test_partitions_are_counted_by_bell_and_differ(points):
    codes = partitions(points)
    assert len(codes) == BELL[points - 1] == len(np.unique(codes, axis=0))
    assert (codes[0] == 0).all() and (codes[-1] == np.arange(points)).all()


def test_partitions_cover_every_map_up_to_renaming():
    def canonical(code):
        names = {}
        return tuple(names.setdefault(c, len(names)) for c in code)
    assert {canonical(c) for c in product(range(4), repeat=4)} == set(map(tuple, partitions(4)))


@pytest.mark.parametrize("points, labels", [(3, 2), (5, 3), (8, 2)])
def test_pairs_equal_brute_force(points, labels):
    rng = np.random.default_rng(points)
    p_xy = rng.dirichlet(np.full(points * labels, .5)).reshape(points, labels)
    codes, terms = partitions(points), all_pairs(p_xy).terms
    for i, j in rng.integers(len(codes), size=(100, 2)):
        brute = disentangled_bottleneck(encode(p_xy, z_S=codes[i], z_N=codes[j]))
        fast = {name: np.broadcast_to(v, terms.I_SN.shape)[i, j] for name, v in vars(terms).items()}
        assert fast == pytest.approx(vars(brute), abs=1e-10)


def test_chunks_are_the_whole(monkeypatch):
    p_xy = np.random.default_rng(1).dirichlet(np.ones(10)).reshape(5, 2)
    whole = all_pairs(p_xy)
    monkeypatch.setattr("book.theory.enumeration.PAIRS_AT_ONCE", 52 * 20)
    blocks = list(pairs(p_xy))
    assert [b.first for b in blocks] == [0, 20, 40]
    assert np.allclose(np.concatenate([b.terms.dib for b in blocks]), whole.terms.dib)
    found = np.concatenate([b.where(b.terms.dib < -.01) for b in blocks])
    assert (found == whole.where(whole.terms.dib < -.01)).all() and len(found)


def test_relabelling_points_permutes_the_pairs():
    p_xy = np.random.default_rng(2).dirichlet(np.ones(8)).reshape(4, 2)
    values = [np.sort(all_pairs(p).terms.dib.ravel()) for p in (p_xy, p_xy[[2, 0, 3, 1]])]
    assert np.allclose(*values)


def test_counterexample_to_theorem_1():
    """z_S = x with z_N constant is a global minimiser and compresses nothing."""
    block, codes = all_pairs(TWO_BITS), partitions(4)
    best = block.where(block.terms.dib < block.terms.dib.min() + 1e-9)
    assert block.terms.dib.min() == pytest.approx(-1) and len(best) == 6
    assert [14, 0] in best.tolist()  # the finest partition, and the coarsest
    terms = disentangled_bottleneck(encode(TWO_BITS, z_S=codes[14], z_N=codes[0]))
    assert (terms.dib, terms.I_xS, terms.incompression) == pytest.approx((-1, 2, 1))
    loose = [grid(block.terms, "incompression")[i, j] > 1e-9 for i, j in best]
    assert sum(loose) == 3


def test_counterexample_to_sufficiency_in_theorem_2():
    """z_S = x with z_N = n minimises L1 at I(z_S;z_N) = 1 bit."""
    terms = disentangled_bottleneck(encode(TWO_BITS, z_S=[0, 1, 2, 3], z_N=[0, 1, 0, 1]))
    assert (terms.l1, terms.l2) == pytest.approx((-1, 1))
    every = all_pairs(TWO_BITS).terms
    assert every.l1.min() == pytest.approx(-1)
    best = every.l1 < -1 + 1e-9
    assert best.sum() == 12 and (every.l2[best] > 1e-9).sum() == 6


def test_three_points_need_a_stochastic_encoder():
    """Deterministic encoders stop at .503 above -H(y); a stochastic z_N reaches it."""
    p_xy = toys.three_points().marginal("x y")
    terms = all_pairs(p_xy).terms
    assert (terms.complete + terms.H_y).min() == pytest.approx(0.50326, abs=1e-5)
    z_N = toys.functional_representation(p_xy)
    assert np.allclose(z_N[0], .5) and np.allclose(z_N[1:].sum(0), 1)
    reached = disentangled_bottleneck(encode(p_xy, z_S=[0, 1, 1], z_N=z_N))
    assert reached.complete + reached.H_y == pytest.approx(0, abs=1e-9)
    found = search(p_xy, lambda t: t.complete + t.H_y, codes=(2, 2), starts=16, steps=500)
    assert 0 <= found.value < 0.01


@pytest.mark.parametrize("seed", range(5))
def test_functional_representation_attains_the_repaired_minimum(seed):
    rng = np.random.default_rng(seed)
    label = rng.permutation([0, 1, 2, 0, 1, 0, 0])
    p_xy = np.eye(3)[label] * rng.dirichlet(np.ones(7))[:, None]
    z_N = toys.functional_representation(p_xy)
    assert z_N.shape[1] <= 7 - 3 + 1
    joint = encode(p_xy, z_N=z_N)
    assert joint.I("z_N; y") == pytest.approx(0, abs=1e-9)
    assert joint.H("x | z_N y") == pytest.approx(0, abs=1e-9)


def test_hidden_from_needs_dependent_rows():
    p_xy = np.random.default_rng(3).dirichlet(np.ones(8)).reshape(4, 2)
    joint = encode(p_xy, z_N=toys.hidden_from(p_xy))
    assert joint.I("z_N; y") == pytest.approx(0, abs=1e-9) and joint.I("x; z_N") > 1e-4
    with pytest.raises(StudyError, match="linearly independent"):
        toys.hidden_from(p_xy[:2] / p_xy[:2].sum())


def mask_values(joint, segments):
    chosen, terms = masks(joint, segments)
    return {tuple(int(t) for t in np.flatnonzero(m) + 1): terms_of(terms, i)
            for i, m in enumerate(chosen)}


def terms_of(terms, i):
    return {name: float(np.broadcast_to(v, terms.I_xS.shape)[i]) for name, v in vars(terms).items()
            } | {"l1": float(terms.l1[i]), "dib": float(terms.dib[i])}


def test_masks_equal_encoders():
    law = Joint(np.random.default_rng(4).dirichlet(np.ones(24)).reshape(2, 3, 2, 2), "a b c y")
    chosen, terms = masks(law, "a b c")
    p_xy, cells = law.marginal("a b c y").reshape(12, 2), np.indices((2, 3, 2)).reshape(3, 12)
    for i, mask in enumerate(chosen):
        codes = [np.unique(np.vstack([cells[m], np.zeros((1, 12))]), axis=1, return_inverse=True)[1]
                 for m in (mask, ~mask)]
        brute = disentangled_bottleneck(encode(p_xy, z_S=codes[0].ravel(), z_N=codes[1].ravel()))
        assert terms_of(terms, i)["dib"] == pytest.approx(brute.dib)
        assert float(terms.complete[i]) == pytest.approx(brute.complete)
        assert float(terms.ib[i]) == pytest.approx(brute.ib)


def test_dependent_segments_counterexamples():
    scene = mask_values(toys.shared_scene(), "x1 x2 x3")
    assert min(scene, key=lambda m: scene[m]["dib"]) == (1, 2, 3)
    assert scene[1, 2, 3]["dib"] == pytest.approx(-1) and scene[(1,)]["dib"] == pytest.approx(0)
    nuisance = mask_values(toys.shared_nuisance(), "x1 x2 x3")
    assert [nuisance[t,]["dib"] for t in (1, 2, 3)] == pytest.approx([1, 2, 4])
    assert [nuisance[t,]["l1"] for t in (1, 2, 3)] == pytest.approx([1, -1, 1])


def test_conditional_independence_is_not_enough_under_a_budget():
    joint = toys.redundant_views()
    assert joint.I("x1; x2 x3 | y") == pytest.approx(0, abs=1e-9)
    assert joint.I("x2; x3 | y") == pytest.approx(0, abs=1e-9)
    values = mask_values(joint, "x1 x2 x3")
    one = [(1,), (2,), (3,)]
    assert min(one, key=lambda m: values[m]["dib"]) == (1,)
    assert min(one, key=lambda m: values[m]["l1"]) == (2,)


def test_search_agrees_with_exact_terms_and_has_right_gradients():
    p_xy = np.random.default_rng(5).dirichlet(np.ones(8)).reshape(4, 2)
    codes = [random_encoders(4, 3, 6, seed) for seed in (0, 1)]
    terms = stochastic_terms(p_xy, *codes)
    for b in range(6):
        exact = disentangled_bottleneck(encode(p_xy, z_S=codes[0][b], z_N=codes[1][b]))
        for name, value in vars(exact).items():
            got = getattr(terms, name)
            assert float(got.expand(6)[b]) == pytest.approx(value, abs=1e-10)
    logits = [torch.randn(2, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(9),
                          requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(
        lambda s, n: stochastic_terms(p_xy, s.softmax(-1), n.softmax(-1)).complete, logits)


def test_search_reaches_the_enumerated_minimum_and_repeats():
    found = [search(TWO_BITS, lambda t: t.dib, starts=8, steps=300) for _ in range(2)]
    assert found[0].value == found[1].value
    assert -1 <= found[0].value < -0.99
    assert found[0].z_S.sum(1).numpy() == pytest.approx(np.ones(4))


@pytest.mark.parametrize("call, words", [
    (lambda: partitions(10), "points = 10.*search"),
    (lambda: partitions(0), "points = 0"),
    (lambda: next(pairs(np.full((12, 2), 1 / 24))), "points = 12.*search"),
    (lambda: all_pairs(np.full((9, 2), 1 / 18)), "p_xy has 9 points.*pairs"),
    (lambda: all_pairs(np.ones((3, 2))), "p_xy sums to 6"),
    (lambda: masks(Joint(np.ones([1] * 14), " ".join("abcdefghijklmy")), " ".join("abcdefghijklm")),
     "8192 masks"),
    (lambda: masks(toys.three_points(), "x w"), "no axis is named 'w'"),
    (lambda: search(np.ones((2, 2)), lambda t: t.dib), "p_xy sums to 4"),
    (lambda: search(TWO_BITS, lambda t: t.dib / (t.I_Ny * 0), starts=2, steps=2), "objective")])
def test_refusals_name_the_argument_and_the_remedy(call, words):
    with pytest.raises(StudyError, match=words):
        call()
