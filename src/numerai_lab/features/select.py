"""`select`: some of the features, by gain, by stability over eras, or at random."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from numerai_lab.arrays import Int8
from numerai_lab.eraframe import EraFrame
from numerai_lab.features.gain import best, gains, stability
from numerai_lab.features.protocol import Past, StepContext, StepParams, Transform, TransformInfo
from numerai_lab.features.step import Step
from numerai_lab.seeds import child_seed


class SelectParams(StepParams):
    """Parameters of `select`."""

    top: Annotated[int, Field(ge=1)] = Field(description="how many features are kept")
    by: Literal["gain", "stability", "random"] = Field(
        "gain",
        description="gain in 100 trees on the training eras; |mean| / deviation over eras of the "
        "covariance with the target; or drawn",
    )

    def n_given(self, n_features: int) -> int:
        """The top ones."""
        return min(n_features, self.top)


class Select(Step):
    """Leaves features out, those of the data and those that steps before it added alike.

    Its placebo keeps as many features, drawn at random.
    """

    info: ClassVar[TransformInfo] = TransformInfo(
        summary="the top features by gain, by stability over eras, or random ones",
        state="fitted",
        last=True,
    )
    Params: ClassVar[type[StepParams]] = SelectParams
    kind = "select"

    def fit(self, train: EraFrame, ctx: StepContext) -> None:
        """Choose on the training eras.

        Raises ModelError : there are no more features than are to be kept.
        """
        n, top = train.n_features, self.params.top
        if top >= n:
            raise self.wrong(
                f"top is {top}, and there are {n} features to choose from", "top", "keep fewer"
            )
        seed = child_seed(ctx.seed, "select", self.params.label)
        if self.params.by == "gain":
            kept = best(gains(train, ctx.target, seed, ctx.n_threads), top)
        elif self.params.by == "stability":
            kept = best(stability(train, ctx.target), top)
        else:
            kept = _drawn(n, top, seed)
        self.settings = {"names": list(train.feature_names), "kept": kept, "seed": seed}

    @property
    def drops(self) -> tuple[str, ...]:
        """Names of the features left out."""
        kept = set(self.settings["kept"])
        names: list[str] = self.settings["names"]
        return tuple(name for i, name in enumerate(names) if i not in kept)

    def apply(self, era: EraFrame, past: Past | None) -> Int8:  # noqa: ARG002 - adds nothing
        """Return no columns, int8 [n_rows, 0]."""
        return np.empty((era.n_rows, 0), dtype=np.int8)

    def placebo(self, draw: int) -> Transform:
        """Return a choice of as many features, drawn at random."""
        other = Select(self.params)
        n, seed = len(self.settings["names"]), child_seed(self.settings["seed"], "placebo", draw)
        other.settings = {**self.settings, "kept": _drawn(n, self.params.top, seed)}
        return other


def _drawn(n: int, k: int, seed: int) -> list[int]:
    return sorted(np.random.default_rng(seed).choice(n, k, replace=False).tolist())
