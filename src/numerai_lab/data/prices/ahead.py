"""What lies ahead of each era: targets, and the weekly returns that portfolios earn.

Nothing here is known at its era; features never come near this module.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Bools, Float32, Float64, Int64
from numerai_lab.config import Prices
from numerai_lab.data.prices.panel import Panel
from numerai_lab.data.prices.weekly import PREFIX, Weekly, as_ranks
from numerai_lab.errors import DataError, did_you_mean

ENTRY_DAYS = 2
"""A target's return begins two trading days after its era, as Numerai's do."""
BIN_EDGES = (0.05, 0.25, 0.75, 0.95)
"""Targets are five bins with 5, 20, 50, 20 and 5 % of an era's rows (Numerai's documentation)."""


class Holding:
    """Simple returns of holding a ticker from one day to another.

    A ticker that is gone is held to its last price and is cash from then on. Across a jump, or
    where the price at the end is in a gap, the return is missing (NaN).
    """

    def __init__(self, panel: Panel) -> None:
        self._close, self._last, self._gone = panel.settled, panel.last, panel.gone
        self._jumps = np.cumsum(panel.jump, axis=0, dtype=np.int32)
        self._columns = np.arange(len(panel.tickers))

    def between(self, start: Int64, stop: Int64) -> Float64:
        """Return the returns from the close of day start[i] to that of stop[i], [n, n_tickers].

        NaN where either is after the last day of the panel.
        """
        n_days = len(self._close)
        found = np.full((len(start), len(self._columns)), np.nan)
        for i, (a, b) in enumerate(zip(start.tolist(), stop.tolist(), strict=True)):
            if b >= n_days:
                continue
            end = np.where(self._gone, np.minimum(b, self._last), b)
            held = self._last >= a
            end = np.where(held, end, b)
            first = self._close[a].astype(np.float64)
            last = self._close[end, self._columns].astype(np.float64)
            jumped = self._jumps[end, self._columns] != self._jumps[a]
            with np.errstate(invalid="ignore"):
                found[i] = np.where(held & ~jumped, last / first - 1, np.nan)
        return found


def make_targets(
    panel: Panel,
    weekly: Weekly,
    sectors: npt.NDArray[np.int32] | None,
    config: Prices,
    counts: Counter[str],
) -> dict[str, Float32]:
    """Return the targets, float32 [n_eras, n_tickers], NaN where there is none.

    `target_h` is the return from day 2 to day h + 2, made neutral within its era, in five bins
    0..1; `target` is the one of 20 days, or of the first horizon. `scaled_h` is the return from the
    next close, day 1, to day h + 1, over sigma sqrt(h).

    Parameters
    ----------
    sectors : int32 [n_eras, n_tickers], -1 for none; needed where targets are neutral to it.

    Raises
    ------
    DataError : `neutral_to` names what is no feature.
    """
    holding = Holding(panel)
    neutralisers = _neutralisers(weekly, sectors, config)
    found: dict[str, Float32] = {}
    for days in config.targets.horizons_days:
        start = weekly.at + ENTRY_DAYS
        returns = np.where(weekly.rows, holding.between(start, start + days), np.nan)
        found[f"target_{days}"] = _binned(returns, neutralisers)
        nearer = np.where(weekly.rows, holding.between(weekly.at + 1, weekly.at + 1 + days), np.nan)
        found[f"scaled_{days}"] = (nearer / (weekly.volatility * np.sqrt(days))).astype(np.float32)
        complete = start + days < len(panel.days)
        unknown = weekly.rows[complete] & np.isnan(returns[complete])
        counts[f"rows_without_target_{days}"] = int(unknown.sum())
    main = main_horizon(config)
    return {"target": found[f"target_{main}"], **found}


def main_horizon(config: Prices) -> int:
    """Return the horizon of the plain `target`, in trading days."""
    listed = config.targets.horizons_days
    return 20 if 20 in listed else listed[0]


def _neutralisers(
    weekly: Weekly, sectors: npt.NDArray[np.int32] | None, config: Prices
) -> list[Float64]:
    """Return what returns are made neutral to, each [n_eras, n_tickers, n_columns]."""
    found = []
    for name in config.targets.neutral_to:
        if name == "sector":
            if sectors is None:
                raise DataError(
                    "targets shall be neutral to the sector, and none is known",
                    where="data.prices.targets.neutral_to",
                    fix="name a file in data.prices.sectors",
                )
            groups = range(int(sectors.max()) + 1)
            found.append(np.stack([(sectors == group) * 1.0 for group in groups], axis=2))
            continue
        values = weekly.raw.get(PREFIX + name)
        if values is None:
            known = [one.removeprefix(PREFIX) for one in weekly.raw]
            raise DataError(
                f"'{name}' is no feature made of prices" + did_you_mean(name, [*known, "sector"]),
                where="data.prices.targets.neutral_to",
                fix=f"name some of: {', '.join(known)}, sector",
            )
        found.append(as_ranks(values, weekly.rows)[:, :, None])
    return found


def _binned(returns: Float64, neutralisers: list[Float64]) -> Float32:
    found = np.full(returns.shape, np.nan, dtype=np.float32)
    for era in range(len(returns)):
        known = np.flatnonzero(np.isfinite(returns[era]))
        if len(known) < 10:
            continue
        values = returns[era, known]
        parts = [np.ones((len(known), 1)), *(one[era, known] for one in neutralisers)]
        design = np.concatenate(parts, axis=1)
        values = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
        ranks = (np.arange(len(known)) + 0.5) / len(known)
        low = np.searchsorted(BIN_EDGES, ranks)
        levels = np.where(ranks < 0.5, low, 4 - low[::-1]) / 4  # both ends alike
        found[era, known[np.argsort(values, kind="stable")]] = levels
    return found


def weekly_returns(panel: Panel, weekly: Weekly) -> tuple[Float64, Bools]:
    """Return what a position earns from the close after an era to the close after the next one.

    Returns
    -------
    Simple returns, float64 [n_eras, n_tickers], NaN where nothing can be bought or the end is not
    known; of the last era it never is. And bool: it can be bought at the next close.
    """
    start = weekly.at + 1
    stop = np.append(start[1:], len(panel.days))
    inside = start < len(panel.days)
    returns = np.full((len(start), len(panel.tickers)), np.nan)
    returns[inside] = Holding(panel).between(start[inside], stop[inside])
    return returns, np.isfinite(returns)
