"""Momentum signals of earlier eras as nodes of a graph: from rows of many eras to matrices."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from numerai_lab.arrays import Bools, Eras, Float64, Int64
from numerai_lab.eraframe import EraFrame

CLIP = 3.0
"""Standardised signals are cut here."""
DAYS_A_WEEK = 5
LEAST_PRESENT = 0.8
"""A window of which a smaller share of eras is there, or a node that has fewer, is left out."""


def standardised(frame: EraFrame, names: Sequence[str]) -> Float64:
    """Return side columns standardised within each era and cut at 3, float64 [n_rows, n_names].

    NaN where a value is missing.
    """
    raw = np.column_stack([_numbers(frame.side_column(name)) for name in names])
    known = np.isfinite(raw)
    values = np.where(known, raw, 0.0)
    starts = frame.offsets[:-1]
    n = np.maximum(np.add.reduceat(known, starts, axis=0, dtype=np.int64), 1)
    rows = np.repeat(np.arange(frame.n_eras), np.diff(frame.offsets))
    mean = (np.add.reduceat(values, starts, axis=0) / n)[rows]
    centred = np.where(known, values - mean, 0.0)
    spread = np.sqrt(np.add.reduceat(centred**2, starts, axis=0) / n)[rows]
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = np.clip(centred / spread, -CLIP, CLIP)
    return np.where(known & (spread > 0), unit, np.nan)


def _numbers(column: pa.Array) -> Float64:
    filled = pc.fill_null(column, np.nan) if column.null_count else column
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.float64)


@dataclass(frozen=True)
class Window:
    """Signals of the eras before one, by node.

    Attributes
    ----------
    nodes : string array [n_nodes], what had a row in the last of these eras, sorted.
    values : float64 [n_eras, n_nodes, n_signals], 0 where missing. there : bool [n_eras, n_nodes].
    eras : int32 [n_eras]. sectors : code of each node's sector, -1 for none, [n_nodes].
    sector_names : of these codes.
    """

    nodes: pa.Array
    values: Float64
    there: Bools
    eras: Eras
    sectors: Int64
    sector_names: tuple[str, ...]

    def of_days(self, days: int, before: int) -> tuple[Int64, Float64] | None:
        """Return which nodes have the last `days`, and their signals laid flat, one row each.

        Parameters
        ----------
        before : the number of the era that the window is before.

        Returns
        -------
        None where too few of these eras are there.
        """
        weeks = days // DAYS_A_WEEK
        inside = self.eras >= before - weeks
        if inside.sum() < LEAST_PRESENT * weeks:
            return None
        present = self.there[inside].mean(axis=0)
        chosen = np.flatnonzero(present >= LEAST_PRESENT)
        flat = self.values[inside][:, chosen].transpose(1, 0, 2).reshape(len(chosen), -1)
        return chosen, flat


def make_window(rows: EraFrame, names: Sequence[str]) -> Window:
    """Arrange the rows of several eras by node."""
    assert rows.entity is not None
    last = rows.between(int(rows.eras[-1]), int(rows.eras[-1]))
    assert last.entity is not None
    order = pc.sort_indices(last.entity)
    nodes = last.entity.take(order)
    place = pc.fill_null(pc.index_in(rows.entity, value_set=nodes), -1).to_numpy()
    at = np.repeat(np.arange(rows.n_eras), np.diff(rows.offsets))
    known = place >= 0
    signals = standardised(rows, names)
    shape = (rows.n_eras, len(nodes), len(names))
    values, there = np.zeros(shape), np.zeros(shape[:2], dtype=bool)
    values[at[known], place[known]] = np.nan_to_num(signals[known])
    there[at[known], place[known]] = np.isfinite(signals[known]).all(axis=1)
    sectors, sector_names = _sectors(last, order)
    return Window(nodes, values, there, rows.eras, sectors, sector_names)


def _sectors(last: EraFrame, order: pa.Array) -> tuple[Int64, tuple[str, ...]]:
    column = last.side.get("sector")
    if column is None or column.null_count == len(column):
        return np.full(last.n_rows, -1, dtype=np.int64), ()
    coded = column.take(order).dictionary_encode()
    codes = pc.fill_null(coded.indices, -1).to_numpy().astype(np.int64)
    return codes, tuple(coded.dictionary.to_pylist())


def places_of(rows: EraFrame, names: Sequence[str]) -> tuple[int, ...]:
    """Return where in memory the signals lie: rows of the same frame lie where they did before."""
    columns = [rows.side_column(name) for name in names]
    columns += [one for one in (rows.entity, rows.side.get("sector")) if one is not None]
    return (
        *rows.eras.tolist(),
        *(one.offset for one in columns),
        *(len(one) for one in columns),
        *(part.address for one in columns for part in one.buffers() if part is not None),
    )


def content_of(rows: EraFrame, names: Sequence[str]) -> str:
    """Return a hash of all that a graph is made of: who had which signals in which era."""
    digest = hashlib.sha256()
    digest.update(np.ascontiguousarray(rows.eras).data)
    digest.update(np.ascontiguousarray(rows.offsets).data)
    for name in names:
        digest.update(np.ascontiguousarray(_numbers(rows.side_column(name))).data)
    for column in (rows.entity, rows.side.get("sector")):
        if column is not None:
            digest.update(pa.RecordBatch.from_arrays([column], ["x"]).serialize())
    return digest.hexdigest()
