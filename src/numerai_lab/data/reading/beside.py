"""Columns beside the features: what a row is about, and what is known but never trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from numerai_lab.arrays import Eras, Int64
from numerai_lab.config import Data
from numerai_lab.data.reading.files import need_columns
from numerai_lab.data.reading.kinds import is_text, number_kind, numbers, stored, texts
from numerai_lab.data.reading.row_groups import Head, RowGroups
from numerai_lab.data.reading.rows import RowPlan
from numerai_lab.errors import DataError


@dataclass(frozen=True, slots=True)
class Beside:
    """Names of the columns beside the features.

    Attributes
    ----------
    entity : column that tells what a row is about, over all eras; None: there is none.
    side : columns that are kept as `EraFrame.side`.
    """

    entity: str | None = None
    side: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Data) -> Beside:
        """Return what a data section names."""
        return cls(config.entity, tuple(dict.fromkeys(config.side)))

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them."""
        return self.side if self.entity is None else (self.entity, *self.side)

    def check_there(self, heads: Sequence[Head]) -> None:
        """Raise DataError where a file lacks one of them, or has it twice."""
        for head in heads:
            need_columns(head.schema, head.path, self.columns)


NOTHING_BESIDE = Beside()


@dataclass(frozen=True, slots=True)
class BesideColumns:
    """What was read of them; fields as in EraFrame."""

    entity: pa.Array | None
    side: dict[str, pa.Array]

    def filtered(self, keep: pa.Array) -> BesideColumns:
        """Return some rows, by a boolean array."""
        entity = None if self.entity is None else self.entity.filter(keep)
        return BesideColumns(entity, {name: one.filter(keep) for name, one in self.side.items()})


def read_beside(files: Sequence[RowGroups], plan: RowPlan, beside: Beside) -> BesideColumns:
    """Read the columns of the kept rows, in their final order.

    Numbers become float64, dates and times date32, everything else must be text.

    Raises
    ------
    DataError : a column of another type; a row without an entity.
    """
    entity = None
    if beside.entity is not None:
        entity = _read(files, plan, beside.entity, entity=True)
    return BesideColumns(entity, {name: _read(files, plan, name) for name in beside.side})


def check_entities(entity: pa.Array | None, eras: Eras, offsets: Int64, where: str) -> None:
    """Raise DataError where an era has two rows of one entity: nothing could be joined by it.

    Parameters
    ----------
    entity : string [n_rows], or None for none. eras, offsets : as in EraFrame.
    """
    if entity is None:
        return
    codes = entity.dictionary_encode().indices.to_numpy().astype(np.int64)
    place = np.repeat(np.arange(len(eras), dtype=np.int64), np.diff(offsets))
    both = place * (int(codes.max()) + 1) + codes
    order = np.argsort(both, kind="stable")
    twice = np.flatnonzero(np.diff(both[order]) == 0)
    if len(twice):
        row = int(order[twice[0]])
        raise DataError(
            f"{len(twice):,} rows are of an entity that their era has already, such as "
            f"'{entity[row].as_py()}' in era {eras[place[row]]}",
            where=f"{where} data.entity",
            fix="keep one row of each entity an era, or name another column",
        )


def _read(
    files: Sequence[RowGroups], plan: RowPlan, name: str, *, entity: bool = False
) -> pa.Array:
    parts = []
    for piece in plan.pieces:
        file = files[piece.file]
        where = f"{file.path} column '{name}'"
        column = file.read(piece.group, [name])[name].combine_chunks()
        found = texts(column, where, _WAY, "entities") if entity else _typed(column, where)
        if piece.rows is not None:
            found = found.take(pa.array(piece.rows))
        if entity and found.null_count:
            raise DataError(
                f"{found.null_count:,} rows have no entity", where=where, fix="give every row one"
            )
        parts.append(found)
    return plan.in_place(pa.concat_arrays(parts))


_WAY = "name another column in data.entity"


def _typed(column: pa.Array, where: str) -> pa.Array:
    kind = stored(column.type)
    way = "leave it out of data.side"
    if number_kind(kind) is not None:
        values = pc.cast(numbers(pa.chunked_array([column]), where, way), pa.float64(), safe=False)
        whole = values.combine_chunks()
        return pc.if_else(pc.is_nan(whole), pa.scalar(None, pa.float64()), whole)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return pc.cast(column, pa.date32(), safe=False)
    if is_text(kind):
        return texts(column, where, way, "values")
    raise DataError(f"values are {kind}, they must be numbers, text or dates", where=where, fix=way)
