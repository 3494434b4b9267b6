"""What every section of the YAML is made of: strict types, and ranges of eras."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from numerai_lab.config.remote import from_home
from numerai_lab.weeks import week_written

Auto = Literal["auto"]
NonNegative = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
LocalPath = Annotated[Path, Field(strict=False), AfterValidator(from_home)]
EraNumber = Annotated[int, BeforeValidator(week_written)]
"""An era's number; a date (2013-01-04) stands for the number of its week."""


class Section(BaseModel):
    """Base of every section: frozen, strict types, unknown keys rejected."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class EraRange(Section):
    """A run of eras, both ends included; a bound left out is open."""

    from_: EraNumber | None = Field(
        None, alias="from", description="first era: its number, or a date where eras are dates"
    )
    to: EraNumber | None = Field(None, description="last era, included: a number or a date")

    @model_validator(mode="after")
    def _ordered(self) -> EraRange:
        if self.from_ is not None and self.to is not None and self.from_ > self.to:
            raise ValueError(f"from {self.from_} is after to {self.to}")
        return self
