"""Taking features or other models out of predictions, era by era, and the score of what is left."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import blas, lapack

from numerai_lab.eraframe import MISSING_INT8
from numerai_lab.errors import DataError
from numerai_lab.scoring.arrays import Float64, FloatArray, Offsets, as_columns, era_slices
from numerai_lab.scoring.correlation import corr_per_era
from numerai_lab.scoring.ranks import gaussian_rank_per_era

Neutralizers = npt.NDArray[np.int8] | FloatArray

_RCOND = 1e-6
"""Singular values below this share of the largest are dropped; source: numerai_tools.neutralize."""

_SAFE_GRAM_RCOND = 1e-8
"""Normal equations square the condition: below this, one step of refinement no longer brings
them to the accuracy of a singular value decomposition."""

_SAFE_SQUARED_RATIO = 1e-11
"""Ten times the squared cut-off: above it no singular value is dropped."""

_NOTHING_LEFT = 1e-8
"""A residual smaller than this share of the prediction is rounding, not a prediction."""


def neutralize_per_era(
    predictions: FloatArray,
    neutralizers: Neutralizers,
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
    for _, era in era_slices(offsets):
        present = ~np.isnan(columns[era])
        complete = present.all(axis=1)
        # Columns that miss the same rows share one fit; usually that is all of them.
        patterns = [present[:, 0]] if complete.all() else list(np.unique(present.T, axis=0))
        for rows in patterns:
            if not rows.any():
                continue
            chosen = (present == rows[:, None]).all(axis=0)
            chosen &= _varies(columns[era], rows)
            if chosen.any():
                y = columns[era][np.ix_(rows, chosen)]
                block = against[era] if rows.all() else against[era][rows]
                cells = np.ix_(np.flatnonzero(rows) + era.start, np.flatnonzero(chosen))
                result[cells] = y - proportion * _fit(block, y)
    return result.reshape(predictions.shape)


def neutral_gaussian_per_era(
    predictions: FloatArray, features: Neutralizers, offsets: Offsets
) -> Float64:
    """Gaussian-rank and neutralise to the features: the predictions that fnc ranks and scores.

    Where the features explain a prediction completely (an era with fewer rows than features)
    nothing but rounding is left, and the era is NaN for it.

    Returns
    -------
    float64 [n_rows, n_columns].
    """
    gaussian = as_columns(gaussian_rank_per_era(predictions, offsets), offsets)
    left = neutralize_per_era(gaussian, features, offsets)
    for _, era in era_slices(offsets):
        size, before = np.nansum(left[era] ** 2, axis=0), np.nansum(gaussian[era] ** 2, axis=0)
        left[era, size <= _NOTHING_LEFT**2 * before] = np.nan
    return left


def fnc_per_era(
    predictions: FloatArray, features: Neutralizers, target: FloatArray, offsets: Offsets
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


def count_missing(features: Neutralizers, offsets: Offsets) -> int:
    """Count missing feature values, one era at a time."""
    return sum(int(np.count_nonzero(_missing(features[era]))) for _, era in era_slices(offsets))


def centred_era(block: Neutralizers) -> tuple[Float64, Float64, npt.NDArray[np.intp]]:
    """Centre one era's features, a missing value being its feature's mean.

    Features that are constant in the era (or missing in all of it) are left out: next to a
    constant they add nothing.

    Returns
    -------
    centred : float64 [n_rows, n_kept], 0 where the value is missing.
    means : float64 [n_kept], over the values that are there.
    kept : the feature indices, increasing.
    """
    missing = _missing(block)
    if not missing.any():
        varies = block.min(axis=0) != block.max(axis=0) if len(block) else np.zeros(0, bool)
        kept = np.flatnonzero(varies)
        centred = (block if varies.all() else block[:, kept]).astype(np.float64)
        means = centred.mean(axis=0) if len(kept) else np.zeros(0)
        centred -= means
        return centred, means, kept
    values = block.astype(np.float64)
    lowest = np.where(missing, np.inf, values).min(axis=0)
    highest = np.where(missing, -np.inf, values).max(axis=0)
    kept = np.flatnonzero(lowest < highest)
    values, missing = values[:, kept], missing[:, kept]
    means = np.where(missing, 0, values).sum(axis=0) / (~missing).sum(axis=0)
    return np.where(missing, 0, values - means), means, kept


def _missing(block: Neutralizers) -> npt.NDArray[np.bool_]:
    return block == MISSING_INT8 if block.dtype == np.int8 else np.isnan(block)


def _fit(block: Neutralizers, y: Float64) -> Float64:
    """Return the least-squares fit of y [n, k] on one era's neutralizers and a constant, [n, k].

    All linear algebra here is scipy's: NumPy brings a BLAS of its own, and the two thread pools
    keep each other from working (measured: twice the time).

    Normal equations of the centred design. They are trusted only where no singular value of the
    design with its constant can lie near the cut-off, else the design itself is decomposed.
    """
    x, means, kept = centred_era(block)
    offset = y.mean(axis=0)
    if not len(kept):
        return np.broadcast_to(offset, y.shape)
    gram = _gram(block, x, means, kept)
    size = np.abs(gram)
    norm = float((size.sum(axis=0) + size.sum(axis=1) - size.diagonal()).max())
    factor, info = lapack.dpotrf(gram, lower=1, overwrite_a=1)
    rcond = float(lapack.dpocon(factor, norm, uplo="L")[0]) if info == 0 else 0.0
    # With m = means, the uncentred design has squared singular values of at least
    # smallest / (1 + m @ m), and at most total.
    smallest, spread = rcond * norm, float(means @ means)
    total = float(size.diagonal().sum()) + len(x) * (1 + spread)
    if rcond > _SAFE_GRAM_RCOND and smallest / (1 + spread) > _SAFE_SQUARED_RATIO * total:
        residual = y - offset
        fit = np.zeros_like(residual)
        for _ in range(2):  # the second round is the refinement
            moment = blas.dgemm(1.0, x.T, residual - fit)
            fit += blas.dgemm(1.0, x.T, lapack.dpotrs(factor, moment, lower=1)[0], trans_a=1)
        return np.asarray(fit + offset)
    design = np.column_stack([x + means, np.ones(len(x))])
    return np.asarray(design @ np.linalg.lstsq(design, y, rcond=_RCOND)[0])


def _gram(block: Neutralizers, x: Float64, means: Float64, kept: npt.NDArray[np.intp]) -> Float64:
    """Return the lower triangle of x.T @ x, float64 [n_kept, n_kept]."""
    if block.dtype == np.int8 and block.min() >= 0:
        peak = int(block.max())
        # Sums of products of small integers are exact in float32, at half the time.
        if peak * peak * len(block) < 2**24:
            raw = (block if len(kept) == block.shape[1] else block[:, kept]).astype(np.float32)
            gram = blas.ssyrk(1.0, raw.T, lower=1).astype(np.float64)
            gram -= len(block) * np.tril(np.outer(means, means))
            return np.asarray(gram)
    return np.asarray(blas.dsyrk(1.0, x.T, lower=1))


def _varies(block: Float64, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    values = block[rows]
    return np.asarray(values.min(axis=0) != values.max(axis=0))


def _two_dimensional(neutralizers: Neutralizers, n_rows: int) -> Neutralizers:
    if neutralizers.ndim not in (1, 2) or len(neutralizers) != n_rows:
        raise DataError(f"neutralizers have shape {neutralizers.shape}, predictions {n_rows} rows")
    return neutralizers[:, None] if neutralizers.ndim == 1 else neutralizers
