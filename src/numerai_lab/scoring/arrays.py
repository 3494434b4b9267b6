"""The input of every score: rows sorted by era, era offsets, and one or many prediction columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from numerai_lab.arrays import Float64
from numerai_lab.errors import DataError

Offsets = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating[Any]]
Rows = npt.NDArray[np.intp]

MIN_OVERLAP = 0.8
"""Share of an era's rows that must have a prediction (and a reference) for it to be scored.

Source: `DEFAULT_MAX_FILTERED_INDEX_RATIO` = 0.2 of numerai_tools.scoring.
"""


_VALUES_AT_ONCE = 32_768
"""Values sorted in one go. Temporary arrays beyond some hundred kB are mapped and unmapped anew
by the allocator each time, which takes longer than the arithmetic."""


def as_columns(values: FloatArray, offsets: Offsets, name: str = "predictions") -> FloatArray:
    """View values as [n_rows, n_columns].

    Raises
    ------
    DataError
        When the values are not one- or two-dimensional floats, or the offsets do not cover them.
    """
    if values.ndim not in (1, 2) or not np.issubdtype(values.dtype, np.floating):
        raise DataError(
            f"{name} are {values.dtype} with {values.ndim} dimensions, "
            "they must be floats [n_rows] or [n_rows, n_columns]"
        )
    check_offsets(offsets, len(values), name)
    return values[:, None] if values.ndim == 1 else values


def check_offsets(offsets: Offsets, n_rows: int, name: str) -> None:
    """Raise DataError unless the offsets run from 0 to n_rows without going back."""
    if (
        len(offsets) == 0
        or offsets[0] != 0
        or offsets[-1] != n_rows
        or np.any(np.diff(offsets) < 0)
    ):
        end = offsets[-1] if len(offsets) else "nothing"
        raise DataError(f"{name} have {n_rows} rows, era offsets end at {end}")


def era_slices(offsets: Offsets) -> Iterator[tuple[int, slice]]:
    """Yield (position of the era, slice of its rows)."""
    for i in range(len(offsets) - 1):
        yield i, slice(int(offsets[i]), int(offsets[i + 1]))


def apply_by_completeness(
    block: FloatArray,
    rows: Rows,
    required: float,
    kernel: Callable[[FloatArray, Rows], Float64],
) -> Float64:
    """Score the columns of one era: complete ones together, one with NaN on its own rows.

    Parameters
    ----------
    block : float [n_rows of the era, n_columns].
    rows : the rows that can be scored at all (with target, with reference).
    required : a column with fewer rows than this gets NaN; at least two are always needed.
    kernel : takes columns [k, n] without NaN and their rows [n]; returns float64 [k].
    """
    required = max(required, 2)
    scores = np.full(block.shape[1], np.nan)
    if len(rows) < required:
        return scores
    scorable = block if len(rows) == len(block) else block[rows]
    step = max(1, _VALUES_AT_ONCE // len(rows))
    for start in range(0, len(scores), step):
        columns = np.ascontiguousarray(scorable[:, start : start + step].T)
        part = scores[start : start + step]
        present = ~np.isnan(columns)
        complete = present.all(axis=1)
        if complete.all():
            part[:] = kernel(columns, rows)
            continue
        if complete.any():
            part[complete] = kernel(columns[complete], rows)
        for j in np.flatnonzero(~complete):
            kept = present[j]
            if np.count_nonzero(kept) >= required:
                part[j] = kernel(columns[j : j + 1, kept], rows[kept])[0]
    return scores


def one_blas_thread() -> AbstractContextManager[object]:
    """Limit matrix products to one thread while the context lasts.

    The problems of one era are small: a second thread gains little on an idle machine, and on a
    busy one the threads wait for each other (measured: 66 eras of fnc in 39 s instead of 0.9 s).
    """
    limiter: AbstractContextManager[object] = _thread_pools().limit(limits=1, user_api="blas")
    return limiter


@lru_cache(maxsize=1)
def _thread_pools() -> ThreadpoolController:
    return ThreadpoolController()
