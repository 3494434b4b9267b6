"""Taking features or other models out of predictions, era by era, and the score of what is left."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.errors import DataError
from numerai_lab.scoring.arrays import (
    FloatArray,
    Offsets,
    as_columns,
    check_offsets,
    era_slices,
    one_blas_thread,
)
from numerai_lab.scoring.correlation import corr_per_era
from numerai_lab.scoring.least_squares import (
    Neutralizers,
    NeutralizersByEra,
    fit_era,
    missing_values,
)
from numerai_lab.scoring.ranks import gaussian_rank_per_era

_NOTHING_LEFT = 1e-8
"""A residual smaller than this share of the prediction is rounding, not a prediction."""


def neutralize_per_era(
    predictions: FloatArray,
    neutralizers: NeutralizersByEra,
    offsets: Offsets,
    proportion: float = 1.0,
) -> Float64:
    """Subtract the least-squares fit on the neutralizers (and a constant) from each column.

    Parameters
    ----------
    predictions : float [n_rows] or [n_rows, n_columns]. Rows with NaN take no part in the fit
        and stay NaN; a column that is constant in an era becomes NaN there.
    neutralizers : int8 (missing: `MISSING_INT8`) or float (missing: NaN) [n_rows] or
        [n_rows, n_neutralizers]. A missing value is replaced by its column's mean in the era,
        for this fit only (`count_missing` counts them); a column missing in the whole era or
        constant there takes no part.
    offsets : int64 [n_eras + 1].
    proportion : share of the fit to subtract, 0..1.

    Returns
    -------
    float64, shaped as the predictions.

    Source: `neutralize` of numerai_tools.scoring (lstsq with rcond 1e-6), reproduced to 1e-9.
    """
    columns = as_columns(predictions, offsets).astype(np.float64, copy=False)
    against = _two_dimensional(neutralizers, len(columns))
    result = np.full(columns.shape, np.nan)
    with one_blas_thread():
        for _, era in era_slices(offsets):
            result[era] = _neutral_era(columns[era], against[era], proportion)
    return result.reshape(predictions.shape)


def _neutral_era(columns: Float64, against: Neutralizers, proportion: float) -> Float64:
    """Do what `neutralize_per_era` says for one era."""
    result = np.full(columns.shape, np.nan)
    present = ~np.isnan(columns)
    # Columns that miss the same rows share one fit; usually that is all of them.
    patterns = [present[:, 0]] if present.all() else list(np.unique(present.T, axis=0))
    for rows in patterns:
        if not rows.any():
            continue
        chosen = (present == rows[:, None]).all(axis=0)
        chosen &= _varies(columns, rows)
        if chosen.any():
            cells = np.ix_(rows, chosen)
            y = columns[cells]
            block = against if rows.all() else against[rows]
            result[cells] = y - proportion * fit_era(block, y)
    return result


def neutral_gaussian_per_era(
    predictions: FloatArray,
    features: NeutralizersByEra,
    offsets: Offsets,
    chosen: npt.NDArray[np.int64] | None = None,
) -> Float64:
    """Gaussian-rank and neutralise to the features: the predictions that fnc ranks and scores.

    Where the features explain a prediction completely (an era with fewer rows than features)
    nothing but rounding is left, and the era is NaN for it.

    Parameters
    ----------
    predictions, features, offsets : as in `fnc_per_era`.
    chosen : int64, indices of the features to use; None: all. Picked era by era, so a subset
        of a large array is never copied as a whole.

    Returns
    -------
    float64 [n_rows, n_columns].
    """
    gaussian = gaussian_rank_per_era(as_columns(predictions, offsets), offsets)
    check_offsets(offsets, len(features), "features")
    if chosen is not None and np.array_equal(chosen, np.arange(features.shape[1])):
        chosen = None  # all of them: no copy of each era
    left = np.empty_like(gaussian)
    with one_blas_thread():
        for _, era in era_slices(offsets):
            block = features[era] if chosen is None else features[era][:, chosen]
            left[era] = _neutral_era(gaussian[era], block, 1.0)
            size, before = np.nansum(left[era] ** 2, axis=0), np.nansum(gaussian[era] ** 2, axis=0)
            left[era, size <= _NOTHING_LEFT**2 * before] = np.nan
    return left


def fnc_per_era(
    predictions: FloatArray, features: NeutralizersByEra, target: FloatArray, offsets: Offsets
) -> Float64:
    """Feature-neutral corr: neutralise the gaussian ranks to the features, then corr.

    Parameters
    ----------
    predictions : float [n_rows] or [n_rows, n_columns].
    features : int8 or float [n_rows, n_features]; missing values as in `neutralize_per_era`.
    target : float [n_rows]; rows without one still take part in the neutralisation.
    offsets : int64 [n_eras + 1].

    Returns
    -------
    float64 [n_eras, n_columns].

    Source: `feature_neutral_corr` of numerai_tools.scoring.
    """
    return corr_per_era(neutral_gaussian_per_era(predictions, features, offsets), target, offsets)


def count_missing(features: NeutralizersByEra, offsets: Offsets) -> int:
    """Count missing feature values, one era at a time."""
    return sum(
        int(np.count_nonzero(missing_values(features[era]))) for _, era in era_slices(offsets)
    )


def _varies(block: Float64, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    values = block[rows]
    return np.asarray(values.min(axis=0) != values.max(axis=0))


def _two_dimensional(neutralizers: NeutralizersByEra, n_rows: int) -> NeutralizersByEra:
    if neutralizers.ndim not in (1, 2) or len(neutralizers) != n_rows:
        raise DataError(f"neutralizers have shape {neutralizers.shape}, predictions {n_rows} rows")
    return neutralizers[:, None] if neutralizers.ndim == 1 else neutralizers
