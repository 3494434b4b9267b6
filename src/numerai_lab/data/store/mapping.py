"""New files of a store, written through a map: whole or not there, and with no resident pages."""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from numerai_lab.data.files import reading
from numerai_lab.errors import MachineError
from numerai_lab.files import write_aside, write_errors


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
    """A new file, mapped for writing."""

    def __init__(self, array: npt.NDArray[np.int8], mapped: mmap.mmap) -> None:
        self.array, self._mapped = array, mapped

    def release(self) -> None:
        """Give resident pages back; what was written stays in the system's cache of the file."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._mapped.madvise(mmap.MADV_DONTNEED)


@contextlib.contextmanager
def map_aside(path: Path, shape: tuple[int, int]) -> Iterator[Mapped]:
    """Map a new file of this shape; on success it becomes `path`.

    Its blocks are allocated first: a full disk is then an error, not a killed process.
    """
    with write_aside(path) as part, part.open("rb+") as file:
        size = shape[0] * shape[1]
        with write_errors(path):
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
        with reading(path):
            mapped = mmap.mmap(file.fileno(), size)
        values = Mapped(np.frombuffer(mapped, dtype=np.int8).reshape(shape), mapped)
        yield values
        mapped.flush()
