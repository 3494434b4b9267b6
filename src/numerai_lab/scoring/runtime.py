"""Ranks as a bundle makes them; `ranks.py` for one prediction and one era, and no more."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

Array = Any


def doubled_ranks(values: Array) -> Array:
    """Return twice the zero-based rank, ties sharing their mean rank, int64 [n_rows]."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    start = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    counts = np.diff(start, append=len(values))
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[order] = np.repeat(2 * start + counts - 1, counts)
    return ranks


def unit_ranks(values: Array) -> Array:
    """Return ranks within (0, 1), float64 [n_rows]."""
    return (doubled_ranks(values) + 1) / (2 * len(values))


def gaussian_ranks(values: Array) -> Array:
    """Return the normal quantile of each value's rank, float64 [n_rows]."""
    n = len(values)
    lower = special.ndtri(np.arange(1, n) / (2 * n))
    return np.concatenate([lower, [0.0], -lower[::-1]])[doubled_ranks(values)]
