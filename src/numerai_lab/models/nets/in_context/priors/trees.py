"""Decision trees and sums of several, all splits and leaves at random."""

from __future__ import annotations

import numpy as np

from numerai_lab.arrays import Float32

SHALLOWEST, DEEPEST = 2, 4
MOST_TREES = 8
_SPREAD = 0.5
"""Standard deviation of the thresholds, of columns with standard deviation 1."""


class Trees:
    """A full tree of depth 2 to 4 (`tree`), or the sum of two to eight (`forest`).

    Each node splits a random column at a normal threshold; leaves are normal. Tasks drawn
    together have trees of one depth, and as many of them.
    """

    kinds = ("tree", "forest")

    def draw(self, rng: np.random.Generator, x: Float32, kind: str) -> tuple[Float32, Float32]:
        """Draw trees for each task, and send all points down them."""
        n_trees = 1 if kind == "tree" else int(rng.integers(2, MOST_TREES + 1))
        depth = int(rng.integers(SHALLOWEST, DEEPEST + 1))
        values = np.zeros(x.shape[:2], dtype=np.float32)
        for _ in range(n_trees):
            values += _one_tree(rng, x, depth)
        return x, values


def _one_tree(rng: np.random.Generator, x: Float32, depth: int) -> Float32:
    n_tasks, n_points, n_dims = x.shape
    n_nodes = 2**depth - 1  # children of node i are 2 i + 1 and 2 i + 2
    columns = rng.integers(0, n_dims, (n_tasks, n_nodes))
    thresholds = _SPREAD * rng.standard_normal((n_tasks, n_nodes), dtype=np.float32)
    leaves = rng.standard_normal((n_tasks, n_nodes + 1), dtype=np.float32)
    tasks = np.arange(n_tasks)[:, None]
    points = np.arange(n_points)[None]
    node = np.zeros((n_tasks, n_points), dtype=np.int64)
    for _ in range(depth):
        split = x[tasks, points, columns[tasks, node]]
        node = 2 * node + 1 + (split > thresholds[tasks, node])
    found: Float32 = leaves[tasks, node - n_nodes]
    return found
