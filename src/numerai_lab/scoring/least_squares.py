"""One era's least-squares fit on features and a constant, fast and equal to lstsq."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh, lapack

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import MISSING_INT8, StoredFeatures
from numerai_lab.scoring.arrays import FloatArray

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


@dataclass(frozen=True, slots=True)
class CentredEra:
    """One era's features with their means taken out, a missing value being its feature's mean.

    Features that are constant in the era (or missing in all of it) are left out: next to a
    constant they add nothing.

    Attributes
    ----------
    values : float64 [n_rows, n_kept], 0 where the value is missing.
    means : float64 [n_kept], over the values that are there.
    squares : float64 [n_kept], the sum of squares of each column of `values`.
    kept : the feature indices, increasing.
    bins : float32 [n_rows, n_kept], the values as they came, where they are whole numbers so
        small that sums of their products are exact in float32; else None.
    """

    values: Float64
    means: Float64
    squares: Float64
    kept: npt.NDArray[np.intp]
    bins: npt.NDArray[np.float32] | None

    def gram(self) -> Float64:
        """Return values.T @ values, float64 [n_kept, n_kept]; half the time in float32."""
        if self.bins is None:
            return np.asarray(self.values.T @ self.values)
        return np.asarray(
            (self.bins.T @ self.bins) - len(self.bins) * np.outer(self.means, self.means)
        )


def centred_era(block: Neutralizers) -> CentredEra:
    """Centre one era's features, int8 or float [n_rows, n_features]."""
    complete = block.dtype == np.int8 and block.size > 0 and block.min() >= 0
    if complete and int(block.max()) ** 2 * len(block) < 2**24:
        return _centred_bins(block.astype(np.float32))
    values = block.astype(np.float64)
    missing = missing_values(block)
    lowest = np.where(missing, np.inf, values).min(axis=0, initial=np.inf)
    highest = np.where(missing, -np.inf, values).max(axis=0, initial=-np.inf)
    kept = np.flatnonzero(lowest < highest)
    values, missing = values[:, kept], missing[:, kept]
    means = np.where(missing, 0, values).sum(axis=0) / (~missing).sum(axis=0)
    values = np.where(missing, 0, values - means)
    return CentredEra(values, means, np.einsum("ij,ij->j", values, values), kept, None)


def _centred_bins(bins: npt.NDArray[np.float32]) -> CentredEra:
    n = len(bins)
    sums = (np.ones(n, np.float32) @ bins).astype(np.float64)
    # n times the sum of squared deviations: a whole number, so 0 means constant
    spread = n * np.einsum("ij,ij->j", bins, bins).astype(np.float64) - sums**2
    kept = np.flatnonzero(spread)
    if len(kept) < len(spread):
        bins, sums, spread = bins[:, kept], sums[kept], spread[kept]
    means = sums / n
    return CentredEra(bins - means, means, spread / n, kept, bins)


def fit_era(block: Neutralizers, y: Float64) -> Float64:
    """Return the least-squares fit of y on one era's neutralizers and a constant.

    Normal equations of the centred design: Cholesky, of as many columns as are independent where
    some are collinear, or eigenvectors. They are trusted only where no singular value of the
    design with its constant can lie near the cut-off, else the design itself is decomposed as
    numerai_tools does.

    Parameters
    ----------
    block : int8 or float [n_rows, n_neutralizers], missing values allowed.
    y : float64 [n_rows, k], no NaN.

    Returns
    -------
    float64 [n_rows, k].
    """
    era = centred_era(block)
    x = era.values
    offset = y.mean(axis=0)
    if not len(era.kept):
        return np.broadcast_to(offset, y.shape)
    solve = _solver(era)
    if solve is None:
        design = np.column_stack([x + era.means, np.ones(len(x))])
        return np.asarray(design @ np.linalg.lstsq(design, y, rcond=_RCOND)[0])
    residual = y - offset
    fit = np.zeros_like(residual)
    for _ in range(2):  # the second round is the refinement
        fit += x @ solve(x.T @ (residual - fit))
    return np.asarray(fit + offset)


def _solver(era: CentredEra) -> Callable[[Float64], Float64] | None:
    """Return what applies the (pseudo-)inverse of the Gram matrix, or None if it is not safe."""
    # With m = means, the design with its constant has squared singular values of at least
    # (smallest eigenvalue here) / (1 + m @ m), and at most this total.
    gram = era.gram()
    spread = 1 + float(era.means @ era.means)
    total = float(gram.diagonal().sum()) + len(era.values) * spread
    norm = float(np.abs(gram).sum(axis=0).max())
    safe = max(_SAFE_GRAM_RCOND * norm, _SAFE_SQUARED_RATIO * total * spread)

    factor, order, rank, _ = lapack.dpstrf(
        gram, lower=1, tol=_NULL_GRAM_RCOND * float(gram.diagonal().max())
    )
    lower, chosen = factor[:rank, :rank], order[:rank] - 1
    # Bins are collinear exactly or not at all, so the rest of them can be left out; of floats
    # that are nearly collinear numerai_tools takes the part in common.
    clear = rank == len(gram) or era.bins is not None
    if rank and clear and lapack.dpocon(lower, norm, uplo="L")[0] * norm > safe:

        def solve(moment: Float64) -> Float64:
            found = np.zeros_like(moment)
            found[chosen] = lapack.dpotrs(lower, moment[chosen], lower=1)[0]
            return found

        return solve
    values, vectors = eigh(gram, driver="evd")
    kept = values > safe
    if np.any(np.abs(values[~kept]) > _NULL_GRAM_RCOND * values[-1]):
        return None
    basis, scales = vectors[:, kept], values[kept, None]
    return lambda moment: np.asarray(basis @ ((basis.T @ moment) / scales))
