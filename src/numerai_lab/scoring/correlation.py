"""Per-era scores against a target or a reference: corr, mmc/bmc, spearman, pearson.

All take rows sorted by era and offsets, score many columns at once, and return float64
[n_eras, n_columns]. An era is NaN for a column that is constant there, or that has
predictions on fewer than 80 % of the rows that could be scored.
"""

from __future__ import annotations

from collections.abc import Callable

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
from numerai_lab.scoring.ranks import (
    centred_table,
    doubled_ranks,
    gaussian_power_table,
    gaussian_table,
    order_rows,
    signed_power,
)


def corr_per_era(predictions: FloatArray, target: FloatArray, offsets: Offsets) -> Float64:
    """Score predictions with Numerai's corr, era by era.

    Tie-kept rank -> gaussian -> power 1.5 of the predictions, Pearson with the centred target
    to the power 1.5. The target is centred over all rows that have one, before rows without
    a prediction are left out.

    Parameters
    ----------
    predictions : float [n_rows] or [n_rows, n_columns]; rows with NaN are left out, per column.
    target : float [n_rows]; rows with NaN are left out.
    offsets : int64 [n_eras + 1].

    Returns
    -------
    float64 [n_eras, n_columns].

    Source: `numerai_corr` of numerai_tools.scoring.
    """
    columns = as_columns(predictions, offsets)
    labels = _one_column(target, offsets, "target")
    scores = np.full((len(offsets) - 1, columns.shape[1]), np.nan)
    for i, era in era_slices(offsets):
        rows = np.flatnonzero(~np.isnan(labels[era]))
        if len(rows) < 2:
            continue
        centred = labels[era] - labels[era][rows].mean()
        power = signed_power(centred)

        def kernel(block: FloatArray, rows: Rows, power: Float64 = power) -> Float64:
            return _pearson_of_ranks(block, gaussian_power_table(len(rows)), power[rows])

        scores[i] = apply_by_completeness(columns[era], rows, MIN_OVERLAP * len(rows), kernel)
    return scores


def contribution_per_era(
    predictions: FloatArray, reference: FloatArray, target: FloatArray, offsets: Offsets
) -> Float64:
    """Score what predictions add to a reference: mmc with the meta model, bmc with a benchmark.

    Both are gaussian-ranked, the reference is projected out of the predictions, and what is
    left is multiplied with the centred target (times 4 where it lies in 0..1) and averaged.

    Parameters
    ----------
    predictions : float [n_rows] or [n_rows, n_columns].
    reference : float [n_rows]; NaN where the reference has no prediction.
    target : float [n_rows].
    offsets : int64 [n_eras + 1].

    Returns
    -------
    float64 [n_eras, n_columns]. Only rows with prediction, reference and target count; an era
    where they are fewer than 80 % of the rows with a target is NaN. A constant prediction is
    NaN too, where numerai_tools gives 0.

    Source: `correlation_contribution` of numerai_tools.scoring.
    """
    columns = as_columns(predictions, offsets)
    labels = _one_column(target, offsets, "target")
    other = _one_column(reference, offsets, "reference")
    scores = np.full((len(offsets) - 1, columns.shape[1]), np.nan)
    for i, era in era_slices(offsets):
        y, m = labels[era], other[era]
        rows = np.flatnonzero(~np.isnan(y) & ~np.isnan(m))
        required = MIN_OVERLAP * np.count_nonzero(~np.isnan(y))
        scores[i] = apply_by_completeness(columns[era], rows, required, _contribution(y, m, rows))
    return scores


def spearman_per_era(predictions: FloatArray, target: FloatArray, offsets: Offsets) -> Float64:
    """Rank correlation of predictions and target, ties sharing their mean rank.

    Shapes and NaN as in `corr_per_era`. Source: `spearman_correlation` of
    numerai_tools.scoring.
    """
    return _ranked_pearson(predictions, target, offsets, gaussian=False)


def pearson_per_era(predictions: FloatArray, reference: FloatArray, offsets: Offsets) -> Float64:
    """Pearson correlation of the gaussian ranks of predictions and of a reference model.

    Gaussian ranks on both sides, as in mmc and bmc, so that the scale and the outliers of raw
    predictions do not count. Shapes and NaN as in `corr_per_era`, the reference in the
    target's place.
    """
    return _ranked_pearson(predictions, reference, offsets, gaussian=True)


def _ranked_pearson(
    predictions: FloatArray, other: FloatArray, offsets: Offsets, *, gaussian: bool
) -> Float64:
    columns = as_columns(predictions, offsets)
    reference = _one_column(other, offsets, "target or reference")
    scores = np.full((len(offsets) - 1, columns.shape[1]), np.nan)
    for i, era in era_slices(offsets):
        rows = np.flatnonzero(~np.isnan(reference[era]))

        def kernel(block: FloatArray, rows: Rows, era: slice = era) -> Float64:
            table = gaussian_table(len(rows)) if gaussian else centred_table(len(rows))
            return _pearson_of_ranks(
                block, table, table[doubled_ranks(reference[era][rows][None])[0]]
            )

        scores[i] = apply_by_completeness(columns[era], rows, MIN_OVERLAP * len(rows), kernel)
    return scores


def _pearson_of_ranks(block: FloatArray, table: Float64, y: Float64) -> Float64:
    """Pearson correlation of table[rank] of each row of block [k, n] with y [n].

    NaN where either is constant. The table is odd around its middle, so a constant row is
    exactly 0, and its mean is small enough to take the variance without a centred copy.
    """
    if y.min() == y.max():  # its centred values could be rounding instead of 0
        return np.full(len(block), np.nan)
    order, ranks = order_rows(block)
    x, y = table[ranks], y - y.mean()
    product = (_dot_rows(x, x) - x.sum(axis=1) ** 2 / len(y)) * (y @ y)
    scores = np.full(len(block), np.nan)
    norm = np.sqrt(np.maximum(product, 0))
    np.divide(_dot_rows(x, y[order]), norm, out=scores, where=product > 0)
    return np.asarray(np.clip(scores, -1, 1))


def _contribution(y: Float64, m: Float64, rows: Rows) -> Callable[[FloatArray, Rows], Float64]:
    """Make the kernel of one era; what does not depend on the columns is computed once."""
    for_all = target_beside(y[rows], m[rows])

    def kernel(block: FloatArray, some: Rows) -> Float64:
        beside = for_all if len(some) == len(rows) else target_beside(y[some], m[some])
        order, ranks = order_rows(block)
        p = gaussian_table(len(some))[ranks]
        scores = _dot_rows(p, beside[order]) / len(some)
        return np.where(p.any(axis=1), scores, np.nan)

    return kernel


def target_beside(y: Float64, m: Float64) -> Float64:
    """Centre the target and project the reference's gaussian ranks out of it, float64 [n].

    Projecting here instead of in every prediction gives the same product. NaN everywhere when
    the target or the reference is constant.
    """
    if len(y) == 0:
        return y
    lowest, highest = y.min(), y.max()
    gaussian = gaussian_table(len(m))[doubled_ranks(m[None])[0]]
    if lowest == highest or not gaussian.any():  # gaussian ranks of a constant are 0
        return np.full(len(y), np.nan)
    y = y * 4 if lowest >= 0 and highest <= 1 else y
    y = y - y.sum() / len(y)
    return np.asarray(y - gaussian * ((gaussian @ y) / (gaussian @ gaussian)))


def _dot_rows(x: Float64, y: Float64) -> Float64:
    """Row-wise dot products of x [k, n] or [1, n] with y [k, n], float64 [k]."""
    # Not a BLAS product: its threads would only wait for each other over so few numbers.
    if len(x) == 1:
        return np.asarray(np.einsum("ij,j->i", y, x[0]))
    return np.asarray(np.einsum("ij,ij->i", x, y))


def _one_column(values: FloatArray, offsets: Offsets, name: str) -> Float64:
    column = as_columns(values.reshape(-1), offsets, name)[:, 0]
    return np.asarray(column, dtype=np.float64)
