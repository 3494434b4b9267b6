"""How an exported `era_set` predicts, in NumPy: `module.SetNet` without torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerai_lab.models.nets.attention_runtime import era_stage
from numerai_lab.models.nets.runtime import embedded, era_bins, layer_norm, linear, main_target

Array = Any
Arrays = dict[str, Any]


def predict(features: Array, settings: dict[str, Any], arrays: Arrays, _parts: list[Any]) -> Array:
    """Predict the rows of one era, float64 [n_rows], the mean over the nets."""
    bins = era_bins(features)
    total = np.zeros(len(bins))
    for seed in range(settings["n_nets"]):
        prefix = f"{seed}/"
        own = {k[len(prefix) :]: arrays[k] for k in arrays if k.startswith(prefix)}
        rows = embedded(bins, own, "input")
        for layer in range(settings["params"]["layers"]):
            rows = era_stage(rows, own, f"stages.{layer}", settings["params"]["heads"])
        outputs = linear(layer_norm(rows, own, "norm"), own, "head")
        total += main_target(outputs, settings["labels"])
    return total / settings["n_nets"]
