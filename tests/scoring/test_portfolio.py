"""Portfolios: against a plain loop, and what must hold of any."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerai_lab.config import Bootstrap
from numerai_lab.scoring import (
    Market,
    hold,
    portfolio_weights,
    sharpe_difference,
    summarize_portfolio,
)

TERMS = {"cost_bp": 10.0, "participation": 0.01}


def market(n_weeks=30, n=8, seed=0, holes=0.1):
    draw = np.random.default_rng(seed)
    returns = 0.03 * draw.standard_normal((n_weeks, n))
    returns[draw.random((n_weeks, n)) < holes] = np.nan
    traded = np.exp(draw.normal(14, 1, (n_weeks, n)))
    return Market(np.arange(100, 100 + n_weeks, dtype=np.int32), returns, traded)


def weights_of(n_eras, n=8, seed=1):
    draw = np.random.default_rng(seed)
    return np.stack(
        [portfolio_weights(draw.random(n), draw.uniform(0.01, 0.03, n)) for _ in range(n_eras)]
    )


def plainly(weights, opened, there, hold_days, cost_bp):
    """Follow every position of every sleeve by itself."""
    m = hold_days // 5
    gross, net, turnover = [], [], []
    for week in range(opened[0], opened[-1] + 1):
        earned = trades = 0.0
        for ticker in range(weights.shape[1]):
            closing = opening = 0.0
            for i, start in enumerate(opened):
                age = week - start
                if age < 0 or age > m or np.isnan(there.returns[start, ticker]):
                    continue
                value = weights[i, ticker] / m
                for past in range(start, week):
                    r = there.returns[past, ticker]
                    value *= 1 + (0.0 if np.isnan(r) else r)
                if age == m:
                    closing += value
                    continue
                if age == 0:
                    opening += value
                r = there.returns[week, ticker]
                earned += value * (0.0 if np.isnan(r) else r)
            trades += abs(opening - closing)
        gross.append(earned)
        turnover.append(trades)
        net.append(earned - cost_bp / 10_000 * trades)
    return np.array(gross), np.array(net), np.array(turnover)


@pytest.mark.parametrize("hold_days", [5, 20])
@pytest.mark.parametrize("skipped", [False, True])
def test_it_is_what_a_plain_loop_gives(hold_days, skipped):
    there = market()
    opened = np.array([i for i in range(2, 25) if not (skipped and i in (7, 8, 15))])
    weights = weights_of(len(opened))
    found = hold(weights, opened, there, hold_days=hold_days, **TERMS)
    gross, net, turnover = plainly(weights, opened, there, hold_days, TERMS["cost_bp"])
    np.testing.assert_allclose(found.gross, gross, atol=1e-14)
    np.testing.assert_allclose(found.net, net, atol=1e-14)
    np.testing.assert_allclose(found.turnover, turnover, atol=1e-14)
    assert found.weeks.tolist() == list(range(102, 125))


@settings(max_examples=30)
@given(n=st.integers(3, 40), seed=st.integers(0, 10_000), scale=st.floats(0.1, 50))
def test_weights_are_gross_one_net_zero_whatever_the_scale(n, seed, scale):
    draw = np.random.default_rng(seed)
    prediction, sigma = draw.random(n), draw.uniform(0.005, 0.05, n)
    weights = portfolio_weights(prediction, sigma)
    assert np.abs(weights).sum() == pytest.approx(1)
    assert weights.sum() == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(portfolio_weights(scale * prediction - 7, sigma), weights, atol=1e-7)


def test_a_row_without_prediction_or_volatility_is_not_held():
    prediction = np.array([0.1, np.nan, 0.7, 0.9])
    sigma = np.array([0.01, 0.01, np.nan, 0.01])
    assert portfolio_weights(prediction, sigma).tolist() == pytest.approx([-0.5, 0, 0, 0.5])
    assert not portfolio_weights(np.full(4, 0.5), np.full(4, 0.01)).any()


def test_costs_fall_on_what_is_traded():
    there = market(holes=0)
    weights = np.repeat(weights_of(1), 20, axis=0)
    opened = np.arange(20)
    steady = hold(weights, opened, there, hold_days=5, **TERMS)
    assert steady.turnover[0] == pytest.approx(1)
    assert steady.turnover[1:].max() < 0.2  # only what prices moved
    free = hold(weights, opened, there, hold_days=5, cost_bp=0, participation=0.01)
    np.testing.assert_array_equal(free.gross, free.net)


def test_capacity_is_in_proportion_to_participation_and_volume():
    there = market(holes=0)
    weights, opened = weights_of(20), np.arange(20)
    one = hold(weights, opened, there, hold_days=5, cost_bp=0, participation=0.01)
    two = hold(weights, opened, there, hold_days=5, cost_bp=0, participation=0.02)
    np.testing.assert_allclose(two.capacity, 2 * one.capacity)
    trades = np.abs(weights[0])
    most = 0.01 * there.traded[0] / trades
    held = trades[most >= one.capacity[0] * (1 - 1e-12)].sum() / trades.sum()
    assert held >= 0.95


def test_a_summary_is_of_weekly_returns():
    earned = hold(weights_of(25), np.arange(25), market(), hold_days=5, **TERMS)
    found = summarize_portfolio(earned, 5, Bootstrap(samples=200), 0)
    wanted = earned.gross.mean() / earned.gross.std() * np.sqrt(52)
    assert found.sharpe_gross == pytest.approx(wanted)
    assert found.sharpe_net < found.sharpe_gross
    low, high = found.sharpe_gross_ci
    assert low < wanted < high
    total = np.concatenate([[0], np.cumsum(earned.net)])
    falls = [total[: i + 1].max() - total[i] for i in range(len(total))]
    assert found.drawdown_net == pytest.approx(max(falls))
    assert found.n_lost == earned.n_lost
    assert found.n_unopened == earned.n_unopened
    assert summarize_portfolio(earned, 5, Bootstrap(samples=200), 0) == found


def test_differences_are_paired_by_week():
    there, opened = market(), np.arange(25)
    a = hold(weights_of(25), opened, there, hold_days=5, **TERMS)
    same = sharpe_difference(a, a, 5, Bootstrap(samples=200), 0)
    assert same["difference"] == 0
    assert same["ci"] == (0, 0)
    b = hold(weights_of(15, seed=4), opened[10:], there, hold_days=5, **TERMS)
    apart = sharpe_difference(a, b, 5, Bootstrap(samples=200), 0, net=True)
    assert apart["n_weeks"] == 15
    sharpe = [x.mean() / x.std() * np.sqrt(52) for x in (a.net[10:], b.net)]
    assert apart["difference"] == pytest.approx(sharpe[0] - sharpe[1])


def test_trading_part_of_the_way_costs_less():
    there, weights, opened = market(holes=0), weights_of(25), np.arange(25)
    whole = hold(weights, opened, there, hold_days=5, **TERMS)
    part = hold(weights, opened, there, hold_days=5, trade_share=0.25, **TERMS)
    assert part.turnover.sum() < 0.4 * whole.turnover.sum()
    held = np.zeros(weights.shape[1])
    for week, wanted in enumerate(weights):
        traded = 0.25 * (wanted - held)
        assert part.turnover[week] == pytest.approx(np.abs(traded).sum())
        held = held + traded
        assert part.gross[week] == pytest.approx(held @ there.returns[week])
        held = held * (1 + there.returns[week])


def test_positions_that_were_not_opened_are_counted():
    returns = np.zeros((4, 3))
    returns[1, 0] = returns[2, 1] = np.nan
    market = Market(np.arange(4, dtype=np.int32), returns, np.ones((4, 3)))
    weights = np.tile([0.5, -0.5, 0.0], (4, 1))
    how = {"cost_bp": 0.0, "participation": 0.1}
    weekly = hold(weights, np.arange(4), market, hold_days=5, **how)
    assert (weekly.n_unopened, weekly.n_lost) == (2, 0)
    held = hold(weights, np.arange(4), market, hold_days=10, **how)
    assert (held.n_unopened, held.n_lost) == (2, 2)  # two sleeves: the older one holds them
