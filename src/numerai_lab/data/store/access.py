"""Open a store, making or completing it first, and take rows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from numerai_lab.config import EraColumn
from numerai_lab.data.dataset import SourceFile
from numerai_lab.data.era_unit import Dates, unit_of
from numerai_lab.data.files import reading
from numerai_lab.data.rows import Sources
from numerai_lab.data.store.convert import (
    Progress,
    add_features,
    add_targets,
    target_file,
    write_rows,
)
from numerai_lab.data.store.features import Block, BlockFeatures
from numerai_lab.data.store.ids import OFFSETS_FILE, TEXT_FILE, open_ids
from numerai_lab.data.store.manifest import FORMAT, Manifest, read_manifest, store_name
from numerai_lab.errors import DataError
from numerai_lab.files import waiting_lock

Int64 = npt.NDArray[np.int64]
Say = Callable[[str], None]


@dataclass(frozen=True)
class StoredRows:
    """Rows taken from a store; fields as in EraFrame, and what became of the others.

    Attributes
    ----------
    n_missing : missing values among all rows of the blocks that hold the features; an upper
        bound for the rows taken.
    dates, notes : as in RowPlan.
    """

    features: BlockFeatures
    eras: npt.NDArray[np.int32]
    offsets: Int64
    ids: pa.Array
    targets: npt.NDArray[np.float32]
    counts: Counter[str]
    n_missing: int
    dates: Dates | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Store:
    """A store on disk that holds what was asked for."""

    folder: Path
    manifest: Manifest
    era: EraColumn

    def rows(
        self,
        features: Sequence[str],
        targets: Sequence[str],
        wanted: Callable[[npt.NDArray[np.int32]], npt.NDArray[np.bool_]],
        label: str | None,
    ) -> StoredRows:
        """Take the rows of wanted eras that have the label, without reading a feature.

        Parameters
        ----------
        features, targets : columns to give, all of them in the store.
        wanted : of an array of era numbers, which are wanted.
        label : the target that must not be missing, or None.

        Raises
        ------
        DataError : a file is damaged, or no row is left.
        """
        with reading(self.folder / "eras.npz"), np.load(self.folder / "eras.npz") as saved:
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
        runs = _runs(keep)
        place = self.manifest.place_of()
        blocks = {name: place[name][0] for name in features}
        opened = {number: self._block(number) for number in sorted(set(blocks.values()))}
        numbers = {number: position for position, number in enumerate(opened)}
        columns = [(numbers[place[name][0]], place[name][1]) for name in features]
        return StoredRows(
            features=BlockFeatures(list(opened.values()), columns, runs, self.folder),
            eras=eras[kept > 0],
            dates=None if dates is None else dates[kept > 0],
            notes=notes,
            offsets=np.concatenate([[0], np.cumsum(kept[kept > 0])]),
            ids=self._ids(runs, keep),
            targets=self._targets(targets, keep),
            counts=counts,
            n_missing=sum(self.manifest.blocks[number].n_missing for number in opened),
        )

    def _block(self, number: int) -> Block:
        block = self.manifest.blocks[number]
        shape = (self.manifest.n_rows, len(block.features))
        return Block(self.folder / block.file, shape, (block.lowest, block.highest))

    def _target(self, column: str) -> Any:
        path = self.folder / target_file(self.manifest.targets.index(column))
        with reading(path):
            try:
                values = np.load(path, mmap_mode="r")
            except ValueError as error:
                raise OSError(str(error)) from error
        return values

    def _targets(
        self, columns: Sequence[str], keep: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.float32]:
        values = np.empty((int(keep.sum()), len(columns)), dtype=np.float32)
        for i, column in enumerate(columns):
            values[:, i] = self._target(column)[keep]
        return values

    def _ids(self, runs: Int64, keep: npt.NDArray[np.bool_]) -> pa.Array:
        ids = open_ids(self.folder, self.manifest.n_rows)
        if len(runs) == 1:
            first, stop = runs[0].tolist()
            return ids.slice(first, stop - first)
        return ids.filter(pa.array(keep))


def open_store(
    parent: Path,
    sources: Sources,
    described: Sequence[SourceFile],
    features: Sequence[str],
    targets: Sequence[str],
    *,
    say: Say,
    progress: Progress,
) -> Store:
    """Open the store of these sources, adding the features and targets that it lacks.

    Processes take turns in writing: the second one waits for the first, and then finds its
    work done. Whatever the manifest names is complete; a file cut short behind its back is
    found by its size.

    Parameters
    ----------
    parent : folder of all stores. described : the sources with their hashes.

    Raises
    ------
    DataError : the sources are damaged, or a stored file is. MachineError : the disk is full.
    """
    folder = _folder(parent, sources, described)
    manifest = _sound(folder)
    if manifest is not None and not _lacks(manifest, features, targets):
        return Store(folder, manifest, sources.rule.era)
    busy = f"another process is writing the store {folder}: waiting for it"
    with waiting_lock(folder / ".lock", lambda: say(busy)):
        for left in folder.glob(".*.part"):  # of a process that was killed: nobody else writes now
            left.unlink()
        manifest = _sound(folder)
        if manifest is None:
            if (folder / "manifest.json").exists():
                say(f"the store {folder} is damaged (cut short, or not readable): made again")
                (folder / "manifest.json").unlink()
            _say_older(parent, sources, described, say)
            manifest = write_rows(folder, sources, described)
        place = manifest.place_of()
        new = [name for name in features if name not in place]
        if new:
            say(
                f"converting {len(new):,} features x {manifest.n_rows:,} rows to the store "
                f"{folder} ({len(new) * manifest.n_rows / 2**30:.2f} GiB), once"
            )
            manifest = add_features(folder, manifest, sources, new, progress)
        absent = [name for name in targets if name not in manifest.targets]
        if absent:
            manifest = add_targets(folder, manifest, sources, absent)
    return Store(folder, manifest, sources.rule.era)


def holds(
    parent: Path,
    sources: Sources,
    described: Sequence[SourceFile],
    features: Sequence[str],
    targets: Sequence[str],
) -> bool:
    """Tell whether a store has all these features and targets."""
    manifest = _sound(_folder(parent, sources, described))
    return manifest is not None and not _lacks(manifest, features, targets)


def _folder(
    parent: Path, sources: Sources, described: Sequence[SourceFile], version: int = FORMAT
) -> Path:
    rule = sources.rule
    kept = None if rule.keep_data_types is None else list(rule.keep_data_types)
    # A format is part of the name only where one is written: other stores keep theirs.
    era = rule.era.column if rule.era.format == "auto" else [rule.era.column, rule.era.format]
    return parent / store_name(described, [era, rule.id, rule.data_type, kept], version)


def _say_older(parent: Path, sources: Sources, described: Sequence[SourceFile], say: Say) -> None:
    for version in range(1, FORMAT):
        older = _folder(parent, sources, described, version)
        if older.is_dir():
            say(
                f"the store {older} has the format of an older version: made again beside it "
                f"(numerai-lab data prune --stores removes the old one)"
            )


def _sound(folder: Path) -> Manifest | None:
    """Read the manifest, if all that it names is there in full size."""
    manifest = read_manifest(folder)
    if manifest is None:
        return None
    sizes = {block.file: manifest.n_rows * len(block.features) for block in manifest.blocks}
    sizes |= {OFFSETS_FILE: 4 * (manifest.n_rows + 1), TEXT_FILE: max(1, manifest.id_bytes)}
    header = 128  # of numpy's format, for these shapes
    sizes |= {
        target_file(number): header + 4 * manifest.n_rows for number in range(len(manifest.targets))
    }
    try:
        whole = all((folder / name).stat().st_size == size for name, size in sizes.items())
        whole = whole and (folder / "eras.npz").is_file()
    except OSError:
        return None
    return manifest if whole else None


def _lacks(manifest: Manifest, features: Sequence[str], targets: Sequence[str]) -> bool:
    place = manifest.place_of()
    return not (all(f in place for f in features) and set(targets) <= set(manifest.targets))


def _runs(keep: npt.NDArray[np.bool_]) -> Int64:
    """Return [first, stop) of each run of kept rows."""
    edges = np.flatnonzero(keep[1:] != keep[:-1]) + 1
    outer = [np.flatnonzero(keep[:1]), edges, np.flatnonzero(keep[-1:]) + len(keep)]
    return np.concatenate(outer).reshape(-1, 2).astype(np.int64)
