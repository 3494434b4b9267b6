"""What an era's unlabelled rows say: standardised features and their correlations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from numerai_lab.eraframe import MISSING_INT8, FeatureArray
from numerai_lab.models.contract import Float32

MIN_ROWS = 20
"""An era with fewer rows says nothing certain about itself: it is predicted by frozen trees."""


@dataclass(frozen=True)
class EraStatistics:
    """One era, as an adaptation sees it.

    Attributes
    ----------
    values : float32 [n_rows, n_features], mean 0 and variance 1 over the era's known values;
        0 where a value is missing or the feature does not vary.
    usable : bool [n_features], features with `MIN_ROWS` known values that vary.
    """

    values: Float32
    usable: npt.NDArray[np.bool_]

    def correlations(self) -> Float32:
        """Return the correlation matrix, float32 [n_features, n_features]."""
        return np.asarray(self.values.T @ self.values / np.float32(len(self.values)))


def era_statistics(features: FeatureArray) -> EraStatistics | str:
    """Standardise the features of one era, or say why the era says too little.

    Parameters
    ----------
    features : int8 or float32 [n_rows, n_features]; missing values as in an EraFrame, and
        infinite ones count as missing.
    """
    if len(features) < MIN_ROWS:
        return f"fewer than {MIN_ROWS} rows"
    values = features.astype(np.float32)
    missing = features == MISSING_INT8 if features.dtype == np.int8 else ~np.isfinite(values)
    values[missing] = 0
    known = len(features) - np.count_nonzero(missing, axis=0)
    n = np.maximum(known, 1).astype(np.float64)
    mean = values.sum(axis=0, dtype=np.float64) / n
    values -= mean.astype(np.float32)
    values[missing] = 0
    std = np.sqrt(np.einsum("ij,ij->j", values, values, dtype=np.float64) / n)
    # What is left of a constant float feature after taking its mean out is rounding.
    usable = (known >= MIN_ROWS) & np.isfinite(std) & (std > 1e-6 * np.abs(mean))
    if np.count_nonzero(usable) < 2:
        return "fewer than two features that vary"
    scale = np.zeros(len(std), dtype=np.float32)
    scale[usable] = 1 / std[usable]
    values[:, ~usable] = 0
    values *= scale
    return EraStatistics(values, usable)
