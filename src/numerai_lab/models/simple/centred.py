"""One era's rows as linear models read them: means taken out, a missing value being the mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float32, Float64
from numerai_lab.eraframe import MISSING_INT8, FeatureArray

_EXACT = 2**24
"""Whole numbers up to this are exact in float32, and so are sums of them that stay below it."""


def missing_in(block: FeatureArray) -> npt.NDArray[np.bool_]:
    """Tell which values are missing, bool, shaped as the block."""
    return block == MISSING_INT8 if block.dtype == np.int8 else np.isnan(block)


@dataclass(frozen=True, slots=True)
class CentredRows:
    """Labelled rows of one era, whose features and labels have mean 0; a missing value is 0.

    Attributes
    ----------
    values : float32 or float64 [n_rows, n_features]; `values - offset` are the centred features.
        In float32 they are whole numbers, so small that sums of their products are exact.
        A feature that is constant in the era is exactly 0.
    offset : float64 [n_features].
    means : float64 [n_features] of the features as they came; NaN where all values are missing.
    variances : float64 [n_features].
    moment : float64 [n_features], the covariance of each feature with the label.
    label_variance : of the label.
    n_missing : values that are missing.
    gram : float64 [n_features, n_features], the covariances of the features, or None.
    """

    values: Float32 | Float64
    offset: Float64
    means: Float64
    variances: Float64
    moment: Float64
    label_variance: float
    n_missing: int
    gram: Float64 | None

    def project(self, coefficients: Float64) -> Float64:
        """Return what coefficients [n_features, k] predict but for a constant, [n_rows, k]."""
        predictions = self.values @ coefficients.astype(self.values.dtype)
        return np.asarray(predictions, dtype=np.float64)


def centred_rows(
    block: FeatureArray,
    labels: Float64,
    weights: Float64 | None = None,
    *,
    with_gram: bool = True,
) -> CentredRows:
    """Centre the rows of one era.

    Parameters
    ----------
    block : int8 or float32 [n_rows, n_features], at least one row, missing values allowed.
    labels : float64 [n_rows], no NaN.
    weights : float64 [n_rows], not all 0, by which means, variances and covariances are weighted;
        None: all the same.
    with_gram : whether the covariances of the features are wanted, by far the most work.
    """
    share = np.full(len(block), 1 / len(block)) if weights is None else weights / weights.sum()
    centred = labels - share @ labels
    label_variance = float(share @ centred**2) if np.ptp(labels) > 0 else 0.0
    missing = missing_in(block)
    n_missing = int(np.count_nonzero(missing))
    own = None if np.ptp(share) == 0 else share
    values: Float32 | Float64
    if own is None and block.dtype == np.int8 and not n_missing and _is_exact(block):
        # Against the first row a constant feature is 0, and products stay whole numbers.
        values = np.subtract(block, block[0], dtype=np.float32)
        offset = (np.ones(len(values), np.float32) @ values).astype(np.float64) / len(values)
        means = offset + block[0]
        squares = np.einsum("ij,ij->j", values, values).astype(np.float64) / len(values)
        variances = squares - offset**2
    else:
        values, means = _as_float(block, missing, share)
        offset = np.zeros(block.shape[1])
        variances = np.einsum("ij,ij,i->j", values, values, share)
    moment = np.einsum("ij,i->j", values, centred * share)
    gram = _gram(values, offset, own) if with_gram else None
    return CentredRows(values, offset, means, variances, moment, label_variance, n_missing, gram)


def _gram(values: Float32 | Float64, offset: Float64, weights: Float64 | None) -> Float64:
    if weights is None:
        gram = (values.T @ values).astype(np.float64, copy=False)
        gram /= len(values)
    else:
        scaled = values * np.sqrt(weights)[:, None]
        gram = (scaled.T @ scaled).astype(np.float64, copy=False)
    if offset.any():
        gram -= np.outer(offset, offset)
    return gram


def _is_exact(block: FeatureArray) -> bool:
    return (int(block.max()) - int(block.min())) ** 2 * len(block) < _EXACT


def _as_float(
    block: FeatureArray, missing: npt.NDArray[np.bool_], share: Float64
) -> tuple[Float64, Float64]:
    """Return the centred values in float64, 0 where missing, and the means of those there."""
    values = block.astype(np.float64)
    lowest = np.where(missing, np.inf, values).min(axis=0)
    present = share @ ~missing
    with np.errstate(invalid="ignore"):
        # Above its lowest value a constant feature is 0, so that its mean is, and exactly so.
        values = np.where(missing, 0, values - lowest)
        means = (share @ values) / present
    values = np.where(missing, 0, values - means)
    return values, np.where(present > 0, lowest + means, np.nan)
