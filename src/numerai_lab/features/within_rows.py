"""`relative` and `group_scores`: a row's values beside one another, within groups of features."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from numerai_lab.arrays import Int8
from numerai_lab.eraframe import EraFrame
from numerai_lab.features.past_runtime import beside_alike
from numerai_lab.features.protocol import Carried, Past, StepContext, StepParams, TransformInfo
from numerai_lab.features.runtime import numbers, rank_bins
from numerai_lab.features.step import Step

Moment = Literal["mean", "std"]
Names = Annotated[list[str], Field(min_length=1)]


class RelativeParams(StepParams):
    """Parameters of `relative`."""

    groups: Names | None = Field(
        None,
        description="sets of features that are groups; every set but small and medium if left out",
    )
    by: str | None = Field(
        None,
        description="a text column beside the features (data.side), such as the sector: then the "
        "group is the rows of the era with the same text, instead of other features of the row",
    )
    features: Names | None = Field(
        None, description="features to set beside their groups; all that are in one if left out"
    )
    how: Literal["deviation", "rank"] = Field(
        "deviation", description="value less the group's mean in the row, or rank among its values"
    )

    def n_given(self, n_features: int) -> int:
        """Those before, and as many or those named; fewer where some are in no group."""
        return n_features + len(self.features or range(n_features))


class Relative(Step):
    """A feature beside the group it is in: other features of the row, or (`by`) rows like it.

    deviation: x_f - mean over the group's features g of x_g, in the same row; rank: the share of
    the group's values below x_f, ties half. Then ranked within the era. A feature in several groups
    is set beside the first. With `by` the same over the rows of the group, the row itself among
    them; a row without a text is missing.
    """

    info: ClassVar[TransformInfo] = TransformInfo(
        summary="a feature less its group's mean in the row, or its rank among the group",
        state="stateless",
    )
    Params: ClassVar[type[StepParams]] = RelativeParams
    kind = "relative"

    def __init__(self, params: Any) -> None:
        super().__init__(params)
        if params.by is not None:  # a bundle is given no column beside the features
            self.kind = ""  # type: ignore[misc]

    def fit(self, train: EraFrame, ctx: StepContext) -> None:
        """Find the groups by name; no value is looked at.

        Raises
        ------
        ModelError : a set or a feature is not there, or in no group. DataError : nor is `by`.
        """
        if self.params.by is not None:
            self._fit_by_rows(train, ctx)
            return
        groups = self.groups(train, ctx, self.params.groups)
        owner: dict[int, int] = {}
        for number, columns in enumerate(groups.values()):
            for column in columns:
                owner.setdefault(column, number)
        wanted = sorted(owner)
        if self.params.features is not None:
            wanted = self.places(train, self.params.features, "features")
            loose = [i for i in wanted if i not in owner]
            if loose:
                raise self.wrong(
                    f"feature '{train.feature_names[loose[0]]}' is in none of the groups",
                    "features",
                    "name features of the groups",
                )
        self.settings = {
            "columns": [[column, owner[column]] for column in wanted],
            "groups": list(groups.values()),
            "how": self.params.how,
            "bins": self.params.bins,
        }
        self._names = tuple(f"{self.params.label}.{train.feature_names[i]}" for i in wanted)

    def apply(self, era: EraFrame, past: Past | None) -> Int8:
        """Return the columns for the rows of one era."""
        if self.params.by is None:
            return super().apply(era, past)
        texts = np.array(era.side_column(self.params.by).to_pylist(), dtype=object)
        values = numbers(era.features_in_memory()[:, self.settings["columns"]])
        found = beside_alike(values, texts, self.params.how)
        ranked: Int8 = rank_bins(found, self.params.bins)
        return ranked

    def carried(self, past: Past | None, era: int) -> Carried:  # noqa: ARG002 - the era is enough
        """Return the form for a bundle of columns by a column beside the features."""
        told = {"by": self.params.by, "how": self.params.how, "bins": self.params.bins}
        return Carried("relative_by", {**self.settings, **told}, {}, (f"side:{self.params.by}",))

    def _fit_by_rows(self, train: EraFrame, ctx: StepContext) -> None:
        if self.params.groups is not None:
            raise self.wrong("groups are of features, and `by` of rows: write one", "by")
        train.side_column(self.params.by)
        wanted = list(range(len(ctx.raw_names)))
        if self.params.features is not None:
            wanted = self.places(train, self.params.features, "features")
        self.settings = {"columns": wanted}
        self._names = tuple(f"{self.params.label}.{train.feature_names[i]}" for i in wanted)


class GroupScoresParams(StepParams):
    """Parameters of `group_scores`."""

    groups: Names | None = Field(
        None,
        description="sets of features that are groups; every set but small and medium if left out",
    )
    of: Annotated[list[Moment], Field(min_length=1)] = Field(
        default_factory=lambda: list[Moment](["mean", "std"]),
        description="what is taken over a group's values",
    )

    def n_given(self, n_features: int) -> int:
        """Those before, and some for each group that is named."""
        return n_features + len(self.of) * len(self.groups or [])


class GroupScores(Step):
    """Mean and standard deviation of a row's values over each group of features.

    Values are centred within their era first; what comes out is ranked within the era.
    """

    info: ClassVar[TransformInfo] = TransformInfo(
        summary="mean and spread of a row's values over each group of features", state="stateless"
    )
    Params: ClassVar[type[StepParams]] = GroupScoresParams
    kind = "group_scores"

    def fit(self, train: EraFrame, ctx: StepContext) -> None:
        """Find the groups by name; no value is looked at."""
        groups = self.groups(train, ctx, self.params.groups)
        of = [how for how in ("mean", "std") if how in self.params.of]
        self.settings = {"groups": list(groups.values()), "of": of, "bins": self.params.bins}
        self._names = tuple(f"{self.params.label}.{name}.{how}" for name in groups for how in of)
