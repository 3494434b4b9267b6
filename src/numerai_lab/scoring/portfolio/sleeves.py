"""What a prediction earns as a portfolio: weekly sleeves of weights, costs, turnover, capacity.

Each era opens a sleeve with 1 / m of the capital, m = hold_days / 5: weights x / sigma, x what the
prediction differs from its era's mean by, less their mean (net 0), over the sum of their sizes
(gross 1). It is entered at the next close, held for m weeks without trading, and closed; the
sleeve that opens in its place is traded against it. Profits are not reinvested, so weekly returns
add up.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from numerai_lab.arrays import Eras, Float64, Int64

DAYS_A_WEEK = 5
BASIS_POINT = 1e-4
HARDEST = 0.05
"""The share of traded value that is hardest to trade is left out of the capacity."""


@dataclass(frozen=True)
class Market:
    """What positions earn, week by week.

    Attributes
    ----------
    weeks : int32 [n_weeks], era numbers, increasing.
    returns : float64 [n_weeks, n_tickers], simple returns from the close after an era to the close
        after the next one; NaN where a ticker cannot be bought, or has no price at the end.
    traded : float64, the same shape, value that is traded a day; NaN where not known.
    """

    weeks: Eras
    returns: Float64
    traded: Float64


@dataclass(frozen=True)
class Earned:
    """A portfolio week by week.

    Attributes
    ----------
    weeks : int32 [n]. gross, net : float64 [n], returns on the capital, before and after costs.
    turnover : float64 [n], value traded over the capital, both sides counted.
    capacity : float64 [n], the capital at which all but the hardest 5 % of the value traded stays
        within the share of a day's volume; NaN in a week without trades.
    n_lost : positions without a return at the end of a week, taken as 0.
    n_unopened : positions that were wanted and not opened, as the ticker has no return in the week:
        it cannot be bought, or, which nobody knew by then, has no price at the end, or a jump.
    """

    weeks: Eras
    gross: Float64
    net: Float64
    turnover: Float64
    capacity: Float64
    n_lost: int
    n_unopened: int


def portfolio_weights(prediction: Float64, sigma: Float64) -> Float64:
    """Return weights of one era's rows, gross 1 and net 0; 0 where something is missing.

    Parameters
    ----------
    prediction, sigma : float64 [n_rows]; NaN where a row has none.

    Examples
    --------
    >>> portfolio_weights(np.array([0.1, 0.5, 0.9]), np.array([0.01, 0.01, 0.01])).tolist()
    [-0.5, 0.0, 0.5]
    """
    weights = np.zeros(len(prediction))
    known = np.isfinite(prediction) & np.isfinite(sigma) & (sigma > 0)
    if known.sum() < 2:
        return weights
    mine = (prediction[known] - prediction[known].mean()) / sigma[known]
    mine -= mine.mean()
    size = np.abs(mine).sum()
    if size > 1e-12:
        weights[known] = mine / size
    return weights


def hold(
    weights: Float64,
    opened: Int64,
    market: Market,
    *,
    hold_days: int,
    cost_bp: float,
    participation: float,
    trade_share: float = 1.0,
) -> Earned:
    """Open a sleeve in each era, and follow all of them through the weeks.

    Parameters
    ----------
    weights : float64 [n_eras, n_tickers], of `portfolio_weights`. opened : int64 [n_eras], the
        week, by its position in the market, in which each era's sleeve is opened; increasing.
    cost_bp : cost of each side, in hundredths of a percent of the value traded.
    participation : share of a day's value traded that trades may take, for the capacity.
    trade_share : how much of the way from the sleeve that closes to the wanted weights is traded;
        less than 1 holds on to old positions and trades less. Source: Garleanu and Pedersen (2013),
        Dynamic trading with predictable returns and transaction costs: trade partially towards the
        aim.

    Returns
    -------
    From the first week with a sleeve to the last one.
    """
    n_sleeves = max(1, -(-hold_days // DAYS_A_WEEK))
    first, last = int(opened[0]), int(opened[-1])
    sleeves: deque[Float64] = deque([np.zeros(weights.shape[1])] * n_sleeves)
    place = dict(zip(opened.tolist(), range(len(opened)), strict=True))
    n = last - first + 1
    gross, turnover, capacity = np.zeros(n), np.zeros(n), np.full(n, np.nan)
    lost, unopened = 0, 0
    for i, week in enumerate(range(first, last + 1)):
        earned = market.returns[week]
        closing = sleeves.popleft()
        opening = np.zeros(weights.shape[1])
        if week in place:
            wanted = weights[place[week]] / n_sleeves
            wanted = closing + trade_share * (wanted - closing)
            opening = np.where(np.isfinite(earned), wanted, 0.0)
            unopened += int(np.count_nonzero((wanted != 0) & ~np.isfinite(earned)))
        traded = np.abs(opening - closing)
        turnover[i] = traded.sum()
        capacity[i] = _capacity(traded, market.traded[week], participation)
        sleeves.append(opening)
        known = np.nan_to_num(earned)
        for k, sleeve in enumerate(sleeves):
            lost += int(np.count_nonzero((sleeve != 0) & ~np.isfinite(earned)))
            gross[i] += sleeve @ known
            sleeves[k] = sleeve * (1 + known)
    net = gross - cost_bp * BASIS_POINT * turnover
    return Earned(market.weeks[first : last + 1], gross, net, turnover, capacity, lost, unopened)


def _capacity(trades: Float64, traded: Float64, participation: float) -> float:
    """Return the capital at which the trades, shares of it, are small beside a day's volume."""
    some = np.flatnonzero((trades > 0) & np.isfinite(traded))
    if not len(some):
        return float("nan")
    most = participation * traded[some] / trades[some]
    order = np.argsort(most)
    share = np.cumsum(trades[some][order]) / trades[some].sum()
    return float(most[order][np.searchsorted(share, HARDEST)])
