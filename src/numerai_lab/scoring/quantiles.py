"""How far apart the targets of the highest and of the lowest predictions lie."""

from __future__ import annotations

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
from numerai_lab.scoring.ranks import doubled_ranks

SHARE = 0.2
"""Of an era's rows at either end: fifths, as quantile portfolios usually are."""


def spread_per_era(predictions: FloatArray, target: FloatArray, offsets: Offsets) -> Float64:
    """Mean target of the highest fifth of predictions minus that of the lowest fifth.

    Parameters
    ----------
    predictions : float [n_rows] or [n_rows, n_columns]. target : float [n_rows].

    Returns
    -------
    float64 [n_eras, n_columns], in units of the target. NaN as of `corr_per_era`, and where one
    end has no row because too many predictions are equal: rows of one value share their mean
    rank, so that the order of rows does not matter.
    """
    columns = as_columns(predictions, offsets)
    values = np.asarray(target, dtype=np.float64).reshape(len(columns))
    scores = np.full((len(offsets) - 1, columns.shape[1]), np.nan)
    for i, era in era_slices(offsets):
        rows = np.flatnonzero(~np.isnan(values[era]))

        def kernel(block: FloatArray, rows: Rows, era: slice = era) -> Float64:
            y = values[era][rows]
            # twice the average rank from 0 on, so that (rank + 1) / 2n lies in the middle of a row
            place = (doubled_ranks(block) + 1) / (2 * len(y))
            high, low = place > 1 - SHARE, place < SHARE
            n_high, n_low = high.sum(axis=1), low.sum(axis=1)
            found = np.full(len(block), np.nan)
            both = (n_high > 0) & (n_low > 0)
            found[both] = (high @ y)[both] / n_high[both] - (low @ y)[both] / n_low[both]
            return found

        scores[i] = apply_by_completeness(columns[era], rows, MIN_OVERLAP * len(rows), kernel)
    return scores
