"""Parquet files, open for reading some columns of one row group at a time."""

from __future__ import annotations

import ctypes
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from numerai_lab.config import RemoteFile
from numerai_lab.data.files import reading, size_of
from numerai_lab.data.footer import footer_bytes, read_footer
from numerai_lab.data.hive import partitions_of
from numerai_lab.errors import DataError

# A footer of this size takes about 9 times as much when Arrow has it open.
_LARGE_FOOTER = 24 << 20
_SMALL_FOOTER = 1 << 20

_Part = Callable[[int, Sequence[str]], tuple[pq.ParquetFile, int]]


@dataclass(frozen=True, slots=True)
class Head:
    """What is in a parquet file: its columns and the number of its rows, in all and by group.

    Columns that only hive folders name (`era=590/part-0.parquet`) are among its own, as text;
    `constant` has their values.
    """

    path: Path
    schema: pa.Schema
    n_rows: int
    group_rows: tuple[int, ...] = ()
    constant: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, weakref_slot=True, slots=True)
class RowGroups:
    """An open parquet file.

    Attributes
    ----------
    schema : its columns. n_rows : of all row groups. group_rows : of each row group.
    part : gives the file, and the row group's number in it, to read some columns from.
    constant : columns that are not in the file but named by its folders, with their one value.
    """

    path: Path
    schema: pa.Schema
    n_rows: int
    group_rows: tuple[int, ...]
    part: _Part
    constant: Mapping[str, str | None] = field(default_factory=dict)

    def read(self, group: int, columns: Sequence[str]) -> pa.Table:
        """Read some columns of a row group. Raises DataError when its pages are damaged."""
        stored = [name for name in columns if name not in self.constant]
        if len(stored) == len(columns):
            with reading(self.path):
                file, number = self.part(group, columns)
                return file.read_row_group(number, columns=list(columns))
        read = self.read(group, stored) if stored else None
        n_rows = self.group_rows[group]
        given = {
            name: self._constant(name, n_rows)
            if read is None or name in self.constant
            else read[name]
            for name in columns
        }
        return pa.table(given)

    def _constant(self, name: str, n_rows: int) -> pa.DictionaryArray:
        value = self.constant[name]
        code = pa.scalar(None if value is None else 0, pa.int32())
        return pa.DictionaryArray.from_arrays(pa.repeat(code, n_rows), pa.array([value or ""]))

    def batches(self, group: int, column: str, n_rows: int) -> Iterator[pa.Array]:
        """Read a column of a row group, at most `n_rows` rows at a time. Raises as `read`."""
        if column in self.constant:
            yield self._constant(column, self.group_rows[group]).cast(pa.string())
            return
        with reading(self.path):
            file, number = self.part(group, [column])
            batches = file.iter_batches(n_rows, row_groups=[number], columns=[column])
        while True:
            with reading(self.path):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch.column(0)


def read_head(path: Path) -> Head:
    """Read which columns a file has, keeping nothing else of its footer.

    Raises
    ------
    DataError : missing, a folder, empty, cut short or not parquet.
    """
    source = _source(path)
    with reading(path):
        size = footer_bytes(source, size_of(path))
        if size > _LARGE_FOOTER:
            footer = read_footer(source, size_of(path))
            head = Head(path, footer.schema, footer.n_rows, footer.group_rows)
        else:
            file = _open(source, pq.read_metadata(source))
            rows = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
            head = Head(path, file.schema_arrow, file.metadata.num_rows, tuple(rows))
            del file
    source.close()
    _give_back(size)
    constant = _named_by_folders(head.schema, path)
    return replace(head, schema=_with_folders(head.schema, path), constant=constant)


def _with_folders(schema: pa.Schema, path: Path) -> pa.Schema:
    """Return a file's columns and those that only its folders name, as text."""
    for name in _named_by_folders(schema, path):
        schema = schema.append(pa.field(name, pa.string()))
    return schema


def _named_by_folders(schema: pa.Schema, path: Path) -> dict[str, str | None]:
    """Return the columns that folders name and the file does not have; else the file's is read."""
    return {name: value for name, value in partitions_of(path).items() if name not in schema.names}


def read_heads(paths: Sequence[Path]) -> list[Head]:
    """Read heads of files; those with the same columns share one schema. Raises as `read_head`."""
    heads: list[Head] = []
    for path in paths:
        head = read_head(path)
        if heads and heads[-1].schema.equals(head.schema, check_metadata=True):
            head = replace(head, schema=heads[-1].schema)
        heads.append(head)
    return heads


def _give_back(footer_size: int) -> None:
    """Return the memory of a footer that was read to the system.

    The C library of Linux keeps what was freed in small pieces, as footers are, until it is
    told to trim; others have no such call.
    """
    if footer_size > _SMALL_FOOTER:
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
        if trim is not None:
            trim(0)


def open_parquet(path: Path, *, dictionary: Sequence[str] = ()) -> RowGroups:
    """Open a parquet file with all of its footer: quick, for a kilobyte per column and group.

    `dictionary` names text columns with few distinct values, to be read as dictionaries.
    `pre_buffer=False` because pre-buffering holds a whole row group's bytes beside the result.

    Raises
    ------
    DataError : missing, a folder, empty, cut short or not parquet.
    """
    source = _source(path)
    with reading(path):
        metadata = pq.read_metadata(source)
        schema = _open(source, metadata).schema_arrow
        named = [name for name in dictionary if name in schema.names]
        file = _open(source, metadata, named)
        group_rows = tuple(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))

    def part(group: int, _: Sequence[str]) -> tuple[pq.ParquetFile, int]:
        return file, group

    constant = _named_by_folders(schema, path)
    schema = _with_folders(schema, path)
    return _closing(source, RowGroups(path, schema, metadata.num_rows, group_rows, part, constant))


def open_parts(path: Path, *, dictionary: Sequence[str] = ()) -> RowGroups:
    """Open a parquet file, and its footer only in parts: slower, for next to no memory.

    Raises
    ------
    DataError : missing, a folder, empty, cut short or not parquet.
    """
    source = _source(path)
    with reading(path):
        footer = read_footer(source, size_of(path))
        _give_back(footer_bytes(source, size_of(path)))

    def part(group: int, columns: Sequence[str]) -> tuple[pq.ParquetFile, int]:
        metadata = footer.part(source, group, columns)
        named = [name for name in dictionary if name in columns]
        return _open(source, metadata, named), 0

    constant = _named_by_folders(footer.schema, path)
    schema = _with_folders(footer.schema, path)
    rows = RowGroups(path, schema, footer.n_rows, footer.group_rows, part, constant)
    return _closing(source, rows)


def _source(path: Path) -> Any:
    """Open a file's bytes, once for all reads: a file renamed over it meanwhile is another one."""
    if path.is_dir():
        raise DataError("this is a folder, not a parquet file", where=str(path), fix="name a file")
    with reading(path):
        if size_of(path) == 0:
            raise DataError("the file is empty (0 bytes)", where=str(path), fix="download it again")
        # Not by name: pyarrow knows fewer kinds of URL than fsspec.
        return path.open("rb") if isinstance(path, RemoteFile) else pa.OSFile(str(path))


def _open(source: Any, metadata: pq.FileMetaData, dictionary: Sequence[str] = ()) -> pq.ParquetFile:
    # metadata.schema is not asked for: the two refer to each other, and would stay in memory.
    named = [name for name in dictionary if _is_dictionary(metadata, name)]
    return pq.ParquetFile(source, metadata=metadata, pre_buffer=False, read_dictionary=named)


def _is_dictionary(metadata: pq.FileMetaData, name: str) -> bool:
    """Tell whether Arrow can read a column as a dictionary: no nested ones, no texts in deltas."""
    found = False
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for column in map(group.column, range(group.num_columns)):
            if column.path_in_schema == name:
                found = True
                if any(encoding.startswith("DELTA") for encoding in column.encodings):
                    return False
                break
    return found


def _closing(source: Any, rows: RowGroups) -> RowGroups:
    weakref.finalize(rows, source.close)
    return rows
