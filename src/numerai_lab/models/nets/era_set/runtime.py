"""How an exported `era_set` predicts, in NumPy: `module.SetNet` without torch."""

from __future__ import annotations

from typing import Any

from numerai_lab.models.nets.attention_runtime import era_stage
from numerai_lab.models.nets.runtime import embedded, layer_norm, linear, mean_over_nets

Array = Any
Arrays = dict[str, Any]


def predict(features: Array, settings: dict[str, Any], arrays: Arrays, _parts: list[Any]) -> Array:
    """Predict the rows of one era, float64 [n_rows], the mean over the nets."""
    return mean_over_nets(features, settings, arrays, _outputs)


def _outputs(bins: Array, settings: dict[str, Any], arrays: Arrays) -> Array:
    rows = embedded(bins, arrays, "input")
    for layer in range(settings["params"]["layers"]):
        rows = era_stage(rows, arrays, f"stages.{layer}", settings["params"]["heads"])
    return linear(layer_norm(rows, arrays, "norm"), arrays, "head")
