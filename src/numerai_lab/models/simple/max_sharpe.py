"""`max_sharpe`: the linear portfolio of features whose return had the highest Sharpe ratio."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.models.contract import ModelInfo
from numerai_lab.models.simple.linear import LinearModel
from numerai_lab.models.simple.params import MaxSharpeParams
from numerai_lab.models.simple.sums import EraSums, ReturnSums


class MaxSharpe(LinearModel):
    """The coefficients of the highest Sharpe ratio over the training eras, shrunk.

    z_t is the covariance of each feature with the label within era t, m and S their mean and
    covariance over eras: b'z_t is what the prediction b'x earns in era t, and b = S^-1 m has the
    highest mean over standard deviation of it. Eras are few beside features, so S is shrunk:
    b = (S + shrinkage tr(S)/F I)^-1 m.

    Source: Markowitz's tangency portfolio; the diagonal is that of Ledoit and Wolf (2004).
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="linear weights of the highest Sharpe ratio over training eras, in closed form",
        unit="eras",
        exportable=True,
        tolerance=1e-6,
    )
    Params: ClassVar[type[MaxSharpeParams]] = MaxSharpeParams
    sums_type: ClassVar[type[EraSums]] = ReturnSums
    name: ClassVar[str] = "max_sharpe"
    penalty_name: ClassVar[str] = "shrinkage"
    needs: ClassVar[str] = "two training eras in which features and labels vary, not all alike"

    params: MaxSharpeParams

    @property
    def written_penalty(self) -> float | Literal["auto"]:
        """`shrinkage`."""
        return self.params.shrinkage

    @staticmethod
    def merit(scores: Float64) -> Float64:
        """Mean of corr over its standard deviation."""
        spread = scores.std(axis=0)
        return np.asarray(scores.mean(axis=0) / np.where(spread > 0, spread, np.inf))
