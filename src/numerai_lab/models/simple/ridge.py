"""`ridge`: least squares with a penalty, from covariances within eras."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.machine import usable_cores
from numerai_lab.models.contract import ModelInfo, Needs, Shape
from numerai_lab.models.simple.linear import LinearModel
from numerai_lab.models.simple.params import RidgeParams
from numerai_lab.models.simple.sums import EraSums, GramSums


class Ridge(LinearModel):
    """Ridge regression on rows that are centred within their era.

    With G the mean over eras of the features' covariances within an era and c that of features
    and label, the coefficients solve (G + alpha tr(G)/F I) b = c. That is scikit-learn's `Ridge`
    on the centred rows with weight 1 / (eras x rows of the era) and the penalty alpha tr(G)/F,
    so alpha means the same for any number of rows and any scale of the features.
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="ridge regression within eras, all eras counting the same; penalty chosen inside",
        unit="eras",
        exportable=True,
        tolerance=1e-6,
    )
    Params: ClassVar[type[RidgeParams]] = RidgeParams
    sums_type: ClassVar[type[EraSums]] = GramSums
    name: ClassVar[str] = "ridge"
    penalty_name: ClassVar[str] = "alpha"
    needs: ClassVar[str] = "a training era in which features and labels vary"

    params: RidgeParams

    @property
    def written_penalty(self) -> float | Literal["auto"]:
        """`alpha`."""
        return self.params.alpha

    @staticmethod
    def merit(scores: Float64) -> Float64:
        """Mean corr."""
        return np.asarray(scores.mean(axis=0))

    def memory_needed(self, shape: Shape) -> Needs:
        """Return the bytes that training takes, whatever the number of rows.

        Square matrices of the features: those of eras at work (measured: 14 in all with 2 threads,
        19 with 4), or of the eigenvectors.
        """
        squares = 6 + 4 * usable_cores()
        return Needs(squares * 8 * shape.n_features**2 + (64 << 20))

    def ways_to_take_less(self) -> tuple[str, ...]:
        """None: it needs some square matrices of the features, and an era's rows."""
        return ()
