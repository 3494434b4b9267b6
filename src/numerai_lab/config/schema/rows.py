"""Which rows are used: the sections `data.eras`, `data.missing` and `data.rows`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from numerai_lab.config.schema.base import EraRange, Fraction, NonNegative, Positive, Section


class EraSelection(EraRange):
    """Which eras to load at all."""

    step: Positive = Field(1, description="keep every step-th era, by era number")
    offset: NonNegative = Field(0, description="keep eras with (number - 1) % step == offset")

    @model_validator(mode="after")
    def _offset_below_step(self) -> EraSelection:
        if self.offset >= self.step:
            raise ValueError(f"offset {self.offset} must be below step {self.step}")
        return self


class Missing(Section):
    """What happens to missing feature values; nothing is filled unless it says so here."""

    policy: Literal["keep", "constant", "median_per_era"] = "keep"
    value: int | float = Field(2, description="the value for policy: constant")
    all_twos_is_missing: bool = Field(
        False, description="v5: a feature that is 2 on a whole era counts as missing there"
    )
    max_row_missing: Fraction | None = Field(
        None, description="drop rows with a larger share of missing features"
    )
    max_feature_missing: Fraction | None = Field(
        None, description="drop features with a larger share of missing rows (training rows)"
    )


class Rows(Section):
    """A part of the training rows, for a machine that is too small for all; judged rows are whole.

    Each era keeps its share, drawn with the experiment's seed.
    """

    share: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="of the rows of each training era"
    )
    stratify: Literal["target"] | None = Field(
        "target", description="draw from each value of the main target its share; null: from all"
    )

    @property
    def said(self) -> str:
        """How a reader of scores is told."""
        where = "each era and each value of the main target" if self.stratify else "each era"
        return (
            f"trained on {100 * self.share:g} % of the training rows, drawn within {where} "
            "(data.rows)"
        )
