"""What others predict in the synthetic tournament: two benchmark models and the meta model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.data.synthetic.market import Market
from numerai_lab.seeds import child_seed

PURGE_ERAS = {20: 8, 60: 16}
"""Eras between the last one learned from and the predicted one, by horizon in days."""
FIRST_FIT_ERAS = 12
"""A benchmark model starts once it has this many purged eras to learn from."""


def reference_predictions(market: Market, seed: int) -> tuple[dict[str, Float64], Float64]:
    """Return benchmark predictions {name: float64 [n_eras, n_rows]}, and the meta model's.

    All are percentiles in their era, and NaN in the first eras, which have too little to learn
    from.
    """
    ender = {
        days: _percentiles(
            walk_forward_ridge(
                market.bins,
                market.targets[f"target_ender_{days}"],
                purge_eras=purge,
                first_era=purge + FIRST_FIT_ERAS,
            )
        )
        for days, purge in PURGE_ERAS.items()
    }
    # The crowd knows a part of the truth that the benchmark models do not.
    draw = np.random.default_rng(child_seed(seed, "synthetic", "crowd"))
    crowd = _percentiles(0.5 * market.planted + draw.standard_normal(market.planted.shape))
    blend = 0.4 * ender[20] + 0.2 * ender[60] + 0.4 * crowd
    return {f"benchmark_ender{days}": ender[days] for days in ender}, _percentiles(blend)


def _percentiles(values: Float64) -> Float64:
    """Rank each era [n_eras, n_rows] into (0, 1); an era of NaN stays NaN."""
    ranks = values.argsort(axis=1).argsort(axis=1)
    return np.where(np.isnan(values), np.nan, (ranks + 0.5) / values.shape[1])


def walk_forward_ridge(
    bins: npt.NDArray[np.int8],
    target: npt.NDArray[np.float32],
    *,
    purge_eras: int,
    first_era: int,
) -> Float64:
    """Predict every era with a ridge regression on the eras before it: the benchmark models.

    Refitted every 4 eras on all eras more than `purge_eras` before; it knows nothing else.

    Parameters
    ----------
    bins : int8 [n_eras, n_rows, n_features].
    target : float32 [n_eras, n_rows].
    first_era : position of the first era to predict.

    Returns
    -------
    float64 [n_eras, n_rows]; NaN before `first_era`.
    """
    n_eras, n_rows, n_features = bins.shape
    predictions = np.full((n_eras, n_rows), np.nan)
    gram, moment = np.zeros((n_features, n_features)), np.zeros(n_features)
    weights = moment
    learned = 0
    for era in range(first_era, n_eras):
        if (era - first_era) % 4 == 0:
            stop = max(era - purge_eras, 0)
            for past in range(learned, stop):
                values = bins[past] - 2.0
                gram += values.T @ values
                moment = moment + values.T @ (target[past] - 0.5)
            learned = max(stop, learned)
            penalty = 0.02 * max(float(np.trace(gram)), 1.0) / n_features
            weights = np.linalg.solve(gram + penalty * np.eye(n_features), moment)
        predictions[era] = (bins[era] - 2.0) @ weights
    return predictions
