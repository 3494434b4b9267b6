"""Trailing windows and averages over days, for all tickers at once. Nothing looks ahead.

Arrays are float64 [n_days, n_tickers], NaN where there is no value; a window that has one is NaN.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from numerai_lab.arrays import Bools, Float64, Int64


def window_sum(values: Float64, days: int) -> Float64:
    """Return the sum of the last `days` values on each day.

    Examples
    --------
    >>> window_sum(np.array([[1.0], [2.0], [np.nan], [4.0], [5.0]]), 2).ravel().tolist()
    [nan, 3.0, nan, nan, 9.0]
    """
    found = np.full(values.shape, np.nan)
    if len(values) < days:
        return found
    known = np.isfinite(values)
    # a ticker's days beside each other: adding up along them is several times as fast
    by_ticker = np.ascontiguousarray(np.where(known, values, 0.0).T)
    total = np.cumsum(by_ticker, axis=1)
    total[:, days:] = total[:, days:] - total[:, :-days].copy()
    n = np.cumsum(np.ascontiguousarray(known.T), axis=1, dtype=np.int32)
    n[:, days:] = n[:, days:] - n[:, :-days].copy()
    whole = n[:, days - 1 :] == days
    found[days - 1 :] = np.where(whole, total[:, days - 1 :], np.nan).T
    return found


def window_mean(values: Float64, days: int) -> Float64:
    """Return the mean of the last `days` values."""
    return np.asarray(window_sum(values, days) / days)


def window_std(values: Float64, days: int) -> Float64:
    """Return their population standard deviation."""
    square = window_mean(values**2, days) - window_mean(values, days) ** 2
    return np.asarray(np.sqrt(np.maximum(square, 0.0)))


def window_min(values: Float64, days: int) -> Float64:
    """Return the smallest of the last `days` values."""
    return _extreme(values, days, smallest=True)


def window_max(values: Float64, days: int) -> Float64:
    """Return the largest of the last `days` values."""
    return _extreme(values, days, smallest=False)


def _extreme(values: Float64, days: int, *, smallest: bool) -> Float64:
    fill = np.inf if smallest else -np.inf
    known = np.isfinite(values)
    run = minimum_filter1d if smallest else maximum_filter1d
    # The window of size n around i begins at i - n // 2 - origin: moved so that it ends at i.
    found = run(
        np.where(known, values, fill),
        days,
        axis=0,
        mode="constant",
        cval=fill,
        origin=(days - 1) // 2,
    )
    whole = window_sum(known.astype(np.float64), days) == days
    return np.where(whole, found, np.nan)


def lagged(values: Float64, days: int) -> Float64:
    """Return each value of `days` before."""
    found = np.full(values.shape, np.nan)
    if days < len(values):
        found[days:] = values[: len(values) - days]
    return found


def ewm_mean(values: Float64, alpha: float, fresh: Bools) -> Float64:
    """Return the exponentially weighted mean; weights (1 - alpha)^age over what has been.

    A missing value leaves it as it was; where `fresh`, it begins anew. As pandas' `ewm(alpha)`.
    """
    found = np.empty_like(values)
    total, weight = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    keep = 1 - alpha
    known, filled = np.isfinite(values), np.nan_to_num(values)
    for day in range(len(values)):
        again, now = fresh[day], known[day]
        fade = np.where(now, np.where(again, 0.0, keep), np.where(again, 0.0, 1.0))
        total = fade * total + filled[day]
        weight = fade * weight + now
        with np.errstate(invalid="ignore"):
            found[day] = total / weight
    return found


def wilder_mean(values: Float64, days: int, fresh: Bools) -> Float64:
    """Return Wilder's smoothed mean: of `days` values first, then a step of 1 / days towards each.

    Source: Wilder (1978), New Concepts in Technical Trading Systems; as TA-Lib computes it.
    """
    found = np.full(values.shape, np.nan)
    state, n = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    known, filled = np.isfinite(values), np.nan_to_num(values)
    for day in range(len(values)):
        again, now = fresh[day], known[day]
        state, n = np.where(again, 0.0, state), np.where(again, 0.0, n)
        n = n + now
        sums = n <= days  # the first `days` values are added up, and divided once they are whole
        grown = np.where(sums, state + filled[day], state + (filled[day] - state) / days)
        grown = np.where(n == days, grown / days, grown)
        state = np.where(now, grown, state)
        found[day] = np.where(n >= days, state, np.nan)
    return found


def streak(known: Bools, fresh: Bools) -> Int64:
    """Return how many days in a row a ticker has had prices, up to each day, int64."""
    day = np.arange(len(known))[:, None]
    begins = np.where(known, np.where(fresh, day, 0), day + 1)
    started = np.maximum.accumulate(begins, axis=0)
    return np.asarray(np.where(known, day - started + 1, 0), dtype=np.int64)
