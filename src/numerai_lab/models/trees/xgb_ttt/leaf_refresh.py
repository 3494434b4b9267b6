"""`leaf_refresh`: leaves of jointly trained trees, moved by the residuals of auxiliary targets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.models.adapting import State
from numerai_lab.models.contract import FitContext, Float32
from numerai_lab.models.trees.arrays import Trees, xgboost_trees
from numerai_lab.models.trees.enumerated import tree_contributions
from numerai_lab.models.trees.xgb_ttt.codes.runtime import AUTO, first_half, leaf_steps_that_help
from numerai_lab.models.trees.xgb_ttt.leaf_locator import LeafLocator
from numerai_lab.models.trees.xgb_ttt.method import TOO_LATE, Era, Lesson, Trunk
from numerai_lab.models.trees.xgb_ttt.params import Adapt

GAIN = 4.0
"""Strength 1 moves the prediction by this many times the mean over trees of the leaf movements."""
_SCALE_ERAS = 16
"""Training eras that tell how far leaves usually move."""


class LeafRefresh:
    """Gradient steps of the auxiliary loss on an era's rows, in the values of the leaves.

    The trees have vector leaves: v_l for the target, u_l for the K auxiliary targets A, whose
    predictions are J. Where both go up together in the leaves tells what an auxiliary movement
    is worth for the target: the ridge over leaves, n_l the training rows in a leaf,

        B = argmin sum_l n_l (v_l - u_l B)^2 + ridge t ||B||^2,   t = tr(sum_l n_l u_l' u_l) / K.

    One step on an era moves each leaf's u by the sum of its rows' A - J, divided by rows + 20,
    and J by the mean over trees of these movements; the next step begins from there. The
    prediction is f0 + 4 a mean over trees of the movement times B, a the strength. As all of
    this is linear, only R = (A - J) B is carried along, one number a row and a leaf.
    """

    online = False
    n_trees = 0
    library_seconds = 0.0

    def __init__(self, params: Adapt) -> None:
        self.params = params
        self.remark: str | None = None
        self._locator: LeafLocator
        self._slopes: Float64
        """B, float64 [K]."""
        self._leaf_values: Float32
        """u_l B, float32 [n_leaves]."""
        self._largest = np.inf
        """No leaf moves further than this."""

    def fit(
        self,
        lesson: Lesson,
        ctx: FitContext,
        grown: Callable[[], None],  # noqa: ARG002 - no trees here
    ) -> None:
        """Read the trees, and see how far their leaves move on training eras."""
        self._locator, trees = LeafLocator.of(lesson.trunk.booster, ctx.n_threads)
        self._slopes = slopes_on_auxiliary(trees, self.params.ridge)
        self._leaf_values = (trees.value[trees.is_leaf, 1:] @ self._slopes).astype(np.float32)
        self._largest = np.inf
        n_eras = lesson.train.n_eras
        chosen = np.unique(np.linspace(0, n_eras - 1, min(n_eras, _SCALE_ERAS)).astype(int))
        squares, rows = 0.0, 0.0
        for i in chosen:
            era = lesson.era(int(i))
            in_leaf = self._locator.of_era(era).rows
            squares += float(in_leaf @ self._movement(era, self.params.steps or 1) ** 2)
            rows += float(in_leaf.sum())
        self._largest = self.params.clip * float(np.sqrt(squares / rows))

    def read(self, era: Era) -> State | str:
        """Return the movement of every leaf, float32 [n_leaves], clipped."""
        if len(self._slopes) == 0:
            return "the trees have no auxiliary targets"
        self._locator.of_era(era)
        if era.out_of_time():
            return TOO_LATE
        movement = self._movement(era, self.params.steps or 1)
        return np.clip(movement, -self._largest, self._largest).astype(np.float32)

    def _movement(self, era: Era, steps: int | str) -> Float64:
        leaves = self._locator.of_era(era)
        left = -leaves.sum_over_trees(self._leaf_values)
        # One column after another: a matrix product may round a row by where it stands.
        for target, slope in zip(era.auxiliary.T, self._slopes, strict=True):
            left += target * slope
        if steps == AUTO:
            half = first_half(era.statistics.values)
            steps = leaf_steps_that_help(leaves, left, half)
        total = movement = np.zeros(len(leaves.rows))
        for done in range(int(steps)):
            if done and era.out_of_time():
                self.remark = f"adapted in {done} steps, when the time limit was over"
                break
            if done:
                left -= leaves.mean_over_trees(movement)
            movement = leaves.means(left)
            total = total + movement
        return total

    def change(self, era: Era, state: State) -> Float32:
        """Return 4 times the mean over trees of the leaves' movements, float32 [n_rows]."""
        moved = self._locator.of_era(era).mean_over_trees(state)
        return np.asarray(GAIN * moved, dtype=np.float32)

    def contributions(
        self, era: Era, state: State, trunk: Trunk, rows: npt.NDArray[np.int64]
    ) -> tuple[Float64, float]:
        """Explain trees whose leaves have the values of their movements."""
        trees, _ = xgboost_trees(trunk.booster)
        values = np.zeros(len(trees.left))
        values[trees.is_leaf] = np.asarray(state, dtype=np.float64) * (GAIN / len(trees.roots))
        return tree_contributions(trees, values, era.features[rows])

    def observe(self, era: Era, labels: Float32) -> None:
        """Learn nothing from later labels."""

    def fitted(self) -> tuple[Float64, float]:
        """Return B, float64 [K], and how far a leaf moves at most."""
        return self._slopes, self._largest

    def save(self, folder: Path) -> None:
        """Write the numbered trees and what a movement is worth."""
        self._locator.save(folder / "leaves.ubj")
        np.savez(
            folder / "refresh.npz",
            first_leaf=self._locator.first_leaf,
            slopes=self._slopes,
            leaf_values=self._leaf_values,
            largest=self._largest,
        )

    @classmethod
    def load(cls, folder: Path, params: Adapt, trunk: Trunk) -> Self:  # noqa: ARG003
        """Read what `save` wrote."""
        method = cls(params)
        with np.load(folder / "refresh.npz") as arrays:
            method._locator = LeafLocator.load(folder / "leaves.ubj", arrays["first_leaf"])
            method._slopes, method._leaf_values = arrays["slopes"], arrays["leaf_values"]
            method._largest = float(arrays["largest"])
        return method


def slopes_on_auxiliary(trees: Trees, ridge: float) -> Float64:
    """Return B, what a unit of each auxiliary output is worth for the main one, float64 [K].

    Parameters
    ----------
    trees : outputs are [main, K auxiliary ones]; leaves count by their mass.
    ridge : L2 on B, in units of the mean square of an auxiliary output.
    """
    leaf = trees.is_leaf
    main, auxiliary = trees.value[leaf, 0].astype(np.float64), trees.value[leaf, 1:]
    if auxiliary.shape[1] == 0:
        return np.zeros(0)
    weighted = auxiliary * trees.mass[leaf, None]
    gram = weighted.T @ auxiliary
    size = float(np.trace(gram)) / len(gram)
    if size == 0:
        return np.zeros(len(gram))
    gram += ridge * size * np.eye(len(gram))
    return np.asarray(np.linalg.lstsq(gram, weighted.T @ main, rcond=None)[0])
