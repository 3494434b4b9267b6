"""How an exported `residual` predicts at Numerai: its two parts added, for one era."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any

_ROUNDING = 1e-7
"""Values that differ by a smaller share than float32 can tell do not differ."""


def predict(
    features: Array, settings: dict[str, Any], _arrays: dict[str, Any], parts: list[Any]
) -> Array:
    """Add what the second part predicts to the first one's standardised, float32 [n_rows].

    `settings["coefficient"]` is how much one standard deviation of the first counts.
    """
    first, second = (part(features) for part in parts)
    return total(first, second, settings["coefficient"])


def total(first: Array, second: Array, coefficient: float) -> Array:
    """Return coefficient * standardised first + second, for the rows of one era."""
    return (coefficient * standardised(first) + second).astype(np.float32)


def standardised(values: Array) -> Array:
    """Bring the values of one era to mean 0 and standard deviation 1, float64; constants to 0."""
    values = np.asarray(values, dtype=np.float64)
    centred = values - values.mean()
    spread = centred.std()
    if not spread > _ROUNDING * np.abs(values).max():
        return np.zeros(len(values))
    return centred / spread
