"""Indicators against TA-Lib where it has them, and against pandas where pandas says it shortly."""

import numpy as np
import pandas as pd
import pytest

from numerai_lab.config import Prices
from numerai_lab.data import made_up_prices
from numerai_lab.data.prices.indicators import FEATURES_BY_NAME as FEATURES
from numerai_lab.data.prices.indicators import Daily
from numerai_lab.data.prices.panel import make_panel
from numerai_lab.data.prices.windows import (
    ewm_mean,
    streak,
    window_max,
    window_min,
    window_std,
    window_sum,
)
from price_files import SMALL


@pytest.fixture(scope="module")
def daily():
    raw, _, _ = made_up_prices(SMALL)
    panel = make_panel(raw, Prices())
    return Daily.of(panel, slice(0, 6), np.linspace(-0.01, 0.01, len(panel.days)))


@pytest.fixture(scope="module")
def values():
    values = np.random.default_rng(0).standard_normal((60, 3))
    values[7, 1] = np.nan
    return values


def series(daily, name, column=1):
    return pd.Series(getattr(daily, name)[:, column])


@pytest.mark.parametrize("days", [1, 2, 5, 14])
def test_windows_are_those_of_pandas(values, days):
    frame = pd.DataFrame(values)
    for found, wanted in (
        (window_sum(values, days), frame.rolling(days).sum()),
        (window_std(values, days), frame.rolling(days).std(ddof=0)),
        (window_min(values, days), frame.rolling(days).min()),
        (window_max(values, days), frame.rolling(days).max()),
    ):
        np.testing.assert_allclose(found, wanted, atol=1e-7)
    assert np.isnan(window_sum(values, 100)).all()


def test_the_exponential_mean_is_that_of_pandas_and_begins_anew(values):
    fresh = np.zeros(values.shape, dtype=bool)
    fresh[30, 2] = True
    wanted = pd.DataFrame(values).ewm(alpha=0.2, ignore_na=True).mean()
    wanted.loc[30:, 2] = pd.Series(values[30:, 2], index=range(30, 60)).ewm(alpha=0.2).mean()
    np.testing.assert_allclose(ewm_mean(values, 0.2, fresh), wanted)


def test_a_streak_counts_days_since_a_history_began():
    known = np.array([0, 1, 1, 1, 0, 1], dtype=bool)[:, None]
    fresh = np.array([0, 1, 0, 1, 0, 0], dtype=bool)[:, None]
    assert streak(known, fresh).ravel().tolist() == [0, 1, 2, 1, 0, 1]


def talib_of(daily, column):
    talib = pytest.importorskip("talib", reason="TA-Lib is not installed (pip install TA-Lib)")
    high, low, close = (getattr(daily, name)[:, column] for name in ("high", "low", "close"))
    slow_k, slow_d = talib.STOCH(high, low, close, 14, 3, 0, 3, 0)
    upper, middle, _ = talib.BBANDS(close, 20, 2.0, 2.0, 0)
    return {
        "rsi_14": talib.RSI(close, 14),
        "stochastic_k": slow_k,
        "stochastic_d": slow_d,
        "bollinger_20": (close - middle) / (upper - middle),
        "atr_14": talib.NATR(high, low, close, 14),
    }


@pytest.mark.parametrize(
    "name", ["rsi_14", "stochastic_k", "stochastic_d", "bollinger_20", "atr_14"]
)
def test_indicators_equal_talib(daily, name):
    for column in (0, 1, 4):
        wanted = talib_of(daily, column)[name]
        found = FEATURES[name](daily)[:, column]
        both = np.isfinite(wanted) & np.isfinite(found)
        assert both.sum() > len(found) - 25
        np.testing.assert_allclose(found[both], wanted[both], rtol=1e-6, atol=1e-6)


def test_rsi_follows_wilders_definition(daily):
    change = series(daily, "close").diff().iloc[1:].to_numpy()
    up, down = np.maximum(change, 0), np.maximum(-change, 0)
    means = [up[:14].mean(), down[:14].mean()]
    wanted = []
    for i in range(14, len(change)):
        wanted.append(100 * means[0] / sum(means))
        means = [(13 * means[0] + up[i]) / 14, (13 * means[1] + down[i]) / 14]
    found = FEATURES["rsi_14"](daily)[14:-1, 1]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_macd_is_that_of_baz_and_others(daily):
    close = series(daily, "close")
    cross = close.ewm(alpha=1 / 8).mean() - close.ewm(alpha=1 / 24).mean()
    scaled = cross / close.rolling(63).std(ddof=0)
    wanted = scaled / scaled.rolling(252).std(ddof=0)
    np.testing.assert_allclose(FEATURES["macd_8_24"](daily)[:, 1], wanted, rtol=1e-4, atol=1e-6)


def test_returns_are_scaled_by_volatility(daily):
    returns = np.log(series(daily, "close")).diff()
    ewm = returns.ewm(span=60, ignore_na=True)
    sigma = np.sqrt((returns**2).ewm(span=60, ignore_na=True).mean() - ewm.mean() ** 2)
    wanted = returns.rolling(21).sum() / (sigma * np.sqrt(21))
    found = FEATURES["return_21"](daily)[:, 1]
    np.testing.assert_allclose(found[60:], wanted[60:], rtol=1e-5)


def test_beta_and_what_is_left_are_a_regression(daily):
    returns, market = np.log(series(daily, "close")).diff().to_numpy(), daily.market
    y, x = returns[-252:], market[-252:]
    slope, constant = np.polyfit(x, y, 1)
    rest = y - slope * x - constant
    assert FEATURES["beta"](daily)[-1, 1] == pytest.approx(slope, rel=1e-6)
    assert FEATURES["residual_volatility"](daily)[-1, 1] == pytest.approx(rest.std(), rel=1e-6)
    momentum = (y.sum() - slope * x.sum()) / rest.std()
    assert FEATURES["residual_momentum"](daily)[-1, 1] == pytest.approx(momentum, rel=1e-5)


def test_the_others_are_what_they_say(daily):
    returns = np.log(series(daily, "close")).diff()
    dollars, close = series(daily, "dollars"), series(daily, "close")
    last = {name: indicator(daily)[-1, 1] for name, indicator in FEATURES.items()}
    year = returns.iloc[-252:-21].sum()
    trend = np.log(dollars.rolling(5).mean() / dollars.rolling(63).mean())
    span = close.rolling(63).max() - close.rolling(63).min()
    costly = (returns.abs() / dollars).rolling(63).mean()
    change = np.log1p(dollars).diff()
    wanted = {
        "momentum_252_21": year / daily.sigma[-1, 1],
        "max_return_21": returns.iloc[-21:].max(),
        "min_return_21": returns.iloc[-21:].min(),
        "skew_63": returns.iloc[-63:].skew() * 61 / np.sqrt(63 * 62),
        "traded_trend_5_63": trend.iloc[-1],
        "position_63": ((close - close.rolling(63).min()) / span).iloc[-1],
        "illiquidity_63": np.log(costly.iloc[-1]),
        "return_with_volume_63": returns.iloc[-63:].corr(change.iloc[-63:]),
        "size": np.log(dollars.iloc[-252:].mean()),
        "volatility_21": returns.iloc[-21:].std(ddof=0),
    }
    for name, value in wanted.items():
        assert last[name] == pytest.approx(value, rel=1e-5), name
