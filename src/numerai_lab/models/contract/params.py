"""The base of every model's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

LEFT_OUT = "left_out"
"""Key in a field's `json_schema_extra`: what a library does when the parameter is left out."""


class Params(BaseModel):
    """Base of every model's parameters: unknown keys rejected, strict types.

    Attributes
    ----------
    SPACE : what `numerai-lab tune` searches where a config names nothing: parameters, dotted
        within sections, with spaces as they are written in YAML.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    SPACE: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @classmethod
    def space_for(cls, written: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:  # noqa: ARG003
        """Return `SPACE`, or what takes its place with these parameters, of a model within, say."""
        return cls.SPACE

    @classmethod
    def hint_unknown_key(cls, name: str) -> str:  # noqa: ARG003 - for those that know
        """Return where a key that is unknown here belongs, or an empty string."""
        return ""
