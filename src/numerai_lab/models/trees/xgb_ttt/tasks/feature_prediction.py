"""`feature_prediction`: predict held-out features of the era from its other features."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.models.contract import Float32
from numerai_lab.models.trees.xgb_ttt.principal import Summary
from numerai_lab.models.trees.xgb_ttt.statistics import EraStatistics
from numerai_lab.models.trees.xgb_ttt.task import AuxiliaryTask

_RIDGE = 1.0
"""On the coefficients of one era, for features of variance 1: what hardly varies says little."""


class FeaturePrediction(AuxiliaryTask):
    """K held-out features A of an era from its other features X, both standardised.

    The era's statistics are the ridge coefficients W_e of A on X. Its code minimises the
    prediction loss itself, with the training eras' mean W and their directions D:

        ||A - X (W + sum_m s_m D_m)||^2 / n + ridge ||s - prior||^2

    which needs the era's correlations only. Joint trees predict A and do not see it.
    """

    centred = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.held: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def prepare(self, train: EraFrame, columns: npt.NDArray[np.int64], seed: int) -> None:  # noqa: ARG002
        """Choose the held-out features: a seeded subset, at most half of those read."""
        n_held = min(self.params.auxiliary.held_out, self.n_features // 2)
        rng = np.random.default_rng(seed)
        self.held = np.sort(rng.choice(self.n_features, n_held, replace=False)).astype(np.int64)

    def hidden(self) -> list[int]:
        """Return the held-out features."""
        return [int(column) for column in self.held]

    def row_targets(self, era: EraStatistics) -> Float32:
        """Return the held-out features, float32 [n_rows, K]."""
        return era.values[:, self.held]

    def summary(self, era: EraStatistics) -> Summary:
        """Return the coefficients, flat, with correlations of X and of X with A."""
        correlations = era.correlations()
        others = np.delete(correlations, self.held, axis=0)
        own, cross = np.delete(others, self.held, axis=1), others[:, self.held]
        coefficients = np.linalg.solve(own + np.float32(_RIDGE) * np.eye(len(own)), cross)
        usable = np.delete(era.usable, self.held)[:, None] & era.usable[self.held]
        return Summary(coefficients.astype(np.float32).ravel(), usable.ravel(), (own, cross))

    def loss(self, era: Summary) -> tuple[Float64, Float64]:
        """Return the prediction loss as a function of the code."""
        own, cross = (part.astype(np.float64) for part in era.parts)
        seen = era.seen.reshape(cross.shape)
        moves = [move.reshape(cross.shape) * seen for move in self.directions.T]
        left = cross - own @ (self.mean.reshape(cross.shape) * seen)
        gram = np.array([[np.vdot(a, own @ b) for b in moves] for a in moves])
        return gram, np.array([np.vdot(move, left) for move in moves])

    def more_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return which features are held out."""
        return {"held": self.held}

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take it back."""
        self.held = arrays["held"]


TASK = FeaturePrediction
