"""Trees as plain arrays, and what can be done with them by NumPy alone.

Nothing else of the package is imported here, so that a model can be carried to a place where
neither the package nor XGBoost is installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_PIECE = 1 << 18
"""Pairs of row and tree worked on at once: their node numbers fit the processor's cache."""


@dataclass(frozen=True)
class LeafArrays:
    """All trees of a model, one after another.

    A node's number counts over all trees, and so does a leaf's, in the order of their nodes.

    Attributes
    ----------
    first_node, first_leaf : int64 [n_trees + 1], where a tree begins.
    feature : int32 [n_nodes], the feature a node splits on.
    threshold : float32 [n_nodes]; smaller values go left.
    children : int32 [n_nodes, 2], node numbers left and right; a leaf is its own child.
    missing_right : bool [n_nodes], where missing values go.
    leaf_of_node : int32 [n_nodes], the number of a leaf, -1 for other nodes.
    values : float32 [n_leaves, n_outputs], with step size and tree weights.
    mass : float64 [n_leaves], sum of the training rows' hessians.
    intercept : float64 [n_outputs], the margin before the first tree.
    depth : splits on the longest way to a leaf.
    """

    first_node: npt.NDArray[np.int64]
    first_leaf: npt.NDArray[np.int64]
    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float32]
    children: npt.NDArray[np.int32]
    missing_right: npt.NDArray[np.bool_]
    leaf_of_node: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32]
    mass: npt.NDArray[np.float64]
    intercept: npt.NDArray[np.float64]
    depth: int

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.first_node) - 1

    def leaf_index(self, features: npt.NDArray[Any], missing: float) -> npt.NDArray[np.int32]:
        """Find the leaf of every row in every tree, level by level.

        Parameters
        ----------
        features : int8 or float32 [n_rows, n_features].
        missing : how a missing value is written there; NaN is missing in any case.

        Returns
        -------
        int32 [n_rows, n_trees], leaf numbers over all trees.
        """
        leaves = np.empty((len(features), self.n_trees), dtype=np.int32)
        step = max(1, _PIECE // max(1, self.n_trees))
        for start in range(0, len(features), step):
            leaves[start : start + step] = self._descend(features[start : start + step], missing)
        return leaves

    def _descend(self, features: npt.NDArray[Any], missing: float) -> npt.NDArray[np.int32]:
        rows = features.astype(np.float32)
        unknown = np.isnan(rows) | (rows == np.float32(missing))
        some_unknown = bool(unknown.any())
        first = np.arange(len(rows), dtype=np.int64)[:, None] * rows.shape[1]
        nodes = np.repeat(self.first_node[None, :-1], len(rows), axis=0)
        ways = self.children.ravel()
        for _ in range(self.depth):
            at = first + self.feature[nodes]
            right = rows.ravel()[at] >= self.threshold[nodes]
            if some_unknown:
                right = np.where(unknown.ravel()[at], self.missing_right[nodes], right)
            nodes = ways[2 * nodes + right].astype(np.int64)
        return self.leaf_of_node[nodes]

    def margins(self, leaves: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Add up the leaves of `leaf_index`: the predictions before an objective's link.

        Returns
        -------
        float32 [n_rows, n_outputs].
        """
        total = np.empty((len(leaves), self.values.shape[1]), dtype=np.float32)
        step = max(1, _PIECE // max(1, self.n_trees))
        for start in range(0, len(leaves), step):
            piece = slice(start, start + step)
            for output, values in enumerate(self.values.T):
                total[piece, output] = values[leaves[piece]].sum(axis=1, dtype=np.float64)
        return np.asarray(total + self.intercept, dtype=np.float32)
