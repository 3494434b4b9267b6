"""`knn_graph`: what the rows most like a row have, by columns that say what is alike."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from numerai_lab.eraframe import EraFrame
from numerai_lab.features.gain import best, gains
from numerai_lab.features.protocol import StepContext, StepParams, TransformInfo
from numerai_lab.features.step import Step
from numerai_lab.features.within_rows import Names


class KNNParams(StepParams):
    """Parameters of `knn_graph`."""

    by: Names = Field(description="columns whose differences, squared, say how far rows lie apart")
    k: Annotated[int, Field(ge=1, le=200)] = Field(10, description="nearest rows")
    top: Annotated[int, Field(ge=1, le=100)] = Field(
        6, description="features of most gain, whose mean over the nearest rows is taken"
    )
    features: Names | None = Field(None, description="the features themselves, instead of top")

    def n_given(self, n_features: int) -> int:
        """Those before, and a mean of each feature."""
        return n_features + (len(self.features) if self.features else min(self.top, n_features))


class KNNGraph(Step):
    """Mean of a feature over the k nearest rows of the era, without the row itself.

    Rows as near as the k-th count, too.
    """

    info: ClassVar[TransformInfo] = TransformInfo(
        summary="mean of features over the k nearest rows of the era, by named columns",
        state="fitted",
    )
    Params: ClassVar[type[StepParams]] = KNNParams
    kind = "knn_graph"

    def fit(self, train: EraFrame, ctx: StepContext) -> None:
        """Choose the features by gain on the training eras, unless they are named."""
        by = self.places(train, self.params.by, "by")
        if self.params.features is None:
            columns = best(gains(train, ctx.target, ctx.seed, ctx.n_threads), self.params.top)
        else:
            columns = self.places(train, self.params.features, "features")
        self.settings = {"by": by, "columns": columns, "k": self.params.k, "bins": self.params.bins}
        self._names = tuple(f"{self.params.label}.{train.feature_names[i]}" for i in columns)
