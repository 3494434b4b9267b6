"""How a `blend` of exported models predicts at Numerai: what `blend.py` does, for one era."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerai_lab.scoring.runtime import gaussian_ranks, unit_ranks

Array = Any


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
