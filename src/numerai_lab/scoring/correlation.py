"""Per-era scores against a target or a reference: corr, mmc/bmc, spearman, pearson.

All take rows sorted by era and offsets, score many columns at once, and return float64
[n_eras, n_columns]. An era is NaN for a column that is constant there, or that has
predictions on fewer than 80 % of the rows that could be scored.
"""

from __future__ import annotations

import numpy as np

from numerai_lab.scoring.arrays import (
    MIN_OVERLAP,
    Float64,
    FloatArray,
    Offsets,
    Rows,
    apply_by_completeness,
    as_columns,
    era_slices,
)
from numerai_lab.scoring.ranks import (
    doubled_ranks,
    gaussian_power_table,
    gaussian_table,
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
        if _is_constant(labels[era][rows]):
            continue
        centred = labels[era] - labels[era][rows].mean()
        power = signed_power(centred)

        def kernel(block: FloatArray, rows: Rows, power: Float64 = power) -> Float64:
            gaussian = gaussian_power_table(block.shape[1])[doubled_ranks(block)]
            return pearson_rows(gaussian, power[rows])

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
        has_target = ~np.isnan(labels[era])
        rows = np.flatnonzero(has_target & ~np.isnan(other[era]))

        def kernel(block: FloatArray, rows: Rows, era: slice = era) -> Float64:
            n = len(rows)
            y, m = labels[era][rows], _gaussian(other[era][rows])
            y = y * 4 if y.min() >= 0 and y.max() <= 1 else y
            y = y - y.mean()
            p = gaussian_table(n)[doubled_ranks(block)]
            norm = m @ m
            if norm == 0:
                return np.full(len(block), np.nan)
            contribution: Float64 = (p @ y - (p @ m) * ((m @ y) / norm)) / n
            return np.where(np.any(p != 0, axis=1), contribution, np.nan)

        required = MIN_OVERLAP * np.count_nonzero(has_target)
        scores[i] = apply_by_completeness(columns[era], rows, required, kernel)
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


def pearson_rows(block: Float64, y: Float64) -> Float64:
    """Pearson correlation of each row of block [k, n] with y [n]; NaN where either is constant.

    Rows of block must have a mean near 0 compared with their spread, which ranks and gaussian
    ranks have: the variance is taken without a centred copy.
    """
    y = y - y.mean()
    variance = np.einsum("ij,ij->i", block, block) - block.sum(axis=1) ** 2 / block.shape[1]
    product = variance * (y @ y)
    scores = np.full(len(block), np.nan)
    np.divide(block @ y, np.sqrt(np.maximum(product, 0)), out=scores, where=product > 0)
    return np.clip(scores, -1, 1)


def _ranked_pearson(
    predictions: FloatArray, other: FloatArray, offsets: Offsets, *, gaussian: bool
) -> Float64:
    columns = as_columns(predictions, offsets)
    reference = _one_column(other, offsets, "target or reference")
    scores = np.full((len(offsets) - 1, columns.shape[1]), np.nan)

    def ranks(block: FloatArray) -> Float64:
        n = block.shape[1]
        doubled = doubled_ranks(block)
        # Ranks around 0: integers, so a constant row is exactly 0.
        return np.asarray(gaussian_table(n)[doubled] if gaussian else doubled - (n - 1.0))

    for i, era in era_slices(offsets):
        rows = np.flatnonzero(~np.isnan(reference[era]))

        def kernel(block: FloatArray, rows: Rows, era: slice = era) -> Float64:
            return pearson_rows(ranks(block), ranks(reference[era][rows][None])[0])

        scores[i] = apply_by_completeness(columns[era], rows, MIN_OVERLAP * len(rows), kernel)
    return scores


def _one_column(values: FloatArray, offsets: Offsets, name: str) -> Float64:
    column = as_columns(values.reshape(-1), offsets, name)[:, 0]
    return np.asarray(column, dtype=np.float64)


def _gaussian(values: Float64) -> Float64:
    return np.asarray(gaussian_table(len(values))[doubled_ranks(values[None])[0]])


def _is_constant(values: Float64) -> bool:
    return len(values) < 2 or bool(values.min() == values.max())
