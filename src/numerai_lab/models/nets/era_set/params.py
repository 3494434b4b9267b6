"""What an experiment may write under `model.params` of `era_set`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from numerai_lab.models.nets.params import AdaptingParams, Count


class EraSetParams(AdaptingParams):
    """Parameters of `era_set`."""

    SPACE: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "learning_rate": {"tune": "float", "low": 0.0003, "high": 0.01, "log": True},
        "dropout": {"tune": "float", "low": 0.0, "high": 0.6},
        "width": {"tune": "choice", "choice": [64, 128, 256]},
        "points": {"tune": "choice", "choice": [4, 16, 64]},
        "layers": {"tune": "int", "low": 1, "high": 3},
    }

    width: Count = Field(128, description="numbers that a row is embedded in; a multiple of heads")
    hidden: Count = Field(256, description="numbers inside a row's residual block")
    layers: Count = Field(1, description="times that the rows of an era learn of each other")
    points: Count = Field(
        16, description="learned points that attend to an era's rows, and to which the rows attend"
    )
    heads: Count = Field(4, description="of attention")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.3, description="share of numbers that is left out at random while it learns"
    )

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width: {self.width} is not a multiple of heads: {self.heads}")
        return self
