"""LIME for one row: a weighted ridge on which features keep their value.

Source: Ribeiro, Singh & Guestrin (2016), "Why should I trust you?". A neighbour of the row takes
other rows' values of the era for some of the features: exact bins, nothing interpolated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from numerai_lab.eraframe import EraFrame, FeatureArray
from numerai_lab.explain.shapley import Predict
from numerai_lab.seeds import child_seed

N_NEIGHBOURS = 2000
_WIDTH = 0.75
"""Of the kernel exp(-d^2 / width^2), d^2 the share of features whose value changed: LIME's own."""
_RIDGE = 1.0


def lime_facts(
    predict: Predict, era: EraFrame, row: int, columns: npt.NDArray[np.int64], seed: int
) -> dict[str, Any]:
    """Fit a linear model around a row, whose inputs are "feature k has the row's value".

    Parameters
    ----------
    predict : row by row. era : one era without targets. row : its number there.
    columns : features that may change; the others keep the row's values.

    Returns
    -------
    `neighbours`, `fit` (weighted R squared: how far to believe it), and `features` with the
    `weight` of keeping the row's value, largest first.
    """
    rng = np.random.default_rng(child_seed(seed, "lime", int(era.eras[0]), row))
    own = era.features[[row]]
    whole = era.features_in_memory()
    features: FeatureArray = whole[np.full(N_NEIGHBOURS, row)]
    for column in columns.tolist():
        change = rng.random(N_NEIGHBOURS) < 0.5
        others = rng.integers(0, era.n_rows, size=N_NEIGHBOURS)
        features[change, column] = whole[others[change], column]
    features[0] = own[0]
    kept = (features[:, columns] == own[:, columns]).astype(np.float64)
    neighbours = EraFrame(
        features=features,
        eras=era.eras,
        offsets=np.array([0, N_NEIGHBOURS], dtype=np.int64),
        ids=pa.array([f"neighbour {i}" for i in range(N_NEIGHBOURS)]),
        targets=np.empty((N_NEIGHBOURS, 0), dtype=np.float32),
        feature_names=era.feature_names,
        target_names=(),
    )
    y = predict(neighbours).astype(np.float64)
    weight = np.exp(-(1 - kept).mean(axis=1) / _WIDTH**2)
    weight /= weight.sum()
    x, y = kept - weight @ kept, y - weight @ y
    gram = N_NEIGHBOURS * (x.T * weight) @ x + _RIDGE * np.eye(len(columns))
    slopes = np.linalg.solve(gram, N_NEIGHBOURS * (x.T * weight) @ y)
    spread = float(weight @ y**2)
    left = float(weight @ (y - x @ slopes) ** 2)
    return {
        "neighbours": N_NEIGHBOURS,
        "fit": 1 - left / spread if spread > 0 else None,
        "features": [
            {"feature": era.feature_names[int(columns[k])], "weight": float(slopes[k])}
            for k in np.argsort(-np.abs(slopes), kind="stable").tolist()
        ],
    }
