"""Files of daily prices, parquet or CSV, one or one a ticker, as they are: nothing judged yet."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from numerai_lab.arrays import Float32, Int32
from numerai_lab.config import Data, PriceColumns, Prices, RemoteFile
from numerai_lab.data.reading import reading
from numerai_lab.errors import DataError, did_you_mean

VALUES = ("open", "high", "low", "close", "volume")
CSV_SUFFIXES = (".csv", ".csv.gz", ".txt")
PARQUET_SUFFIXES = (".parquet", ".pq", ".parq")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RawPrices:
    """Rows as the files have them.

    Attributes
    ----------
    days : int32 [n_rows], days since 1970-01-01.
    codes : int32 [n_rows], positions in `tickers`, which are sorted and in capital letters.
    values : name of `VALUES` -> float32 [n_rows], NaN where there is none.
    counts : rows by what happened on the way.
    """

    days: Int32
    codes: Int32
    tickers: tuple[str, ...]
    values: dict[str, Float32]
    counts: Counter[str]


def price_files(written: Sequence[Path]) -> tuple[Path, ...]:
    """Return the files that are meant; of a folder, all parquet and CSV files in it.

    Raises
    ------
    DataError : a folder without any, a URL, a file that is not there.
    """
    found: list[Path] = []
    for path in written:
        if isinstance(path, RemoteFile):
            raise DataError(
                "prices are read from files on this machine",
                where=str(path),
                fix="download it and name the file",
            )
        if path.is_dir():
            inside = sorted(one for one in path.iterdir() if _is_table(one))
            if not inside:
                raise DataError(
                    "has no parquet and no CSV file", where=str(path), fix="name another folder"
                )
            found += inside
        elif not path.is_file():
            raise DataError("there is no such file", where=str(path), fix="check data.files")
        else:
            found.append(path)
    return tuple(found)


def holds_prices(path: Path, config: Data) -> bool:
    """Tell whether a file, or a folder of files, holds prices, by the columns of its first file."""
    files = price_files([path]) if path.is_dir() else (path,)
    if not files[0].is_file() or not _is_table(files[0]):
        return False
    wanted = (config.prices or Prices()).columns
    if files[0].name.lower().endswith(PARQUET_SUFFIXES):
        with reading(files[0]):
            names = pq.read_schema(files[0]).names
    else:
        names = read_table(files[0]).column_names
    there = {name.strip().lower() for name in names}
    return {wanted.date.lower(), wanted.close.lower()} <= there


def _is_table(path: Path) -> bool:
    shown = not path.name.startswith((".", "_"))
    return shown and path.is_file() and path.name.lower().endswith(CSV_SUFFIXES + PARQUET_SUFFIXES)


def read_raw(files: Sequence[Path], columns: PriceColumns, say: Say) -> RawPrices:
    """Read all files.

    Parameters
    ----------
    files : of `price_files`. A file without tickers is of the one it is called by.
    say : called with what was changed in reading: capital letters, time zones.

    Raises
    ------
    DataError : a damaged or empty file; a column that is not there, or not numbers or dates.
    """
    counts: Counter[str] = Counter()
    parts = [_read_file(path, columns, counts) for path in files]
    if counts["zoned_files"]:
        say(
            f"dates with a time zone in {counts['zoned_files']} of {len(files)} files: "
            "the day is that of the zone"
        )
    if counts["intraday_files"]:
        say(
            f"dates with a time of day in {counts['intraday_files']} of {len(files)} files: "
            "only the day counts"
        )
    dictionaries = [part[1] for part in parts]
    written = sorted(set().union(*(one.dictionary.to_pylist() for one in dictionaries)) - {None})
    upper = {name: name.strip().upper() for name in written}
    changed = [name for name in written if upper[name] != name]
    if changed:
        say(
            f"{len(changed)} tickers are written in small letters or with spaces, such as "
            f"'{changed[0]}': taken as {upper[changed[0]]}"
        )
        counts["tickers_rewritten"] = len(changed)
    tickers = tuple(sorted(set(upper.values()) - {""}))
    place = {name: i for i, name in enumerate(tickers)}
    codes = []
    for one in dictionaries:
        of = np.array(
            [place.get(upper.get(name, ""), -1) for name in one.dictionary.to_pylist()] + [-1],
            dtype=np.int32,
        )
        indices = one.indices.fill_null(len(one.dictionary)).to_numpy(zero_copy_only=False)
        codes.append(of[indices])
    days = np.concatenate([part[0] for part in parts])
    found = RawPrices(
        days=days,
        codes=np.concatenate(codes),
        tickers=tickers,
        values={name: np.concatenate([part[2][name] for part in parts]) for name in VALUES},
        counts=counts,
    )
    counts["rows_in_files"] = len(days)
    return found


def _read_file(
    path: Path, columns: PriceColumns, counts: Counter[str]
) -> tuple[Int32, pa.DictionaryArray, dict[str, Float32]]:
    table = read_table(path)
    where = str(path)
    names = {name: find_column(table, getattr(columns, name), where) for name in VALUES}
    day_name = find_column(table, columns.date, where)
    ticker_name = find_column(table, columns.ticker, where, needed=False)
    if table.num_rows == 0:
        raise DataError("has no rows", where=where, fix="download it again, or leave it out")
    days = _days(table[day_name].combine_chunks(), f"{where} column '{day_name}'", counts)
    if ticker_name is None:
        ticker = re.sub(r"\.(csv|csv\.gz|txt|parquet|pq|parq)$", "", path.name, flags=re.I)
        same = pa.array(np.zeros(table.num_rows, dtype=np.int32))
        codes = pa.DictionaryArray.from_arrays(same, pa.array([ticker]))
    else:
        codes = _tickers(table[ticker_name], f"{where} column '{ticker_name}'")
    values = {
        name: _numbers(table[column], f"{where} column '{column}'")
        for name, column in names.items()
    }
    return days, codes, values


def read_table(path: Path) -> pa.Table:
    """Read a small or large table of any columns, CSV or parquet, by the file's name.

    Raises
    ------
    DataError : it is not there, empty, damaged, or neither.
    """
    is_csv = path.name.lower().endswith(CSV_SUFFIXES)
    if not is_csv and not path.name.lower().endswith(PARQUET_SUFFIXES):
        raise DataError(
            "is neither CSV nor parquet by its name",
            where=str(path),
            fix="call it .csv or .parquet",
        )
    if path.is_file() and path.stat().st_size == 0:
        raise DataError("is an empty file", where=str(path), fix="download it again")
    with reading(path):
        if not is_csv:
            return pq.read_table(path)
        try:
            return pa_csv.read_csv(path)
        except pa.ArrowInvalid as error:
            raise DataError(
                f"is no CSV table ({str(error).splitlines()[0][:120]})",
                where=str(path),
                fix="separate columns by commas and name them in the first line",
            ) from None


def find_column(table: pa.Table, wanted: str, where: str, *, needed: bool = True) -> str | None:
    """Return the name of a column as the table writes it; capital letters do not matter.

    Raises
    ------
    DataError : it is not there and needed, or there twice.
    """
    same: list[str] = [
        name for name in table.column_names if name.strip().lower() == wanted.strip().lower()
    ]
    if len(same) > 1:
        raise DataError(f"has column '{wanted}' twice", where=where, fix="remove one of them")
    if same:
        return same[0]
    if needed:
        raise DataError(
            f"has no column '{wanted}'" + did_you_mean(wanted, table.column_names),
            where=where,
            fix=f"name it in data.prices.columns (there: {', '.join(table.column_names[:12])})",
        )
    return None


def _tickers(column: pa.ChunkedArray, where: str) -> pa.DictionaryArray:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], column.type)
    if pa.types.is_dictionary(array.type):
        return pa.DictionaryArray.from_arrays(
            array.indices.cast(pa.int32()), array.dictionary.cast(pa.string())
        )
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        raise DataError(
            f"tickers are {array.type}, they must be text",
            where=where,
            fix="name another column in data.prices.columns.ticker",
        )
    return array.cast(pa.string()).dictionary_encode()


def _days(array: pa.Array, where: str, counts: Counter[str]) -> Int32:
    """Return days since 1970 of dates, times or text."""
    kind = array.type
    try:
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            text = pc.utf8_slice_codeunits(pc.utf8_trim_whitespace(array), 0, 10)
            array = pc.strptime(text, format="%Y-%m-%d", unit="s")
        elif pa.types.is_timestamp(kind):
            if kind.tz is not None:
                counts["zoned_files"] += 1
                array = pc.local_timestamp(array)
            if pc.any(pc.not_equal(pc.floor_temporal(array, unit="day"), array)).as_py():
                counts["intraday_files"] += 1
            array = pc.floor_temporal(array, unit="day")
        elif pa.types.is_integer(kind):  # 20161230
            array = pc.strptime(array.cast(pa.string()), format="%Y%m%d", unit="s")
        elif not pa.types.is_date(kind):
            raise DataError(
                f"values are {kind}, they must be dates",
                where=where,
                fix="name another column in data.prices.columns.date",
            )
        days = array.cast(pa.date32()).cast(pa.int32())
    except pa.ArrowInvalid as error:
        raise DataError(
            f"holds what is no date ({str(error).splitlines()[0][:80]})",
            where=where,
            fix="write dates as 2016-12-30",
        ) from None
    if days.null_count:
        raise DataError(
            f"{days.null_count:,} rows have no date", where=where, fix="remove these rows"
        )
    found: Int32 = days.to_numpy(zero_copy_only=False).astype(np.int32)
    return found


def _numbers(column: pa.ChunkedArray, where: str) -> Float32:
    kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan, dtype=np.float32)
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        raise DataError(
            f"values are {kind}, they must be numbers",
            where=where,
            fix="write numbers with a point and without a currency",
        )
    values: npt.NDArray[np.float32] = (
        pc.cast(column, pa.float32(), safe=False).to_numpy().astype(np.float32)
    )
    return values
