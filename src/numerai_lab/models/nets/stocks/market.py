"""What an era is like: mean and spread over its stocks of columns beside the features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from numerai_lab.arrays import Float32, Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError


def market_columns(frame: EraFrame) -> tuple[str, ...]:
    """Name the columns beside the features that hold real numbers.

    Raises ModelError where there is none.
    """
    names = tuple(n for n, column in frame.side.items() if pa.types.is_floating(column.type))
    if not names:
        raise ModelError(
            "no column of real numbers stands beside the features to tell what an era is like",
            where="model.params.gate",
            fix="name some in data.side, use source: prices, or write gate: none",
        )
    return names


def market_statistics(frame: EraFrame, names: Sequence[str]) -> Float32:
    """Return the mean of each column over an era's rows, then the deviations, [n_eras, 2 n].

    Of sign(x) log(1 + |x|), which leaves returns nearly as they are and makes values traded
    comparable; NaN where no row has a value.

    Raises
    ------
    DataError : a column is not there.
    """
    found = np.full((frame.n_eras, 2 * len(names)), np.nan)
    for place, name in enumerate(names):
        raw: Float64 = frame.side_column(name).to_numpy(zero_copy_only=False).astype(np.float64)
        values = np.sign(raw) * np.log1p(np.abs(raw))
        for i, (_, rows) in enumerate(frame.iter_eras()):
            known = values[rows][np.isfinite(values[rows])]
            if len(known):
                found[i, place] = known.mean()
                found[i, len(names) + place] = known.std()
    return found.astype(np.float32)


def usual(statistics: Float32) -> tuple[Float32, Float32]:
    """Return mean and deviation over eras of each statistic; 0 and 1 where nothing is known."""
    values = statistics.astype(np.float64)
    known = np.isfinite(values)
    n = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0).sum(axis=0) / n
    spread = np.sqrt((np.where(known, values - mean, 0) ** 2).sum(axis=0) / n)
    return mean.astype(np.float32), np.where(spread > 0, spread, 1).astype(np.float32)
