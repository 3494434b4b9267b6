"""`impute`: missing values filled in the model's features, with an indicator if asked."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from numerai_lab.eraframe import EraFrame
from numerai_lab.features.protocol import StepContext, StepParams, Transform, TransformInfo
from numerai_lab.features.runtime import MOST_BINS, gaps_in
from numerai_lab.features.step import Step
from numerai_lab.features.within_rows import Names
from numerai_lab.seeds import child_seed


class ImputeParams(StepParams):
    """Parameters of `impute`."""

    how: Literal["constant", "era_median", "train_median", "group_mean"] = Field(
        "era_median",
        description="the lower median of the era's or of all training rows' values; the row's mean "
        "over the feature's group; or a constant",
    )
    value: Annotated[int, Field(ge=0, lt=MOST_BINS)] = Field(
        2, description="for constant, and where an era or a group has no value at all"
    )
    features: Names | None = Field(
        None, description="features to fill; if left out, all that are missing in some training row"
    )
    groups: Names | None = Field(
        None,
        description="for group_mean: sets of features; every set but small and medium if left out",
    )
    indicator: bool = Field(False, description="also add where a feature was missing")

    def n_given(self, n_features: int) -> int:
        """Those before, filled, and indicators of those named."""
        return n_features + (len(self.features or []) if self.indicator else 0)


class Impute(Step):
    """Features with their missing values filled take the place of those of the data.

    Its placebo fills each missing value with one of the era's others, drawn at random.
    """

    info: ClassVar[TransformInfo] = TransformInfo(
        summary="missing values filled: a constant, a median, the mean of the group; an indicator",
        state="fitted",
    )
    Params: ClassVar[type[StepParams]] = ImputeParams
    kind = "impute"

    def fit(self, train: EraFrame, ctx: StepContext) -> None:
        """Find which features are missing anywhere in the training rows, and their medians.

        Raises ModelError : no value is missing, or a named feature is in no group.
        """
        counts = np.zeros((train.n_features, MOST_BINS), dtype=np.int64)
        missing = np.zeros(train.n_features, dtype=np.int64)
        int8 = train.features.dtype == np.int8
        for _, rows in train.iter_eras():
            values = train.features[rows]
            missing += gaps_in(values).sum(axis=0)
            if int8 and self.params.how == "train_median":
                for bin_ in range(MOST_BINS):
                    counts[:, bin_] += (values == bin_).sum(axis=0)
        if self.params.features is None:
            columns = np.flatnonzero(missing).tolist()
        else:
            columns = self.places(train, self.params.features, "features")
        if not columns:
            raise self.wrong(
                "no value is missing in the training rows, so there is nothing to fill",
                fix="leave the step out",
            )
        value = [self.params.value] * len(columns)
        if self.params.how == "train_median":
            if not int8:
                raise self.wrong(
                    "train_median is for features in bins, and these are numbers, whose ranks "
                    "within an era are filled",
                    "how",
                    "write era_median",
                )
            halves = np.maximum(counts[columns].sum(axis=1, keepdims=True), 1) / 2
            value = (counts[columns].cumsum(axis=1) < halves).sum(axis=1).tolist()
        groups: list[list[int]] = []
        if self.params.how == "group_mean":
            found = self.groups(train, ctx, self.params.groups)
            for column in columns:
                mine = [group for group in found.values() if column in group]
                if not mine:
                    raise self.wrong(
                        f"feature '{train.feature_names[column]}' is in none of the groups",
                        "groups",
                        "name one that has it, or write another how",
                    )
                groups.append(mine[0])
        self.settings = {
            "columns": columns,
            "how": self.params.how,
            "value": value,
            "groups": groups,
            "indicator": self.params.indicator,
            "bins": self.params.bins,
            "n_raw": len(ctx.raw_names),
            "seed": child_seed(ctx.seed, "impute", self.params.label),
            "dropped": [train.feature_names[i] for i in columns],
        }
        label, names = self.params.label, [train.feature_names[i] for i in columns]
        self._names = tuple(f"{label}.{name}" for name in names)
        if self.params.indicator:
            self._names += tuple(f"{label}.missing.{name}" for name in names)
        ctx.say(
            f"'{label}' fills {int(missing[columns].sum()):,} missing values in {len(columns)} of "
            f"{train.n_features} features of the training rows"
        )

    @property
    def drops(self) -> tuple[str, ...]:
        """Names of the features whose filled form takes their place."""
        return tuple(self.settings["dropped"])

    def placebo(self, draw: int) -> Transform:
        """Return one that fills with values of the era at random."""
        other = Impute(self.params)
        seed = child_seed(self.settings["seed"], "placebo", draw)
        other.settings = {**self.settings, "how": "random", "seed": seed}
        other.arrays, other._names = self.arrays, self._names
        return other
