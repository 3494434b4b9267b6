"""Means over the rows of a leaf and sums over trees: the two halves of every leaf refresh."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64

SHRINKAGE = 20.0
"""Rows added to every leaf as if they asked for no change: 20 rows move a leaf half the way."""
_PIECE = 1 << 16
"""Pairs of row and tree worked on at once: what is made of them fits the processor's cache."""
_ZERO = 1e-200


@dataclass(frozen=True, eq=False)
class Leaves:
    """Where the rows of one era fall.

    Attributes
    ----------
    local : uint8, uint16 or uint32 [n_trees, n_rows], number of the leaf within its tree.
    first_leaf : int64 [n_trees + 1], where the leaves of a tree begin among those of all.
    """

    local: npt.NDArray[np.unsignedinteger]
    first_leaf: npt.NDArray[np.int64]

    @cached_property
    def rows(self) -> Float64:
        """Rows in every leaf, float64 [n_leaves]."""
        return self._per_leaf(None)

    def means(self, values: Float64, among: npt.NDArray[np.bool_] | None = None) -> Float64:
        """Return the shrunk mean of every leaf: its rows' sum / (rows + `SHRINKAGE`).

        The order of the rows does not matter, not even in the last bit: values are rounded
        to a grid so fine, and yet so coarse, that the float64 sums on it are exact.

        Parameters
        ----------
        values : float64 [n_rows], finite. among : bool [n_rows], the rows that count; None: all.

        Returns
        -------
        float64 [n_leaves].
        """
        if among is None:
            return self._per_leaf(on_exact_grid(values)) / (self.rows + SHRINKAGE)
        sums = self._per_leaf(on_exact_grid(np.where(among, values, 0.0)))
        return sums / (self._per_leaf(among.astype(np.float64)) + SHRINKAGE)

    def sum_over_trees(self, leaf_values: npt.NDArray[np.floating]) -> Float64:
        """Return for each row the sum of its leaves' values, float64 [n_rows]."""
        total = np.zeros(self.local.shape[1])
        for trees, leaves in self._pieces():
            total += leaf_values[leaves + self.first_leaf[trees, None]].sum(axis=0)
        return total

    def mean_over_trees(self, leaf_values: npt.NDArray[np.floating]) -> Float64:
        """Return for each row the mean of its leaves' values, float64 [n_rows]."""
        return self.sum_over_trees(leaf_values) / max(1, len(self.local))

    def _per_leaf(self, values: Float64 | None) -> Float64:
        """Sum the values of each leaf's rows, or count the rows."""
        sums = np.zeros(int(self.first_leaf[-1]))
        for trees, leaves in self._pieces():
            first, stop = self.first_leaf[trees.start], self.first_leaf[trees.stop]
            flat = (leaves + (self.first_leaf[trees, None] - first)).ravel()
            weights = None if values is None else np.broadcast_to(values, leaves.shape).ravel()
            sums[first:stop] = np.bincount(flat, weights, minlength=int(stop - first))
        return sums

    def _pieces(self) -> Iterator[tuple[slice, npt.NDArray[np.unsignedinteger]]]:
        """Yield neighbouring trees and their part of `local`."""
        n_trees, n_rows = self.local.shape
        step = max(1, _PIECE // max(1, n_rows))
        for start in range(0, n_trees, step):
            trees = slice(start, min(start + step, n_trees))
            yield trees, self.local[trees]


def on_exact_grid(values: Float64) -> Float64:
    """Round values to multiples of a power of two on which float64 sums of them are exact.

    The grid is 2 n / 2**52 of the largest absolute value or finer, n the number of values.
    """
    largest = float(np.abs(values).max(initial=0.0))
    if largest < _ZERO:
        return np.zeros_like(values)
    bits = 52 - int(np.ceil(np.log2(len(values) + 1)))
    grid = np.ldexp(1.0, int(np.frexp(largest)[1]) - bits)
    return np.asarray(np.rint(values / grid) * grid)
