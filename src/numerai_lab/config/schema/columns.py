"""The section `data.columns`: names of columns in files that are not Numerai's own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from numerai_lab.config.schema.base import Section

EraFormat = Literal["auto", "week_number", "date", "days_since_1970"]


class EraColumn(Section):
    """The column that tells a row's era, and what its values count."""

    column: str = Field("era", description="its name")
    format: EraFormat = Field(
        "auto",
        description="auto: week numbers (575, '0575', 'era575'), or dates where the column's type "
        "is a date or timestamp or its text is 2013-01-04; week_number: week numbers at any "
        "distance; date: also 20130104; days_since_1970",
    )


class Columns(Section):
    """Names of columns in files that are not Numerai's own (source: parquet)."""

    era: str | EraColumn = Field(
        "era",
        description="column with the era: its name, or {column: NAME, format: date} where its "
        "values are not the numbers of weeks",
    )
    id: str = Field("id", description="column or index level with the row's id")
    data_type: str | None = Field(None, description="column with train/validation/test/live")
    keep_data_types: list[str] | None = Field(
        None, description="rows to read, by data_type; all if left out"
    )
    features: str | list[str] = Field(
        "feature", description="prefix of the feature columns, or their list"
    )
    targets: dict[str, str] = Field(
        default_factory=dict, description="name used here -> column in the file"
    )

    @property
    def era_column(self) -> EraColumn:
        """The era's column, with its format also where only its name is written."""
        return EraColumn(column=self.era) if isinstance(self.era, str) else self.era
