"""Learned graphs: against a slow solver, and what is wished of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from numerai_lab.features.momentum.graph import (
    learn_graph,
    mean_degree,
    nearest,
    normalised,
    objective,
    scale_for_degree,
    squared_distances,
)


def scaled_distances(n, degree, seed, clusters=3):
    draw = np.random.default_rng(seed)
    signals = draw.standard_normal((clusters, 6))[np.arange(n) % clusters]
    distances = squared_distances(signals + 0.7 * draw.standard_normal((n, 6)))
    return distances * scale_for_degree(distances, degree)


def slowly(distances):
    """Minimise the objective over the upper triangle, by a general solver."""
    n = len(distances)
    upper = np.triu_indices(n, 1)

    def matrix(edges):
        weights = np.zeros((n, n))
        weights[upper] = edges
        return weights + weights.T

    def both(edges):
        weights = matrix(edges)
        degrees = weights.sum(axis=1)
        pull = 1 / np.maximum(degrees, 1e-9)
        gradient = 2 * distances[upper] - pull[upper[0]] - pull[upper[1]] + 2 * edges
        value = objective(weights, distances)
        return value if np.isfinite(value) else 1e9, gradient

    start = np.full(len(upper[0]), 0.1)
    bounds = [(0, None)] * len(start)
    found = minimize(both, start, jac=True, method="L-BFGS-B", bounds=bounds, tol=1e-14)
    return matrix(found.x)


@pytest.mark.parametrize(("n", "degree", "seed"), [(6, 2, 0), (10, 3, 1), (14, 4, 2)])
def test_it_is_what_a_slow_solver_finds(n, degree, seed):
    distances = scaled_distances(n, degree, seed)
    learned = learn_graph(distances, tolerance=1e-9, most_steps=20_000)
    assert learned.converged
    wanted = slowly(distances)
    np.testing.assert_allclose(learned.weights, wanted, atol=2e-4)
    assert objective(learned.weights, distances) <= objective(wanted, distances) + 1e-5


def test_the_objective_falls_monotonically():
    distances = scaled_distances(30, 5, 0)
    learned = learn_graph(distances, follow=True)
    told = np.array(learned.objectives)
    reached = told[np.isfinite(told)]
    assert len(reached) > 20
    assert (np.diff(reached) <= 1e-9).all()
    assert np.isfinite(told[-1])


@settings(max_examples=15)
@given(n=st.integers(12, 40), seed=st.integers(0, 50))
def test_weights_keep_the_constraints_and_the_wished_degree(n, seed):
    weights = learn_graph(scaled_distances(n, 4, seed)).weights
    assert (weights >= 0).all()
    np.testing.assert_array_equal(weights, weights.T)
    assert not np.diag(weights).any()
    assert (weights.sum(axis=1) > 0).all()
    assert 2 <= mean_degree(weights) <= 8


def test_neighbours_are_those_that_are_alike():
    weights = learn_graph(scaled_distances(30, 4, 3)).weights
    same = np.arange(30)[:, None] % 3 == np.arange(30) % 3
    assert weights[same].sum() > 0.8 * weights.sum()


def test_scaling_z_and_order_do_not_matter():
    draw = np.random.default_rng(5)
    signals = draw.standard_normal((15, 8))
    order = draw.permutation(15)

    def learned(values):
        distances = squared_distances(values)
        return learn_graph(distances * scale_for_degree(distances, 4), tolerance=1e-8).weights

    once = learned(signals)
    np.testing.assert_allclose(learned(10 * signals), once, atol=1e-6)
    np.testing.assert_allclose(learned(signals[order]), once[np.ix_(order, order)], atol=1e-5)


def test_nearest_links_the_most_similar_both_ways():
    similarity = np.array([[1, 0.9, 0.1], [0.9, 1, 0.2], [0.1, 0.2, 1]])
    linked = nearest(similarity, 1)
    assert linked.tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]


def test_normalising_leaves_a_node_alone_alone():
    weights = np.zeros((3, 3))
    weights[0, 1] = weights[1, 0] = 4.0
    assert normalised(weights).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
