"""The leaf of every row in every tree, at the price of one ordinary prediction.

XGBoost's own `pred_leaf` takes about five times as long as `inplace_predict`. So the leaves of
a copy of the trees are given their numbers as values, and trees are put into groups whose
outputs are added up: with at most 32 leaves a tree, four trees share a float32 whose 24 bits
hold the four numbers side by side. One prediction with many outputs tells all leaves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import xgboost

from numerai_lab.eraframe import FeatureArray
from numerai_lab.models.trees.arrays import Trees, xgboost_trees
from numerai_lab.models.trees.values import pieces
from numerai_lab.models.trees.xgb.binning import missing_marker
from numerai_lab.models.trees.xgb_ttt.booster_json import with_leaf_values
from numerai_lab.models.trees.xgb_ttt.leaf_moves import Leaves
from numerai_lab.models.trees.xgb_ttt.method import Era

_MANTISSA = 24
_PIECE_BYTES = 1 << 26


class LeafLocator:
    """Finds the leaves of an era's rows.

    Parameters
    ----------
    booster : the copy whose leaves are numbered.
    first_leaf : int64 [n_trees + 1], as in `Trees`.
    """

    def __init__(self, booster: Any, first_leaf: npt.NDArray[np.int64]) -> None:
        self._booster, self.first_leaf = booster, first_leaf
        largest = int(np.diff(first_leaf).max(initial=1))
        self._bits = max(1, (largest - 1).bit_length())
        self._together = max(1, _MANTISSA // self._bits)
        self._known: WeakKeyDictionary[Era, Leaves] = WeakKeyDictionary()
        self._dtype: type[np.unsignedinteger] = np.uint32
        if largest <= 1 << 16:
            self._dtype = np.uint8 if largest <= 1 << 8 else np.uint16

    @classmethod
    def of(cls, booster: Any, n_threads: int = 0) -> tuple[LeafLocator, Trees]:
        """Make a locator for a fitted Booster; its trees as arrays come with it."""
        trees, _ = xgboost_trees(booster)
        locator = cls(None, trees.first_leaf)
        together = locator._together
        numbers = [
            np.ldexp(np.arange(n, dtype=np.float64), locator._bits * (i % together))
            for i, n in enumerate(np.diff(locator.first_leaf))
        ]
        outputs = [i // together for i in range(len(numbers))]
        locator._booster = with_leaf_values(booster, numbers, outputs)
        locator._booster.set_param({"nthread": n_threads, "device": "cpu"})
        return locator, trees

    def of_era(self, era: Era) -> Leaves:
        """Find the leaves of an era's rows, once for as long as the era is held."""
        if era not in self._known:
            self._known[era] = self.locate(era.features)
        return self._known[era]

    def locate(self, features: FeatureArray) -> Leaves:
        """Find the leaf of every row in every tree.

        Parameters
        ----------
        features : int8 or float32 [n_rows, n_features], missing values as in an EraFrame.
        """
        n_trees = len(self.first_leaf) - 1
        local = np.empty((n_trees, len(features)), dtype=self._dtype)
        mask = np.int32((1 << self._bits) - 1)
        n_groups = -(-n_trees // self._together)
        for piece in pieces(len(features), 8 * n_groups, _PIECE_BYTES):
            sums = self._booster.inplace_predict(
                features[piece], predict_type="margin", missing=missing_marker(features.dtype)
            )
            codes = sums.reshape(len(sums), -1).T.astype(np.int32, order="C")
            for k in range(self._together):
                trees = local[k :: self._together, piece]
                trees[:] = (codes[: len(trees)] >> np.int32(k * self._bits)) & mask
        return Leaves(local, self.first_leaf)

    def save(self, path: Path) -> None:
        """Write the copy of the trees in XGBoost's own format."""
        self._booster.save_model(path)

    @classmethod
    def load(cls, path: Path, first_leaf: npt.NDArray[np.int64]) -> LeafLocator:
        """Read what `save` wrote."""
        return cls(xgboost.Booster(model_file=path), first_leaf)
