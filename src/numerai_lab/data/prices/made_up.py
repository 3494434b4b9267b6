"""A made-up panel of daily prices whose momentum and network are known, for a first run and tests.

Tickers lie in sectors, and within each sector they form a ring. The log return of a day is

    market + sector + drift + m * own trend + w * mean trend of the two neighbours + noise,

all but the trends drawn anew; a trend is a ticker's mean return over the last 63 days over its
deviation. With `momentum: 0` and `network: 0` nothing can be predicted. Some tickers are listed
later, some are delisted, two of them with a fall on their last day.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.config import MadeUpPrices
from numerai_lab.data.prices.raw import RawPrices
from numerai_lab.seeds import child_seed

GENERATOR_VERSION = 1
N_SECTORS = 4
TREND_DAYS = 63
FIRST_DAY = date(2001, 1, 1)
MOMENTUM, NETWORK = 0.00012, 0.00024
"""Daily log return of one deviation of trend, at strength 1."""


def made_up_prices(config: MadeUpPrices) -> tuple[RawPrices, dict[str, str], Float64]:
    """Make the panel; the same config gives the same prices.

    Returns
    -------
    The rows, the sector of each ticker, and the planted network, float64 [n_tickers, n_tickers],
    1 between neighbours.
    """
    draw = np.random.default_rng(child_seed(config.seed, "prices", "returns"))
    n, n_days = config.n_tickers, config.n_days
    sector = np.arange(n) % N_SECTORS
    network = _rings(sector)
    spread = draw.uniform(0.01, 0.025, n)
    beta = draw.uniform(0.6, 1.4, n)
    returns = np.zeros((n_days, n))
    degree = network.sum(axis=1)
    for day in range(n_days):
        noise = draw.standard_t(5, n) / np.sqrt(5 / 3)
        common = 0.008 * draw.standard_normal()
        shared = 0.006 * draw.standard_normal(N_SECTORS)[sector]
        returns[day] = 0.0002 + beta * common + shared + spread * noise
        if day >= TREND_DAYS:
            past = returns[day - TREND_DAYS : day]
            trend = past.mean(axis=0) / past.std(axis=0) * np.sqrt(TREND_DAYS)
            trend = np.clip((trend - trend.mean()) / trend.std(), -2, 2)
            returns[day] += MOMENTUM * config.momentum * trend
            returns[day] += NETWORK * config.network * (network @ trend) / degree
    close = 50 * np.exp(np.cumsum(returns, axis=0))
    swing = spread * np.abs(draw.standard_normal((2, n_days, n))) / 2
    before = np.concatenate([close[:1], close[:-1]])
    opened = before * np.exp(spread * draw.standard_normal((n_days, n)) / 4)
    high = np.maximum(opened, close) * np.exp(swing[0])
    low = np.minimum(opened, close) * np.exp(-swing[1])
    level = np.exp(draw.normal(13, 1, n))
    volume = level * np.exp(0.3 * draw.standard_normal((n_days, n)) + 20 * np.abs(returns))
    there = _lives(n, n_days)
    days = np.array(_trading_days(n_days), dtype="datetime64[D]").astype(np.int32)
    at, codes = np.nonzero(there)
    matrices = {"open": opened, "high": high, "low": low, "close": close, "volume": volume}
    tickers = tuple(f"MADE{i:03d}" for i in range(n))
    raw = RawPrices(
        days=days[at],
        codes=codes.astype(np.int32),
        tickers=tickers,
        values={name: matrix[there].astype(np.float32) for name, matrix in matrices.items()},
        counts=Counter(rows_in_files=len(at)),
    )
    return raw, {name: f"sector {sector[i]}" for i, name in enumerate(tickers)}, network


def _rings(sector: np.ndarray) -> Float64:
    network = np.zeros((len(sector), len(sector)))
    for one in range(N_SECTORS):
        inside = np.flatnonzero(sector == one)
        for a, b in zip(inside, np.roll(inside, 1), strict=True):
            if a != b:
                network[a, b] = network[b, a] = 1.0
    return network


def _lives(n_tickers: int, n_days: int) -> np.ndarray:
    """Tell on which days each ticker has prices: every tenth comes late, every twelfth leaves."""
    there = np.ones((n_days, n_tickers), dtype=bool)
    for place in range(3, n_tickers, 10):
        there[: n_days // 4, place] = False
    for place in range(5, n_tickers, 12):
        there[n_days * 3 // 4 :, place] = False
    return there


def _trading_days(n_days: int) -> list[date]:
    """Return Mondays to Fridays but for New Year and Christmas."""
    found: list[date] = []
    day = FIRST_DAY
    while len(found) < n_days:
        if day.weekday() < 5 and (day.month, day.day) not in ((1, 1), (12, 25)):
            found.append(day)
        day += timedelta(days=1)
    return found
