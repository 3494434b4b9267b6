"""Who could be bought when, and which sector a ticker is in: small files beside the prices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from numerai_lab.arrays import Int32, Int64
from numerai_lab.data.prices.panel import Panel
from numerai_lab.data.prices.raw import Say, find_column, read_table
from numerai_lab.errors import DataError

_FOREVER = np.iinfo(np.int32).max


def universe_member(path: Path, panel: Panel, say: Say) -> npt.NDArray[np.bool_]:
    """Read a universe file: rows of ticker, from and to (both included; empty is open).

    Returns
    -------
    bool [n_days, n_tickers].

    Raises
    ------
    DataError : a file that cannot be read, or names no ticker of the prices.
    """
    table = read_table(path)
    tickers = _tickers(table, path)
    start = _days(table, "from", path, empty=-_FOREVER)
    stop = _days(table, "to", path, empty=_FOREVER)
    place = {name: i for i, name in enumerate(panel.tickers)}
    member = np.zeros((len(panel.days), len(panel.tickers)), dtype=bool)
    unknown = set[str]()
    for ticker, first, last in zip(tickers, start.tolist(), stop.tolist(), strict=True):
        if first > last:
            raise DataError(
                f"'{ticker}' leaves before it comes", where=str(path), fix="swap from and to"
            )
        if ticker in place:
            member[(panel.days >= first) & (panel.days <= last), place[ticker]] = True
        else:
            unknown.add(ticker)
    if not member.any():
        raise DataError(
            "has no ticker on a day with prices", where=str(path), fix="check its tickers and dates"
        )
    never = [name for i, name in enumerate(panel.tickers) if not member[:, i].any()]
    if unknown:
        say(f"{path}: {len(unknown)} tickers have no prices, such as '{min(unknown)}'")
    if never:
        say(f"{path}: {len(never)} tickers with prices are in no universe, such as '{never[0]}'")
    return member


def sector_codes(path: Path, panel: Panel, at: Int64, say: Say) -> tuple[Int32, tuple[str, ...]]:
    """Read a sectors file: ticker, sector, and from where it changes.

    Returns
    -------
    int32 [n_eras, n_tickers], positions in the names, -1 where none is known; and the names.

    Raises
    ------
    DataError : a file that cannot be read, or names no ticker of the prices.
    """
    table = read_table(path)
    tickers, sectors = _tickers(table, path), _text(table, "sector", path)
    has_from = find_column(table, "from", str(path), needed=False) is not None
    start = _days(table, "from", path, empty=-_FOREVER) if has_from else None
    names = tuple(sorted({name for name in sectors if name}))
    code = {name: i for i, name in enumerate(names)}
    place = {name: i for i, name in enumerate(panel.tickers)}
    found = np.full((len(at), len(panel.tickers)), -1, dtype=np.int32)
    order = range(len(tickers)) if start is None else np.argsort(start, kind="stable").tolist()
    days = panel.days[at]
    for row in order:
        if tickers[row] in place and sectors[row]:
            since = -_FOREVER if start is None else int(start[row])
            found[days >= since, place[tickers[row]]] = code[sectors[row]]
    none = [name for i, name in enumerate(panel.tickers) if (found[:, i] < 0).all()]
    if len(none) == len(panel.tickers):
        raise DataError("names no ticker of the prices", where=str(path), fix="check its tickers")
    if none:
        say(f"{path}: {len(none)} tickers with prices have no sector, such as '{none[0]}'")
    return found, names


def _text(table: pa.Table, wanted: str, path: Path) -> list[str]:
    column = table[find_column(table, wanted, str(path)) or wanted]
    return [("" if one is None else str(one)).strip() for one in column.to_pylist()]


def _tickers(table: pa.Table, path: Path) -> list[str]:
    return [name.upper() for name in _text(table, "ticker", path)]


def _days(table: pa.Table, wanted: str, path: Path, *, empty: int) -> Int32:
    name = find_column(table, wanted, str(path)) or wanted
    column = table[name]
    try:
        if not pa.types.is_null(column.type):
            column = column.cast(pa.date32())
        days = pc.fill_null(column.cast(pa.int32()), empty)
    except pa.ArrowInvalid as error:
        raise DataError(
            f"holds what is no date ({str(error).splitlines()[0][:80]})",
            where=f"{path} column '{name}'",
            fix="write dates as 2016-12-30, or leave them empty",
        ) from None
    found: Int32 = days.to_numpy().astype(np.int32)
    return found
