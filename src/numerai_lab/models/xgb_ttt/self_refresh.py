"""`self_refresh`: leaves moved towards the mean of the trees' own predictions among their rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np

from numerai_lab.models.contract import FitContext, Float32
from numerai_lab.models.xgb_ttt.leaf_locator import LeafLocator
from numerai_lab.models.xgb_ttt.leaf_moves import Float64
from numerai_lab.models.xgb_ttt.method import TOO_LATE, Era, Lesson, State, Trunk
from numerai_lab.models.xgb_ttt.params import Adapt

_LEAST_STD = 1e-9


class SelfRefresh:
    """Predictions f0 of an era as its pseudo-labels: each leaf moves towards its rows' mean.

    With g = f0 - mean(f0) over the era's rows, one step replaces g by the mean over trees of

        m_l = sum of g over the leaf's rows / (rows + 20),

    which keeps what many trees agree on: a smoothing of f0 over rows that trees do not tell
    apart. The movements of the last step are rescaled so that what they add has the standard
    deviation of f0, times a, the strength.
    """

    online = False
    n_trees = 0
    library_seconds = 0.0

    def __init__(self, params: Adapt) -> None:
        self.params = params
        self.remark: str | None = None
        self._locator: LeafLocator

    def fit(
        self,
        lesson: Lesson,
        ctx: FitContext,
        grown: Callable[[], None],  # noqa: ARG002 - no trees here
    ) -> None:
        """Read the trees; there is nothing to learn from labels."""
        self._locator, _ = LeafLocator.of(lesson.trunk.booster, ctx.n_threads)

    def read(self, era: Era) -> State | str:
        """Return the movement of every leaf, float32 [n_leaves]."""
        leaves = self._locator.of_era(era)
        if era.out_of_time():
            return TOO_LATE
        frozen = era.predictions.astype(np.float64)
        wanted = _std(frozen)
        smooth = frozen - np.sort(frozen).mean()
        movement = leaves.means(smooth)
        for done in range(1, self.params.steps or 1):
            if era.out_of_time():
                self.remark = f"adapted in {done} steps, when the time limit was over"
                break
            movement = leaves.means(leaves.mean_over_trees(movement))
        reached = _std(leaves.mean_over_trees(movement))
        if reached <= _LEAST_STD * wanted or wanted == 0:
            return "the predictions do not vary"
        return np.asarray(movement * (wanted / reached), dtype=np.float32)

    def change(self, era: Era, state: State) -> Float32:
        """Return the mean over trees of the leaves' movements, float32 [n_rows]."""
        moved = self._locator.of_era(era).mean_over_trees(state)
        return np.asarray(moved, dtype=np.float32)

    def observe(self, era: Era, labels: Float32) -> None:
        """Learn nothing from later labels."""

    def save(self, folder: Path) -> None:
        """Write the numbered trees."""
        self._locator.save(folder / "leaves.ubj")
        np.save(folder / "first_leaf.npy", self._locator.first_leaf)

    @classmethod
    def load(cls, folder: Path, params: Adapt, trunk: Trunk) -> Self:  # noqa: ARG003
        """Read what `save` wrote."""
        method = cls(params)
        first_leaf = np.load(folder / "first_leaf.npy")
        method._locator = LeafLocator.load(folder / "leaves.ubj", first_leaf)
        return method


def _std(values: Float64) -> float:
    """Return the standard deviation, whatever the order of the values, float64 [n_rows]."""
    return float(np.sort(values).std())
