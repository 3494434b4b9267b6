"""A made-up member, exported: it predicts one of the features."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any


def predict(
    features: Array, settings: dict[str, Any], _arrays: dict[str, Any], _parts: list[Any]
) -> Array:
    """Return the feature in the place that `settings["column"]` tells, float64 [n_rows]."""
    return features[:, settings["column"]].astype(np.float64)
