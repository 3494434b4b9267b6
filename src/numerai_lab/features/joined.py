"""Features with added columns beside them, without a copy of the features."""

from __future__ import annotations

import hashlib
import mmap
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

import numpy as np

from numerai_lab.arrays import Int8, Int64
from numerai_lab.checksums import damage_of
from numerai_lab.eraframe import FeatureArray, Features
from numerai_lab.features.runtime import beside

_SMALL = 32 << 20
"""Of features in memory up to this many bytes one array is made."""
_HASHED = 1 << 16


def joined(features: Features, added: Sequence[Int8], columns: Int64 | None = None) -> Features:
    """Lay added columns behind features.

    Parameters
    ----------
    features : [n_rows, n_features], in memory or on disk.
    added : int8 [n_rows, n_i] each. columns : which of all of them are given, ascending; None: all.

    Returns
    -------
    An array where the features are in memory and small; else rows are put together when they are
    read.
    """
    whole = JoinedFeatures(features, added, columns)
    small = isinstance(features, np.ndarray) and whole.size * whole.itemsize <= _SMALL
    return whole[:] if small else whole


class _Place:
    """A folder for what is derived from the rows, made when it is asked for, gone with them."""

    def __init__(self, features: Features) -> None:
        self._parent = None if isinstance(features, np.ndarray) else features.folder
        self._path: Path | None = None

    def path(self) -> Path:
        if self._path is None:
            if self._parent is not None:
                self._parent.mkdir(parents=True, exist_ok=True)
            made = tempfile.mkdtemp(prefix="transformed-", dir=self._parent)
            weakref.finalize(self, shutil.rmtree, made, ignore_errors=True)
            self._path = Path(made)
        return self._path


class JoinedFeatures:
    """Features and added columns, put together when rows are read (`StoredFeatures`).

    Parameters
    ----------
    features, added, columns : as in `joined`.
    """

    ndim = 2

    def __init__(
        self,
        features: Features,
        added: Sequence[Int8],
        columns: Int64 | None = None,
        place: _Place | None = None,
    ) -> None:
        self._raw, self._added, self._columns = features, list(added), columns
        self._place = place or _Place(features)
        n_raw = features.shape[1]
        self._raw_chosen = None
        self._added_chosen: Int64 | None = None
        if columns is not None:
            from_raw = columns[columns < n_raw]
            # neighbours from the first on need no look-up
            whole = len(from_raw) == n_raw
            self._raw_chosen = None if whole else from_raw
            self._added_chosen = columns[columns >= n_raw] - n_raw

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, n_columns)."""
        if self._columns is not None:
            return len(self), len(self._columns)
        return len(self), self._raw.shape[1] + sum(block.shape[1] for block in self._added)

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the features."""
        return self._raw.dtype

    @property
    def itemsize(self) -> int:
        """Bytes of a value."""
        return self._raw.itemsize

    @property
    def size(self) -> int:
        """Number of values."""
        return self.shape[0] * self.shape[1]

    def __len__(self) -> int:
        return len(self._raw)

    def __getitem__(self, rows: Any) -> FeatureArray:
        """Read a row, a slice of rows or an array of row numbers into a new C-order array."""
        if isinstance(rows, (int, np.integer)):
            at = int(rows) + (len(self) if rows < 0 else 0)
            if not 0 <= at < len(self):
                raise IndexError(f"row {rows} of {len(self)}")
            one: FeatureArray = self[at : at + 1][0]
            return one
        raw: Any = self._raw[rows]
        if self._raw_chosen is not None:
            raw = np.take(raw, self._raw_chosen, axis=1)
        blocks = [np.asarray(block[rows]) for block in self._added]
        added = np.concatenate(blocks, axis=1) if blocks else np.empty((len(raw), 0), np.int8)
        for block in self._added:
            release(block)
        if self._added_chosen is not None:
            added = np.take(added, self._added_chosen, axis=1)
        together: FeatureArray = beside(raw, added)
        return together

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Read everything into memory, for whoever needs one array."""
        if copy is False:
            raise ValueError("joined features are copied when they are read")
        values = self[:]
        return values if dtype is None else values.astype(dtype)

    @property
    def identity(self) -> str:
        """16 hex digits that differ wherever a row, a column or a value does."""
        digest = hashlib.sha256(repr((self.shape, self.dtype.name)).encode())
        if isinstance(self._raw, np.ndarray):
            _hash_rows(digest, self._raw)
        else:
            digest.update(self._raw.identity.encode())
        for block in self._added:
            _hash_rows(digest, block)
        if self._columns is not None:
            digest.update(np.asarray(self._columns, dtype=np.int64).tobytes())
        return digest.hexdigest()[:16]

    @property
    def folder(self) -> Path:
        """A folder for what is derived, beside the store where there is one; it goes with them."""
        return self._place.path()

    def damage_of(self, path: Path, mark: Mapping[str, Any]) -> str | None:
        """Say how a file in `folder` differs from its mark; None if it does not."""
        if isinstance(self._raw, np.ndarray):
            return damage_of(path.parent, {path.name: cast(Any, mark)})
        return self._raw.damage_of(path, mark)

    def bounds(self) -> tuple[int, int]:
        """Return (low, high): every value is at least low and at most high."""
        if isinstance(self._raw, np.ndarray):
            low, high = int(self._raw.min()), int(self._raw.max())
        else:
            low, high = self._raw.bounds()
        blocks = [block for block in self._added if block.size]
        low = min([low, *(int(block.min()) for block in blocks)])
        high = max([high, *(int(block.max()) for block in blocks)])
        return low, high

    def between(self, first: int, stop: int) -> Self:
        """Rows first..stop - 1, nothing copied."""
        raw = self._raw
        part = raw[first:stop] if isinstance(raw, np.ndarray) else raw.between(first, stop)
        blocks = [block[first:stop] for block in self._added]
        return type(self)(part, blocks, self._columns, self._place)

    def take(self, rows: Int64) -> Self:
        """Rows of increasing numbers; those in memory are copied."""
        raw = self._raw
        part = raw[rows] if isinstance(raw, np.ndarray) else raw.take(rows)
        blocks = [block[rows] for block in self._added]
        return type(self)(part, blocks, self._columns, self._place)

    def columns(self, chosen: Int64) -> Self:
        """Some columns, in ascending order only."""
        mine = np.arange(self.shape[1]) if self._columns is None else self._columns
        if np.any(np.diff(chosen) <= 0):
            raise ValueError("columns of joined features are chosen in ascending order")
        return type(self)(self._raw, self._added, mine[chosen], self._place)


def block_on_disk(n_rows: int, n_columns: int, folder: Path) -> Int8:
    """Return room for columns in a file that is gone with it, int8 [n_rows, n_columns].

    Parameters
    ----------
    folder : where the file is.
    """
    with tempfile.TemporaryFile(dir=folder) as file:  # the map keeps it until it goes
        file.truncate(n_rows * n_columns)
        return np.memmap(file, dtype=np.int8, mode="r+", shape=(n_rows, n_columns))


def release(block: Int8) -> None:
    """Give the pages of a block on disk back to the system, which keeps them in its own cache."""
    mapped = getattr(block, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _hash_rows(digest: Any, rows: Any) -> None:
    for start in range(0, len(rows), _HASHED):
        digest.update(np.ascontiguousarray(rows[start : start + _HASHED]).data)
