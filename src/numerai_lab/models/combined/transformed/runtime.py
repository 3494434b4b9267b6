"""How an exported `transformed` predicts at Numerai: columns made, and its model given them."""

from __future__ import annotations

from typing import Any

from numerai_lab.features.runtime import predict_with

Array = Any


def predict(
    features: Array, settings: dict[str, Any], arrays: dict[str, Any], parts: list[Any]
) -> Array:
    """Predict the rows of one era, float [n_rows]; see `predict_with`."""
    return predict_with({}, features, settings, arrays, parts)
