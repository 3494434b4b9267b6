"""Parquet files, open for reading some columns of one row group at a time."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from numerai_lab.config import RemoteFile
from numerai_lab.data.hive import partitions_of
from numerai_lab.data.reading.files import reading, size_of
from numerai_lab.errors import DataError


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
    """A parquet file to read from.

    While it is open, Arrow keeps about a kilobyte for each column of each row group: 320 MiB for
    85 row groups x 3,560 columns.

    Attributes
    ----------
    schema : its columns. n_rows : of all row groups. group_rows : of each row group.
    file : gives the open file.
    constant : columns that are not in the file but named by its folders, with their one value.
    """

    path: Path
    schema: pa.Schema
    n_rows: int
    group_rows: tuple[int, ...]
    file: Callable[[], pq.ParquetFile]
    constant: Mapping[str, str | None] = field(default_factory=dict)

    def read(self, group: int, columns: Sequence[str]) -> pa.Table:
        """Read some columns of a row group. Raises DataError when its pages are damaged."""
        stored = [name for name in columns if name not in self.constant]
        if len(stored) == len(columns):
            with reading(self.path):
                return self.file().read_row_group(group, columns=list(columns))
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
            batches = self.file().iter_batches(n_rows, row_groups=[group], columns=[column])
        while True:
            with reading(self.path):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch.column(0)


def read_head(path: Path) -> Head:
    """Read which columns a file has, and close it.

    Raises
    ------
    DataError : missing, a folder, empty, cut short or not parquet.
    """
    rows = open_parquet(path)
    return Head(path, rows.schema, rows.n_rows, rows.group_rows, rows.constant)


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


def open_parquet(path: Path, *, dictionary: Sequence[str] = ()) -> RowGroups:
    """Open a parquet file.

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

    constant = _named_by_folders(schema, path)
    schema = _with_folders(schema, path)
    rows = RowGroups(path, schema, metadata.num_rows, group_rows, lambda: file, constant)
    weakref.finalize(rows, source.close)
    return rows


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
