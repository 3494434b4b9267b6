"""Shapley values by sampling, for models that predict each row by itself and tell no more.

Source: Strumbelj & Kononenko (2014), Explaining prediction models and individual predictions with
feature contributions. A row is reached from each background row by changing one feature after
another, in random order; what a change does to the prediction is the feature's. The changes on a
way sum to the difference of its ends, so contributions sum to the prediction.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame, FeatureArray
from numerai_lab.models import Contributions
from numerai_lab.seeds import child_seed

Predict = Callable[[EraFrame], Float32]
N_BACKGROUND = 8
_SAME = 1e-5


def predicts_row_by_row(predict: Predict, frame: EraFrame) -> bool:
    """Whether every second row of an era is predicted alike among all rows and without the others.

    Parameters
    ----------
    frame : one era without targets.
    """
    rows = np.arange(0, frame.n_rows, 2)
    whole, alone = predict(frame)[rows], predict(frame.take(rows))
    size = max(1e-12, float(whole.std())) if len(rows) > 1 else 1.0
    return bool(np.abs(whole - alone).max() <= _SAME * max(size, float(np.abs(whole).max())))


class SampledShapley:
    """Explains rows by sampled ways from background rows; use it as an `Attribute`.

    Parameters
    ----------
    background : rows that stand for "this feature says nothing", [n_background, n_features].
    seed : of the random orders.
    """

    def __init__(self, predict: Predict, background: FeatureArray, seed: int) -> None:
        self._predict, self._background, self._seed = predict, background, seed

    def __call__(self, frame: EraFrame, rows: npt.NDArray[np.int64]) -> tuple[Contributions, ...]:
        """Return the contributions to the prediction of some rows of an era."""
        era = int(frame.eras[0])
        features = frame.features[rows]
        base = self._values(frame, era, self._background).mean()
        values = np.zeros(features.shape)
        for i, row in enumerate(features):
            rng = np.random.default_rng(child_seed(self._seed, "shapley", era, int(rows[i])))
            for start in self._background:
                order = rng.permutation(len(row))
                steps = self._values(frame, era, _way(start, row, order))
                values[i, order] += np.diff(steps) / len(self._background)
        raw = self._values(frame, era, features)
        return (Contributions(values, float(base), raw),)

    def _values(self, frame: EraFrame, era: int, features: FeatureArray) -> npt.NDArray[np.float64]:
        n = len(features)
        made_up = EraFrame(
            features=features,
            eras=np.array([era], dtype=np.int32),
            offsets=np.array([0, n], dtype=np.int64),
            ids=pa.array([f"row {i}" for i in range(n)]),
            targets=np.empty((n, 0), dtype=np.float32),
            feature_names=frame.feature_names,
            target_names=(),
        )
        return self._predict(made_up).astype(np.float64)


def _way(start: FeatureArray, end: FeatureArray, order: npt.NDArray[np.int64]) -> FeatureArray:
    """Return the rows between two rows, [n_features + 1, n_features], a feature more each time."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(1, len(order) + 1)
    way: FeatureArray = np.empty((len(order) + 1, len(order)), dtype=start.dtype)
    way[:] = start
    changed = np.arange(len(order) + 1)[:, None] >= place[None]
    np.copyto(way, end, where=changed)
    return way
