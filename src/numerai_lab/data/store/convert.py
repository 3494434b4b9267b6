"""Parquet to store, once: rows sorted by era, then blocks of features as they are asked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from numerai_lab.checksums import marks_of
from numerai_lab.data.dataset import SourceFile
from numerai_lab.data.reading import Encoding, Sources, column_blocks, read_targets, tiles
from numerai_lab.data.store.checks import note_written
from numerai_lab.data.store.ids import OFFSETS_FILE, TEXT_FILE, write_ids
from numerai_lab.data.store.manifest import (
    BLOCK_COLUMNS,
    CHUNK_ROWS,
    FORMAT,
    Manifest,
    StoredBlock,
    StoredFile,
    StoredMark,
    write_manifest,
)
from numerai_lab.data.store.mapping import map_aside, need_space
from numerai_lab.eraframe import MISSING_INT8
from numerai_lab.files import write_aside

Progress = Callable[[int, int], None]
"""Called with (bytes written, bytes in all)."""

ERAS_FILE = "eras.npz"

# A row group of a million rows still gives whole rows of a block at once.
_DECODED_BYTES = 64 << 20


def write_rows(folder: Path, sources: Sources, described: Sequence[SourceFile]) -> Manifest:
    """Write eras, offsets and ids of all rows, and the place of each row group's rows."""
    plan = sources.plan
    folder.mkdir(parents=True, exist_ok=True)
    id_bytes = write_ids(folder, sources)
    # What decoding eras and ids took would otherwise stay beside the features.
    pa.default_memory_pool().release_unused()
    write_eras(folder, sources)
    rule = sources.rule
    manifest = Manifest(
        format=FORMAT,
        sources=tuple(
            StoredFile(
                path=os.fspath(file.path.resolve()),
                bytes=file.bytes,
                rows=file.rows,
                sha256=file.sha256,
            )
            for file in described
        ),
        era=rule.era.column,
        id=rule.id,
        data_type=rule.data_type,
        keep_data_types=None if rule.keep_data_types is None else tuple(rule.keep_data_types),
        n_rows=plan.n_rows,
        id_bytes=id_bytes,
        counts=dict(plan.counts),
        files=written(folder, (ERAS_FILE, OFFSETS_FILE, TEXT_FILE)),
    )
    write_manifest(folder, manifest)
    return manifest


def write_eras(folder: Path, sources: Sources) -> None:
    """Write the era numbers and the offset of each era's rows."""
    plan = sources.plan
    with write_aside(folder / ERAS_FILE) as part, part.open("wb") as file:
        if plan.dates is None:
            np.savez(file, eras=plan.eras, offsets=plan.offsets)
        else:
            np.savez(file, eras=plan.eras, offsets=plan.offsets, dates=plan.dates)


def write_target(file: Path, sources: Sources, column: str) -> None:
    """Write a target of all rows."""
    values = read_targets(sources.files, sources.plan, [column])[:, 0]
    with write_aside(file) as part, part.open("wb") as handle:
        np.save(handle, np.ascontiguousarray(values))


def written(folder: Path, names: Sequence[str]) -> dict[str, StoredMark]:
    """Return the marks of small files that were just written."""
    found = {name: StoredMark(**mark) for name, mark in marks_of(folder, names).items()}
    for name in names:
        note_written(folder / name)
    return found


def add_features(
    folder: Path,
    manifest: Manifest,
    sources: Sources,
    names: Sequence[str],
    progress: Progress,
) -> Manifest:
    """Write blocks of the features that the store does not have yet.

    Memory: two times 64 MB of a row group's columns and 16 MB of the block they go to, whatever
    the number of rows and features.
    """
    size = manifest.n_rows * len(names)
    need_space(folder, size)
    for first in range(0, len(names), BLOCK_COLUMNS):
        chosen = tuple(names[first : first + BLOCK_COLUMNS])
        file = f"{len(manifest.blocks):04d}.i8"
        before = manifest.n_rows * first

        def report(done: int, before: int = before) -> None:
            progress(before + done, size)

        block = write_block(folder, file, sources, chosen, report)
        manifest = manifest.model_copy(update={"blocks": (*manifest.blocks, block)})
        write_manifest(folder, manifest)
    return manifest


def write_block(
    folder: Path,
    file: str,
    sources: Sources,
    features: tuple[str, ...],
    progress: Callable[[int], None],
) -> StoredBlock:
    """Write a file with some features of all rows.

    Parameters
    ----------
    progress : called with the bytes written so far.
    """
    plan = sources.plan
    done = 0
    low, high, n_missing = [], [], 0
    sums: list[Future[str]] = []
    with (
        ThreadPoolExecutor(1) as hashing,
        map_aside(folder / file, (plan.n_rows, len(features))) as values,
    ):
        for piece, at, columns in column_blocks(
            sources.files, plan.pieces, features, Encoding.BINS, _DECODED_BYTES
        ):
            for place, tile in tiles(piece, columns, np.int8):
                values.put(place, at, tile.astype(np.int8, copy=False))
            done += piece.n_rows * len(columns)
            progress(done)
        for start in range(0, plan.n_rows, CHUNK_ROWS):
            rows = values.array[start : start + CHUNK_ROWS]
            sums.append(hashing.submit(_sha256, rows))
            n_missing += int(np.count_nonzero(rows == MISSING_INT8))
            low.append(int(rows.min()))
            high.append(int(rows.max()))
            sums[-1].result()
            values.release()
    note_written(folder / file, len(sums))
    return StoredBlock(
        file=file,
        features=features,
        lowest=min(low),
        highest=max(high),
        n_missing=n_missing,
        sha256=tuple(future.result() for future in sums),
    )


def _sha256(rows: npt.NDArray[np.int8]) -> str:
    return hashlib.sha256(rows.data).hexdigest()


def add_targets(
    folder: Path, manifest: Manifest, sources: Sources, columns: Sequence[str]
) -> Manifest:
    """Write the target columns that the store does not have yet, one file each."""
    need_space(folder, 4 * manifest.n_rows * len(columns))
    for column in columns:
        name = target_file(len(manifest.targets))
        write_target(folder / name, sources, column)
        manifest = manifest.model_copy(
            update={
                "targets": (*manifest.targets, column),
                "files": {**manifest.files, **written(folder, [name])},
            }
        )
        write_manifest(folder, manifest)
    return manifest


def target_file(number: int) -> str:
    """Name the file of a target: by its position, as a column's name may hold anything."""
    return f"target-{number:04d}.npy"
