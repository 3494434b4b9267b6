"""Features that stay on disk: blocks of neighbouring columns, mapped into memory for reading."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Int8, Int64
from numerai_lab.data.reading import reading
from numerai_lab.data.store.checks import (
    Hashed,
    Verify,
    hashed_damage,
    remembers,
    size_damage,
    unhashed,
)
from numerai_lab.errors import DataError

# More runs than these are read by row numbers: one by one they would take longer in Python.
_MANY_RUNS = 64
# Linux maps this much around a page that is touched (fault_around_bytes), so that much more is
# given back on both sides.
_FAULT_AROUND = 64 << 10


class Block:
    """One file of a store: int8 [n_rows, n_columns] in C order, read through a memory map.

    Pages are given back to the system as soon as they have been copied from, so the map costs
    no resident memory; the system keeps them in its own cache, for every process that reads
    the store.

    Parameters
    ----------
    path : the file. shape : (n_rows, n_columns) that it must hold.
    bounds : lowest and highest value in it.
    sha256 : its checksums, chunk by chunk; they identify its content, and are not checked here.

    Raises
    ------
    DataError : the file is not there or has another size.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int],
        bounds: tuple[int, int],
        sha256: Sequence[str] = (),
    ) -> None:
        self.path, self.bounds = path, bounds
        self.content = hashlib.sha256(repr([path.name, *sha256]).encode()).hexdigest()
        with reading(path), path.open("rb") as file:
            size = path.stat().st_size
            if size != shape[0] * shape[1]:
                raise DataError(
                    f"has {size:,} bytes, a block of {shape[0]:,} x {shape[1]} int8 values has "
                    f"{shape[0] * shape[1]:,}",
                    where=str(path),
                    fix="remove the folder (numerai-lab data prune --stores), it is made again",
                )
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.values: Int8 = np.frombuffer(self._map, dtype=np.int8).reshape(shape)

    def release(self, first: int, stop: int) -> None:
        """Give the pages of rows first..stop - 1 back to the system."""
        if not hasattr(
            mmap, "MADV_DONTNEED"
        ):  # Windows has none; it takes pages when it needs them
            return
        width = self.values.shape[1]
        page = mmap.PAGESIZE
        start = max(0, first * width - _FAULT_AROUND) // page * page
        end = min(stop * width + _FAULT_AROUND, len(self._map))
        self._map.madvise(mmap.MADV_DONTNEED, start, end - start)


@dataclass(frozen=True, slots=True)
class _Part:
    """The features of one block: where they stand in it, and in the result."""

    block: Block
    source: slice | Int64
    target: slice | Int64


class BlockFeatures:
    """`StoredFeatures` over blocks: any features, and runs of rows, without a copy of either.

    Parameters
    ----------
    blocks : of one store, so with the same rows.
    columns : (block, column in it) of each feature.
    folder : of the store.
    runs : int64 [n_runs, 2], first and stop row of neighbouring rows in the store, increasing.
    verify : how files are checked that are derived from the features; see `checks`.
    """

    ndim = 2
    itemsize = 1

    def __init__(
        self,
        blocks: Sequence[Block],
        columns: Sequence[tuple[int, int]],
        runs: Int64,
        folder: Path,
        verify: Verify = "auto",
    ) -> None:
        self._blocks, self._columns, self._folder = blocks, columns, folder
        self._verify: Verify = verify
        self._parts = _parts(blocks, columns)
        self._runs = runs
        self._starts = np.concatenate([[0], np.cumsum(runs[:, 1] - runs[:, 0])])

    def _with_runs(self, runs: Int64) -> Self:
        other = type(self)(self._blocks, (), runs, self._folder, self._verify)
        other._columns, other._parts = self._columns, self._parts
        return other

    @property
    def dtype(self) -> np.dtype[np.int8]:
        """int8."""
        return np.dtype(np.int8)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, n_features)."""
        return len(self), len(self._columns)

    @property
    def size(self) -> int:
        """Number of values."""
        return len(self) * len(self._columns)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, rows: Any) -> Int8:
        """Read rows: an int, a slice without a step, or an array of row numbers."""
        if isinstance(rows, slice):
            first, stop, step = rows.indices(len(self))
            if step != 1:
                raise IndexError("stored features are read in runs of rows: step must be 1")
            return self._read(self._cut(first, max(first, stop)))
        if isinstance(rows, (int, np.integer)):
            at = int(rows) + (len(self) if rows < 0 else 0)
            if not 0 <= at < len(self):
                raise IndexError(f"row {rows} of {len(self)}")
            row: Int8 = self._read(self._cut(at, at + 1))[0]
            return row
        wanted = np.asarray(rows)
        if wanted.dtype == np.bool_:
            wanted = np.flatnonzero(wanted)
        order = np.argsort(wanted, kind="stable")
        values = np.empty((len(wanted), len(self._columns)), dtype=np.int8)
        if len(wanted):
            unique, inverse = np.unique(wanted[order], return_inverse=True)
            values[order] = self._read(self._at(unique))[inverse]
        return values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Read everything into memory, for whoever needs one array."""
        if copy is False:
            raise ValueError("stored features are copied when they are read")
        values = self[:]
        return values if dtype is None else values.astype(dtype)

    def bounds(self) -> tuple[int, int]:
        """Return (lowest, highest) value of the blocks that hold these features.

        Bounds, not the range of what is selected: a block's other rows and columns count, too.
        """
        found = [part.block.bounds for part in self._parts]
        return min(low for low, _ in found), max(high for _, high in found)

    def between(self, first: int, stop: int) -> Self:
        """Rows first..stop - 1, still on disk."""
        return self._with_runs(self._cut(first, stop))

    def take(self, rows: Int64) -> Self:
        """Rows of increasing numbers, still on disk."""
        return self._with_runs(self._at(rows))

    @property
    def identity(self) -> str:
        """16 hex digits that differ where values do: from the store, blocks, features, rows."""
        content = hashlib.sha256(self._folder.name.encode())
        names = [(self._blocks[block].content, column) for block, column in self._columns]
        content.update(repr(names).encode())
        content.update(self._runs.tobytes())
        return content.hexdigest()[:16]

    @property
    def folder(self) -> Path:
        """Folder for what is derived from the store; it goes when the store goes."""
        return self._folder / "derived"

    def damage_of(self, path: Path, mark: Mapping[str, Any]) -> str | None:
        """Say how a file in `folder` differs from its mark (bytes, sha256); None if it does not.

        How closely it is looked at is `data.store.verify`.
        """
        wrong = size_damage(path, mark["bytes"])
        if wrong is not None:
            return wrong.reason
        size = mark["bytes"]
        file = Hashed(path, size, max(1, size), [mark["sha256"]], [0])
        to_hash = unhashed(self._folder, [file], self._verify)
        remember = remembers([file], self._verify)
        found = hashed_damage(self._folder, to_hash, remember=remember)
        return found[path].reason if path in found else None

    def columns(self, chosen: Int64) -> Self:
        """Some features, still on disk."""
        other = self._with_runs(self._runs)
        other._columns = [self._columns[i] for i in chosen.tolist()]
        other._parts = _parts(self._blocks, other._columns)
        return other

    def _cut(self, first: int, stop: int) -> Int64:
        """Return the runs of rows first..stop - 1."""
        if stop <= first:
            return np.empty((0, 2), dtype=np.int64)
        a = int(np.searchsorted(self._starts, first, side="right")) - 1
        b = int(np.searchsorted(self._starts, stop, side="left"))
        runs = self._runs[a:b].copy()
        runs[0, 0] += first - self._starts[a]
        runs[-1, 1] -= self._starts[b] - stop
        return runs

    def _at(self, rows: Int64) -> Int64:
        """Return the runs of increasing row numbers."""
        if len(rows) == 0:
            return np.empty((0, 2), dtype=np.int64)
        run = np.searchsorted(self._starts, rows, side="right") - 1
        stored = rows - self._starts[run] + self._runs[run, 0]
        breaks = np.flatnonzero(np.diff(stored) != 1) + 1
        return np.column_stack(
            [stored[np.concatenate([[0], breaks])], stored[np.append(breaks - 1, -1)] + 1]
        )

    def _read(self, runs: Int64) -> Int8:
        lengths = runs[:, 1] - runs[:, 0]
        values = np.empty((int(lengths.sum()), len(self._columns)), dtype=np.int8)
        if len(values) == 0:
            return values
        pieces: list[tuple[slice | Int64, slice]]
        if len(runs) > _MANY_RUNS:
            rows = np.repeat(runs[:, 0] - np.cumsum(lengths) + lengths, lengths)
            pieces = [(rows + np.arange(len(rows)), slice(None))]
        else:
            ends = np.cumsum(lengths).tolist()
            pieces = [
                (slice(first, stop), slice(end - (stop - first), end))
                for (first, stop), end in zip(runs.tolist(), ends, strict=True)
            ]
        for part in self._parts:
            for source, target in pieces:
                values[target, part.target] = part.block.values[source][:, part.source]
            part.block.release(int(runs[0, 0]), int(runs[-1, 1]))
        return values


def _parts(blocks: Sequence[Block], columns: Sequence[tuple[int, int]]) -> list[_Part]:
    """Group features by block; neighbours become slices, which copy far faster than indices."""
    if not columns:
        return []
    pairs = np.array(columns, dtype=np.int64)
    parts = []
    for number in np.unique(pairs[:, 0]).tolist():
        target = np.flatnonzero(pairs[:, 0] == number)
        source = pairs[target, 1]
        parts.append(_Part(blocks[number], _as_slice(source), _as_slice(target)))
    return parts


def _as_slice(numbers: Int64) -> slice | Int64:
    if bool(np.all(np.diff(numbers) == 1)):
        return slice(int(numbers[0]), int(numbers[-1]) + 1)
    return numbers
