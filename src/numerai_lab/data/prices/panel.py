"""Daily prices as matrices [n_days, n_tickers], with what was wrong in the files counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Bools, Float32, Float64, Int32, Int64
from numerai_lab.config import Prices
from numerai_lab.data.prices.raw import VALUES, RawPrices
from numerai_lab.data.prices.telling import told_counts
from numerai_lab.errors import DataError

THIN_DAY = 0.2
"""A day with prices of less than this share of the tickers before it is no trading day."""
MOST_OUTSIDE = 0.05
"""A larger share of closes outside low..high: close is adjusted, the other prices are not."""
TOLERANCE = 1e-3
"""Relative; prices are rounded before and after they are adjusted."""
_NEAR_A_SPLIT = 0.03
"""A log return so near to log 2 may be a split: what the market did that day is in it, too."""
DELISTED_AFTER_DAYS = 5
"""A ticker without prices on more of the last days than this is gone, else its rows are late."""


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Prices by trading day and ticker.

    Attributes
    ----------
    days : int32 [n_days], trading days, as days since 1970. tickers : sorted.
    open, high, low, close : float32 [n_days, n_tickers], NaN where a ticker has none: before it is
        listed, after it is gone, in long gaps. Over short gaps the last close is carried. Levels
        after a jump that is no return are brought to those before it, and those after a fall in the
        last days of a ticker, too: that it is gone then was not known on those days.
    settled : float32, close as positions are settled at: with such a final fall, which is a return.
    there : bool, the files have a row.
    dollar_volume : float32, volume times close as the files have them, 0 on carried days.
    fresh : bool, a ticker's history begins here: its first day, the first one after a long gap.
    jump : bool, the return up to this day is missing.
    last : int64 [n_tickers], the last day with a price. gone : bool [n_tickers], delisted.
    counts : of rows, by what happened to them. examples : the same with some of them.
    gaps : int64 [n_tickers], days within a ticker's life without a row.
    """

    days: Int32
    tickers: tuple[str, ...]
    open: Float32
    high: Float32
    low: Float32
    close: Float32
    settled: Float32
    dollar_volume: Float32
    there: Bools
    fresh: Bools
    jump: Bools
    last: Int64
    gone: Bools
    counts: Counter[str]
    examples: dict[str, list[str]] = field(default_factory=dict)
    gaps: Int64 = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def returns(self, tickers: slice) -> Float64:
        """Return daily log returns of some tickers, float64; 0 at a jump, NaN without a price."""
        close = np.log(self.close[:, tickers].astype(np.float64))
        found = np.full(close.shape, np.nan)
        found[1:] = np.diff(close, axis=0)
        found[self.fresh[:, tickers]] = np.nan
        return found


def make_panel(raw: RawPrices, config: Prices) -> Panel:
    """Check rows, drop those that cannot be, and put the others in place.

    Raises
    ------
    DataError : nothing is left, or prices are adjusted in part.
    """
    counts, examples = Counter(raw.counts), dict[str, list[str]]()

    def note(what: str, rows: npt.NDArray[np.intp]) -> None:
        if len(rows):
            counts[what] += len(rows)
            examples[what] = [
                f"{raw.tickers[raw.codes[row]]} {_date(raw.days[row])}" for row in rows[:5]
            ]

    keep = raw.codes >= 0
    counts["rows_without_ticker"] = int(np.count_nonzero(~keep))
    note("rows_out_of_order", _out_of_order(raw))
    prices = np.stack([raw.values[name] for name in VALUES[:4]])
    with np.errstate(invalid="ignore"):
        bad = keep & ~((prices > 0) & np.isfinite(prices)).all(axis=0)
        note("rows_without_positive_prices", np.flatnonzero(bad))
        keep &= ~bad
        crossed = keep & (raw.values["high"] < raw.values["low"])
        note("rows_with_high_below_low", np.flatnonzero(crossed))
        keep &= ~crossed
        close, slack = raw.values["close"], 1 + TOLERANCE
        outside = keep & (
            (close > raw.values["high"] * slack) | (close * slack < raw.values["low"])
        )
    if keep.any() and outside.sum() > MOST_OUTSIDE * keep.sum():
        raise DataError(
            f"{outside.sum():,} of {keep.sum():,} closes lie outside low to high: close seems "
            "to be adjusted for splits and dividends, and the other prices are not",
            where="data.files",
            fix="adjust all four (multiply by adjusted close / close), or name the raw close",
        )
    note("rows_with_close_outside", np.flatnonzero(outside))
    keep &= ~outside
    keep &= ~_twice(raw, keep, counts, examples)
    keep &= ~_on_thin_days(raw, keep, counts, examples)
    if not keep.any():
        raise DataError(
            f"no row of prices is left of {len(keep):,} ({'; '.join(told_counts(counts))})",
            where="data.files",
            fix="check the columns (data.prices.columns)",
        )
    return _placed(raw, np.flatnonzero(keep), config, counts, examples)


def _out_of_order(raw: RawPrices) -> npt.NDArray[np.intp]:
    """Return the rows whose ticker had a later day in a row before them."""
    if np.all(np.diff(raw.days) >= 0):
        return np.empty(0, dtype=np.intp)
    order = np.argsort(raw.codes, kind="stable")
    days, codes = raw.days[order], raw.codes[order]
    return np.asarray(order[1:][(np.diff(days) < 0) & (np.diff(codes) == 0)])


def _date(day: int | np.integer[npt.NBitBase]) -> str:
    return str(np.datetime64(int(day), "D"))


def _twice(
    raw: RawPrices, keep: Bools, counts: Counter[str], examples: dict[str, list[str]]
) -> Bools:
    """Find rows to drop because their ticker has that day twice: the repeats, or both."""
    drop = np.zeros(len(keep), dtype=bool)
    rows = np.flatnonzero(keep)
    key = raw.days[rows].astype(np.int64) * len(raw.tickers) + raw.codes[rows]
    first = int(raw.days.min())
    seen = np.zeros((int(raw.days.max()) - first + 1) * len(raw.tickers), dtype=bool)
    seen[key - first * len(raw.tickers)] = True
    if np.count_nonzero(seen) == len(key):
        return drop
    order = np.argsort(key, kind="stable")
    rows, key = rows[order], key[order]
    starts = np.flatnonzero(np.diff(key, prepend=key[0] - 1))
    sizes = np.diff(np.append(starts, len(key)))
    for start, size in zip(starts[sizes > 1], sizes[sizes > 1], strict=True):
        group = rows[start : start + size]
        told = f"{raw.tickers[raw.codes[group[0]]]} {_date(raw.days[group[0]])}"
        alike = all(np.ptp(raw.values[name][group]) == 0 for name in VALUES[:4])
        what = "rows_repeated" if alike else "rows_contradicting"
        gone = group[1:] if alike else group
        drop[gone] = True
        counts[what] += len(gone)
        if len(examples.setdefault(what, [])) < 5:
            examples[what].append(told)
    return drop


def _on_thin_days(
    raw: RawPrices, keep: Bools, counts: Counter[str], examples: dict[str, list[str]]
) -> Bools:
    """Find rows of days on which hardly anything traded: a holiday with a stray row."""
    first = int(raw.days.min())
    per_day = np.bincount(raw.days[keep] - first)
    days = np.flatnonzero(per_day) + first
    n = per_day[days - first]
    # of the days before: whether this is a trading day must not depend on later ones
    around = np.array([np.median(n[max(0, i - 10) : i]) if i else 0 for i in range(len(n))])
    thin = days[n < THIN_DAY * around]
    drop = keep & np.isin(raw.days, thin)
    if len(thin):
        counts["days_too_thin"] = len(thin)
        counts["rows_on_thin_days"] = int(drop.sum())
        examples["days_too_thin"] = [_date(day) for day in thin[:5]]
    return np.asarray(drop)


def _placed(
    raw: RawPrices,
    rows: npt.NDArray[np.intp],
    config: Prices,
    counts: Counter[str],
    examples: dict[str, list[str]],
) -> Panel:
    own = raw.days[rows]
    first = int(own.min())
    days = np.flatnonzero(np.bincount(own - first)) + first
    place = np.zeros(int(days[-1]) - first + 1, dtype=np.intp)
    place[days - first] = np.arange(len(days))
    at, codes = place[own - first], raw.codes[rows]
    used = np.flatnonzero(np.bincount(codes))
    column = np.searchsorted(used, codes)
    tickers = tuple(raw.tickers[code] for code in used)
    shape = (len(days), len(used))
    matrices = {}
    for name in VALUES:
        matrix = np.full(shape, np.nan, dtype=np.float32)
        matrix[at, column] = raw.values[name][rows]
        matrices[name] = matrix
    close, volume = matrices["close"], matrices.pop("volume")
    there = np.isfinite(close)
    counts["rows"], counts["tickers"], counts["days"] = len(rows), len(used), len(days)
    traded = np.nan_to_num(volume, nan=0.0) > 0
    counts["rows_without_volume"] = int(np.count_nonzero(there & ~traded))
    dollars = np.where(there, np.nan_to_num(volume, nan=0.0) * close, np.nan).astype(np.float32)
    begin = there.argmax(axis=0)
    last = len(days) - 1 - there[::-1].argmax(axis=0)
    gone = len(days) - 1 - last > DELISTED_AFTER_DAYS
    fresh, gaps = _carry(matrices, dollars, there, begin, last, config.max_gap_days, counts)
    _tell_halved(matrices["close"], fresh, config.max_log_return, days, tickers, counts, examples)
    jump, settled = _jumps(matrices, fresh, last, gone, config.max_log_return)
    if jump.any():
        counts["jumps"] = int(jump.sum())
        found = np.argwhere(jump)[:5]
        examples["jumps"] = [f"{tickers[j]} {_date(days[i])}" for i, j in found]
    counts["tickers_gone"] = int(gone.sum())
    return Panel(
        days=days.astype(np.int32),
        tickers=tickers,
        **matrices,
        settled=settled,
        dollar_volume=dollars,
        there=there,
        fresh=fresh,
        jump=jump,
        last=last,
        gone=gone,
        counts=counts,
        examples=examples,
        gaps=gaps,
    )


def _carry(
    matrices: dict[str, Float32],
    dollars: Float32,
    there: Bools,
    first: Int64,
    last: Int64,
    longest: int,
    counts: Counter[str],
) -> tuple[Bools, Int64]:
    """Carry closes over short gaps in place; return where histories begin, and gaps by ticker."""
    n_tickers = there.shape[1]
    fresh = np.zeros(there.shape, dtype=bool)
    fresh[first, np.arange(n_tickers)] = True
    gaps = np.zeros(n_tickers, dtype=np.int64)
    lives = last - first + 1
    for j in np.flatnonzero(there.sum(axis=0) < lives):
        days = np.flatnonzero(there[:, j])
        lengths = np.diff(days) - 1
        gaps[j] = lengths.sum()
        for before, length in zip(days[:-1][lengths > 0], lengths[lengths > 0], strict=True):
            after = before + length + 1
            if length > longest:
                fresh[after, j] = True
                counts["gaps_too_long"] += 1
                continue
            counts["days_carried"] += int(length)
            for matrix in matrices.values():
                matrix[before + 1 : after, j] = matrices["close"][before, j]
            dollars[before + 1 : after, j] = 0
    return fresh, gaps


def _tell_halved(
    close: Float32,
    fresh: Bools,
    limit: float,
    days: npt.NDArray[Any],
    tickers: Sequence[str],
    counts: Counter[str],
    examples: dict[str, list[str]],
) -> None:
    """Count returns that are kept, and near those of a split of two to one that nobody adjusted."""
    with np.errstate(invalid="ignore"):
        size = np.abs(np.diff(np.log(close), axis=0, prepend=np.float32(np.nan)))
        halved = (np.abs(size - np.log(2)) < _NEAR_A_SPLIT) & (size <= limit) & ~fresh
    if halved.any():
        counts["returns_like_a_split"] = int(halved.sum())
        found = np.argwhere(halved)[:5]
        examples["returns_like_a_split"] = [f"{tickers[j]} {_date(days[i])}" for i, j in found]


def _jumps(
    matrices: dict[str, Float32], fresh: Bools, last: Int64, gone: Bools, limit: float
) -> tuple[Bools, Float32]:
    """Find returns that are too large to be any, and bring what is after them to the old level.

    Earlier levels stay as they are, so that what is known on a day does not depend on later ones.
    A fall in the last days of a ticker that is gone is its final return: no jump, and in the closes
    that are returned beside it. Levels are brought back there, too, as they were on the day itself,
    when nobody knew that the ticker would be gone.
    """
    close = matrices["close"]
    with np.errstate(invalid="ignore"):
        change = np.diff(np.log(close), axis=0, prepend=np.float32(np.nan))
        jump = (np.abs(change) > limit) & ~fresh
    days, columns = np.nonzero(jump)
    final = gone[columns] & (days > last[columns] - DELISTED_AFTER_DAYS)
    jump[days[final], columns[final]] = False
    _level(matrices, days[~final], columns[~final])
    settled = close.copy() if final.any() else close
    _level(matrices, days[final], columns[final])
    return np.asarray(jump), settled


def _level(
    matrices: dict[str, Float32], days: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]
) -> None:
    """Bring what is after jumps to the level before them, in place; days are ascending."""
    close = matrices["close"]
    for day, column in zip(days, columns, strict=True):
        ratio = close[day - 1, column] / close[day, column]
        for matrix in matrices.values():
            matrix[day:, column] *= ratio
