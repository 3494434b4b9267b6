"""First pass over the files: which rows are kept, and where each of them will stand.

Only the columns that decide are read here (era, data type, main target, id); the features
follow in a second pass, straight to their final place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from numerai_lab.data.eras import era_numbers
from numerai_lab.data.files import id_column, read_columns, values_of
from numerai_lab.errors import DataError

Int64 = npt.NDArray[np.int64]

TRAINING_FILE = "train.parquet"


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


@dataclass(frozen=True)
class Sources:
    """Parquet files, open, and the rule that says which of their rows are kept."""

    paths: Sequence[Path]
    files: Sequence[pq.ParquetFile]
    rule: RowFilter
    where: str

    @cached_property
    def plan(self) -> RowPlan:
        """Where each kept row goes; read once. Raises as `plan_rows`."""
        return plan_rows(self.paths, self.files, self.rule, where=self.where)


def _labelled(column: pa.ChunkedArray, where: str) -> npt.NDArray[np.bool_]:
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise DataError(
            f"values are {column.type}, a target must be numbers",
            where=where,
            fix="choose another column in data.targets or data.columns.targets",
        )
    values = pc.cast(column, pa.float64())
    return np.asarray(~np.isnan(values_of(values, null=float("nan"))))


def plan_rows(
    paths: Sequence[Path], files: Sequence[pq.ParquetFile], rule: RowFilter, *, where: str
) -> RowPlan:
    """Read what decides about rows, and plan where each kept row goes.

    Rows are sorted by era; inside an era they keep the order of the files.

    Raises
    ------
    DataError : an era that is not a number; an id that is missing or there twice; no rows left.
    """
    found: list[_Group] = []
    counts: Counter[str] = Counter()
    for number, (path, file) in enumerate(zip(paths, files, strict=True)):
        for group in range(file.metadata.num_row_groups):
            kept = _kept_rows(path, file, number, group, rule, counts)
            if len(kept.eras):
                found.append(kept)
    counts = +counts
    if not found:
        raise _nothing_left(rule, counts, where)
    return _place(found, counts)


def _nothing_left(rule: RowFilter, counts: Counter[str], where: str) -> DataError:
    total = counts.pop("rows_in_files", 0)
    if set(counts) == {"rows_without_target"}:
        what = f"target column '{rule.label}' has no value on any of the {total:,} rows"
    elif counts:
        lost = [f"{n:,} {key.replace('_', ' ')}" for key, n in counts.items()]
        what = f"no rows are left of {total:,}: {', '.join(lost)}"
    else:
        what = "there are no rows"
    return DataError(what, where=where, fix="check data.eras, data.targets and data.columns")


@dataclass(frozen=True, slots=True)
class _Group:
    """Kept rows of a row group; `rows` is None when all are kept."""

    file: int
    group: int
    rows: Int64 | None
    eras: npt.NDArray[np.int32]
    ids: pa.Array
    training: npt.NDArray[np.bool_] | None


def _kept_rows(
    path: Path,
    file: pq.ParquetFile,
    number: int,
    group: int,
    rule: RowFilter,
    counts: Counter[str],
) -> _Group:
    typed = rule.data_type if rule.data_type in file.schema_arrow.names else None
    columns = [name for name in (rule.era, typed, rule.label) if name is not None]
    table = read_columns(file, path, group, columns)
    keep = np.ones(table.num_rows, dtype=bool)
    counts["rows_in_files"] += len(keep)
    training = np.ones(len(keep), dtype=bool) if path.name == TRAINING_FILE else None

    def narrow(mask: npt.NDArray[np.bool_], lost: str) -> None:
        counts[lost] += int((keep & ~mask).sum())
        np.logical_and(keep, mask, out=keep)

    if typed:
        types = pc.cast(table[typed], pa.string())
        if training is None:
            training = _mask(pc.equal(types, "train"))
        if rule.keep_data_types is not None:
            kinds = pa.array(list(rule.keep_data_types), pa.string())
            narrow(_mask(pc.is_in(types, kinds)), "rows_of_other_data_types")
    eras = era_numbers(table[rule.era], keep, str(path))
    narrow(rule.wanted(eras), "rows_outside_eras")
    if rule.label is not None:
        labelled = _labelled(table[rule.label], f"{path} column '{rule.label}'")
        narrow(labelled, "rows_without_target")
    rows = None if keep.all() else np.flatnonzero(keep)
    ids = _ids(file, path, group, id_column(file, rule.id), rows) if keep.any() else pa.array([])
    return _Group(
        number, group, rows, eras[keep], ids, None if training is None else training[keep]
    )


def _mask(flags: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return np.asarray(values_of(pc.cast(flags, pa.uint8()), null=0), dtype=bool)


def _ids(file: pq.ParquetFile, path: Path, group: int, name: str, rows: Int64 | None) -> pa.Array:
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


def _place(found: list[_Group], counts: Counter[str]) -> RowPlan:
    """Give every kept row its place in the sorted result."""
    row_eras = np.concatenate([group.eras for group in found])
    ids = pa.concat_arrays([group.ids for group in found])
    told = [group.training for group in found if group.training is not None]
    # Files that do not tell hold no training rows if others do: validation beside train.parquet.
    training = None
    if told:
        training = np.concatenate(
            [np.zeros(len(g.eras), bool) if g.training is None else g.training for g in found]
        )
    n = len(row_eras)
    place = None
    if np.any(row_eras[1:] < row_eras[:-1]):
        order = np.argsort(row_eras, kind="stable")
        place = np.empty(n, dtype=np.int64)
        place[order] = np.arange(n)
        row_eras, ids = row_eras[order], ids.take(pa.array(order))
        training = None if training is None else training[order]
    pieces = []
    start = 0
    for group in found:
        stop = start + len(group.eras)
        to = slice(start, stop) if place is None else place[start:stop]
        pieces.append(Piece(group.file, group.group, group.rows, to))
        start = stop
    eras, first = np.unique(row_eras, return_index=True)
    counts["rows"] = n
    return RowPlan(
        pieces=tuple(pieces),
        eras=eras.astype(np.int32),
        offsets=np.append(first, n).astype(np.int64),
        ids=ids,
        training=training,
        counts=counts,
    )


def check_unique(ids: pa.Array, where: str) -> None:
    """Raise DataError, with an example, when an id is there twice."""
    if not _may_repeat(ids):
        return
    distinct = pc.count_distinct(ids).as_py()
    if distinct < len(ids):
        counted = pc.value_counts(ids)
        example = counted.field("values")[pc.index(pc.greater(counted.field("counts"), 1), True)]
        raise DataError(
            f"{len(ids) - distinct:,} ids are there more than once, such as '{example}'",
            where=where,
            fix="remove the repeated rows (is a file listed twice, or validation part of train?)",
        )


def _may_repeat(ids: pa.Array) -> bool:
    """Tell quickly that ids of one length, as Numerai's, are all different; else return True.

    Sorts 64-bit hashes: 1.1 M ids take .1 s where counting distinct strings takes .5 s.
    """
    start, stop = ids.offset, ids.offset + len(ids) + 1
    offsets = np.frombuffer(ids.buffers()[1], dtype=np.int32)[start:stop]
    length = int(offsets[1] - offsets[0])
    if length == 0 or np.any(np.diff(offsets) != length):
        return True
    text = np.frombuffer(ids.buffers()[2], dtype=np.uint8)[offsets[0] : offsets[-1]]
    words = np.zeros((len(ids), -(-length // 8) * 8), dtype=np.uint8)
    words[:, :length] = text.reshape(len(ids), length)
    hashes = np.zeros(len(ids), dtype=np.uint64)
    for word in words.view(np.uint64).T:
        # Odd constant of splitmix64; the shift brings the well mixed high half down.
        hashes = (hashes ^ word) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(32)
    hashes.sort()
    return bool(np.any(hashes[1:] == hashes[:-1]))
