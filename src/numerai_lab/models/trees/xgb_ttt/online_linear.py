"""`online_linear`: a ridge on features and code times features, over all eras with known labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.models.adapting import State
from numerai_lab.models.contract import FitContext, Float32
from numerai_lab.models.trees.xgb_ttt.method import Era, Lesson, Trunk
from numerai_lab.models.trees.xgb_ttt.params import Adapt
from numerai_lab.models.trees.xgb_ttt.statistics import EraStatistics, era_statistics


class OnlineLinear:
    """Weights w_e = w0 + sum_m s_em w_m for the standardised features Z of era e.

    One ridge over every era whose labels are known, each with the same weight, from sums per
    era, so that a further era costs one small solve:

        A = mean kron(x x', Z'Z / n),   v = mean kron(x, Z'y / n),   x = (1, s),
        (A + ridge I) w = v

    An era's prediction is f0 + a std(f0) Z w_e / std(Z w0), a the strength: the order of
    f0's standardised prediction plus a times the linear one.
    """

    online = True
    n_trees = 0
    library_seconds = 0.0

    def __init__(self, params: Adapt) -> None:
        self.params = params
        self.remark: str | None = None
        self.n_eras = 0
        self.gram: Float64 = np.zeros((0, 0, 0, 0))
        """float64 [1 + n_codes, n_features, 1 + n_codes, n_features], summed over eras."""
        self.moments: Float64 = np.zeros((0, 0))
        """float64 [1 + n_codes, n_features], summed over eras."""
        self._solved: tuple[Float64, float] | None = None

    def fit(
        self,
        lesson: Lesson,
        ctx: FitContext,
        grown: Callable[[], None],  # noqa: ARG002 - no trees here
    ) -> None:
        """Add up the training eras."""
        shape = (1 + lesson.codes.shape[1], len(lesson.columns))
        self.gram, self.moments = np.zeros(shape + shape), np.zeros(shape)
        labels = lesson.train.target(ctx.target)
        for (_, rows), code in zip(lesson.train.iter_eras(), lesson.codes, strict=True):
            statistics = era_statistics(lesson.train.features[rows][:, lesson.columns])
            if not isinstance(statistics, str):
                self._add(statistics, code, labels[rows])

    def observe(self, era: Era, labels: Float32) -> None:
        """Add one era whose labels are known; rows without a label are left out."""
        self._add(era.statistics, era.code, labels)

    def _add(self, era: EraStatistics, code: Float64, labels: Float32) -> None:
        known = ~np.isnan(labels)
        if not known.any():
            return
        target = labels[known] - labels[known].mean()
        moments = era.values[known].T @ target / np.float32(len(target))
        factors = np.concatenate([[1.0], code])
        self.gram += np.einsum("k,l,ij->kilj", factors, factors, era.correlations())
        self.moments += np.outer(factors, moments)
        self.n_eras += 1
        self._solved = None

    def weights(self) -> tuple[Float64, float]:
        """Return weights [1 + n_codes, n_features] and the std of Z w0 over known eras."""
        if self._solved is None:
            size, n = self.moments.size, max(self.n_eras, 1)
            left = self.gram.reshape(size, size) / n + self.params.ridge * np.eye(size)
            right = self.moments.reshape(size) / n
            if self.params.ridge > 0:
                flat = np.linalg.solve(left, right)
            else:  # a feature that never varied makes this singular: the smallest solution
                flat = np.linalg.lstsq(left, right, rcond=None)[0]
            weights: Float64 = flat.astype(np.float64).reshape(self.moments.shape)
            variance = weights[0] @ (self.gram[0, :, 0] / n) @ weights[0]
            self._solved = weights, math.sqrt(max(float(variance), 0.0))
        return self._solved

    def read(self, era: Era) -> State:
        """Return the era's code, float64 [n_codes]."""
        return era.code

    def change(self, era: Era, state: State) -> Float32:
        """Return std(f0) Z w_e / std(Z w0) for a code, float32 [n_rows]."""
        weight = self._weight(era, state)
        if weight is None:
            return np.zeros_like(era.predictions)
        return np.asarray(era.statistics.values @ weight)

    def contributions(
        self,
        era: Era,
        state: State,
        trunk: Trunk,  # noqa: ARG002 - a linear model of its own
        rows: npt.NDArray[np.int64],
    ) -> tuple[Float64, float]:
        """Return each feature's term: how far a row lies from the era's mean, times the weight."""
        found = np.zeros((len(rows), era.features.shape[1]))
        weight = self._weight(era, state)
        if weight is not None:
            found[:, era.columns] = era.statistics.values[rows].astype(np.float64) * weight
        return found, 0.0

    def _weight(self, era: Era, state: State) -> Float32 | None:
        """Return std(f0) w_e / std(Z w0) for a code, float32 [n_columns]; None if all are 0."""
        weights, scale = self.weights()
        if scale == 0:
            return None
        unit = float(era.predictions.std(dtype=np.float64)) / scale
        return (np.concatenate([[1.0], state]) @ weights * unit).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write the sums."""
        np.savez(folder / "sums.npz", gram=self.gram, moments=self.moments, n_eras=self.n_eras)

    @classmethod
    def load(cls, folder: Path, params: Adapt, trunk: Trunk) -> Self:  # noqa: ARG003
        """Read what `save` wrote."""
        method = cls(params)
        with np.load(folder / "sums.npz") as sums:
            method.gram, method.moments = sums["gram"], sums["moments"]
            method.n_eras = int(sums["n_eras"])
        return method
