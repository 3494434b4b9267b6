"""What an experiment may write under `model.params` of `residual`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from numerai_lab.models.contract import Params
from numerai_lab.models.nested import ModelChoice


class ResidualParams(Params):
    """Parameters of `residual`."""

    SPACE: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "folds": {"tune": "int", "low": 3, "high": 8}
    }

    first: ModelChoice = Field(
        default_factory=lambda: ModelChoice(type="ridge"), description="model that comes first"
    )
    second: ModelChoice = Field(
        default_factory=lambda: ModelChoice(type="xgb"),
        description="model that learns what the first leaves",
    )
    folds: Annotated[int, Field(ge=2)] = Field(
        4,
        description="blocks of training eras: the first predicts each from the others, without "
        "those within the purge on both sides",
    )

    @field_validator("first", "second")
    @classmethod
    def _learns_from_rows_alone(cls, choice: ModelChoice) -> ModelChoice:
        more = choice.needs_beside_rows
        if more:
            raise ValueError(
                f"'{choice.type}' needs {more}, which a part of a residual is not given: "
                "choose a model that learns from labelled rows alone, as ridge or xgb"
            )
        return choice
