"""One value of an era column: a week's number or a date, in whatever type a file has it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from numerai_lab.config import EraColumn
from numerai_lab.data.reading.files import values_of
from numerai_lab.errors import DataError
from numerai_lab.weeks import week_of

_NUMBER = re.compile(r"(?:era[ _-]?)?(\d{1,19})(?:\.0*)?", re.ASCII | re.IGNORECASE)
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)


class NoEra(ValueError):
    """A value that is neither a week's number nor a date; says what it should be."""


def read_era(value: object, column: EraColumn) -> int | datetime:
    """Return the number, or for a date the moment, that one value of an era column stands for.

    Raises
    ------
    NoEra : anything else, such as the "X" of live rows.
    """
    form = column.format
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if isinstance(value, str) and _ISO.fullmatch(value.strip()):
        value = _iso(value.strip())
    if isinstance(value, datetime):
        if form == "week_number":
            raise NoEra(f"era {told(value)} is a date, not the number of a week")
        return value
    number = _whole(value)
    if number is None or (form in ("auto", "week_number") and number >= 2**31):
        wanted = "a date" if form in ("date", "days_since_1970") else "a number (0, 1, 2, ...)"
        raise NoEra(f"era {value!r} is not {wanted}" + (" or a date" if form == "auto" else ""))
    if form == "date":
        return _compact(number)
    return _of_days(number) if form == "days_since_1970" else number


def week_number(found: int | datetime) -> int:
    """Return the era number of what `read_era` found. Raises NoEra for a date out of range."""
    if not isinstance(found, datetime):
        return found
    try:
        return week_of(found.date())
    except ValueError as error:
        raise NoEra(f"era {error}") from None


def _whole(value: object) -> int | None:
    if isinstance(value, str):
        match = _NUMBER.fullmatch(value.strip())
        return int(match[1]) if match else None
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        whole = 0 <= value < 2**63 and int(value) == value
        return int(value) if whole else None
    return None


def _iso(text: str) -> datetime:
    try:
        # The date as written, in whatever zone.
        return datetime.fromisoformat(re.sub(r"\.\d+", "", text)).replace(tzinfo=None)
    except ValueError as error:
        raise NoEra(f"era '{text}' is not a date ({error})") from None


def _compact(number: int) -> datetime:
    text = str(number)
    try:
        if len(text) != 8:
            raise ValueError
        return datetime(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        raise NoEra(f"era {number} is not a date written as 20130104") from None


def _of_days(number: int) -> datetime:
    try:
        return EPOCH + timedelta(days=number)
    except OverflowError:
        raise NoEra(f"era {number} is not a number of days since 1970-01-01") from None


def told(moment: datetime) -> str:
    """Write a moment for a person: its date, and its time if it has one."""
    midnight = moment == datetime.combine(moment.date(), datetime.min.time())
    return str(moment.date() if midnight else moment)


def distinct(
    column: pa.ChunkedArray, where: str
) -> Iterator[tuple[list[object], npt.NDArray[np.intp]]]:
    """Yield, chunk by chunk, its values without repetition and the place of each row's in them.

    Dates and timestamps come as datetime without zone, as written there. The last value is None,
    for rows without any.

    Raises
    ------
    DataError : a type of column that cannot tell an era.
    """
    for chunk in column.chunks:
        kind = chunk.type.value_type if pa.types.is_dictionary(chunk.type) else chunk.type
        refused = (pa.types.is_boolean, pa.types.is_nested, pa.types.is_time, pa.types.is_duration)
        if any(is_kind(kind) for is_kind in refused):
            raise DataError(
                f"values are {kind}, eras are numbers of weeks or dates",
                where=where,
                fix="name another column in data.columns.era",
            )
        codes = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        values = codes.dictionary
        listed = _moments(values) if pa.types.is_temporal(kind) else values.to_pylist()
        indices = pa.chunked_array([codes.indices.cast(pa.int32())])
        yield [*listed, None], values_of(indices, null=len(values)).astype(np.intp, copy=False)


def _moments(values: pa.Array) -> list[object]:
    if pa.types.is_timestamp(values.type) and values.type.tz is not None:
        values = pc.local_timestamp(values)
    micros = values.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    found: list[object] = []
    for value in micros.to_pylist():
        try:
            found.append(None if value is None else EPOCH + timedelta(microseconds=value))
        except OverflowError:
            found.append(f"{value} microseconds since 1970")
    return found
