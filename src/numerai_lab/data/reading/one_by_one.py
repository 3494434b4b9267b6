"""Many files, of which only a few are open at a time.

An open file takes a handle, and a kilobyte for each of its columns and row groups: a table with
a folder for every era has more files than a process may open.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from numerai_lab.config import RemoteFile
from numerai_lab.data.reading.files import reading, size_of
from numerai_lab.data.reading.row_groups import Head, RowGroups, open_parquet
from numerai_lab.errors import DataError

MANY_FILES = 64
"""More are opened one by one."""
KEPT_OPEN = 4


class OneByOne:
    """Opens files when they are read, and closes those that were not read for the longest time.

    Parameters
    ----------
    dictionary : as `open_parquet` takes it.
    """

    def __init__(self, dictionary: Sequence[str]) -> None:
        self._dictionary = dictionary
        self._open: dict[Path, RowGroups] = {}
        self._lock = threading.Lock()

    def rows(self, head: Head) -> RowGroups:
        """Return a file to read as if it were open. Raises DataError if it changes meanwhile."""
        with reading(head.path):
            stamp = _stamp(head.path)

        def file() -> pq.ParquetFile:
            return self._opened(head.path, stamp).file()

        return RowGroups(head.path, head.schema, head.n_rows, head.group_rows, file, head.constant)

    def _opened(self, path: Path, stamp: tuple[int, ...]) -> RowGroups:
        with self._lock:
            rows = self._open.pop(path, None)
            if rows is None:
                rows = open_parquet(path, dictionary=self._dictionary)
                if _stamp(path) != stamp:
                    raise DataError(
                        "the file changed while it was read", where=str(path), fix="run it again"
                    )
            self._open[path] = rows
            while len(self._open) > KEPT_OPEN:
                del self._open[next(iter(self._open))]
        return rows


def open_each(heads: Sequence[Head], dictionary: Sequence[str]) -> tuple[RowGroups, ...]:
    """Open files of known heads to read from; many of them one by one.

    Parameters
    ----------
    dictionary : as `open_parquet` takes it.

    Raises
    ------
    DataError : one is damaged.
    """
    if len(heads) > MANY_FILES:
        shared = OneByOne(dictionary)
        return tuple(shared.rows(head) for head in heads)
    return tuple(open_parquet(head.path, dictionary=dictionary) for head in heads)


def _stamp(path: Path) -> tuple[int, ...]:
    if isinstance(path, RemoteFile):
        return (size_of(path),)
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino
