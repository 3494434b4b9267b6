"""Weekly rows of a panel: what is known on the last trading day of each week, ticker by ticker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from numerai_lab.arrays import Bools, Float32, Float64, Int8, Int32, Int64
from numerai_lab.config import Prices
from numerai_lab.data.prices.indicators import FEATURES_BY_NAME, GROUPS, SIGNAL_INDICATORS, Daily
from numerai_lab.data.prices.panel import Panel
from numerai_lab.data.prices.windows import streak, window_sum
from numerai_lab.errors import DataError
from numerai_lab.weeks import FIRST_MONDAY

PREFIX = "feature_"
FEATURES = {f"{PREFIX}{name}": one for name, one in FEATURES_BY_NAME.items()}
CHUNK_TICKERS = 128
"""Tickers whose days are in memory at a time, as float64."""
LEAST_ROWS = 10
"""An era with fewer rows has no quintiles, and is left out."""
LIQUIDITY_DAYS = 63
TRADED_DAYS = 21


@dataclass(frozen=True, slots=True, eq=False)
class Weekly:
    """What is known at each era of each ticker.

    Attributes
    ----------
    at : int64 [n_eras], the trading day of each era, the last one of its week.
    rows : bool [n_eras, n_tickers], has a row.
    raw : name -> float32 [n_eras, n_tickers], features as real numbers, by their full names.
    signals : name of `SIGNALS` -> the same. volatility, dollar_volume : float32, likewise.
    """

    at: Int64
    rows: Bools
    raw: dict[str, Float32]
    signals: dict[str, Float32]
    volatility: Float32
    dollar_volume: Float32


def week_ends(days: Int32) -> Int64:
    """Return the positions of the last trading day of each week, Monday to Sunday.

    Examples
    --------
    >>> week_ends(np.array([0, 1, 4, 5], dtype=np.int32))  # Thursday, Friday, Monday, Tuesday
    array([1, 3])
    """
    week = (days.astype(np.int64) - (FIRST_MONDAY - date(1970, 1, 1)).days) // 7
    return np.flatnonzero(np.diff(week, append=week[-1] + 1))


def make_weekly(
    panel: Panel,
    config: Prices,
    member: Bools | None,
    counts: Counter[str],
    progress: Callable[[int, int], None],
) -> Weekly:
    """Compute indicators on all days and keep those of the eras.

    Parameters
    ----------
    member : bool [n_days, n_tickers], could be bought then; None: always.
    counts : gets the ticker weeks that are left out, by reason.
    progress : called with (tickers done, tickers).

    Raises
    ------
    DataError : no era has enough rows.
    """
    at = week_ends(panel.days)
    n_tickers = len(panel.tickers)
    shape = (len(at), n_tickers)
    market = _market(panel)
    raw = {name: np.full(shape, np.nan, dtype=np.float32) for name in FEATURES}
    signals = {name: np.full(shape, np.nan, dtype=np.float32) for name in SIGNAL_INDICATORS}
    volatility, traded = (np.full(shape, np.nan, dtype=np.float32) for _ in range(2))
    enough, liquid = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for start in range(0, n_tickers, CHUNK_TICKERS):
        some = slice(start, min(start + CHUNK_TICKERS, n_tickers))
        daily = Daily.of(panel, some, market)
        with np.errstate(invalid="ignore", divide="ignore"):
            for name, indicator in FEATURES.items():
                values = indicator(daily)[at]
                raw[name][:, some] = values
                if (bare := name.removeprefix(PREFIX)) in signals:
                    signals[bare][:, some] = values
        volatility[:, some] = daily.sigma[at]
        traded[:, some] = (window_sum(daily.dollars, TRADED_DAYS) / TRADED_DAYS)[at]
        known = np.isfinite(daily.close)
        enough[:, some] = streak(known, daily.fresh)[at] >= config.min_history_days
        liquid[:, some] = _median_traded(daily.dollars, at) >= config.min_dollar_volume
        progress(some.stop, n_tickers)
    there = panel.there[at]
    rows = there & enough
    counts["ticker_weeks"] = int(there.sum())
    counts["ticker_weeks_with_short_history"] = int((there & ~enough).sum())
    if config.min_dollar_volume > 0:
        counts["ticker_weeks_traded_too_little"] = int((rows & ~liquid).sum())
        rows &= liquid
    if member is not None:
        counts["ticker_weeks_outside_universe"] = int((rows & ~member[at]).sum())
        rows &= member[at]
    unsteady = rows & ~(np.isfinite(volatility))
    counts["ticker_weeks_without_volatility"] = int(unsteady.sum())
    rows &= ~unsteady
    small = rows.sum(axis=1) < LEAST_ROWS
    counts["weeks_with_too_few_rows"] = int(small.sum())
    rows[small] = False
    if not rows.any():
        raise DataError(
            f"no week has {LEAST_ROWS} tickers with {config.min_history_days} days of history "
            f"({n_tickers} tickers, {len(panel.days):,} days)",
            where="data.prices",
            fix="give more prices, or lower min_history_days or min_dollar_volume",
        )
    return Weekly(at, rows, raw, signals, volatility, traded)


def _market(panel: Panel) -> Float64:
    """Return the mean return of all tickers on each day, of rows that the files have."""
    total, n = np.zeros(len(panel.days)), np.zeros(len(panel.days))
    for start in range(0, len(panel.tickers), CHUNK_TICKERS):
        some = slice(start, start + CHUNK_TICKERS)
        returns = panel.returns(some)
        known = np.isfinite(returns) & panel.there[:, some]
        total += np.where(known, returns, 0.0).sum(axis=1)
        n += known.sum(axis=1)
    return np.asarray(np.where(n > 0, total / np.maximum(n, 1), 0.0))


def _median_traded(dollars: Float64, at: Int64) -> Float64:
    found = np.full((len(at), dollars.shape[1]), -np.inf)
    for i, day in enumerate(at):
        if day + 1 >= LIQUIDITY_DAYS:
            window = dollars[day + 1 - LIQUIDITY_DAYS : day + 1]
            found[i] = np.nan_to_num(np.median(window, axis=0), nan=-np.inf)
    return found


def quintiles(values: Float32, rows: Bools) -> Int8:
    """Bin the rows of each era into five parts of one size, 0..4; -1 where missing or no row.

    Equal values are in one bin: values below the edge at each fifth of the sorted era are counted.

    Parameters
    ----------
    values : float32 [n_eras, n_tickers]. rows : bool, of the same shape.
    """
    found = np.full(values.shape, -1, dtype=np.int8)
    for era in range(len(values)):
        known = np.flatnonzero(rows[era] & np.isfinite(values[era]))
        if len(known) == 0:
            continue
        mine = values[era, known]
        places = np.arange(1, 5) * len(mine) // 5
        edges = np.sort(mine)[places]
        found[era, known] = np.searchsorted(edges, mine, side="right")
    return found


def as_ranks(values: Float32, rows: Bools) -> Float64:
    """Rank the rows of each era into -.5..5, ties by their order; the middle where missing."""
    found = np.zeros(values.shape)
    for era in range(len(values)):
        known = np.flatnonzero(rows[era] & np.isfinite(values[era]))
        order = np.argsort(values[era, known], kind="stable")
        found[era, known[order]] = (np.arange(len(known)) + 0.5) / max(len(known), 1) - 0.5
    return found


def feature_sets() -> Mapping[str, list[str]]:
    """Return features.json's sets: all, and one for each group."""
    groups = {name: [f"{PREFIX}{one}" for one in listed] for name, listed in GROUPS.items()}
    return {"all": list(FEATURES), **groups}
