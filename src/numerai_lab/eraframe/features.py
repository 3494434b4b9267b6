"""Features in memory or on disk, and how parts of either are taken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self, cast, runtime_checkable

import numpy as np
import numpy.typing as npt

MISSING_INT8 = -1
"""How a missing value is written in int8 features; float32 features use NaN."""

FeatureArray = npt.NDArray[np.int8] | npt.NDArray[np.float32]


@runtime_checkable
class StoredFeatures(Protocol):
    """Features that stay on disk: rows come into memory when they are asked for, as an array.

    Whoever reads them takes a slice of rows (an era, a batch) at a time, as all of the lab does.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, n_features)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """int8 or float32."""
        ...

    @property
    def itemsize(self) -> int:
        """Bytes of a value."""
        ...

    @property
    def ndim(self) -> int:
        """Two."""
        ...

    @property
    def size(self) -> int:
        """Number of values."""
        ...

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def __getitem__(self, rows: Any) -> FeatureArray:
        """Read a row, a slice of rows or an array of row numbers into a new C-order array."""
        ...

    @property
    def identity(self) -> str:
        """Hex digits that differ wherever a row, a feature or a value does."""
        ...

    @property
    def folder(self) -> Path:
        """Where files may be kept that were derived from them, under names with `identity`."""
        ...

    def damage_of(self, path: Path, mark: Mapping[str, Any]) -> str | None:
        """Say how a file in `folder` differs from its mark (see `checksums`); None if it does not.

        Huge files may be trusted as `data.store.verify` says.
        """
        ...

    def bounds(self) -> tuple[int, int]:
        """Return (low, high): every value is at least low and at most high.

        Taken from what is recorded about the files, which may speak of more rows and features
        than these, so that there need not be a value equal to either. Reads no values.
        """
        ...

    def between(self, first: int, stop: int) -> Self:
        """Rows first..stop - 1, still on disk."""
        ...

    def take(self, rows: npt.NDArray[np.int64]) -> Self:
        """Rows of increasing numbers, still on disk."""
        ...

    def columns(self, chosen: npt.NDArray[np.int64]) -> Self:
        """Some features, still on disk."""
        ...


Features = FeatureArray | StoredFeatures
"""Features in memory, or on disk."""


def rows_between(features: Features, first: int, stop: int) -> Features:
    """Return rows first..stop - 1, as a view."""
    if isinstance(features, np.ndarray):
        return features[first:stop]
    return features.between(first, stop)


def take_rows(features: Features, rows: npt.NDArray[np.int64]) -> Features:
    """Return rows of increasing numbers: a copy, or still on disk."""
    if isinstance(features, np.ndarray):
        return features[rows]
    return features.take(rows)


def take_columns(features: Features, chosen: npt.NDArray[np.int64]) -> Features:
    """Return some columns by number: a copy in C-order, or still on disk."""
    if isinstance(features, np.ndarray):
        taken: Any = np.take(features, chosen, axis=1)  # C-order
        return cast(FeatureArray, taken)
    return features.columns(chosen)
