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
from numerai_lab.errors import DataError, MachineError, did_you_mean
from numerai_lab.files import sha256_of

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
    except (pa.ArrowException, OSError, EOFError) as error:
        if getattr(error, "errno", None) == errno.ENOMEM:
            raise _no_memory(path) from None
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise DataError(
            f"the file is damaged, cut short or not parquet ({reason[:160]})",
            where=str(path),
            fix="download or write it again",
        ) from None


def _no_memory(path: Path) -> MachineError:
    return MachineError(
        "not enough memory to read the file",
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
    """Check a schema for columns. Raises DataError with the missing ones and the nearest name."""
    there = set(schema.names)
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


def id_column(schema: pa.Schema, name: str) -> str:
    """Return the column that holds the ids: `name`, or an unnamed index written by pandas."""
    if name not in schema.names and b"pandas" in (schema.metadata or {}):
        index = json.loads(schema.metadata[b"pandas"])["index_columns"]
        if len(index) == 1 and index[0] == "__index_level_0__":
            return "__index_level_0__"
    return name


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
