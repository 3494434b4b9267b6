"""What tree libraries need to know about a feature array: which values its features take."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from numerai_lab.eraframe import Features
from numerai_lab.models.contract import World

_CACHE_BYTES = 1 << 20


def distinct_values(
    features: Features, world: World | None = None
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
    """Find which values each feature takes.

    Works through pieces that fit the processor's cache and stops looking for a value that
    every feature has shown, so on Numerai's data it costs one pass for the range.

    Parameters
    ----------
    features : int8 [n_rows, n_features], at least one row.
    world : workers that hold the other rows; None: these are all rows.

    Returns
    -------
    values : int8 [n_values], all from the lowest to the highest.
    present : bool [n_values, n_features], whether the feature takes the value.
    """
    if isinstance(features, np.ndarray):
        lowest, highest = int(features.min()), int(features.max())
    else:
        lowest, highest = features.bounds()
    ends = np.array((world or World()).from_all((lowest, highest)))
    lowest, highest = int(ends[:, 0].min()), int(ends[:, 1].max())
    values = np.arange(lowest, highest + 1).astype(np.int8)
    present = np.zeros((len(values), features.shape[1]), dtype=bool)
    open_values = list(range(len(values)))
    for piece in pieces(len(features), features.shape[1]):
        for k in open_values:
            present[k] |= (features[piece] == values[k]).any(axis=0)
        open_values = [k for k in open_values if not present[k].all()]
        if not open_values:
            break
    return values, (world or World()).total(present) > 0


def reference_rows(
    values: npt.NDArray[np.int8], present: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int8]:
    """Make the smallest rows in which every feature takes exactly its values.

    XGBoost and LightGBM find the same bin edges in them as in all training rows, in no time,
    and a constant feature stays recognisable as one.

    Parameters
    ----------
    values, present : as `distinct_values` returns them.

    Returns
    -------
    int8 [largest number of values of a feature, n_features].
    """
    counts = present.sum(axis=0)
    present_first = np.argsort(~present, axis=0, kind="stable")
    turns = np.arange(counts.max())[:, None] % counts
    rows: npt.NDArray[np.int8] = values[np.take_along_axis(present_first, turns, axis=0)]
    return rows


def pieces(n_rows: int, row_bytes: int, piece_bytes: int = _CACHE_BYTES) -> Iterator[slice]:
    """Cut rows into neighbouring slices of about `piece_bytes`, at least one row each."""
    step = max(1, piece_bytes // max(1, row_bytes))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))
