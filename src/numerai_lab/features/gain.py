"""How much features tell of a target, on training eras alone: gain of trees, and stability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.features.runtime import centred, numbers
from numerai_lab.seeds import child_seed

_TREES = 100
_MOST_VALUES = 100 << 20
"""LightGBM takes a byte a value while it bins: of more, every n-th era is looked at."""
_BATCH_BYTES = 4 << 20


def gains(train: EraFrame, target: str, seed: int, n_threads: int = 0) -> Float64:
    """Return each feature's total gain in 100 LightGBM trees, float64 [n_features].

    Trees of 32 leaves at a rate of .1, each on a tenth of the features and at least 20 rows a
    leaf. Where the rows are many, every n-th training era is looked at.
    """
    import lightgbm

    step = max(1, -(-train.n_rows * train.n_features // _MOST_VALUES))
    rows = train.select_eras(train.eras[:: min(step, train.n_eras)])

    class Rows(lightgbm.Sequence):  # type: ignore[misc]  # LightGBM is untyped
        batch_size = max(1, _BATCH_BYTES // (4 * train.n_features))

        def __len__(self) -> int:
            return rows.n_rows

        def __getitem__(self, index: Any) -> Any:
            if isinstance(index, (int, np.integer)):
                return numbers(rows.features[int(index) : int(index) + 1])[0]
            return numbers(rows.features[index])

    params = {
        "objective": "regression",
        "learning_rate": 0.1,
        "num_leaves": 32,
        "feature_fraction": min(1.0, max(0.1, 10 / train.n_features)),
        "min_data_in_leaf": 20,
        "seed": child_seed(seed, "gain"),
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": n_threads,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(Rows(), label=rows.target(target).copy(), params=params)
    booster = lightgbm.train(params, data, num_boost_round=_TREES)
    return np.asarray(booster.feature_importance("gain"), dtype=np.float64)


def stability(train: EraFrame, target: str) -> Float64:
    """Return |mean| / standard deviation over eras of each feature's covariance with the target.

    float64 [n_features]; 0 for a feature that is constant in every era.
    """
    found = np.empty((train.n_eras, train.n_features))
    label = train.target(target)
    for i, (_, rows) in enumerate(train.iter_eras()):
        y = label[rows].astype(np.float64)
        found[i] = (y - y.mean()) @ np.nan_to_num(centred(train.features[rows])) / len(y)
    spread = found.std(axis=0)
    means = np.abs(found.mean(axis=0))
    found_ones: Float64 = np.divide(means, spread, out=np.zeros_like(means), where=spread > 0)
    return found_ones


def best(values: Float64, k: int) -> list[int]:
    """Return the numbers of the k largest values, ascending; of equal ones the first."""
    order: npt.NDArray[np.int64] = np.argsort(-values, kind="stable")
    return sorted(order[:k].tolist())


def varying(train: EraFrame, columns: Sequence[int]) -> list[int]:
    """Return those columns that take more than one value over the training rows."""
    open_ = list(columns)
    first: dict[int, Any] = {}
    kept: list[int] = []
    for _, rows in train.iter_eras():
        if not open_:
            break
        values = numbers(train.features[rows][:, open_])
        for i, column in enumerate(list(open_)):
            mine = values[:, i]
            known = mine[~np.isnan(mine)]
            if len(known) == 0:
                continue
            start = first.setdefault(column, known[0])
            if (known != start).any():
                kept.append(column)
        open_ = [column for column in open_ if column not in kept]
    return sorted(kept)
