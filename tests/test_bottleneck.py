"""Blahut-Arimoto against closed forms and brute force; the Gaussian bottleneck."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import entropy as scipy_entropy

from book.theory.bottleneck import (blahut_arimoto, curve, gaussian_bottleneck, gaussian_spectrum,
                                    gaussian_table, plane)
from tfe.errors import StudyError
from book.theory.information import entropy, mutual_information


def random_tables(seed, points=5, labels=3, symbols=4):
    rng = np.random.default_rng(seed)
    joint = rng.dirichlet(np.ones(points * labels)).reshape(points, labels)
    return joint, rng.dirichlet(np.ones(symbols), size=points)


def binary_entropy(p):
    return scipy_entropy([p, 1 - p], base=2)


def symmetric_channel(flip):
    return np.array([[1 - flip, flip], [flip, 1 - flip]]) / 2


@given(st.integers(0, 10_000), st.floats(0, 30))
@settings(max_examples=40, deadline=None)
def test_the_functional_never_rises_and_is_that_of_the_encoder(seed, beta):
    joint, start = random_tables(seed)
    found = blahut_arimoto(joint, beta, start, steps=60)
    assert np.diff(found.trace).max(initial=0) <= 1e-12
    complexity, relevance = plane(joint, found.encoder)
    assert found.trace[-1] == pytest.approx(complexity - beta * relevance, abs=1e-12)
    assert (found.complexity, found.relevance) == pytest.approx((complexity, relevance))
    assert relevance <= complexity + 1e-12  # data processing


@pytest.mark.parametrize("flip", [0.05, 0.2])
def test_binary_symmetric_channel_lies_on_the_closed_curve(flip):
    # For a uniform bit through a BSC the best z is a BSC of x, by Mrs Gerber's lemma.
    joint = symmetric_channel(flip)
    critical = 1 / (1 - 2 * flip) ** 2
    for found in curve(joint, [1.05 * critical, 1.5 * critical, 4 * critical], tolerance=1e-13):
        noise = brentq(lambda a: 1 - binary_entropy(a) - found.complexity, 1e-12, 0.5)
        together = noise * (1 - flip) + (1 - noise) * flip
        assert found.relevance == pytest.approx(1 - binary_entropy(together), abs=1e-9)
        assert found.complexity > 0.01
    assert curve(joint, [0.95 * critical])[0].complexity < 1e-4


def test_the_annealed_curve_beats_every_rival_encoder():
    joint, _ = random_tables(3)
    rng = np.random.default_rng(0)
    deterministic = [np.array(code) for code in np.ndindex(*5 * (3,))]
    stochastic = list(rng.dirichlet(0.3 * np.ones(5), size=(2000, 5)))
    planes = np.array([plane(joint, rival) for rival in deterministic + stochastic])
    betas = np.array([1.5, 3, 8, 30])
    ours = np.array([found.trace[-1] for found in curve(joint, betas)])
    assert (ours <= (planes[:, 0] - betas[:, None] * planes[:, 1]).min(1) + 1e-6).all()
    assert (ours <= 1e-8).all()  # a constant z reaches 0


def test_the_curve_rises_and_is_concave():
    joint, _ = random_tables(5, points=6)
    found = curve(joint, np.geomspace(1.2, 60, 12))
    points = np.array([[each.complexity, each.relevance] for each in found])
    steps = np.diff(points[points[:, 0] > 1e-3], axis=0)
    slope = steps[:, 1] / steps[:, 0]
    assert len(steps) > 4 and (steps > 0).all() and (np.diff(slope) < 1e-4).all()


def test_equal_weights_make_a_constant_optimal():
    # Eq. (1) is I(x;z|y) >= 0 by data processing.
    for seed in range(20):
        joint, encoder = random_tables(seed)
        complexity, relevance = plane(joint, encoder)
        p = np.einsum("xy,xz->xyz", joint, encoder)
        given_y = sum(q.sum() * mutual_information(q / q.sum()) for q in p.transpose(1, 0, 2))
        assert complexity - relevance == pytest.approx(given_y, abs=1e-12) and given_y >= 0
    assert plane(joint, np.ones((5, 1))) == (0, 0)


def test_a_label_that_is_a_function_of_x_gives_corners_only():
    joint = np.zeros((6, 3))
    joint[range(6), [0, 0, 0, 1, 1, 2]] = [0.1, 0.2, 0.1, 0.3, 0.1, 0.2]
    h_y = entropy(joint.sum(0))
    low, high = curve(joint, [0.7, 1.3])
    assert (low.complexity, low.relevance) == pytest.approx((0, 0), abs=1e-5)
    assert (high.complexity, high.relevance) == pytest.approx((h_y, h_y), abs=1e-5)
    ladder = [plane(joint, a * joint / joint.sum(1, keepdims=True) @ np.eye(3, 4)
                    + (1 - a) * np.eye(4)[3]) for a in (0.25, 0.5, 0.75)]
    assert np.allclose(ladder, np.outer([0.25, 0.5, 0.75], [h_y, h_y]))  # the whole diagonal


def test_blahut_arimoto_follows_the_gaussian_closed_form():
    rho = 0.8
    joint, spectrum = gaussian_table(rho), gaussian_spectrum(1, rho, 1)
    assert mutual_information(joint) == pytest.approx(-0.5 * np.log2(1 - rho**2), abs=1e-3)
    betas = [1.4, 1.8, 2.5, 4, 8]  # the critical one is 1.5625
    for beta, found in zip(betas, curve(joint, betas, steps=600)):
        closed = gaussian_bottleneck(spectrum, beta)
        assert (found.complexity, found.relevance) == pytest.approx(closed, abs=2e-3)


def test_the_scalar_gaussian_curve_has_the_textbook_form():
    rho = 0.6
    for beta in (3, 5, 50):
        complexity, relevance = gaussian_bottleneck(gaussian_spectrum(1, rho, 1), beta)
        noise = 1 - rho**2 * (1 - 2 ** (-2 * complexity))
        assert relevance == pytest.approx(-0.5 * np.log2(noise))


def test_the_vector_gaussian_bottleneck():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(5, 5))
    cov = root @ root.T
    x, xy, y = cov[:3, :3], cov[:3, 3:], cov[3:, 3:]
    spectrum = gaussian_spectrum(x, xy, y)
    assert np.isclose(spectrum, 1).sum() == 1  # two labels see two of three directions
    critical = np.sort(1 / (1 - spectrum[:2]))
    for n, beta in enumerate([0.99 * critical[0], critical.mean(), 1.01 * critical[1]]):
        assert (beta * (1 - spectrum) > 1).sum() == n
    assert gaussian_bottleneck(spectrum, 0.99 * critical[0]) == (0, 0)
    everything = 0.5 * np.log2(np.linalg.det(x) * np.linalg.det(y) / np.linalg.det(cov))
    assert gaussian_bottleneck(spectrum, 1e9)[1] == pytest.approx(everything, abs=1e-6)
    # The slope of the curve is 1 / beta, whichever directions are in use.
    for beta in (1.3 * critical[0], 3 * critical[1]):
        low, high = (np.array(gaussian_bottleneck(spectrum, b)) for b in (beta - 1e-5, beta + 1e-5))
        assert (high - low)[1] / (high - low)[0] == pytest.approx(1 / beta, rel=1e-5)
    change = rng.normal(size=(3, 3))  # coordinates of x do not matter
    assert np.allclose(gaussian_spectrum(change @ x @ change.T, change @ xy, y), spectrum)


@pytest.mark.parametrize("call, names", [
    (lambda: blahut_arimoto(np.ones((2, 2)), 1, np.eye(2)), "joint"),
    (lambda: blahut_arimoto([0.5, 0.5], 1, np.eye(2)), "joint"),
    (lambda: blahut_arimoto(np.eye(2) / 2, 1, np.ones((2, 2))), "encoder"),
    (lambda: blahut_arimoto(np.eye(2) / 2, 1, np.eye(3)), "encoder"),
    (lambda: blahut_arimoto(np.eye(2) / 2, -1, np.eye(2)), "beta"),
    (lambda: curve(np.eye(2) / 2, [1, np.nan]), "beta"),
    (lambda: gaussian_table(1.0), "correlation"),
    (lambda: gaussian_spectrum(1, 1, 1), "cov"),
])
def test_bad_input_names_the_argument(call, names):
    with pytest.raises(StudyError, match=names):
        call()
