"""`noise`: columns that mean nothing, as a yardstick for those that should."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from numerai_lab.eraframe import EraFrame
from numerai_lab.features.protocol import StepContext, StepParams, TransformInfo
from numerai_lab.features.step import Step
from numerai_lab.seeds import child_seed


class NoiseParams(StepParams):
    """Parameters of `noise`."""

    columns: Annotated[int, Field(ge=1, le=1000)] = Field(12, description="how many")

    def n_given(self, n_features: int) -> int:
        """Those before, and what it makes."""
        return n_features + self.columns


class Noise(Step):
    """Random bins, each as probable; drawn by a hash of the row's features and the seed."""

    info: ClassVar[TransformInfo] = TransformInfo(
        summary="columns of random values: what any columns gain by chance", state="stateless"
    )
    Params: ClassVar[type[StepParams]] = NoiseParams
    kind = "noise"

    def fit(self, train: EraFrame, ctx: StepContext) -> None:  # noqa: ARG002 - no row is looked at
        """Take the seed."""
        self.settings = {
            "n": self.params.columns,
            "n_raw": len(ctx.raw_names),
            "seed": child_seed(ctx.seed, "noise", self.params.label),
            "bins": self.params.bins,
        }
        self._names = tuple(f"{self.params.label}.{i + 1}" for i in range(self.params.columns))
