"""Parquet footers taken apart, to open a few columns of one row group at a time.

Arrow keeps about a kilobyte for every column of every row group while a file is open: 320 MiB
for 85 row groups x 3,560 columns. Here a footer is walked over once, remembering only where the
description of each column begins; columns of a row group are then opened through a small footer
of their own, made of those bytes. Walking takes 9 microseconds a column and row group.

Source: the field numbers of parquet.thrift
(https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift).
"""

from __future__ import annotations

import base64
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from numerai_lab.data.thrift import (
    BINARY,
    I32,
    I64,
    LIST,
    Span,
    binary_field,
    each,
    field_header,
    list_field,
    read_struct,
    skip_struct,
    unsigned,
    unzigzag,
    varint,
    zigzag,
)

_MAGIC = b"PAR1"
TAIL_BYTES = 8
"""The footer's length and the magic number, at the end of every file."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column of the schema: what the footer says about it, and which chunks are its own.

    A nested column has several elements (`n_elements`) and chunks.
    """

    elements: bytes
    n_elements: int
    first_chunk: int
    stop_chunk: int


@dataclass(frozen=True, slots=True)
class Footer:
    """What is in a parquet file, and where the footer tells the rest.

    Attributes
    ----------
    schema : of all columns, with Arrow's types. n_rows : of all row groups.
    group_rows : number of rows of each row group.
    fields : columns by name; of a name that is there twice, the last.
    chunks : of each row group, where in the file the description of each chunk begins, and at
        last where they end.
    version, created_by : as written; Arrow mends what some writers are known to get wrong.
    """

    schema: pa.Schema
    n_rows: int
    group_rows: tuple[int, ...]
    fields: dict[str, Field]
    chunks: tuple[array[int], ...]
    version: bytes
    created_by: bytes

    def part(self, source: IO[bytes], group: int, columns: Sequence[str]) -> pq.FileMetaData:
        """Return the metadata of some columns of one row group of the open file `source`."""
        fields = [self.fields[name] for name in columns]
        starts = self.chunks[group]
        chunks = b""
        for first, stop in _runs([(field.first_chunk, field.stop_chunk) for field in fields]):
            source.seek(starts[first])
            chunks += source.read(starts[stop] - starts[first])
        n_chunks = sum(field.stop_chunk - field.first_chunk for field in fields)
        rows = zigzag(self.group_rows[group])
        row_group = (
            list_field(1, n_chunks, chunks)
            + field_header(1, I64)
            + b"\0"
            + field_header(1, I64)
            + rows
        )
        schema = pa.schema([self.schema.field(name) for name in columns])
        arrow = b"ARROW:schema", base64.b64encode(schema.serialize().to_pybytes())
        content = (
            field_header(1, I32)
            + self.version
            + _schema_field(fields)
            + field_header(1, I64)
            + rows
            + list_field(1, 1, row_group + b"\0")
            + list_field(1, 1, binary_field(*arrow) + b"\0")
            + self.created_by
            + b"\0"
        )
        return pq.read_metadata(pa.BufferReader(_file(content)))


def _runs(spans: Sequence[Span]) -> list[Span]:
    """Join neighbours."""
    runs: list[Span] = []
    for first, stop in spans:
        if runs and runs[-1][1] == first:
            first = runs.pop()[0]
        runs.append((first, stop))
    return runs


def read_footer(source: IO[bytes], size: int) -> Footer:
    """Walk over the footer of a parquet file.

    Parameters
    ----------
    source : the file, open for reading. size : of the file, in bytes.

    Raises
    ------
    EOFError : the footer is damaged.
    """
    length = footer_bytes(source, size)
    at = size - TAIL_BYTES - length
    source.seek(at)
    data = source.read(length)
    try:
        return _walk(data, at)
    except (IndexError, KeyError, RecursionError, ValueError):
        raise EOFError("the footer is damaged") from None


def footer_bytes(source: IO[bytes], size: int) -> int:
    """Return the length of a footer. Raises EOFError when the file does not end like parquet."""
    if size < TAIL_BYTES + len(_MAGIC):
        raise EOFError("it is too short to have a footer")
    source.seek(size - TAIL_BYTES)
    tail = source.read(TAIL_BYTES)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or length > size - TAIL_BYTES - len(_MAGIC):
        raise EOFError("there is no footer at its end")
    return length


def _walk(data: bytes, base: int) -> Footer:
    chunks: list[array[int]] = []
    group_rows: list[int] = []

    def group(data: bytes, at: int) -> int:
        starts = array("q")

        def chunk(data: bytes, at: int) -> int:
            starts.append(base + at)
            return skip_struct(data, at)

        def columns(data: bytes, at: int) -> int:
            end = each(data, at, chunk)
            starts.append(base + end)
            return end

        spans, end = read_struct(data, at, {1: columns})
        chunks.append(starts)
        group_rows.append(unzigzag(data, spans[3][0]))
        return end

    spans, _ = read_struct(data, 0, {4: lambda data, at: each(data, at, group)})
    named = _schema_of(data, spans[2][0])
    fields = [field for _, field in named]
    version = data[slice(*spans[1])]
    content = field_header(1, I32) + version + _schema_field(fields)
    content += field_header(1, I64) + zigzag(0) + list_field(1, 0, b"")
    if 5 in spans:
        content += field_header(1, LIST) + data[slice(*spans[5])]
    created_by = field_header(1, BINARY) + data[slice(*spans[6])] if 6 in spans else b""
    return Footer(
        schema=pq.ParquetFile(pa.BufferReader(_file(content + b"\0"))).schema_arrow,
        n_rows=unzigzag(data, spans[3][0]),
        group_rows=tuple(group_rows),
        fields=dict(named),
        chunks=tuple(chunks),
        version=version,
        created_by=created_by,
    )


def _schema_of(data: bytes, at: int) -> list[tuple[str, Field]]:
    """Read the list of schema elements: a tree, parents before their children.

    A name may be there twice: the schema shows it, and whoever reads columns refuses it.
    """
    elements: list[tuple[Span, str, int]] = []

    def element(data: bytes, at: int) -> int:
        spans, end = read_struct(data, at, {})
        n_bytes, first = varint(data, spans[4][0])
        name = data[first : first + n_bytes].decode()
        elements.append(((at, end), name, unzigzag(data, spans[5][0]) if 5 in spans else 0))
        return end

    each(data, at, element)
    fields: list[tuple[str, Field]] = []
    position = 1  # the root is first
    chunk = 0
    for _ in range(elements[0][2]):
        first, first_chunk, open_elements = position, chunk, 1
        while open_elements:
            children = elements[position][2]
            chunk += children == 0
            open_elements += children - 1
            position += 1
        span = slice(elements[first][0][0], elements[position - 1][0][1])
        field = Field(data[span], position - first, first_chunk, chunk)
        fields.append((elements[first][1], field))
    return fields


def _file(footer: bytes) -> bytes:
    return _MAGIC + footer + len(footer).to_bytes(4, "little") + _MAGIC


def _schema_field(fields: Sequence[Field]) -> bytes:
    name = field_header(4, BINARY) + unsigned(6) + b"schema"
    root = name + field_header(1, I32) + zigzag(len(fields)) + b"\0"
    n_elements = 1 + sum(field.n_elements for field in fields)
    return list_field(1, n_elements, root + b"".join(field.elements for field in fields))
