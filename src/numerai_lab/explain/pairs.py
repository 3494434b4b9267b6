"""Interactions of pairs of features, by the model's own exact values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.explain.sample import Sample
from numerai_lab.models import InteractingModel

MOST_ROWS, TOP = 200, 20
_PIECE_BYTES = 128 << 20
"""Of the matrices of all pairs that are held at once; a row's has n_features squared values."""


def interaction_facts(
    model: InteractingModel,
    sample: Sample,
    columns: npt.NDArray[np.int64],
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Return how strongly pairs among some features interact.

    Parameters
    ----------
    sample : at most `MOST_ROWS` rows. columns : the features, at most `TOP`.
    progress : called with (rows done, rows in all).

    Returns
    -------
    `rows` and `pairs`: the names of both features and `size`, the mean absolute interaction in
    units of the raw output, both halves together; the largest first, without those of size 0.
    """
    names = sample.frame.feature_names
    step = max(1, _PIECE_BYTES // (4 * (len(names) + 1) ** 2))
    size, done = np.zeros((len(columns), len(columns))), 0
    for frame, drawn in sample.each():
        for start in range(0, len(drawn), step):
            found = model.interactions(frame.without_targets(), drawn[start : start + step])
            size += np.abs(found[:, columns][:, :, columns]).sum(axis=0, dtype=np.float64)
            done += len(found)
            progress(done, sample.n_rows)
    size *= 2 / sample.n_rows
    pairs = [
        {"features": [names[columns[i]], names[columns[k]]], "size": float(size[i, k])}
        for i in range(len(columns))
        for k in range(i)
        if size[i, k] > 0
    ]
    pairs.sort(key=lambda pair: -float(pair["size"]))  # type: ignore[arg-type]
    return {"rows": sample.n_rows, "pairs": pairs}
