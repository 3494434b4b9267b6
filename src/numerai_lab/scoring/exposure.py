"""Feature exposure: how strongly predictions follow single features, era by era."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.errors import DataError
from numerai_lab.scoring.arrays import FloatArray, Offsets, as_columns, era_slices, one_blas_thread
from numerai_lab.scoring.least_squares import Neutralizers, NeutralizersByEra, centred_era

_FEATURES_AT_ONCE = 512
"""Features turned into float64 at a time: 6,500 rows of them are 27 MB."""


class Exposure(NamedTuple):
    """How strongly predictions follow features.

    Attributes
    ----------
    max_abs : float64 [n_eras, n_columns], the largest absolute correlation.
    rms : float64 [n_eras, n_columns], the root mean square over features that vary in the era.
    feature : int64 [n_eras, n_columns], the index of the feature with the largest, or -1 where
        there is none (constant predictions, no varying feature).
    mean : float64 [n_features, n_columns], each feature's signed correlation averaged over eras;
        NaN for a feature that varies in no era.
    """

    max_abs: Float64
    rms: Float64
    feature: npt.NDArray[np.int64]
    mean: Float64


def exposure_per_era(
    predictions: FloatArray, features: NeutralizersByEra, offsets: Offsets
) -> Exposure:
    """Pearson correlation of each feature with the raw predictions, summed up per era.

    Parameters
    ----------
    predictions : float [n_rows] or [n_rows, n_columns]; rows with NaN are left out, per column.
    features : int8 (missing: `MISSING_INT8`) or float (missing: NaN) [n_rows, n_features]. A
        missing value counts as the feature's mean of the era.
    offsets : int64 [n_eras + 1].

    Source: `max_feature_correlation` of numerai_tools.scoring, which takes raw predictions too.
    """
    columns = as_columns(predictions, offsets).astype(np.float64, copy=False)
    if features.ndim != 2 or len(features) != len(columns):
        raise DataError(f"features have shape {features.shape}, predictions {len(columns)} rows")
    shape = (len(offsets) - 1, columns.shape[1])
    largest, rms = np.full(shape, np.nan), np.full(shape, np.nan)
    feature = np.full(shape, -1, dtype=np.int64)
    total = np.zeros((columns.shape[1], features.shape[1]))
    counted = np.zeros(total.shape, dtype=np.int64)
    with one_blas_thread():
        for i, era in era_slices(offsets):
            present = ~np.isnan(columns[era])
            patterns = np.unique(present.T, axis=0) if not present.all() else present.T[:1]
            for rows in patterns:
                chosen = np.flatnonzero((present == rows[:, None]).all(axis=0))
                block = features[era] if rows.all() else features[era][rows]
                exposures = _correlations(columns[era][rows][:, chosen], block)
                known = ~np.isnan(exposures)
                total[chosen] += np.where(known, exposures, 0)
                counted[chosen] += known
                for j, values in zip(chosen, exposures, strict=True):
                    if np.isnan(values).all():
                        continue
                    at = int(np.nanargmax(np.abs(values)))
                    largest[i, j], feature[i, j] = abs(values[at]), at
                    rms[i, j] = np.sqrt(np.nanmean(values**2))
    mean = np.divide(total, counted, out=np.full_like(total, np.nan), where=counted > 0)
    return Exposure(largest, rms, feature, mean.T)


def _correlations(y: Float64, block: Neutralizers) -> Float64:
    """Return the correlations [k, n_features] of y [n, k] with one era's features."""
    result = np.full((y.shape[1], block.shape[1]), np.nan)
    if len(y) < 2:
        return result
    centred = y - y.mean(axis=0)
    norms = np.sqrt(np.einsum("ij,ij->j", centred, centred))
    norms[y.min(axis=0) == y.max(axis=0)] = np.nan
    for start in range(0, block.shape[1], _FEATURES_AT_ONCE):
        x = centred_era(block[:, start : start + _FEATURES_AT_ONCE])
        result[:, start + x.kept] = (centred.T @ x.values) / (norms[:, None] * np.sqrt(x.squares))
    return result
