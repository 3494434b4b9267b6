"""Ids of the kept rows: read in batches, and checked to be all different in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from numerai_lab.arrays import UInt64
from numerai_lab.data.reading.files import id_column, need_columns
from numerai_lab.data.reading.kinds import texts
from numerai_lab.data.reading.row_groups import RowGroups, open_parquet
from numerai_lab.data.reading.rows import Piece, RowPlan
from numerai_lab.errors import DataError

Batches = Callable[[], Iterator[pa.Array]]
"""Gives all ids, string arrays of at most `BATCH_ROWS`, as often as it is called."""

BATCH_ROWS = 1 << 16
# Hashes held at a time while ids are compared: 16 MB, and one pass over the ids for each part.
PART_ROWS = 1 << 21
_DIGITS = "^[0-9]+$"
_ODD = np.uint64(0x9E3779B97F4A7C15)


def piece_ids(file: RowGroups, piece: Piece, id_name: str) -> Iterator[pa.Array]:
    """Read the ids of a piece's rows as text, batch by batch.

    Raises
    ------
    DataError : an id is missing, or they are neither text nor whole numbers (see `texts`).
    """
    name = id_column(file.schema, id_name)
    start, n_missing = 0, 0
    for batch in file.batches(piece.group, name, BATCH_ROWS):
        # Text first: Arrow cannot pick rows out of every type of text.
        ids = texts(batch, f"{file.path} column '{name}'")
        if piece.rows is not None:
            first, stop = np.searchsorted(piece.rows, [start, start + len(batch)])
            ids = ids.take(pa.array(piece.rows[first:stop] - start))
        start += len(batch)
        n_missing += ids.null_count
        if not n_missing:
            yield ids
    if n_missing:
        raise DataError(
            f"{n_missing:,} rows have no id", where=str(file.path), fix="give every row an id"
        )


def read_ids(files: Sequence[RowGroups], plan: RowPlan, id_name: str) -> pa.Array:
    """Read all kept rows' ids in their final order, string [n_rows]. Raises as `piece_ids`."""
    ids = pa.concat_arrays(
        [ids for piece in plan.pieces for ids in piece_ids(files[piece.file], piece, id_name)]
    )
    return plan.in_place(ids)


def file_ids(file: RowGroups, id_name: str = "id") -> Iterator[pa.Array]:
    """Read the ids of all rows of a file as text: a string array for each row group.

    Raises
    ------
    DataError : there is no column of ids, or there are two; an id is missing; as `texts`.
    """
    name = id_column(file.schema, id_name)
    need_columns(file.schema, file.path, [name])
    for group, n_rows in enumerate(file.group_rows):
        parts = list(piece_ids(file, Piece(0, group, None, slice(0, n_rows)), name))
        yield pa.concat_arrays(parts) if parts else pa.array([], pa.string())


def ids_in(path: Path) -> pa.Array:
    """Read the ids of a parquet file, string [n_rows]. Raises as `file_ids`."""
    file = open_parquet(path)
    return pa.concat_arrays([pa.array([], pa.string()), *file_ids(file)])


def check_unique_in(file: RowGroups, hashes: Sequence[UInt64]) -> None:
    """Raise DataError, with an example, when an id is twice in a file whose ids were hashed."""
    found = np.sort(np.concatenate([np.empty(0, np.uint64), *hashes]))
    if bool(np.any(found[1:] == found[:-1])):
        check_unique(lambda: file_ids(file), file.n_rows, str(file.path))


def same_number(ids: pa.Array, others: Iterable[pa.Array]) -> tuple[str, str] | None:
    """Find an id and another one that are the same whole number, as `1` and `0001` are.

    Whoever reads ids as numbers loses their zeros, and then some of them meet other rows, or none.

    Parameters
    ----------
    ids : text, string [n]; none of them is equal to one of the others.
    """
    digits = ids.filter(pc.match_substring_regex(ids, _DIGITS))
    if not len(digits):
        return None
    bare = pc.utf8_ltrim(digits, "0")
    for other in others:
        written = other.filter(pc.match_substring_regex(other, _DIGITS))
        place = pc.index_in(pc.utf8_ltrim(written, "0"), value_set=bare)
        first = pc.index(pc.is_valid(place), True).as_py()
        if first >= 0:
            return digits[place[first].as_py()].as_py(), written[first].as_py()
    return None


def slices(ids: pa.Array) -> Batches:
    """Return batches of ids that are in memory."""

    def batches() -> Iterator[pa.Array]:
        for start in range(0, len(ids), BATCH_ROWS):
            yield ids.slice(start, BATCH_ROWS)

    return batches


def check_unique(batches: Batches, n_rows: int, where: str) -> None:
    """Raise DataError, with an example, when an id is there twice.

    Ids of equal hashes are compared themselves, so different ids are never taken for equal.
    """
    n_parts = -(-n_rows // PART_ROWS)
    n_repeated = 0
    examples: list[tuple[int, str]] = []
    for part in range(n_parts):
        hashes = np.concatenate([_of_part(hash_ids(ids), part, n_parts) for ids in batches()])
        hashes.sort()
        twice = hashes[1:][hashes[1:] == hashes[:-1]]
        if len(twice):
            n, example = _repeated(batches, twice)
            n_repeated += n
            examples += example
    if n_repeated:
        raise DataError(
            f"{n_repeated:,} ids are there more than once, such as '{min(examples)[1]}'",
            where=where,
            fix="remove the repeated rows (is a file listed twice, or validation part of train?)",
        )


def _of_part(hashes: UInt64, part: int, n_parts: int) -> UInt64:
    return hashes if n_parts == 1 else hashes[hashes % np.uint64(n_parts) == part]


def _repeated(batches: Batches, twice: UInt64) -> tuple[int, list[tuple[int, str]]]:
    """Count repeated ids among those with hashes `twice`; the first one with its row, if any."""
    found, rows, start = [], [], 0
    for ids in batches():
        here = np.flatnonzero(np.isin(hash_ids(ids), twice))
        found.append(ids.take(pa.array(here)))
        rows.append(here + start)
        start += len(ids)
    suspects = pa.concat_arrays(found)
    counted = pc.value_counts(suspects)
    first = pc.index(pc.greater(counted.field("counts"), 1), True).as_py()
    if first < 0:
        return 0, []
    example = counted.field("values")[first]
    row = int(np.concatenate(rows)[pc.index(suspects, example).as_py()])
    return len(suspects) - len(counted), [(row, example.as_py())]


def hash_ids(ids: pa.Array) -> UInt64:
    """Hash texts to 64 bits; a million of 16 bytes take about .04 s."""
    offsets = text_offsets(ids)
    text = text_bytes(ids)
    lengths = np.diff(offsets)
    hashes = np.empty(len(ids), dtype=np.uint64)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        if len(rows) == len(ids):  # as Numerai's: all of one length
            hashes[:] = _hash_rows(text.reshape(len(ids), length))
        else:
            hashes[rows] = _hash_rows(text[offsets[rows][:, None] + np.arange(length)])
    return hashes


def _hash_rows(text: npt.NDArray[np.uint8]) -> UInt64:
    n, length = text.shape
    words = np.zeros((n, -(-length // 8) * 8), dtype=np.uint8)
    words[:, :length] = text
    hashes = np.full(n, length, dtype=np.uint64) * _ODD
    for word in words.view(np.uint64).T:
        # Odd constant of splitmix64; the shift brings the well mixed high half down.
        hashes = (hashes ^ word) * _ODD
        hashes ^= hashes >> np.uint64(32)
    return hashes


def text_offsets(ids: pa.Array) -> npt.NDArray[np.int32]:
    """Return where each text begins in `text_bytes`, int32 [n + 1]."""
    if not len(ids):
        return np.zeros(1, dtype=np.int32)
    offsets: npt.NDArray[np.int32] = np.frombuffer(ids.buffers()[1], dtype=np.int32)
    first: np.int32 = offsets[ids.offset]
    return offsets[ids.offset : ids.offset + len(ids) + 1] - first


def text_bytes(ids: pa.Array) -> npt.NDArray[np.uint8]:
    """Return the bytes of all texts, one after the other, as a view."""
    buffer = ids.buffers()[2]
    if not len(ids) or buffer is None:
        return np.empty(0, dtype=np.uint8)
    offsets = np.frombuffer(ids.buffers()[1], dtype=np.int32)
    first, stop = offsets[[ids.offset, ids.offset + len(ids)]].tolist()
    return np.frombuffer(buffer, dtype=np.uint8)[first:stop]
