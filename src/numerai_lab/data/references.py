"""Predictions that others made for the same rows: benchmark models and the meta model."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from numerai_lab.data.dataset import Dataset, SourceFile
from numerai_lab.data.files import id_column, need_columns, source_file, values_of
from numerai_lab.data.row_groups import Head, open_parquet, read_head
from numerai_lab.errors import DataError, did_you_mean

META_MODEL = "numerai_meta_model"
_BENCHMARK_FILES = ("train_benchmark_models.parquet", "validation_benchmark_models.parquet")
_META_FILE = "meta_model.parquet"

_Found = tuple[str, npt.NDArray[np.intp], npt.NDArray[np.float64]]
"""A column, the rows it has values for, and the values."""


@dataclass(frozen=True, slots=True)
class References:
    """Where reference predictions are; values are read when rows ask for them.

    Attributes
    ----------
    benchmarks : columns of the benchmark files, in their order.
    has_meta_model : whether `META_MODEL` is there too.
    files : the files, with their hashes.
    """

    benchmarks: tuple[str, ...]
    has_meta_model: bool
    files: tuple[SourceFile, ...]
    columns: dict[Path, tuple[str, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """All columns that `align` knows: the benchmarks, then the meta model."""
        return self.benchmarks + ((META_MODEL,) if self.has_meta_model else ())

    def align(
        self, ids: pa.Array, names: Sequence[str] | None = None
    ) -> dict[str, npt.NDArray[np.float64]]:
        """Return reference predictions for rows, {name: float64 [n_rows]}, NaN where absent.

        Parameters
        ----------
        ids : pyarrow string array [n_rows].
        names : columns wanted; None: all of `self.names`.

        Raises
        ------
        DataError : an unknown name, or a damaged file.
        """
        wanted = self.names if names is None else tuple(names)
        for name in wanted:
            if name not in self.names:
                raise DataError(
                    f"unknown benchmark '{name}'"
                    + did_you_mean(name, self.names)
                    + f" (known: {', '.join(self.names) or 'none'})",
                    fix="choose one of these, or none",
                )
        aligned = {name: np.full(len(ids), np.nan) for name in wanted}

        def find(path: Path) -> list[_Found]:
            columns = [name for name in self.columns[path] if name in aligned]
            if not columns:
                return []
            parts = []
            file = open_parquet(path)
            id_name = id_column(file.schema, "id")
            for group in range(len(file.group_rows)):
                known = pc.cast(file.read(group, [id_name])[id_name], pa.string())
                found = pc.index_in(ids, value_set=known.combine_chunks())
                position = values_of(pa.chunked_array([found]), null=-1)
                rows = np.flatnonzero(position >= 0)
                if len(rows) == 0:
                    continue
                table = file.read(group, columns)
                for name in columns:
                    values = values_of(pc.cast(table[name], pa.float64()), null=np.nan)
                    parts.append((name, rows, values[position[rows]]))
            return parts

        # Looking up ids is most of the work, and Arrow does it without Python's lock.
        with ThreadPoolExecutor() as pool:
            for name, rows, values in chain.from_iterable(pool.map(find, self.columns)):
                aligned[name][rows] = values
        return aligned


def load_references(dataset: Dataset) -> References:
    """Find the benchmark and meta model files beside a dataset; none for source: parquet.

    Raises
    ------
    DataError : a file that is damaged or has no ids or no meta model column.
    """
    columns: dict[Path, tuple[str, ...]] = {}
    files: list[SourceFile] = []
    benchmarks: dict[str, None] = {}
    for name in (*_BENCHMARK_FILES, _META_FILE) if dataset.folder else ():
        path = Path(dataset.folder or ".") / name
        if not path.is_file():
            continue
        head = read_head(path)
        if name == _META_FILE:
            need_columns(head.schema, path, [id_column(head.schema, "id"), META_MODEL])
            columns[path] = (META_MODEL,)
        else:
            columns[path] = _benchmark_columns(head)
            benchmarks.update(dict.fromkeys(columns[path]))
        files.append(source_file(path, head.schema, head.n_rows))
    has_meta_model = any(path.name == _META_FILE for path in columns)
    return References(tuple(benchmarks), has_meta_model, tuple(files), columns)


def load_benchmarks(path: Path) -> References:
    """Describe one file of benchmark predictions, such as that of the live rows; it may be absent.

    Raises
    ------
    DataError : a file that is damaged or has no ids.
    """
    if not path.is_file():
        return References((), False, (), {})
    head = read_head(path)
    columns = _benchmark_columns(head)
    return References(
        columns, False, (source_file(path, head.schema, head.n_rows),), {path: columns}
    )


def _benchmark_columns(head: Head) -> tuple[str, ...]:
    need_columns(head.schema, head.path, [id_column(head.schema, "id")])
    return tuple(f.name for f in head.schema if pa.types.is_floating(f.type))
