"""Indicators from daily prices, each with its formula. All look back only.

Arrays are float64 [n_days, n_tickers] of a part of the tickers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from numerai_lab.arrays import Bools, Float64
from numerai_lab.config import SIGNALS
from numerai_lab.data.prices.panel import Panel
from numerai_lab.data.prices.windows import (
    ewm_mean,
    lagged,
    wilder_mean,
    window_max,
    window_mean,
    window_min,
    window_std,
    window_sum,
)

VOLATILITY_SPAN_DAYS = 60
YEAR_DAYS = 252


@dataclass(frozen=True)
class Daily:
    """Prices of some tickers, and what several indicators share.

    Attributes
    ----------
    high, low, close, dollars : float64 [n_days, n_tickers]; dollars is the value traded.
    fresh : bool, a history begins. market : float64 [n_days], the mean return of all tickers.
    """

    high: Float64
    low: Float64
    close: Float64
    dollars: Float64
    fresh: Bools
    returns: Float64
    market: Float64

    @classmethod
    def of(cls, panel: Panel, tickers: slice, market: Float64) -> Daily:
        """Take some tickers out of a panel."""
        high, low, close, dollars = (
            matrix[:, tickers].astype(np.float64)
            for matrix in (panel.high, panel.low, panel.close, panel.dollar_volume)
        )
        fresh, returns = panel.fresh[:, tickers], panel.returns(tickers)
        return cls(high, low, close, dollars, fresh, returns, market)

    @cached_property
    def sigma(self) -> Float64:
        """Volatility of a day: exponentially weighted deviation of log returns, span 60 days."""
        alpha = 2 / (VOLATILITY_SPAN_DAYS + 1)
        mean = ewm_mean(self.returns, alpha, self.fresh)
        square = ewm_mean(self.returns**2, alpha, self.fresh) - mean**2
        enough = np.isfinite(window_sum(self.returns, VOLATILITY_SPAN_DAYS // 2))
        return np.where(enough & (square > 1e-12), np.sqrt(np.maximum(square, 0.0)), np.nan)

    @cached_property
    def against_market(self) -> tuple[Float64, Float64, Float64]:
        """Beta and correlation to the market over a year, and the deviation of what is left."""
        market = np.where(np.isfinite(self.returns), self.market[:, None], np.nan)
        mine, theirs = window_mean(self.returns, YEAR_DAYS), window_mean(market, YEAR_DAYS)
        covariance = window_mean(self.returns * market, YEAR_DAYS) - mine * theirs
        spread, own = window_std(market, YEAR_DAYS), window_std(self.returns, YEAR_DAYS)
        with np.errstate(invalid="ignore", divide="ignore"):
            beta, correlation = covariance / spread**2, covariance / (spread * own)
        rest = own * np.sqrt(np.maximum(1 - correlation**2, 0.0))
        return beta, correlation, rest


Indicator = Callable[[Daily], Float64]


def scaled_return(days: int) -> Indicator:
    """Log return over `days` divided by sigma sqrt(days)."""

    def indicator(daily: Daily) -> Float64:
        return np.asarray(window_sum(daily.returns, days) / (daily.sigma * np.sqrt(days)))

    return indicator


def momentum_but_last_month(daily: Daily) -> Float64:
    """Log return of the last year without its last 21 days, over sigma (Jegadeesh, Titman 1993)."""
    return np.asarray(lagged(window_sum(daily.returns, YEAR_DAYS - 21), 21) / daily.sigma)


def macd(fast: int, slow: int) -> Indicator:
    """(m(fast) - m(slow)) / std63(close), over its own deviation in the last year.

    m(n) is the exponential mean with alpha = 1 / n.
    Source: Baz, Granger, Harvey, Le Roux and Rattray (2015), Dissecting Investment Strategies.
    """

    def indicator(daily: Daily) -> Float64:
        means = [ewm_mean(daily.close, 1 / days, daily.fresh) for days in (fast, slow)]
        with np.errstate(invalid="ignore", divide="ignore"):
            price_scaled = (means[0] - means[1]) / window_std(daily.close, 63)
            return _finite(price_scaled / window_std(_finite(price_scaled), YEAR_DAYS))

    return indicator


def rsi(days: int) -> Indicator:
    """100 up / (up + down), Wilder's means of gains and losses (Wilder 1978)."""

    def indicator(daily: Daily) -> Float64:
        change = np.full(daily.close.shape, np.nan)
        change[1:] = np.diff(daily.close, axis=0)
        change[daily.fresh] = np.nan
        up = wilder_mean(np.maximum(change, 0.0), days, daily.fresh)
        down = wilder_mean(np.maximum(-change, 0.0), days, daily.fresh)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(100 * up / (up + down))

    return indicator


def stochastic(days: int, smooth: int, again: int = 1) -> Indicator:
    """100 (close - low_n) / (high_n - low_n), averaged over `smooth` days, then over `again`.

    Slow %K and, with `again` 3, slow %D (Lane 1984).
    """

    def indicator(daily: Daily) -> Float64:
        lowest, highest = window_min(daily.low, days), window_max(daily.high, days)
        with np.errstate(invalid="ignore", divide="ignore"):
            fast = _finite(100 * (daily.close - lowest) / (highest - lowest))
        slow = window_mean(fast, smooth)
        return slow if again == 1 else window_mean(slow, again)

    return indicator


def bollinger_position(days: int) -> Indicator:
    """(close - mean_n) / (2 std_n): -1 at the lower band, 1 at the upper one (Bollinger 2001)."""

    def indicator(daily: Daily) -> Float64:
        with np.errstate(invalid="ignore", divide="ignore"):
            middle = window_mean(daily.close, days)
            return _finite((daily.close - middle) / (2 * window_std(daily.close, days)))

    return indicator


def range_position(days: int) -> Indicator:
    """(close - low_n) / (high_n - low_n), from closes."""

    def indicator(daily: Daily) -> Float64:
        lowest, highest = window_min(daily.close, days), window_max(daily.close, days)
        with np.errstate(invalid="ignore", divide="ignore"):
            return _finite((daily.close - lowest) / (highest - lowest))

    return indicator


def average_true_range(days: int) -> Indicator:
    """100 ATR / close; ATR is Wilder's mean of max(high - low, |high - c|, |low - c|), c before."""

    def indicator(daily: Daily) -> Float64:
        before = lagged(daily.close, 1)
        before[daily.fresh] = np.nan
        parts = [daily.high - daily.low, np.abs(daily.high - before), np.abs(daily.low - before)]
        true_range = np.max(parts, axis=0)
        return np.asarray(100 * wilder_mean(true_range, days, daily.fresh) / daily.close)

    return indicator


def volatility(days: int) -> Indicator:
    """Standard deviation of daily log returns over `days`."""
    return lambda daily: window_std(daily.returns, days)


def extreme_return(days: int, *, smallest: bool) -> Indicator:
    """The smallest or largest daily return of the last `days`."""
    find = window_min if smallest else window_max
    return lambda daily: find(daily.returns, days)


def skewness(days: int) -> Indicator:
    """Third standardised moment of daily returns over `days`."""

    def indicator(daily: Daily) -> Float64:
        mean, spread = window_mean(daily.returns, days), window_std(daily.returns, days)
        square, cube = window_mean(daily.returns**2, days), window_mean(daily.returns**3, days)
        with np.errstate(invalid="ignore", divide="ignore"):
            return _finite((cube - 3 * mean * square + 2 * mean**3) / spread**3)

    return indicator


def traded_trend(short: int, long: int) -> Indicator:
    """Log of the mean value traded over `short` days, over that of `long` days."""

    def indicator(daily: Daily) -> Float64:
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = window_mean(daily.dollars, short) / window_mean(daily.dollars, long)
            return _finite(np.log(ratio))

    return indicator


def illiquidity(days: int) -> Indicator:
    """Log of the mean |return| per value traded over days that traded (Amihud 2002)."""

    def indicator(daily: Daily) -> Float64:
        with np.errstate(invalid="ignore", divide="ignore"):
            costly = np.where(daily.dollars > 0, np.abs(daily.returns) / daily.dollars, 0.0)
            costly = np.where(np.isfinite(daily.returns), costly, np.nan)
            return _finite(np.log(window_mean(costly, days)))

    return indicator


def return_with_volume(days: int) -> Indicator:
    """Correlation over `days` of daily returns with changes of the log value traded."""

    def indicator(daily: Daily) -> Float64:
        change = np.full(daily.dollars.shape, np.nan)
        change[1:] = np.diff(np.log1p(daily.dollars), axis=0)
        change = np.where(np.isfinite(daily.returns), change, np.nan)
        returns = np.where(np.isfinite(change), daily.returns, np.nan)
        product = window_mean(returns * change, days)
        covariance = product - window_mean(returns, days) * window_mean(change, days)
        with np.errstate(invalid="ignore", divide="ignore"):
            return _finite(covariance / (window_std(returns, days) * window_std(change, days)))

    return indicator


def size(daily: Daily) -> Float64:
    """Log of the mean value traded over a year: files have no number of shares."""
    with np.errstate(divide="ignore"):
        return _finite(np.log(window_mean(daily.dollars, YEAR_DAYS)))


def residual_momentum(daily: Daily) -> Float64:
    """A year's return less beta times the market's, over the deviation of what is left."""
    beta, _, rest = daily.against_market
    market = np.where(np.isfinite(daily.returns), daily.market[:, None], np.nan)
    own, theirs = window_sum(daily.returns, YEAR_DAYS), window_sum(market, YEAR_DAYS)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _finite((own - beta * theirs) / rest)


def _finite(values: Float64) -> Float64:
    """Put NaN for what was divided by 0."""
    return np.where(np.isfinite(values), values, np.nan)


def _signals() -> dict[str, Indicator]:
    found: dict[str, Indicator] = {}
    for name in SIGNALS:
        kind, *numbers = name.split("_")
        days = [int(number) for number in numbers]
        found[name] = scaled_return(days[0]) if kind == "return" else macd(days[0], days[1])
    return found


SIGNAL_INDICATORS = _signals()
GROUPS: dict[str, dict[str, Indicator]] = {
    "momentum": {
        **{name: one for name, one in SIGNAL_INDICATORS.items() if name.startswith("return")},
        "return_5": scaled_return(5),
        "momentum_252_21": momentum_but_last_month,
        "residual_momentum": residual_momentum,
    },
    "macd": {name: one for name, one in SIGNAL_INDICATORS.items() if name.startswith("macd")},
    "oscillator": {
        "rsi_14": rsi(14),
        "stochastic_k": stochastic(14, 3),
        "stochastic_d": stochastic(14, 3, 3),
        "bollinger_20": bollinger_position(20),
        "position_63": range_position(63),
        "position_252": range_position(252),
    },
    "volatility": {
        "volatility": volatility(63),
        "volatility_21": volatility(21),
        "volatility_252": volatility(252),
        "atr_14": average_true_range(14),
        "max_return_21": extreme_return(21, smallest=False),
        "min_return_21": extreme_return(21, smallest=True),
        "skew_63": skewness(63),
    },
    "volume": {
        "traded_trend_5_63": traded_trend(5, 63),
        "traded_trend_21_252": traded_trend(21, 252),
        "illiquidity_63": illiquidity(63),
        "return_with_volume_63": return_with_volume(63),
    },
    "market": {
        "beta": lambda daily: daily.against_market[0],
        "market_correlation": lambda daily: daily.against_market[1],
        "residual_volatility": lambda daily: daily.against_market[2],
        "size": size,
    },
}
"""Group -> name -> indicator; a feature is called `feature_` and its name."""
FEATURES_BY_NAME = {name: one for group in GROUPS.values() for name, one in group.items()}
