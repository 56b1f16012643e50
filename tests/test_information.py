"""Information measures: closed forms, an independent count, invariances, and refusals."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tfe.errors import StudyError
from book.theory.information import (Joint, disentangled_bottleneck, encode, entropy,
                                     information_bottleneck, mutual_information)


def h2(p):
    return -p * np.log2(p) - (1 - p) * np.log2(1 - p)


def brute_information(p_ab):
    """I(a;b) as a divergence, entry by entry: a route without entropies."""
    a, b = p_ab.sum(1), p_ab.sum(0)
    return sum(p_ab[i, j] * np.log2(p_ab[i, j] / (a[i] * b[j]))
               for i, j in product(*map(range, p_ab.shape)) if p_ab[i, j] > 0)


def laws(*shape):
    """Tables with zeros among the entries, normalised."""
    entries = arrays(np.float64, shape, elements=st.sampled_from([0, .1, .5, 1, 3, 7.25]))
    return entries.filter(lambda t: t.sum() > 0).map(lambda t: t / t.sum())


@pytest.mark.parametrize("flip", [0.01, 0.11, 0.5, 0.9])
def test_binary_symmetric_channel(flip):
    joint = np.array([[1 - flip, flip], [flip, 1 - flip]]) / 2
    assert mutual_information(joint) == pytest.approx(1 - h2(flip), abs=1e-12)


def test_binary_erasure_channel_and_uniform_entropy():
    joint = np.array([[.7, .3, 0], [0, .3, .7]]) / 2
    assert mutual_information(joint) == pytest.approx(0.7, abs=1e-12)
    assert entropy(np.full((4, 8), 1 / 32)) == pytest.approx(5)
    assert str(entropy([1.0, 0.0])) == "0.0"


def test_interaction_information_has_a_sign():
    xor = Joint.of("x y z", lambda x, y: (x, y, x ^ y), 2, 2)
    copies = Joint.of("x y z", lambda x: (x, x, x), 2)
    assert xor.I("x; y; z") == pytest.approx(-1)
    assert copies.I("x; y; z") == pytest.approx(1)
    assert xor.I("x; y") == 0 and xor.I("x; y | z") == pytest.approx(1)
    assert xor.I("x, y; z") == pytest.approx(1)


@settings(max_examples=60, deadline=None)
@given(laws(3, 4))
def test_mutual_information_is_the_divergence_and_is_bounded(p):
    value = mutual_information(p)
    assert value == pytest.approx(brute_information(p), abs=1e-9)
    assert 0 <= value <= min(entropy(p.sum(0)), entropy(p.sum(1))) + 1e-9


@settings(max_examples=60, deadline=None)
@given(laws(2, 3, 2))
def test_chain_rules(p):
    j = Joint(p, "a b c")
    assert j.H("a b c") == pytest.approx(j.H("a") + j.H("b | a") + j.H("c | a b"), abs=1e-9)
    assert j.I("a b; c") == pytest.approx(j.I("a; c") + j.I("b; c | a"), abs=1e-9)
    assert j.I("a; b; c") == pytest.approx(j.I("a; b") - j.I("a; b | c"), abs=1e-9)
    assert j.I("a; b; c") == pytest.approx(j.I("c; a; b"), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(laws(4, 2), st.integers(0, 10**6))
def test_data_processing_and_markov_chains_of_encode(p_xy, seed):
    rng = np.random.default_rng(seed)
    j = encode(p_xy, z_S=rng.dirichlet(np.ones(3), 4), z_N=rng.integers(0, 3, 4))
    assert j.I("z_S; y") <= j.I("x; y") + 1e-9
    for chain in ("z_S; y | x", "z_N; y | x", "z_S; z_N | x"):
        assert j.I(chain) == pytest.approx(0, abs=1e-9)
    assert np.allclose(j.marginal("x y"), p_xy)


def test_relabelling_changes_nothing():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(12)).reshape(4, 3)
    s, n = np.array([0, 1, 1, 2]), np.array([1, 0, 1, 0])
    order = rng.permutation(4)
    first = disentangled_bottleneck(encode(p, z_S=s, z_N=n))
    again = disentangled_bottleneck(encode(p[order], z_S=(2 - s)[order], z_N=(n + 3)[order]))
    assert vars(first) == pytest.approx(vars(again))


def test_equations_1_and_2_on_the_toy():
    law = Joint.of("x y", lambda y, n: (2 * y + n, y), 2, 2).marginal("x y")
    joint = encode(law, z_S=[0, 1, 2, 3], z_N=[0, 0, 1, 1])  # z_S = x, z_N = y
    terms = disentangled_bottleneck(joint)
    assert information_bottleneck(joint) == pytest.approx(2 - 1) == pytest.approx(terms.ib)
    assert information_bottleneck(joint, beta=3) == pytest.approx(2 - 3)
    assert (terms.l1, terms.l2, terms.dib) == pytest.approx((0, 1, 1))
    assert terms.complete == pytest.approx(1 + 1)
    assert terms.incompression == pytest.approx(1)


def test_joint_of_takes_biased_sources_and_marginal_orders_axes():
    joint = Joint.of("a b", lambda u, v: (u, v), [.25, .75], 3)
    assert joint.marginal("b a").shape == (3, 2)
    assert joint.marginal("a") == pytest.approx([.25, .75])


@pytest.mark.parametrize("table, words", [
    ([.5, .6], "sums to 1.1"), ([1.5, -.5], "negative"), ([np.nan, 1], "NaN"),
    ([np.inf, 1], "infinity"), (["a"], "numbers"), ([[.5], [.25, .25]], "numbers")])
def test_bad_tables_are_refused_by_name(table, words):
    with pytest.raises(StudyError, match=f"^p .*{words}"):
        entropy(table)


@pytest.mark.parametrize("call, words", [
    (lambda: mutual_information(np.full((2, 2, 2), 1 / 8)), "joint has 3 axes"),
    (lambda: mutual_information(np.ones((2, 2))), "joint sums to 4"),
    (lambda: Joint(np.eye(2) / 2, "x"), "names 'x'"),
    (lambda: Joint(np.eye(2) / 2, "x x"), "names 'x x'"),
    (lambda: Joint(np.eye(2), "x y"), "table sums"),
    (lambda: Joint(np.eye(2) / 2, "x y").I("x; w"), "no axis is named 'w'"),
    (lambda: Joint(np.eye(2) / 2, "x y").I("x"), "needs ';'"),
    (lambda: Joint(np.eye(2) / 2, "x y").H("x; y"), "no ';'"),
    (lambda: Joint(np.eye(2) / 2, "x y").I("x; | y"), "empty"),
    (lambda: Joint(np.eye(2) / 2, "x y").marginal("x x"), "twice"),
    (lambda: encode(np.eye(2) / 2, z_S=[0, 1, 1]), "z_S has shape"),
    (lambda: encode(np.eye(2) / 2, z_S=[0, -1]), "z_S"),
    (lambda: encode(np.eye(2) / 2, z_N=np.full((2, 2), .6)), r"z_N\[0\] sums"),
    (lambda: encode(np.full((2, 2, 2), 1 / 8)), "p_xy has 3 axes")])
def test_wrong_axes_and_codes_are_refused(call, words):
    with pytest.raises(StudyError, match=words):
        call()
