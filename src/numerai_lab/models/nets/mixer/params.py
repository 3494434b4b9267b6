"""What an experiment may write under `model.params` of `mixer`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from numerai_lab.models.nets.params import AdaptingParams, Count


class MixerParams(AdaptingParams):
    """Parameters of `mixer`."""

    SPACE: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "learning_rate": {"tune": "float", "low": 0.0003, "high": 0.01, "log": True},
        "dropout": {"tune": "float", "low": 0.0, "high": 0.9},
        "subsets": {"tune": "int", "low": 2, "high": 12},
        "blocks": {"tune": "int", "low": 1, "high": 8},
        "width": {"tune": "choice", "choice": [16, 32, 64]},
        "hidden": {"tune": "choice", "choice": [32, 64]},
        "bottleneck": {"tune": "choice", "choice": [4, 8, 16]},
    }

    subsets: Count = Field(
        6,
        description="subsets of the features, drawn from the seed; each draws first from the "
        "features that the fewest before it have, so that every feature is in one",
    )
    share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="share of the features that is in each subset"
    )
    width: Count = Field(32, description="numbers (channels) that are read from each subset")
    blocks: Count = Field(2, description="TSMixer's blocks: across subsets, then across channels")
    hidden: Count = Field(64, description="numbers inside the layer across channels")
    activation: Literal["relu", "gelu"] = Field("relu", description="in the blocks")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.3, description="share of numbers that is left out at random while it learns"
    )
    bottleneck: Count = Field(
        8, description="numbers that the prediction is made from, and that `encode` gives of a row"
    )

    @model_validator(mode="after")
    def _every_feature_is_read(self) -> Self:
        if self.subsets * self.share < 1:
            raise ValueError(
                f"subsets: {self.subsets} x share: {self.share:g} is less than 1, so that some "
                "features would be in no subset"
            )
        return self
