"""Predictions as portfolios, for data with prices: what they earn, gross and net of costs."""

from numerai_lab.scoring.portfolio.judged import (
    PortfolioSummary,
    sharpe_difference,
    summarize_portfolio,
    yearly_sharpe,
)
from numerai_lab.scoring.portfolio.sleeves import Earned, Market, hold, portfolio_weights

__all__ = [
    "Earned",
    "Market",
    "PortfolioSummary",
    "hold",
    "portfolio_weights",
    "sharpe_difference",
    "summarize_portfolio",
    "yearly_sharpe",
]
