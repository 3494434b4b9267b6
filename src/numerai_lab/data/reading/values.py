"""Second pass over the files: columns of kept rows, straight into one preallocated array.

A row group is read in blocks of columns, so that a group of a million rows by 3,500 features
costs tens of megabytes beside the result, not its own size again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from numerai_lab.arrays import Int64
from numerai_lab.data.reading.files import values_of
from numerai_lab.data.reading.kinds import number_kind, numbers
from numerai_lab.data.reading.row_groups import RowGroups
from numerai_lab.data.reading.rows import Piece, RowPlan
from numerai_lab.eraframe import MISSING_INT8, FeatureArray
from numerai_lab.errors import DataError, MachineError
from numerai_lab.machine import as_size, available_bytes

# Measured on 691,048 x 140 int8 (2 cores): blocks of 16, 32 and 96 MB read equally fast, and the
# peak beside the result grows with them.
BLOCK_BYTES = 16 * 2**20
# Rows transposed at a time: the block's tile and its target stay in the L2 cache. Not a power of
# two, or all columns of a row would lie in a few sets of the L1 cache: six times as slow.
TILE_ROWS = 1984


class Encoding(Enum):
    """How the features of all files together become numbers of one type."""

    BINS = "int8: whole numbers as they are"
    QUARTERS = "int8: floats 0, .25, .5, .75, 1 times four"
    FLOATS = "float32 as they are"


class _DoesNotFit(Exception):
    """A float column holds values that the tried encoding cannot express."""


def read_features(
    files: Sequence[RowGroups],
    plan: RowPlan,
    names: Sequence[str],
) -> tuple[FeatureArray, Encoding]:
    """Read feature columns into one C-order array [n_rows, n_features].

    Whole-number columns stay int8. Float columns of older versions become int8 when every one
    of their values in every file is a bin (0..4, or quarters 0..1); if a single one is not, all
    features are float32. Missing is `MISSING_INT8` or NaN.

    Raises
    ------
    DataError : a column that is not numeric, or whole numbers outside 0..127.
    MachineError : the array does not fit into memory.
    """
    schemas = [file.schema for file in files]
    any_float = any(
        number_kind(schema.field(name).type) == "real" for schema in schemas for name in names
    )
    # The type must hold for all rows, and only all rows can tell: try the smallest first; a
    # source of other floats gives itself away in its first block.
    for encoding in (Encoding.BINS, Encoding.QUARTERS) if any_float else (Encoding.BINS,):
        try:
            return _read(files, plan, names, encoding), encoding
        except _DoesNotFit:
            continue
    return _read(files, plan, names, Encoding.FLOATS), Encoding.FLOATS


def read_targets(
    files: Sequence[RowGroups],
    plan: RowPlan,
    columns: Sequence[str],
) -> npt.NDArray[np.float32]:
    """Read target columns into float32 [n_rows, n_targets], NaN where there is none."""
    targets = _read(files, plan, columns, Encoding.FLOATS)
    return targets.astype(np.float32, copy=False)


def _read(
    files: Sequence[RowGroups],
    plan: RowPlan,
    names: Sequence[str],
    encoding: Encoding,
) -> FeatureArray:
    dtype: Any = np.float32 if encoding is Encoding.FLOATS else np.int8
    _check_fits(plan.n_rows * len(names) * np.dtype(dtype).itemsize)
    try:
        result: FeatureArray = np.empty((plan.n_rows, len(names)), dtype=dtype)
    except MemoryError:
        raise _too_large(plan.n_rows * len(names) * np.dtype(dtype).itemsize) from None
    for piece, first, columns in column_blocks(files, plan.pieces, names, encoding):
        for place, tile in tiles(piece, columns, dtype):
            result[place, first : first + len(columns)] = tile
    return result


def _check_fits(size: int) -> None:
    """Raise before a system that promises more memory than it has kills the process."""
    available = available_bytes()
    if available is not None and size > available:
        raise _too_large(size)


def _too_large(size: int) -> MachineError:
    return MachineError(
        f"{as_size(size)} of features do not fit into memory",
        fix="keep them on disk (data.store.use: auto), choose a smaller feature_set, or fewer "
        "eras (data.eras.step)",
    )


def column_blocks(
    files: Sequence[RowGroups],
    pieces: Sequence[Piece],
    names: Sequence[str],
    encoding: Encoding,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[tuple[Piece, int, list[npt.NDArray[Any]]]]:
    """Yield a few columns of a piece's row group at a time: piece, first column, columns.

    Memory: two times `block_bytes` as the file's types take them, or two columns of a row group
    if they are larger.
    """
    types = [file.schema.field(name).type for file in files for name in names]
    widths = {pa_type.bit_width // 8 for pa_type in types if pa.types.is_primitive(pa_type)}
    itemsize = max({4 if encoding is Encoding.FLOATS else 1, *widths})
    blocks: list[tuple[Piece, int, int]] = []
    for piece in pieces:
        rows = files[piece.file].group_rows[piece.group]
        width = max(1, block_bytes // (rows * itemsize))
        blocks += [(piece, at, at + width) for at in range(0, len(names), width)]

    def fetch(block: tuple[Piece, int, int]) -> pa.Table:
        piece, first, stop = block
        return files[piece.file].read(piece.group, names[first:stop])

    # One block is decoded while the one before it is written to its place.
    with ThreadPoolExecutor(max_workers=1) as decoder:
        coming = [decoder.submit(fetch, block) for block in blocks[:1]]
        for i, (piece, first, stop) in enumerate(blocks):
            table = coming.pop().result()
            coming += [decoder.submit(fetch, block) for block in blocks[i + 1 : i + 2]]
            where = files[piece.file].path
            columns = [
                _encode(table[name], encoding, f"{where} column '{name}'")
                for name in names[first:stop]
            ]
            yield piece, first, columns


def tiles(
    piece: Piece, columns: Sequence[npt.NDArray[Any]], dtype: npt.DTypeLike
) -> Iterator[tuple[Int64 | slice, FeatureArray]]:
    """Yield a row group's columns some rows at a time: the rows' place, and [n, n_columns].

    A tile is valid until the next one, and lies in memory column by column.
    """
    tile = np.empty((len(columns), TILE_ROWS), dtype=dtype)
    for start in range(0, piece.n_rows, TILE_ROWS):
        n = min(TILE_ROWS, piece.n_rows - start)
        source = _run(piece.rows, start, n)
        for row, column in enumerate(columns):
            tile[row, :n] = column[source]
        yield _run(piece.place, start, n), tile[:, :n].T


def _run(rows: Int64 | slice | None, start: int, n: int) -> Int64 | slice:
    """Return `n` of the rows from `start`, as a slice if they are neighbours: far faster."""
    if rows is None or isinstance(rows, slice):
        first = start + (rows.start if rows is not None else 0)
        return slice(first, first + n)
    part = rows[start : start + n]
    if part[-1] - part[0] == n - 1 and bool(np.all(np.diff(part) == 1)):
        return slice(int(part[0]), int(part[0]) + n)
    return part


def _encode(column: pa.ChunkedArray, encoding: Encoding, where: str) -> npt.NDArray[Any]:
    column = numbers(column, where, "leave this column out")
    if pa.types.is_integer(column.type):
        if encoding is Encoding.FLOATS:
            return values_of(pc.cast(column, pa.float32(), safe=False), null=np.nan)
        whole = column.combine_chunks()
        _check_bounds(whole, where)
        return values_of(pc.cast(whole, pa.int8()), null=MISSING_INT8)
    values = values_of(column, null=np.nan)
    if np.isinf(values).any():
        raise DataError("there is an infinite value", where=where, fix="make it missing (NaN)")
    if encoding is Encoding.FLOATS:
        return _as_float32(values, where)
    missing = np.isnan(values)
    with np.errstate(over="ignore", invalid="ignore"):  # of values that do not fit, as seen below
        scaled = values if encoding is Encoding.BINS else values * 4
        bins = np.where(missing, MISSING_INT8, scaled).astype(np.int8)
    fits = ((bins == scaled) & (bins >= 0) & (bins <= 4)) | missing
    if not fits.all():
        raise _DoesNotFit
    return bins


def _as_float32(values: npt.NDArray[Any], where: str) -> npt.NDArray[np.float32]:
    if values.dtype == np.float32:
        return values
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    if np.isinf(narrow).any():
        worst = values[np.isinf(narrow)][0]
        raise DataError(
            f"value {worst:g} is too large for float32", where=where, fix="scale the column"
        )
    return narrow


def _check_bounds(column: pa.Array, where: str) -> None:
    """Check that whole numbers are 0..127: a negative one would read as missing."""
    # numpy's minimum is 20 times as fast as Arrow's here; 0 stands for null.
    values = values_of(column, null=0)
    low, high = (values.min(), values.max()) if len(values) else (0, 0)
    if low < 0 or high > 127:
        raise DataError(
            f"value {low if low < 0 else high} is outside int8 features' 0..127",
            where=where,
            fix="bin the feature, or store it as a float column",
        )
