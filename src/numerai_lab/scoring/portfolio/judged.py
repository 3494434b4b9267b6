"""A portfolio's weeks in a few numbers, with intervals, and two portfolios beside each other."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.config import Bootstrap
from numerai_lab.scoring.bootstrap import block_length, bootstrap_starts
from numerai_lab.scoring.portfolio.sleeves import Earned

WEEKS_A_YEAR = 52
_INTERVAL = (2.5, 97.5)


@dataclass(frozen=True)
class PortfolioSummary:
    """What a portfolio did; a number that cannot be computed is None.

    Attributes
    ----------
    sharpe_gross, sharpe_net : mean over standard deviation of weekly returns, times sqrt(52), and
        the 95 % block-bootstrap intervals of both.
    return_gross, return_net, volatility : a year, on capital that is not reinvested.
    turnover : value traded a year over the capital, both sides counted.
    drawdown_gross, drawdown_net : the largest fall of the summed returns, positive.
    capacity : median over weeks of `Earned.capacity`, in the currency of the prices.
    n_weeks, n_lost, n_unopened : as in `Earned`.
    """

    sharpe_gross: float | None
    sharpe_gross_ci: tuple[float, float] | None
    sharpe_net: float | None
    sharpe_net_ci: tuple[float, float] | None
    return_gross: float
    return_net: float
    volatility: float
    turnover: float
    drawdown_gross: float
    drawdown_net: float
    capacity: float | None
    n_weeks: int
    n_lost: int
    n_unopened: int

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return asdict(self)


def yearly_sharpe(returns: Float64) -> float | None:
    """Return mean / deviation of weekly returns, times sqrt(52); None where they are still."""
    spread = float(returns.std()) if len(returns) > 1 else 0.0
    if spread < 1e-12:
        return None
    return float(returns.mean() / spread * np.sqrt(WEEKS_A_YEAR))


def summarize_portfolio(
    earned: Earned, hold_days: int, bootstrap: Bootstrap, seed: int
) -> PortfolioSummary:
    """Summarise the weeks of a portfolio."""
    capacity = earned.capacity[np.isfinite(earned.capacity)]
    how = earned, hold_days, bootstrap, seed
    return PortfolioSummary(
        sharpe_gross=yearly_sharpe(earned.gross),
        sharpe_gross_ci=_interval_of_sharpe(earned.gross, *how),
        sharpe_net=yearly_sharpe(earned.net),
        sharpe_net_ci=_interval_of_sharpe(earned.net, *how),
        return_gross=float(earned.gross.mean() * WEEKS_A_YEAR),
        return_net=float(earned.net.mean() * WEEKS_A_YEAR),
        volatility=float(earned.gross.std() * np.sqrt(WEEKS_A_YEAR)),
        turnover=float(earned.turnover.mean() * WEEKS_A_YEAR),
        drawdown_gross=_drawdown(earned.gross),
        drawdown_net=_drawdown(earned.net),
        capacity=float(np.median(capacity)) if len(capacity) else None,
        n_weeks=len(earned.weeks),
        n_lost=earned.n_lost,
        n_unopened=earned.n_unopened,
    )


def sharpe_difference(
    a: Earned, b: Earned, hold_days: int, bootstrap: Bootstrap, seed: int, *, net: bool = False
) -> dict[str, Any]:
    """Return yearly Sharpe of a minus that of b, over the weeks both have, with its interval.

    Both are resampled by the same blocks of weeks. None where one of them is still.
    """
    weeks, mine, theirs = np.intersect1d(a.weeks, b.weeks, return_indices=True)
    x, y = (a.net, b.net) if net else (a.gross, b.gross)
    x, y = x[mine], y[theirs]
    own, other = yearly_sharpe(x), yearly_sharpe(y)
    found: dict[str, Any] = {"difference": None, "ci": None, "n_weeks": len(weeks)}
    if own is None or other is None or len(weeks) < 2:
        return found
    drawn = _drawn(weeks, hold_days, bootstrap, seed)
    apart = _sharpes(x[drawn]) - _sharpes(y[drawn])
    low, high = np.percentile(apart, _INTERVAL)
    return {**found, "difference": own - other, "ci": (float(low), float(high))}


def _interval_of_sharpe(
    returns: Float64, earned: Earned, hold_days: int, bootstrap: Bootstrap, seed: int
) -> tuple[float, float] | None:
    if yearly_sharpe(returns) is None:
        return None
    drawn = _drawn(earned.weeks, hold_days, bootstrap, seed)
    low, high = np.percentile(_sharpes(returns[drawn]), _INTERVAL)
    return float(low), float(high)


def _drawn(weeks: Any, hold_days: int, bootstrap: Bootstrap, seed: int) -> Any:
    """Return positions of resampled weeks, int64 [samples, n]: circular blocks."""
    n = len(weeks)
    block = block_length(weeks, hold_days, bootstrap)
    starts = bootstrap_starts(n, block, bootstrap.samples, seed)
    return (starts[:, :, None] + np.arange(block)).reshape(len(starts), -1)[:, :n] % n


def _sharpes(drawn: Float64) -> Float64:
    spread = np.maximum(drawn.std(axis=1), 1e-12)
    return np.asarray(drawn.mean(axis=1) / spread * np.sqrt(WEEKS_A_YEAR))


def _drawdown(returns: Float64) -> float:
    total = np.concatenate([[0.0], np.cumsum(returns)])
    return float(np.max(np.maximum.accumulate(total) - total))
