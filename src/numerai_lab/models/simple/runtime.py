"""How linear models predict, here and at Numerai."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerai_lab.models.exports.runtime import MISSING

Array = Any


def predict(
    features: Array, _settings: dict[str, Any], arrays: dict[str, Any], _parts: list[Any]
) -> Array:
    """Sum what features differ from their means, times coefficients, float64 [n_rows].

    A missing value differs by nothing.
    """
    coefficients, means = arrays["coefficients"], arrays["means"]
    missing = features == MISSING if features.dtype == np.int8 else np.isnan(features)
    values = np.where(missing, means, features) if missing.any() else features
    # not a matrix product, which would first copy all rows in float64
    return np.einsum("ij,j->i", values, coefficients) - means @ coefficients
