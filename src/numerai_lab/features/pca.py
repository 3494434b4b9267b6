"""`pca`: scores of principal components, of all features or of each group."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.features.protocol import StepContext, StepParams, TransformInfo
from numerai_lab.features.runtime import centred
from numerai_lab.features.step import Step
from numerai_lab.features.within_rows import Names


class PCAParams(StepParams):
    """Parameters of `pca`."""

    components: Annotated[int, Field(ge=1, le=100)] = Field(
        8, description="components, of all features or of each group"
    )
    groups: Names | None = Field(
        None,
        description="sets of features, each with components of its own; all features if left out",
    )

    def n_given(self, n_features: int) -> int:
        """Those before, and the components of each group."""
        return n_features + self.components * len(self.groups or [None])


class PCA(Step):
    """Principal components of the covariance within eras, mean over the training eras.

    Features are centred within their era, a missing value is 0. The coefficient of largest size is
    positive. Scores are ranked within the era.
    """

    info: ClassVar[TransformInfo] = TransformInfo(
        summary="scores of principal components, of all features or of each group", state="fitted"
    )
    Params: ClassVar[type[StepParams]] = PCAParams
    kind = "pca"

    def fit(self, train: EraFrame, ctx: StepContext) -> None:
        """Find the components on the training eras, each era counting the same.

        Raises ModelError : a group has fewer features than there are to be components.
        """
        n_raw = len(ctx.raw_names)
        groups = {"all": list(range(n_raw))}
        if self.params.groups is not None:
            groups = self.groups(train, ctx, self.params.groups)
        small = [name for name, mine in groups.items() if len(mine) < self.params.components]
        if small:
            raise self.wrong(
                f"'{small[0]}' has {len(groups[small[0]])} features, fewer than "
                f"{self.params.components} components",
                "components",
                "ask for fewer",
            )
        sums = {name: np.zeros((len(mine), len(mine))) for name, mine in groups.items()}
        for _, rows in train.iter_eras():
            values = train.features[rows]
            for name, mine in groups.items():
                # float32 halves the time, and what it rounds is far below what ranks tell
                block = np.nan_to_num(centred(values[:, mine])).astype(np.float32)
                sums[name] += (block.T @ block / len(block)).astype(np.float64)
        self.arrays = {
            f"axes_{i}": _axes(one, self.params.components) for i, one in enumerate(sums.values())
        }
        self.settings = {"groups": list(groups.values()), "bins": self.params.bins}
        self._names = tuple(
            f"{self.params.label}.{name}.{i + 1}"
            for name in groups
            for i in range(self.params.components)
        )


def _axes(covariance: Float64, n: int) -> Float64:
    """Return the n components of most variance, float64 [n_features, n], scaled to unit scores."""
    spread, axes = np.linalg.eigh(covariance)
    spread, axes = spread[::-1][:n], axes[:, ::-1][:, :n]
    largest = np.abs(axes).argmax(axis=0)
    signs = np.sign(axes[largest, np.arange(n)])
    scaled: Float64 = axes * signs / np.sqrt(np.maximum(spread, 1e-12))
    return scaled
