"""How much the ranks of the same stocks move from one era to the next."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Eras, Float64
from numerai_lab.scoring.arrays import MIN_OVERLAP, FloatArray, Offsets, as_columns
from numerai_lab.scoring.ranks import doubled_ranks


def rank_turnover_per_era(
    predictions: FloatArray, entities: npt.NDArray[np.int64], eras: Eras, offsets: Offsets
) -> Float64:
    """1 minus the rank correlation of predictions with those of the era before, by entity.

    0: every rank stays; 1: as if drawn anew; 2: turned over. Ranks are taken among the entities
    that are in both eras, so that new and vanished ones do not count.

    Parameters
    ----------
    predictions : float [n_rows] or [n_rows, n_columns].
    entities : int64 [n_rows], what a row is about, once an era.
    eras : int32 [n_eras]. Eras further apart than most neighbours are not held against each other.
    offsets : int64 [n_eras + 1].

    Returns
    -------
    float64 [n_eras, n_columns]. NaN in the first era and after a gap, where fewer than 80 % of an
    era's rows have a prediction in both, and where either is constant.

    Source: 1 minus the factor rank autocorrelation of alphalens.
    """
    columns = as_columns(predictions, offsets)
    found = np.full((len(eras), columns.shape[1]), np.nan)
    gaps = np.diff(eras)
    for i in range(1, len(eras)):
        if gaps[i - 1] > np.median(gaps):
            continue
        before, now = slice(*offsets[i - 1 : i + 1]), slice(*offsets[i : i + 2])
        _, mine, theirs = np.intersect1d(
            entities[now], entities[before], assume_unique=True, return_indices=True
        )
        required = max(MIN_OVERLAP * (now.stop - now.start), 2)
        for j in range(columns.shape[1]):
            pair = np.stack([columns[now, j][mine], columns[before, j][theirs]])
            known = pair[:, ~np.isnan(pair).any(axis=0)]
            if known.shape[1] >= required:
                found[i, j] = _turnover(np.ascontiguousarray(known))
    return found


def _turnover(pair: FloatArray) -> float:
    ranks = doubled_ranks(pair).astype(np.float64)
    if (ranks == ranks[:, :1]).all(axis=1).any():
        return float("nan")
    ranks -= ranks.mean(axis=1, keepdims=True)
    together = float(ranks[0] @ ranks[1])
    return 1.0 - together / float(np.sqrt((ranks[0] @ ranks[0]) * (ranks[1] @ ranks[1])))
