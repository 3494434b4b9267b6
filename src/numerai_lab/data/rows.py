"""First pass over the files: which rows are kept, and where each of them will stand.

Only the columns that decide are read here (era, data type, main target, id); the features
follow in a second pass, straight to their final place.
"""

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
import pyarrow.parquet as pq

from numerai_lab.data.files import id_column, read_columns, values_of
from numerai_lab.errors import DataError

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Piece:
    """The kept rows of one row group.

    `rows` are their positions in the row group (None: all of them), `place` their positions in
    the result: a slice when they stay neighbours, else an array as long as `rows`.
    """

    file: int
    group: int
    rows: Int64 | None
    place: slice | Int64

    @property
    def n_rows(self) -> int:
        """Number of kept rows."""
        if isinstance(self.place, slice):
            return int(self.place.stop - self.place.start)
        return len(self.place)


@dataclass(frozen=True, slots=True)
class RowPlan:
    """All kept rows: pieces to read, and what is known about each row in its final order.

    `eras` int32 [n_eras] and `offsets` int64 [n_eras + 1] as in EraFrame; `ids` string [n_rows];
    `training` bool [n_rows], rows of the training file or of data type `train`, or None when
    the files do not tell.
    """

    pieces: tuple[Piece, ...]
    eras: npt.NDArray[np.int32]
    offsets: Int64
    ids: pa.Array
    training: npt.NDArray[np.bool_] | None
    counts: Counter[str]


@dataclass(frozen=True, slots=True)
class RowFilter:
    """What decides whether a row is kept.

    Attributes
    ----------
    era, id, data_type : names of the columns; a file without `data_type` keeps all its rows.
    keep_data_types : data types to keep, or None for all.
    wanted : of an array of era numbers, which are wanted.
    label : the column that must not be missing, or None.
    """

    era: str
    id: str
    data_type: str | None
    keep_data_types: Sequence[str] | None
    wanted: Callable[[npt.NDArray[np.int32]], npt.NDArray[np.bool_]]
    label: str | None


def parse_era(value: object, where: str) -> int:
    """Return the number of an era written as 575, 575.0 or "0575".

    Raises
    ------
    DataError : anything else, such as the "X" of live rows.
    """
    if isinstance(value, str) and re.fullmatch(r"\d{1,9}", value.strip(), re.ASCII):
        return int(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value == value and 0 <= value < 2**31 and int(value) == value:
            return int(value)
    raise DataError(
        f"era {value!r} is not a number (0, 1, 2, ...)",
        where=where,
        fix="leave live rows out of the file, or keep only labelled rows with "
        "data.columns.data_type and keep_data_types",
    )


def _numbers(column: pa.ChunkedArray, keep: npt.NDArray[np.bool_], where: str) -> Int64:
    """Return the era number of every kept row (the others are undefined)."""
    numbers = np.zeros(len(column), dtype=np.int64)
    start = 0
    for chunk in column.chunks:
        codes = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        indices = pa.chunked_array([codes.indices.cast(pa.int32())])
        index = values_of(indices, null=len(codes.dictionary))
        kept = keep[start : start + len(chunk)]
        table = np.zeros(len(codes.dictionary) + 1, dtype=np.int64)
        for code in np.unique(index[kept]):
            value = codes.dictionary[code].as_py() if code < len(codes.dictionary) else None
            table[code] = parse_era(value, where)
        numbers[start : start + len(chunk)] = table[index]
        start += len(chunk)
    return numbers


def _labelled(column: pa.ChunkedArray, where: str) -> npt.NDArray[np.bool_]:
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise DataError(
            f"values are {column.type}, a target must be numbers",
            where=where,
            fix="choose another column in data.targets or data.columns.targets",
        )
    values = pc.cast(column, pa.float64())
    return ~np.isnan(values_of(values, null=float("nan")))


def plan_rows(
    paths: Sequence[Path], files: Sequence[pq.ParquetFile], rule: RowFilter, *, where: str
) -> RowPlan:
    """Read what decides about rows, and plan where each kept row goes.

    Rows are sorted by era; inside an era they keep the order of the files.

    Raises
    ------
    DataError : an era that is not a number; an id that is missing or there twice; no rows left.
    """
    counts: Counter[str] = Counter(rows_in_files=0)
    found: list[tuple[int, int, Int64 | None]] = []
    eras: list[npt.NDArray[np.int32]] = []
    ids: list[pa.Array] = []
    training: list[npt.NDArray[np.bool_]] = []
    tells_training = False
    for number, (path, file) in enumerate(zip(paths, files, strict=True)):
        id_name = id_column(file, rule.id)
        names = file.schema_arrow.names
        typed = rule.data_type if rule.data_type in names else None
        columns = [name for name in (rule.era, typed, rule.label) if name is not None]
        for group in range(file.metadata.num_row_groups):
            table = read_columns(file, path, group, columns)
            n = table.num_rows
            counts["rows_in_files"] += n
            keep = np.ones(n, dtype=bool)
            teaches = np.full(n, path.name == "train.parquet")
            tells_training |= path.name == "train.parquet" or typed is not None
            if typed:
                types = pc.cast(table[typed], pa.string())
                teaches |= _mask(pc.equal(types, "train"))
                if rule.keep_data_types is not None:
                    keep &= _mask(pc.is_in(types, pa.array(list(rule.keep_data_types))))
                    counts["rows_of_other_data_types"] += n - int(keep.sum())
            row_eras = _numbers(table[rule.era], keep, str(path)).astype(np.int32)
            before = int(keep.sum())
            keep &= rule.wanted(row_eras)
            counts["rows_outside_eras"] += before - int(keep.sum())
            if rule.label is not None and keep.any():
                before = int(keep.sum())
                keep &= _labelled(table[rule.label], f"{path} column '{rule.label}'")
                counts["rows_without_target"] += before - int(keep.sum())
            if not keep.any():
                continue
            rows = None if keep.all() else np.flatnonzero(keep)
            found.append((number, group, rows))
            eras.append(row_eras[keep])
            training.append(teaches[keep])
            ids.append(_ids(file, path, group, id_name, rows))
    counts = +counts
    counts["rows_in_files"] += 0
    if not found:
        raise DataError(
            f"no rows are left of {counts['rows_in_files']:,} ("
            + ", ".join(f"{value:,} {key}" for key, value in counts.items() if key[5:] != "in_files")
            + ")",
            where=where,
            fix="check data.eras, data.targets and data.columns",
        )
    return _place(found, np.concatenate(eras), ids, training if tells_training else None, counts)


def _mask(flags: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    mask: npt.NDArray[np.bool_] = values_of(pc.cast(flags, pa.uint8()), null=0).astype(bool)
    return mask


def _ids(
    file: pq.ParquetFile, path: Path, group: int, name: str, rows: Int64 | None
) -> pa.Array:
    column = read_columns(file, path, group, [name])[name]
    if rows is not None:
        column = column.take(pa.array(rows))
    if column.null_count:
        raise DataError(
            f"{column.null_count:,} rows have no id", where=str(path), fix="give every row an id"
        )
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer)
    if not any(is_kind(column.type) for is_kind in kinds):
        raise DataError(
            f"ids are {column.type}, they must be text or whole numbers",
            where=str(path),
            fix="name another column in data.columns.id",
        )
    return pc.cast(column, pa.string()).combine_chunks()


def _place(
    found: list[tuple[int, int, Int64 | None]],
    row_eras: npt.NDArray[np.int32],
    ids: list[pa.Array],
    training: list[npt.NDArray[np.bool_]] | None,
    counts: Counter[str],
) -> RowPlan:
    """Give every kept row its place in the sorted result."""
    n = len(row_eras)
    all_ids = pa.concat_arrays(ids)
    teaches = None if training is None else np.concatenate(training)
    order = place = None
    if np.any(row_eras[1:] < row_eras[:-1]):
        order = np.argsort(row_eras, kind="stable")
        place = np.empty(n, dtype=np.int64)
        place[order] = np.arange(n)
        all_ids = all_ids.take(pa.array(order))
        row_eras = row_eras[order]
        teaches = None if teaches is None else teaches[order]
    pieces = []
    start = 0
    for (file, group, rows), part in zip(found, ids, strict=True):
        stop = start + len(part)
        pieces.append(
            Piece(file, group, rows, slice(start, stop) if place is None else place[start:stop])
        )
        start = stop
    eras, first = np.unique(row_eras, return_index=True)
    counts["rows"] = n
    return RowPlan(
        pieces=tuple(pieces),
        eras=eras.astype(np.int32),
        offsets=np.append(first, n).astype(np.int64),
        ids=all_ids,
        training=teaches,
        counts=counts,
    )


def check_unique(ids: pa.Array, where: str) -> None:
    """Raise DataError, with an example, when an id is there twice."""
    distinct = pc.count_distinct(ids).as_py()
    if distinct < len(ids):
        counted = pc.value_counts(ids)
        example = counted.field("values")[pc.index(pc.greater(counted.field("counts"), 1), True)]
        raise DataError(
            f"{len(ids) - distinct:,} ids are there more than once, such as '{example}'",
            where=where,
            fix="remove the repeated rows (is a file listed twice, or validation part of train?)",
        )
