"""The code inside a bundle that lets an exported model, and the models in it, predict.

A *runtime* is a module with a function

    predict(features, settings, arrays, parts)

that predicts the rows of one era with numpy, scipy and pandas alone: features [n_rows, n_features]
as the exported model names them, int8 (missing: -1) or float32 (missing: NaN), not to be changed;
`settings` and `arrays` as exported; `parts` a list of functions, one for each exported part, that
predict the rows when they are given `features`. It returns float [n_rows]. One whose export `asks`
for something is given a fifth argument, a dict with the era's `number`, `ids`, `entity` and `side`.

A runtime imports the standard library, numpy, pandas, scipy, and other runtimes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any
Arrays = dict[str, Any]
Kind = Callable[..., Array]

MISSING = -1
"""Of int8 features."""


def predict_node(
    features: Array,
    node: dict[str, Any],
    arrays: Arrays,
    kinds: dict[str, Kind],
    era: dict[str, Any] | None = None,
) -> Array:
    """Predict the rows of one era with an exported model, float [n_rows].

    Parameters
    ----------
    features : as what the model is part of takes them.
    node : the model's number, kind, settings, parts, and the columns it takes (None: all).
    arrays : of all models by `number/name`. kinds : kind -> its `predict`.
    era : what is known of the era beside the features, for models that ask for it.
    """
    if node["columns"] is not None:
        features = np.take(features, node["columns"], axis=1)
    prefix = f"{node['number']}/"
    own = {name[len(prefix) :]: arrays[name] for name in arrays if name.startswith(prefix)}
    parts = [
        lambda given, part=part: predict_node(given, part, arrays, kinds, era)
        for part in node["parts"]
    ]
    told = (era,) if node["asks"] else ()
    values = kinds[node["kind"]](features, node["settings"], own, parts, *told)
    if np.shape(values) != (len(features),) or not np.isfinite(values).all():
        raise ValueError(
            f"the '{node['kind']}' numbered {node['number']} gives {np.shape(values)} values, "
            f"{np.count_nonzero(~np.isfinite(values))} not finite, for {len(features)} rows"
        )
    return values
