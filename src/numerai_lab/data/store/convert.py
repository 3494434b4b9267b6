"""Parquet to store, once: rows sorted by era, then blocks of features as they are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from numerai_lab.data.dataset import SourceFile
from numerai_lab.data.rows import Sources
from numerai_lab.data.store.ids import write_ids
from numerai_lab.data.store.manifest import (
    BLOCK_COLUMNS,
    FORMAT,
    Manifest,
    StoredBlock,
    StoredFile,
    write_manifest,
)
from numerai_lab.data.store.mapping import map_aside, need_space
from numerai_lab.data.values import Encoding, column_blocks, read_targets, tiles
from numerai_lab.eraframe import MISSING_INT8
from numerai_lab.files import write_aside

Progress = Callable[[int, int], None]
"""Called with (bytes written, bytes in all)."""

_COUNT_ROWS = 1 << 18
# A row group of a million rows still gives whole rows of a block at once.
_DECODED_BYTES = 64 << 20


def write_rows(folder: Path, sources: Sources, described: Sequence[SourceFile]) -> Manifest:
    """Write eras, offsets and ids of all rows, and the place of each row group's rows."""
    plan = sources.plan
    folder.mkdir(parents=True, exist_ok=True)
    id_bytes = write_ids(folder, sources)
    # What decoding eras and ids took would otherwise stay beside the features.
    pa.default_memory_pool().release_unused()
    with write_aside(folder / "eras.npz") as part, part.open("wb") as file:
        if plan.dates is None:
            np.savez(file, eras=plan.eras, offsets=plan.offsets)
        else:
            np.savez(file, eras=plan.eras, offsets=plan.offsets, dates=plan.dates)
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
    )
    write_manifest(folder, manifest)
    return manifest


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
    plan = sources.plan
    need_space(folder, manifest.n_rows * len(names))
    done = 0
    for first in range(0, len(names), BLOCK_COLUMNS):
        chosen = tuple(names[first : first + BLOCK_COLUMNS])
        file = f"{len(manifest.blocks):04d}.i8"
        low, high, n_missing = [], [], 0
        with map_aside(folder / file, (manifest.n_rows, len(chosen))) as values:
            for piece, at, columns in column_blocks(
                sources.files, plan.pieces, chosen, Encoding.BINS, _DECODED_BYTES
            ):
                for place, tile in tiles(piece, columns, np.int8):
                    values.put(place, at, tile.astype(np.int8, copy=False))
                done += piece.n_rows * len(columns)
                progress(done, manifest.n_rows * len(names))
            for start in range(0, manifest.n_rows, _COUNT_ROWS):
                rows = values.array[start : start + _COUNT_ROWS]
                n_missing += int(np.count_nonzero(rows == MISSING_INT8))
                low.append(int(rows.min()))
                high.append(int(rows.max()))
                values.release()
        block = StoredBlock(
            file=file,
            features=chosen,
            lowest=min(low),
            highest=max(high),
            n_missing=n_missing,
        )
        manifest = manifest.model_copy(update={"blocks": (*manifest.blocks, block)})
        write_manifest(folder, manifest)
    return manifest


def add_targets(
    folder: Path, manifest: Manifest, sources: Sources, columns: Sequence[str]
) -> Manifest:
    """Write the target columns that the store does not have yet, one file each."""
    plan = sources.plan
    need_space(folder, 4 * manifest.n_rows * len(columns))
    for column in columns:
        values = read_targets(sources.files, plan, [column])[:, 0]
        file = folder / target_file(len(manifest.targets))
        with write_aside(file) as part, part.open("wb") as handle:
            np.save(handle, np.ascontiguousarray(values))
        manifest = manifest.model_copy(update={"targets": (*manifest.targets, column)})
        write_manifest(folder, manifest)
    return manifest


def target_file(number: int) -> str:
    """Name the file of a target: by its position, as a column's name may hold anything."""
    return f"target-{number:04d}.npy"
