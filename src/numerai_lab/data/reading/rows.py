"""First pass over the files: which rows are kept, and where each of them will stand.

Only the columns that decide are read here (era, data type, main target); the features
follow in a second pass, straight to their final place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from numerai_lab.arrays import Int64
from numerai_lab.config import EraColumn
from numerai_lab.data.reading.era_unit import Dates, unit_of
from numerai_lab.data.reading.eras import EraReader
from numerai_lab.data.reading.files import values_of
from numerai_lab.data.reading.kinds import numbers
from numerai_lab.data.reading.one_by_one import open_each
from numerai_lab.data.reading.part_files import told_paths
from numerai_lab.data.reading.row_groups import Head, RowGroups
from numerai_lab.errors import DataError

TRAINING_FILE = "train.parquet"


EraFilter = Callable[[npt.NDArray[np.int32]], npt.NDArray[np.bool_]]
"""Era numbers -> whether each is kept."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The kept rows of one row group.

    `rows` are their positions in the row group (None: all of them), `place` their positions in
    the result: a slice when they stay neighbours, else an array as long as `rows`.
    """

    file: int
    group: int
    rows: Int64 | None
    place: slice | Int64

    @property
    def n_rows(self) -> int:
        """Number of kept rows."""
        if isinstance(self.place, slice):
            return int(self.place.stop - self.place.start)
        return len(self.place)

    def at(self, first: int, n: int) -> slice | Int64:
        """Return the positions in the result of `n` kept rows, from the `first` on."""
        if isinstance(self.place, slice):
            return slice(self.place.start + first, self.place.start + first + n)
        return self.place[first : first + n]


@dataclass(frozen=True, slots=True)
class RowPlan:
    """All kept rows: pieces to read, and what is known about each row in its final order.

    `eras` int32 [n_eras] and `offsets` int64 [n_eras + 1] as in EraFrame; `training` bool
    [n_rows], rows of the training file or of data type `train`, or None when the files do not
    tell. `dates` datetime64[D] [n_eras], where eras are dates; `notes` tell what eras are.
    """

    pieces: tuple[Piece, ...]
    eras: npt.NDArray[np.int32]
    offsets: Int64
    training: npt.NDArray[np.bool_] | None
    counts: Counter[str]
    dates: Dates | None = None
    notes: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """Number of kept rows."""
        return int(self.offsets[-1])

    def in_place(self, column: pa.Array) -> pa.Array:
        """Return a column that was read piece after piece, in the final order of its rows."""
        places = [piece.place for piece in self.pieces if not isinstance(piece.place, slice)]
        if not places:
            return column
        order = np.empty(self.n_rows, dtype=np.int64)
        order[np.concatenate(places)] = np.arange(self.n_rows)
        return column.take(pa.array(order))


@dataclass(frozen=True, slots=True)
class RowFilter:
    """What decides whether a row is kept.

    Attributes
    ----------
    era : column with the era. id, data_type : names of columns; a file without `data_type` keeps
        all its rows.
    keep_data_types : data types to keep, or None for all.
    wanted : of an array of era numbers, which are wanted.
    label : the column that must not be missing, or None.
    """

    era: EraColumn
    id: str
    data_type: str | None
    keep_data_types: Sequence[str] | None
    wanted: EraFilter
    label: str | None


@dataclass(frozen=True)
class Sources:
    """Parquet files, and the rule that says which of their rows are kept."""

    heads: Sequence[Head]
    rule: RowFilter

    @cached_property
    def files(self) -> tuple[RowGroups, ...]:
        """The files, opened when they are needed. Raises DataError when one is damaged."""
        text = [name for name in (self.rule.era.column, self.rule.data_type) if name]
        return open_each(self.heads, text)

    @property
    def where(self) -> str:
        """The files, for messages."""
        return told_paths([head.path for head in self.heads])

    @cached_property
    def plan(self) -> RowPlan:
        """Where each kept row goes; read once. Raises as `plan_rows`."""
        return plan_rows(self.files, self.rule, where=self.where)


def _labelled(column: pa.ChunkedArray, where: str) -> npt.NDArray[np.bool_]:
    fix = "choose another column in data.targets or data.columns.targets"
    values = pc.cast(numbers(column, where, fix, "a target"), pa.float64(), safe=False)
    return np.asarray(~np.isnan(values_of(values, null=float("nan"))))


def plan_rows(files: Sequence[RowGroups], rule: RowFilter, *, where: str) -> RowPlan:
    """Read what decides about rows, and plan where each kept row goes.

    Rows are sorted by era; inside an era they keep the order of the files.

    Raises
    ------
    DataError : an era that is no number and no date, or does not count weeks; no rows left.
    """
    found: list[_Group] = []
    counts: Counter[str] = Counter()
    reader = EraReader(rule.era)
    for number, file in enumerate(files):
        for group in range(len(file.group_rows)):
            kept = _kept_rows(file, number, group, rule, reader, counts)
            if len(kept.eras):
                found.append(kept)
    counts = +counts
    notes = unit_of(*reader.eras(), rule.era, where)
    if not found:
        raise _nothing_left(rule, counts, where)
    plan = _place(found, counts)
    every, dates = reader.eras()
    if dates is not None:
        dates = dates[np.searchsorted(every, plan.eras)]
    return replace(plan, dates=dates, notes=notes)


def _nothing_left(rule: RowFilter, counts: Counter[str], where: str) -> DataError:
    total = counts.pop("rows_in_files", 0)
    if set(counts) == {"rows_without_target"}:
        what = f"target column '{rule.label}' has no value on any of the {total:,} rows"
    elif counts:
        lost = [f"{n:,} {key.replace('_', ' ')}" for key, n in counts.items()]
        what = f"no rows are left of {total:,}: {', '.join(lost)}"
    else:
        what = "there are no rows"
    return DataError(what, where=where, fix="check data.eras, data.targets and data.columns")


@dataclass(frozen=True, slots=True)
class _Group:
    """Kept rows of a row group; `rows` is None when all are kept."""

    file: int
    group: int
    rows: Int64 | None
    eras: npt.NDArray[np.int32]
    training: npt.NDArray[np.bool_] | None


def _kept_rows(
    file: RowGroups,
    number: int,
    group: int,
    rule: RowFilter,
    reader: EraReader,
    counts: Counter[str],
) -> _Group:
    path = file.path
    typed = rule.data_type if rule.data_type in file.schema.names else None
    columns = [name for name in (rule.era.column, typed, rule.label) if name is not None]
    table = file.read(group, columns)
    keep = np.ones(table.num_rows, dtype=bool)
    counts["rows_in_files"] += len(keep)
    training = np.ones(len(keep), dtype=bool) if path.name == TRAINING_FILE else None

    def narrow(mask: npt.NDArray[np.bool_], lost: str) -> None:
        counts[lost] += int((keep & ~mask).sum())
        np.logical_and(keep, mask, out=keep)

    if typed:
        types = pc.cast(table[typed], pa.string())
        if training is None:
            training = _mask(pc.equal(types, "train"))
        if rule.keep_data_types is not None:
            kinds = pa.array(list(rule.keep_data_types), pa.string())
            narrow(_mask(pc.is_in(types, kinds)), "rows_of_other_data_types")
    eras = reader.numbers(table[rule.era.column], keep, str(path))
    narrow(rule.wanted(eras), "rows_outside_eras")
    if rule.label is not None:
        labelled = _labelled(table[rule.label], f"{path} column '{rule.label}'")
        narrow(labelled, "rows_without_target")
    rows = None if keep.all() else np.flatnonzero(keep)
    return _Group(number, group, rows, eras[keep], None if training is None else training[keep])


def _mask(flags: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return np.asarray(values_of(pc.cast(flags, pa.uint8()), null=0), dtype=bool)


def _place(found: list[_Group], counts: Counter[str]) -> RowPlan:
    """Give every kept row its place in the sorted result."""
    row_eras = np.concatenate([group.eras for group in found])
    told = [group.training for group in found if group.training is not None]
    # Files that do not tell hold no training rows if others do: validation beside train.parquet.
    training = None
    if told:
        training = np.concatenate(
            [np.zeros(len(g.eras), bool) if g.training is None else g.training for g in found]
        )
    n = len(row_eras)
    place = None
    if np.any(row_eras[1:] < row_eras[:-1]):
        order = np.argsort(row_eras, kind="stable")
        place = np.empty(n, dtype=np.int64)
        place[order] = np.arange(n)
        row_eras = row_eras[order]
        training = None if training is None else training[order]
    pieces = []
    start = 0
    for group in found:
        stop = start + len(group.eras)
        to = slice(start, stop) if place is None else place[start:stop]
        pieces.append(Piece(group.file, group.group, group.rows, to))
        start = stop
    first = np.append(0, np.flatnonzero(row_eras[1:] != row_eras[:-1]) + 1)
    counts["rows"] = n
    return RowPlan(
        pieces=tuple(pieces),
        eras=row_eras[first],
        offsets=np.append(first, n).astype(np.int64),
        training=training,
        counts=counts,
    )
