"""Binned rows that are kept beside a store, each file with a record of what was written.

LightGBM trusts a file that it loads: one changed byte gives other trees, ends the process or
never ends. So a file is loaded only if it is what its record says.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightgbm

from numerai_lab.checksums import NotAsWritten, marks_of, read_sealed, write_sealed
from numerai_lab.eraframe import StoredFeatures
from numerai_lab.files import write_aside

TOKEN_BYTES = 40
"""A file of LightGBM's begins with so many bytes that are always the same; then blocks follow."""
BLOCK_SIZE = struct.Struct("<Q")
"""The number of bytes of a block, which stands before it."""


def damage_of_kept(path: Path, features: StoredFeatures) -> str | None:
    """Say why kept rows cannot be loaded; None if they can.

    Raises FileNotFoundError where none are kept.

    Parameters
    ----------
    path : of the rows. features : that they were made of.
    """
    record = _record_of(path)
    if not record.exists() and not path.exists():
        raise FileNotFoundError(path)
    try:
        mark = read_sealed(record).get("files", {}).get(path.name)
    except FileNotFoundError:
        return "they have no checksum"
    except NotAsWritten as error:
        return f"{record.name} {error}"
    if mark is None:
        return f"{record.name} is that of other rows"
    damage = features.damage_of(path, mark)
    if damage is None and not _is_whole(path):  # where its content is not to be checked
        damage = f"{path.name} is not whole"
    return damage


@contextmanager
def keep(path: Path) -> Iterator[Path]:
    """Yield a path to write binned rows to; on success they become `path`, with their record.

    Raises MachineError when the disk is full or the folder cannot be written.
    """
    with write_aside(path) as part:
        yield part
        # The record first: beside rows that another process has just written, equal to these, it
        # is right, too.
        mark = marks_of(part.parent, [part.name])[part.name]
        write_sealed(_record_of(path), {"files": {path.name: mark}})


def forget(path: Path) -> None:
    """Remove kept rows and their record, which another process may have done already."""
    path.unlink(missing_ok=True)
    _record_of(path).unlink(missing_ok=True)


def save_binned(dataset: Any, path: Path) -> None:
    """Let LightGBM save a Dataset to a new file; raises OSError if it is not whole."""
    save_dataset(dataset, path)
    if not _is_whole(path):  # LightGBM does not notice that the last bytes found no room
        raise OSError(errno.EIO, "LightGBM has written a file that is not whole")


def save_dataset(dataset: Any, path: Path) -> None:
    """Let LightGBM save a Dataset to a new file, which may then not be whole.

    Raises OSError when LightGBM itself says that it could not.
    """
    path.unlink(missing_ok=True)  # LightGBM refuses to write over a file
    try:
        dataset.save_binary(path)
    except lightgbm.basic.LightGBMError as error:
        raise OSError(errno.EIO, str(error)) from error


def _is_whole(path: Path) -> bool:
    """Tell whether a saved Dataset ends where the sizes of its blocks say.

    LightGBM trusts a file that it loads: a cut one ends training, others even the process.
    """
    with path.open("rb") as file:
        at, end = TOKEN_BYTES, path.stat().st_size
        while at < end:
            file.seek(at)
            head = file.read(BLOCK_SIZE.size)
            if len(head) < BLOCK_SIZE.size:
                return False
            at += BLOCK_SIZE.size + BLOCK_SIZE.unpack(head)[0]
    return at == end > TOKEN_BYTES


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")
