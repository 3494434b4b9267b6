"""Linear functions: with weights as ridge, lasso or the elastic net believe in, and sparse ones."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from numerai_lab.arrays import Float32

MOST_WEIGHTS = 3
"""That are not 0 in a sparse function."""


class Linear:
    """f(x) = w'x, with |w| = 1, and w drawn from the prior that a penalty stands for.

    ridge: normal; lasso: Laplace; elastic_net: with a density of exp(-|w| - w^2 / 2), up to a
    constant.
    """

    kinds = ("ridge", "lasso", "elastic_net")

    def draw(self, rng: np.random.Generator, x: Float32, kind: str) -> tuple[Float32, Float32]:
        """Draw weights of unit length for each task, and apply them."""
        shape = (len(x), x.shape[2])
        if kind == "ridge":
            weights = rng.standard_normal(shape)
        elif kind == "lasso":
            weights = rng.laplace(size=shape)
        else:  # the size of a weight is a normal number around -1 that came out above 0
            sizes = ndtri(ndtr(1.0) + rng.random(shape) * ndtr(-1.0)) - 1.0
            weights = sizes * rng.choice([-1.0, 1.0], shape)
        return x, applied(x, weights)


class SparseLinear:
    """f(x) = w'x, with |w| = 1, where one to three weights are not 0."""

    kinds = ("sparse",)

    def draw(self, rng: np.random.Generator, x: Float32, kind: str) -> tuple[Float32, Float32]:  # noqa: ARG002
        """Draw weights of unit length for each task, and apply them."""
        n_tasks, _, n_dims = x.shape
        place = rng.random((n_tasks, n_dims)).argsort(axis=1)  # a random order of the columns
        n_kept = rng.integers(1, min(MOST_WEIGHTS, n_dims) + 1, (n_tasks, 1))
        weights = np.where(place < n_kept, rng.standard_normal((n_tasks, n_dims)), 0.0)
        return x, applied(x, weights)


def applied(x: Float32, weights: np.ndarray) -> Float32:
    """Return w'x with weights [n_tasks, n_dims] scaled to unit length."""
    weights = weights / np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), 1e-12)
    values: Float32 = np.matmul(x, weights.astype(np.float32)[:, :, None])[:, :, 0]
    return values
