"""Opening and writing files, with damage and full disks told in one sentence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from numerai_lab.data.dataset import SourceFile
from numerai_lab.errors import DataError, MachineError, did_you_mean


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
        raise MachineError(
            "not enough memory to read the file",
            where=str(path),
            fix="choose a smaller feature_set, or fewer eras (data.eras.step)",
        ) from None
    except (pa.ArrowException, OSError, EOFError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise DataError(
            f"the file is damaged, cut short or not parquet ({reason[:160]})",
            where=str(path),
            fix="download or write it again",
        ) from None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a full disk, or a place that cannot be written, into a MachineError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise MachineError(
            f"could not be written: {reason}",
            where=str(path),
            fix="free some space, or give another data.dir",
        ) from None


def open_parquet(path: Path, *, dictionary: Sequence[str] = ()) -> pq.ParquetFile:
    """Open a parquet file and read its footer.

    `dictionary` names text columns with few distinct values, to be read as dictionaries.
    `pre_buffer=False` because pre-buffering holds a whole row group's bytes beside the result.

    Raises
    ------
    DataError : missing, a folder, empty, cut short or not parquet.
    """
    if path.is_dir():
        raise DataError("this is a folder, not a parquet file", where=str(path), fix="name a file")
    with reading(path):
        if path.stat().st_size == 0:
            raise DataError("the file is empty (0 bytes)", where=str(path), fix="download it again")
        return pq.ParquetFile(path, pre_buffer=False, read_dictionary=list(dictionary))


def read_columns(file: pq.ParquetFile, path: Path, group: int, columns: Sequence[str]) -> pa.Table:
    """Read some columns of one row group; DataError when its pages are damaged."""
    with reading(path):
        return file.read_row_group(group, columns=list(columns))


def need_columns(file: pq.ParquetFile, path: Path, columns: Sequence[str]) -> None:
    """Check the footer for columns. Raises DataError with the missing ones and the nearest name."""
    there = set(file.schema_arrow.names)
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


def id_column(file: pq.ParquetFile, name: str) -> str:
    """Return the column that holds the ids: `name`, or an unnamed index written by pandas."""
    schema = file.schema_arrow
    if name not in schema.names and b"pandas" in (schema.metadata or {}):
        index = json.loads(schema.metadata[b"pandas"])["index_columns"]
        if len(index) == 1 and index[0] == "__index_level_0__":
            return "__index_level_0__"
    return name


def values_of(column: pa.ChunkedArray, null: float | None = None) -> npt.NDArray[np.generic]:
    """Return a fixed-width column as an array without a copy, nulls replaced by `null`.

    Not `to_numpy()`: that imports pandas, .2 s in a process that needs no pandas.
    """
    array = column.combine_chunks()
    if array.null_count:
        array = array.fill_null(pa.scalar(null, type=array.type))
    dtype = np.dtype(array.type.to_pandas_dtype())
    if len(array) == 0:
        return np.empty(0, dtype=dtype)
    data = np.frombuffer(array.buffers()[1], dtype=dtype)
    return data[array.offset : array.offset + len(array)]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with reading(path), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def source_file(path: Path, file: pq.ParquetFile) -> SourceFile:
    """Describe a file that is being read."""
    return SourceFile(path, path.stat().st_size, file.metadata.num_rows, sha256_of(path))
