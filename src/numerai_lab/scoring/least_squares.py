"""One era's least-squares fit on features and a constant, fast and equal to lstsq."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh, lapack

from numerai_lab.eraframe import MISSING_INT8, StoredFeatures
from numerai_lab.scoring.arrays import Float64, FloatArray

Neutralizers = npt.NDArray[np.int8] | FloatArray
NeutralizersByEra = Neutralizers | StoredFeatures
"""In memory, or read from disk an era at a time."""

_RCOND = 1e-6
"""Singular values below this share of the largest are dropped; source: numerai_tools.neutralize."""

_SAFE_GRAM_RCOND = 1e-8
"""Normal equations square the condition: below this, one step of refinement no longer brings
them to the accuracy of a singular value decomposition."""

_SAFE_SQUARED_RATIO = 1e-11
"""Ten times the squared cut-off: above it no singular value is dropped."""

_NULL_GRAM_RCOND = 1e-13
"""Below this share of the largest, an eigenvalue is rounding: columns exactly collinear."""


def missing_values(block: Neutralizers) -> npt.NDArray[np.bool_]:
    """Tell which values are missing, bool, shaped as the block."""
    return block == MISSING_INT8 if block.dtype == np.int8 else np.isnan(block)


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
    missing = missing_values(block)
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


def fit_era(block: Neutralizers, y: Float64) -> Float64:
    """Return the least-squares fit of y on one era's neutralizers and a constant.

    Normal equations of the centred design: Cholesky, or eigenvectors when columns are collinear.
    They are trusted only where no singular value of the design with its constant can lie near
    the cut-off, else the design itself is decomposed as numerai_tools does.

    Parameters
    ----------
    block : int8 or float [n_rows, n_neutralizers], missing values allowed.
    y : float64 [n_rows, k], no NaN.

    Returns
    -------
    float64 [n_rows, k].
    """
    x, means, kept = centred_era(block)
    offset = y.mean(axis=0)
    if not len(kept):
        return np.broadcast_to(offset, y.shape)
    solve = _solver(_gram(block, x, means, kept), means, len(x))
    if solve is None:
        design = np.column_stack([x + means, np.ones(len(x))])
        return np.asarray(design @ np.linalg.lstsq(design, y, rcond=_RCOND)[0])
    residual = y - offset
    fit = np.zeros_like(residual)
    for _ in range(2):  # the second round is the refinement
        fit += x @ solve(x.T @ (residual - fit))
    return np.asarray(fit + offset)


def _gram(block: Neutralizers, x: Float64, means: Float64, kept: npt.NDArray[np.intp]) -> Float64:
    """Return x.T @ x, float64 [n_kept, n_kept]."""
    if block.dtype == np.int8 and block.min() >= 0:
        peak = int(block.max())
        # Sums of products of small integers are exact in float32, at half the time.
        if peak * peak * len(block) < 2**24:
            raw = (block if len(kept) == block.shape[1] else block[:, kept]).astype(np.float32)
            return np.asarray((raw.T @ raw) - len(block) * np.outer(means, means))
    return np.asarray(x.T @ x)


def _solver(gram: Float64, means: Float64, n_rows: int) -> Callable[[Float64], Float64] | None:
    """Return what applies the (pseudo-)inverse of the Gram matrix, or None if it is not safe."""
    # With m = means, the design with its constant has squared singular values of at least
    # (smallest eigenvalue here) / (1 + m @ m), and at most this total.
    spread = 1 + float(means @ means)
    total = float(gram.diagonal().sum()) + n_rows * spread
    norm = float(np.abs(gram).sum(axis=0).max())
    safe = max(_SAFE_GRAM_RCOND * norm, _SAFE_SQUARED_RATIO * total * spread)

    factor, info = lapack.dpotrf(gram, lower=1)
    if info == 0 and lapack.dpocon(factor, norm, uplo="L")[0] * norm > safe:
        return lambda moment: np.asarray(lapack.dpotrs(factor, moment, lower=1)[0])
    values, vectors = eigh(gram, driver="evd")
    kept = values > safe
    if np.any(np.abs(values[~kept]) > _NULL_GRAM_RCOND * values[-1]):
        return None
    basis, scales = vectors[:, kept], values[kept, None]
    return lambda moment: np.asarray(basis @ ((basis.T @ moment) / scales))
