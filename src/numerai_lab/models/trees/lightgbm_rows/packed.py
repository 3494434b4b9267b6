"""Binned rows written straight to LightGBM's own file, four bits a value.

LightGBM bins value by value, which is most of the time to the first tree, and loads a Dataset
that it has saved in a twentieth of that. With known bins the bin of a value is one look-up, so
the file is written here. Its layout is documented nowhere, and nothing about it is taken on
trust: `learn_layout` lets LightGBM save two small Datasets of the same features, reads the
layout off one of them and writes the other itself. Unless that is byte for byte what LightGBM
wrote, there is no layout, and LightGBM bins the rows.

Only `binned.py` may import this module. To remove it, delete this file and its test; in
`binned.py` delete `BinnedRows._layout`, `Taken` and every `taken`, let `_rows_in_memory` return
`self._dataset(_Rows(features), known)` and `_kept_rows` always save the Dataset that LightGBM has
binned. Trees stay the same, as every bin does; binning takes longer (benchmarks/RESULTS.md).
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import UInt8
from numerai_lab.eraframe import FeatureArray, Features
from numerai_lab.machine import usable_cores
from numerai_lab.models.trees.lightgbm_rows.kept import BLOCK_SIZE, TOKEN_BYTES, save_dataset
from numerai_lab.models.trees.values import reference_rows

MOST_VALUES = 15
"""LightGBM packs two bins into a byte while a feature has at most 16, one of them its own."""

_ROWS = struct.Struct("<I")
_LABELS_AT = 24
_LEARNT_ROWS, _CHECKED_ROWS = 512, 333
_COLUMNS, _MOST_THREADS = 64, 4
_AHEAD_BYTES = 384 << 20
PIECE_BYTES = 500_000  # stays in the L2 cache; for 64 columns, rows are no power of two


@dataclass(frozen=True)
class _Column:
    """A block of the file that holds a feature's bins.

    Attributes
    ----------
    feature : its position among the features.
    before : bytes ahead of the bins.
    table : the bin of each value, by the value as an unsigned byte; None: the value itself.
    """

    feature: int
    before: bytes
    table: bytes | None


@dataclass(frozen=True)
class PackedLayout:
    """How LightGBM writes binned rows of certain features, whatever their number.

    Attributes
    ----------
    token, header : the file's first bytes, and the block that describes the features.
    metadata : the first bytes of the block with the labels, which are all 0 here.
    blocks : those of the features, and others that are always the same.
    """

    token: bytes
    header: bytes
    metadata: bytes
    blocks: tuple[_Column | bytes, ...]

    def write(self, path: Path, features: Features, n_threads: int) -> None:
        """Write all rows, with label 0; they are read some columns at a time.

        Parameters
        ----------
        path : file to write. features : int8, with the values that the layout was learnt for.
        n_threads : columns are packed on so many at once, four at most; 0: on all cores.

        Raises
        ------
        OSError : the disk is full, or the folder cannot be written.
        """
        n_rows = len(features)
        rows = _ROWS.pack(n_rows)
        labels = bytes(_aligned(_LABELS_AT + 4 * n_rows) - _LABELS_AT)
        places: list[tuple[_Column, int]] = []
        with path.open("wb") as file:
            file.write(self.token)
            _write_block(file, rows + self.header[_ROWS.size :])
            _write_block(file, rows + self.metadata[_ROWS.size :] + labels)
            for block in self.blocks:
                if isinstance(block, bytes):
                    _write_block(file, block)
                else:
                    _write_block(file, block.before, _column_bytes(n_rows))
                    places.append((block, file.tell()))
                    file.seek(_column_bytes(n_rows), os.SEEK_CUR)
            places.sort(key=lambda place: place[0].feature)  # neighbours are stored together
            bins = _packed(features, [column for column, _ in places], n_threads)
            for (_, at), column_bins in zip(places, bins, strict=True):
                file.seek(at)
                file.write(column_bins.data)


def learn_layout(
    values: npt.NDArray[np.int8],
    present: npt.NDArray[np.bool_],
    bin_rows: Callable[[npt.NDArray[np.int8]], Any],
    folder: Path,
) -> PackedLayout | None:
    """Learn how LightGBM writes features that take these values, or None if it cannot be told.

    Parameters
    ----------
    values, present : as `distinct_values` returns them.
    bin_rows : makes a LightGBM Dataset of int8 rows, with the bins and parameters in question.
    folder : where small files may lie meanwhile.

    Raises
    ------
    OSError : the disk is full, or the folder cannot be written.
    """
    if len(values) > MOST_VALUES:
        return None
    with tempfile.TemporaryDirectory(dir=folder) as trial:
        learnt = _trial_rows(values, present, _LEARNT_ROWS)
        saved = _saved(bin_rows(learnt), Path(trial, "learnt"))
        checked = _trial_rows(values, present, _CHECKED_ROWS)
        other = _saved(bin_rows(checked), Path(trial, "checked"))
        layout = _read_layout(saved, other, learnt, present)
        if layout is None:
            return None
        layout.write(Path(trial, "written"), checked, 1)
        return layout if Path(trial, "written").read_bytes() == other else None


def _trial_rows(
    values: npt.NDArray[np.int8], present: npt.NDArray[np.bool_], n_rows: int
) -> npt.NDArray[np.int8]:
    """Make rows in which every feature takes each of its values, then values at random."""
    first = reference_rows(values, present)
    random = np.random.default_rng(n_rows)
    turns = random.integers(0, len(first), (n_rows - len(first), first.shape[1]))
    rows: npt.NDArray[np.int8] = np.vstack([first, np.take_along_axis(first, turns, axis=0)])
    return rows


def _saved(dataset: Any, path: Path) -> bytes:
    save_dataset(dataset, path)
    return path.read_bytes()


def _read_layout(
    saved: bytes, other: bytes, rows: npt.NDArray[np.int8], present: npt.NDArray[np.bool_]
) -> PackedLayout | None:
    """Read the layout off a saved file; `other` tells which blocks change with the rows."""
    try:
        header, metadata, *blocks = _blocks(saved)
        _, _, *others = _blocks(other)
    except (struct.error, ValueError):
        return None
    if len(blocks) != len(others):
        return None
    varies = [len(block) != len(same) for block, same in zip(blocks, others, strict=True)]
    taken = np.ascontiguousarray(rows.T).view(np.uint8)
    # LightGBM writes features in an order of its own; random rows tell which is which.
    features = {
        _pattern(taken[feature]): int(feature)
        for feature in np.flatnonzero(present.sum(axis=0) > 1)
    }
    n_bytes = len(rows) // 2
    parts: list[_Column | bytes] = []
    for block, changes in zip(blocks, varies, strict=True):
        if not changes:
            parts.append(block)
            continue
        pairs = np.frombuffer(block[-n_bytes:], np.uint8)
        bins = np.column_stack([pairs & 15, pairs >> 4]).ravel()
        feature = features.pop(_pattern(bins), None) if len(bins) == len(rows) else None
        if feature is None:
            return None
        table = np.zeros(256, np.uint8)
        table[taken[feature]] = bins
        plain = np.array_equal(taken[feature], bins)
        parts.append(_Column(feature, block[:-n_bytes], None if plain else table.tobytes()))
    return PackedLayout(saved[:TOKEN_BYTES], header, metadata[:_LABELS_AT], tuple(parts))


def _pattern(codes: UInt8) -> bytes:
    """Write a column by the first row that has the same value: equal for values and their bins."""
    first = np.zeros(256, np.uint8)
    for row in reversed(range(MOST_VALUES)):
        first[codes[row]] = row
    return first[codes].tobytes()


def _blocks(saved: bytes) -> Iterator[bytes]:
    """Yield the blocks of a saved Dataset, each of which stands behind its size."""
    at = TOKEN_BYTES
    while at < len(saved):
        (size,) = BLOCK_SIZE.unpack_from(saved, at)
        at += BLOCK_SIZE.size
        if at + size > len(saved):
            raise ValueError("a block is longer than the file")
        yield saved[at : at + size]
        at += size


def _write_block(file: IO[bytes], content: bytes, more: int = 0) -> None:
    """Write a block's size and content; `more` bytes of it are written later."""
    file.write(BLOCK_SIZE.pack(len(content) + more))
    file.write(content)


def _aligned(n_bytes: int) -> int:
    """Round up to the multiple of 8 that every part of the file takes."""
    return -(-n_bytes // 8) * 8


def _column_bytes(n_rows: int) -> int:
    return _aligned((n_rows + 1) // 2)


def _packed(features: Features, columns: Sequence[_Column], n_threads: int) -> Iterator[UInt8]:
    """Yield the packed bins of each column in turn, a few columns ahead on other threads."""
    n_threads = min(n_threads if n_threads > 0 else usable_cores(), _MOST_THREADS)
    room = _AHEAD_BYTES // ((n_threads + 2) * (len(features) // 2 + 1))
    width = max(1, min(_COLUMNS, room))
    parts = [columns[first : first + width] for first in range(0, len(columns), width)]
    ahead: deque[Future[UInt8]] = deque()
    with ThreadPoolExecutor(n_threads) as pool:
        for part in parts:
            ahead.append(pool.submit(_pack, features, part))
            if len(ahead) > n_threads:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()


def _pack(features: Features, columns: Sequence[_Column]) -> UInt8:
    """Pack some columns, uint8 [n_columns, bytes of a column]: two rows a byte, the first low."""
    read = _reader(features, np.array([column.feature for column in columns]))
    n_rows = len(features)
    packed = np.zeros((len(columns), _column_bytes(n_rows)), np.uint8)
    step = max(2, PIECE_BYTES // len(columns) // 2 * 2)
    for start in range(0, n_rows, step):
        rows = read(slice(start, min(start + step, n_rows)))
        bins = np.zeros((len(columns), len(rows) + len(rows) % 2), np.uint8)
        bins[:, : len(rows)] = rows.T.view(np.uint8)
        for row, column in zip(bins, columns, strict=True):
            if column.table is not None:
                row[: len(rows)] = np.frombuffer(
                    row[: len(rows)].tobytes().translate(column.table), np.uint8
                )
        pairs = bins.view("<u2")
        both = pairs >> 4
        both |= pairs
        packed[:, start // 2 : start // 2 + both.shape[1]] = both  # only the low bytes fit
    return packed


def _reader(features: Features, chosen: npt.NDArray[np.int64]) -> Callable[[slice], FeatureArray]:
    """Return a function that reads rows of the chosen features."""
    if not isinstance(features, np.ndarray):
        return features.columns(chosen).__getitem__
    if bool(np.all(np.diff(chosen) == 1)):
        return features[:, int(chosen[0]) : int(chosen[-1]) + 1].__getitem__
    array = features
    return lambda rows: array[rows][:, chosen]
