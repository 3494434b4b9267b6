"""What files of a run directory look like to the report: values that may be absent or null."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator


def _finite_or_none(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def present(value: Any) -> Any:
    """Leave nulls out of a mapping; a null in its place is an empty one."""
    if value is None:
        return {}
    return {k: v for k, v in value.items() if v is not None} if type(value) is dict else value


def _no_rounding(value: Any) -> Any:
    """Leave out a Sharpe that divides by rounding errors; older runs hold such ones."""
    return None if isinstance(value, float) and not abs(value) < 1e9 else value


Number = Annotated[float | None, BeforeValidator(_finite_or_none)]
Sharpe = Annotated[float | None, BeforeValidator(_no_rounding)]
Eras = tuple[int, int]


class Shown(BaseModel):
    """Base of all: a null counts as absent, and keys that are not shown are ignored."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        return present(value)
