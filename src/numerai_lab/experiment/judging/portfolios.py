"""What predictions earn as portfolios, where the rows are made of prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from numerai_lab.arrays import Float64
from numerai_lab.config import Portfolio, Scoring
from numerai_lab.data import Dataset, weekly_returns_of
from numerai_lab.eraframe import EraFrame
from numerai_lab.scoring import (
    Earned,
    Market,
    hold,
    portfolio_weights,
    sharpe_difference,
    summarize_portfolio,
)
from numerai_lab.seeds import child_seed

VOLATILITY = "volatility"
COLUMNS = ("portfolio_gross", "portfolio_net", "portfolio_turnover")
"""What the per-era table has of portfolios, one row an era, for `compare --metric`."""


def judge_portfolios(
    rows: EraFrame,
    columns: Mapping[str, Float64],
    pairs: Sequence[tuple[str, str]],
    *,
    dataset: Dataset,
    target: str,
    scoring: Scoring,
    seed: int,
    say: Callable[[str], None],
) -> tuple[dict[str, Any], pd.DataFrame] | None:
    """Hold every prediction as a portfolio.

    Parameters
    ----------
    rows : the judged eras. columns : name -> float64 [n_rows]. pairs : names whose Sharpe ratios
        are held beside each other.

    Returns
    -------
    What scores.json has under `portfolio`, and a table of era, prediction and `COLUMNS`. None where
    the rows are not made of prices, or no volatility stands beside them.
    """
    folder = dataset.folder
    if folder is None or rows.entity is None or not (folder / "returns.parquet").is_file():
        return None
    if VOLATILITY not in rows.side:
        say("no portfolios are held: data.side leaves out the volatility that weights need")
        return None
    settings = scoring.portfolio or Portfolio()
    wanted = settings.hold_days
    days = dataset.horizons[target] if wanted == "auto" else wanted
    found = weekly_returns_of(folder)
    market = Market(found.weeks, found.returns, found.traded)
    opened = np.searchsorted(found.weeks, rows.eras)
    known = opened < len(found.weeks)
    known[known] = found.weeks[opened[known]] == rows.eras[known]
    if not known.any():
        say("no portfolios are held: no judged era has a week of returns after it")
        return None
    place = pc.index_in(rows.entity, value_set=pa.array(found.tickers)).to_numpy()
    sigma = np.asarray(rows.side[VOLATILITY].to_numpy(zero_copy_only=False), dtype=np.float64)
    earned: dict[str, Earned] = {}
    for name, prediction in columns.items():
        weights = np.zeros((rows.n_eras, len(found.tickers)))
        for i, (_, mine) in enumerate(rows.iter_eras()):
            weights[i, place[mine]] = portfolio_weights(prediction[mine], sigma[mine])
        earned[name] = hold(
            weights[known],
            opened[known],
            market,
            hold_days=days,
            cost_bp=settings.cost_bp,
            participation=settings.participation,
            trade_share=settings.trade_share,
        )
    how = days, scoring.bootstrap, child_seed(seed, "portfolio")
    summary = {
        "hold_days": days,
        "cost_bp": settings.cost_bp,
        "participation": settings.participation,
        "trade_share": settings.trade_share,
        "columns": {name: summarize_portfolio(one, *how).as_dict() for name, one in earned.items()},
        "differences": [
            {
                "prediction": a,
                "baseline": b,
                "gross": sharpe_difference(earned[a], earned[b], *how),
                "net": sharpe_difference(earned[a], earned[b], *how, net=True),
            }
            for a, b in pairs
        ],
    }
    tables = [
        pd.DataFrame(
            {
                "era": one.weeks,
                "prediction": name,
                "portfolio_gross": one.gross,
                "portfolio_net": one.net,
                "portfolio_turnover": one.turnover,
            }
        )
        for name, one in earned.items()
    ]
    return summary, pd.concat(tables, ignore_index=True)


def pairs_held(
    pairs: Sequence[tuple[str, str]], columns: Mapping[str, Float64]
) -> list[tuple[str, str]]:
    """Return the pairs whose both sides are predictions that are held."""
    return [(a, b) for a, b in pairs if a in columns and b in columns]


def with_portfolios(per_era: pd.DataFrame, target: str, earned: pd.DataFrame) -> pd.DataFrame:
    """Put what was earned beside the scores of the main target, where an era has both."""
    added = earned.assign(target=target)
    return per_era.merge(added, how="left", on=["era", "prediction", "target"])
