"""What positions earned week by week, read back for portfolios."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from numerai_lab.arrays import Eras, Float64
from numerai_lab.checksums import damage_of, read_sealed
from numerai_lab.data.prices.cache import RECORD, RETURNS
from numerai_lab.errors import DataError
from numerai_lab.weeks import week_of


@dataclass(frozen=True)
class WeeklyReturns:
    """Returns from the close after an era to the close after the next one.

    Attributes
    ----------
    weeks : int32 [n_weeks], era numbers. tickers : sorted.
    returns : float64 [n_weeks, n_tickers], NaN where nothing can be bought.
    traded : float64, mean value traded a day over the 21 days before.
    """

    weeks: Eras
    tickers: tuple[str, ...]
    returns: Float64
    traded: Float64


def weekly_returns_of(folder: Path) -> WeeklyReturns:
    """Read what a folder made of prices holds.

    Raises
    ------
    DataError : it is damaged.
    """
    try:
        damage = damage_of(folder, read_sealed(folder / RECORD)["files"], [RETURNS])
    except (OSError, ValueError, KeyError) as error:
        damage = f"{RECORD}: {error}"
    if damage is not None:
        raise DataError(
            f"weekly returns are damaged: {damage}", where=str(folder), fix="remove the folder"
        )
    table = pq.read_table(folder / RETURNS).combine_chunks()
    days = table["era"].combine_chunks().dictionary_encode()
    names = table["ticker"].combine_chunks().dictionary_encode()
    numbers = np.array([week_of(day) for day in days.dictionary.to_pylist()], dtype=np.int32)
    tickers = tuple(sorted(names.dictionary.to_pylist()))
    place = {name: i for i, name in enumerate(tickers)}
    of_name = np.array([place[name] for name in names.dictionary.to_pylist()])
    weeks, of_day = np.unique(numbers, return_inverse=True)
    at, column = of_day[days.indices.to_numpy()], of_name[names.indices.to_numpy()]
    returns = np.full((len(weeks), len(tickers)), np.nan)
    traded = returns.copy()
    returns[at, column] = table["return"].to_numpy()
    traded[at, column] = table["dollar_volume"].to_numpy()
    return WeeklyReturns(weeks, tickers, returns, traded)
