"""What an experiment may write under `model.params` of the nets that follow stocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from numerai_lab.models.nets.params import Count, NetParams, Positive

FEWEST_ERAS = 3
"""Eras of a batch that a Sharpe ratio is taken over, at least."""
_NOT_HERE = ("auxiliary_targets", "class_weight_power")


class StockParams(NetParams):
    """Parameters that `stock_rnn` and `stock_transformer` share."""

    window: Count = Field(
        12, description="eras of a stock that are read: the one predicted, and those before it"
    )
    min_history: Count = Field(
        1,
        description="eras of the window that a stock must be there for, the one predicted among "
        "them; what becomes of others says short_history",
    )
    short_history: Literal["masked", "neutral"] = Field(
        "masked",
        description="of a stock that is there for less than min_history: masked: it is learnt from "
        "and predicted like any other, the eras that it lacks being masked; neutral: it teaches "
        "nothing, and is predicted as the mean of its era's other stocks",
    )
    past: Literal["own", "shuffled"] = Field(
        "own",
        description="shuffled: a control, in which each stock is read with the past of another one "
        "of its era, drawn from the seed",
    )
    target: str | None = Field(
        None,
        description="target that is learnt in the place of the main one, as scaled_5: returns over "
        "volatility; name it in data.targets, too",
    )
    loss: Literal["mse", "corr", "sharpe"] = Field(  # type: ignore[assignment]  # sharpe is theirs alone
        "mse",
        description="mse: squared error of the standardised target; corr: minus the correlation "
        "within each era; sharpe: minus the Sharpe ratio over the eras of a batch, of what "
        "predictions earn as weights, the target being the return",
    )
    width: Count = Field(32, description="numbers that a row, and a stock's past, are read into")
    layers: Count = Field(1, description="layers along time")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.2, description="share of numbers that is left out at random while it learns"
    )
    eras_per_batch: Count = Field(8, description="parts of eras in a batch")
    rows_per_era: Literal["all"] | Count = Field(
        "all", description="rows of such a part, nearly; all: a part is a whole era"
    )

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        fields = type(self).model_fields
        written = [name for name in _NOT_HERE if getattr(self, name) != fields[name].default]
        if written:
            raise ValueError(f"{written[0]} means nothing to a net of stocks: leave it out")
        if self.min_history > self.window:
            raise ValueError(
                f"min_history: {self.min_history} is more than window: {self.window}, the eras "
                "that are read"
            )
        if self.loss != "sharpe":
            return self
        if self.accumulate > 1:
            raise ValueError(
                "loss: sharpe is one number of a whole batch, which accumulate would cut: leave "
                "accumulate out"
            )
        if self.rows_per_era != "all":
            raise ValueError("loss: sharpe holds portfolios of whole eras: rows_per_era: all")
        if self.eras_per_batch < FEWEST_ERAS:
            raise ValueError(
                f"loss: sharpe needs {FEWEST_ERAS} eras_per_batch, and more say more: it is "
                f"{self.eras_per_batch}"
            )
        return self


class StockRNNParams(StockParams):
    """Parameters of `stock_rnn`."""

    SPACE: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "learning_rate": {"tune": "float", "low": 0.0003, "high": 0.01, "log": True},
        "encoder": {"tune": "choice", "choice": ["gru", "lstm"]},
        "window": {"tune": "choice", "choice": [4, 8, 12, 26]},
        "width": {"tune": "choice", "choice": [16, 32, 64]},
        "dropout": {"tune": "float", "low": 0.0, "high": 0.6},
    }

    encoder: Literal["gru", "lstm"] = Field("gru", description="the recurrent net")


class StockTransformerParams(StockParams):
    """Parameters of `stock_transformer`."""

    SPACE: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "learning_rate": {"tune": "float", "low": 0.0003, "high": 0.01, "log": True},
        "window": {"tune": "choice", "choice": [4, 8, 12, 26]},
        "width": {"tune": "choice", "choice": [16, 32, 64]},
        "points": {"tune": "choice", "choice": [4, 16, 64]},
        "dropout": {"tune": "float", "low": 0.0, "high": 0.6},
    }

    window: Count = Field(
        8, description="eras of a stock that are read: the one predicted, and those before it"
    )
    heads: Count = Field(4, description="of attention; width is a multiple of them")
    gate: Literal["market", "none"] = Field(
        "market",
        description="market: mean and spread over an era's stocks, of columns beside the features, "
        "say how much each feature counts in it; none: all count alike",
    )
    market: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="those columns (data.side); all that hold real numbers if left out"
    )
    temperature: Positive = Field(
        5.0, description="of the gate: the larger, the more alike features count"
    )
    across_layers: Annotated[int, Field(ge=0)] = Field(
        1, description="times that the stocks of an era learn of each other"
    )
    points: Count = Field(
        16, description="learned points that attend to an era's stocks, and to which these attend"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width: {self.width} is not a multiple of heads: {self.heads}")
        if self.gate == "none" and self.market is not None:
            raise ValueError("market names columns of gate: market: leave it out, or write that")
        return self
