"""Networks with one hidden layer."""

from __future__ import annotations

import numpy as np

from numerai_lab.arrays import Float32

FEWEST, MOST = 4, 64
"""Hidden units."""


class ReluNetwork:
    """f(x) = a' max(0, Wx), with normal weights; tasks drawn together have as many units."""

    kinds = ("relu",)

    def draw(self, rng: np.random.Generator, x: Float32, kind: str) -> tuple[Float32, Float32]:  # noqa: ARG002
        """Draw a network for each task, and apply it."""
        n_tasks, _, n_dims = x.shape
        n_units = int(rng.integers(FEWEST, MOST + 1))
        first = rng.standard_normal((n_tasks, n_dims, n_units), dtype=np.float32)
        second = rng.standard_normal((n_tasks, n_units, 1), dtype=np.float32)
        hidden = np.matmul(x, first)
        np.maximum(hidden, 0.0, out=hidden)
        values: Float32 = np.matmul(hidden, second)[:, :, 0]
        return x, values
