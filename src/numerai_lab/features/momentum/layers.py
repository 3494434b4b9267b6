"""The steps of graph learning as a fixed number of layers, each with weights of its own.

A layer is one step of `graph.learn_graph` with its own alpha, beta and step; `training` finds them
on the negative Sharpe of what the graph is used for, here they are only applied, in NumPy.

Source: Pu, Zohren, Roberts, Dong (2023), Learning to learn financial networks for optimising
momentum strategies, arXiv:2308.12212.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.features.momentum.graph import ALPHA, BETA, EDGE


@dataclass(frozen=True)
class Layers:
    """Weights of the layers.

    Attributes
    ----------
    alpha, beta : float64 [n_layers], of the objective. step : float64 [n_layers], times the step
        that `learn_graph` takes of a graph of this size.
    """

    alpha: Float64
    beta: Float64
    step: Float64

    @classmethod
    def untrained(cls, n: int) -> Layers:
        """Return layers that do what `learn_graph` does."""
        return cls(np.full(n, ALPHA), np.full(n, BETA), np.ones(n))

    def facts(self) -> dict[str, list[float]]:
        """Return the weights, ready for JSON."""
        return {name: getattr(self, name).tolist() for name in ("alpha", "beta", "step")}

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Layers:
        """Read what `facts` gave."""
        return cls(*(np.asarray(facts[name], dtype=np.float64) for name in facts))


def first_step(n: int) -> float:
    """Return the step of `learn_graph` for n nodes."""
    return float(0.9 / (1 + 2 * BETA + np.sqrt(2 * (n - 1))))


def starting_weights(distances: Float64) -> Float64:
    """Return where the layers begin: each node's neighbours by itself, made symmetric.

    The solution for one node with k neighbours is max(0, l - z), with l = (b_k + sqrt(b_k^2 + 4 k))
    / 2k and b_k the sum of its k smallest distances; k is the one for which just these are below
    l.
    """
    n = len(distances)
    z = np.sort(distances + np.diag(np.full(n, np.inf)), axis=1)[:, :-1]
    k = np.arange(1, n)
    total = np.cumsum(z, axis=1)
    level = (total + np.sqrt(total**2 + 4 * k)) / (2 * k)
    following = np.concatenate([z[:, 1:], np.full((n, 1), np.inf)], axis=1)
    fits = (level > z) & (level <= following)
    chosen = np.take_along_axis(level, fits.argmax(axis=1)[:, None], axis=1)
    weights = np.maximum(chosen - distances, 0.0)
    np.fill_diagonal(weights, 0.0)
    return np.asarray((weights + weights.T) / 2)


def unrolled_weights(distances: Float64, layers: Layers) -> Float64:
    """Return the weights after all layers, float64 [n, n], symmetric.

    Parameters
    ----------
    distances : float64 [n, n], scaled for the wished degree.
    """
    n = len(distances)
    apart = distances + np.diag(np.full(n, np.inf))
    weights = starting_weights(distances)
    dual = -1 / np.maximum(weights.sum(axis=1), 1e-6)
    point = weights
    for alpha, beta, times in zip(layers.alpha, layers.beta, layers.step, strict=True):
        step = times * first_step(n)
        forward = (1 - 2 * beta * step) * weights - step * (dual[:, None] + dual)
        ahead = dual + step * weights.sum(axis=1)
        point = np.maximum(forward - 2 * step * apart, 0.0)
        dual_point = (ahead - np.sqrt(ahead**2 + 4 * alpha * step)) / 2
        back = (1 - 2 * beta * step) * point - step * (dual_point[:, None] + dual_point)
        weights = weights + back - forward
        np.fill_diagonal(weights, 0.0)
        dual = step * point.sum(axis=1) + dual_point - ahead + dual
    found = np.where(point > EDGE * point.max(initial=0.0), point, 0.0)
    return np.asarray((found + found.T) / 2)
