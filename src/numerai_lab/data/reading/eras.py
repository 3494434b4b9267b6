"""Eras as files write them, as the numbers of weeks: one reader for every command.

Folds, purges and horizons are counted in eras, and an era is a week. A column whose numbers
are not weeks (20130104, days since 1970) would make a purge of eight weeks one of eight days, so
`EraReader` knows what it reads, or it is refused (`era_unit`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from numerai_lab.arrays import Int32
from numerai_lab.config import EraColumn, EraFormat
from numerai_lab.data.reading.era_unit import Dates
from numerai_lab.data.reading.era_values import EPOCH, NoEra, distinct, read_era, told, week_number
from numerai_lab.errors import DataError
from numerai_lab.weeks import END_OF_WEEKS

_WAY_FOR_LIVE = (
    "leave live rows out of the file, or keep only labelled rows with data.columns.data_type and "
    "keep_data_types"
)


class EraReader:
    """Reads the era column of all files of a source, and says what its values count.

    Parameters
    ----------
    column : the column and its format.

    Examples
    --------
    >>> reader = EraReader(EraColumn(column="friday_date", format="date"))
    >>> days = pa.chunked_array([[20130104, 20130111]])
    >>> reader.numbers(days, np.array([True, True]), "a.parquet").tolist()
    [5896, 5897]
    """

    def __init__(self, column: EraColumn) -> None:
        self.column = column
        self._numbers: set[int] = set()
        self._moments: dict[int, datetime] = {}
        self._where = ""

    def numbers(self, values: pa.ChunkedArray, keep: npt.NDArray[np.bool_], where: str) -> Int32:
        """Return the era number of every kept row, int32 [n_rows]; 0 where `keep` is False.

        Raises
        ------
        DataError : a kept row whose era is no number and no date; two dates within one week;
            numbers in one place and dates in another.
        """
        numbers = np.zeros(len(values), dtype=np.int32)
        start = 0
        for listed, index in distinct(values, f"{where} column '{self.column.column}'"):
            rows = slice(start, start + len(index))
            table = np.zeros(len(listed), dtype=np.int32)
            for code in np.unique(index[keep[rows]]):
                table[code] = self._number(listed[code], where)
            numbers[rows] = table[index]
            start += len(index)
        return numbers

    def _number(self, value: object, where: str) -> int:
        try:
            found = read_era(value, self.column)
            number = week_number(found)
        except NoEra as error:
            raise DataError(str(error), where=where, fix=self._way(value)) from None
        if not isinstance(found, datetime):
            self._numbers.add(number)
        elif self._moments.setdefault(number, found) != found:
            raise _two_in_a_week(self._moments[number], found, where)
        if self._numbers and self._moments:
            raise DataError(
                f"era {value!r} is a {'date' if isinstance(found, datetime) else 'number'}, and "
                f"{self._where} has {'numbers' if isinstance(found, datetime) else 'dates'}",
                where=where,
                fix="write all eras in one way",
            )
        self._where = where
        return number

    def _way(self, value: object) -> str:
        if self.column.format == "auto" or value in ("X", None, ""):
            return _WAY_FOR_LIVE
        return f"correct data.columns.era (format: {self.column.format}), or the file"

    def eras(self) -> tuple[Int32, Dates | None]:
        """Return all eras read so far: numbers, sorted, and their dates where they are dates."""
        numbers = np.array(sorted(self._numbers or self._moments), dtype=np.int32)
        if not self._moments:
            return numbers, None
        days = [self._moments[number].date() for number in numbers.tolist()]
        return numbers, np.array(days, dtype="datetime64[D]")


def _two_in_a_week(first: datetime, second: datetime, where: str) -> DataError:
    first, second = sorted((first, second))
    what = "at two times of one day" if first.date() == second.date() else "in one week"
    return DataError(
        f"eras {told(first)} and {told(second)} lie {what}, and an era is a week (Monday to "
        "Sunday)",
        where=where,
        fix="keep one date a week, such as every Friday's",
    )


def eras_of_predictions(values: pa.ChunkedArray, form: EraFormat, where: str) -> Int32:
    """Return the era numbers of somebody's predictions of rows whose eras have the format `form`.

    They may be written as in those rows, or as the numbers of weeks, as runs write them.

    Raises
    ------
    DataError : as `EraReader.numbers`.
    """
    every = np.ones(len(values), dtype=bool)
    numbers = EraReader(EraColumn(column="era")).numbers(values, every, where)
    if form == "auto" or not len(numbers) or numbers.max() < END_OF_WEEKS:
        return numbers
    return EraReader(EraColumn(column="era", format=form)).numbers(values, every, where)


def order_eras(
    columns: Iterable[pa.ChunkedArray], column: EraColumn, where: str
) -> tuple[Int32, tuple[int | None, ...]]:
    """Number the eras of rows to predict 1, 2, ...; a label may be anything, such as "X".

    Parameters
    ----------
    columns : the era column in parts, of each file or row group, of whatever types.

    Returns
    -------
    For each row the place of its era: numbers and dates in their order, then other labels as they
    first appear; and the number of each era, as `EraReader` counts them, None where it has none.
    """
    place: dict[object, int] = {}
    keys: list[tuple[bool, float, int]] = []
    numbers: list[int | None] = []
    rows = []
    for listed, index in (found for part in columns for found in distinct(part, where)):
        codes = np.empty(len(listed), dtype=np.int32)
        for code in _in_order(index):
            value = "" if listed[code] is None else listed[code]
            key: object = value.strip() if isinstance(value, str) else value
            order = number = None
            with suppress(NoEra):
                key = found = read_era(value, column)
                number = week_number(found)
                order = (
                    (found - EPOCH).total_seconds() if isinstance(found, datetime) else float(found)
                )
            if key not in place:
                keys.append((order is None, order or 0.0, len(keys)))
                numbers.append(number)
            codes[code] = place.setdefault(key, len(place))
        rows.append(codes[index])
    rank = np.empty(len(keys), dtype=np.int32)
    ordered = sorted(range(len(keys)), key=keys.__getitem__)
    rank[ordered] = np.arange(1, len(keys) + 1)
    places = rank[np.concatenate(rows)] if rows else np.empty(0, dtype=np.int32)
    return places, tuple(numbers[i] for i in ordered)


def _in_order(index: npt.NDArray[np.intp]) -> Sequence[int]:
    """Return the codes that occur, as they first do."""
    codes, first = np.unique(index, return_index=True)
    ordered: list[int] = codes[np.argsort(first)].tolist()
    return ordered
