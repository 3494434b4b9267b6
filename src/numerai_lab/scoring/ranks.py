"""Ranks with ties kept, and the gaussian values that belong to them, for many columns at once.

With n rows a tie-kept rank is a multiple of one half, so there are only 2n - 1 possible values:
they are ranked as integers (`doubled ranks`) and the costly normal quantile is looked up.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from numerai_lab.arrays import Float64
from numerai_lab.scoring.arrays import FloatArray, Offsets, as_columns, era_slices

Ranks = npt.NDArray[np.intp]


def order_rows(columns: FloatArray) -> tuple[Ranks, Ranks]:
    """Sort each row and rank it, ties sharing the mean of their ranks.

    Parameters
    ----------
    columns : float [k, n], no NaN; one prediction column per row.

    Returns
    -------
    order : [k, n], the positions of each row's values from lowest to highest.
    ranks : twice the zero-based average rank, 0 .. 2n - 2, in that order: [k, n], or [1, n] for
        all rows alike where no row has ties.
    """
    k, n = columns.shape
    order = columns.argsort(axis=1)
    ordered = columns.ravel()[_flat(order)]
    is_new = ordered[:, 1:] != ordered[:, :-1]
    if is_new.all():
        return order, np.arange(0, 2 * n, 2)[None]
    first = np.ones((k, n), dtype=bool)
    first[:, 1:] = is_new
    starts = np.flatnonzero(first)
    counts = np.diff(starts, append=k * n)
    return order, np.repeat(2 * (starts % n) + counts - 1, counts).reshape(k, n)


def doubled_ranks(columns: FloatArray) -> Ranks:
    """Return the ranks of `order_rows` at the place of their values, [k, n]."""
    order, ranks = order_rows(columns)
    placed = np.empty(columns.size, dtype=np.intp)
    placed[_flat(order)] = ranks
    return placed.reshape(columns.shape)


def _flat(order: Ranks) -> Ranks:
    """Turn positions within rows into positions in the flat array (take_along_axis is slow)."""
    k, n = order.shape
    return order if k == 1 else np.asarray(order + (np.arange(k) * n)[:, None])


@lru_cache(maxsize=256)
def gaussian_table(n: int) -> Float64:
    """Return the normal quantile of every doubled rank of n rows, float64 [2n - 1].

    Source: `gaussian(tie_kept_rank(...))` of numerai_tools: ppf((rank - 0.5) / n).
    """
    lower = ndtri(np.arange(1, n) / (2 * n))
    # The quantile is odd around the middle: half of the costly calls are enough.
    table = np.concatenate([lower, [0.0], -lower[::-1]])
    table.flags.writeable = False
    return table


@lru_cache(maxsize=256)
def centred_table(n: int) -> Float64:
    """Return every doubled rank minus the middle one, float64 [2n - 1]: exact integers."""
    table = np.arange(1.0 - n, n)
    table.flags.writeable = False
    return table


@lru_cache(maxsize=256)
def gaussian_power_table(n: int) -> Float64:
    """Return `gaussian_table` raised to the power 1.5 with its sign, float64 [2n - 1]."""
    table = signed_power(gaussian_table(n))
    table.flags.writeable = False
    return table


def signed_power(values: Float64) -> Float64:
    """Raise to the power 1.5 and keep the sign."""
    return values * np.sqrt(np.abs(values))


def rank_per_era(values: FloatArray, offsets: Offsets) -> Float64:
    """Rank each column within each era into (0, 1), ties kept: (rank - 0.5) / n.

    Parameters
    ----------
    values : float [n_rows] or [n_rows, n_columns]; NaN is not ranked and stays NaN.
    offsets : int64 [n_eras + 1].

    Returns
    -------
    float64, shaped as the values; a constant era is 0.5 everywhere.

    Source: `tie_kept_rank` of numerai_tools.scoring.
    """
    return _map_ranks(values, offsets, gaussian=False)


def gaussian_rank_per_era(values: FloatArray, offsets: Offsets) -> Float64:
    """Replace each value by the normal quantile of its tie-kept rank within its era.

    Parameters and NaN as in `rank_per_era`; float64, shaped as the values, and 0 everywhere
    in a constant era.

    Source: `gaussian(tie_kept_rank(...))` of numerai_tools.scoring.
    """
    return _map_ranks(values, offsets, gaussian=True)


def _map_ranks(values: FloatArray, offsets: Offsets, *, gaussian: bool) -> Float64:
    columns = as_columns(values, offsets, "values")
    result = np.full(columns.shape, np.nan)

    def ranked(block: FloatArray) -> Float64:
        n = block.shape[1]
        ranks = doubled_ranks(block)
        return gaussian_table(n)[ranks] if gaussian else (ranks + 1) / (2 * n)

    for _, era in era_slices(offsets):
        for j in range(columns.shape[1]):
            kept = np.flatnonzero(~np.isnan(columns[era, j]))
            if len(kept):
                values_there = np.ascontiguousarray(columns[era, j][kept][None])
                result[era, j][kept] = ranked(values_there)[0]
    return result.reshape(values.shape)
