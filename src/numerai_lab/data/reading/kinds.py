"""Columns in whatever type a writer gave them, as text or as numbers.

pandas, polars, DuckDB, Spark and fastparquet store the same ids as string, large_string,
string_view, dictionary, binary, fixed-size binary or uuid, and the same numbers as integers,
floats, decimals or truth values. Every reader of the lab comes through here, so that a file which
one command takes is taken by all of them, and means the same.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from numerai_lab.errors import DataError

Kind = Literal["whole", "real"]

_UUID_BYTES = 16
# Where the 32 hex digits of a uuid stand in its 36 characters: 8-4-4-4-12.
_UUID_DIGITS = np.array([i for i in range(36) if i not in (8, 13, 18, 23)])


def stored(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values themselves: without a dictionary or an extension around it."""
    if pa.types.is_dictionary(kind):
        return stored(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return stored(kind.storage_type)
    return kind


def number_kind(kind: pa.DataType) -> Kind | None:
    """Tell what a column's numbers are: `whole` (integers, truth values), `real`, or no numbers.

    Real are floats, decimals, and a column of nulls alone, which may stand for anything.
    """
    kind = stored(kind)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return "whole"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return "real"
    return None


def is_text(kind: pa.DataType) -> bool:
    """Tell whether a column's values are text: of characters, of bytes, or uuids."""
    kind = stored(kind)
    of_characters = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(is_kind(kind) for is_kind in of_characters) or _is_bytes(kind)


def _is_bytes(kind: pa.DataType) -> bool:
    of_bytes = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_fixed_size_binary,
    )
    # A decimal is stored in as many bytes, and is a number.
    return any(is_kind(kind) for is_kind in of_bytes) and not pa.types.is_decimal(kind)


def numbers(column: pa.ChunkedArray, where: str, fix: str, what: str = "they") -> pa.ChunkedArray:
    """Return a column as integers or floats; one that is so already is returned as it is.

    Truth values become 0 and 1, decimals the nearest float64, nulls alone float32.

    Raises
    ------
    DataError : the column holds no numbers; `fix` is the way out.
    """
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return pc.cast(column, pa.float32()) if pa.types.is_float16(kind) else column
    if number_kind(kind) is None:
        raise DataError(f"values are {kind}, {what} must be numbers", where=where, fix=fix)
    if stored(kind) != kind:
        chunks = [_unwrapped(chunk) for chunk in column.chunks]
        return numbers(pa.chunked_array(chunks, stored(kind)), where, fix, what)
    if pa.types.is_boolean(kind):
        return pc.cast(column, pa.int8())
    return pc.cast(column, pa.float32() if pa.types.is_null(kind) else pa.float64())


def texts(
    ids: pa.Array,
    where: str,
    fix: str = "name another column in data.columns.id",
    what: str = "ids",
) -> pa.Array:
    """Return ids as text, string [n]: text as it is, whole numbers in decimal digits.

    Bytes are taken as UTF-8, uuids are written as 8-4-4-4-12 hex digits. A float is no id: 1e20 has
    lost its last digits already.

    Raises
    ------
    DataError : ids of another type, or bytes that are not text.
    """
    kind = ids.type
    if isinstance(kind, pa.BaseExtensionType) and kind.extension_name == "arrow.uuid":
        return _uuids(ids.storage)
    if stored(kind) != kind:
        return texts(_unwrapped(ids), where, fix, what)
    whole = pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0)
    if not (is_text(kind) or whole or pa.types.is_null(kind)):
        raise DataError(
            f"{what} are {kind}, they must be text or whole numbers", where=where, fix=fix
        )
    try:
        written = pc.cast(ids, pa.string())
        written.validate(full=True)  # what a file calls text may be other bytes
    except pa.ArrowInvalid:
        raise DataError(
            f"{what} are {kind} and their bytes are no text (UTF-8)",
            where=where,
            fix="write them as text",
        ) from None
    return written


def _unwrapped(array: pa.Array) -> pa.Array:
    """Take off a dictionary or an extension type."""
    if isinstance(array.type, pa.BaseExtensionType):
        return _unwrapped(array.storage)
    if not pa.types.is_dictionary(array.type):
        return array
    values = _unwrapped(array.dictionary)
    if pa.types.is_string_view(values.type):  # Arrow cannot pick out of views
        values = pc.cast(values, pa.string())
    if pa.types.is_binary_view(values.type):
        values = pc.cast(values, pa.binary())
    return values.take(array.indices)


def _uuids(ids: pa.Array) -> pa.Array:
    """Write uuids as text; four million take about a second, one by one they would take ten."""
    n, filled = len(ids), ids.fill_null(bytes(_UUID_BYTES))
    raw = np.frombuffer(filled.buffers()[1] or b"", np.uint8)
    raw = raw[filled.offset * _UUID_BYTES :][: n * _UUID_BYTES].reshape(n, _UUID_BYTES)
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    text = np.full((n, 36), ord("-"), dtype=np.uint8)
    text[:, _UUID_DIGITS[::2]] = digits[raw >> 4]
    text[:, _UUID_DIGITS[1::2]] = digits[raw & 15]
    offsets = np.arange(n + 1, dtype=np.int32) * 36
    written = pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(text))
    if not ids.null_count:
        return written
    return pc.if_else(ids.is_valid(), written, pa.scalar(None, pa.string()))
