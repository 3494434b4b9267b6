"""Ids in a store: where each one begins, and their bytes, in two files that are mapped to read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from numerai_lab.arrays import Int32, Int64
from numerai_lab.data.reading import (
    BATCH_ROWS,
    Sources,
    check_unique,
    piece_ids,
    reading,
    text_bytes,
    text_offsets,
)
from numerai_lab.data.store.mapping import Mapped, map_aside
from numerai_lab.errors import DataError
from numerai_lab.files import write_aside

OFFSETS_FILE, TEXT_FILE = "ids.i32", "ids.utf8"

_Place = slice | Int64


def write_ids(folder: Path, sources: Sources) -> int:
    """Write the ids of all rows in their final order; return how many bytes their text has.

    Memory: four bytes a row for where ids begin, and a batch of ids, which are read twice: for
    their lengths, and for their bytes.

    Raises
    ------
    DataError : as `piece_ids`; ids there twice, or more text than Arrow's strings can hold.
    """
    n_rows = sources.plan.n_rows
    offsets = np.zeros(n_rows + 1, dtype=np.int32)
    for place, ids in _placed_ids(sources):
        offsets[1:][place] = np.diff(text_offsets(ids))
    n_bytes = int(offsets.sum(dtype=np.int64))
    if n_bytes > np.iinfo(np.int32).max:
        raise DataError(
            f"the ids of {n_rows:,} rows take {n_bytes / 2**30:.1f} GiB, 2 GiB can be kept",
            where=sources.where,
            fix="give the rows shorter ids",
        )
    np.cumsum(offsets, out=offsets)
    # A file of no bytes cannot be mapped: an only row may have an empty id.
    with map_aside(folder / TEXT_FILE, (max(1, n_bytes), 1)) as text:
        for place, ids in _placed_ids(sources):
            _write_text(text, offsets, place, ids)

        def batches() -> Iterator[pa.Array]:
            for start in range(0, n_rows, BATCH_ROWS):
                begins = offsets[start : start + BATCH_ROWS + 1]
                content = text.array[begins[0] : begins[-1], 0].tobytes()
                text.release()
                yield _string_array(pa.py_buffer(begins - begins[0]), pa.py_buffer(content))

        check_unique(batches, n_rows, sources.where)
    with write_aside(folder / OFFSETS_FILE) as part, part.open("wb") as file:
        offsets.tofile(file)
    return n_bytes


def open_ids(folder: Path) -> pa.Array:
    """Map the ids of a store, string [n_rows], which are read from disk where they are looked at.

    The files have been checked: Arrow trusts offsets, and follows wrong ones out of the text.
    """
    with reading(folder / OFFSETS_FILE):
        offsets = pa.memory_map(str(folder / OFFSETS_FILE)).read_buffer()
    with reading(folder / TEXT_FILE):
        return _string_array(offsets, pa.memory_map(str(folder / TEXT_FILE)).read_buffer())


def _string_array(offsets: pa.Buffer, text: pa.Buffer) -> pa.Array:
    return pa.Array.from_buffers(pa.string(), offsets.size // 4 - 1, [None, offsets, text])


def _placed_ids(sources: Sources) -> Iterator[tuple[_Place, pa.Array]]:
    """Read the ids of all pieces batch by batch, with their rows in the store."""
    for piece in sources.plan.pieces:
        start = 0
        for ids in piece_ids(sources.files[piece.file], piece, sources.rule.id):
            yield piece.at(start, len(ids)), ids
            start += len(ids)


def _write_text(text: Mapped, offsets: Int32, place: _Place, ids: pa.Array) -> None:
    """Write the bytes of ids to where each of them begins."""
    content, begins = text_bytes(ids), text_offsets(ids)
    if isinstance(place, slice):
        first = offsets[place.start]
        text.array[first : first + len(content), 0] = content.view(np.int8)
    else:
        shift = np.repeat(offsets[place].astype(np.int64) - begins[:-1], np.diff(begins))
        text.array[shift + np.arange(len(content)), 0] = content.view(np.int8)
    text.release()
