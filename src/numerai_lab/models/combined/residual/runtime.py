"""How an exported `residual` predicts at Numerai: its two parts added, for one era."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerai_lab.models.combined.runtime import standardised

Array = Any


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
