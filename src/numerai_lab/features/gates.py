"""`era_aggregates`: numbers of an era, as gates of the rows' features."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from numerai_lab.eraframe import EraFrame
from numerai_lab.features.gain import best, gains
from numerai_lab.features.protocol import StepContext, StepParams, TransformInfo
from numerai_lab.features.runtime import MOST_BINS, era_numbers
from numerai_lab.features.step import Step

Aggregate = Literal["correlation", "first_component", "rows", "missing"]


class GateParams(StepParams):
    """What gates have: the features that a number of the era is multiplied with."""

    bins: Annotated[int, Field(ge=3, le=MOST_BINS)] = Field(
        13, description="equal parts of -4 to 4 in which a product lies: ranks would hide its size"
    )
    top: Annotated[int, Field(ge=2, le=50)] = Field(
        6, description="features of most gain in 100 trees on the training eras"
    )
    features: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="the features themselves, instead of top"
    )

    @property
    def n_numbers(self) -> int:
        """How many numbers an era has."""
        return 1

    def n_given(self, n_features: int) -> int:
        """Those before, and a gate of each number with each feature."""
        return n_features + self.n_numbers * (len(self.features) if self.features else self.top)


class EraAggregatesParams(GateParams):
    """Parameters of `era_aggregates`."""

    of: Annotated[list[Aggregate], Field(min_length=1)] = Field(
        default_factory=lambda: list[Aggregate](["correlation"]),
        description="mean |correlation| between the features; the share of their first component; "
        "the log of the number of rows; the share of missing values",
    )
    as_: Literal["gates"] = Field("gates", alias="as", description="products with features")

    @field_validator("as_", mode="before")
    @classmethod
    def _never_columns(cls, written: object) -> object:
        if written == "columns":
            raise ValueError(
                "an era's number is the same for all its rows and cannot rank them: write gates, "
                "its products with features"
            )
        return written

    @property
    def n_numbers(self) -> int:
        """As many as are named."""
        return len(self.of)


class EraAggregates(Step):
    """Products of an era's number with features of its rows.

    clip(z, -2, 2) x (x - mean x) / std x, where z is the number, standardised by its mean and
    deviation over the training eras; mean and std of x are over the era.
    """

    info: ClassVar[TransformInfo] = TransformInfo(
        summary="numbers of an era (how features correlate) times features: gates", state="fitted"
    )
    Params: ClassVar[type[StepParams]] = EraAggregatesParams
    kind = "era_aggregates"

    def fit(self, train: EraFrame, ctx: StepContext) -> None:
        """Choose the features, and find how the numbers spread over the training eras."""
        if self.params.features is None:
            top = min(self.params.top, len(ctx.raw_names))
            raw = train if train.n_features == len(ctx.raw_names) else None
            found = gains(train, ctx.target, ctx.seed, ctx.n_threads)
            columns = best(found if raw is not None else found[: len(ctx.raw_names)], top)
        else:
            columns = self.places(train, self.params.features, "features")
            if max(columns) >= len(ctx.raw_names):
                raise self.wrong("names a column that a step adds", "features", "name the data's")
        of, n_raw = list(self.params.of), len(ctx.raw_names)
        if "correlation" in of and len(columns) < 2:
            raise self.wrong("correlation needs two features", "features", "name another")
        each = np.array(
            [
                era_numbers(train.features[rows][:, :n_raw], columns, of)
                for _, rows in train.iter_eras()
            ]
        )
        spread = each.std(axis=0)
        still = [name for name, one in zip(of, spread, strict=True) if not one > 0]
        if still:
            raise self.wrong(
                f"'{still[0]}' is the same in all training eras, so it opens and closes nothing",
                "of",
                "leave it out",
            )
        self.settings = {
            "columns": columns,
            "of": of,
            "mean": each.mean(axis=0).tolist(),
            "std": spread.tolist(),
            "n_raw": n_raw,
            "bins": self.params.bins,
        }
        self._names = tuple(
            f"{self.params.label}.{name}.{train.feature_names[i]}" for name in of for i in columns
        )
