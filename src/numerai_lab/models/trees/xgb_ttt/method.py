"""What changes an era's predictions: the protocol of a method, and the era it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import EraFrame, FeatureArray
from numerai_lab.models.adapting import State
from numerai_lab.models.contract import Contributions, FitContext, Float32, explained_rows
from numerai_lab.models.trees.contributions import xgboost_contributions
from numerai_lab.models.trees.xgb import XGB
from numerai_lab.models.trees.xgb.binning import missing_marker
from numerai_lab.models.trees.xgb_ttt.params import Adapt
from numerai_lab.models.trees.xgb_ttt.statistics import EraStatistics

TOO_LATE = "the time limit was over before the first step"


@dataclass(frozen=True)
class Trunk:
    """The trees that are adapted: frozen ones, or those trained jointly with auxiliary targets.

    Attributes
    ----------
    booster : one output; or vector leaves [main, K auxiliary targets] and base_score 0.
    intercept : added to the main output.
    n_auxiliary : K, 0 for trees that were not trained jointly.
    unit : size of one standard deviation of an auxiliary target in the trees' outputs.
    frozen : model `xgb` whose booster this is; None for jointly trained trees.
    main : the first output of jointly trained trees as a Booster of its own: vectors take time.
    """

    booster: Any
    intercept: float = 0.0
    n_auxiliary: int = 0
    unit: float = 1.0
    frozen: XGB | None = None
    main: Any = None

    @classmethod
    def plain(cls, model: XGB) -> Trunk:
        """Adapt the trees of a fitted model `xgb`."""
        return cls(model.booster, frozen=model)

    def outputs(self, features: FeatureArray) -> Float32:
        """Return float32 [n_rows, 1 + K]: main prediction, auxiliary predictions."""
        if self.frozen is not None:
            return self.frozen.predict_rows(features)[:, None]
        marker = missing_marker(features.dtype)
        outputs: Float32 = self.booster.inplace_predict(features, missing=marker)
        outputs[:, 0] += np.float32(self.intercept)
        return outputs

    def predict(self, frame: EraFrame) -> Float32:
        """Return the main prediction of every row, float32 [n_rows]."""
        if self.frozen is not None:
            return self.frozen.predict(frame)
        marker = missing_marker(frame.features.dtype)
        predictions = np.empty(frame.n_rows, dtype=np.float32)
        for _, rows in frame.iter_eras():
            predictions[rows] = self.main.inplace_predict(frame.features[rows], missing=marker)
        predictions += np.float32(self.intercept)
        return predictions

    def contributions(self, frame: EraFrame, rows: npt.NDArray[np.int64] | None) -> Contributions:
        """Return what features add to the main prediction."""
        if self.frozen is not None:
            return self.frozen.contributions(frame, rows)[0]
        features = explained_rows(frame, rows)
        marker = missing_marker(features.dtype)
        return xgboost_contributions(self.main, features, marker, self.intercept)


class Era:
    """One era without labels, as a method sees it.

    Attributes
    ----------
    number : era number.
    features : int8 or float32 [n_rows, n_features], as in an EraFrame.
    predictions : float32 [n_rows], of the trunk unadapted.
    statistics : of the features that the task reads.
    code : float64 [n_codes], what the task reads from them.
    columns : int64, the features that the task reads, as columns of `features`.
    out_of_time : whether `seconds_per_era` have passed since reading the era began.
    """

    def __init__(
        self,
        number: int,
        features: FeatureArray,
        predictions: Float32,
        statistics: EraStatistics,
        code: Float64,
        targets: Callable[[EraStatistics], Float32],
        out_of_time: Callable[[], bool] = lambda: False,
        *,
        columns: npt.NDArray[np.int64],
    ) -> None:
        self.number, self.features, self.predictions = number, features, predictions
        self.statistics, self.code, self._targets = statistics, code, targets
        self.out_of_time, self.columns = out_of_time, columns

    @cached_property
    def auxiliary(self) -> Float32:
        """Auxiliary targets, float32 [n_rows, K], in the units of the trunk's outputs."""
        return self._targets(self.statistics)


@dataclass(frozen=True)
class Lesson:
    """What a method learns from.

    Attributes
    ----------
    train : labelled rows of the training eras that have a code.
    codes : float64 [n_eras, n_codes].
    columns : int64, the features the task reads, as columns of `train.features`.
    hidden : int64, columns of `train.features` that trees which learn auxiliary targets must
        not see.
    trunk : the trees to adapt.
    read : (number, features, predictions) -> Era, for eras that have a code.
    """

    train: EraFrame
    codes: Float64
    columns: npt.NDArray[np.int64]
    hidden: npt.NDArray[np.int64]
    trunk: Trunk
    read: Callable[[int, FeatureArray, Float32], Era]

    def era(self, i: int) -> Era:
        """Return the i-th training era as at prediction."""
        rows = slice(int(self.train.offsets[i]), int(self.train.offsets[i + 1]))
        features = self.train.features[rows]
        predictions = self.trunk.outputs(features)[:, 0]
        return self.read(int(self.train.eras[i]), features, predictions)


class Method(Protocol):
    """How an unlabelled era changes its predictions.

    With strength a the prediction is trunk + a change(era, read(era)). The control gives
    `change` the state of another era.
    """

    library_seconds: float
    remark: str | None
    """What happened to the era that was read last; said after "3 of 20 eras"."""

    def __init__(self, params: Adapt) -> None:
        """Take the parameters; no work."""

    @property
    def online(self) -> bool:
        """Whether later labels change it, through `observe`."""
        ...

    @property
    def n_trees(self) -> int:
        """Trees it has grown beside the trunk."""
        ...

    def fit(self, lesson: Lesson, ctx: FitContext, grown: Callable[[], None]) -> None:
        """Learn from labelled rows; `ctx.weights` belong to them. `grown` counts trees."""

    def read(self, era: Era) -> State | str:
        """Minimise the self-supervised loss on an era; a text says why it stays unadapted.

        The state is where that leads to: a code, or the movements of leaves.
        """
        ...

    def change(self, era: Era, state: State) -> Float32:
        """Return what strength 1 adds with this state, float32 [n_rows]."""
        ...

    def contributions(
        self, era: Era, state: State, trunk: Trunk, rows: npt.NDArray[np.int64]
    ) -> tuple[Float64, float]:
        """Return what each feature adds to the change of some rows, and what is added to all.

        Returns
        -------
        float64 [rows asked for, n_features], and a number: they sum to `change(era, state)[rows]`.

        Raises
        ------
        ModelError : they cannot be found (trees of more features than can be enumerated).
        """
        ...

    def observe(self, era: Era, labels: Float32) -> None:
        """Learn from one more era whose labels have become known."""

    def save(self, folder: Path) -> None:
        """Write into an existing folder, without the trunk."""

    @classmethod
    def load(cls, folder: Path, params: Adapt, trunk: Trunk) -> Self:
        """Read what `save` wrote."""
        ...
