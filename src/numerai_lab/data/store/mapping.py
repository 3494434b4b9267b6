"""New files of a store, written through a map: whole or not there, and with no resident pages."""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import numpy as np

from numerai_lab.arrays import Int8, Int64
from numerai_lab.data.reading import reading
from numerai_lab.errors import MachineError
from numerai_lab.files import write_aside, write_errors

_MOST_TOUCHED = 16 << 20


def need_space(folder: Path, size: int) -> None:
    """Raise MachineError when the disk has no room for `size` bytes and a little more."""
    free = shutil.disk_usage(folder).free
    if free < size + (64 << 20):
        raise MachineError(
            f"the store needs {size / 2**30:.2f} GiB, {free / 2**30:.2f} GiB of the disk are free",
            where=str(folder),
            fix="free some space, set data.store.dir to another disk, or choose fewer features",
        )


class Mapped:
    """A new file of int8 [n_rows, n_columns], mapped for reading and for writing.

    Parameters
    ----------
    file : open for both, without a buffer, and of its full size.
    """

    def __init__(self, file: FileIO, shape: tuple[int, int]) -> None:
        self._file = file
        self._mapped = mmap.mmap(file.fileno(), shape[0] * shape[1])
        self.array = np.frombuffer(self._mapped, dtype=np.int8).reshape(shape)
        self._touched = 0

    def put(self, place: slice | Int64, first: int, values: Int8) -> None:
        """Write rows, or columns `first`... of them, to their place.

        Whole rows of neighbours are handed to the system, which costs a third of touching new
        pages of the map one by one; everything else goes through the map.
        """
        width = self.array.shape[1]
        if isinstance(place, slice) and values.shape[1] == width:
            self._file.seek(place.start * width)
            rest = np.ascontiguousarray(values).data.cast("B")
            while rest:
                rest = rest[self._file.write(rest) :]
            return
        self.array[place, first : first + values.shape[1]] = values
        # Rows that are not neighbours lie in pages of their own.
        self._touched += len(values) * (width if isinstance(place, slice) else mmap.PAGESIZE)
        if self._touched > _MOST_TOUCHED:
            self.release()

    def release(self) -> None:
        """Give resident pages back; what was written stays in the system's cache of the file."""
        self._touched = 0
        if hasattr(mmap, "MADV_DONTNEED"):
            self._mapped.madvise(mmap.MADV_DONTNEED)

    def flush(self) -> None:
        """Hand what was written through the map to the system."""
        self._mapped.flush()


@contextlib.contextmanager
def map_aside(path: Path, shape: tuple[int, int]) -> Iterator[Mapped]:
    """Map a new file of this shape; on success it becomes `path`.

    Its blocks are allocated first: a full disk is then an error, not a killed process.
    """
    with write_aside(path) as part, part.open("rb+", buffering=0) as file:
        size = shape[0] * shape[1]
        with write_errors(path):
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
        with reading(path):
            values = Mapped(file, shape)
        yield values
        values.flush()
