"""Sampled Shapley values: for models that predict row by row, without own contributions.

From each background row a path leads to the row that is explained: one feature after another takes
the row's value, in random order. What the prediction changes by in a step is added to the feature
of that step. The steps of a path sum to the difference between the predictions at its ends, so the
contributions sum to the prediction less the mean prediction of the background.

Source: Strumbelj & Kononenko (2014), Explaining prediction models and individual predictions with
feature contributions.
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
    """Whether predictions of every second row of an era stay the same without the other rows.

    Parameters
    ----------
    frame : one era without targets.
    """
    rows = np.arange(0, frame.n_rows, 2)
    whole, alone = predict(frame)[rows], predict(frame.take(rows))
    size = max(1e-12, float(whole.std())) if len(rows) > 1 else 1.0
    return bool(np.abs(whole - alone).max() <= _SAME * max(size, float(np.abs(whole).max())))


class SampledShapley:
    """Explains rows by sampled paths from background rows; use it as an `Attribute`.

    Parameters
    ----------
    background : int8 or float32 [n_background, n_features]; their values stand for "nothing is
        known of this feature".
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
                steps = self._values(frame, era, _path(start, row, order))
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


def _path(start: FeatureArray, end: FeatureArray, order: npt.NDArray[np.int64]) -> FeatureArray:
    """Return the rows of a path, [n_features + 1, n_features]: each has one more value of `end`."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(1, len(order) + 1)
    path: FeatureArray = np.empty((len(order) + 1, len(order)), dtype=start.dtype)
    path[:] = start
    changed = np.arange(len(order) + 1)[:, None] >= place[None]
    np.copyto(path, end, where=changed)
    return path
