"""How an exported `transformed` predicts at Numerai: columns made, and its model given them."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerai_lab.features.runtime import add_columns

Array = Any


def predict(
    features: Array, settings: dict[str, Any], arrays: dict[str, Any], parts: list[Any]
) -> Array:
    """Predict the rows of one era, float [n_rows].

    `settings["steps"]` are those of `add_columns`, `settings["kept"]` the columns the model takes.
    """
    every = add_columns(features, settings["steps"], arrays)
    return parts[0](np.ascontiguousarray(every[:, settings["kept"]]))
