"""What an experiment may write under `model.params` of `ridge` and `max_sharpe`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from numerai_lab.models.contract import Params

Positive = Annotated[float, Field(gt=0)]


class LinearParams(Params):
    """Parameters that all linear models share."""

    targets: Annotated[dict[str, Positive], Field(min_length=1)] | None = Field(
        None,
        description="the label is the mean of these targets by weight, as {target: 0.5, other: "
        "0.5}; the main target if left out",
    )
    inner_folds: Annotated[int, Field(ge=1)] = Field(
        3, description="auto: walk-forward parts of the training eras on which it is chosen"
    )


class RidgeParams(LinearParams):
    """Parameters of `ridge`."""

    SPACE: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "alpha": {"tune": "float", "low": 0.001, "high": 100.0, "log": True}
    }

    alpha: Literal["auto"] | Positive = Field(
        "auto",
        description="penalty, as a share of the features' mean variance within eras; auto: that "
        "of the highest mean corr on inner parts of the training eras",
    )


class MaxSharpeParams(LinearParams):
    """Parameters of `max_sharpe`."""

    SPACE: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "shrinkage": {"tune": "float", "low": 0.001, "high": 100.0, "log": True}
    }

    shrinkage: Literal["auto"] | Positive = Field(
        "auto",
        description="what is added to the diagonal of the covariance over eras, as a share of "
        "its mean; auto: that of the highest Sharpe ratio of corr on inner parts of the training "
        "eras",
    )
