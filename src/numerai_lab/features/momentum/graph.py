"""A graph learned from smooth signals: who moves as whom, as a sparse matrix of weights.

    W = argmin  sum_ij W_ij Z_ij - alpha sum_i log(sum_j W_ij) + beta/2 ||W||_F^2,
        W symmetric, not negative, 0 on the diagonal,

where Z holds squared distances between the nodes' signals. The logarithm keeps every node linked,
the square spreads weight over edges.

Sources: Kalofolias (2016), How to learn a graph from smooth signals; Kalofolias and Perraudin
(2019), Large scale graph learning from smooth signals, for the scale of Z by a wished degree;
Komodakis and Pesquet (2015), Playing with duality, for the forward-backward-forward steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numerai_lab.arrays import Float64

ALPHA, BETA = 1.0, 1.0
"""With Z scaled for a wished degree both are 1: they only scale W and Z."""
TOLERANCE = 1e-4
MOST_STEPS = 1000
EDGE = 1e-4
"""An edge is a weight above this share of the largest."""


def squared_distances(signals: Float64) -> Float64:
    """Return squared Euclidean distances between rows [n, n_values], over their mean, [n, n]."""
    squares = np.einsum("ij,ij->i", signals, signals)
    found = np.maximum(squares[:, None] + squares - 2 * signals @ signals.T, 0.0)
    np.fill_diagonal(found, 0.0)
    n = len(signals)
    mean = found.sum() / max(n * (n - 1), 1)
    return np.asarray(found / mean if mean > 0 else found)


def scale_for_degree(distances: Float64, degree: int) -> float:
    """Return the factor of Z by which nodes have about `degree` neighbours, at alpha = beta = 1.

    A node alone has k of them while its factor lies between 1 / sqrt(k z_{k+1}^2 - b_k z_{k+1}) and
    1 / sqrt(k z_k^2 - b_k z_k), z its sorted distances and b_k the sum of the first k. Both ends
    are averaged over the nodes, and the geometric mean of the two is taken.
    """
    n = len(distances)
    k = min(degree, n - 2)
    near = np.sort(np.partition(distances + _no_loops(n), k + 1, axis=1)[:, : k + 1], axis=1)
    total = near[:, :k].sum(axis=1)

    def bound(z: Float64) -> float:
        inside = k * z**2 - total * z
        return float(np.mean(1 / np.sqrt(np.maximum(inside, 1e-12))[inside > 1e-12]))

    low, high = bound(near[:, k]), bound(near[:, k - 1])
    return float(np.sqrt(low * high)) if np.isfinite(low * high) else low


def _no_loops(n: int) -> Float64:
    return np.diag(np.full(n, np.inf))


def objective(weights: Float64, distances: Float64, alpha: float = ALPHA) -> float:
    """Return what is minimised, for weights within the constraints; inf if a node is alone."""
    degrees = weights.sum(axis=1)
    if not (degrees > 0).all():
        return float("inf")
    smooth = float((weights * distances).sum())
    return smooth - alpha * float(np.log(degrees).sum()) + BETA / 2 * float((weights**2).sum())


@dataclass(frozen=True)
class Learned:
    """A learned graph: weights float64 [n, n], and the objective after each step if asked for."""

    weights: Float64
    n_steps: int
    converged: bool
    objectives: tuple[float, ...] = ()


def learn_graph(
    distances: Float64,
    *,
    start: Float64 | None = None,
    follow: bool = False,
    tolerance: float = TOLERANCE,
    most_steps: int = MOST_STEPS,
) -> Learned:
    """Learn the weights from distances that are scaled already, alpha = beta = 1.

    Parameters
    ----------
    distances : float64 [n, n], symmetric. start : weights to begin at; None: none.
    follow : also compute the objective of each step's feasible point.
    """
    n = len(distances)
    step = 0.9 / (1 + 2 * BETA + np.sqrt(2 * (n - 1)))
    keep = ~np.eye(n, dtype=bool)
    # In matrix form every edge stands twice; S w are row sums, S' v is v_i + v_j.
    shift = 2 * step * distances
    shift[~keep] = np.inf
    weights = np.zeros((n, n)) if start is None else start.copy()
    dual = np.zeros(n) if start is None else -ALPHA / np.maximum(weights.sum(axis=1), 1e-6)
    point, forward, back = (np.empty((n, n)) for _ in range(3))
    shrink = 1 - 2 * BETA * step
    told: list[float] = []
    for done in range(1, most_steps + 1):
        pull = step * dual
        np.multiply(weights, shrink, out=forward)
        forward -= pull[:, None]
        forward -= pull
        ahead = dual + step * weights.sum(axis=1)
        np.subtract(forward, shift, out=point)
        np.maximum(point, 0.0, out=point)
        dual_point = (ahead - np.sqrt(ahead**2 + 4 * ALPHA * step)) / 2
        pull = step * dual_point
        np.multiply(point, shrink, out=back)
        back -= pull[:, None]
        back -= pull
        back -= forward  # what the second forward step changes
        moved = step * point.sum(axis=1) + dual_point - ahead
        size, dual_size = float(np.linalg.norm(weights)), float(np.linalg.norm(dual))
        weights += back
        np.fill_diagonal(weights, 0.0)
        dual = dual + moved
        if follow:
            told.append(objective(point, distances))
        still = _norm_without_diagonal(back) < tolerance * max(size, 1e-12)
        if still and float(np.linalg.norm(moved)) < tolerance * max(dual_size, 1e-12):
            return Learned(_symmetric(point), done, True, tuple(told))
    return Learned(_symmetric(point), most_steps, False, tuple(told))


def _norm_without_diagonal(values: Float64) -> float:
    diagonal = np.einsum("ii->i", values)
    return float(np.sqrt(max(np.vdot(values, values) - diagonal @ diagonal, 0.0)))


def _symmetric(point: Float64) -> Float64:
    np.fill_diagonal(point, 0.0)
    weights = (point + point.T) / 2
    weights[weights < EDGE * weights.max(initial=0.0)] = 0.0
    return np.asarray(weights)


def nearest(similarity: Float64, k: int) -> Float64:
    """Return the graph that links each node to its k most similar ones, weight 1, symmetric."""
    n = len(similarity)
    k = min(k, n - 1)
    masked = np.where(np.eye(n, dtype=bool), -np.inf, similarity)
    chosen = np.argpartition(-masked, k - 1, axis=1)[:, :k]
    found = np.zeros((n, n))
    np.put_along_axis(found, chosen, 1.0, axis=1)
    return np.asarray(np.maximum(found, found.T))


def normalised(weights: Float64) -> Float64:
    """Return D^-1/2 W D^-1/2; a node without edges keeps a row of zeros."""
    degrees = weights.sum(axis=1)
    root = np.where(degrees > 0, 1 / np.sqrt(np.where(degrees > 0, degrees, 1.0)), 0.0)
    return np.asarray(weights * root[:, None] * root)


def mean_degree(weights: Float64) -> float:
    """Return how many neighbours a node has on average."""
    return float(np.count_nonzero(weights)) / max(len(weights), 1)
