"""Files and their columns, with whatever is wrong told in one sentence."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from numerai_lab.config import RemoteFile
from numerai_lab.data.dataset import SourceFile
from numerai_lab.data.download_lock import locked_file
from numerai_lab.data.reading.kinds import is_text
from numerai_lab.errors import DataError, MachineError, did_you_mean
from numerai_lab.files import sha256_of
from numerai_lab.machine import memory_limits

SYNTHETIC_MARK = b"numerai_lab.synthetic"
"""Key in the schema metadata of every parquet file that the synthetic tournament writes."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong while reading `path` into a DataError or MachineError."""
    try:
        yield
    except FileNotFoundError:
        raise DataError("there is no such file", where=str(path), fix="check the path") from None
    except PermissionError:
        raise DataError(
            "the file cannot be read: permission denied", where=str(path), fix="change its rights"
        ) from None
    except MemoryError:
        raise _no_memory(path) from None
    except pa.ArrowNotImplementedError as error:
        raise DataError(
            f"the file holds something that Arrow cannot read ({first_line(error)})",
            where=str(path),
            fix="write it again without that column, or with another type",
        ) from None
    except (pa.ArrowException, OSError, EOFError) as error:
        if getattr(error, "errno", None) == errno.ENOMEM:
            raise _no_memory(path) from None
        raise DataError(
            f"the file is damaged, cut short or not parquet ({first_line(error)})",
            where=str(path),
            fix="download or write it again",
        ) from None


def first_line(error: Exception) -> str:
    """Return what an error says in one line, of 160 characters at most."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")[:160]


def _no_memory(path: Path) -> MachineError:
    return MachineError(
        f"not enough memory to read the file{memory_limits()}",
        where=str(path),
        fix="choose a smaller feature_set, or fewer eras (data.eras.step)",
    )


def size_of(path: Path) -> int:
    """Return a file's size in bytes."""
    return path.n_bytes if isinstance(path, RemoteFile) else path.stat().st_size


def hash_of(path: Path) -> str:
    """Hash a file's bytes; of a remote file, what its server says about it."""
    return path.fingerprint() if isinstance(path, RemoteFile) else sha256_of(path)


def need_columns(schema: pa.Schema, path: Path, columns: Sequence[str]) -> None:
    """Check a schema for columns, each of them once.

    A column that nobody reads may be there as often as it likes.

    Raises
    ------
    DataError : columns that are missing, with the nearest name, or there more than once.
    """
    names = schema.names
    there = set(names)
    missing = [name for name in columns if name not in there]
    if missing:
        shown = ", ".join(f"'{name}'" for name in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise DataError(
            f"the file lacks {'columns' if len(missing) > 1 else 'column'} {shown}{more}"
            + did_you_mean(missing[0], there),
            where=str(path),
            fix="correct the names in the data section, or use a file that has them",
        )
    twins = _index_names(schema)
    if len(there) == len(names) and not twins:
        return
    for name in dict.fromkeys(columns):
        places = [i + 1 for i, found in enumerate(names) if found == name]
        listed = " and ".join(map(str, places))
        if len(places) > 1:
            raise DataError(
                f"column '{name}' is there {times(len(places))} (columns {listed} of "
                f"{len(names)}), and which one is meant cannot be told",
                where=str(path),
                fix="keep one of them, or rename the others",
            )
        if twins.get(name, name) != name:
            raise DataError(
                f"'{name}' is there twice, as column {listed} and as the index (stored as "
                f"'{twins[name]}'), and which one is meant cannot be told",
                where=str(path),
                fix="write the file without its index: to_parquet(path, index=False)",
            )


def times(n: int) -> str:
    """Say how often something is there."""
    return "twice" if n == 2 else f"{n} times"


def id_column(schema: pa.Schema, name: str) -> str:
    """Return the column that holds the ids: `name`, or else an index without a name.

    pandas, dask and fastparquet each give such an index a name of their own. It is taken if it
    holds text: whole numbers there only count the rows of the frame that was written.
    """
    if name in schema.names:
        return name
    for index in _pandas(schema).get("index_columns", ()):
        if index in UNNAMED_INDEX and schema.names.count(index) == 1:
            return str(index) if is_text(schema.field(index).type) else name
    return name


UNNAMED_INDEX = ("__index_level_0__", "__null_dask_index__", "index")
"""What pandas, dask and fastparquet call the column of an index that has no name."""


def _pandas(schema: pa.Schema) -> dict[str, Any]:
    """Return what pandas or fastparquet noted about a frame; nothing if it cannot be read."""
    try:
        noted = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    except ValueError:
        return {}
    return noted if isinstance(noted, dict) else {}


def _index_names(schema: pa.Schema) -> dict[str, str]:
    """Return index levels of a pandas frame that are stored under other names: {name: column}."""
    noted = _pandas(schema)
    index = [name for name in noted.get("index_columns") or () if isinstance(name, str)]
    columns = [one for one in noted.get("columns") or () if isinstance(one, dict)]
    return {
        str(one["name"]): str(one["field_name"])
        for one in columns
        if one.get("field_name") in index
        and one.get("name") not in (None, one["field_name"])
        and one["field_name"] in schema.names
    }


def is_made_up(schema: pa.Schema) -> bool:
    """Return whether a file bears the mark of the synthetic tournament, wherever it lies."""
    return SYNTHETIC_MARK in (schema.metadata or {})


def values_of(column: pa.ChunkedArray | pa.Array, null: float) -> npt.NDArray[Any]:
    """Return a column of numbers as an array, nulls replaced by `null`.

    One piece without nulls is not copied.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if array.null_count:
        array = array.fill_null(pa.scalar(null, type=array.type))
    return np.asarray(array.to_numpy(zero_copy_only=False))


def source_file(
    path: Path, schema: pa.Schema, n_rows: int, sha256: str | None = None
) -> SourceFile:
    """Describe a file that was read, with its entry in the lock file of downloads.

    `sha256` is given where it is known already.
    """
    with reading(path):
        size, digest = size_of(path), sha256 or hash_of(path)
    entry = None if isinstance(path, RemoteFile) else locked_file(path)
    same = entry is not None and entry.sha256 == digest
    return SourceFile(path, size, n_rows, digest, entry if same else None, is_made_up(schema))
