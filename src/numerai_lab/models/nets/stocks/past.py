"""Rows of earlier eras, found by stock and era; and which of them each row is read with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from numerai_lab.arrays import Int8, Int64
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.nets.runtime import era_bins
from numerai_lab.seeds import child_seed

ABSENT = -1
"""In place of a row where a stock was not there."""
ERAS = np.int64(1) << 32


@dataclass(frozen=True, eq=False)
class Known:
    """Rows of any eras, by stock and era.

    Attributes
    ----------
    bins : int8 [n_rows, n_features]. stocks : distinct entities, string.
    keys : int64 [n_rows], ascending, place in `stocks` x 2^32 + era. rows : int64, of each key.
    """

    bins: Int8
    stocks: pa.Array
    keys: Int64
    rows: Int64

    @classmethod
    def of(cls, *parts: EraFrame) -> Self:
        """Know the rows of some frames; of an era that is in several, those of the first.

        Raises
        ------
        ModelError : the rows do not say what they are about.
        """
        apart, seen = [], np.empty(0, dtype=np.int32)
        for part in parts:
            new = part.eras[~np.isin(part.eras, seen)]
            apart.append(part.select_eras(new))
            seen = np.concatenate([seen, new])
        entities = pa.concat_arrays([entities_of(part) for part in apart])
        stocks = pc.unique(entities)
        keys = _places(entities, stocks) * ERAS + np.concatenate([p.row_eras for p in apart])
        rows = np.argsort(keys, kind="stable")
        bins = [era_bins(p.features[mine]) for p in apart for _, mine in p.iter_eras()]
        empty = np.empty((0, parts[0].n_features), dtype=np.int8)
        return cls(np.concatenate([empty, *bins]), stocks, keys[rows], rows)

    def before(self, frame: EraFrame, n: int) -> Int64:
        """Return the rows of each stock in the n era numbers before its row, int64 [n_rows, n].

        The oldest first; `ABSENT` where it has none.
        """
        places = _places(entities_of(frame), self.stocks)
        eras = frame.row_eras.astype(np.int64)[:, None] - np.arange(n, 0, -1)
        wanted = places[:, None] * ERAS + eras
        at = np.searchsorted(self.keys, wanted).clip(max=max(len(self.keys) - 1, 0))
        if not len(self.keys):
            return np.full(wanted.shape, ABSENT, dtype=np.int64)
        there = (self.keys[at] == wanted) & (places[:, None] >= 0)
        return np.where(there, self.rows[at], ABSENT)


def entities_of(frame: EraFrame) -> pa.Array:
    """Return what the rows are about. Raises ModelError where nothing says it."""
    if frame.entity is None:
        raise ModelError(
            "a net of stocks follows what rows are about over time, and these rows do not say it",
            where="data.entity",
            fix="use source: prices, or name a column there, as in entity: ticker",
        )
    return frame.entity


def shuffled(places: Int64, frame: EraFrame, seed: int) -> Int64:
    """Give each row the past of another stock of its era; a row that is alone keeps its own.

    Drawn by era and by the stocks' names: the order of rows decides nothing.
    """
    found = places.copy()
    names = np.array(entities_of(frame).to_pylist(), dtype=object)
    for era, rows in frame.iter_eras():
        by_name = rows.start + np.argsort(names[rows].astype(str), kind="stable")
        drawn = np.random.default_rng(child_seed(seed, "shuffled", era)).permutation(by_name)
        found[drawn] = places[np.roll(drawn, 1)]
    return found


def too_short(places: Int64, min_history: int) -> npt.NDArray[np.bool_]:
    """Tell which rows are there for fewer eras than they must, their own counted."""
    return np.asarray(1 + (places != ABSENT).sum(axis=1) < min_history)


def _places(entities: pa.Array, stocks: pa.Array) -> Int64:
    found = pc.fill_null(pc.index_in(entities, value_set=stocks), ABSENT)
    places: Any = found.to_numpy(zero_copy_only=False)
    return np.asarray(places, dtype=np.int64)


def each_era(frame: EraFrame) -> Iterable[tuple[EraFrame, slice]]:
    """Yield each era of a frame, with where its rows are."""
    for era, rows in frame.iter_eras():
        yield frame.between(era, era), rows
