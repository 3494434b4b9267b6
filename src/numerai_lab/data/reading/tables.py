"""Predictions that anybody wrote, from CSV or parquet: ids as text, the rest as it is."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from numerai_lab.data.reading.files import (
    UNNAMED_INDEX,
    first_line,
    id_column,
    need_columns,
    reading,
)
from numerai_lab.data.reading.ids import file_ids
from numerai_lab.data.reading.kinds import number_kind
from numerai_lab.data.reading.row_groups import open_parquet
from numerai_lab.errors import DataError

_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True, slots=True)
class IdTable:
    """Rows with an id.

    Attributes
    ----------
    ids : string [n]. columns : the others, each name once, without those of an index.
    left_out : columns that nobody named: an index that was written with the rows.
    """

    ids: pa.Array
    columns: pa.Table
    left_out: tuple[str, ...]


def read_id_table(path: Path) -> IdTable:
    """Read rows with an id, from CSV if the path ends in .csv, else from parquet.

    Ids are text in either: `0001`, `1e5` and `NA` of a CSV are the ids that they are.

    Raises
    ------
    DataError : a file that is not there, damaged, or of no known form; no column `id`; ids missing
        or of another type; a column of numbers that is there twice.
    """
    return _read_csv(path) if path.suffix == ".csv" else _read_parquet(path)


def _read_parquet(path: Path) -> IdTable:
    file = open_parquet(path)
    schema = file.schema
    ids = id_column(schema, "id")
    if ids not in schema.names:
        raise _no_ids(path, schema.names)
    names = [name for name in dict.fromkeys(schema.names) if name != ids]
    index = [name for name in names if name in UNNAMED_INDEX]
    used = [name for name in names if name not in index and _used(name, schema)]
    need_columns(schema, path, [ids, *used])
    parts = list(file_ids(file))
    tables = [file.read(group, used).select(used) for group in range(len(file.group_rows))]
    return IdTable(
        pa.concat_arrays(parts) if parts else pa.array([], pa.string()),
        pa.concat_tables(tables) if tables else pa.schema(map(schema.field, used)).empty_table(),
        tuple(index),
    )


def _used(name: str, schema: pa.Schema) -> bool:
    """Leave out what is there twice and is no number: nobody reads it."""
    kinds = [field.type for field in schema if field.name == name]
    return len(kinds) == 1 or name in ("era", "fold", "prediction") or any(map(number_kind, kinds))


def _no_ids(path: Path, names: Sequence[str]) -> DataError:
    shown = " ".join(", ".join(names[:10]).split())
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return DataError(
        f"has no column 'id' (columns: {shown}{more})",
        where=str(path),
        fix="predictions need id and one or more columns of numbers",
    )


def _read_csv(path: Path) -> IdTable:
    names, n_lines = _header(path)
    if "id" not in names:
        raise _no_ids(path, names)
    index = [name for name in names if re.fullmatch(r"|Unnamed: \d+", name)]
    options = pyarrow.csv.ReadOptions(column_names=names, skip_rows=n_lines)
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    convert = pyarrow.csv.ConvertOptions(column_types={"id": pa.string()})
    with reading(path):
        try:
            table = pyarrow.csv.read_csv(path, options, parse, convert)
        except pa.ArrowInvalid as error:
            raise DataError(
                f"cannot be read as CSV ({first_line(error)})",
                where=str(path),
                fix="write it with to_csv(path, index=False)",
            ) from None
    used = [n for n in dict.fromkeys(names) if n not in index and _used(n, table.schema)]
    need_columns(table.schema, path, ["id", *used])
    ids = table["id"].combine_chunks()
    n_empty = pc.sum(pc.equal(ids, "")).as_py() or 0
    if n_empty:
        raise DataError(f"{n_empty:,} rows have no id", where=str(path), fix="give every row an id")
    used.remove("id")
    return IdTable(ids, table.select(used), tuple(index))


def _header(path: Path) -> tuple[list[str], int]:
    """Return the names of a CSV's columns, and after how many lines its rows begin."""
    if path.is_dir():
        raise DataError("this is a folder, not a file", where=str(path), fix="name a file")
    try:
        with reading(path), path.open(encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text)
            names = next((row for row in rows if row), [])
            n_lines = rows.line_num
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"is not CSV in UTF-8 ({first_line(error)})",
            where=str(path),
            fix="write it with to_csv(path, index=False)",
        ) from None
    names = [name.strip() for name in names]
    if not names:
        raise DataError("the file is empty", where=str(path), fix="write it again")
    for delimiter, called in _DELIMITERS.items():
        if "id" not in names and "id" in [part.strip() for part in names[0].split(delimiter)]:
            raise DataError(
                f"its columns are separated by {called}, not by commas",
                where=str(path),
                fix="write it with to_csv(path, index=False), with points in its numbers",
            )
    return names, n_lines
