"""`interactions`: products, differences and ratios of pairs of features."""

from __future__ import annotations

import itertools
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from numerai_lab.eraframe import EraFrame
from numerai_lab.features.gain import best, gains, varying
from numerai_lab.features.protocol import StepContext, StepParams, TransformInfo
from numerai_lab.features.step import Step

How = Literal["product", "difference", "ratio"]


class InteractionsParams(StepParams):
    """Parameters of `interactions`."""

    top: Annotated[int, Field(ge=2, le=40)] = Field(
        6, description="features of most gain in 100 trees on the training eras, all pairs of them"
    )
    features: Annotated[list[str], Field(min_length=2)] | None = Field(
        None, description="the features themselves, instead of top"
    )
    how: Annotated[list[How], Field(min_length=1)] = Field(
        default_factory=lambda: list[How](["product"]), description="what is made of each pair"
    )

    def n_given(self, n_features: int) -> int:
        """Those before, and one for each pair and way."""
        k = len(self.features) if self.features else min(self.top, n_features)
        return n_features + len(self.how) * k * (k - 1) // 2


class Interactions(Step):
    """What two features say together, ranked within the era.

    product: (a - mean a)(b - mean b), means over the era; difference: a - b; ratio: (a + 1) /
    (b + 1).
    """

    info: ClassVar[TransformInfo] = TransformInfo(
        summary="products, differences, ratios of the top features by gain, or of named ones",
        state="fitted",
    )
    Params: ClassVar[type[StepParams]] = InteractionsParams
    kind = "interactions"

    def fit(self, train: EraFrame, ctx: StepContext) -> None:
        """Choose the features by gain on the training eras, unless they are named.

        Raises ModelError : a named feature is not there, or constant over the training rows.
        """
        if self.params.features is None:
            found = gains(train, ctx.target, ctx.seed, ctx.n_threads)
            columns = varying(train, best(found, self.params.top))
        else:
            named = self.places(train, self.params.features, "features")
            columns = varying(train, named)
            constant = sorted(set(named) - set(columns))
            if constant:
                raise self.wrong(
                    f"feature '{train.feature_names[constant[0]]}' is constant over the training "
                    "rows, so that what it makes with another is that other",
                    "features",
                    "leave it out",
                )
        if len(columns) < 2:
            raise self.wrong("fewer than two features vary over the training rows")
        pairs = [list(pair) for pair in itertools.combinations(columns, 2)]
        how = [one for one in ("product", "difference", "ratio") if one in self.params.how]
        self.settings = {"pairs": pairs, "how": how, "bins": self.params.bins}
        names = train.feature_names
        self._names = tuple(
            f"{self.params.label}.{one}.{names[a]}.{names[b]}" for one in how for a, b in pairs
        )
