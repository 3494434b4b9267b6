"""A model within a model's parameters: a member of a stack, the first stage of a residual."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, SerializeAsAny, ValidationInfo, field_validator

from numerai_lab.errors import ModelError
from numerai_lab.models.contract import Model, ModelInfo, Params, history_eras_of, info_of
from numerai_lab.models.registry import get_model

ParamsClass = type[BaseModel]
_NOTHING_WRITTEN: Any = {}
"""Checked as if a person had written it."""


class ModelChoice(Params):
    """What an experiment writes under `model`, anywhere within `model.params`.

    `params` is checked with the named model's own class, models within it likewise; a mistake is
    told with its place in the YAML, as at the top.

    Attributes
    ----------
    type : the model's name.
    params : an instance of its `Params`.
    """

    type: str = Field(description="name of a model (`numerai-lab models`)")
    params: SerializeAsAny[BaseModel] = Field(
        default_factory=lambda: _NOTHING_WRITTEN,
        validate_default=True,
        description="its parameters (`numerai-lab models NAME`)",
    )

    @field_validator("type")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            get_model(name)
        except ModelError as error:
            raise ValueError(str(error)) from None
        return name

    @field_validator("params", mode="before")
    @classmethod
    def _checked(cls, written: Any, info: ValidationInfo) -> Any:
        if isinstance(written, BaseModel) or "type" not in info.data:
            return written if isinstance(written, BaseModel) else Params()
        # pydantic takes the errors of this validation among those of the whole, with their places
        return get_model(info.data["type"]).Params.model_validate(written)

    @classmethod
    def section_of(cls, key: str, written: Any) -> ParamsClass | None:
        """Return the class with which what is written under `key` is checked, for messages.

        Parameters
        ----------
        written : the mapping as a person wrote it; None where that is not known.
        """
        if key != "params" or not isinstance(written, dict):
            return None
        try:
            return get_model(str(written.get("type"))).Params
        except ModelError:
            return None

    @property
    def info(self) -> ModelInfo:
        """What the chosen model declares with these parameters."""
        return info_of(get_model(self.type), self.params)

    @property
    def needs_beside_rows(self) -> str:
        """Name what the chosen model needs beside labelled rows; "" where these are enough."""
        needs, model = self.info, self.new()
        lacks = {
            "rows without labels": needs.unlabelled,
            "members' predictions": needs.needs_members,
            "artefacts": needs.artefacts,
            "earlier eras at prediction": history_eras_of(model) > 0,
            "labels as they become known": hasattr(model, "observe") and not needs.offline,
        }
        return next((what for what, needed in lacks.items() if needed), "")

    def new(self) -> Model:
        """Make the chosen model, not fitted."""
        return get_model(self.type)(self.params)


def files_within(value: Any, key: str = "model.params") -> Iterator[tuple[str, Path]]:
    """Yield (key, path) of every file that parameters name, at any depth: fields that are a `Path`.

    Parameters
    ----------
    key : under which the value stands.
    """
    if isinstance(value, Path):
        yield key, value
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from files_within(getattr(value, name), f"{key}.{field.alias or name}")
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from files_within(item, f"{key}[{i}]")
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from files_within(item, f"{key}.{name}")


def models_within(params: BaseModel) -> Iterator[ModelChoice]:
    """Yield every model that is chosen within parameters, at any depth, outer ones first."""
    for name in type(params).model_fields:
        yield from _choices(getattr(params, name))


def _choices(value: Any) -> Iterator[ModelChoice]:
    if isinstance(value, ModelChoice):
        yield value
    if isinstance(value, BaseModel):
        yield from models_within(value)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _choices(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _choices(item)
