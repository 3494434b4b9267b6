"""What an experiment may write under `model.params` of `transformed`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field, field_validator

from numerai_lab.errors import ModelError
from numerai_lab.features import StepChoice, StepParams, check_steps, get_transform, params_of_step
from numerai_lab.models.contract import Params
from numerai_lab.models.nested import ModelChoice
from numerai_lab.models.registry import get_model


def _default_steps() -> list[StepParams]:
    return [get_transform("noise").Params(type="noise")]


class TransformedParams(Params):
    """Parameters of `transformed`. `transforms:` at the top of a config writes them."""

    transforms: Annotated[list[StepChoice], Field(min_length=1)] = Field(
        default_factory=_default_steps,
        description="steps, each a `type` and its parameters (docs/features.md)",
    )
    model: ModelChoice = Field(
        default_factory=lambda: ModelChoice(type="ridge"),
        description="model that is given the features and the columns",
    )
    placebo: Annotated[int, Field(ge=0, le=20)] = Field(
        1,
        description="twins with each column permuted within its era; with one or more the same "
        "model without columns is fitted, too; 0: neither",
    )

    @field_validator("transforms")
    @classmethod
    def _can_follow(cls, steps: list[StepParams]) -> list[StepParams]:
        check_steps(steps)
        return steps

    @field_validator("model")
    @classmethod
    def _takes_columns(cls, choice: ModelChoice) -> ModelChoice:
        needs = choice.info
        if needs.needs_members:
            raise ValueError(
                f"'{choice.type}' is made of what other runs predict and looks at no feature: "
                "write the transforms at its members (type: transformed)"
            )
        learns_on = hasattr(get_model(choice.type), "observe") and not needs.offline
        if needs.earlier_fits or learns_on:
            raise ValueError(
                f"'{choice.type}' learns from labels as they become known, through models of "
                "earlier folds, whose columns are others: choose another model, as xgb or mlp"
            )
        return choice

    @classmethod
    def space_for(cls, written: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        """Return the space of the model within, where one is written."""
        named = written.get("model")
        if not isinstance(named, dict):
            return {}
        try:
            own = get_model(str(named.get("type"))).Params
        except ModelError:
            return {}
        within = named.get("params", {})
        spaces = own.space_for(within) if issubclass(own, Params) else {}
        return {f"model.params.{key}": space for key, space in spaces.items()}

    @classmethod
    def item_of(cls, key: str, written: Any) -> type[BaseModel] | None:
        """Return the class with which an item of a list is checked, for messages."""
        return params_of_step(written) if key == "transforms" else None
