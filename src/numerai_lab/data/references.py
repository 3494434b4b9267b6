"""Predictions that others made for the same rows: benchmark models and the meta model."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from numerai_lab.data.dataset import Dataset, SourceFile
from numerai_lab.data.reading import (
    UNNAMED_INDEX,
    Head,
    check_unique_in,
    file_ids,
    hash_ids,
    id_column,
    need_columns,
    number_kind,
    numbers,
    open_parquet,
    read_head,
    same_number,
    source_file,
    values_of,
)
from numerai_lab.errors import DataError, did_you_mean

META_MODEL = "numerai_meta_model"
_BENCHMARK_FILES = ("train_benchmark_models.parquet", "validation_benchmark_models.parquet")
_META_FILE = "meta_model.parquet"

_KEYS = ("id", "era", "data_type")
_OTHER_NAMES = re.compile(r"(prediction)|(target).*|(feature)_.*")
"""Names that mean something else: a benchmark `prediction` would take the row of the judged one."""

Say = Callable[[str], None]
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
        covered = np.zeros(len(ids), dtype=bool)
        origin: dict[str, Path] = {}

        def find(path: Path) -> list[_Found]:
            columns = [name for name in self.columns[path] if name in aligned]
            return _find(path, columns, ids) if columns else []

        # Looking up ids is most of the work, and Arrow does it without Python's lock.
        with ThreadPoolExecutor() as pool:
            for path, found in zip(self.columns, pool.map(find, self.columns), strict=True):
                for name, rows, values in found:
                    before = aligned[name][rows]
                    differs = np.flatnonzero((before != values) & ~np.isnan(before + values))
                    if len(differs):
                        raise DataError(
                            f"'{name}' of id '{ids[int(rows[differs[0]])]}' is another number than "
                            f"in {origin[name]}",
                            where=str(path),
                            fix="keep the id in one of the files",
                        )
                    aligned[name][rows] = np.where(np.isnan(values), before, values)
                    covered[rows] = True
                origin |= dict.fromkeys((name for name, _, _ in found), path)
        if wanted and not covered.all():
            self._check_writing(ids.filter(pa.array(~covered)))
        return aligned

    def _check_writing(self, ids: pa.Array) -> None:
        """Raise DataError when ids that no file has are there, written as other texts."""
        for path in self.columns:
            twins = same_number(ids, file_ids(open_parquet(path)))
            if twins is not None:
                raise DataError(
                    f"id '{twins[1]}' here and '{twins[0]}' in the data are the same number, "
                    f"written in two ways",
                    where=str(path),
                    fix="keep ids as text wherever they are written, with their leading zeros",
                )


def _find(path: Path, columns: Sequence[str], ids: pa.Array) -> list[_Found]:
    """Look the rows of some ids up in a file."""
    found, hashes = [], []
    file = open_parquet(path)
    need_columns(file.schema, path, columns)
    for group, known in enumerate(file_ids(file)):
        hashes.append(hash_ids(known))
        position = values_of(pc.index_in(ids, value_set=known), null=-1)
        rows = np.flatnonzero(position >= 0)
        if len(rows) == 0:
            continue
        table = file.read(group, columns)
        for name in columns:
            where = f"{path} column '{name}'"
            real = numbers(table[name], where, "leave this column out")
            values = values_of(pc.cast(real, pa.float64()), null=np.nan)
            _check_range(values, where)
            found.append((name, rows, values[position[rows]]))
    check_unique_in(file, hashes)
    return found


def _check_range(values: npt.NDArray[np.float64], where: str) -> None:
    outside = (values < 0) | (values > 1)
    n_outside = int(np.count_nonzero(outside))
    if n_outside:
        raise DataError(
            f"{n_outside:,} of {len(values):,} values are outside 0..1, such as "
            f"{values[outside][0]:g}: these are no predictions as Numerai writes them",
            where=where,
            fix="rank them per era into 0..1, or name another column in scoring.benchmark",
        )


def load_references(dataset: Dataset, say: Say) -> References:
    """Find the benchmark and meta model files beside a dataset; none for source: parquet.

    `say` is called with the columns of benchmark files that are not taken for benchmarks.

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
            columns[path] = _meta_column(head)
        else:
            columns[path] = _benchmark_columns(head, say)
            benchmarks.update(dict.fromkeys(columns[path]))
        files.append(source_file(path, head.schema, head.n_rows))
    has_meta_model = any(path.name == _META_FILE for path in columns)
    return References(tuple(benchmarks), has_meta_model, tuple(files), columns)


def choose_benchmark(
    setting: str, names: Sequence[str], where: str = "scoring.benchmark"
) -> str | None:
    """Pick the benchmark column: a given one, the first (auto), or none.

    Raises DataError when a given one is not there.
    """
    if setting == "none" or (setting == "auto" and not names):
        return None
    if setting == "auto":
        return names[0]
    if setting not in names:
        raise DataError(
            f"benchmark '{setting}' is not in the data (there: {', '.join(names) or 'none'})"
            + did_you_mean(setting, names),
            where=where,
            fix="name one of those",
        )
    return setting


def load_benchmarks(path: Path, say: Say) -> References:
    """Describe one file of benchmark predictions, such as that of the live rows; it may be absent.

    `say` is called with the columns that are not taken for benchmarks.

    Raises
    ------
    DataError : a file that is damaged or has no ids.
    """
    if not path.is_file():
        return References((), False, (), {})
    head = read_head(path)
    columns = _benchmark_columns(head, say)
    return References(
        columns, False, (source_file(path, head.schema, head.n_rows),), {path: columns}
    )


def _meta_column(head: Head) -> tuple[str, ...]:
    need_columns(head.schema, head.path, [id_column(head.schema, "id"), META_MODEL])
    kind = head.schema.field(META_MODEL).type
    if number_kind(kind) != "real":
        raise DataError(
            f"column '{META_MODEL}' is {kind}, the meta model's predictions are floats in 0..1",
            where=str(head.path),
            fix="download the file again",
        )
    return (META_MODEL,)


def _benchmark_columns(head: Head, say: Say) -> tuple[str, ...]:
    """Return the columns that can be benchmarks: floats that are not called as something else.

    Whether the values are in 0..1 is checked when they are read.
    """
    ids = id_column(head.schema, "id")
    need_columns(head.schema, head.path, [ids])
    chosen, others = [], []
    for field in head.schema:
        if field.name in {*_KEYS, ids, *UNNAMED_INDEX}:
            continue
        named = _OTHER_NAMES.fullmatch(field.name)
        if number_kind(field.type) == "real" and not named:
            chosen.append(field.name)
        else:
            why = f"the name of a {named[named.lastindex or 0]}" if named else str(field.type)
            others.append(f"'{field.name}' ({why})")
    if others:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        say(
            f"{head.path}: not taken for benchmarks, which are floats in 0..1 with a name of their "
            f"own: {', '.join(others[:5])}{more}"
        )
    return tuple(dict.fromkeys(chosen))
