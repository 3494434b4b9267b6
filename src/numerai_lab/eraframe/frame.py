"""EraFrame: the one data structure that flows through the lab.

Rows are sorted by era, so an era, a run of eras or an expanding window is a view of the
same memory, never a copy. It is deliberately not a DataFrame: one contiguous array of
features is what the libraries read, and it stays int8 from disk to tree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from numerai_lab.eraframe.features import (
    MISSING_INT8,
    FeatureArray,
    Features,
    rows_between,
    take_columns,
    take_rows,
)
from numerai_lab.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

_ROWS_HASHED = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class EraFrame:
    """Rows of one or more eras, sorted by era.

    Attributes
    ----------
    features : int8 [n_rows, n_features], C-order; values 0..4 in Numerai's files and
        `MISSING_INT8` where missing. float32 (NaN where missing) only for sources that are
        not binned. `StoredFeatures` when they stay on disk.
    eras : int32 [n_eras], strictly increasing era numbers.
    offsets : int64 [n_eras + 1]; rows of `eras[i]` are `offsets[i]:offsets[i + 1]`.
    ids : pyarrow string array [n_rows], unique.
    targets : float32 [n_rows, n_targets], NaN where there is no label.
    feature_names, target_names : column names of `features` and `targets`.
    entity : pyarrow string array [n_rows], what a row is about (a ticker), once an era: rows of
        different eras are joined by it. None where rows cannot be followed, as Numerai's.
    side : name -> pyarrow array [n_rows] (float64, string or date32, null where missing), columns
        beside the features that are known at their era and that no model trains on: past returns,
        volatility, sector, date. They are there at prediction; what becomes known only later
        belongs among the targets.
    """

    features: Features
    eras: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    ids: pa.Array
    targets: npt.NDArray[np.float32]
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    entity: pa.Array | None = None
    side: Mapping[str, pa.Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.ids)
        if self.features.dtype not in (np.int8, np.float32):
            raise DataError(f"features are {self.features.dtype}, they must be int8 or float32")
        if self.features.shape != (n, len(self.feature_names)):
            raise DataError(
                f"features have shape {self.features.shape}, ids and names say "
                f"{(n, len(self.feature_names))}"
            )
        if self.targets.shape != (n, len(self.target_names)):
            raise DataError(
                f"targets have shape {self.targets.shape}, ids and names say "
                f"{(n, len(self.target_names))}"
            )
        if len(self.offsets) != len(self.eras) + 1 or self.offsets[0] != 0 or self.offsets[-1] != n:
            raise DataError(f"offsets do not cover the {n} rows of {len(self.eras)} eras")
        if len(self.eras) > 1 and not bool(np.all(np.diff(self.eras) > 0)):
            raise DataError("eras are not strictly increasing")
        if not bool(np.all(np.diff(self.offsets) > 0)):
            raise DataError("an era has no rows")
        beside = self.side if self.entity is None else {**self.side, "entity": self.entity}
        for name, column in beside.items():
            if len(column) != n:
                raise DataError(f"'{name}' has {len(column)} values beside {n} rows")
        twice = [name for name in self.side if name in {*self.feature_names, *self.target_names}]
        if twice:
            raise DataError(f"'{twice[0]}' is beside the features, and among features or targets")

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.ids)

    @property
    def n_features(self) -> int:
        """Number of feature columns."""
        return len(self.feature_names)

    @property
    def n_eras(self) -> int:
        """Number of eras."""
        return len(self.eras)

    @property
    def row_eras(self) -> npt.NDArray[np.int32]:
        """The era number of each row, int32 [n_rows] (a new array)."""
        return np.repeat(self.eras, np.diff(self.offsets))

    @property
    def row_labels(self) -> pa.Array:
        """The era of each row as Numerai's files write it ("0575"), string [n_rows], new."""
        labels = pa.array([era_label(era) for era in self.eras.tolist()], pa.string())
        return labels.take(pa.array(np.repeat(np.arange(self.n_eras), np.diff(self.offsets))))

    def target(self, name: str) -> npt.NDArray[np.float32]:
        """Return one target, float32 [n_rows], as a view. Raises DataError if it is not loaded."""
        if name not in self.target_names:
            raise DataError(
                f"target '{name}' is not loaded (loaded: {', '.join(self.target_names) or 'none'})"
                + did_you_mean(name, self.target_names)
            )
        column: npt.NDArray[np.float32] = self.targets[:, self.target_names.index(name)]
        return column

    def side_column(self, name: str) -> pa.Array:
        """Return a column of `side`. Raises DataError if it is not loaded."""
        if name not in self.side:
            raise DataError(
                f"column '{name}' is not loaded beside the features (loaded: "
                f"{', '.join(self.side) or 'none'})" + did_you_mean(name, self.side),
                fix="name it in data.side",
            )
        return self.side[name]

    def features_in_memory(self) -> FeatureArray:
        """Return the features as one array: what is there, or all of them read from disk."""
        features = self.features
        return features if isinstance(features, np.ndarray) else features[:]

    def identity(self) -> str:
        """Return the SHA-256 of all that is in the frame, as 64 hex digits.

        Features on disk count by their store's identity, which is known; those in memory are read.
        """
        digest = hashlib.sha256()
        stored = None if isinstance(self.features, np.ndarray) else self.features.identity
        names = [self.feature_names, self.target_names, str(self.features.dtype), stored]
        digest.update(json.dumps(names).encode())
        for array in (self.eras, self.offsets, self.targets):
            digest.update(np.ascontiguousarray(array).data)
        texts = {"id": self.ids, "entity": self.entity, **self.side}
        columns = {name: column for name, column in texts.items() if column is not None}
        for start in range(0, self.n_rows, _ROWS_HASHED):
            some = {name: column.slice(start, _ROWS_HASHED) for name, column in columns.items()}
            digest.update(pa.RecordBatch.from_pydict(some).serialize())
            if stored is None:
                rows = self.features[start : start + _ROWS_HASHED]
                digest.update(np.ascontiguousarray(rows).data)
        return digest.hexdigest()

    def iter_eras(self) -> Iterator[tuple[int, slice]]:
        """Yield (era number, slice of its rows) in order."""
        for era, start, stop in zip(self.eras, self.offsets[:-1], self.offsets[1:], strict=True):
            yield int(era), slice(int(start), int(stop))

    def _between_positions(self, first: int, stop: int) -> EraFrame:
        a, b = int(self.offsets[first]), int(self.offsets[stop])
        return replace(
            self,
            features=rows_between(self.features, a, b),
            eras=self.eras[first:stop],
            offsets=self.offsets[first : stop + 1] - a,
            ids=self.ids.slice(a, b - a),
            targets=self.targets[a:b],
            entity=None if self.entity is None else self.entity.slice(a, b - a),
            side={name: column.slice(a, b - a) for name, column in self.side.items()},
        )

    def between(self, first: int, last: int) -> EraFrame:
        """Return the eras numbered first..last (both included) as a view; may be empty."""
        i, j = np.searchsorted(self.eras, [first, last + 1])
        return self._between_positions(int(i), max(int(i), int(j)))

    def select_eras(self, eras: Sequence[int] | npt.NDArray[np.int32]) -> EraFrame:
        """Return the given eras: a view when they are neighbours here, else a copy.

        Raises DataError when one of them is not in the frame.
        """
        wanted = np.unique(np.asarray(eras, dtype=np.int32))
        positions = np.searchsorted(self.eras, wanted)
        found = positions < self.n_eras
        if not found.all() or not np.array_equal(self.eras[positions], wanted):
            absent = sorted(set(wanted.tolist()) - set(self.eras.tolist()))
            raise DataError(f"eras {absent[:5]} are not in the frame")
        if len(wanted) == 0 or positions[-1] - positions[0] + 1 == len(wanted):
            first = int(positions[0]) if len(wanted) else 0
            return self._between_positions(first, first + len(wanted))
        mask = np.zeros(self.n_eras, dtype=bool)
        mask[positions] = True
        return self.take(np.flatnonzero(np.repeat(mask, np.diff(self.offsets))))

    def take(self, rows: npt.NDArray[np.int64]) -> EraFrame:
        """Return the given rows (increasing row numbers) as a copy; empty eras disappear."""
        counts = np.bincount(
            np.searchsorted(self.offsets, rows, side="right") - 1, minlength=self.n_eras
        )
        kept = counts > 0
        chosen = pa.array(rows)
        return replace(
            self,
            features=take_rows(self.features, rows),
            eras=self.eras[kept],
            offsets=np.concatenate([[0], np.cumsum(counts[kept])]).astype(np.int64),
            ids=self.ids.take(chosen),
            targets=self.targets[rows],
            entity=None if self.entity is None else self.entity.take(chosen),
            side={name: column.take(chosen) for name, column in self.side.items()},
        )

    def to_pandas(
        self,
        eras: Iterable[int | str] | None = None,
        features: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return rows as Numerai's files hold them: index `id`, `era` ("0575"), features, targets.

        Parameters
        ----------
        eras : numbers or labels (575, "0575"); None: all. features : their names; None: all.

        Returns
        -------
        A copy in memory. Features are int8, but float32 with NaN where a value is missing; targets
        are float32. `entity` and `side` columns stand after the era.

        Raises
        ------
        DataError : an era or a feature that is not in the frame.
        """
        import pandas as pd

        rows = self if eras is None else self.select_eras([int(era) for era in eras])
        rows = rows if features is None else rows.with_features(features)
        values = rows.features_in_memory()
        missing = MISSING_INT8 if values.dtype == np.int8 else None
        beside = rows.side if rows.entity is None else {"entity": rows.entity, **rows.side}
        columns: dict[str, Any] = {"era": rows.row_labels.to_pandas()}
        columns |= {name: column.to_pandas() for name, column in beside.items()}
        for name, column in zip(rows.feature_names, values.T, strict=True):
            absent = column == missing
            known = np.where(absent, np.float32(np.nan), column) if absent.any() else column
            columns[name] = np.ascontiguousarray(known)
        columns |= dict(zip(rows.target_names, rows.targets.T.copy(), strict=True))
        table = pd.DataFrame(columns)
        return table.set_index(pd.Index(rows.ids.to_pandas(), name="id"))

    def with_features(self, names: Sequence[str]) -> EraFrame:
        """Return the same rows with the given features: as they are, else a copy in memory.

        Raises DataError when one of them is not in the frame.
        """
        if tuple(names) == self.feature_names:
            return self
        place = {name: i for i, name in enumerate(self.feature_names)}
        absent = [name for name in names if name not in place]
        if absent:
            raise DataError(f"feature '{absent[0]}' is not in the frame")
        numbers = np.array([place[name] for name in names], dtype=np.int64)
        return replace(
            self, features=take_columns(self.features, numbers), feature_names=tuple(names)
        )

    def with_target(self, name: str, values: npt.NDArray[Any]) -> EraFrame:
        """Return the same rows with one target, of the given values [n_rows], as float32."""
        column = np.asarray(values, dtype=np.float32)[:, None]
        return replace(self, targets=column, target_names=(name,))

    def without_targets(self) -> EraFrame:
        """Return the same rows with no target columns: all that a model may see at prediction."""
        return replace(self, targets=np.empty((self.n_rows, 0), dtype=np.float32), target_names=())


def era_label(era: int) -> str:
    """Return an era's number as Numerai's files write it.

    Examples
    --------
    >>> era_label(575)
    '0575'
    """
    return f"{era:04d}"


def end_to_end(parts: Sequence[EraFrame]) -> EraFrame:
    """Lay frames of the same columns end to end, in memory; a frame without eras adds nothing.

    Raises DataError unless eras increase from each frame to the next.
    """
    some = [part for part in parts if part.n_eras] or list(parts[:1])
    if len(some) == 1:
        return some[0]
    first = some[0]
    starts = np.cumsum([0, *(part.n_rows for part in some[:-1])])
    inner = [part.offsets[1:] + start for part, start in zip(some, starts, strict=True)]
    features: Any = np.concatenate([part.features_in_memory() for part in some])
    return replace(
        first,
        features=features,
        eras=np.concatenate([part.eras for part in some]),
        offsets=np.concatenate([np.zeros(1, dtype=np.int64), *inner]),
        ids=pa.concat_arrays([part.ids for part in some]),
        targets=np.concatenate([part.targets for part in some]),
        entity=None if first.entity is None else pa.concat_arrays([p.entity for p in some]),
        side={name: pa.concat_arrays([part.side[name] for part in some]) for name in first.side},
    )
