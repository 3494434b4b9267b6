"""How a `blend` of exported models predicts at Numerai: what `blend.py` does, for one era."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerai_lab.scoring.runtime import gaussian_ranks, unit_ranks

Array = Any

_ROUNDING = 1e-7
"""Values that differ by a smaller share than float32 can tell do not differ."""


def predict(
    features: Array, settings: dict[str, Any], _arrays: dict[str, Any], parts: list[Any]
) -> Array:
    """Rank the weighted sum of the parts' gaussian ranks, float32 [n_rows].

    `settings["weights"]` has a number for each part.
    """
    total = np.zeros(len(features))
    for part, weight in zip(parts, settings["weights"], strict=True):
        total += weight * gaussian_ranks(part(features))
    return unit_ranks(total).astype(np.float32)


def standardised(values: Array) -> Array:
    """Bring the values of one era to mean 0 and standard deviation 1, float64; constants to 0."""
    values = np.asarray(values, dtype=np.float64)
    centred = values - values.mean()
    spread = centred.std()
    if not spread > _ROUNDING * np.abs(values).max():
        return np.zeros(len(values))
    return centred / spread
