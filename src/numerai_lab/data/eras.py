"""Eras as files write them, and as numbers."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from numerai_lab.data.files import values_of
from numerai_lab.errors import DataError


def parse_era(value: object, where: str) -> int:
    """Return the number of an era written as 575, 575.0 or "0575".

    Raises
    ------
    DataError : anything else, such as the "X" of live rows.
    """
    if isinstance(value, str) and re.fullmatch(r"\d{1,9}", value.strip(), re.ASCII):
        return int(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        whole = 0 <= value < 2**31 and int(value) == value
        if whole:
            return int(value)
    raise DataError(
        f"era {value!r} is not a number (0, 1, 2, ...)",
        where=where,
        fix="leave live rows out of the file, or keep only labelled rows with "
        "data.columns.data_type and keep_data_types",
    )


def era_numbers(
    column: pa.ChunkedArray, keep: npt.NDArray[np.bool_], where: str
) -> npt.NDArray[np.int32]:
    """Return the era number of every kept row, int32 [n_rows]; 0 where `keep` is False.

    Raises
    ------
    DataError : a kept row whose era is not a number.
    """
    numbers = np.zeros(len(column), dtype=np.int32)
    start = 0
    for chunk in column.chunks:
        codes = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        indices = pa.chunked_array([codes.indices.cast(pa.int32())])
        index = values_of(indices, null=len(codes.dictionary))
        kept = keep[start : start + len(chunk)]
        table = np.zeros(len(codes.dictionary) + 1, dtype=np.int32)
        for code in np.unique(index[kept]):
            value = codes.dictionary[code].as_py() if code < len(codes.dictionary) else None
            table[code] = parse_era(value, where)
        numbers[start : start + len(chunk)] = table[index]
        start += len(chunk)
    return numbers
