"""Numbers of earlier eras: an entity's features, and what features told of the target."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.features.runtime import centred, numbers


def of_entities(rows: EraFrame, entity: Any, settings: dict[str, Any]) -> Float64:
    """Return an earlier era's values in the order of the entities, NaN where one is absent."""
    found = np.full((len(entity), len(settings["names"])), np.nan)
    if rows.n_rows == 0 or rows.entity is None:
        return found
    at = pd.Index(rows.entity.to_pandas()).get_indexer(pd.Index(entity.to_pandas()))
    there = at >= 0
    found[there] = numbers(few(rows, settings["names"]))[at[there]]
    return found


def few(rows: EraFrame, names: list[str]) -> Any:
    """Return a few features in memory."""
    return rows.with_features(names).features_in_memory()


def target_corr(rows: EraFrame, names: list[str], target: str, era: int) -> Float64:
    """Return each feature's correlation with the target in one era, float64 [n_features]."""
    own = rows.between(era, era)
    label = own.target(target).astype(np.float64)
    known = ~np.isnan(label)
    values = np.nan_to_num(centred(few(own, names)[known]))
    y = label[known] - label[known].mean()
    scale = values.std(axis=0) * y.std() * max(len(y), 1)
    found: Float64 = np.divide(y @ values, scale, out=np.zeros(len(names)), where=scale > 0)
    return np.round(found, 6)
