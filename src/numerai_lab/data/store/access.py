"""Take rows from a store that holds them, and whose files have been checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from numerai_lab.arrays import Int64
from numerai_lab.config import EraColumn
from numerai_lab.data.reading import Dates, EraFilter, reading, unit_of
from numerai_lab.data.store.checks import Hashed, Verify, touched_chunks
from numerai_lab.data.store.convert import ERAS_FILE, target_file
from numerai_lab.data.store.features import Block, BlockFeatures
from numerai_lab.data.store.ids import open_ids
from numerai_lab.data.store.manifest import CHUNK_ROWS, Manifest
from numerai_lab.errors import DataError


@dataclass(frozen=True)
class ChosenRows:
    """Which rows of a store are taken, without a feature having been read.

    Attributes
    ----------
    eras, offsets : as in EraFrame.
    keep : bool [rows of the store]. runs : int64 [n_runs, 2], first and stop of neighbours kept.
    counts : what became of the others. dates, notes : as in RowPlan.
    """

    eras: npt.NDArray[np.int32]
    offsets: Int64
    keep: npt.NDArray[np.bool_]
    runs: Int64
    counts: Counter[str]
    dates: Dates | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class StoredRows:
    """Rows taken from a store; fields as in EraFrame.

    Attributes
    ----------
    n_missing : missing values among all rows of the blocks that hold the features; an upper
        bound for the rows taken.
    """

    features: BlockFeatures
    ids: pa.Array
    targets: npt.NDArray[np.float32]
    n_missing: int


@dataclass(frozen=True)
class Store:
    """A store on disk that holds what was asked for."""

    folder: Path
    manifest: Manifest
    era: EraColumn

    def choose(self, wanted: EraFilter, label: str | None) -> ChosenRows:
        """Choose the rows of wanted eras that have the label.

        Parameters
        ----------
        wanted : of an array of era numbers, which are wanted.
        label : the target that must not be missing, or None.

        Raises
        ------
        DataError : no row is left.
        """
        path = self.folder / ERAS_FILE
        with reading(path), np.load(path) as saved:
            eras, offsets = saved["eras"], saved["offsets"]
            dates = saved.get("dates")
        notes = unit_of(eras, dates, self.era, str(self.folder))
        counts = Counter(self.manifest.counts)
        keep_eras = wanted(eras)
        sizes = np.diff(offsets)
        keep = np.repeat(keep_eras, sizes)
        counts["rows_outside_eras"] = int(sizes[~keep_eras].sum())
        if label is not None:
            labelled = ~np.isnan(self._target(label))
            counts["rows_without_target"] = int(np.count_nonzero(keep & ~labelled))
            keep &= labelled
        kept = np.add.reduceat(keep, offsets[:-1], dtype=np.int64)
        counts["rows"] = int(kept.sum())
        counts = +counts
        if not counts["rows"]:
            lost = [f"{n:,} {key.replace('_', ' ')}" for key, n in counts.items() if "rows_" in key]
            raise DataError(
                f"no rows are left: {', '.join(lost)}",
                where=str(self.folder),
                fix="check data.eras and data.targets",
            )
        return ChosenRows(
            eras=eras[kept > 0],
            offsets=np.concatenate([[0], np.cumsum(kept[kept > 0])]),
            keep=keep,
            runs=_runs(keep),
            counts=counts,
            dates=None if dates is None else dates[kept > 0],
            notes=notes,
        )

    def hashed(self, features: Sequence[str], runs: Int64) -> dict[int, Hashed]:
        """Return, by number, the blocks of features, with the chunks that hold runs of rows."""
        place = self.manifest.place_of()
        found = {}
        for number in sorted({place[name][0] for name in features}):
            block = self.manifest.blocks[number]
            width = len(block.features)
            found[number] = Hashed(
                path=self.folder / block.file,
                size=self.manifest.n_rows * width,
                chunk=CHUNK_ROWS * width,
                sha256=block.sha256,
                wanted=touched_chunks(runs, CHUNK_ROWS, len(block.sha256)),
            )
        return found

    def rows(
        self,
        chosen: ChosenRows,
        features: Sequence[str],
        targets: Sequence[str],
        verify: Verify,
    ) -> StoredRows:
        """Take rows; features are mapped, and read by whoever asks for them.

        Parameters
        ----------
        features, targets : columns to give, all of them in the store.
        verify : as files that are derived from the features are to be checked.

        Raises
        ------
        DataError : a file is not there, or has another size.
        """
        place = self.manifest.place_of()
        blocks = {name: place[name][0] for name in features}
        opened = {number: self._block(number) for number in sorted(set(blocks.values()))}
        numbers = {number: position for position, number in enumerate(opened)}
        columns = [(numbers[place[name][0]], place[name][1]) for name in features]
        return StoredRows(
            features=BlockFeatures(
                list(opened.values()), columns, chosen.runs, self.folder, verify
            ),
            ids=self._ids(chosen),
            targets=self._targets(targets, chosen.keep),
            n_missing=sum(self.manifest.blocks[number].n_missing for number in opened),
        )

    def _block(self, number: int) -> Block:
        block = self.manifest.blocks[number]
        shape = (self.manifest.n_rows, len(block.features))
        return Block(self.folder / block.file, shape, (block.lowest, block.highest), block.sha256)

    def _target(self, column: str) -> Any:
        path = self.folder / target_file(self.manifest.targets.index(column))
        with reading(path):
            return np.load(path, mmap_mode="r")

    def _targets(
        self, columns: Sequence[str], keep: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.float32]:
        values = np.empty((int(keep.sum()), len(columns)), dtype=np.float32)
        for i, column in enumerate(columns):
            values[:, i] = self._target(column)[keep]
        return values

    def _ids(self, chosen: ChosenRows) -> pa.Array:
        ids = open_ids(self.folder)
        if len(chosen.runs) == 1:
            first, stop = chosen.runs[0].tolist()
            return ids.slice(first, stop - first)
        return ids.filter(pa.array(chosen.keep))


def _runs(keep: npt.NDArray[np.bool_]) -> Int64:
    """Return [first, stop) of each run of kept rows."""
    edges = np.flatnonzero(keep[1:] != keep[:-1]) + 1
    outer = [np.flatnonzero(keep[:1]), edges, np.flatnonzero(keep[-1:]) + len(keep)]
    return np.concatenate(outer).reshape(-1, 2).astype(np.int64)
