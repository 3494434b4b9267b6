"""R2, RMSE and MAE of each era: how far predictions lie from the target, on the target's scale.

They mean something only where a prediction says the target's value itself. Ranks do not: they are
spread evenly from 0 to 1 whatever the target is, so `is_ranks` tells them apart, and whoever asks
for these scores leaves such predictions out.
"""

from __future__ import annotations

import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.scoring.arrays import (
    MIN_OVERLAP,
    FloatArray,
    Offsets,
    Rows,
    apply_by_completeness,
    as_columns,
    era_slices,
)
from numerai_lab.scoring.metrics import Metric

ON_SCALE = (
    Metric("r2", "share of the target's variance in its era that is explained", adds_up=False),
    Metric("rmse", "root of the mean squared distance from the target", adds_up=False),
    Metric("mae", "mean absolute distance from the target", adds_up=False),
)
"""The scores, in the order they are shown. None is a gain of its era: no Sharpe, no drawdown."""
_EVEN = 0.05
"""Largest distance of the cumulative share of rows from that of evenly spread values, up to which
values are taken as ranks. Ranks made before some rows were left out are as near as that."""
_FEW = 10
"""An era of fewer rows tells nothing of that."""


def on_scale_per_era(
    predictions: FloatArray, target: FloatArray, offsets: Offsets
) -> dict[str, Float64]:
    """Score predictions by their distance from the target, era by era.

    Parameters
    ----------
    predictions : float [n_rows] or [n_rows, n_columns]; rows with NaN are left out, per column. A
        column with less than 80 % of an era's labelled rows has no score there.
    target : float [n_rows]; rows with NaN are left out.
    offsets : int64 [n_eras + 1].

    Returns
    -------
    name of `ON_SCALE` -> float64 [n_eras, n_columns]. R2 is 1 - sum((y - p)^2) / sum((y - mean)^2)
    with the era's mean over the rows scored; NaN where the target is constant there, where
    scikit-learn's `r2_score` gives 0 or 1 by convention. RMSE and MAE are in units of the target.

    Source: `r2_score`, `root_mean_squared_error` and `mean_absolute_error` of sklearn.metrics.
    """
    columns = as_columns(predictions, offsets)
    labels = as_columns(target, offsets, "target")[:, 0].astype(np.float64)
    shape = (len(offsets) - 1, columns.shape[1])
    found = {metric.key: np.full(shape, np.nan) for metric in ON_SCALE}
    for i, era in era_slices(offsets):
        values = labels[era]
        rows = np.flatnonzero(~np.isnan(values))

        def squares(block: FloatArray, rows: Rows, y: Float64 = values) -> Float64:
            return np.asarray(((block.astype(np.float64) - y[rows]) ** 2).mean(axis=1))

        def explained(block: FloatArray, rows: Rows, y: Float64 = values) -> Float64:
            spread = y[rows].var()
            if np.ptp(y[rows]) == 0:
                return np.full(len(block), np.nan)
            return np.asarray(1 - ((block.astype(np.float64) - y[rows]) ** 2).mean(axis=1) / spread)

        def distances(block: FloatArray, rows: Rows, y: Float64 = values) -> Float64:
            return np.asarray(np.abs(block.astype(np.float64) - y[rows]).mean(axis=1))

        required = MIN_OVERLAP * len(rows)
        found["r2"][i] = apply_by_completeness(columns[era], rows, required, explained)
        found["rmse"][i] = np.sqrt(apply_by_completeness(columns[era], rows, required, squares))
        found["mae"][i] = apply_by_completeness(columns[era], rows, required, distances)
    return found


def is_ranks(values: FloatArray, offsets: Offsets) -> bool:
    """Return whether values are spread evenly from 0 to 1 in every era, as ranks within it are.

    Parameters
    ----------
    values : float [n_rows]; NaN does not count. offsets : int64 [n_eras + 1].
    """
    seen = False
    for _, era in era_slices(offsets):
        there = np.sort(values[era][~np.isnan(values[era])].astype(np.float64))
        n = len(there)
        if n < _FEW:
            continue
        even = (np.arange(n) + 0.5) / n
        # ties share the mean of their ranks
        _, first, counts = np.unique(there, return_index=True, return_counts=True)
        even = np.repeat(even[first] + (counts - 1) / (2 * n), counts)
        if np.abs(there - even).max() > _EVEN:
            return False
        seen = True
    return seen
