"""`relative` and `group_scores`: a row's values beside one another, within groups of features."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from numerai_lab.eraframe import EraFrame
from numerai_lab.features.protocol import StepContext, StepParams, TransformInfo
from numerai_lab.features.step import Step

Moment = Literal["mean", "std"]
Names = Annotated[list[str], Field(min_length=1)]


class RelativeParams(StepParams):
    """Parameters of `relative`."""

    groups: Names | None = Field(
        None,
        description="sets of features that are groups; every set but small and medium if left out",
    )
    features: Names | None = Field(
        None, description="features to set beside their groups; all that are in one if left out"
    )
    how: Literal["deviation", "rank"] = Field(
        "deviation", description="value less the group's mean in the row, or rank among its values"
    )


class Relative(Step):
    """A feature beside the group it is in.

    deviation: x_f - mean over the group's features g of x_g, in the same row; rank: the share of
    the group's values below x_f, ties half. Then ranked within the era. A feature in several groups
    is set beside the first.
    """

    info: ClassVar[TransformInfo] = TransformInfo(
        summary="a feature less its group's mean in the row, or its rank among the group",
        state="stateless",
    )
    Params: ClassVar[type[StepParams]] = RelativeParams
    kind = "relative"

    def fit(self, train: EraFrame, ctx: StepContext) -> None:
        """Find the groups by name; no value is looked at."""
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
