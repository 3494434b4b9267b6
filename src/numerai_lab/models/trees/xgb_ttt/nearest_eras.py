"""`nearest_eras`: a ridge on the eras whose codes are nearest to that of the era it predicts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.models.adapting import State
from numerai_lab.models.contract import FitContext, Float32
from numerai_lab.models.trees.xgb_ttt.method import Era, Lesson, Trunk
from numerai_lab.models.trees.xgb_ttt.params import Adapt
from numerai_lab.models.trees.xgb_ttt.runtime import nearest_weights, triangle
from numerai_lab.models.trees.xgb_ttt.statistics import EraStatistics, era_statistics


class NearestEras:
    """Weights w_e of the standardised features Z of era e, learnt from eras k with known labels.

    Each era k counts by how near its code is to that of e, and with a floor, so that far from all
    codes seen every era counts the same and nothing is extrapolated:

        weight_k = exp(-|s_k - s_e|^2 / (2 width^2 n_codes)) + floor, then scaled to sum 1
        (sum_k weight_k Z_k'Z_k / n_k + ridge I) w_e = sum_k weight_k Z_k'y_k / n_k

    An era's prediction is f + a std(f) Z w_e / std(Z w_e), a the strength, the latter std as the
    weighted eras expect it. With `refit_eras` eras whose labels become known are taken in, so many
    at a time: a sum for each, so that the trees can be months older than what is laid on them.
    """

    n_trees = 0
    library_seconds = 0.0

    def __init__(self, params: Adapt) -> None:
        self.params = params
        self.remark: str | None = None
        self.codes: Float64 = np.zeros((0, 1))
        """float64 [n_eras, n_codes]."""
        self.grams: npt.NDArray[np.float16] = np.zeros((0, 0), np.float16)
        """[n_eras, n (n + 1) / 2], upper triangles of correlations with the diagonal."""
        self.moments: Float32 = np.zeros((0, 0), np.float32)
        """[n_eras, n_features]."""
        self._wide: Float32 | None = None
        """The grams in float32, once some era has asked for them: every one would widen them."""
        self._waiting: list[tuple[Float64, npt.NDArray[np.float16], Float32]] = []

    @property
    def online(self) -> bool:
        """Whether eras whose labels become known are taken in."""
        return self.params.refit_eras is not None

    def fit(
        self,
        lesson: Lesson,
        ctx: FitContext,
        grown: Callable[[], None],  # noqa: ARG002 - no trees here
    ) -> None:
        """Take in the training eras."""
        labels = lesson.train.target(ctx.target)
        self.codes = np.zeros((0, lesson.codes.shape[1]))
        n = len(lesson.columns)
        self.grams = np.zeros((0, n * (n + 1) // 2), np.float16)
        self.moments = np.zeros((0, n), np.float32)
        self._wide, self._waiting = None, []
        for (_, rows), code in zip(lesson.train.iter_eras(), lesson.codes, strict=True):
            statistics = era_statistics(lesson.train.features[rows][:, lesson.columns])
            if not isinstance(statistics, str):
                self.note(statistics, code, labels[rows])
        self.take_in()

    def observe(self, era: Era, labels: Float32) -> None:
        """Note one era whose labels are known, and take in what was noted when it is enough."""
        if not self.online:
            return
        self.note(era.statistics, era.code, labels)
        if len(self._waiting) >= (self.params.refit_eras or 1):
            self.take_in()

    def note(self, era: EraStatistics, code: Float64, labels: Float32) -> None:
        """Note one era, for the next `take_in`."""
        known = ~np.isnan(labels)
        if not known.any():
            return
        target = labels[known] - labels[known].mean()
        moments = era.values[known].T @ target / np.float32(len(target))
        correlations = era.correlations()
        gram = correlations[triangle(len(correlations))].astype(np.float16)
        self._waiting.append((np.asarray(code), gram, moments))

    def take_in(self) -> None:
        """Let the eras noted count from now on."""
        if not self._waiting:
            return
        codes, grams, moments = zip(*self._waiting, strict=True)
        self._wide = None
        self.codes = np.vstack([self.codes, *codes])
        self.grams = np.vstack([self.grams, *grams])
        self.moments = np.vstack([self.moments, *moments])
        self._waiting = []

    def read(self, era: Era) -> State:
        """Return the era's code, float64 [n_codes]."""
        return era.code

    def change(self, era: Era, state: State) -> Float32:
        """Return std(f) Z w_e / std(Z w_e) for a code, float32 [n_rows]."""
        weight = self._weight(era, state)
        if weight is None:
            return np.zeros_like(era.predictions)
        return np.asarray(era.statistics.values @ weight)

    def contributions(
        self,
        era: Era,
        state: State,
        trunk: Trunk,  # noqa: ARG002 - a linear model of its own
        rows: npt.NDArray[np.int64],
    ) -> tuple[Float64, float]:
        """Return each feature's term: how far a row lies from the era's mean, times the weight."""
        found = np.zeros((len(rows), era.features.shape[1]))
        weight = self._weight(era, state)
        if weight is not None:
            found[:, era.columns] = era.statistics.values[rows].astype(np.float64) * weight
        return found, 0.0

    def _weight(self, era: Era, state: State) -> Float32 | None:
        """Return std(f) w_e / std(Z w_e), float32 [n_columns]; None if all are 0."""
        if self._wide is None:
            self._wide = self.grams.astype(np.float32)
        arrays = {**self.arrays(), "grams": self._wide}
        found: Float64 | None = nearest_weights(state, arrays, self.settings())
        if found is None:
            return None
        return (found * float(era.predictions.std(dtype=np.float64))).astype(np.float32)

    def settings(self) -> dict[str, Any]:
        """Return what else the weights need, as JSON values."""
        params = self.params
        return {"width": params.width, "floor": params.floor, "weights_ridge": params.ridge}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return what was learnt, by name."""
        return {"codes": self.codes, "grams": self.grams, "moments": self.moments}

    def save(self, folder: Path) -> None:
        """Write what was learnt; eras that wait for the next refit among it."""
        waiting: list[Any] = [part for one in self._waiting for part in one]
        later: dict[str, Any] = {f"waiting_{i}": part for i, part in enumerate(waiting)}
        everything: dict[str, Any] = {**self.arrays(), **later}
        np.savez(folder / "eras.npz", **everything)

    @classmethod
    def load(cls, folder: Path, params: Adapt, trunk: Trunk) -> Self:  # noqa: ARG003
        """Read what `save` wrote."""
        method = cls(params)
        with np.load(folder / "eras.npz") as eras:
            method.codes, method.grams = eras["codes"], eras["grams"]
            method.moments = eras["moments"]
            waiting = [eras[f"waiting_{i}"] for i in range(len(eras.files) - 3)]
        method._waiting = list(zip(waiting[::3], waiting[1::3], waiting[2::3], strict=True))
        return method
